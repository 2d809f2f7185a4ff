"""Events of interrupt lines and messages, from the device to the owner that serves them."""

from .event_base import TraceEvent


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
