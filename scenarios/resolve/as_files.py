"""A plan as the files that a user would write: one scenario and a configuration for each VM.

The inverse of `resolve`, for systems that a search has made smaller.  The writer invents what a
plan does not hold: addresses of passed-through registers, paths of disks, names of configurations.
None of it changes a run.  `scenario_files` reads its own text back, and returns it only if the
same plan results.

The vdevs of a configuration stand in an order that suits both their kinds and their callbacks.
"""

import tempfile
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from ...model.base.clock import MS, Span, format_ns
from ...model.base.errors import QuiesceError
from ...model.plan.device_plans import UserBackEndPlan
from ...model.plan.system_plan import (
    AfterPlan,
    DiskPlan,
    EndPlan,
    NicPlan,
    QuiescePlan,
    SystemPlan,
    VmPlan,
)
from ...model.plan.traits import plain_traits
from ...model.plan.virtio_plan import (
    AnyVdevPlan,
    BlockPlan,
    ConsolePlan,
    NetPlan,
    SharedMemoryPlan,
    VirtioPlan,
)
from ..format.loader import load
from ..format.schema import Bounds
from ..format.schema_devices import BackEndEntry, DeviceEntry, TraitsEntry
from ..format.schema_vdevs import FEATURES, VdevEntry
from ..format.toml_text import toml_text
from .replay import same_system
from .resolve import resolve
from .vdev_plans import WORKLOADS
from .vdevs import FOR_EVER_NS

__all__ = ["SCENARIO", "NotWritten", "scenario_files"]

SCENARIO = "counterexample.toml"

Table = dict[str, Any]

_WINDOWS = 0x4000_0000_0000
"""The invented address of the registers of passed-through devices, beyond any memory."""

_TYPES: dict[str, str] = {
    "BlockPlan": "virtio-blk",
    "NetPlan": "virtio-net",
    "ConsolePlan": "virtio-console",
    "EntropyPlan": "virtio-entropy",
    "SharedMemoryPlan": "shmem",
}
_ENTRY_OF_TAG = {"ahci": "sata"}
_ENTRIES = {entry.__struct_config__.tag: entry for entry in DeviceEntry.__args__}
_OF_THE_WORKLOAD = {"frames", "gap", "frame_length"}


class NotWritten(QuiesceError):
    """A system that no scenario file describes.

    Args:
        reason: What a scenario file cannot express.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        """Give the reason."""
        return f"this system has no scenario file: {self.reason}"


def scenario_files(
    plan: SystemPlan, *, head: str = "", replay: str = "", expect: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the text of a scenario file and its configurations, by file name.

    Args:
        plan: What they describe.
        head: Comment at the top of the scenario; lines without `#`.
        replay: Name of the replay file beside them that has the choices of its run.
        expect: The verdicts that it must get.

    Raises:
        NotWritten: If scenario files cannot say what the plan says.
    """
    configurations = {f"{vm.name}.qvmconf": _configuration(vm, plan) for vm in plan.vms}
    scenario = _scenario(plan)
    files = {SCENARIO: toml_text(scenario), **configurations}
    # Read back before `replay` and `expect` are added: the replay file may not exist yet, and
    # neither changes the plan.
    _read_back(plan, files)
    if replay:
        scenario = {"replay": replay} | scenario
    if expect:
        scenario |= {"expect": dict(expect)}
    comment = "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines())
    return {SCENARIO: comment + toml_text(scenario), **configurations}


def _read_back(plan: SystemPlan, files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        try:
            read = resolve(load(Path(folder) / SCENARIO)).plan
        except QuiesceError as error:
            raise NotWritten(str(error).replace(folder + "/", "")) from None
    if not same_system(plan, read):
        fields = [
            field
            for field in plan.__struct_fields__
            if field not in {"name", "description"} and getattr(plan, field) != getattr(read, field)
        ]
        raise NotWritten(f"{', '.join(fields)} would not be the same")


# The scenario.


def _scenario(plan: SystemPlan) -> Table:
    top: Table = {}
    if plan.description:
        top["description"] = plan.description
    top["detail"] = plan.detail
    top["observe"] = _span(plan.observe)
    devices = [_device(device, number) for number, device in enumerate(plan.passable)]
    devices += [_disk(disk) for disk in plan.disks]
    devices += [_back_end(back_end, plan) for back_end in plan.back_ends]
    nics = {nic.name: nic for nic in plan.nics}
    platform: Table = {"iommu": plan.iommu_unit.flavour if plan.iommu else "none"}
    if plan.iommu:
        unit = msgspec.structs.asdict(plan.iommu_unit)
        unit["groups"] = [list(group) for group in plan.iommu_unit.groups]
        platform["iommu_unit"] = {key: unit[key] for key in unit if key != "flavour"}
    platform["interrupt_controller"] = plan.interrupts.controller
    platform["deactivated_by"] = plan.interrupts.deactivated_by
    if plan.interrupts.routes != "none":
        platform["message_routes"] = plan.interrupts.routes
        platform["pending_table"] = plan.interrupts.pending_table
    top["platform"] = platform | ({"device": devices} if devices else {})
    if plan.smmuman_crash is not None:
        crash = plan.smmuman_crash
        if crash.after is None:
            raise NotWritten("smmuman ends at an instant, and not after an event")
        top["smmuman"] = {"crash": _after(crash.after, crash.delay)}
    top["vm"] = [_vm(vm, nics) for vm in plan.vms]
    top["timing"] = {
        field: _span(getattr(plan.timing, field))
        for field in plan.timing.__struct_fields__
        if getattr(plan.timing, field) != getattr(type(plan.timing)(), field)
    }
    top["choices"] = dict(plan.pinned)
    top["faults"] = {
        name: True for name, is_so in msgspec.structs.asdict(plan.faults).items() if is_so
    }
    bounds = {"teardown": format_ns(plan.teardown_ns_max)}
    bounds["quiet"] = format_ns(plan.quiet_ns_max)
    top["bounds"] = bounds | {"irq_after_teardown": plan.irq_after_teardown_max}
    assert set(top["bounds"]) == set(Bounds.__struct_fields__)
    return {key: value for key, value in top.items() if value not in ({}, [])}


def _span(span: Span) -> str:
    return str(span)


def _value(value: Any) -> Any:
    """Return a value of a plan as a scenario file has it."""
    if isinstance(value, Span):
        return _span(value)
    return list(value) if isinstance(value, tuple) else value


def _changed(plan: msgspec.Struct, names: set[str]) -> Table:
    """Return the named fields of a plan that differ from their defaults."""
    return {
        field.name: _value(getattr(plan, field.name))
        for field in msgspec.structs.fields(type(plan))
        if field.name in names and not field.required and getattr(plan, field.name) != field.default
    }


def _device(device: Any, number: int) -> Table:
    tag = "nic" if isinstance(device, NicPlan) else str(device.__struct_config__.tag)
    kind = _ENTRY_OF_TAG.get(tag, tag)
    known = set(_ENTRIES[kind].__struct_fields__) - {"name", "traits", "trigger"}
    if isinstance(device, NicPlan):
        known -= _OF_THE_WORKLOAD
    table = {
        "kind": kind,
        "name": device.name,
        "pass": f"{_window(number):#x}",
        "interrupt": device.intid,
        "trigger": device.trigger,
    } | _changed(device, known)
    traits = _changed(device.traits, set(TraitsEntry.__struct_fields__) - {"reset"})
    reset = msgspec.structs.asdict(device.traits.reset)
    if device.traits.reset != plain_traits(type(device)).reset:
        traits["reset"] = reset
    return table | ({"traits": traits} if traits else {})


def _window(number: int) -> int:
    return _WINDOWS + number * 0x10_0000


def _disk(disk: DiskPlan) -> Table:
    return {
        "kind": disk.kind if disk.kind == "ahci" else f"host-{disk.kind}",
        "name": disk.name,
        "driver": disk.server,
        "serves": [f"/dev/{disk.name}"],
        "interrupt": disk.intid,
        "service": _span(disk.service),
    } | ({"terminate": disk.terminate} if disk.kind == "sdmmc" else {"slots": disk.slots})


def _back_end(back_end: UserBackEndPlan, plan: SystemPlan) -> Table:
    known = set(BackEndEntry.__struct_fields__) - {"name", "vdev"}
    owner = next((vm for vm in plan.vms if back_end.name in vm.back_ends), None)
    if owner is None:
        raise NotWritten(f"{back_end.name} serves no vdev")
    vdev = _served_by(back_end.name, owner)
    return {"kind": "back-end", "name": back_end.name, "vdev": vdev} | _changed(back_end, known)


def _served_by(back_end: str, vm: VmPlan) -> str:
    """Return the name of the vdev whose queues a back end serves."""
    carers = (callback.vdev for callback in vm.quiesce if callback.device == back_end)
    return next(carers, f"vdev-of-{back_end}")


def _vm(vm: VmPlan, nics: dict[str, NicPlan]) -> Table:
    table: Table = {"name": vm.name, "configuration": f"{vm.name}.qvmconf"}
    if vm.restart:
        table["restart"] = True
    if vm.bus_scan_limit:
        table["bus_scan_limit"] = vm.bus_scan_limit
    if vm.end is not None:
        table["end"] = _end(vm.end)
    table["then"] = [_end(end) for end in vm.then]
    workload = {vdev.name: _workload(vdev) for vdev in vm.vdevs}
    for name in vm.nics:
        nic = nics[name]
        work = {"frames": nic.frames, "gap": _span(nic.gap), "length": nic.frame_length}
        workload[name] = work
    table["workload"] = {name: work for name, work in workload.items() if work}
    offers = {vdev.name: _offers(vdev) for vdev in vm.vdevs if isinstance(vdev, VirtioPlan)}
    table["vdev"] = {name: offer for name, offer in offers.items() if offer}
    table["shutdown_handler"] = {one.device: one.stops for one in vm.shutdown_handlers}
    table["quiesce"] = [_quiesce(callback) for callback in vm.quiesce]
    return {key: value for key, value in table.items() if value not in ({}, [])}


def _end(end: EndPlan) -> Table:
    if end.after is None:
        return {"cause": end.cause, "at": _span(end.delay)}
    return {"cause": end.cause, "after": _after(end.after, end.delay)}


def _after(after: AfterPlan, delay: Span) -> Table:
    table = {"event": after.event, "count": after.count, "delay": _span(delay)}
    for key in ("source", "milestone"):
        if getattr(after, key):
            table[key] = getattr(after, key)
    return table


def _workload(vdev: AnyVdevPlan) -> Table:
    names = WORKLOADS[_TYPES[type(vdev).__name__]]
    values = {key: _value(getattr(vdev, field)) for key, field in names.items()}
    return {key: value for key, value in values.items() if value not in ("", None)}


def _offers(vdev: VirtioPlan) -> Table:
    plain = _changed(vdev, set(VdevEntry.__struct_fields__) - {"features"})
    features = [name for name in FEATURES if getattr(vdev, name)]
    return plain | ({"features": features} if features else {})


def _quiesce(callback: QuiescePlan) -> Table:
    steps = [
        {"name": step.name, "bound": format_ns(step.bound_ns)}
        if step.bound_ns not in (0, FOR_EVER_NS)
        else step.name
        for step in callback.steps
    ]
    table: Table = {"vdev": callback.vdev, "device": callback.device, "steps": steps}
    return table | (
        {"on_timeout": callback.on_timeout} if callback.on_timeout != "quarantine" else {}
    )


# The configurations.


def _configuration(vm: VmPlan, plan: SystemPlan) -> str:
    pic = "gic" if plan.interrupts.is_gic else "apic"
    lines = [f"system {vm.name}"]
    lines += [f"ram {ram.start:#x},{ram.length:#x}" for ram in vm.ram]
    if vm.block_timeout_ns is not None:
        lines.append(f"set message-block-timeout {vm.block_timeout_ns // MS}")
    for number, device in enumerate(plan.passable):
        if device.name in vm.passed_through:
            addr = _window(number)
            lines += ["", f"# {device.name}; where its registers are plays no part."]
            lines.append(f"pass loc mem:{addr:#x},0x1000,rw={addr:#x}")
            if device.name in plan.interrupts.unmasked_at_once:
                lines.append(f"        intr {pic}:{device.intid},u={device.intid}")
    known = {vdev.name: vdev for vdev in vm.vdevs}
    for name in _in_order(vm):
        if name in known:
            lines += ["", *_known_vdev(known[name], pic)]
        else:
            lines += ["", "vdev user", f"        name {name}"]
    return "\n".join(lines) + "\n"


def _in_order(vm: VmPlan) -> list[str]:
    """Return the names of all vdevs so that each kind, and the callbacks, keep their order."""
    callbacks = list(dict.fromkeys(callback.vdev for callback in vm.quiesce))
    chains = [[vdev.name for vdev in kind] for kind in (vm.blocks, vm.nets, vm.consoles)]
    chains += [[vdev.name for vdev in kind] for kind in (vm.entropies, vm.factories)]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in vm.back_ends:
        sorter.add(_served_by(name, vm))
    for chain in (callbacks, *chains):
        for name in chain:
            sorter.add(name)
        for earlier, later in pairwise(chain):
            sorter.add(later, earlier)
    try:
        return list(sorter.static_order())
    except CycleError:
        raise NotWritten(f"the callbacks of {vm.name} come in no order of its vdevs") from None


def _known_vdev(vdev: AnyVdevPlan, pic: str) -> list[str]:
    lines = [f"vdev {_TYPES[type(vdev).__name__]}"]
    if vdev.transport == "mmio":
        lines += [f"        loc {vdev.loc:#x}", f"        intr {pic}:{vdev.intr}"]
    else:
        lines += [f"        loc pci:0:{vdev.slot}.0"] if vdev.slot else []
    lines.append(f"        name {vdev.name}")
    if isinstance(vdev, BlockPlan):
        lines.append(f"        hostdev {'<' if vdev.read_only else ''}/dev/{vdev.disk}")
        lines.append(f"        dio {'enable' if vdev.zero_copy else 'disable'}")
    elif isinstance(vdev, NetPlan):
        lines.append(f"        peer {vdev.peer}".rstrip())
    elif isinstance(vdev, ConsolePlan):
        lines.append(f"        hostdev {'' if vdev.has_input else '>'}/dev/{vdev.name}")
    elif isinstance(vdev, SharedMemoryPlan):
        lines.append("        allow *")
    return lines
