"""A virtqueue as a guest's driver uses it: its chains in flight, and the trace events of each step.

The order of the steps is the standard's: descriptors, barrier, index, barrier, the other side's
suppression field, barrier, doorbell (VIRTIO 1.2, 2.7.13 and 2.8.21).
"""

from collections.abc import Sequence
from typing import Protocol

from ..trace.events import AnyEvent
from ..trace.virtio_events import (
    AvailablePublished,
    BarrierPassed,
    BufferFreed,
    ChainExposed,
    SuppressionWritten,
)
from ..virtio.layout import DESCRIPTOR_SIZE
from ..virtio.packed_driver import PackedDriverQueue
from ..virtio.packed_ring import slot_and_wrap
from ..virtio.split_driver import SplitDriverQueue
from ..virtio.virtqueue import Buffer, UsedBuffer
from .layout import GuestAllocator

DriverSide = SplitDriverQueue | PackedDriverQueue

INDIRECT_BUFFERS_MAX = 8
"""How many buffers an indirect table of these drivers has room for."""


class EventEmitter(Protocol):
    """The driver whose queue it is."""

    def emit(self, event: AnyEvent) -> int:
        """Append an event of the driver to the trace."""
        ...


class DriverQueue:
    """One virtqueue of a driver.

    Args:
        driver: The driver that it belongs to.
        who: Name of the vdev, epoch and number of the queue, for events.
        side: The driver side of the ring.
        allocator: The source of memory for indirect tables.
        is_detailed: Whether the events of `virtio_events` are emitted.

    Attributes:
        tables: Indirect tables that no chain uses.
        table_of: Head to the indirect table of its chain.
    """

    def __init__(
        self,
        driver: EventEmitter,
        who: tuple[str, int, int],
        side: DriverSide,
        allocator: GuestAllocator,
        *,
        is_detailed: bool,
    ) -> None:
        self.driver = driver
        self.who = who
        self.side = side
        self.allocator = allocator
        self.is_detailed = is_detailed
        self.tables: list[int] = []
        self.table_of: dict[int, int] = {}
        self.must_ring = False
        if is_detailed and side.features.event_index:
            self._emit_suppression()

    @property
    def index(self) -> int:
        """Its number."""
        return self.who[2]

    def has_room(self, buffers: int) -> bool:
        """Return whether a chain of so many buffers can be added."""
        return self.side.free_count >= (1 if self.side.features.indirect else buffers)

    def add(self, readable: Sequence[Buffer], writable: Sequence[Buffer]) -> int:
        """Write a chain into the ring and return its head; there must be room for it."""
        table = self._free_table() if self.side.features.indirect else None
        head = self.side.add(readable, writable, table)
        # Invariant: the driver has asked `has_room` before, so the ring takes every chain.
        assert head is not None, "a driver has no more in flight than its queue holds"
        if table is not None:
            self.table_of[head] = table
        if self.is_detailed:
            is_indirect = table is not None
            buffers = (tuple(readable), tuple(writable))
            self.driver.emit(ChainExposed(*self.who, head, *buffers, is_indirect, "readable_first"))
        return head

    def publish(self) -> None:
        """Publish the added chains, and record whether the device wants a notification."""
        # Invariant: `must_ring` stays true until `claim_doorbell`, so a driver that is stopped in
        # between still knows that the doorbell is due.
        if not self.is_detailed:
            self.side.publish()
            self.must_ring |= self.side.must_notify()
            return
        self.driver.emit(BarrierPassed(*self.who, "idx"))
        count = self.side.publish()
        must_notify = self.side.must_notify()
        self.must_ring |= must_notify
        self.driver.emit(AvailablePublished(*self.who, self._published(), count, must_notify))
        self.driver.emit(BarrierPassed(*self.who, "suppression_read"))

    def claim_doorbell(self) -> bool:
        """Return whether the doorbell is due, and clear that: the caller rings it."""
        must_ring, self.must_ring = self.must_ring, False
        if must_ring and self.is_detailed:
            self.driver.emit(BarrierPassed(*self.who, "kick"))
        return must_ring

    def reap(self) -> list[UsedBuffer]:
        """Take back all used chains, with notifications suppressed meanwhile."""
        # Invariant: after notifications are allowed again the ring is looked at once more, so a
        # chain that was used in between is not missed (VIRTIO 1.2, 2.7.14).
        side = self.side
        taken: list[UsedBuffer] = []
        self._suppress()
        while True:
            while isinstance(used := side.pop_used(), UsedBuffer):
                taken.append(used)
                table = self.table_of.pop(used.head_index, None)
                if table is not None:
                    self.tables.append(table)
            side.allow_notifications()
            if self.is_detailed:
                self._emit_suppression()
            if used is not None or not side.has_used():
                return taken
            self._suppress()

    def ring_value(self, has_data: bool) -> int:
        """Return the value to write to the doorbell."""
        return self.side.notification_data(self.index) if has_data else self.index

    def free(self) -> None:
        """Take back the ring's memory; the device does not use it any more."""
        if self.is_detailed:
            for addr, length in zip(self.side.layout.areas(), self._part_sizes(), strict=True):
                self.driver.emit(BufferFreed(*self.who, addr, length))
        self.side.reset()

    def _part_sizes(self) -> tuple[int, int, int]:
        size = self.side.layout.size
        if isinstance(self.side, PackedDriverQueue):
            return (DESCRIPTOR_SIZE * size, 4, 4)
        return (DESCRIPTOR_SIZE * size, 6 + 2 * size, 6 + 8 * size)

    def _free_table(self) -> int:
        if not self.tables:
            return self.allocator.allocate(DESCRIPTOR_SIZE * INDIRECT_BUFFERS_MAX)
        return self.tables.pop()

    def _suppress(self) -> None:
        self.side.suppress_notifications()
        if self.is_detailed:
            mode, position = "never", 0
            if self.side.features.event_index and isinstance(self.side, SplitDriverQueue):
                mode, position = "at", (self.side.next_used - 1) & 0xFFFF
            self.driver.emit(SuppressionWritten(*self.who, "driver", mode, position))

    def _emit_suppression(self) -> None:
        mode, position = "always", 0
        if self.side.features.event_index:
            mode, position = "at", self.side.next_used
            if isinstance(self.side, PackedDriverQueue):
                position = slot_and_wrap(position, self.side.layout.size)
        self.driver.emit(SuppressionWritten(*self.who, "driver", mode, position))

    def _published(self) -> int:
        if isinstance(self.side, PackedDriverQueue):
            return slot_and_wrap(self.side.next_available, self.side.layout.size)
        return self.side.published_index
