"""What happened in a run: typed events with time, place and cause.

The trace is the model's only output and all that properties and reports ever see, so a
recorded trace of real hardware can stand in its place.  A header carries what must be known of
the configuration to judge it.

Every write and every interrupt carries the epoch in which it was *requested*: the number of
the VM instance for which the device or worker acts.  Epochs are numbered through the whole
run, over all VMs, from 1; epoch 0 is the host's own.

Five instants of a DMA write are told apart: `DmaRequested` (a driver asked for it),
`DmaFetched` (the device owns the descriptor), `DmaIssued` (it left the device),
`DmaTranslated` (it passed the IOMMU) and `DmaLanded` (memory has changed).  A reset silences
what is not yet issued, an unmap what is not yet translated, and nothing what is translated.

Of a read only the instant is told at which memory is read: `DmaRead` for a device, `CpuRead` for a
host thread.  Until then a reset or an unmap can still stop it; afterwards the bytes are out.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from .event_base import TraceEvent
from .virtio_events import VirtioEvent

SCHEMA_VERSION = 1

NO_CAUSE = -1
"""The cause of a record that no earlier record has brought about."""

UNKNOWN_EPOCH = -1
"""The epoch of what is still under way if the model cannot say for which VM."""


# The life of a VM.


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
        status: The exit code, or 128 plus the signal number of a process that a signal killed,
            as a shell shows it; -1 if the host went down with it and no process can read it.
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

    No frame comes from a wire, no report from a USB device, no message from a peer, and the drivers
    of living guests make no further request.
    """


class StillUnderWay(TraceEvent, frozen=True):
    """Something that the end of the observation leaves undecided; it stands before that end.

    It is either a delay that had not ended within the bound on quiet, or a stimulus that the system
    would have answered if it had come once more.

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


# Memory.


class FramesGranted(TraceEvent, frozen=True):
    """Frames of host memory become the property of an epoch, cleared to zero."""

    vm: str
    epoch: int
    first_frame: int
    count: int


class FramesReleased(TraceEvent, frozen=True):
    """Frames return to the host: this instant is their teardown point."""

    vm: str
    epoch: int
    first_frame: int
    count: int


class FramesQuarantined(TraceEvent, frozen=True):
    """Frames are never granted again, because a device may still write them."""

    vm: str
    epoch: int
    first_frame: int
    count: int


class CpuWriteLanded(TraceEvent, frozen=True):
    """A host thread has written guest memory on the guest's behalf.

    Attributes:
        writer: The component whose thread it is.
        epoch: The epoch for which it acts.
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        content: What was written: `data`, `status`, `used_element`, `used_idx` or `suppression`.
    """

    writer: str
    epoch: int
    addr: int
    length: int
    content: str


class CpuRead(TraceEvent, frozen=True):
    """A host thread has read guest memory on the guest's behalf.

    Attributes:
        reader: The component whose thread it is.
        epoch: The epoch for which it acts.
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        content: `data` (what a disk or a peer gets, or a request says), or `descriptor` (entries of
            a ring: all that a thread reads in one frame at one instant is one event).
    """

    reader: str
    epoch: int
    addr: int
    length: int
    content: str


# DMA writes.  `addr` is what the device puts on the bus, until the write has landed.


class FrameArrived(TraceEvent, frozen=True):
    """An unsolicited frame has come from the wire, and the device will store it."""

    device: str
    length: int


class DmaRequested(TraceEvent, frozen=True):
    """A driver gives the device memory that the device may write: a buffer, a ring, a status area.

    Attributes:
        master: The bus master that will write it.
        addr: Its address as the device sees it.
        length: Bytes.
    """

    master: str
    epoch: int
    addr: int
    length: int


class DmaFetched(TraceEvent, frozen=True):
    """The device has read the descriptor; what the driver does to memory no longer matters."""

    master: str
    epoch: int
    addr: int
    length: int


class DmaIssued(TraceEvent, frozen=True):
    """A write has left the device.

    Attributes:
        content: `data`, `completion` (a status or ring entry) or `message` (an MSI).
    """

    master: str
    epoch: int
    addr: int
    length: int
    content: str


class DmaTranslated(TraceEvent, frozen=True):
    """A write has passed the IOMMU; `host_addr` is where it will land."""

    master: str
    epoch: int
    addr: int
    host_addr: int
    length: int


class DmaLanded(TraceEvent, frozen=True):
    """A write has changed memory.

    Attributes:
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
    """

    master: str
    epoch: int
    addr: int
    length: int
    content: str


class RegistersHit(TraceEvent, frozen=True):
    """A write of a bus master has arrived at the registers of a device and not in memory.

    Attributes:
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        device: Whose registers they are; may be the master's own.
        outcome: `taken`, or `refused` because the device lets no bus master write them.
    """

    master: str
    epoch: int
    addr: int
    length: int
    device: str
    outcome: str


class DmaBlocked(TraceEvent, frozen=True):
    """The IOMMU has refused a write; memory is unchanged.

    Attributes:
        record: `recorded` in the fault queue, or `lost` because the queue was full.
    """

    master: str
    epoch: int
    addr: int
    length: int
    record: str


class DmaRead(TraceEvent, frozen=True):
    """A device has read memory: at this instant the bytes are those that it gets.

    Attributes:
        epoch: The epoch for which it reads, fixed when the work was requested.
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        content: `data`, or `descriptor` (what says what the device shall do: an entry of a ring, a
            command, a list of addresses, an instruction).
    """

    master: str
    epoch: int
    addr: int
    length: int
    content: str


class DmaReadBlocked(TraceEvent, frozen=True):
    """The IOMMU has refused a read; the device gets nothing.

    Attributes:
        record: As in `DmaBlocked`.
    """

    master: str
    epoch: int
    addr: int
    length: int
    record: str


class DmaDropped(TraceEvent, frozen=True):
    """A device has dropped a write before issuing it.

    Attributes:
        reason: `no_descriptor`, `bus_master_off` or `reset`.
    """

    master: str
    epoch: int
    length: int
    reason: str


# The IOMMU.


class IommuMapped(TraceEvent, frozen=True):
    """A stream of a device may reach memory of an epoch through the IOMMU."""

    master: str
    epoch: int
    addr: int
    host_addr: int
    length: int


class IommuUnmapped(TraceEvent, frozen=True):
    """The translations of a stream are removed from its tables; caches may still hold them."""

    master: str
    epoch: int


class IommuSynced(TraceEvent, frozen=True):
    """Invalidation is complete: no write that an old translation let through is on its way."""

    master: str
    epoch: int


class IommuReset(TraceEvent, frozen=True):
    """The IOMMU has lost all its programming, because its driver has started again.

    Attributes:
        unprogrammed: `bypass` or `abort`: what happens to accesses until it is programmed again.
    """

    unprogrammed: str


class AtcInvalidationBegun(TraceEvent, frozen=True):
    """The IOMMU sends a device an invalidation of the translations that it keeps itself (ATS)."""

    master: str
    epoch: int


class AtcInvalidationEnded(TraceEvent, frozen=True):
    """The IOMMU has the device's answer, or waits for it no longer.

    Attributes:
        outcome: `done` or `timed_out`.
    """

    master: str
    epoch: int
    outcome: str


class FaultRecordsRead(TraceEvent, frozen=True):
    """smmuman has read the IOMMU's fault records of one epoch's devices.

    Attributes:
        kept: How many went to the list of the client.
        dropped: How many found that list full (`SSF_DROPPED_FAULTS`).
        lost: Whether the IOMMU's own flag said that it had no room for further records.
    """

    epoch: int
    kept: int
    dropped: int
    lost: bool


# Interrupts.


class IrqAttached(TraceEvent, frozen=True):
    """A process of the host takes interrupts of a line or vector.

    Attributes:
        owner: The VM or host driver that attaches.
        epoch: The VM's epoch, or 0 for a host driver.
    """

    intid: int
    owner: str
    epoch: int


class IrqDetached(TraceEvent, frozen=True):
    """That attachment is gone: for this epoch, the teardown point of the line or vector.

    Attributes:
        masked: Whether the kernel holds the line masked from here on.
    """

    intid: int
    owner: str
    epoch: int
    masked: bool


class IrqAsserted(TraceEvent, frozen=True):
    """A device raises its line, or its message arrives at the interrupt controller.

    Attributes:
        device: The source.
        epoch: The epoch for which the device works.
        kind: `level`, `edge` or `message`.
    """

    intid: int
    device: str
    epoch: int
    kind: str


class IrqDeasserted(TraceEvent, frozen=True):
    """A device lowers its level line."""

    intid: int
    device: str
    epoch: int


class IrqTaken(TraceEvent, frozen=True):
    """A CPU of the host has taken the interrupt.

    Attributes:
        epoch: The epoch in which the device requested it.
    """

    intid: int
    epoch: int


class IrqMasked(TraceEvent, frozen=True):
    """The kernel masks the line or vector."""

    intid: int
    reason: str


class IrqUnmasked(TraceEvent, frozen=True):
    """The kernel unmasks the line or vector."""

    intid: int
    reason: str


class IrqInjected(TraceEvent, frozen=True):
    """A qvm makes the interrupt pending in its guest.

    Attributes:
        vm: The receiving VM.
        epoch: Its epoch.
        requested_epoch: The epoch in which the source requested it; a vdev's own
            interrupts have `intid` -1 and the epoch of their vdev.
        source: The device or vdev that it comes from.
    """

    intid: int
    vm: str
    epoch: int
    requested_epoch: int
    source: str


class IrqHandled(TraceEvent, frozen=True):
    """An owner has served the interrupt and reports that to the kernel."""

    intid: int
    owner: str
    epoch: int


class IrqActivated(TraceEvent, frozen=True):
    """An interrupt that was taken stays active at the controller until its owner ends it.

    On an I/O APIC this is the remote IRR bit of a level line.
    """

    intid: int
    epoch: int


class IrqDeactivated(TraceEvent, frozen=True):
    """Software has ended an active interrupt, and it may come again.

    Attributes:
        by: `owner`, or `kernel` if the kernel cleans up.
    """

    intid: int
    by: str


class IrqRouteMapped(TraceEvent, frozen=True):
    """The messages of a device lead to a vector: an ITS or a remapping unit knows it now.

    Attributes:
        epoch: The epoch for which the route was made.
    """

    intid: int
    device: str
    epoch: int


class IrqRouteRemoved(TraceEvent, frozen=True):
    """That route is gone from the tables; messages translated before may still be on their way."""

    intid: int
    device: str
    epoch: int


class IrqRouteSynced(TraceEvent, frozen=True):
    """No message that was translated before the removal of that route is on its way."""

    intid: int
    device: str
    epoch: int


class IrqMessageRefused(TraceEvent, frozen=True):
    """A message has no route to a vector and is lost.

    Attributes:
        reason: `unmapped`, or `lpis_disabled`.
    """

    intid: int
    device: str
    epoch: int
    reason: str


# Making devices quiet.


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


# Requests through a vdev.


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


AnyEvent = (
    VmStarted
    | MilestoneReached
    | GuestEnded
    | SignalSent
    | TerminationBegun
    | EndNotObeyed
    | ControlMessageSent
    | CallbackBegun
    | CallbackEnded
    | WorkerEnded
    | ConnectionClosed
    | QvmExited
    | RestartRequested
    | RestartGivenUp
    | HostShutdownBegun
    | HostReset
    | OutsideEnded
    | StillUnderWay
    | ObservationEnded
    | FramesGranted
    | FramesReleased
    | FramesQuarantined
    | CpuWriteLanded
    | CpuRead
    | FrameArrived
    | DmaRequested
    | DmaFetched
    | DmaIssued
    | DmaTranslated
    | DmaLanded
    | RegistersHit
    | DmaBlocked
    | DmaRead
    | DmaReadBlocked
    | DmaDropped
    | IommuMapped
    | IommuUnmapped
    | IommuSynced
    | IommuReset
    | AtcInvalidationBegun
    | AtcInvalidationEnded
    | FaultRecordsRead
    | IrqAttached
    | IrqDetached
    | IrqAsserted
    | IrqDeasserted
    | IrqTaken
    | IrqMasked
    | IrqUnmasked
    | IrqInjected
    | IrqHandled
    | IrqActivated
    | IrqDeactivated
    | IrqRouteMapped
    | IrqRouteRemoved
    | IrqRouteSynced
    | IrqMessageRefused
    | QuiesceStepBegun
    | QuiesceStepEnded
    | StopConfirmed
    | RequestSubmitted
    | RequestCompleted
    | BackendRequestBegun
    | BackendRequestEnded
    | ServerStalled
    | UnblockPulseSent
    | ServerDied
    | VirtioEvent
)
"""Any event of a trace."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line of a trace.

    Attributes:
        at_ns: Instant, in nanoseconds from the start of the run.
        source: Dotted name of the component.
        cause: Index of the earlier record that brought it about, or -1.
        event: What happened.
    """

    at_ns: int
    source: str
    cause: int
    event: AnyEvent


class Part(msgspec.Struct, frozen=True):
    """One component of the system, for the lanes of a picture.

    Attributes:
        name: Its dotted name, as in `Record.source`.
        kind: `guest`, `virtqueue`, `vdev`, `host_driver`, `dma_engine`, `hardware`, `iommu`,
            `memory`, `interrupts`, `qvm` or `supervisor`.
    """

    name: str
    kind: str


class Actor(msgspec.Struct, frozen=True):
    """A component that can write memory or interrupt for a VM whose end is planned.

    Attributes:
        device: The device, vdev or back end, as it stands in events.
        vm: The VM.
        writes: Whether it can write memory for the VM.
        interrupts: Whether it can interrupt for the VM.
    """

    device: str
    vm: str
    writes: bool
    interrupts: bool


class Assumption(msgspec.Struct, frozen=True):
    """A value or a rule that the run takes for granted.

    Attributes:
        name: Key of a time span or label of a choice.
        value: As it would be written in a scenario file.
        basis: Its source; begins with `assumed` or `not documented` if there is none.
    """

    name: str
    value: str
    basis: str


class Service(msgspec.Struct, frozen=True):
    """What a device or vdev does for every instance of a VM, and how that shows in a trace.

    Attributes:
        vm: The VM.
        device: The physical device, back end or vdev, as its events name it.
        answer: What shows that it has worked: `handled` (its interrupt was handled), `landed` (its
            write has landed) or `completed` (a request was completed).
        intid: Line or vector of its interrupt; -1 if it has none of its own.
        begins: What shows that it has work, beside its interrupt: `asked` (a driver gives it work,
            and each piece is answered), `landed` (a write of it has landed, and each is answered),
            or an empty string for nothing else.
    """

    vm: str
    device: str
    answer: str
    intid: int = -1
    begins: str = ""

    def __post_init__(self) -> None:
        assert self.begins in {"asked", "landed", ""}, self.begins
        assert self.answer in {"handled", "landed", "completed"}, self.answer
        assert self.answer != "handled" or self.intid >= 0, "an interrupt has a line"


class Header(msgspec.Struct, frozen=True):
    """What properties and reports must know besides the events to judge and to draw a trace.

    Attributes:
        scenario: Name of the scenario.
        description: One sentence.
        parts: The components, in the order in which they are drawn.
        detail: `teardown`, or `virtio` if the events of `virtio_events` are there too.
        teardown_ns_max: Bound on the time from `TerminationBegun` to `QvmExited`.
        irq_after_teardown_max: How often the host may take a dead epoch's interrupt that still
            counts as contained.
        quiet_ns_max: Bound on the time from `OutsideEnded` to `ObservationEnded`.
        virtio_reset_ns_max: Bound on the reset of a virtio device; the standard gives none.
        services: What devices do for VMs that may be started again.
        actors: What can write memory or interrupt for the VMs that end.
        assumptions: All that the run takes for granted.
        replay_sha256: Identity of the scenario and its choices.
    """

    format: ClassVar[str] = "quiesce-trace"
    scenario: str
    description: str = ""
    parts: tuple[Part, ...] = ()
    detail: str = "teardown"
    teardown_ns_max: int = 10_000_000_000
    irq_after_teardown_max: int = 1
    quiet_ns_max: int = 60_000_000_000
    virtio_reset_ns_max: int = 1_000_000_000
    services: tuple[Service, ...] = ()
    actors: tuple[Actor, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    replay_sha256: str = ""


class Trace(msgspec.Struct, frozen=True):
    """A header and the records in the order in which they happened."""

    header: Header
    records: tuple[Record, ...]

    @property
    def causes(self) -> Iterator[int]:
        """The cause of each record."""
        return (record.cause for record in self.records)

    def causes_of(self, index: int) -> list[int]:
        """Return the indices of the records that led to a record, latest first."""
        chain = []
        cause = self.records[index].cause
        while cause != NO_CAUSE:
            chain.append(cause)
            cause = self.records[cause].cause
        return chain
