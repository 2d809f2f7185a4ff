"""Where a guest's drivers put their rings and buffers."""

from ..memory import GuestRam, PhysicalMemory
from ..plan import RamPlan

DRIVERS_START = 1 << 16
"""Offset in the guest's first RAM region from which drivers allocate: above its image."""


class GuestAllocator:
    """Hands out guest memory from one region, in order, and touches it as a driver does.

    Args:
        ram: Guest memory.
        memory: Host memory, where the touched frames come to exist.
        region: The region to allocate from.
    """

    def __init__(self, ram: GuestRam, memory: PhysicalMemory, region: RamPlan) -> None:
        self.ram = ram
        self._memory = memory
        self._next = region.start + DRIVERS_START
        self._end = region.start + region.length

    def allocate(self, length: int, align: int = 16) -> int:
        """Return the guest address of fresh memory; the region must be large enough."""
        addr = -(-self._next // align) * align
        assert addr + length <= self._end, "the guest's first RAM region is too small"
        self._next = addr + length
        self._memory.commit(self.ram.host_addr(addr, length), length)
        return addr
