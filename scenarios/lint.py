"""Design rules for a `qvm` configuration: what is legal and yet unwise for a safe shutdown.

The parser refuses what `qvm` could not run.  These rules examine what it would run.  Before any
simulation they show an integrator where a dead guest's hardware can still do harm, or where the
harm would stay unnoticed.  A remark is advice from the text alone; it proves nothing.

How a quiescing vdev is recognised: a configuration does not say which vdev quiesces what.  No
vdev that QNX ships does it, so only a user's own vdev can.  `quiesced` names, by their labels
(`PassConfig.label`, such as `pci:0:2.0` or `mem:0xee080000`), the pass-through devices that
the user declares to be quiesced by a vdev.  A user's vdev without such a declaration is only a
candidate: the remark stays, with a remedy that names the vdev.

Source:
    QNX 7.1 hypervisor guide, start/quiescing, start/guest_stop, vm/set; QNX 7.1 hypervisor
    safety guide, vm/pass; QNX 8.0 hypervisor guide, virt/qvmirqs.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from ..model.base.errors import Place, nearest
from .qvmconf.config import PassConfig, PassInterrupt, VdevConfig, VmConfig

__all__ = ["LintRemark", "lint"]

Severity = Literal["error", "warning", "note"]

FIRST_SPI = 32
"""GIC interrupts below are private to a CPU (GICv3 architecture, INTID ranges)."""

_WATCHDOGS = ("wdt-sp805", "wdt-ib700")
_RANK = {"error": 0, "warning": 1, "note": 2}


class LintRemark(msgspec.Struct, frozen=True):
    """One piece of advice.

    Attributes:
        severity: `error` for what a safety case cannot carry, `warning` for what can hurt,
            `note` for what the integrator should know or confirm.
        rule: A stable identifier.
        place: Where it stands.
        message: What was found, as a clause without a full stop.
        remedy: What to do about it, as an imperative.
        source: Where the rule comes from.
    """

    severity: Severity
    rule: str
    place: Place
    message: str
    remedy: str
    source: str

    def __str__(self) -> str:
        """Return the remark on one line."""
        return f"{self.place}: {self.severity}: {self.message}; {self.remedy} [{self.rule}]"


def lint(
    config: VmConfig, *, iommu: bool | None, quiesced: frozenset[str], safety: bool
) -> tuple[LintRemark, ...]:
    """Return what is unwise in a configuration, the gravest first, then in text order.

    Args:
        config: The machine.
        iommu: Whether an IOMMU confines pass-through devices; `None` if that is not known.
        quiesced: Labels of the pass-through devices that a vdev quiesces.
        safety: The safety variant of the hypervisor is used.  It is also assumed if the
            configuration says `safety required` or asks for a `-safety` vdev.
    """
    strict = safety or config.safety == "required" or any(v.safety_build for v in config.vdevs)
    remarks = [
        *_quiescing(config, quiesced, strict=strict),
        *_declarations(config, quiesced),
        *_containment(config, iommu, strict=strict),
        *_shared_lines(config, strict=strict),
        *_lines(config),
        *_timeouts(config, strict=strict),
        *_watchdog(config, strict=strict),
        *_host_side(config),
        *_supervision(config, safety=safety),
    ]
    order = {file: index for index, file in enumerate(config.files)}

    def rank(remark: LintRemark) -> tuple[int, int, int, int]:
        place = remark.place
        return (_RANK[remark.severity], order.get(place.file, -1), place.line, place.column)

    return tuple(sorted(remarks, key=rank))


def _whole(config: VmConfig) -> Place:
    """Return the place for remarks about the whole machine."""
    return Place(config.files[0] if config.files else "<no file>")


def _user_vdevs(config: VmConfig) -> list[VdevConfig]:
    return [vdev for vdev in config.vdevs if not vdev.shipped]


def _labels(item: PassConfig) -> set[str]:
    return {item.label, *(window.label for window in item.windows)}


def _quiescing(config: VmConfig, quiesced: frozenset[str], *, strict: bool) -> Iterator[LintRemark]:
    source = "QNX 7.1 hypervisor guide, start/quiescing"
    candidates = ", ".join(f"vdev {vdev.label}" for vdev in _user_vdevs(config))
    for item in config.passes:
        if not item.can_do_dma:
            yield from _declared_without_dma(item)
        elif not quiesced & _labels(item):
            remedy = (
                f"declare it as quiesced if that is what {candidates} does"
                if candidates
                else _unquiesced_remedy(item)
            )
            message = f"{item.label} can write memory and no vdev is declared to quiesce it"
            severity: Severity = "error" if strict else "warning"
            yield LintRemark(severity, "dma-unquiesced", item.place, message, remedy, source)


def _unquiesced_remedy(item: PassConfig) -> str:
    """Return what to do about a device that nothing quiesces; PCI functions have no attributes."""
    remedy = "add a vdev that stops it when qvm terminates"
    if item.kind == "pci":
        return remedy
    windows = "the window" if len(item.windows) == 1 else "its windows"
    return f"{remedy}, or declare {windows} free of DMA with attribute n if it is"


def _declared_without_dma(item: PassConfig) -> Iterator[LintRemark]:
    """Note a device that claims by attribute `n` to do no DMA."""
    if item.windows:
        state = "is live and taken" if item.interrupts else "has no line here and is taken"
        message = f"{item.label} {state} to do no DMA because of attribute n"
        remedy = "confirm with the device's manual that no engine behind it writes memory"
        source = "QNX 8.0 hypervisor guide, vm/pass (attributes)"
        yield LintRemark("note", "dma-declared-absent", item.place, message, remedy, source)


def _declarations(config: VmConfig, quiesced: frozenset[str]) -> Iterator[LintRemark]:
    known = {label for item in config.passes for label in _labels(item)}
    source = "QNX 7.1 hypervisor guide, start/quiescing"
    for label in sorted(quiesced - known):
        close = nearest(label, sorted(known))
        all_known = ", ".join(sorted(known)) or "none"
        remedy = f"did you mean {close}?" if close else f"the pass-through devices are {all_known}"
        message = f"{label!r} is declared as quiesced but is no pass-through device here"
        yield LintRemark("error", "quiesced-unknown", _whole(config), message, remedy, source)
    if quiesced & known and not _user_vdevs(config):
        first = next(item for item in config.passes if quiesced & _labels(item))
        message = f"{first.label} is declared as quiesced, but no vdev here could do that"
        remedy = "add the quiescing vdev to the configuration"
        yield LintRemark("error", "quiesced-without-vdev", first.place, message, remedy, source)


def _containment(config: VmConfig, iommu: bool | None, *, strict: bool) -> Iterator[LintRemark]:
    masters = [item for item in config.passes if item.can_do_dma]
    source = "QNX 7.0 SMMUMAN guide, use/smmuman"
    if masters and iommu is None:
        message = "nothing says whether an IOMMU confines the pass-through devices"
        remedy = "state it; until it is programmed a device reaches all memory"
        yield LintRemark("note", "iommu-unknown", masters[0].place, message, remedy, source)
    if masters and iommu is False:
        severity: Severity = "error" if strict else "warning"
        message = f"{masters[0].label} reaches all of the host's memory: there is no IOMMU"
        remedy = "confine it with an IOMMU or a protection unit, and quiesce it before release"
        yield LintRemark(severity, "iommu-absent", masters[0].place, message, remedy, source)
    for item in config.passes:
        for window in item.windows:
            is_unity = window.guest is not None and window.guest == window.host
            if "m" not in window.attributes or not is_unity or iommu:
                continue
            message = f"{window.label} is memory that the guest sees at its host address"
            remedy = "use an IOMMU, or argue why a stray DMA write cannot leave this range"
            found: Severity = "warning" if iommu is False else "note"
            unity = "QNX 8.0 hypervisor guide, vm/pass (attribute m)"
            yield LintRemark(found, "unity-guest", window.place, message, remedy, unity)


def _shared_lines(config: VmConfig, *, strict: bool) -> Iterator[LintRemark]:
    """Remark on shared lines: a line stays masked for all users while one of them holds it."""
    severity: Severity = "error" if strict else "warning"
    source = "QNX 8.0 hypervisor guide, virt/qvmirqs; QNX interruptdetach"
    remedy = (
        "give it a line of its own, or make sure that every attach tracks masks "
        "(_NTO_INTR_FLAGS_TRK_MSK)"
    )
    owners: dict[str, str] = {}
    for vdev in config.vdevs:
        for pin in vdev.intr:
            if pin.number is not None:
                owners.setdefault(str(pin), f"vdev {vdev.label}")
    for item, line in _pass_lines(config):
        pin_name = f"{line.pic}:{line.number}"
        keys = [pin_name] if line.number is not None else []
        if line.host_vector is not None:
            keys.append(f"host vector {line.host_vector}")
        for key in keys:
            owner = owners.setdefault(key, f"pass {item.label} ({line.place})")
            if owner != f"pass {item.label} ({line.place})":
                message = f"{key} is shared by {owner} and pass {item.label}"
                yield LintRemark(severity, "line-shared", line.place, message, remedy, source)
                break


def _pass_lines(config: VmConfig) -> Iterator[tuple[PassConfig, PassInterrupt]]:
    for item in config.passes:
        for line in item.interrupts:
            yield item, line


def _lines(config: VmConfig) -> Iterator[LintRemark]:
    pins = [(pin.place, pin.pic, pin.number) for vdev in config.vdevs for pin in vdev.intr]
    pins += [(line.place, line.pic, line.number) for _, line in _pass_lines(config)]
    for place, pic, number in pins:
        if pic == "gic" and number is not None and number < FIRST_SPI:
            message = f"gic:{number} is private to each CPU and no device line"
            remedy = f"use {FIRST_SPI} or above; a device tree counts from {FIRST_SPI}, qvm from 0"
            source = "GIC architecture, INTID ranges"
            yield LintRemark("warning", "not-an-spi", place, message, remedy, source)
    for item, line in _pass_lines(config):
        if "u" in line.flags:
            message = f"the line of {item.label} is unmasked before the guest has handled it"
            remedy = (
                "keep u only if host and guest line are edge-triggered and the driver cannot "
                "cause a new interrupt while it clears one"
            )
            source = "QNX 7.1 hypervisor safety guide, vm/pass"
            yield LintRemark("warning", "unmasked-early", line.place, message, remedy, source)


def _timeouts(config: VmConfig, *, strict: bool) -> Iterator[LintRemark]:
    severity: Severity = "error" if strict else "warning"
    source = "QNX 7.0 hypervisor guide, vm/set"
    for setting in config.settings:
        if setting.variable.endswith("message-block-timeout") and setting.number == 0:
            vdev = config.vdevs[setting.vdev].label if setting.vdev >= 0 else ""
            who = f"vdev {vdev}" if vdev else "qvm"
            message = f"{who} waits for ever if a host server does not reply"
            remedy = "set 5 to 10000 ms, or callbacks may never run to their end"
            yield LintRemark(severity, "block-for-ever", setting.place, message, remedy, source)


def _watchdog(config: VmConfig, *, strict: bool) -> Iterator[LintRemark]:
    source = "QNX 8.0 hypervisor guide, vdev_wdt-sp805"
    dogs = [vdev for vdev in config.vdevs if vdev.type in _WATCHDOGS]
    if not dogs:
        severity: Severity = "warning" if strict else "note"
        message = "there is no watchdog: a guest that hangs keeps its devices running"
        remedy = "add vdev wdt-sp805 (ARM) or wdt-ib700 (x86), or a supervisor's own"
        yield LintRemark(severity, "watchdog-absent", _whole(config), message, remedy, source)
    for dog in dogs:
        action = dog.option("action")
        words = action.arguments[0] if action else ""
        if words == "fiq":
            message = f"vdev {dog.label} only interrupts the guest when it bites"
            remedy = "use action terminate if a hung guest must release its devices"
            yield LintRemark("note", "watchdog-interrupts", dog.place, message, remedy, source)
        if "dump" in words and not config.dump:
            message = f"vdev {dog.label} asks for a dump, but no dump option says where to"
            remedy = "add dump, or no dump is written"
            yield LintRemark("warning", "dump-nowhere", dog.place, message, remedy, source)


def _host_side(config: VmConfig) -> Iterator[LintRemark]:
    writers: dict[str, VdevConfig] = {}
    for vdev in config.vdevs:
        direct = vdev.option("dio")
        if direct and direct.arguments == ("enable",):
            message = f"the host driver behind vdev {vdev.label} moves data in guest memory itself"
            remedy = "count its requests in flight among the writers that must end before release"
            source = "QNX 7.1 hypervisor guide, vdev_virtio-blk (dio)"
            yield LintRemark("note", "zero-copy", vdev.place, message, remedy, source)
        for end in vdev.hostdev:
            if vdev.type != "virtio-blk" or end.mode == "read":
                continue
            other = writers.setdefault(end.path, vdev)
            if other is not vdev:
                message = f"{end.path} is written by vdev {vdev.label} and vdev {other.label}"
                remedy = "give each its own, or open one for reading only with <"
                source = "QNX 7.0 hypervisor guide, vdev_virtio-blk"
                yield LintRemark("warning", "backing-shared", end.place, message, remedy, source)


def _supervision(config: VmConfig, *, safety: bool) -> Iterator[LintRemark]:
    if not config.name:
        message = "the machine has no name, so a supervisor cannot watch /dev/qvm/<name>"
        source = "QNX 8.0 hypervisor guide, debug/vminfo"
        yield LintRemark("note", "unnamed", _whole(config), message, "add system", source)
    wants_safety = safety or any(vdev.safety_build for vdev in config.vdevs)
    if wants_safety and config.safety != "required":
        message = f"safety is {config.safety}: an uncertified component would not stop the guest"
        source = "QNX 7.1 hypervisor guide, vm/safety"
        remedy = "write safety required"
        yield LintRemark("warning", "safety-not-required", _whole(config), message, remedy, source)
