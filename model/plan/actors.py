"""Which devices, vdevs and back ends of a plan can write memory or interrupt for a VM that ends.

A verdict on the end of a VM is worth little if no device was at work when the end came.  The header
of a trace lists the components that could have been at work.  So a judgement can say which of them
have tested a property, and which stood idle.
"""

from ..trace.events import Actor
from .device_plans import CanPlan, GenericPlan
from .system_plan import SystemPlan, VmPlan
from .virtio_plan import BlockPlan, SharedMemoryPlan

__all__ = ["actors_of"]


def actors_of(plan: SystemPlan) -> tuple[Actor, ...]:
    """Return what can write or interrupt for the VMs of a plan whose end is planned."""
    return tuple(each for vm in plan.vms if vm.ends for each in _actors_for(plan, vm))


def _actors_for(plan: SystemPlan, vm: VmPlan) -> list[Actor]:
    kinds = {device.name: device for device in plan.passable}
    actors = []
    for name in vm.passed_through:
        device = kinds[name]
        writes, interrupts = not isinstance(device, CanPlan), True
        if isinstance(device, GenericPlan):
            writes = bool(device.lengths or device.completion_length)
            interrupts = device.interrupts
        if writes or interrupts:
            actors.append(Actor(name, vm.name, writes, interrupts))
    vdevs = [vdev for vdev in vm.vdevs if not isinstance(vdev, SharedMemoryPlan)]
    disks = dict.fromkeys(block.disk for block in vm.blocks if _writes_by_disk(block))
    writers = (*(f"{vm.name}.{vdev.name}" for vdev in vdevs), *disks, *vm.back_ends)
    return [*actors, *(Actor(name, vm.name, writes=True, interrupts=False) for name in writers)]


def _writes_by_disk(block: BlockPlan) -> bool:
    """Return whether the disk behind a vdev writes guest memory itself."""
    return block.zero_copy and block.operation == "read"
