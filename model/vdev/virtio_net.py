"""The virtio-net vdev: it writes frames from its peer into the driver's receive buffers.

Frames are unsolicited.  The peer is another process of the host; it sends each frame to the worker
thread of qvm, which writes the frame into guest memory behind a header of 12 bytes.  The vdev drops
a frame for which there is no receive buffer.  Received frames go to the queues in use in turn.

Left out: offloads, merged receive buffers, address filters; of the control queue all but the
command that sets the number of queue pairs.

Source:
    VIRTIO 1.2, 5.1.
"""

from ..host.peer import Peer
from ..plan.virtio_plan import NetPlan
from ..sim.kernel import Steps
from ..trace.events import DmaDropped
from ..trace.virtio_events import NetPairsSet
from ..virtio.block_device import read_buffers, split_buffers
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.device_registers import DeviceRegisters
from ..virtio.features import feature_mask, has_feature
from ..virtio.net_format import (
    HEADER_SIZE,
    VIRTIO_NET_ERR,
    VIRTIO_NET_F_CTRL_VQ,
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_MQ,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_OK,
    VIRTIO_NET_S_LINK_UP,
    NetConfig,
    NetHeader,
    control_queue,
    receive_queue,
    unpack_queue_pairs_command,
)
from ..virtio.virtqueue import DescriptorChain
from .register_side import offered_by
from .site import VdevSite
from .vdev_queue import VdevQueue
from .virtio_vdev import Message, VirtioVdev

CLASS_CODE = 0x028000
FRAMES_WAITING_MAX = 64
"""Frames that wait for the worker; the vdev drops more, as a full socket buffer does."""

_MAC = bytes([0x02, 0x51, 0x4E, 0x58, 0x00, 0x01])
_RECEIVED_HEADER = NetHeader(buffer_count=1).pack()


class VirtioNet(VirtioVdev):
    """The vdev.

    Args:
        site: What it gets from its qvm.
        plan: What it offers.
        peer: The process on the other side.

    Attributes:
        frames_waiting: Frames that the worker has yet to deliver.
        pairs: Pairs of queues in use.
        next_pair: The pair that gets the next frame.
    """

    def __init__(self, site: VdevSite, plan: NetPlan, peer: Peer) -> None:
        offered = feature_mask(VIRTIO_NET_F_MAC, VIRTIO_NET_F_STATUS, VIRTIO_NET_F_CTRL_VQ)
        if plan.queue_pairs > 1:
            offered |= feature_mask(VIRTIO_NET_F_MQ)
        config = NetConfig(_MAC, VIRTIO_NET_S_LINK_UP, queue_pairs_max=plan.queue_pairs)
        registers = DeviceRegisters(
            VirtioDeviceId.NET,
            offered | offered_by(plan),
            [plan.queue_size] * (control_queue(plan.queue_pairs) + 1),
            config=config.pack(),
        )
        super().__init__(site, plan, plan.name, registers, CLASS_CODE)
        self.plan = plan
        self.peer = peer
        self.frames_waiting = 0
        self.pairs = 1
        self.next_pair = 0
        peer.connect(self)

    @property
    def server_name(self) -> str:
        """The peer."""
        return self.peer.name

    # Called by the peer, by message.

    def receive(self, message: bytes) -> None:
        """Take a frame from the peer."""
        if self.frames_waiting < FRAMES_WAITING_MAX:
            self.frames_waiting += 1
            self.tasks.put(Message(message))
        else:
            self._drop_frame(message)

    # What the base asks.

    def disconnect(self) -> None:
        """Disconnect from the peer."""
        self.peer.disconnect(self)

    def reset_done(self) -> None:
        """Use the first pair of queues only (VIRTIO 1.2, 5.1.6.5.6.2)."""
        self.pairs = 1
        self.next_pair = 0

    def serve_message(self, message: bytes) -> Steps:
        """Write a frame into the next receive buffer."""
        self.frames_waiting -= 1
        index = receive_queue(self.next_pair)
        self.next_pair = (self.next_pair + 1) % self.pairs
        queue = self.queues.get(index)
        chain = None if queue is None else self.take(queue)
        if queue is None or chain is None:
            self._drop_frame(message)
            return
        if chain.writable_length < HEADER_SIZE + len(message):
            self._drop_frame(message)
            self.complete(queue, chain.head_index, 0)
            return
        data = _RECEIVED_HEADER + message
        start = 0
        room, _ = split_buffers(chain.writable, len(data))
        for addr, length in room:
            queue.write(chain, addr, data[start : start + length])
            start += length
        self.complete(queue, chain.head_index, len(data))
        yield from ()

    def serve_queue(self, queue: VdevQueue) -> Steps:
        """Send the frames of a transmit queue, or carry out commands of the control queue."""
        is_control = queue.index == control_queue(self.plan.queue_pairs)
        if not is_control and queue.index == receive_queue(queue.index // 2):
            return  # fresh receive buffers wait for frames
        while (chain := self.take(queue)) is not None:
            yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.request")
            if not self.may_give_back(queue):
                self.drop(queue)
                return
            if is_control:
                self._carry_out_command(queue, chain)
            else:
                self._send(queue, chain)

    # Frames and commands.

    def _send(self, queue: VdevQueue, chain: DescriptorChain) -> None:
        if chain.readable_length < HEADER_SIZE:
            self.drop(queue)
            self.fail()
            return
        queue.emit_access(chain.head_index, chain.readable, wrote=False)
        self.peer.receive_from_guest(read_buffers(self.ram, chain.readable)[HEADER_SIZE:])
        self.complete(queue, chain.head_index, 0)

    def _carry_out_command(self, queue: VdevQueue, chain: DescriptorChain) -> None:
        if not chain.writable_length:
            self.drop(queue)
            self.fail()
            return
        queue.emit_access(chain.head_index, chain.readable, wrote=False)
        pairs = unpack_queue_pairs_command(read_buffers(self.ram, chain.readable))
        has_pairs = has_feature(self.registers.machine.negotiated, VIRTIO_NET_F_MQ)
        is_right = has_pairs and pairs is not None and 1 <= pairs <= self.plan.queue_pairs
        status = VIRTIO_NET_OK if is_right else VIRTIO_NET_ERR
        queue.write(chain, chain.writable[0][0], bytes([status]), "status")
        if is_right and pairs is not None:
            self.pairs = pairs
            self.next_pair = 0
        self.complete(queue, chain.head_index, 1)
        if is_right and pairs is not None and self.is_detailed:
            self.emit(NetPairsSet(self.name, self.epoch, pairs))

    def _drop_frame(self, message: bytes) -> None:
        self.emit(DmaDropped(self.name, self.epoch, len(message), "no_descriptor"))
