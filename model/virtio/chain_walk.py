"""How a device checks the ring and the chains of a driver, for both ring formats.

Source:
    VIRTIO 1.2, 2.7.4 to 2.7.6 and 2.8.5 to 2.8.16.
"""

from .layout import (
    CHAIN_BYTES_MAX,
    DESCRIPTOR_SIZE,
    PACKED_ALIGNMENTS,
    SPLIT_ALIGNMENTS,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_WRITE,
    RingLayout,
    is_packed_size,
    is_split_size,
    packed_part_sizes,
    split_part_sizes,
)
from .memory import GuestMemory
from .virtqueue import Buffer, DescriptorChain, MalformedChain, MalformedReason, RingFeatures


def ring_fault(memory: GuestMemory, layout: RingLayout, *, packed: bool) -> MalformedChain | None:
    """Return the rule that size or address of a driver's ring breaks, if any."""
    size = layout.size
    if not (is_packed_size(size) if packed else is_split_size(size)):
        return MalformedChain(MalformedReason.RING_SIZE, layout.descriptor_area, size)
    alignments = PACKED_ALIGNMENTS if packed else SPLIT_ALIGNMENTS
    lengths = packed_part_sizes(size) if packed else split_part_sizes(size)
    for addr, length, alignment in zip(layout.areas(), lengths, alignments, strict=True):
        if addr % alignment:
            return MalformedChain(MalformedReason.RING_MISALIGNED, addr, alignment)
        if not memory.contains(addr, length):
            return MalformedChain(MalformedReason.RING_OUTSIDE_MEMORY, addr, length)
    return None


def indirect_fault(
    memory: GuestMemory, features: RingFeatures, table: int, length: int, flags: int
) -> MalformedReason | None:
    """Return the rule that a reference to an indirect table breaks, if any (2.7.5.3, 2.8.7)."""
    if not features.indirect:
        return MalformedReason.INDIRECT_NOT_NEGOTIATED
    if flags & VIRTQ_DESC_F_NEXT:
        return MalformedReason.INDIRECT_WITH_NEXT
    if length == 0 or length % DESCRIPTOR_SIZE:
        return MalformedReason.INDIRECT_LENGTH
    if not memory.contains(table, length):
        return MalformedReason.INDIRECT_OUTSIDE_MEMORY
    return None


class ChainBuilder:
    """Collects the buffers of one chain and checks what does not depend on the ring format.

    Args:
        memory: Where the buffers must lie.
        limit: The most buffers a chain may have: the queue size.
        accepts_zero_length: Whether a buffer without bytes is accepted.  The standard neither
            allows nor forbids it, and devices differ.
    """

    def __init__(self, memory: GuestMemory, limit: int, accepts_zero_length: bool) -> None:
        self.memory = memory
        self.limit = limit
        self.accepts_zero_length = accepts_zero_length
        self.readable: list[Buffer] = []
        self.writable: list[Buffer] = []
        self.fetched: list[int] = []
        self.total = 0

    def add(self, addr: int, length: int, flags: int) -> MalformedReason | None:
        """Take a descriptor's buffer, or return the rule it breaks."""
        if length == 0:
            if not self.accepts_zero_length:
                return MalformedReason.ZERO_LENGTH
        elif not self.memory.contains(addr, length):
            return MalformedReason.BUFFER_OUTSIDE_MEMORY
        if flags & VIRTQ_DESC_F_WRITE:
            self.writable.append((addr, length))
        elif self.writable:
            return MalformedReason.READABLE_AFTER_WRITABLE
        else:
            self.readable.append((addr, length))
        self.total += length
        if self.total > CHAIN_BYTES_MAX:
            return MalformedReason.CHAIN_TOO_BIG
        if len(self.readable) + len(self.writable) > self.limit:
            return MalformedReason.CHAIN_TOO_LONG
        return None

    def chain(self, head_index: int) -> DescriptorChain:
        """Return the finished chain."""
        return DescriptorChain(
            head_index, tuple(self.readable), tuple(self.writable), tuple(self.fetched)
        )

    def malformed(self, reason: MalformedReason, addr: int, value: int) -> MalformedChain:
        """Return the finding, with the descriptors read so far."""
        return MalformedChain(reason, addr, value, tuple(self.fetched))
