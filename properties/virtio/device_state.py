"""The state of a device in one epoch, as the trace shows it: status, features, resets, queues.

Source:
    VIRTIO 1.2, 2.1 (status), 2.2 (features), 2.4 (reset); VIRTIO 1.4, 3.4 (suspension).
"""

from collections.abc import Hashable

from .queue_state import QueueState
from .words import (
    CONFIG,
    DRIVER_OK,
    FEATURES_OK,
    NEEDS_RESET,
    NOT_LIVE,
    NOT_READY,
    RESET_DONE,
    SUSPEND,
    SUSPENDED,
    VERSION_ASSUMED,
    frozen,
    version_number,
)


class DeviceState:
    """A device in one epoch.

    Attributes:
        name: Name of the vdev.
        offered, accepted: Features as numbers; `offered` is -1 if the trace does not show it.
        version, transport: As the trace gives them; see `version_number`.
        status: The bits that a read of the status would return, as far as the trace shows.
        is_resetting: From the write of 0 until 0 is readable.
        is_reset_unseen: From the write of 0 until the driver has read 0.
        is_reset_done: From the completion of a reset until DRIVER_OK.
        is_driver_ok: The driver has set DRIVER_OK and has not requested a reset since.
        is_features_ok_read: The driver has read the status since it set FEATURES_OK.
        is_line_high: Whether the device asserts its line.
        silence: Why the device must not access its queues.
        is_vm_ending: Whether its guest has stopped or its VM begun to end.
    """

    def __init__(self, name: str, epoch: int) -> None:
        self.name = name
        self.epoch = epoch
        self.offered = -1
        self.accepted = 0
        self.version = version_number(VERSION_ASSUMED)
        self.transport = ""
        self.device_id = 0
        self.status = 0
        self.silence = 0
        self.is_resetting = False
        self.is_reset_unseen = False
        self.is_reset_done = False
        self.is_driver_ok = False
        self.is_features_ok_read = False
        self.is_line_high = False
        self.is_vm_ending = False
        self.queues: dict[int, QueueState] = {}

    def __str__(self) -> str:
        """Give the device's name and epoch, as reports show it."""
        return f"{self.name} (epoch {self.epoch})"

    def key(self) -> Hashable:
        """Return the whole state."""
        return tuple((name, frozen(value)) for name, value in sorted(vars(self).items()))

    def queue(self, index: int) -> QueueState:
        """Return a queue by its index; `CONFIG` for configuration changes."""
        queue = self.queues.get(index)
        if queue is None:
            is_unready = self.offered >= 0 and self.transport == "mmio" and index != CONFIG
            queue = self.queues[index] = QueueState(index, NOT_READY if is_unready else 0)
        return queue

    @property
    def negotiated(self) -> int:
        """The features in force."""
        return self.accepted if self.status & FEATURES_OK else 0

    def has(self, feature: int) -> bool:
        """Return whether a feature is in force."""
        return bool(self.status & FEATURES_OK and self.accepted >> feature & 1)

    def offer(self, features: int, version: str, transport: str, device_id: int) -> None:
        """Take the features that the device offers when it is created."""
        self.offered = features
        self.version = version_number(version)
        self.transport = transport
        self.device_id = device_id
        self.silence = NOT_LIVE

    def write_status(self, value: int) -> None:
        """Take a write of the status; a write before the reset is complete has no effect."""
        if value == 0:
            self.is_resetting = self.is_reset_unseen = True
            self.is_driver_ok = self.is_features_ok_read = False
        elif not self.is_resetting:
            if value & FEATURES_OK and not self.status & FEATURES_OK:
                self.is_features_ok_read = False
            self.status |= value
            if value & DRIVER_OK:
                self.is_driver_ok = True
                self.is_reset_done = False
                self.silence &= ~(NOT_LIVE | RESET_DONE)

    def read_status(self, value: int) -> None:
        """Take a read of the status; 0 after a request shows that the reset is complete."""
        if value == 0 and self.is_reset_unseen:
            if self.is_resetting:
                self.complete_reset()
            self.is_reset_unseen = False
            for queue in self.queues.values():
                queue.clear()
        elif not self.is_resetting:
            self.status = value
            self.is_features_ok_read = True

    def complete_reset(self) -> None:
        """Take the instant from which a read of the status returns 0."""
        self.status = self.accepted = 0
        self.is_resetting = self.is_driver_ok = False
        self.is_reset_done = True
        self.silence = (self.silence | NOT_LIVE | RESET_DONE) & ~SUSPENDED
        for queue in self.queues.values():
            queue.complete_device_reset()
            if self.transport == "mmio" and queue.index != CONFIG:
                queue.silence |= NOT_READY

    def need_reset(self) -> None:
        """Take DEVICE_NEEDS_RESET."""
        self.status |= NEEDS_RESET
        for queue in self.queues.values():
            queue.doubt()

    def suspend(self) -> None:
        """Take SUSPEND, which clears DRIVER_OK."""
        self.status = (self.status | SUSPEND) & ~DRIVER_OK
        self.silence |= SUSPENDED

    def resume(self) -> None:
        """Take the end of the suspension."""
        self.status = (self.status | DRIVER_OK) & ~SUSPEND
        self.silence &= ~SUSPENDED
