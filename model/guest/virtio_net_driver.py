"""The guest's virtio-net driver: it keeps receive buffers with the device and sends some frames.

Source:
    VIRTIO 1.2, 5.1.
"""

from ..plan.virtio_plan import NetPlan
from ..sim.kernel import Steps
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.features import feature_mask, has_feature
from ..virtio.net_format import (
    HEADER_SIZE,
    VIRTIO_NET_F_CTRL_VQ,
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_MQ,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_OK,
    NetHeader,
    control_queue,
    pack_queue_pairs_command,
    receive_queue,
    transmit_queue,
)
from ..virtio.virtqueue import Buffer, UsedBuffer
from .driver_queue import DriverQueue
from .site import DriverSite
from .virtio_driver import VirtioDriver

UNDERSTOOD = feature_mask(
    VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ
)

_COMMAND_LENGTH = 4
_STATUS_PENDING = b"\xff"


class VirtioNetDriver(VirtioDriver):
    """The driver.

    Attributes:
        pairs: Pairs of queues in use.
        buffer_of: Queue and head to the buffer of a chain in flight.
        sends_left: Frames that it has yet to send.
        received: First byte behind the header of the frame that came last; -1 before the first.
        command: Address of the command in flight on the control queue; 0 if none is.
        command_status: The status of the last command; -1 before the first.
    """

    def __init__(self, site: DriverSite, plan: NetPlan, index: int = 0) -> None:
        super().__init__(site, plan, plan.name, VirtioDeviceId.NET, UNDERSTOOD, index)
        self.plan = plan
        self.pairs = 1
        self.buffer_of: dict[tuple[int, int], int] = {}
        self.idle_receive: list[tuple[int, int]] = []
        self.sends_left = plan.sends
        self.received = -1
        self.command = 0
        self.command_status = -1

    # What the base asks.

    def queue_indices(self) -> tuple[int, ...]:
        """Return the queues of all pairs, and the control queue where several pairs need it."""
        pairs = self._pairs_wanted()
        indices = range(2 * pairs)
        if pairs > 1:
            return (*indices, control_queue(self.plan.queue_pairs))
        return tuple(indices)

    def work(self) -> Steps:
        """Give the device receive buffers, send, and serve interrupts."""
        pairs = self._pairs_wanted()
        for pair in range(pairs):
            self._allocate(receive_queue(pair))
        yield from self._refill()
        if pairs > 1:
            yield from self._use_pairs(pairs)
        if self.is_live:
            yield from self._send()
        while not self.has_failed:
            yield from self.await_interrupt()
            if self.is_live:
                yield from self._refill()
                yield from self._send()

    def take_used(self, queue: DriverQueue, used: UsedBuffer) -> None:
        """Take a received or a sent frame, or the end of a command."""
        addr = self.buffer_of.pop((queue.index, used.head_index))
        if queue.index == control_queue(self.plan.queue_pairs):
            self.command_status = self.ram.read(addr + _COMMAND_LENGTH, 1)[0]
            self.command = 0
            return
        if queue.index == receive_queue(queue.index // 2):
            if used.length > HEADER_SIZE:
                self.received = self.ram.read(addr + HEADER_SIZE, 1)[0]
            self.idle_receive.append((queue.index, addr))

    def is_waiting(self) -> bool:
        """Return whether frames to send are in flight; receive buffers wait for ever."""
        return any(index % 2 for index, _ in self.buffer_of if index < 2 * self.pairs)

    def stop_requests(self) -> None:
        """Send no further frame."""
        self.sends_left = 0

    def buffers(self) -> list[Buffer]:
        """Return the receive buffers that the device has."""
        length = self.plan.buffer_length
        return [(addr, length) for (index, _), addr in self.buffer_of.items() if index % 2 == 0]

    # Receiving and sending.

    def _pairs_wanted(self) -> int:
        return self.plan.queue_pairs if has_feature(self.negotiated, VIRTIO_NET_F_MQ) else 1

    def _allocate(self, queue: int) -> None:
        count = min(self.plan.buffers, self.common.queue_size)
        for _ in range(count):
            addr = self.site.allocator.allocate(self.plan.buffer_length, 64)
            self.idle_receive.append((queue, addr))

    def _refill(self) -> Steps:
        filled = sorted({queue for queue, _ in self.idle_receive})
        idle, self.idle_receive = self.idle_receive, []
        for index, addr in idle:
            queue = self.queues[index]
            head = self.submit(queue, [], [(addr, self.plan.buffer_length)])
            self.buffer_of[index, head] = addr
        for index in filled:
            yield from self.ring_if_asked(self.queues[index])

    def _send(self) -> Steps:
        index = transmit_queue(0)
        queue = self.queues[index]
        if not self.sends_left or any(place == index for place, _ in self.buffer_of):
            return
        self.sends_left -= 1
        length = HEADER_SIZE + self.plan.frame_length
        addr = self.site.allocator.allocate(length, 64)
        self.ram.write(addr, NetHeader().pack() + bytes(self.plan.frame_length))
        head = self.submit(queue, [(addr, length)], [])
        self.buffer_of[index, head] = addr
        yield from self.ring_if_asked(queue)

    def _use_pairs(self, pairs: int) -> Steps:
        """Send the command that sets the number of pairs, and wait for its end."""
        index = control_queue(self.plan.queue_pairs)
        queue = self.queues[index]
        addr = self.site.allocator.allocate(_COMMAND_LENGTH + 1)
        self.ram.write(addr, pack_queue_pairs_command(pairs) + _STATUS_PENDING)
        self.command = addr
        head = self.submit(queue, [(addr, _COMMAND_LENGTH)], [(addr + _COMMAND_LENGTH, 1)])
        self.buffer_of[index, head] = addr
        yield from self.ring_if_asked(queue)
        while self.command and not self.has_failed:
            yield from self.await_interrupt()
        if self.command_status == VIRTIO_NET_OK:
            self.pairs = pairs
