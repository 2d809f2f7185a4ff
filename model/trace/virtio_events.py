"""What happens between a virtio driver and its device, register by register and ring by ring.

These are the events by which the rules of the VIRTIO standard are judged.  A plan whose `detail`
is `teardown` leaves them out, for most questions about a teardown do without; `virtio` has them
all.

`vdev` is the component that plays the device role, `epoch` the VM instance, `queue` an index.
Addresses are guest-physical.  An event of the driver has the driver as its source, an event of the
device the vdev.
"""

from .event_base import TraceEvent

# Registers, written and read by the driver.


class StatusWritten(TraceEvent, frozen=True):
    """The driver writes the device status; 0 requests a reset."""

    vdev: str
    epoch: int
    value: int


class StatusRead(TraceEvent, frozen=True):
    """The driver reads the device status."""

    vdev: str
    epoch: int
    value: int


class FeaturesOffered(TraceEvent, frozen=True):
    """The device comes into being and offers these features, as a number.

    Attributes:
        version: `1.1`, `1.2`, `1.3` or `1.4`.
        transport: `mmio` or `pci`.
        device_id: The virtio device type.
    """

    vdev: str
    epoch: int
    features: int
    version: str
    transport: str
    device_id: int


class FeaturesWritten(TraceEvent, frozen=True):
    """The driver has written accepted features; all words together, as a number."""

    vdev: str
    epoch: int
    features: int


class QueueFieldWritten(TraceEvent, frozen=True):
    """The driver writes a field of a queue's set-up.

    Attributes:
        field: `size`, `descriptor_area`, `driver_area`, `device_area` or `vector`; the vector of
            configuration changes is that of queue -1.
    """

    vdev: str
    epoch: int
    queue: int
    field: str
    value: int


class QueueVectorRead(TraceEvent, frozen=True):
    """The driver reads back the vector of a queue, or of configuration changes (queue -1)."""

    vdev: str
    epoch: int
    queue: int
    value: int


class QueueEnableWritten(TraceEvent, frozen=True):
    """The driver writes `queue_enable` (PCI) or `QueueReady` (MMIO).

    Attributes:
        size: Descriptors, as set at that moment; likewise the areas.
        is_packed: Whether VIRTIO_F_RING_PACKED is negotiated.
    """

    vdev: str
    epoch: int
    queue: int
    value: int
    size: int
    descriptor_area: int
    driver_area: int
    device_area: int
    is_packed: bool


class QueueEnableRead(TraceEvent, frozen=True):
    """The driver reads `queue_enable` or `QueueReady`."""

    vdev: str
    epoch: int
    queue: int
    value: int


class QueueResetWritten(TraceEvent, frozen=True):
    """The driver writes 1 to `queue_reset` or `QueueReset`."""

    vdev: str
    epoch: int
    queue: int


class QueueResetRead(TraceEvent, frozen=True):
    """The driver reads `queue_reset` or `QueueReset`, and `queue_enable` beside it."""

    vdev: str
    epoch: int
    queue: int
    value: int
    enable: int


class QueueKicked(TraceEvent, frozen=True):
    """The driver writes the doorbell: an available buffer notification."""

    vdev: str
    epoch: int
    queue: int


class ConfigAccessed(TraceEvent, frozen=True):
    """The driver reads or writes device-specific configuration.

    Attributes:
        generation: `config_generation` at that moment.
    """

    vdev: str
    epoch: int
    offset: int
    length: int
    is_write: bool
    generation: int


class IsrRead(TraceEvent, frozen=True):
    """The driver reads the ISR (PCI, clears it) or InterruptStatus (MMIO, does not)."""

    vdev: str
    epoch: int
    value: int


class InterruptAcknowledged(TraceEvent, frozen=True):
    """The driver writes InterruptACK (MMIO)."""

    vdev: str
    epoch: int
    bits: int


# The driver's side of a ring.


class ChainExposed(TraceEvent, frozen=True):
    """The driver has written a chain into the ring; the device does not see it yet.

    Attributes:
        head: Its head index (split) or buffer id (packed).
        readable: (address, length) of each device-readable buffer.
        writable: (address, length) of each device-writable buffer.
        is_indirect: Whether it stands in an indirect table.
        order: `readable_first`, or `mixed` if a readable buffer follows a writable one.
        fault: What is wrong with its links: `loop`, `nested` (an indirect table in an indirect
            table), `indirect_with_next`, or empty.  The buffers of a loop are each told once.
    """

    vdev: str
    epoch: int
    queue: int
    head: int
    readable: tuple[tuple[int, int], ...]
    writable: tuple[tuple[int, int], ...]
    is_indirect: bool
    order: str
    fault: str = ""


class ChainChanged(TraceEvent, frozen=True):
    """The driver alters a chain that it has exposed and not got back."""

    vdev: str
    epoch: int
    queue: int
    head: int


class AvailablePublished(TraceEvent, frozen=True):
    """The driver makes chains visible.

    Attributes:
        idx: Split: the available index, modulo 2^16.  Packed: position times two plus wrap, of
            the next chain.
        count: How many chains this makes visible.
        must_notify: Whether the device has asked to be told of this.
    """

    vdev: str
    epoch: int
    queue: int
    idx: int
    count: int
    must_notify: bool


class BarrierPassed(TraceEvent, frozen=True):
    """A memory barrier of the driver or the device.

    Attributes:
        before: What it stands before: `idx`, `suppression_read`, `kick` or `used_idx`.
    """

    vdev: str
    epoch: int
    queue: int
    before: str


class SuppressionWritten(TraceEvent, frozen=True):
    """One side says when it wants to be notified.

    Attributes:
        side: `driver` or `device`.
        mode: `always`, `never` or `at`.
        position: For `at`: the index (split) or position times two plus wrap (packed).
    """

    vdev: str
    epoch: int
    queue: int
    side: str
    mode: str
    position: int


class BufferFreed(TraceEvent, frozen=True):
    """The driver takes memory that it had exposed for other use, or gives it back."""

    vdev: str
    epoch: int
    queue: int
    addr: int
    length: int


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
        must_notify: Whether the driver has asked to be told of this.
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
        isr_set: Whether the ISR or InterruptStatus bit stood before the interrupt.
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
        queue: The request queue; heads are told apart within one queue alone.
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


VirtioEvent = (
    StatusWritten
    | StatusRead
    | FeaturesOffered
    | FeaturesWritten
    | QueueFieldWritten
    | QueueVectorRead
    | QueueEnableWritten
    | QueueEnableRead
    | QueueResetWritten
    | QueueResetRead
    | QueueKicked
    | ConfigAccessed
    | IsrRead
    | InterruptAcknowledged
    | ChainExposed
    | ChainChanged
    | AvailablePublished
    | BarrierPassed
    | SuppressionWritten
    | BufferFreed
    | ResetCompleted
    | QueueResetCompleted
    | NeedsResetSet
    | SuspendShown
    | SuspendEnded
    | DeviceStopped
    | DeviceActivated
    | DescriptorRead
    | ChainTaken
    | BufferRead
    | BufferWritten
    | UsedElementWritten
    | UsedPublished
    | NotificationSent
    | LineLowered
    | ConfigChanged
    | BlockRequestTaken
    | BlockWriteCommitted
    | BlockWriteCached
    | BlockRequestAnswered
    | NetPairsSet
    | CommandCompleted
)
"""Every event type of this file."""
