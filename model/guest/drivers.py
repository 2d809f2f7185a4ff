"""Which driver a guest starts for which vdev."""

from collections import Counter

from ..plan import VmPlan
from ..virtio_plan import AnyVdevPlan, BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from .block_driver import BlockDriver
from .console_driver import ConsoleDriver
from .entropy_driver import EntropyDriver
from .guest import VdevDriver
from .shared_memory_driver import SharedMemoryDriver
from .site import DriverSite
from .virtio_net_driver import VirtioNetDriver


def vdev_drivers(site: DriverSite, plan: VmPlan, slots: dict[str, int]) -> list[VdevDriver]:
    """Return a driver for each vdev of a VM.

    A driver on PCI is told the how-manieth device of its type it is to take.

    Args:
        site: What the drivers share.
        plan: The VM.
        slots: The PCI device number of each vdev, by name.
    """
    order = sorted(plan.vdevs, key=lambda one: slots.get(one.name, 0))
    seen: Counter[type] = Counter()
    index = {}
    for vdev in order:
        if vdev.transport == "pci":
            index[vdev.name] = seen[type(vdev)]
            seen[type(vdev)] += 1
    return [_made(site, vdev, index.get(vdev.name, 0)) for vdev in plan.vdevs]


def _made(site: DriverSite, plan: AnyVdevPlan, index: int) -> VdevDriver:
    if isinstance(plan, BlockPlan):
        return BlockDriver(site, plan, index)
    if isinstance(plan, NetPlan):
        return VirtioNetDriver(site, plan, index)
    if isinstance(plan, ConsolePlan):
        return ConsoleDriver(site, plan, index)
    if isinstance(plan, EntropyPlan):
        return EntropyDriver(site, plan, index)
    return SharedMemoryDriver(site, plan, index)
