"""What a virtio device does: its side of a ring, notifications, and what requests mean to it.

See `virtio_events` for the fields that all these events have.
"""

from .event_base import TraceEvent

# The device's side.


class ResetCompleted(TraceEvent, frozen=True):
    """0 becomes readable in the device status.

    Attributes:
        queues_enabled: How many queues still read as enabled.
        interrupt_status: What ISR or InterruptStatus reads as.
        vectors_mapped: How many events are still mapped to a vector.
    """

    vdev: str
    epoch: int
    queues_enabled: int
    interrupt_status: int
    vectors_mapped: int


class QueueResetCompleted(TraceEvent, frozen=True):
    """The reset of one queue is done and can be read as done."""

    vdev: str
    epoch: int
    queue: int


class NeedsResetSet(TraceEvent, frozen=True):
    """The device sets DEVICE_NEEDS_RESET."""

    vdev: str
    epoch: int
    is_live: bool


class SuspendShown(TraceEvent, frozen=True):
    """SUSPEND becomes readable and DRIVER_OK clear (VIRTIO 1.4)."""

    vdev: str
    epoch: int


class SuspendEnded(TraceEvent, frozen=True):
    """The driver has resumed the device."""

    vdev: str
    epoch: int


class DeviceStopped(TraceEvent, frozen=True):
    """The command that sets DEV_MODE to STOPPED completes (VIRTIO 1.4, 2.12.1.4)."""

    vdev: str
    epoch: int


class DeviceActivated(TraceEvent, frozen=True):
    """The command that sets DEV_MODE back from STOPPED completes (VIRTIO 1.4, 2.12.1.4)."""

    vdev: str
    epoch: int


class DescriptorRead(TraceEvent, frozen=True):
    """The device reads a descriptor, 16 bytes."""

    vdev: str
    epoch: int
    queue: int
    addr: int


class ChainTaken(TraceEvent, frozen=True):
    """The device has taken an available chain; `position` is its place in the ring, from 0."""

    vdev: str
    epoch: int
    queue: int
    head: int
    position: int


class BufferRead(TraceEvent, frozen=True):
    """The device reads from a buffer of a chain."""

    vdev: str
    epoch: int
    queue: int
    head: int
    addr: int
    length: int


class BufferWritten(TraceEvent, frozen=True):
    """The device writes into a buffer of a chain."""

    vdev: str
    epoch: int
    queue: int
    head: int
    addr: int
    length: int


class UsedElementWritten(TraceEvent, frozen=True):
    """The device writes that a chain is used; the driver does not see it yet.

    `position` is the place in the ring, from 0; `length` the bytes that it says it has written.
    """

    vdev: str
    epoch: int
    queue: int
    position: int
    head: int
    length: int


class UsedPublished(TraceEvent, frozen=True):
    """The driver can see used elements from here on.

    Attributes:
        idx: Split: the used index, modulo 2^16.  Packed: position times two plus wrap, of the
            next element.
        must_notify: Whether the driver has asked for a notification of this.
    """

    vdev: str
    epoch: int
    queue: int
    idx: int
    must_notify: bool


class NotificationSent(TraceEvent, frozen=True):
    """The device sends a notification.

    Attributes:
        queue: The queue, or -1 for a configuration change.
        carrier: `line`, `msix`, or `none` if no vector is mapped and nothing is sent.
        isr_set: Whether the ISR or InterruptStatus bit was set before the interrupt.
    """

    vdev: str
    epoch: int
    queue: int
    carrier: str
    isr_set: bool


class LineLowered(TraceEvent, frozen=True):
    """The device stops asserting its line."""

    vdev: str
    epoch: int


class ConfigChanged(TraceEvent, frozen=True):
    """The device changes its configuration; `generation` is the one after."""

    vdev: str
    epoch: int
    generation: int


# What the requests mean.


class BlockRequestTaken(TraceEvent, frozen=True):
    """A virtio-blk device has read a request's header.

    Attributes:
        kind: `in`, `out`, `flush`, `get_id`, `discard`, `write_zeroes` or `unknown`.
        sector: First sector.
        length: Bytes of data.
        capacity: Sectors of the disk.
        is_read_only: Whether VIRTIO_BLK_F_RO is offered.
        queue: The request queue; a head index is unique within one queue alone.
    """

    vdev: str
    epoch: int
    head: int
    kind: str
    sector: int
    length: int
    capacity: int
    is_read_only: bool
    queue: int = 0


class BlockWriteCommitted(TraceEvent, frozen=True):
    """The back end has written a range to stable storage."""

    vdev: str
    sector: int
    length: int


class BlockWriteCached(TraceEvent, frozen=True):
    """The back end holds a range in a cache that a power cut loses."""

    vdev: str
    sector: int
    length: int


class BlockRequestAnswered(TraceEvent, frozen=True):
    """A virtio-blk device has decided the status byte of a request.

    Attributes:
        status: `ok`, `ioerr` or `unsupp`.
        is_stable: Whether the standard's rule says that an acknowledged write is durable now.
        queue: The request queue.
    """

    vdev: str
    epoch: int
    head: int
    kind: str
    sector: int
    length: int
    status: str
    is_stable: bool
    queue: int = 0


class NetPairsSet(TraceEvent, frozen=True):
    """The command that limits receive queues is used: only the first `pairs` may receive."""

    vdev: str
    epoch: int
    pairs: int


class CommandCompleted(TraceEvent, frozen=True):
    """A task management or cancel command of a device is completed.

    Attributes:
        heads: The requests that it has affected.
        queue: The queue in which these stand, not that of the command.
    """

    vdev: str
    epoch: int
    heads: tuple[int, ...]
    queue: int = 0
