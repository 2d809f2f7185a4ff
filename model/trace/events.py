"""What happened in a run: typed events with time, place and cause.

The trace is the model's only output, and all that properties and reports read.  So a recorded
trace of real hardware can stand in its place.  The `Header` carries what they must know of the
configuration in order to judge the trace.

Every write and every interrupt carries the epoch in which it was *requested*.  An epoch is the
number of the VM instance for which the device or worker acts.  Epochs count through the whole run,
over all VMs, from 1; epoch 0 is the host's own.

This module is the door.  The event types stand in modules by theme; it has their union and gives
all their names.
"""

from collections.abc import Iterator

import msgspec

from .dma_events import (
    DmaBlocked,
    DmaDropped,
    DmaFetched,
    DmaIssued,
    DmaLanded,
    DmaRead,
    DmaReadBlocked,
    DmaRequested,
    DmaTranslated,
    FrameArrived,
    RegistersHit,
)
from .header import (
    Actor,
    Assumption,
    Header,
    Part,
    Service,
)
from .interrupt_events import (
    IrqActivated,
    IrqAsserted,
    IrqAttached,
    IrqDeactivated,
    IrqDeasserted,
    IrqDetached,
    IrqHandled,
    IrqInjected,
    IrqMasked,
    IrqMessageRefused,
    IrqRouteMapped,
    IrqRouteRemoved,
    IrqRouteSynced,
    IrqTaken,
    IrqUnmasked,
)
from .iommu_events import (
    AtcInvalidationBegun,
    AtcInvalidationEnded,
    FaultRecordsRead,
    IommuMapped,
    IommuReset,
    IommuSynced,
    IommuUnmapped,
)
from .memory_events import (
    CpuRead,
    CpuWriteLanded,
    FramesGranted,
    FramesQuarantined,
    FramesReleased,
)
from .request_events import (
    BackendRequestBegun,
    BackendRequestEnded,
    QuiesceStepBegun,
    QuiesceStepEnded,
    RequestCompleted,
    RequestSubmitted,
    ServerDied,
    ServerStalled,
    StopConfirmed,
    UnblockPulseSent,
)
from .virtio_events import VirtioEvent
from .vm_events import (
    MILESTONES,
    CallbackBegun,
    CallbackEnded,
    ConnectionClosed,
    ControlMessageSent,
    EndNotObeyed,
    GuestEnded,
    HostReset,
    HostShutdownBegun,
    MilestoneReached,
    ObservationEnded,
    OutsideEnded,
    QvmExited,
    RestartGivenUp,
    RestartRequested,
    SignalSent,
    StillUnderWay,
    TerminationBegun,
    VmStarted,
    WorkerEnded,
)

__all__ = [
    "MILESTONES",
    "NO_CAUSE",
    "SCHEMA_VERSION",
    "UNKNOWN_EPOCH",
    "Actor",
    "AnyEvent",
    "Assumption",
    "AtcInvalidationBegun",
    "AtcInvalidationEnded",
    "BackendRequestBegun",
    "BackendRequestEnded",
    "CallbackBegun",
    "CallbackEnded",
    "ConnectionClosed",
    "ControlMessageSent",
    "CpuRead",
    "CpuWriteLanded",
    "DmaBlocked",
    "DmaDropped",
    "DmaFetched",
    "DmaIssued",
    "DmaLanded",
    "DmaRead",
    "DmaReadBlocked",
    "DmaRequested",
    "DmaTranslated",
    "EndNotObeyed",
    "FaultRecordsRead",
    "FrameArrived",
    "FramesGranted",
    "FramesQuarantined",
    "FramesReleased",
    "GuestEnded",
    "Header",
    "HostReset",
    "HostShutdownBegun",
    "IommuMapped",
    "IommuReset",
    "IommuSynced",
    "IommuUnmapped",
    "IrqActivated",
    "IrqAsserted",
    "IrqAttached",
    "IrqDeactivated",
    "IrqDeasserted",
    "IrqDetached",
    "IrqHandled",
    "IrqInjected",
    "IrqMasked",
    "IrqMessageRefused",
    "IrqRouteMapped",
    "IrqRouteRemoved",
    "IrqRouteSynced",
    "IrqTaken",
    "IrqUnmasked",
    "MilestoneReached",
    "ObservationEnded",
    "OutsideEnded",
    "Part",
    "QuiesceStepBegun",
    "QuiesceStepEnded",
    "QvmExited",
    "Record",
    "RegistersHit",
    "RequestCompleted",
    "RequestSubmitted",
    "RestartGivenUp",
    "RestartRequested",
    "ServerDied",
    "ServerStalled",
    "Service",
    "SignalSent",
    "StillUnderWay",
    "StopConfirmed",
    "TerminationBegun",
    "Trace",
    "UnblockPulseSent",
    "VmStarted",
    "WorkerEnded",
]

SCHEMA_VERSION = 1

NO_CAUSE = -1
"""The cause of a record that no earlier record has brought about."""

UNKNOWN_EPOCH = -1
"""The epoch of what is still under way if the model cannot say for which VM."""

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
