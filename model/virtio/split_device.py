"""The device side of a split virtqueue: takes chains, returns them used, checks all it reads.

The drawing of the steps is in `split_driver`.

Left out: the order of `next` that VIRTIO_F_IN_ORDER asks of a driver is not enforced, for no
device relies on it.

Source:
    VIRTIO 1.2, 2.7.
"""

from .chain_walk import ChainBuilder, indirect_fault, ring_fault
from .layout import (
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
    INDEX,
    INDEX_MASK,
    USED_ELEMENT,
    VIRTQ_AVAIL_F_NO_INTERRUPT,
    VIRTQ_DESC_F_INDIRECT,
    VIRTQ_DESC_F_NEXT,
    VIRTQ_USED_F_NO_NOTIFY,
    RingLayout,
    distance,
    passes_event,
)
from .memory import GuestMemory
from .virtqueue import DescriptorChain, MalformedChain, MalformedReason, RingFeatures


class SplitDeviceQueue:
    """The device side: takes chains from the available ring, returns them in the used ring.

    The device does not trust the driver.  A misplaced ring, an index that jumps and a chain that
    breaks the rules give a `MalformedChain`; the device then sets DEVICE_NEEDS_RESET.

    Args:
        memory: The memory as the device reaches it.
        layout: Size and addresses as the driver gave them.
        features: What was negotiated.
        start_index: Where both indices begin; see `SplitDriverQueue`.
        accepts_zero_length: Whether a buffer without bytes is accepted.  The standard does not say;
            QEMU's devices refuse it.
    """

    def __init__(
        self,
        memory: GuestMemory,
        layout: RingLayout,
        features: RingFeatures,
        *,
        start_index: int = 0,
        accepts_zero_length: bool = True,
    ) -> None:
        self.memory = memory
        self.layout = layout
        self.features = features
        self.accepts_zero_length = accepts_zero_length
        self.fault = ring_fault(memory, layout, packed=False)
        self.in_flight: dict[int, None] = {}
        """Heads of the chains taken and not yet used; the order is that of taking them."""
        self._start_at(start_index)

    def _start_at(self, index: int) -> None:
        self.in_flight.clear()
        self.next_available = index
        self.next_used = index
        self.published_index = index
        self.notified_index = index
        self.wants_notifications = True

    @property
    def in_flight_heads(self) -> tuple[int, ...]:
        """Heads of all chains taken and not yet used, in the order in which they were taken."""
        return tuple(self.in_flight)

    def has_available(self) -> bool:
        """Return whether `next_chain` would find a chain, sound or malformed."""
        if self.fault is not None:
            return True
        return self._index_at(self.layout.available_index) != self.next_available

    def next_chain(self) -> DescriptorChain | MalformedChain | None:
        """Take the next chain from the available ring; `None` if there is none."""
        if self.fault is not None:
            return self.fault
        layout = self.layout
        available_index = self._index_at(layout.available_index)
        ready = distance(self.next_available, available_index)
        if ready == 0:
            return None
        # Invariant: each chain needs a descriptor of its own, so available and in-flight chains
        # together never exceed the size of the table.  More means that the index has jumped.
        if ready + len(self.in_flight) > layout.size:
            reason = MalformedReason.AVAILABLE_INDEX_TOO_FAR
            return MalformedChain(reason, layout.available_index, available_index)
        entry = layout.available_entry(self.next_available)
        head = self._index_at(entry)
        if head >= layout.size:
            return MalformedChain(MalformedReason.HEAD_OUTSIDE_TABLE, entry, head)
        # Invariant: `in_flight` holds each head once; a head that comes twice would give one buffer
        # to two requests.
        if head in self.in_flight:
            return MalformedChain(MalformedReason.HEAD_IN_FLIGHT, entry, head)
        found = self._walk(head)
        # Invariant: `next_available` moves past sound chains only.  After a malformed one the
        # device stops at this entry.
        if isinstance(found, DescriptorChain):
            self.in_flight[head] = None
            self.next_available = (self.next_available + 1) & INDEX_MASK
            if self.wants_notifications and self.features.event_index:
                self.memory.write(layout.avail_event, INDEX.pack(self.next_available))
        return found

    def write_used_element(self, head_index: int, length: int) -> int:
        """Write the element that says a chain is used; the driver does not see it yet.

        With VIRTIO_F_IN_ORDER the element stands for all chains up to this one that are in
        flight: the first of them gives the slot, and the next element goes behind the last.

        The head is not checked: a faulty device may write any number.

        Args:
            head_index: Head of the chain.
            length: Bytes written to its writable buffers.

        Returns:
            The address of the element, 8 bytes.
        """
        addr = self.layout.used_element(self.next_used)
        self.memory.write(addr, USED_ELEMENT.pack(head_index, length))
        batch = 1
        if self.features.in_order and head_index in self.in_flight:
            batch = self.in_flight_heads.index(head_index) + 1
            for skipped in self.in_flight_heads[: batch - 1]:
                del self.in_flight[skipped]
        # Invariant: `next_used` moves by the number of chains that the element stands for, so the
        # driver counts as many used chains as the device.
        self.in_flight.pop(head_index, None)
        self.next_used = (self.next_used + batch) & INDEX_MASK
        return addr

    def publish_used(self) -> int:
        """Write the used ring's `idx`, the last write of a request; return its address.

        Source:
            VIRTIO 1.2, 2.7.8.2.
        """
        # Invariant: every element before `next_used` is in memory before the index that shows it.
        self.published_index = self.next_used
        addr = self.layout.used_index
        self.memory.write(addr, INDEX.pack(self.published_index))
        return addr

    def must_notify(self) -> bool:
        """Return whether the driver must be notified of what was published since the last call.

        Source:
            VIRTIO 1.2, 2.7.7.2.
        """
        # Invariant: the driver's suppression is read after the index was written.  The other order
        # could miss a driver that goes to sleep in between.
        old, new = self.notified_index, self.published_index
        self.notified_index = new
        if old == new:
            return False
        if self.features.event_index:
            return passes_event(self._index_at(self.layout.used_event), new, old)
        return not self._index_at(self.layout.driver_area) & VIRTQ_AVAIL_F_NO_INTERRUPT

    def complete(self, head_index: int, length: int) -> bool:
        """Write the element, publish it and return whether the driver must be notified.

        Raises:
            AssertionError: If the chain is not in flight.
        """
        assert head_index in self.in_flight, head_index
        self.write_used_element(head_index, length)
        self.publish_used()
        return self.must_notify()

    def allow_notifications(self) -> None:
        """Ask to be notified of the next available chain.

        No notification comes for chains made available before: call `has_available` before the
        device goes to sleep.
        """
        self.wants_notifications = True
        if self.features.event_index:
            self.memory.write(self.layout.avail_event, INDEX.pack(self.next_available))
        else:
            self.memory.write(self.layout.device_area, INDEX.pack(0))

    def suppress_notifications(self) -> None:
        """Write that the device needs no notifications; see `SplitDriverQueue`."""
        self.wants_notifications = False
        if self.features.event_index:
            passed = (self.next_available - 1) & INDEX_MASK
            self.memory.write(self.layout.avail_event, INDEX.pack(passed))
        else:
            self.memory.write(self.layout.device_area, INDEX.pack(VIRTQ_USED_F_NO_NOTIFY))

    def reset(self) -> tuple[int, ...]:
        """Return to the state before first use, as a reset of the queue or the device does.

        Returns:
            The heads that were in flight.

        Source:
            VIRTIO 1.2, 2.6.1.1.1.
        """
        abandoned = self.in_flight_heads
        self._start_at(0)
        return abandoned

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            self.in_flight_heads,
            self.next_available,
            self.next_used,
            self.published_index,
            self.notified_index,
            self.wants_notifications,
        )

    def _walk(self, head: int) -> DescriptorChain | MalformedChain:
        """Follow a chain from its head through the descriptor table and an indirect one."""
        builder = ChainBuilder(self.memory, self.layout.size, self.accepts_zero_length)
        table, entries = self.layout.descriptor_area, self.layout.size
        index = head
        visited = 0
        is_indirect = False
        while True:
            place = table + DESCRIPTOR_SIZE * index
            addr, length, flags, following = DESCRIPTOR.unpack(
                self.memory.read(place, DESCRIPTOR_SIZE)
            )
            builder.fetched.append(place)
            visited += 1
            if flags & VIRTQ_DESC_F_INDIRECT:
                if is_indirect:
                    return builder.malformed(MalformedReason.INDIRECT_NESTED, place, addr)
                reason = indirect_fault(self.memory, self.features, addr, length, flags)
                if reason is not None:
                    return builder.malformed(reason, place, length)
                table, entries = addr, length // DESCRIPTOR_SIZE
                index, visited, is_indirect = 0, 0, True
                continue
            reason = builder.add(addr, length, flags)
            if reason is not None:
                return builder.malformed(reason, place, addr)
            if not flags & VIRTQ_DESC_F_NEXT:
                return builder.chain(head)
            if following >= entries:
                return builder.malformed(MalformedReason.NEXT_OUTSIDE_TABLE, place, following)
            # Invariant: after `entries` steps every descriptor of the table was visited, so a
            # further step would be a loop.
            if visited == entries:
                return builder.malformed(MalformedReason.LOOP, place, following)
            index = following

    def _index_at(self, addr: int) -> int:
        value: int = INDEX.unpack(self.memory.read(addr, 2))[0]
        return value
