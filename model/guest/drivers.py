"""Makes the drivers that a guest starts for its vdevs."""

from collections import Counter

from ..base.addresses import FRAME_SIZE
from ..plan.system_plan import VmPlan
from ..plan.virtio_plan import (
    AnyVdevPlan,
    BlockPlan,
    ConsolePlan,
    EntropyPlan,
    NetPlan,
    SharedMemoryPlan,
)
from .block_driver import BlockDriver
from .console_driver import ConsoleDriver
from .entropy_driver import EntropyDriver
from .guest import VdevDriver
from .shared_memory_driver import SharedMemoryDriver
from .site import DriverSite
from .virtio_net_driver import VirtioNetDriver

_TABLES = 2048
"""Bytes that a queue of a network driver needs beside its ring and its buffers."""


def vdev_drivers(site: DriverSite, plan: VmPlan, slots: dict[str, int]) -> list[VdevDriver]:
    """Return a driver for each vdev of a VM.

    A driver on PCI gets the index of its device among those of its type.  Each driver gets memory
    of its own from the site's allocator.

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
    needs = [memory_needed(vdev) for vdev in plan.vdevs]
    spare = (site.allocator.room - sum(needs)) // max(1, len(needs))
    drivers = []
    for vdev, need in zip(plan.vdevs, needs, strict=True):
        own = site._replace(allocator=site.allocator.reserve(need + max(0, spare)))
        drivers.append(_make_driver(own, vdev, index.get(vdev.name, 0)))
    return drivers


def memory_needed(plan: AnyVdevPlan) -> int:
    """Return an upper bound, in bytes, of the guest memory that a vdev's driver allocates."""
    if isinstance(plan, SharedMemoryPlan):
        return 0
    ring = 32 * plan.queue_size + 2 * FRAME_SIZE
    if isinstance(plan, BlockPlan):
        return ring + plan.depth * (plan.length + FRAME_SIZE)
    if isinstance(plan, NetPlan):
        buffers = plan.queue_pairs * plan.buffers * (plan.buffer_length + 64 + 128)
        sends = plan.sends * (plan.frame_length + 128)
        return (2 * plan.queue_pairs + 1) * (ring + _TABLES) + buffers + sends
    if isinstance(plan, ConsolePlan):
        return 2 * ring + plan.buffers * (plan.buffer_length + 256) + plan.input_length
    return ring + plan.length + 256


def _make_driver(site: DriverSite, plan: AnyVdevPlan, index: int) -> VdevDriver:
    if isinstance(plan, BlockPlan):
        return BlockDriver(site, plan, index)
    if isinstance(plan, NetPlan):
        return VirtioNetDriver(site, plan, index)
    if isinstance(plan, ConsolePlan):
        return ConsoleDriver(site, plan, index)
    if isinstance(plan, EntropyPlan):
        return EntropyDriver(site, plan, index)
    return SharedMemoryDriver(site, plan, index)
