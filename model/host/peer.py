"""A process of the host on the other side of a vdev, which sends unasked.

For a virtio-net vdev it is the peer that bridges to another guest or to the network, for a
virtio-console vdev the terminal.  It lives on when the VM dies, and sends on when the next
instance connects.  What it would send while nobody is connected is lost, so it is not followed; the
first message to the next instance comes at any moment up to the longest time between two.
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
"""A message differs from the one before it, and is like the one before that: a number that went on
would be remembered in guest memory, and no state of a proof would ever come again."""


class Traffic(NamedTuple):
    """What a peer sends: how many messages (0 for without end), how long, how far apart."""

    messages: int
    length: int
    gap: Span


class PeerClient(Protocol):
    """A vdev as its peer sees it.

    Attributes:
        epoch: The VM instance whose it is.
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
        connection_changed: Signals that one has connected or left.
        last_from_guest: The last message that it was sent.
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
        """Take a vdev as the other side."""
        self.client = client
        self.connection_changed.notify()

    def disconnect(self, client: PeerClient) -> None:
        """Let a vdev go, if it is still the other side."""
        if self.client is client:
            self.client = None
            self.connection_changed.notify()

    def stop_threads(self) -> None:
        """Let its thread run no more."""
        for thread in self.threads:
            self.kernel.kill(thread)

    def receive_from_guest(self, message: bytes) -> None:
        """Take what the guest has sent."""
        self.last_from_guest = message

    def _withheld(self) -> Withheld | None:
        """Say for whom the next message would be stored."""
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
