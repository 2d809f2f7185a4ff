"""The guest memory of the drivers: their rings and buffers.

Each driver has a range of its own.  So the addresses of its buffers, and how many frames they
cross, do not depend on how fast the other drivers start.
"""

from ..base.addresses import FRAME_SIZE
from ..bus.memory import GuestRam, PhysicalMemory
from ..plan.system_plan import RamPlan

DRIVERS_START = 1 << 16
"""Offset in the guest's first RAM region from which drivers allocate: above its image."""


class GuestAllocator:
    """Allocates guest memory from one range, in order, and touches it as a driver does.

    Args:
        ram: Guest memory.
        memory: Host memory, which commits the touched frames.
        start: First address of the range.
        end: First address behind it.
    """

    def __init__(self, ram: GuestRam, memory: PhysicalMemory, start: int, end: int) -> None:
        self.ram = ram
        self._memory = memory
        self._next = start
        self._end = end

    @classmethod
    def in_region(cls, ram: GuestRam, memory: PhysicalMemory, region: RamPlan) -> "GuestAllocator":
        """Return an allocator of all memory that drivers may use in a region."""
        return cls(ram, memory, region.start + DRIVERS_START, region.start + region.length)

    def reserve(self, length: int) -> "GuestAllocator":
        """Return an allocator of the next frames, as many as so many bytes take."""
        start = -(-self._next // FRAME_SIZE) * FRAME_SIZE
        self._next = min(self._end, start + -(-length // FRAME_SIZE) * FRAME_SIZE)
        return GuestAllocator(self.ram, self._memory, start, self._next)

    @property
    def room(self) -> int:
        """How many bytes are left."""
        return self._end - self._next

    def host_range(self) -> tuple[int, int]:
        """Return start and end of the free rest of the range, in host memory."""
        start = self.ram.host_addr(self._next, self._end - self._next)
        return (start, start + self._end - self._next)

    def allocate(self, length: int, align: int = 16) -> int:
        """Return the guest address of fresh memory; the region must be large enough."""
        addr = -(-self._next // align) * align
        assert addr + length <= self._end, "the guest's first RAM region is too small"
        self._next = addr + length
        self._memory.commit(self.ram.host_addr(addr, length), length)
        return addr
