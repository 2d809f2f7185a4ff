"""Events of the life of a VM, of the host, and of the end of the observation."""

from .event_base import TraceEvent


class VmStarted(TraceEvent, frozen=True):
    """A qvm process has assembled its VM, and the guest begins to run."""

    vm: str
    epoch: int


class MilestoneReached(TraceEvent, frozen=True):
    """A VM has reached a milestone on its way to work.

    Attributes:
        milestone: One of `MILESTONES`.
    """

    vm: str
    epoch: int
    milestone: str


MILESTONES = (
    "assembled",
    "pci-scanned",
    "device-found",
    "driver-started",
    "features-ok",
    "queues-set-up",
    "driver-ok",
    "disk-appeared",
    "file-system-mounted",
    "io-running",
)
"""The milestones of a guest from its assembly to its work.

Each driver has its own, but for `assembled` and `pci-scanned`.
"""


class GuestEnded(TraceEvent, frozen=True):
    """The guest executes no further instruction.

    Attributes:
        manner: `shut_down`, `crashed`, `hung`, `suspended`, or `stopped` (from outside).
    """

    vm: str
    epoch: int
    manner: str


class SignalSent(TraceEvent, frozen=True):
    """A process of the host, or its kernel, sends qvm a signal, `SIGTERM` for example."""

    vm: str
    epoch: int
    signal: str


class TerminationBegun(TraceEvent, frozen=True):
    """The qvm process begins to end: the time of its teardown counts from here.

    Attributes:
        cause: Name of the termination cause, `guest-crash` for example.
        orderly: Whether qvm itself runs its exit path, callbacks included.
    """

    vm: str
    epoch: int
    cause: str
    orderly: bool


class EndNotObeyed(TraceEvent, frozen=True):
    """Another cause of an end comes while qvm calls its vdevs, and changes nothing.

    Attributes:
        cause: Name of the termination cause, `sigquit` for example.
        signal: The signal that was not obeyed, or an empty string.
    """

    vm: str
    epoch: int
    cause: str
    signal: str


class ControlMessageSent(TraceEvent, frozen=True):
    """qvm calls a vdev's control function; only in traces of detail `virtio`.

    Attributes:
        vdev: Its component.
        message: Name of the message without VDEV_CTRL_, `GUEST_CONFIGURED` for example.
    """

    vm: str
    epoch: int
    vdev: str
    message: str


class CallbackBegun(TraceEvent, frozen=True):
    """qvm calls a vdev's control function with `VDEV_CTRL_TERMINATE`."""

    vm: str
    epoch: int
    vdev: str


class CallbackEnded(TraceEvent, frozen=True):
    """That control function has returned.

    Attributes:
        outcome: `done`, or `timed_out` if a step gave up waiting.
    """

    vm: str
    epoch: int
    vdev: str
    outcome: str


class WorkerEnded(TraceEvent, frozen=True):
    """A thread of the qvm process is gone.

    Attributes:
        manner: `joined` (waited for), `cancelled` (not waited for) or `killed` (with its process).
    """

    vm: str
    epoch: int
    worker: str
    manner: str


class ConnectionClosed(TraceEvent, frozen=True):
    """The connection from the qvm process to a host server is gone."""

    vm: str
    epoch: int
    server: str


class QvmExited(TraceEvent, frozen=True):
    """The qvm process is gone and its exit status can be read.

    Attributes:
        status: The exit code; -1 if the host went down with it and no process can read it.  For a
            process that a signal killed it is 128 plus the signal number, as a shell shows it.
    """

    vm: str
    epoch: int
    status: int


class RestartRequested(TraceEvent, frozen=True):
    """The supervisor will start a VM again as soon as the qvm of this instance is gone."""

    vm: str
    epoch: int


class RestartGivenUp(TraceEvent, frozen=True):
    """The supervisor will not start a VM again.

    Attributes:
        epoch: The instance after which it was to start.
        reason: `memory_withheld`, the frames that it needs are in quarantine, or `still_running`,
            nothing makes the old instance end.
    """

    vm: str
    epoch: int
    reason: str


class HostShutdownBegun(TraceEvent, frozen=True):
    """The host kernel begins to shut down, and every VM with it.

    Attributes:
        cause: Name of the termination cause.
    """

    cause: str


class HostReset(TraceEvent, frozen=True):
    """The board's reboot callout has reset all processors: none executes an instruction.

    Attributes:
        peripherals: Whether it has reset the devices as well.
    """

    peripherals: bool


class OutsideEnded(TraceEvent, frozen=True):
    """From here on nothing outside starts anything new; what is under way runs to its end.

    No frame comes from a wire, no report from a USB device, no message from a peer.  The drivers of
    living guests make no further request.
    """


class StillUnderWay(TraceEvent, frozen=True):
    """Something that the end of the observation leaves undecided; it stands before that end.

    It is either a delay or a stimulus.  The delay had not ended within the bound on quiet; the
    system would have answered the stimulus if it had come once more.

    Attributes:
        component: The device, agent or process.
        epoch: The epoch on whose behalf it acts; -1 if the model cannot say.
        effect: What may follow: `write`, `interrupt`, or `both`.
        what: In words, `frames from the wire`.
    """

    component: str
    epoch: int
    effect: str
    what: str


class ObservationEnded(TraceEvent, frozen=True):
    """The run ends here.  All is quiet but for what `StillUnderWay` has named before."""
