"""Gives plans that are smaller than a plan: one VM, device, fault or piece of work less.

A further kind of device needs no change here. The module takes any tuple of named structures in a
`SystemPlan` for devices. Entries that name a removed device go with it.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from ...model.plan.iommu_plan import IommuPlan
from ...model.plan.system_plan import EndPlan, NicPlan, SystemPlan, VmPlan
from ...model.plan.traits import plain_traits
from ...model.plan.virtio_plan import SharedMemoryPlan

__all__ = ["cost", "smaller", "without_a_device"]

_VDEV_FIELDS = ("blocks", "nets", "consoles", "entropies", "factories")

_WORK = (
    *("requests", "frames", "inputs", "jobs", "sends", "prints"),
    *(
        "depth",
        "in_flight",
        "length",
        "frame_length",
        "buffer_length",
        "ring_size",
        "slots",
        "prefetch",
    ),
)
"""Whole numbers that say how much work there is; smaller is simpler."""

_ENDLESS_AT_0 = {"frames", "requests", "inputs", "jobs"}
_GRANULE = {"length": 512, "ring_size": 8, "buffer_length": 64}
"""What they are multiples of: sectors, and the entries that a controller demands of its ring."""

_HEADER = 64
"""Room for what stands before a frame in its buffer."""

_WORK_MIN = {"length": 512, "ring_size": 8, "frame_length": 64, "buffer_length": 256}


def cost(plan: SystemPlan) -> tuple[int, int, int]:
    """Return how big a plan is: parts, faults and peculiarities, work."""
    parts = len(plan.vms) + sum(len(vm.ends) + len(vm.ram) + vm.restart for vm in plan.vms)
    parts += sum(len(getattr(plan, field)) for field in _device_fields(plan))
    parts += sum(len(callback.steps) + 1 for vm in plan.vms for callback in vm.quiesce)
    faults = sum(msgspec.structs.astuple(plan.faults))
    devices = [one for field in _device_fields(plan) for one in getattr(plan, field)]
    faults += sum(
        one.traits != plain_traits(type(one)) for one in devices if hasattr(one, "traits")
    )
    vdevs = [vdev for vm in plan.vms for vdev in vm.vdevs]
    parts += sum(len(vm.vdevs) for vm in plan.vms)
    work = sum(_work(one, name) for one in (*devices, *vdevs) for name in _WORK)
    return parts, faults, work


def _work(item: Any, name: str) -> int:
    value: int = getattr(item, name, -1)
    return 1 << 20 if value == 0 and name in _ENDLESS_AT_0 else max(0, value)


def smaller(plan: SystemPlan) -> Iterator[SystemPlan]:
    """Give the plans that have one part or piece of work less, the greatest steps first."""
    yield from _without_vms(plan)
    yield from without_a_device(plan)
    yield from _without_parts_of_vms(plan)
    yield from _without_faults(plan)
    yield from _with_less_work(plan)


def _device_fields(plan: SystemPlan) -> list[str]:
    return [
        field
        for field in plan.__struct_fields__
        if field != "vms"
        and isinstance(getattr(plan, field), tuple)
        and all(hasattr(each, "name") for each in getattr(plan, field))
    ]


def _without(items: tuple[Any, ...], position: int) -> tuple[Any, ...]:
    return items[:position] + items[position + 1 :]


def _without_vms(plan: SystemPlan) -> Iterator[SystemPlan]:
    if len(plan.vms) == 1:
        return
    for position, vm in enumerate(plan.vms):
        vms = _without(plan.vms, position)
        disks = {block.disk for block in vm.blocks}
        disks -= {block.disk for other in vms for block in other.blocks}
        gone = disks | {*vm.passed_through, *vm.back_ends}
        kept = {
            field: tuple(one for one in getattr(plan, field) if one.name not in gone)
            for field in _device_fields(plan)
        }
        yield _with_known_lines(replace(plan, vms=vms, **kept))


def _with_known_lines(plan: SystemPlan) -> SystemPlan:
    """Return the plan without the interrupt controller's entries for devices that are gone."""
    names = [device.name for device in plan.passable]
    left = tuple(name for name in plan.interrupts.unmasked_at_once if name in names)
    return replace(plan, interrupts=replace(plan.interrupts, unmasked_at_once=left))


def without_a_device(plan: SystemPlan) -> Iterator[SystemPlan]:
    """Give the plans that have one device less, and none of the entries that name it."""
    for field in _device_fields(plan):
        devices = getattr(plan, field)
        for position, device in enumerate(devices):
            vms = tuple(_forgetting(vm, device.name) for vm in plan.vms)
            changed = replace(plan, vms=vms, **{field: _without(devices, position)})
            yield _with_known_lines(changed)
    for number, vm in enumerate(plan.vms):
        for vdev in vm.vdevs:
            vms = (*plan.vms[:number], _forgetting(vm, vdev.name), *plan.vms[number + 1 :])
            yield replace(plan, vms=vms)


def _forgetting(vm: VmPlan, name: str) -> VmPlan:
    """Return the VM without the device of this name, and without the vdevs on it."""
    gone = {name}
    gone |= {block.name for block in vm.blocks if block.disk == name}
    return replace(
        vm,
        **{
            field: tuple(each for each in getattr(vm, field) if not _names(each) & gone)
            for field in vm.__struct_fields__
            if isinstance(getattr(vm, field), tuple) and field not in {"ram", "then"}
        },
    )


def _names(item: Any) -> set[str]:
    """Return the names in an entry of a VM: its own, or those of its devices."""
    if isinstance(item, str):
        return {item}
    return {getattr(item, field) for field in ("name", "device", "disk") if hasattr(item, field)}


def _without_parts_of_vms(plan: SystemPlan) -> Iterator[SystemPlan]:
    for number, vm in enumerate(plan.vms):
        for changed in _smaller_vms(vm):
            yield replace(plan, vms=(*plan.vms[:number], changed, *plan.vms[number + 1 :]))


def _smaller_vms(vm: VmPlan) -> Iterator[VmPlan]:
    if vm.restart:
        yield replace(vm, restart=False)
    if vm.end is not None:
        if not vm.then:
            yield replace(vm, end=None, restart=False)
        yield from (replace(vm, end=end) for end in _simpler_ends(vm.end))
    for field in ("then", "ram"):
        items = getattr(vm, field)
        if len(items) > (field == "ram"):
            yield from (replace(vm, **{field: _without(items, at)}) for at in range(len(items)))


def _simpler_ends(end: EndPlan) -> Iterator[EndPlan]:
    if end.after is not None and end.after.count > 1:
        for count in dict.fromkeys((1, end.after.count // 2, end.after.count - 1)):
            yield replace(end, after=replace(end.after, count=count))


def _without_faults(plan: SystemPlan) -> Iterator[SystemPlan]:
    for name in plan.faults.__struct_fields__:
        if getattr(plan.faults, name):
            yield replace(plan, faults=replace(plan.faults, **{name: False}))
    if plan.smmuman_crash is not None:
        yield replace(plan, smmuman_crash=None)
    if plan.iommu_unit != IommuPlan():
        yield replace(plan, iommu_unit=IommuPlan())
    if plan.iommu:
        yield replace(plan, iommu=False)
    for field in _device_fields(plan):
        devices = getattr(plan, field)
        for position, device in enumerate(devices):
            if not hasattr(device, "traits"):
                continue
            plain = plain_traits(type(device))
            if device.traits != plain:
                mended = replace(device, traits=plain)
                yield replace(plan, **{field: _with(devices, position, mended)})


def _with_less_work(plan: SystemPlan) -> Iterator[SystemPlan]:
    for field in _device_fields(plan):
        devices = getattr(plan, field)
        for position, device in enumerate(devices):
            for less in _less(device):
                yield replace(plan, **{field: _with(devices, position, less)})
    for number, vm in enumerate(plan.vms):
        for field in _VDEV_FIELDS:
            vdevs = getattr(vm, field)
            for position, vdev in enumerate(vdevs):
                for less in _less(vdev):
                    changed = replace(vm, **{field: _with(vdevs, position, less)})
                    yield replace(plan, vms=_with(plan.vms, number, changed))


def _with(items: tuple[Any, ...], position: int, item: Any) -> tuple[Any, ...]:
    return (*items[:position], item, *items[position + 1 :])


def _less(item: Any) -> Iterator[Any]:
    for name in _WORK:
        if not hasattr(item, name) or isinstance(item, SharedMemoryPlan):
            continue
        if name == "buffer_length" and not isinstance(item, NicPlan):
            continue
        value = getattr(item, name)
        least = _WORK_MIN.get(name, 1)
        if value == 0 and name in _ENDLESS_AT_0:
            value = 64
        for less in dict.fromkeys((least, value // 2, value - least)):
            is_size = least <= less < value and less % _GRANULE.get(name, 1) == 0
            if is_size and (name != "buffer_length" or less >= item.frame_length + _HEADER):
                yield replace(item, **{name: less})
