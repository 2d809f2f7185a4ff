"""Events of quiesce procedures, of requests through a vdev, and of the servers behind it."""

from .event_base import TraceEvent


class QuiesceStepBegun(TraceEvent, frozen=True):
    """A step of a quiesce procedure begins, `stop-dma` for example."""

    device: str
    epoch: int
    step: str


class QuiesceStepEnded(TraceEvent, frozen=True):
    """That step is over.

    Attributes:
        outcome: `done` or `timed_out`.
    """

    device: str
    epoch: int
    step: str
    outcome: str


class StopConfirmed(TraceEvent, frozen=True):
    """Software has *seen* that the device writes no more for an epoch and that all has landed."""

    device: str
    epoch: int


class RequestSubmitted(TraceEvent, frozen=True):
    """A guest driver has made a request available to a vdev.

    Attributes:
        head: Index of the first descriptor.
    """

    vdev: str
    epoch: int
    head: int


class RequestCompleted(TraceEvent, frozen=True):
    """A vdev has marked the request used, and the guest can see it."""

    vdev: str
    epoch: int
    head: int


class BackendRequestBegun(TraceEvent, frozen=True):
    """A host driver has accepted a request on behalf of an epoch.

    Attributes:
        server: The host driver.
        operation: `read`, `write` or `flush`.
    """

    server: str
    epoch: int
    operation: str
    length: int


class BackendRequestEnded(TraceEvent, frozen=True):
    """A host driver is done with that request.

    Attributes:
        outcome: `done`, `cancelled` or `failed`.
    """

    server: str
    epoch: int
    operation: str
    outcome: str


class ServerStalled(TraceEvent, frozen=True):
    """A host driver takes no message and gives no answer any more; its hardware goes on."""

    server: str


class UnblockPulseSent(TraceEvent, frozen=True):
    """`message-block-timeout` is over: the kernel asks a server to give up a VM's message."""

    vm: str
    epoch: int
    server: str


class ServerDied(TraceEvent, frozen=True):
    """A host driver's process is gone; the kernel unblocks its clients with an error."""

    server: str
