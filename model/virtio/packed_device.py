"""The device side of a packed virtqueue: takes lists, writes used descriptors over them.

`packed_ring` explains positions, and by which bits a descriptor belongs to driver or device.

Left out: a device that returns a multi-buffer request in one go (2.8.9).  Each buffer is
returned for itself, or in order for all before it.

Source:
    VIRTIO 1.2, 2.8.
"""

from .chain_walk import ChainBuilder, indirect_fault, ring_fault
from .layout import (
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
    FLAGS_OFFSET,
    INDEX,
    USED_BODY,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_DESC_F_WRITE,
    RingLayout,
)
from .memory import GuestMemory
from .packed_ring import STATE_BITS, PackedRing
from .virtqueue import DescriptorChain, MalformedChain, MalformedReason, RingFeatures


class PackedDeviceQueue:
    """The device side: takes lists of descriptors and writes used ones over them.

    The device does not trust the driver: a list that breaks the rules gives a `MalformedChain`, and
    the device then sets DEVICE_NEEDS_RESET.

    Args:
        memory: The memory as the device reaches it.
        layout: Size and addresses as the driver gave them.
        features: What was negotiated.
        accepts_zero_length: Whether a buffer without bytes is accepted.
    """

    def __init__(
        self,
        memory: GuestMemory,
        layout: RingLayout,
        features: RingFeatures,
        *,
        accepts_zero_length: bool = True,
    ) -> None:
        self.memory = memory
        self.layout = layout
        self.features = features
        self.accepts_zero_length = accepts_zero_length
        self.fault = ring_fault(memory, layout, packed=True)
        self.ring = PackedRing(memory, layout, features)
        self.in_flight: dict[int, int] = {}
        """Buffer id to the number of its descriptors, in the order of taking them."""
        self._start()

    def _start(self) -> None:
        self.in_flight.clear()
        self.next_available = 0
        self.next_used = 0
        self.unpublished: list[tuple[int, int, int]] = []
        """Of each used descriptor written: position, flags, and how many it stands for."""
        self.moved = 0
        """Descriptors passed since `must_notify`; counts no further than two laps."""
        self.wants_notifications = True

    @property
    def in_flight_heads(self) -> tuple[int, ...]:
        """Ids of all buffers taken and not yet used, in the order in which they were taken."""
        return tuple(self.in_flight)

    def has_available(self) -> bool:
        """Return whether `next_chain` would find a list, sound or malformed."""
        return self.fault is not None or self._is_available(self._read(self.next_available)[3])

    def next_chain(self) -> DescriptorChain | MalformedChain | None:
        """Take the next available list from the ring; `None` if there is none."""
        if self.fault is not None:
            return self.fault
        if not self._is_available(self._read(self.next_available)[3]):
            return None
        # Invariant: `next_available` and `in_flight` change together, and only for a sound list.
        found = self._walk()
        asks_for_next = self.wants_notifications and self.features.event_index
        if asks_for_next and isinstance(found, DescriptorChain):
            self.ring.request_event(self.layout.device_area, self.next_available)
        return found

    def write_used_element(self, head_index: int, length: int) -> int:
        """Write length and id of a used descriptor, but not yet its flags.

        With VIRTIO_F_IN_ORDER it stands for all buffers up to this one that are in flight.

        The id is not checked: a faulty device may write any number.

        Args:
            head_index: The buffer id.
            length: Bytes written to the buffer's writable part.

        Returns:
            The address of the descriptor, 16 bytes.
        """
        # Invariant: the flags in memory still show the driver's lap, so the driver does not see the
        # descriptor before `publish_used`.
        position = self.next_used
        addr = self.ring.descriptor(position)
        self.memory.write(addr + 8, USED_BODY.pack(length, head_index))
        descriptors = self.in_flight.get(head_index, 1)
        if self.features.in_order and head_index in self.in_flight:
            heads = self.in_flight_heads
            for skipped in heads[: heads.index(head_index)]:
                descriptors += self.in_flight.pop(skipped)
        self.in_flight.pop(head_index, None)
        flags = self.ring.used_bits(position) | (VIRTQ_DESC_F_WRITE if length else 0)
        # Invariant: `next_used` skips all descriptors of the buffers that this one stands for, as
        # the driver does when it takes them back.
        self.unpublished.append((position, flags, descriptors))
        self.next_used = self.ring.advance(position, descriptors)
        return addr

    def publish_used(self) -> int:
        """Write the flags of all used descriptors; return the address of the first one's flags.

        The flags of the first are written last: until then the driver sees none of them.

        Raises:
            AssertionError: If no used descriptor waits to be published.
        """
        assert self.unpublished
        addr = 0
        for position, flags, descriptors in reversed(self.unpublished):
            addr = self.ring.descriptor(position) + FLAGS_OFFSET
            self.memory.write(addr, INDEX.pack(flags))
            self.moved = min(self.moved + descriptors, self.ring.span)
        self.unpublished.clear()
        return addr

    def must_notify(self) -> bool:
        """Return whether the driver must be notified of what was published since the last call."""
        # Invariant: the driver's event suppression is read after the flags were written.
        moved, self.moved = self.moved, 0
        if moved == 0:
            return False
        published = self.unpublished[0][0] if self.unpublished else self.next_used
        return self.ring.asks_for_event(self.layout.driver_area, published, moved)

    def complete(self, head_index: int, length: int) -> bool:
        """Write the descriptor, publish it and return whether the driver must be notified.

        Raises:
            AssertionError: If the buffer is not in flight.
        """
        assert head_index in self.in_flight, head_index
        self.write_used_element(head_index, length)
        self.publish_used()
        return self.must_notify()

    def allow_notifications(self) -> None:
        """Ask to be notified of the next available list; call `has_available` afterwards."""
        self.wants_notifications = True
        self.ring.request_event(self.layout.device_area, self.next_available)

    def suppress_notifications(self) -> None:
        """Write that the device needs no notifications."""
        self.wants_notifications = False
        self.ring.decline_events(self.layout.device_area)

    def reset(self) -> tuple[int, ...]:
        """Return to the state before first use, as a reset of the queue or the device does.

        Returns:
            The ids that were in flight.

        Source:
            VIRTIO 1.2, 2.6.1.1.1.
        """
        abandoned = self.in_flight_heads
        self._start()
        return abandoned

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            tuple(self.in_flight.items()),
            self.next_available,
            self.next_used,
            tuple(self.unpublished),
            self.moved,
            self.wants_notifications,
        )

    def _read(self, position: int) -> tuple[int, int, int, int]:
        place = self.ring.descriptor(position)
        addr, length, buffer_id, flags = DESCRIPTOR.unpack(self.memory.read(place, 16))
        return addr, length, buffer_id, flags

    def _is_available(self, flags: int) -> bool:
        return flags & STATE_BITS == self.ring.available_bits(self.next_available)

    def _walk(self) -> DescriptorChain | MalformedChain:
        """Take the list at `next_available`; the position moves only if the list is sound."""
        # Invariant: at most `size` descriptors are read, so a list of a hostile driver ends.
        builder = ChainBuilder(self.memory, self.layout.size, self.accepts_zero_length)
        position = self.next_available
        count = 0
        flags = VIRTQ_DESC_F_NEXT
        while flags & VIRTQ_DESC_F_NEXT:
            place = self.ring.descriptor(position)
            addr, length, buffer_id, flags = self._read(position)
            builder.fetched.append(place)
            count += 1
            reason = self._descriptor_fault(position, flags, count)
            if reason is None and flags & VIRTQ_DESC_F_INDIRECT:
                malformed = self._walk_table(builder, place, (addr, length, flags))
                if malformed is not None:
                    return malformed
            elif reason is None:
                reason = builder.add(addr, length, flags)
            if reason is not None:
                return builder.malformed(reason, place, addr)
            position = self.ring.advance(position, 1)
        # Invariant: the buffer id is that of the last descriptor of the list (2.8.6), and each id
        # is in flight once.
        if buffer_id in self.in_flight:
            return builder.malformed(MalformedReason.HEAD_IN_FLIGHT, place, buffer_id)
        self.in_flight[buffer_id] = count
        self.next_available = position
        return builder.chain(buffer_id)

    def _descriptor_fault(self, position: int, flags: int, fetched: int) -> MalformedReason | None:
        """Return the rule that this descriptor breaks as the n-th of its list, if any."""
        # Invariant: the descriptors in flight and those of this list fit into the ring.
        if fetched > self.layout.size:
            return MalformedReason.LOOP
        if fetched + sum(self.in_flight.values()) > self.layout.size:
            return MalformedReason.AVAILABLE_INDEX_TOO_FAR
        if flags & STATE_BITS != self.ring.available_bits(position):
            return MalformedReason.CHAIN_INCOMPLETE
        if flags & VIRTQ_DESC_F_INDIRECT and fetched > 1:
            return MalformedReason.INDIRECT_WITH_NEXT
        return None

    def _walk_table(
        self, builder: ChainBuilder, place: int, reference: tuple[int, int, int]
    ) -> MalformedChain | None:
        """Collect the buffers of an indirect table, in which WRITE is the only flag (2.8.7)."""
        table, table_length, flags = reference
        reason = indirect_fault(self.memory, self.features, table, table_length, flags)
        if reason is not None:
            return builder.malformed(reason, place, table_length)
        for entry in range(table, table + table_length, DESCRIPTOR_SIZE):
            addr, length, _, flags = DESCRIPTOR.unpack(self.memory.read(entry, DESCRIPTOR_SIZE))
            builder.fetched.append(entry)
            reason = builder.add(addr, length, flags)
            if reason is not None:
                return builder.malformed(reason, entry, addr)
        return None
