"""Which words of a configuration the parser reads although they change nothing in a run.

Every verdict names them, since the author of the configuration may rely on their effect.
"""

from collections.abc import Iterator

from ...model.plan.system_plan import VmPlan
from ...model.plan.termination import BY_NAME
from ..format.diagnostics import Diagnostics
from ..qvmconf.config import PassConfig, VdevConfig, VmConfig
from .guests import GuestEntry
from .hardware import Hardware
from .pass_entries import used_line
from .vdev_plans import known_vdevs

NO_EFFECT = "no effect"
"""What the basis of such an assumption begins with."""

_HEEDED = {"virtio-blk": {"dio", "legacy"}, "virtio-net": {"peer", "legacy"}}
"""The options of a vdev that a run heeds, besides place, interrupt, name and `hostdev`."""

_WATCHDOGS = ("wdt-sp805", "wdt-ib700")
"""What these do is said by the cause of the end, and when by `watchdog_period`."""

_DMA_ATTRIBUTES = set("ndst")
"""The attributes of a window that a run heeds: whether its device writes memory."""

_TIMEOUTS = ("message-block-timeout", "vdev-message-block-timeout")

Word = tuple[str, int]
"""What is without effect, and the line where it stands; 0 if that is not kept."""


def note_without_effect(
    guest: GuestEntry, vm: VmPlan, hardware: Hardware, diagnostics: Diagnostics, *, is_timed: bool
) -> None:
    """Note in one assumption all words of a VM's configuration that have no effect.

    Args:
        guest: The VM with its configuration.
        vm: Its plan.
        hardware: Which `pass` entries are devices.
        diagnostics: Receives the assumption.
        is_timed: Whether the scenario's own `message_block_timeout` stands above it.
    """
    words = [
        *_top_level(guest.config),
        *_settings(guest.config, heeds_timeouts=_heeds_timeouts(vm, is_timed=is_timed)),
        *_of_vdevs(guest),
        *_of_passes(guest.config, hardware),
    ]
    if not words:
        return
    names = ", ".join(dict.fromkeys(name for name, _ in words))
    lines = ", ".join(str(line) for line in sorted({line for _, line in words} - {0}))
    where = f" (line{'s' if ',' in lines else ''} {lines} of the configuration)" if lines else ""
    basis = f"{NO_EFFECT}: read, and not heeded by a run{where}"
    diagnostics.assume(f"{guest.name}.options", names, basis)


def _top_level(config: VmConfig) -> Iterator[Word]:
    for option in config.options:
        yield option.name, option.place.line
    for load in config.loads:
        yield f"{load.blob} load".strip(), load.place.line
    for cpu in config.cpus:
        yield "cpu", cpu.place.line
    if config.dump:
        yield "dump", 0
    if config.safety != "none":
        yield "safety", 0
    if config.dryrun:
        yield "dryrun", 0
    for name, regions in (("rom", config.rom), ("reserve", config.reserve)):
        for region in regions:
            yield name, region.place.line


def _settings(config: VmConfig, *, heeds_timeouts: bool) -> Iterator[Word]:
    for setting in config.settings:
        if not (setting.variable in _TIMEOUTS and heeds_timeouts):
            yield f"set {setting.variable}", setting.place.line


def _heeds_timeouts(vm: VmPlan, *, is_timed: bool) -> bool:
    """Return whether anything in a run waits for a host server as long as qvm would."""
    stalls = any(BY_NAME[end.cause].stalls_server for end in vm.ends) and not is_timed
    disks = {block.name for block in vm.blocks}
    drains = any(one.device in disks and step.bound_ns for one in vm.quiesce for step in one.steps)
    return stalls or drains


def _of_vdevs(guest: GuestEntry) -> Iterator[Word]:
    known = known_vdevs(guest)
    for name, vdev in zip(guest.vdevs, guest.config.vdevs, strict=True):
        if name in known or vdev.type in _WATCHDOGS:
            yield from _of_vdev(vdev)


def _of_vdev(vdev: VdevConfig) -> Iterator[Word]:
    heeded = _HEEDED.get(vdev.type, {"legacy"})
    for option in vdev.options:
        if option.name not in heeded:
            yield f"{vdev.type} {option.name}", option.place.line


def _of_passes(config: VmConfig, hardware: Hardware) -> Iterator[Word]:
    taken = [passed.place for passed in hardware.passes.values()]
    for passed in config.passes:
        if passed.place in taken:
            yield from _of_pass(passed)


def _of_pass(passed: PassConfig) -> Iterator[Word]:
    used = used_line(passed)
    for window in passed.windows:
        letters = "".join(one for one in window.attributes if one not in _DMA_ATTRIBUTES)
        if letters.strip("rw"):
            yield f"pass attributes {letters.strip('rw')}", window.place.line
    for line in passed.interrupts:
        if line is not used:
            yield "further intr of a pass", line.place.line
        elif "t" in line.flags:
            yield "t of intr", line.place.line
