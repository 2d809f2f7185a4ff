"""What the devices of a plan do for a VM that may be started again.

The header of a trace lists it, so that a property can judge whether a device works for its next
owner.  A device is listed if it has work for every instance: its input from outside never ends,
or each guest makes requests.  A device whose frames are counted over the whole run is left out,
because it may rightly be idle after a restart.
"""

from collections.abc import Iterator

from ..trace.events import Service
from .device_plans import AhciPlan, AnyDevicePlan, CanPlan, EduPlan, GenericPlan, NvmePlan
from .system_plan import NicPlan, SystemPlan, VmPlan
from .virtio_plan import BlockPlan, ConsolePlan, EntropyPlan, NetPlan

__all__ = ["services_of"]


def services_of(plan: SystemPlan) -> tuple[Service, ...]:
    """Return what devices do for the VMs of a plan that are started again."""
    found: list[Service] = []
    for vm in plan.vms:
        if vm.restart:
            found += _of_hardware(plan, vm)
            found += _of_back_ends(plan, vm)
            found += _of_vdevs(vm)
    return tuple(found)


def _of_hardware(plan: SystemPlan, vm: VmPlan) -> Iterator[Service]:
    for device in plan.passable:
        if device.name in vm.passed_through:
            yield from _of_device(vm.name, device)


def _of_device(vm: str, device: NicPlan | AnyDevicePlan) -> Iterator[Service]:
    name, line = device.name, device.intid
    match device:
        case NicPlan() | CanPlan():
            if not device.frames:
                begins = "landed" if isinstance(device, NicPlan) else ""
                yield Service(vm, name, "handled", line, begins)
        case GenericPlan():
            begins = "asked" if device.period is None else "landed"
            if device.interrupts:
                yield Service(vm, name, "handled", line, begins)
            elif device.lengths or device.completion_length:
                yield Service(vm, name, "landed", begins=begins)
        case AhciPlan() | NvmePlan() | EduPlan():
            yield Service(vm, name, "handled", line, "asked")
        case _:
            # An interrupt does not follow each write of these devices.
            yield Service(vm, name, "handled", line)


def _of_back_ends(plan: SystemPlan, vm: VmPlan) -> Iterator[Service]:
    for back_end in plan.back_ends:
        if back_end.name in vm.back_ends:
            begins = "asked" if back_end.period is None else ""
            yield Service(vm.name, back_end.name, "completed", begins=begins)


def _of_vdevs(vm: VmPlan) -> Iterator[Service]:
    for vdev in vm.vdevs:
        match vdev:
            case BlockPlan():
                has_work, begins = vdev.mount or vdev.requests > 0, "asked"
            case EntropyPlan():
                has_work, begins = vdev.requests > 0, "asked"
            case NetPlan():
                # The driver also gives it receive buffers, which it cannot answer by itself.
                has_work, begins = vdev.sends > 0 or not vdev.frames, ""
            case ConsolePlan():
                has_work = vdev.prints > 0 or (vdev.has_input and not vdev.inputs)
                begins = ""
            case _:
                continue
        if has_work:
            yield Service(vm.name, f"{vm.name}.{vdev.name}", "completed", begins=begins)
