"""The packed virtqueue as both sides see it: positions, flags, event suppression.

A position is a slot together with the wrap counter with which it is passed.  Both fit in one
number that runs modulo twice the queue size: in the lower half the wrap counter is 1, as it is
at the start, in the upper half it is 0.

        position   0 ... size-1     size ... 2*size-1     0 ...
        slot       0 ... size-1        0 ... size-1       0 ...
        wrap              1                   0             1

The AVAIL and USED bits of a descriptor show which side wrote it, and on which lap.  Each side
writes the flags of the first descriptor of a list last, so the other side never sees half a list.

Source:
    VIRTIO 1.2, 2.8.
"""

from .layout import (
    EVENT_SUPPRESSION,
    RING_EVENT_FLAGS_DESC,
    RING_EVENT_FLAGS_DISABLE,
    RING_EVENT_FLAGS_ENABLE,
    VIRTQ_DESC_F_AVAIL,
    VIRTQ_DESC_F_USED,
    RingLayout,
)
from .memory import GuestMemory
from .virtqueue import RingFeatures

STATE_BITS = VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED
"""The bits of a descriptor that show which side wrote it, and on which lap."""


class PackedRing:
    """What both sides of a packed ring share: positions, flags and notifications."""

    def __init__(self, memory: GuestMemory, layout: RingLayout, features: RingFeatures) -> None:
        self.memory = memory
        self.layout = layout
        self.features = features
        self.span = 2 * layout.size
        """Positions run modulo this."""

    def descriptor(self, position: int) -> int:
        """Return the address of the descriptor at a position."""
        return self.layout.descriptor(position % self.layout.size)

    def advance(self, position: int, count: int) -> int:
        """Return the position `count` descriptors further on."""
        return (position + count) % self.span

    def available_bits(self, position: int) -> int:
        """Return the AVAIL and USED bits of a descriptor made available at a position."""
        # Invariant: available means AVAIL != USED and AVAIL = wrap counter; used means both equal
        # the wrap counter (2.8.1).
        return VIRTQ_DESC_F_AVAIL if position < self.layout.size else VIRTQ_DESC_F_USED

    def used_bits(self, position: int) -> int:
        """Return the AVAIL and USED bits of a descriptor used at a position."""
        return STATE_BITS if position < self.layout.size else 0

    def off_wrap(self, position: int) -> int:
        """Return the position as offset in bits 0 to 14 and wrap counter in bit 15."""
        return position % self.layout.size | (position < self.layout.size) << 15

    def request_event(self, area: int, position: int) -> None:
        """Ask the other side to notify from a position on, in the own event suppression."""
        if self.features.event_index:
            event = EVENT_SUPPRESSION.pack(self.off_wrap(position), RING_EVENT_FLAGS_DESC)
        else:
            event = EVENT_SUPPRESSION.pack(0, RING_EVENT_FLAGS_ENABLE)
        self.memory.write(area, event)

    def decline_events(self, area: int) -> None:
        """Ask the other side not to notify, in the own event suppression."""
        self.memory.write(area, EVENT_SUPPRESSION.pack(0, RING_EVENT_FLAGS_DISABLE))

    def asks_for_event(self, area: int, position: int, moved: int) -> bool:
        """Return whether the other side's event suppression asks for a notification.

        Values that the other side must not use count as "enable": a superfluous notification does
        no harm, a missing one may put the other side to sleep for ever.

        Args:
            area: Address of the other side's event suppression.
            position: Where the next descriptor will be written.
            moved: How many descriptors were passed since the last decision.

        Source:
            VIRTIO 1.2, 2.8.10 and 2.8.14.
        """
        off_wrap, flags = EVENT_SUPPRESSION.unpack(self.memory.read(area, 4))
        if flags & 3 == RING_EVENT_FLAGS_DISABLE:
            return False
        offset = off_wrap & 0x7FFF
        is_specific = flags & 3 == RING_EVENT_FLAGS_DESC and self.features.event_index
        if not is_specific or offset >= self.layout.size:
            return True
        # Invariant: `moved` positions end in front of `position`; the event is among them if its
        # distance behind the last of them is less than `moved`.
        event = offset if off_wrap >> 15 else offset + self.layout.size
        behind: int = (position - event - 1) % self.span
        return behind < moved


def slot_and_wrap(position: int, size: int) -> int:
    """Return a position of a packed ring as slot times two plus wrap counter."""
    return position % size * 2 + (position < size)
