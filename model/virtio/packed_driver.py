"""The driver side of a packed virtqueue: writes available descriptors, finds used ones.

`packed_ring` explains positions, and by which bits a descriptor belongs to driver or device.

Source:
    VIRTIO 1.2, 2.8.
"""

from collections import deque
from collections.abc import Sequence

from .layout import (
    DESCRIPTOR,
    DESCRIPTOR_BODY,
    FLAGS_OFFSET,
    INDEX,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_WRITE,
    RingLayout,
    is_packed_size,
    packed_part_sizes,
)
from .memory import GuestMemory
from .packed_ring import STATE_BITS, PackedRing
from .virtqueue import Buffer, MalformedUsed, MalformedUsedReason, RingFeatures, UsedBuffer


class PackedDriverQueue:
    """The driver side: writes available descriptors round the ring and finds used ones.

    Args:
        memory: The memory in which the ring and the buffers lie.
        layout: Size, any up to 32768, and addresses; the parts are aligned and in memory.
        features: What was negotiated.
    """

    def __init__(self, memory: GuestMemory, layout: RingLayout, features: RingFeatures) -> None:
        assert is_packed_size(layout.size), layout.size
        self.memory = memory
        self.layout = layout
        self.features = features
        self.ring = PackedRing(memory, layout, features)
        self.in_flight: dict[int, tuple[int, int]] = {}
        """Buffer id to the number of its descriptors and the bytes the device may write."""
        self._start()

    def _start(self) -> None:
        self.free_count = self.layout.size
        """Number of descriptors that are not in use."""
        self.free_ids = deque(range(self.layout.size))
        self.in_flight.clear()
        self.next_available = 0
        self.unpublished: deque[tuple[int, int, int]] = deque()
        """Of each added list: position and flags of its first descriptor, how many it has."""
        self.moved = 0
        """Descriptors published since `must_notify`; counts no further than two laps."""
        self.next_used = 0
        self.batch: UsedBuffer | None = None
        """The descriptor that stands for several buffers, while `pop_used` returns these."""
        self.wants_notifications = True

    @property
    def in_flight_heads(self) -> tuple[int, ...]:
        """Ids of all added and not yet returned buffers, in the order in which they came."""
        return tuple(self.in_flight)

    def initialise(self) -> None:
        """Write the empty ring to memory."""
        assert not self.in_flight
        sizes = packed_part_sizes(self.layout.size)
        for addr, length in zip(self.layout.areas(), sizes, strict=True):
            self.memory.write(addr, bytes(length))
        if self.features.event_index:
            self.ring.request_event(self.layout.driver_area, self.next_used)

    def add(
        self,
        readable: Sequence[Buffer],
        writable: Sequence[Buffer],
        indirect_table: int | None = None,
    ) -> int | None:
        """Write a list of descriptors, but for the flags of the first.

        Args:
            readable: Buffers that the device reads.
            writable: Buffers that the device writes; they come after the readable ones.
            indirect_table: Address of 16 bytes of memory per buffer that holds the list in
                place of the ring, which then needs one descriptor only.

        Returns:
            The buffer id, or `None` if too few descriptors are free.
        """
        elements = [(addr, length, 0) for addr, length in readable]
        elements += [(addr, length, VIRTQ_DESC_F_WRITE) for addr, length in writable]
        assert 0 < len(elements) <= self.layout.size, len(elements)
        if (1 if indirect_table is not None else len(elements)) > self.free_count:
            return None
        if indirect_table is not None:
            assert self.features.indirect
            table = b"".join(DESCRIPTOR.pack(a, n, 0, flags) for a, n, flags in elements)
            self.memory.write(indirect_table, table)
            elements = [(indirect_table, len(table), VIRTQ_DESC_F_INDIRECT)]
        # Invariant: an id is either in `free_ids` or in `in_flight`; `free_count` and the
        # descriptors of `in_flight` add up to the size of the ring.
        buffer_id = self.free_ids.popleft()
        self._write_list(buffer_id, elements)
        self.free_count -= len(elements)
        self.in_flight[buffer_id] = (len(elements), sum(length for _, length in writable))
        return buffer_id

    def publish(self, count: int | None = None) -> int:
        """Make added lists visible to the device, by the flags of their first descriptors.

        Args:
            count: How many of those not yet published, the oldest first; `None` for all.

        Returns:
            How many were published.
        """
        # Invariant: lists are published in the order of the ring, the oldest first.  The device
        # stops at the first list that is not published.
        count = len(self.unpublished) if count is None else count
        assert 0 <= count <= len(self.unpublished)
        for _ in range(count):
            position, flags, descriptors = self.unpublished.popleft()
            self.memory.write(self.ring.descriptor(position) + FLAGS_OFFSET, INDEX.pack(flags))
            self.moved = min(self.moved + descriptors, self.ring.span)
        return count

    def must_notify(self) -> bool:
        """Return whether the device must be notified of what was published since the last call."""
        # Invariant: the device's event suppression is read after the flags were written.
        moved, self.moved = self.moved, 0
        if moved == 0:
            return False
        return self.ring.asks_for_event(self.layout.device_area, self._published(), moved)

    def has_used(self) -> bool:
        """Return whether `pop_used` would find a used buffer, sound or malformed."""
        return self.batch is not None or self._is_used(self._read_next_used()[3])

    def pop_used(self) -> UsedBuffer | MalformedUsed | None:
        """Take the next used buffer back and free its descriptors.

        With VIRTIO_F_IN_ORDER one descriptor may stand for several buffers.  They come back one
        by one; those that have none of their own count as written completely.
        """
        used = self.batch
        if used is None:
            _, length, buffer_id, flags = self._read_next_used()
            if not self._is_used(flags):
                return None
            # Without WRITE the length is reserved (2.8.4).
            used = UsedBuffer(buffer_id, length if flags & VIRTQ_DESC_F_WRITE else 0)
        if used.head_index not in self.in_flight:
            place = self.ring.descriptor(self.next_used)
            return MalformedUsed(MalformedUsedReason.UNKNOWN_HEAD, place, used.head_index)
        if self.features.in_order:
            used = self._first_of_batch(used)
        descriptors, _ = self.in_flight.pop(used.head_index)
        # The id last used comes first, which keeps the number of states small.
        self.free_ids.appendleft(used.head_index)
        # Invariant: `next_used` moves by the descriptors of the list, for the device skips them
        # too.
        self.free_count += descriptors
        self.next_used = self.ring.advance(self.next_used, descriptors)
        if self.wants_notifications and self.features.event_index:
            self.ring.request_event(self.layout.driver_area, self.next_used)
        return used

    def allow_notifications(self) -> None:
        """Ask to be notified of the next used buffer; call `has_used` before going to sleep."""
        self.wants_notifications = True
        self.ring.request_event(self.layout.driver_area, self.next_used)

    def suppress_notifications(self) -> None:
        """Write that the driver needs no notifications."""
        self.wants_notifications = False
        self.ring.decline_events(self.layout.driver_area)

    def notification_data(self, queue_index: int) -> int:
        """Return the doorbell's 32 bits: the queue, and where the next list will be published.

        Source:
            VIRTIO 1.2, 2.9.
        """
        return queue_index | self.ring.off_wrap(self._published()) << 16

    def reset(self) -> tuple[int, ...]:
        """Return to the state before first use, as after a reset of the queue or the device.

        Returns:
            The ids that were in flight; their buffers belong to the driver again.
        """
        abandoned = self.in_flight_heads
        self._start()
        return abandoned

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            tuple(self.free_ids),
            tuple(self.in_flight.items()),
            self.next_available,
            tuple(self.unpublished),
            self.moved,
            self.next_used,
            self.batch,
            self.wants_notifications,
        )

    def _published(self) -> int:
        """Return the position of the next list that the device cannot see yet."""
        return self.unpublished[0][0] if self.unpublished else self.next_available

    def _write_list(self, buffer_id: int, elements: list[tuple[int, int, int]]) -> None:
        first = position = self.next_available
        for place, (addr, length, kind) in enumerate(elements):
            is_last = place == len(elements) - 1
            flags = kind | self.ring.available_bits(position)
            flags |= 0 if is_last else VIRTQ_DESC_F_NEXT
            body = DESCRIPTOR_BODY.pack(addr, length, buffer_id)
            if place == 0:
                # Invariant: the flags of the first descriptor in memory still show the last lap, so
                # the device stops in front of the list until it is published.
                self.unpublished.append((first, flags, len(elements)))
            else:
                body += INDEX.pack(flags)
            self.memory.write(self.ring.descriptor(position), body)
            position = self.ring.advance(position, 1)
        self.next_available = position

    def _read_next_used(self) -> tuple[int, int, int, int]:
        place = self.ring.descriptor(self.next_used)
        addr, length, buffer_id, flags = DESCRIPTOR.unpack(self.memory.read(place, 16))
        return addr, length, buffer_id, flags

    def _is_used(self, flags: int) -> bool:
        return flags & STATE_BITS == self.ring.used_bits(self.next_used)

    def _first_of_batch(self, last: UsedBuffer) -> UsedBuffer:
        """Return the oldest buffer of the batch that ends with `last`."""
        # Invariant: `in_flight` keeps the order of adding, which is the order of use here.
        oldest = next(iter(self.in_flight))
        if oldest == last.head_index:
            self.batch = None
            return last
        self.batch = last
        return UsedBuffer(oldest, self.in_flight[oldest][1])
