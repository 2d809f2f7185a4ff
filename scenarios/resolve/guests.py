"""Pairs the VMs of a scenario with their configurations, before hardware and vdevs are resolved."""

from pathlib import Path

import msgspec

from ...model.plan.termination import BY_NAME
from ..format.diagnostics import Diagnostics
from ..format.loader import ScenarioSource
from ..format.names import vdev_names, vm_names
from ..format.schema import End, Scenario, VmEntry
from ..format.schema_hardware import InterruptController
from ..format.toml_places import KeyPath
from ..qvmconf.config import VmConfig
from ..qvmconf.outside import STANDARD_INPUT
from ..qvmconf.parser import parse_files

_ALONE = (
    *("configuration", "end", "then", "restart", "workload", "quiesce"),
    *("vdev", "bus_scan_limit", "shutdown_handler"),
)
"""Keys that stand at the top level for one VM and inside `[[vm]]` for several."""

_PIC_OF: dict[InterruptController, str] = {"gicv2": "gic", "gicv3": "gic", "apic": "apic"}


class GuestEntry(msgspec.Struct, frozen=True):
    """A VM as scenario and configuration describe it.

    Attributes:
        name: Unique.
        entry: What the scenario says.
        path: Where it says so.
        config: The configuration.
        vdevs: A unique name for each vdev of the configuration, in its order.
    """

    name: str
    entry: VmEntry
    path: KeyPath
    config: VmConfig
    vdevs: tuple[str, ...]

    @property
    def ends(self) -> list[tuple[End, KeyPath]]:
        """Every planned end of the VM, with its place in the scenario."""
        ends: list[tuple[End, KeyPath]] = []
        if self.entry.end is not None:
            ends.append((self.entry.end, (*self.path, "end")))
        return ends + [(end, (*self.path, "then", n)) for n, end in enumerate(self.entry.then)]


def guests_of(source: ScenarioSource, diagnostics: Diagnostics) -> tuple[GuestEntry, ...]:
    """Return the VMs of a scenario.

    Raises:
        ConfigError: If a configuration cannot be used.
        ScenarioError: If there is no VM, or a configuration is missing.
    """
    entries = _entries(source.scenario, diagnostics)
    files = [_files(entry, path, source.folder, diagnostics) for entry, path in entries]
    diagnostics.raise_problems()
    configs = [parse_files(paths) for paths in files]
    given = [getattr(entry, "name", "") for entry, _ in entries]
    for index, name in enumerate(given):
        if name and name in given[:index]:
            path = (*entries[index][1], "name")
            message = f"two VMs are called {name!r}"
            diagnostics.problem(path, message, word=name, remedy="rename one of them")
    names = vm_names(given, configs)
    return tuple(
        GuestEntry(name, entry, path, config, vdev_names(config))
        for name, (entry, path), config in zip(names, entries, configs, strict=True)
    )


def check_architecture(guest: GuestEntry, scenario: Scenario, diagnostics: Diagnostics) -> None:
    """Note where the configuration and the scenario mean different processors."""
    pics = pics_of(guest.config)
    controller = scenario.platform.interrupt_controller
    if controller and pics and _PIC_OF[controller] not in pics:
        diagnostics.problem(
            ("platform", "interrupt_controller"),
            f"{guest.name} attaches interrupts to {min(pics)!r}, which is not {controller}",
            word=controller,
            remedy="correct the configuration or the platform",
        )
    for end, path in guest.ends:
        architecture = BY_NAME[end.cause].architecture
        for pic, other in (("gic", "arm"), ("apic", "x86")):
            if pic in pics and architecture not in {"any", other}:
                diagnostics.problem(
                    (*path, "cause"),
                    f"{end.cause!r} is a cause on {architecture}, but {guest.name} uses {pic!r}",
                    word=end.cause,
                    remedy=f"write {end.cause.removesuffix(architecture)}{other}",
                )


def _entries(scenario: Scenario, diagnostics: Diagnostics) -> list[tuple[VmEntry, KeyPath]]:
    if scenario.vm is None:
        return [(scenario, ())]
    if not scenario.vm:
        diagnostics.problem(("vm",), "there is no VM in 'vm'", remedy="add a [[vm]], or remove it")
    for key in _ALONE:
        if getattr(scenario, key) != getattr(VmEntry(), key):
            diagnostics.problem(
                (key,),
                f"{key!r} stands outside of [[vm]]",
                word=key,
                remedy="move it into the [[vm]] that it describes",
            )
    return [(vm, ("vm", index)) for index, vm in enumerate(scenario.vm)]


def _files(entry: VmEntry, path: KeyPath, folder: Path, diagnostics: Diagnostics) -> list[Path]:
    """Return the configuration files of a VM, and note those that are missing."""
    words = [entry.configuration] if isinstance(entry.configuration, str) else entry.configuration
    if not words:
        diagnostics.problem(
            path,
            "no configuration is named",
            remedy='write configuration = "guest.qvmconf", at the top or in each [[vm]]',
        )
    files = []
    for index, word in enumerate(words):
        if word == STANDARD_INPUT:
            files.append(Path(word))
            continue
        file = folder / word
        if not file.exists():
            here: KeyPath = (*path, "configuration")
            here = here if isinstance(entry.configuration, str) else (*here, index)
            diagnostics.problem(
                here,
                f"there is no configuration file {word!r}",
                word=word,
                remedy="paths are relative to the scenario file",
            )
        files.append(file)
    return files


def pics_of(config: VmConfig) -> set[str]:
    """Return the interrupt controllers of the host that a configuration names."""
    pins = [pin.pic for vdev in config.vdevs for pin in vdev.intr]
    pins += [line.pic for entry in config.passes for line in entry.interrupts]
    return {pic for pic in pins if pic in ("gic", "apic")}
