"""A process of the host on the other side of a vdev, which sends unsolicited messages.

For a virtio-net vdev it is the peer that bridges to another guest or to the network.  For a
virtio-console vdev it is the terminal.  The peer outlives the VM, and sends again when the next
instance connects.  Messages are lost while no vdev is connected, so the model does not follow them.
The first message to the next instance comes at any moment up to the longest time between two.
"""

from typing import NamedTuple, Protocol

from simpy.events import Process

from ..base.clock import Span
from ..plan.timing import Timing
from ..plan.virtio_plan import ConsolePlan, NetPlan
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..sim.outside import Withheld
from ..trace.events import FrameArrived

_CONTENTS = 2
"""How many contents of messages there are.  Consecutive messages differ; a number that counted on
would stay in guest memory, and no state of a proof would come a second time."""


class Traffic(NamedTuple):
    """What a peer sends: how many messages (0 for without end), how long, how far apart."""

    messages: int
    length: int
    gap: Span


class PeerClient(Protocol):
    """A vdev as its peer sees it.

    Attributes:
        epoch: The VM instance that it belongs to.
    """

    epoch: int

    def receive(self, message: bytes) -> None:
        """Take a message; returns at once."""


class Peer(Component):
    """The process.

    Args:
        vdev: The vdev that it talks to.
        traffic: What it sends; `None` for nothing.

    Attributes:
        client: The vdev of the present VM instance; `None` if none is connected.
        connection_changed: Signals that a vdev has connected or disconnected.
        last_from_guest: The last message that the guest has sent.
    """

    def __init__(self, kernel: Kernel, timing: Timing, vdev: str, traffic: Traffic | None) -> None:
        super().__init__(kernel, f"{vdev}.peer", timing)
        self.vdev = vdev
        self.client: PeerClient | None = None
        self.last_from_guest = b""
        self.connection_changed = Signal(kernel)
        self.threads: list[Process] = []
        if traffic is not None:
            sender = self.start(lambda: self._send(traffic))
            self.threads.append(sender)
            kernel.outside.add(sender, f"{self.name}.gap", self._withheld)

    def connect(self, client: PeerClient) -> None:
        """Connect a vdev; it gets the messages from here on."""
        self.client = client
        self.connection_changed.notify()

    def disconnect(self, client: PeerClient) -> None:
        """Disconnect a vdev, if it is still connected."""
        if self.client is client:
            self.client = None
            self.connection_changed.notify()

    def stop_threads(self) -> None:
        """Stop the sending thread."""
        for thread in self.threads:
            self.kernel.kill(thread)

    def receive_from_guest(self, message: bytes) -> None:
        """Take a message that the guest has sent."""
        self.last_from_guest = message

    def _withheld(self) -> Withheld | None:
        """Return for which epoch the next message would be stored; None if no vdev is connected."""
        if self.client is None:
            return None
        return Withheld(self.vdev, self.client.epoch, "write", "messages of its peer")

    def _send(self, traffic: Traffic) -> Steps:
        remaining, content, gap = traffic.messages, 0, traffic.gap
        while True:
            pause = self.kernel.delay(gap, f"{self.name}.gap")
            has_connection_changed = (
                yield self.kernel.first(pause, self.connection_changed.wait())
            ) == 1
            if has_connection_changed or self.client is None:
                # Invariant: after a change the next gap begins at 0, for the time of the last
                # message is not known.
                while self.client is None:
                    yield self.connection_changed.wait()
                if self.is_alone:
                    return
                gap = Span(0, traffic.gap.hi_ns)
                continue
            gap = traffic.gap
            content = (content + 1) % _CONTENTS
            self.kernel.begin_story()
            self.emit(FrameArrived(self.vdev, traffic.length))
            self.client.receive(bytes([content]) * traffic.length)
            if remaining:
                remaining -= 1
                if remaining == 0:
                    return


def traffic_of(plan: NetPlan | ConsolePlan) -> Traffic | None:
    """Return what the other side of a planned vdev sends."""
    if isinstance(plan, NetPlan):
        return Traffic(plan.frames, plan.frame_length, plan.gap)
    if not plan.has_input:
        return None
    return Traffic(plan.inputs, plan.input_length, plan.gap)
