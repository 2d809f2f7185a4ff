"""The driver side of a split virtqueue: descriptor table, available ring and used ring.

        driver                      memory                          device
        add      ---> descriptor table, available ring[idx]
        publish  ---> available idx                         ---> next_chain
                      used ring[idx]                        <--- write_used_element
        pop_used <--- used idx                              <--- publish_used

Positions run freely modulo 2^16; the slot of a position is its remainder by the queue size.
Python keeps no field that the device writes; the driver reads it again at every step.

Source:
    VIRTIO 1.2, 2.7.
"""

from collections import deque
from collections.abc import Sequence

from .layout import (
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
    INDEX,
    INDEX_MASK,
    USED_ELEMENT,
    USED_ELEMENT_SIZE,
    VIRTQ_AVAIL_F_NO_INTERRUPT,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_WRITE,
    VIRTQ_USED_F_NO_NOTIFY,
    RingLayout,
    distance,
    is_split_size,
    passes_event,
    split_part_sizes,
)
from .memory import GuestMemory
from .virtqueue import Buffer, MalformedUsed, MalformedUsedReason, RingFeatures, UsedBuffer


class SplitDriverQueue:
    """The driver side: owns the descriptors, fills the available ring, empties the used ring.

    A descriptor is free, or part of an added chain.  A chain is added, then published, then
    used; the descriptors are free again when `pop_used` has returned it.

    Args:
        memory: The memory in which the ring and the buffers lie.
        layout: Size and addresses; the parts are aligned and in memory.
        features: What was negotiated.
        start_index: Where both indices begin: 0 on a fresh queue, another value when the queue
            continues a former one.
    """

    def __init__(
        self,
        memory: GuestMemory,
        layout: RingLayout,
        features: RingFeatures,
        *,
        start_index: int = 0,
    ) -> None:
        assert is_split_size(layout.size), layout.size
        self.memory = memory
        self.layout = layout
        self.features = features
        self.in_flight: dict[int, tuple[tuple[int, ...], int]] = {}
        """Head to the chain's descriptors and the bytes the device may write."""
        self._start_at(start_index)

    def _start_at(self, index: int) -> None:
        self.free = deque(range(self.layout.size))
        self.in_flight.clear()
        self.next_available = index
        self.published_index = index
        self.notified_index = index
        self.next_used = index
        self.batch: UsedBuffer | None = None
        """The element that stands for several chains, while `pop_used` returns them in order."""
        self.wants_notifications = True

    @property
    def free_count(self) -> int:
        """Number of descriptors that are not in use."""
        return len(self.free)

    @property
    def in_flight_heads(self) -> tuple[int, ...]:
        """Heads of all added and not yet returned chains, in the order in which they came."""
        return tuple(self.in_flight)

    def initialise(self) -> None:
        """Write the empty ring to memory; both indices stand at the start index."""
        assert not self.in_flight
        layout = self.layout
        for addr, length in zip(layout.areas(), split_part_sizes(layout.size), strict=True):
            self.memory.write(addr, bytes(length))
        start = INDEX.pack(self.next_available)
        self.memory.write(layout.available_index, start)
        self.memory.write(layout.used_index, start)
        if self.features.event_index:
            self.memory.write(layout.used_event, start)
            self.memory.write(layout.avail_event, start)

    def add(
        self,
        readable: Sequence[Buffer],
        writable: Sequence[Buffer],
        indirect_table: int | None = None,
    ) -> int | None:
        """Write a chain and its entry in the available ring; the device does not see it yet.

        Args:
            readable: Buffers that the device reads.
            writable: Buffers that the device writes; they come after the readable ones.
            indirect_table: Address of 16 bytes of memory per buffer that holds the chain in
                place of the descriptor table, which then needs one descriptor only.

        Returns:
            The head of the chain, or `None` if too few descriptors are free.
        """
        count = len(readable) + len(writable)
        assert 0 < count <= self.layout.size, count
        needed = 1 if indirect_table is not None else count
        if needed > len(self.free):
            return None
        # Invariant: a descriptor is either in `free` or part of one chain in `in_flight`.
        indices = tuple([self.free.popleft() for _ in range(needed)])
        if indirect_table is None:
            self._write_chain(self.layout.descriptor_area, indices, readable, writable)
        else:
            assert self.features.indirect
            self._write_chain(indirect_table, range(count), readable, writable)
            reference = (indirect_table, DESCRIPTOR_SIZE * count, VIRTQ_DESC_F_INDIRECT, 0)
            self.memory.write(self.layout.descriptor(indices[0]), DESCRIPTOR.pack(*reference))
        # Invariant: chain and ring entry are in memory before `publish` writes the index.
        head = indices[0]
        entry = self.layout.available_entry(self.next_available)
        self.memory.write(entry, INDEX.pack(head))
        self.next_available = (self.next_available + 1) & INDEX_MASK
        self.in_flight[head] = (indices, sum([length for _, length in writable]))
        return head

    def publish(self, count: int | None = None) -> int:
        """Make added chains visible to the device by writing the available ring's `idx`.

        Args:
            count: How many of those not yet published, the oldest first; `None` for all.

        Returns:
            How many were published.
        """
        waiting = distance(self.published_index, self.next_available)
        count = waiting if count is None else count
        assert 0 <= count <= waiting, (count, waiting)
        # Invariant: published_index <= next_available on the 16-bit circle; the device sees chains
        # in the order in which they were added.
        self.published_index = (self.published_index + count) & INDEX_MASK
        self.memory.write(self.layout.available_index, INDEX.pack(self.published_index))
        return count

    def must_notify(self) -> bool:
        """Return whether the device must be notified of what was published since the last call.

        Source:
            VIRTIO 1.2, 2.7.10.
        """
        # Invariant: the device's suppression is read after the index was written (2.7.13.4).
        old, new = self.notified_index, self.published_index
        self.notified_index = new
        if old == new:
            return False
        if self.features.event_index:
            return passes_event(self._index_at(self.layout.avail_event), new, old)
        return not self._index_at(self.layout.device_area) & VIRTQ_USED_F_NO_NOTIFY

    def has_used(self) -> bool:
        """Return whether `pop_used` would find a used chain, sound or malformed."""
        return self._index_at(self.layout.used_index) != self.next_used

    def pop_used(self) -> UsedBuffer | MalformedUsed | None:
        """Take the next used chain back and free its descriptors.

        With VIRTIO_F_IN_ORDER one element may stand for several chains.  They come back one by
        one; those that have no element of their own count as written completely.
        """
        # Invariant: the device cannot have used more chains than are in flight.
        layout = self.layout
        ready = distance(self.next_used, self._index_at(layout.used_index))
        if ready == 0:
            return None
        if ready > len(self.in_flight):
            reason = MalformedUsedReason.USED_INDEX_TOO_FAR
            return MalformedUsed(reason, layout.used_index, (self.next_used + ready) & INDEX_MASK)
        used = self.batch or self._read_used_element()
        if used.head_index not in self.in_flight:
            reason = MalformedUsedReason.UNKNOWN_HEAD
            return MalformedUsed(reason, layout.used_element(self.next_used), used.head_index)
        # Invariant: with a batch, `next_used` moves by one for each chain returned; the batch ends
        # when its own head is the oldest chain in flight.
        if self.features.in_order:
            used = self._first_of_batch(used)
        self._free_chain(self.in_flight.pop(used.head_index)[0])
        self.next_used = (self.next_used + 1) & INDEX_MASK
        if self.wants_notifications and self.features.event_index:
            self.memory.write(layout.used_event, INDEX.pack(self.next_used))
        return used

    def allow_notifications(self) -> None:
        """Ask to be notified of the next used chain.

        No notification comes for chains used before: call `has_used` before the driver goes to
        sleep.
        """
        self.wants_notifications = True
        if self.features.event_index:
            self.memory.write(self.layout.used_event, INDEX.pack(self.next_used))
        else:
            self.memory.write(self.layout.driver_area, INDEX.pack(0))

    def suppress_notifications(self) -> None:
        """Write that the driver needs no notifications.

        With the event index no value means "none".  So `used_event` names the entry before the next
        entry, which comes again only after 2^16 entries.
        """
        self.wants_notifications = False
        if self.features.event_index:
            passed = (self.next_used - 1) & INDEX_MASK
            self.memory.write(self.layout.used_event, INDEX.pack(passed))
        else:
            self.memory.write(self.layout.driver_area, INDEX.pack(VIRTQ_AVAIL_F_NO_INTERRUPT))

    def notification_data(self, queue_index: int) -> int:
        """Return the doorbell's 32 bits: the queue, and where the next entry will go.

        Source:
            VIRTIO 1.2, 2.9.
        """
        return queue_index | self.published_index << 16

    def reset(self) -> tuple[int, ...]:
        """Return to the state before first use, as after a reset of the queue or the device.

        Returns:
            The heads that were in flight; their buffers belong to the driver again.
        """
        abandoned = self.in_flight_heads
        self._start_at(0)
        return abandoned

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            tuple(self.free),
            tuple(self.in_flight.items()),
            self.next_available,
            self.published_index,
            self.notified_index,
            self.next_used,
            self.batch,
            self.wants_notifications,
        )

    def _write_chain(
        self,
        table: int,
        indices: Sequence[int],
        readable: Sequence[Buffer],
        writable: Sequence[Buffer],
    ) -> None:
        last = len(readable) + len(writable) - 1
        write, pack = self.memory.write, DESCRIPTOR.pack
        for place, (addr, length) in enumerate((*readable, *writable)):
            flags = VIRTQ_DESC_F_WRITE if place >= len(readable) else 0
            following = 0
            if place < last:
                flags |= VIRTQ_DESC_F_NEXT
                following = indices[place + 1]
            descriptor = pack(addr, length, flags, following)
            write(table + DESCRIPTOR_SIZE * indices[place], descriptor)

    def _read_used_element(self) -> UsedBuffer:
        element = self.memory.read(self.layout.used_element(self.next_used), USED_ELEMENT_SIZE)
        return UsedBuffer(*USED_ELEMENT.unpack(element))

    def _first_of_batch(self, last: UsedBuffer) -> UsedBuffer:
        """Return the oldest chain of the batch that ends with `last`."""
        # Invariant: `in_flight` keeps the order of adding, which is the order of use here.
        oldest = next(iter(self.in_flight))
        if oldest == last.head_index:
            self.batch = None
            return last
        self.batch = last
        return UsedBuffer(oldest, self.in_flight[oldest][1])

    def _free_chain(self, indices: tuple[int, ...]) -> None:
        # Invariant: with VIRTIO_F_IN_ORDER the descriptors are used in ring order (2.7.5).
        # Otherwise the descriptors last used come first, which keeps the number of states small.
        if self.features.in_order:
            self.free.extend(indices)
        else:
            self.free.extendleft(reversed(indices))

    def _index_at(self, addr: int) -> int:
        value: int = INDEX.unpack(self.memory.read(addr, 2))[0]
        return value
