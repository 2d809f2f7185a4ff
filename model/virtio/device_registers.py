"""The registers that every transport has in common: status, features, queues, configuration.

`MmioTransport` and `PciTransport` give these registers their offsets; this module holds their
meaning.

Source:
    VIRTIO 1.2, 2.1 to 2.6, 4.1.4.3 and 4.2.2.
"""

from collections.abc import Sequence

from .device_status import DeviceStatus, StatusChange, StatusMachine
from .effects import (
    AccessRefused,
    ConfigWritten,
    Effect,
    QueueNotified,
    QueueReadyChanged,
    QueueResetRequested,
    ResetRequested,
    StatusWritten,
)
from .features import VIRTIO_F_NOTIFICATION_DATA, VIRTIO_F_RING_RESET, has_feature
from .layout import RingLayout

NO_VECTOR = 0xFFFF
ISR_QUEUE = 1
ISR_CONFIG = 2


class QueueRegisters:
    """The registers of one queue, as the driver has written them.

    Args:
        size_max: The most descriptors the device takes; 0 if there is no such queue.
    """

    def __init__(self, size_max: int) -> None:
        self.size_max = size_max
        self.clear()

    def clear(self) -> None:
        """Return to the values after a reset."""
        self.size = self.size_max
        self.descriptor_area = 0
        self.driver_area = 0
        self.device_area = 0
        self.is_ready = False
        self.is_resetting = False
        self.vector = NO_VECTOR

    @property
    def layout(self) -> RingLayout:
        """Size and addresses as the driver wrote them, unchecked; the device checks them."""
        return RingLayout(self.size, self.descriptor_area, self.driver_area, self.device_area)

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (*self.layout.areas(), self.size, self.is_ready, self.is_resetting, self.vector)


class DeviceRegisters:
    """The transport-neutral registers of one device.

    Args:
        device_id: The virtio device type (VIRTIO 1.2, 5).
        offered: The features that the device offers.
        queue_size_max: For each queue the most descriptors it may have.
        config: The initial device-specific configuration space.
        writable_config: Offsets of its bytes that a driver may write.
    """

    def __init__(
        self,
        device_id: int,
        offered: int,
        queue_size_max: Sequence[int],
        *,
        config: bytes = b"",
        writable_config: Sequence[int] = (),
    ) -> None:
        self.device_id = device_id
        self.machine = StatusMachine(offered)
        self.queues = [QueueRegisters(size) for size in queue_size_max]
        self.config = bytearray(config)
        self.writable_config = frozenset(writable_config)
        self.config_generation = 0
        """Changes with every change of `config` by the device; runs modulo 2^32."""
        self.config_vector = NO_VECTOR
        self.interrupt_status = 0
        self.device_features_select = 0
        self.driver_features_select = 0
        self.queue_select = 0

    @property
    def selected(self) -> QueueRegisters | None:
        """The queue that the driver has selected; `None` if there is none of that number."""
        index = self.queue_select
        if index < len(self.queues) and self.queues[index].size_max:
            return self.queues[index]
        return None

    @property
    def offered_word(self) -> int:
        """The selected 32 bits of the offered features."""
        return self.machine.offered >> 32 * min(self.device_features_select, 4) & 0xFFFFFFFF

    @property
    def accepted_word(self) -> int:
        """The selected 32 bits of the accepted features."""
        return self.machine.accepted >> 32 * min(self.driver_features_select, 4) & 0xFFFFFFFF

    def write_accepted_word(self, value: int) -> None:
        """Take the selected 32 bits of the accepted features; there are four such words."""
        if self.driver_features_select < 4:
            shift = 32 * self.driver_features_select
            others = self.machine.accepted & ~(0xFFFFFFFF << shift)
            self.machine.accept_features(others | value << shift)

    def write_status(self, value: int) -> list[Effect]:
        """Take a write of the status."""
        change, fault = self.machine.write(value)
        effects: list[Effect] = [StatusWritten(value, change, fault)]
        if change is StatusChange.RESET_REQUESTED:
            effects.append(ResetRequested())
        return effects

    def enable_selected(self) -> list[Effect]:
        """Put the selected queue into use."""
        queue = self.selected
        assert queue is not None
        if queue.is_ready:
            return []
        queue.is_ready = True
        return [QueueReadyChanged(self.queue_select, is_ready=True)]

    def request_queue_reset(self) -> list[Effect]:
        """Begin a reset of the selected queue (VIRTIO 1.2, 2.6.1.1)."""
        queue = self.selected
        assert queue is not None
        if not self.can_reset_queues or not queue.is_ready:
            return []
        queue.is_resetting = True
        return [QueueResetRequested(self.queue_select)]

    @property
    def can_reset_queues(self) -> bool:
        """Whether VIRTIO_F_RING_RESET is negotiated."""
        return has_feature(self.machine.negotiated, VIRTIO_F_RING_RESET)

    def complete_queue_reset(self, index: int) -> None:
        """End the reset of a queue: it is out of use and may be set up again.

        Raises:
            AssertionError: If no reset of this queue was requested.
        """
        queue = self.queues[index]
        assert queue.is_resetting
        vector = queue.vector
        queue.clear()
        queue.vector = vector

    def complete_reset(self) -> None:
        """End a device reset: status 0, no queue in use, no interrupt, no vector.

        Raises:
            AssertionError: If no reset was requested.
        """
        self.machine.complete_reset()
        self._clear()

    def reset_now(self) -> None:
        """Return to the state after power-on, as a reset of the function or machine does."""
        self.machine.reset_now()
        self._clear()

    def notified(self, value: int) -> list[Effect]:
        """Return the effect of a doorbell write with this value (VIRTIO 1.2, 2.9)."""
        index = value & 0xFFFF
        if index >= len(self.queues):
            return [AccessRefused(0, 4, f"there is no queue {index}")]
        has_data = has_feature(self.machine.negotiated, VIRTIO_F_NOTIFICATION_DATA)
        return [QueueNotified(index, value >> 16 if has_data else None)]

    def fail(self) -> bool:
        """Set DEVICE_NEEDS_RESET; return whether the driver must be notified."""
        return self.machine.fail()

    def change_config(self, offset: int, data: bytes) -> None:
        """Change the configuration space from the device's side (VIRTIO 1.2, 2.5.2)."""
        assert offset + len(data) <= len(self.config)
        self.config[offset : offset + len(data)] = data
        self.config_generation = (self.config_generation + 1) & 0xFFFFFFFF

    def read_config(self, offset: int, length: int) -> int:
        """Return the little-endian value of some configuration bytes; 0s behind the end."""
        return int.from_bytes(self.config[offset : offset + length], "little")

    def write_config(self, offset: int, length: int, value: int) -> list[Effect]:
        """Take a driver's write of configuration bytes."""
        if not all(place in self.writable_config for place in range(offset, offset + length)):
            return [AccessRefused(offset, length, "the configuration field is read-only")]
        self.config[offset : offset + length] = value.to_bytes(length, "little")
        return [ConfigWritten(offset, length)]

    @property
    def is_live(self) -> bool:
        """Whether DRIVER_OK is set."""
        return DeviceStatus.DRIVER_OK in self.machine.status

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            self.machine.state(),
            tuple(queue.state() for queue in self.queues),
            bytes(self.config),
            self.config_generation,
            self.config_vector,
            self.interrupt_status,
            self.device_features_select,
            self.driver_features_select,
            self.queue_select,
        )

    def _clear(self) -> None:
        for queue in self.queues:
            queue.clear()
        self.config_vector = NO_VECTOR
        self.interrupt_status = 0
        self.device_features_select = 0
        self.driver_features_select = 0
        self.queue_select = 0
