"""The effects of a register access, in either transport.

A register file changes its own registers at once, and returns all other consequences as a list of
effects.  The device behind it carries them out, and decides when.
"""

import msgspec

from .device_status import StatusChange, StatusFault


class QueueNotified(msgspec.Struct, frozen=True):
    """An available buffer notification.

    Attributes:
        index: The queue.
        position: With VIRTIO_F_NOTIFICATION_DATA the upper 16 bits of the doorbell, else `None`.
    """

    index: int
    position: int | None = None


class StatusWritten(msgspec.Struct, frozen=True):
    """The driver has written the status: the value, its effect, and the rule that it breaks."""

    value: int
    change: StatusChange
    fault: StatusFault | None = None


class ResetRequested(msgspec.Struct, frozen=True):
    """The driver wants a device reset; it lasts until the transport's `complete_reset`."""


class QueueReadyChanged(msgspec.Struct, frozen=True):
    """A queue was put into or (MMIO only) taken out of use."""

    index: int
    is_ready: bool


class QueueResetRequested(msgspec.Struct, frozen=True):
    """The driver wants a queue reset; it lasts until the transport's `complete_queue_reset`."""

    index: int


class InterruptAcknowledged(msgspec.Struct, frozen=True):
    """The driver has acknowledged these bits of the interrupt status."""

    bits: int


class ConfigWritten(msgspec.Struct, frozen=True):
    """The driver has written part of the device-specific configuration space."""

    offset: int
    length: int


class VectorMapped(msgspec.Struct, frozen=True):
    """The driver has mapped an event to an MSI-X vector.

    Attributes:
        index: The queue, or `None` for configuration changes.
        vector: The vector that reads back; NO_VECTOR if the mapping failed or was removed.
    """

    index: int | None
    vector: int


class MsiMessage(msgspec.Struct, frozen=True):
    """A message interrupt on its way: four bytes to be written to memory.

    Attributes:
        vector: The MSI-X vector it comes from.
        addr: The address of the write.
        data: The data of the write, 32 bits.
    """

    vector: int
    addr: int
    data: int


class CommandChanged(msgspec.Struct, frozen=True):
    """The PCI command register has another value now."""

    before: int
    after: int


class BarMoved(msgspec.Struct, frozen=True):
    """A base address register has another value now."""

    index: int


class MsixControlChanged(msgspec.Struct, frozen=True):
    """MSI-X as a whole was enabled, disabled, masked or unmasked."""

    is_enabled: bool
    is_function_masked: bool


class CapabilityWritten(msgspec.Struct, frozen=True):
    """A writable field of a capability was written.

    Attributes:
        offset: Its offset in configuration space.
        length: Bytes.
        value: The value that was written.
    """

    offset: int
    length: int
    value: int


class AccessRefused(msgspec.Struct, frozen=True):
    """An access that the register file does not carry out.

    Attributes:
        offset: Its offset.
        length: Bytes.
        reason: Why, as a clause.
    """

    offset: int
    length: int
    reason: str


Effect = (
    QueueNotified
    | StatusWritten
    | ResetRequested
    | QueueReadyChanged
    | QueueResetRequested
    | InterruptAcknowledged
    | ConfigWritten
    | VectorMapped
    | MsiMessage
    | CommandChanged
    | BarMoved
    | MsixControlChanged
    | CapabilityWritten
    | AccessRefused
)
