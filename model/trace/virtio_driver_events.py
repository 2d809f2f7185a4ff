"""What a virtio driver does: registers that it writes and reads, and its side of a ring.

See `virtio_events` for the fields that all these events have.
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
            table), `indirect_with_next`, or empty.  Each buffer of a loop is listed once.
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
    """The driver changes a chain that it has exposed and not got back."""

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
        must_notify: Whether the device has asked for a notification of this.
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
        before: The action that it precedes: `idx`, `suppression_read`, `kick` or `used_idx`.
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
