"""Address types that must not be mixed, and the arithmetic of page frames.

A guest-physical address means something inside one VM only; a host-physical address names
memory itself.  A device puts an I/O virtual address on the bus.  Where an IOMMU translates, it
equals the guest-physical address; without an IOMMU it *is* the host-physical address.
"""

from typing import NewType

FRAME_SIZE = 4096
FRAME_SHIFT = 12

GuestAddr = NewType("GuestAddr", int)
HostAddr = NewType("HostAddr", int)
IoVirtAddr = NewType("IoVirtAddr", int)
FrameIndex = NewType("FrameIndex", int)
StreamId = NewType("StreamId", int)
Epoch = NewType("Epoch", int)

HOST_EPOCH = Epoch(0)
"""The epoch of the host itself and of no VM; it never ends."""


def frame_of(addr: int) -> FrameIndex:
    """Return the index of the 4 KiB frame that holds the address."""
    return FrameIndex(addr >> FRAME_SHIFT)


def frames_of(addr: int, length: int) -> range:
    """Return the indices of all frames that `length` bytes from `addr` touch; none for 0."""
    if length == 0:
        return range(0)
    return range(addr >> FRAME_SHIFT, ((addr + length - 1) >> FRAME_SHIFT) + 1)


def pages_of(addr: int, length: int) -> list[tuple[int, int]]:
    """Return the (address, length) pieces of a byte range, cut at frame boundaries.

    Example:
        >>> pages_of(0x1ff0, 32)
        [(8176, 16), (8192, 16)]
    """
    if (addr & (FRAME_SIZE - 1)) + length <= FRAME_SIZE:  # most ranges lie in one frame
        return [(addr, length)] if length else []
    pieces = []
    end = addr + length
    while addr < end:
        stop = min(end, (addr | (FRAME_SIZE - 1)) + 1)
        pieces.append((addr, stop - addr))
        addr = stop
    return pieces
