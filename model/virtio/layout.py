"""The layout of a virtqueue: offsets, sizes, alignments, flags, index arithmetic.

All fields are little-endian.  The names of flags are those of the standard.

        split                                   packed
        descriptor area  16*Q   align 16        descriptor ring            16*Q  align 16
        driver area      6+2*Q  align 2         driver event suppression   4     align 4
        device area      6+8*Q  align 4         device event suppression   4     align 4

Source:
    VIRTIO 1.2, 2.7 (split virtqueues), 2.8 (packed virtqueues), 2.9 (driver notifications).
"""

from struct import Struct

import msgspec

VIRTQ_DESC_F_NEXT = 1
VIRTQ_DESC_F_WRITE = 2
VIRTQ_DESC_F_INDIRECT = 4
VIRTQ_DESC_F_AVAIL = 1 << 7
VIRTQ_DESC_F_USED = 1 << 15
VIRTQ_AVAIL_F_NO_INTERRUPT = 1
VIRTQ_USED_F_NO_NOTIFY = 1
RING_EVENT_FLAGS_ENABLE = 0
RING_EVENT_FLAGS_DISABLE = 1
RING_EVENT_FLAGS_DESC = 2

QUEUE_SIZE_MAX = 32768
CHAIN_BYTES_MAX = 1 << 32
DESCRIPTOR_SIZE = 16
USED_ELEMENT_SIZE = 8
INDEX_MASK = 0xFFFF

DESCRIPTOR = Struct("<QIHH")
"""Split: addr, len, flags, next.  Packed: addr, len, id, flags."""

INDEX = Struct("<H")
"""A ring index, a ring entry, a flags or an event field."""

USED_ELEMENT = Struct("<II")
"""id, len."""

USED_BODY = Struct("<IH")
"""Packed: len and id of a used descriptor, at offset 8."""

EVENT_SUPPRESSION = Struct("<HH")
"""Packed: offset and wrap counter (bit 15), then flags."""

DESCRIPTOR_BODY = Struct("<QIH")
"""Packed: addr, len and id of an available descriptor, without the flags at offset 14."""

FLAGS_OFFSET = 14

SPLIT_ALIGNMENTS = (16, 2, 4)
PACKED_ALIGNMENTS = (16, 4, 4)


class RingLayout(msgspec.Struct, frozen=True):
    """Size and addresses of a virtqueue, as a driver writes them to a transport.

    Attributes:
        size: Number of descriptors.
        descriptor_area: Guest-physical address of the descriptor table or ring.
        driver_area: Address of the available ring, or of the driver event suppression.
        device_area: Address of the used ring, or of the device event suppression.
    """

    size: int
    descriptor_area: int
    driver_area: int
    device_area: int

    def descriptor(self, index: int) -> int:
        """Return the address of a descriptor."""
        return self.descriptor_area + DESCRIPTOR_SIZE * index

    def available_entry(self, position: int) -> int:
        """Return the address of the available ring's entry at a free-running position."""
        return self.driver_area + 4 + 2 * (position % self.size)

    def used_element(self, position: int) -> int:
        """Return the address of the used ring's element at a free-running position."""
        return self.device_area + 4 + USED_ELEMENT_SIZE * (position % self.size)

    @property
    def available_index(self) -> int:
        """Address of the available ring's `idx`."""
        return self.driver_area + 2

    @property
    def used_event(self) -> int:
        """Address of the `used_event` field behind the available ring."""
        return self.driver_area + 4 + 2 * self.size

    @property
    def used_index(self) -> int:
        """Address of the used ring's `idx`."""
        return self.device_area + 2

    @property
    def avail_event(self) -> int:
        """Address of the `avail_event` field behind the used ring."""
        return self.device_area + 4 + USED_ELEMENT_SIZE * self.size

    def areas(self) -> tuple[int, int, int]:
        """Return the three addresses: descriptor, driver and device area."""
        return (self.descriptor_area, self.driver_area, self.device_area)


def split_part_sizes(size: int) -> tuple[int, int, int]:
    """Return the bytes of descriptor table, available ring and used ring (VIRTIO 1.2, 2.7)."""
    return (DESCRIPTOR_SIZE * size, 6 + 2 * size, 6 + USED_ELEMENT_SIZE * size)


def packed_part_sizes(size: int) -> tuple[int, int, int]:
    """Return the bytes of descriptor ring and both event suppressions (VIRTIO 1.2, 2.8)."""
    return (DESCRIPTOR_SIZE * size, 4, 4)


def split_layout_at(base: int, size: int) -> RingLayout:
    """Return a split virtqueue whose parts follow each other as closely as alignment lets them.

    Args:
        base: Address of the first part, a multiple of 16.
        size: A power of two, at most 32768.
    """
    return _packed_closely(base, size, split_part_sizes(size), SPLIT_ALIGNMENTS)


def packed_layout_at(base: int, size: int) -> RingLayout:
    """Return a packed virtqueue whose parts follow each other; `base` is a multiple of 16."""
    return _packed_closely(base, size, packed_part_sizes(size), PACKED_ALIGNMENTS)


def layout_end(layout: RingLayout, part_sizes: tuple[int, int, int]) -> int:
    """Return the first address behind the last part of a virtqueue."""
    return max(addr + length for addr, length in zip(layout.areas(), part_sizes, strict=True))


def is_split_size(size: int) -> bool:
    """Return whether a split virtqueue may have that many descriptors."""
    return 0 < size <= QUEUE_SIZE_MAX and size & (size - 1) == 0


def is_packed_size(size: int) -> bool:
    """Return whether a packed virtqueue may have that many descriptors."""
    return 0 < size <= QUEUE_SIZE_MAX


def distance(from_: int, to: int) -> int:
    """Return how many steps a free-running 16-bit index takes from one value to another.

    Example:
        >>> distance(65534, 1)
        3
    """
    return (to - from_) & INDEX_MASK


def passes_event(event: int, new: int, old: int) -> bool:
    """Return whether an index that moved from `old` to `new` went past the entry `event`.

    With VIRTIO_F_EVENT_IDX either side decides by this rule whether it must notify the other.  It
    must if the entry at position `event` is among those written since `old`.

    Source:
        VIRTIO 1.2, 2.7.7.2 and 2.7.10.
    """
    return (new - event - 1) & INDEX_MASK < (new - old) & INDEX_MASK


def _packed_closely(
    base: int, size: int, part_sizes: tuple[int, int, int], alignments: tuple[int, int, int]
) -> RingLayout:
    assert base % DESCRIPTOR_SIZE == 0
    areas = []
    addr = base
    for length, alignment in zip(part_sizes, alignments, strict=True):
        addr = -(-addr // alignment) * alignment
        areas.append(addr)
        addr += length
    return RingLayout(size, *areas)
