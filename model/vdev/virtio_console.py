"""The virtio-console vdev, one port: it writes typed input into the driver's receive buffers.

Input is unsolicited, like a network frame.  Input for which there is no receive buffer waits in the
vdev until there is one, up to a limit.

Left out: several ports, and writes before the device is set up.

Source:
    VIRTIO 1.2, 5.3.
"""

from collections import deque

from ..host.peer import Peer
from ..plan.virtio_plan import ConsolePlan
from ..sim.kernel import Steps
from ..trace.events import DmaDropped
from ..virtio.block_device import read_buffers, split_buffers
from ..virtio.console_format import VIRTIO_CONSOLE_F_SIZE, ConsoleConfig, port_queues
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.device_registers import DeviceRegisters
from ..virtio.features import feature_mask
from .register_side import offered_by
from .site import VdevSite
from .vdev_queue import VdevQueue
from .virtio_vdev import Message, VirtioVdev

CLASS_CODE = 0x078000
INPUT_WAITING_MAX = 16
"""Pieces of input that wait for a buffer; the vdev drops more."""

RECEIVE_QUEUE, TRANSMIT_QUEUE = port_queues(0)


class VirtioConsole(VirtioVdev):
    """The vdev.

    Args:
        site: What it gets from its qvm.
        plan: What it offers.
        peer: The terminal.

    Attributes:
        input_waiting: Pieces of input that wait for a receive buffer.
        messages_waiting: Pieces that wait for the worker.
    """

    def __init__(self, site: VdevSite, plan: ConsolePlan, peer: Peer) -> None:
        registers = DeviceRegisters(
            VirtioDeviceId.CONSOLE,
            feature_mask(VIRTIO_CONSOLE_F_SIZE) | offered_by(plan),
            [plan.queue_size] * 2,
            config=ConsoleConfig(columns=80, rows=25).pack(),
        )
        super().__init__(site, plan, plan.name, registers, CLASS_CODE)
        self.plan = plan
        self.peer = peer
        self.input_waiting: deque[bytes] = deque()
        self.messages_waiting = 0
        peer.connect(self)

    @property
    def server_name(self) -> str:
        """The terminal."""
        return self.peer.name

    # Called by the terminal, by message.

    def receive(self, message: bytes) -> None:
        """Take a piece of input."""
        if self.messages_waiting + len(self.input_waiting) < INPUT_WAITING_MAX:
            self.messages_waiting += 1
            self.tasks.put(Message(message))
        else:
            self.emit(DmaDropped(self.name, self.epoch, len(message), "no_descriptor"))

    # What the base asks.

    def disconnect(self) -> None:
        """Disconnect from the terminal."""
        self.peer.disconnect(self)

    def serve_message(self, message: bytes) -> Steps:
        """Put input into the next receive buffer."""
        self.messages_waiting -= 1
        self.input_waiting.append(message)
        queue = self.queues.get(RECEIVE_QUEUE)
        if queue is not None:
            self._deliver(queue)
        yield from ()

    def serve_queue(self, queue: VdevQueue) -> Steps:
        """Print the chains of the transmit queue, or use fresh receive buffers."""
        if queue.index == RECEIVE_QUEUE:
            self._deliver(queue)
            return
        while (chain := self.take(queue)) is not None:
            yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.request")
            if not self.may_give_back(queue):
                self.drop(queue)
                return
            queue.emit_access(chain.head_index, chain.readable, wrote=False)
            self.peer.receive_from_guest(read_buffers(self.ram, chain.readable))
            self.complete(queue, chain.head_index, 0)

    def _deliver(self, queue: VdevQueue) -> None:
        while self.input_waiting:
            chain = self.take(queue)
            if chain is None:
                return
            data = self.input_waiting.popleft()
            start = 0
            room, _ = split_buffers(chain.writable, len(data))
            for addr, length in room:
                queue.write(chain, addr, data[start : start + length])
                start += length
            if start < len(data):
                self.input_waiting.appendleft(data[start:])
            self.complete(queue, chain.head_index, start)
            if not start:
                return
