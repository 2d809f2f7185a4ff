"""A virtqueue as a vdev uses it: its chains in flight, and the trace events of each step."""

from typing import TYPE_CHECKING

from ..bus.memory import DATA
from ..trace.event_base import TraceEvent
from ..trace.events import RequestCompleted
from ..trace.virtio_events import (
    BarrierPassed,
    BufferRead,
    BufferWritten,
    ChainTaken,
    DescriptorRead,
    SuppressionWritten,
    UsedElementWritten,
    UsedPublished,
)
from ..virtio.packed_device import PackedDeviceQueue
from ..virtio.packed_ring import slot_and_wrap
from ..virtio.split_device import SplitDeviceQueue
from ..virtio.virtqueue import DescriptorChain, MalformedChain

if TYPE_CHECKING:
    from .virtio_vdev import VirtioVdev

DeviceSide = SplitDeviceQueue | PackedDeviceQueue


class VdevQueue:
    """One virtqueue that its driver has enabled.

    Attributes:
        index: Its number.
        side: The device side of the ring.
        in_flight: How many chains the vdev has taken and not given back or dropped.
        finished: Head to bytes written, of chains that are done and wait for an earlier chain
            (VIRTIO_F_IN_ORDER).
    """

    def __init__(
        self, vdev: "VirtioVdev", index: int, side: DeviceSide, *, in_order: bool, event_index: bool
    ) -> None:
        self.vdev = vdev
        self.index = index
        self.side = side
        self.in_order = in_order
        self.event_index = event_index
        self.in_flight = 0
        self.finished: dict[int, int] = {}

    def take(self) -> DescriptorChain | MalformedChain | None:
        """Take the next chain from the ring."""
        ram = self.vdev.ram
        ram.content = "suppression"
        if self.vdev.is_detailed:
            chain = self._take_detailed()
        else:
            ram.begin_ring_reads()
            chain = self.side.next_chain()
            ram.end_ring_reads()
            if isinstance(chain, DescriptorChain):
                self.in_flight += 1
        ram.content = DATA
        return chain

    def complete(self, head: int, length: int) -> bool:
        """Give a chain back, in its turn; return whether the driver must be notified."""
        # Invariant: with VIRTIO_F_IN_ORDER chains are used in the order in which they were taken.
        self.in_flight -= 1
        if not self.in_order:
            return self._give_back(head, length)
        self.finished[head] = length
        must_notify = False
        heads = self.side.in_flight_heads
        while heads and heads[0] in self.finished:
            must_notify |= self._give_back(heads[0], self.finished.pop(heads[0]))
            heads = self.side.in_flight_heads
        return must_notify

    def drop(self) -> None:
        """Drop a chain without giving it back; the driver never sees it used."""
        self.in_flight -= 1

    def read(self, chain: DescriptorChain, addr: int, length: int) -> bytes:
        """Read from a buffer of a chain."""
        if self.vdev.is_detailed:
            self._emit_detail(BufferRead(*self._who, chain.head_index, addr, length))
        return self.vdev.ram.read(addr, length)

    def write(self, chain: DescriptorChain, addr: int, data: bytes, content: str = DATA) -> None:
        """Write into a buffer of a chain."""
        # Invariant: `ram.content` is `DATA` outside of these writes, so each event says what
        # landed.
        self.vdev.ram.content = content
        self.vdev.ram.write(addr, data)
        self.vdev.ram.content = DATA
        if self.vdev.is_detailed:
            self._emit_detail(BufferWritten(*self._who, chain.head_index, addr, len(data)))

    def emit_access(self, head: int, buffers: tuple[tuple[int, int], ...], *, wrote: bool) -> None:
        """Emit an access to buffers that the hardware behind the vdev has made itself."""
        if self.vdev.is_detailed:
            kind = BufferWritten if wrote else BufferRead
            for addr, length in buffers:
                self._emit_detail(kind(*self._who, head, addr, length))

    @property
    def _who(self) -> tuple[str, int, int]:
        return (self.vdev.name, self.vdev.epoch, self.index)

    def _emit_detail(self, event: TraceEvent) -> None:
        self.vdev.emit_detail(event)

    def _give_back(self, head: int, length: int) -> bool:
        # Invariant: the used element is in memory before the used index that publishes it, and the
        # index before the look at the driver's suppression (VIRTIO 1.2, 2.7.8.2 and 2.7.7).
        vdev, side = self.vdev, self.side
        if vdev.is_detailed:
            return self._give_back_detailed(head, length)
        vdev.ram.content = "used_element"
        side.write_used_element(head, length)
        vdev.ram.content = "used_idx"
        side.publish_used()
        vdev.ram.content = DATA
        must_notify = self._must_notify()
        vdev.emit(RequestCompleted(vdev.name, vdev.epoch, head))
        return must_notify

    def _must_notify(self) -> bool:
        """Read from the ring whether the driver wants a notification for what was published."""
        self.vdev.ram.begin_ring_reads()
        must_notify = self.side.must_notify()
        self.vdev.ram.end_ring_reads()
        return must_notify

    # With an event for every step.

    def _take_detailed(self) -> DescriptorChain | MalformedChain | None:
        slot = self.side.next_available % self.side.layout.size
        ram = self.vdev.ram
        # Invariant: the events of the descriptors and of the chain come before those of the writes
        # that taking it makes (avail_event), though memory has changed already.
        ram.hold_events()
        ram.begin_ring_reads()
        chain = self.side.next_chain()
        if chain is not None:
            for addr in chain.fetched:
                self._emit_detail(DescriptorRead(*self._who, addr))
        if isinstance(chain, DescriptorChain):
            self.in_flight += 1
            self._emit_detail(ChainTaken(*self._who, chain.head_index, slot))
        ram.release_events()
        ram.end_ring_reads()
        if isinstance(chain, DescriptorChain) and self.event_index:
            self._emit_suppression()
        return chain

    def _give_back_detailed(self, head: int, length: int) -> bool:
        vdev, side = self.vdev, self.side
        slot = side.next_used % side.layout.size
        vdev.ram.content = "used_element"
        side.write_used_element(head, length)
        self._emit_detail(UsedElementWritten(*self._who, slot, head, length))
        self._emit_detail(BarrierPassed(*self._who, "used_idx"))
        vdev.ram.content = "used_idx"
        side.publish_used()
        vdev.ram.content = DATA
        must_notify = self._must_notify()
        self._emit_detail(UsedPublished(*self._who, self._published(), must_notify))
        vdev.emit(RequestCompleted(vdev.name, vdev.epoch, head))
        return must_notify

    def _published(self) -> int:
        side = self.side
        if isinstance(side, PackedDeviceQueue):
            return slot_and_wrap(side.next_used, side.layout.size)
        return side.next_used

    def _emit_suppression(self) -> None:
        mode, position = "always", 0
        if self.event_index:
            mode, position = "at", self.side.next_available
            if isinstance(self.side, PackedDeviceQueue):
                position = slot_and_wrap(position, self.side.layout.size)
        self._emit_detail(SuppressionWritten(*self._who, "device", mode, position))
