"""The device status: initialisation, negotiation, reset as an interval, suspension, failure.

        0 -- ACKNOWLEDGE -- DRIVER -- FEATURES_OK -- DRIVER_OK (live)
        any -- write of 0 --> reset requested ... reset done, 0 readable
        any -- the device fails --> DEVICE_NEEDS_RESET
        live -- SUSPEND written ... SUSPEND shown, DRIVER_OK clear -- DRIVER_OK --> live

A reset takes time.  From the write of 0 until the device is done, the old status stays readable,
and work in flight may still touch memory.  From the instant at which 0 can be read, the device must
be silent.  The device decides which effects it drops or finishes meanwhile.

A write that breaks a rule gives a `StatusFault`.  It is carried out as a lenient device would do,
for the machine must also describe guests that break the rules.

Source:
    VIRTIO 1.2, 2.1, 2.2, 2.4 and 3.1.1; suspension VIRTIO 1.4, 2.1 and 3.4; stopped mode
    VIRTIO 1.4, 2.12.1.4.
"""

from enum import Enum, IntFlag
from functools import lru_cache

from .features import VIRTIO_F_SUSPEND, acceptance_fault, has_feature


class DeviceStatus(IntFlag):
    """The bits of the status field."""

    ACKNOWLEDGE = 1
    DRIVER = 2
    DRIVER_OK = 4
    FEATURES_OK = 8
    SUSPEND = 16
    DEVICE_NEEDS_RESET = 64
    FAILED = 128


class StatusChange(Enum):
    """The effect of a write of the status."""

    NOTHING = "nothing"
    RESET_REQUESTED = "reset requested"
    FEATURES_ACCEPTED = "features accepted"
    FEATURES_REFUSED = "features refused"
    WENT_LIVE = "went live"
    SUSPEND_REQUESTED = "suspend requested"
    RESUMED = "resumed"


class StatusFault(Enum):
    """How a driver can break the rules of the status field."""

    CLEARED_BITS = "a status bit was cleared without a reset"  # 2.1.1
    SET_AFTER_FAILED = "the status was written after FAILED without a reset"  # 2.1.1
    OUT_OF_ORDER = "a status bit was set before the one that has to precede it"  # 3.1.1
    DRIVER_OK_WITHOUT_FEATURES = "DRIVER_OK was set although FEATURES_OK is clear"  # 3.1.1
    WRITTEN_DURING_RESET = "the status was written before the reset was done"  # 4.1.4.3.2
    DEVICE_BIT_SET = "DEVICE_NEEDS_RESET was set by the driver"  # 2.1
    SUSPEND_NOT_NEGOTIATED = "SUSPEND was set without VIRTIO_F_SUSPEND"  # 1.4, 3.4


class OperatingMode(Enum):
    """Whether the owner of the device has stopped it, beside its status (VIRTIO 1.4)."""

    ACTIVE = "active"
    STOPPED = "stopped"


_PRECEDES = {
    DeviceStatus.DRIVER: DeviceStatus.ACKNOWLEDGE,
    DeviceStatus.FEATURES_OK: DeviceStatus.DRIVER,
}


class StatusMachine:
    """The status of one device, its features, and whether it may touch the guest.

    Args:
        offered: The features that the device offers, as a number.
    """

    def __init__(self, offered: int) -> None:
        self.offered = offered
        self.accepted = 0
        self.status = DeviceStatus(0)
        self.is_resetting = False
        """Whether a reset was requested and has not ended."""
        self.is_suspending = False
        """Whether a suspension was requested and is not shown yet."""
        self.mode = OperatingMode.ACTIVE

    @property
    def negotiated(self) -> int:
        """The features in force: those accepted once FEATURES_OK is set, otherwise none."""
        return self.accepted if DeviceStatus.FEATURES_OK in self.status else 0

    @property
    def is_live(self) -> bool:
        """Whether the driver has set DRIVER_OK, and no reset has ended since."""
        return DeviceStatus.DRIVER_OK in self.status

    @property
    def may_touch_guest(self) -> bool:
        """Whether the device may read queues, write memory and notify (2.1.2, 2.4.1).

        During a reset it may, for requests in flight.
        """
        needs_reset = DeviceStatus.DEVICE_NEEDS_RESET in self.status
        return self.is_live and not needs_reset and self.mode is OperatingMode.ACTIVE

    def accept_features(self, features: int) -> None:
        """Take the features that the driver writes; after FEATURES_OK they stay as they are."""
        if DeviceStatus.FEATURES_OK not in self.status:
            self.accepted = features

    def write(self, value: int) -> tuple[StatusChange, StatusFault | None]:
        """Take the driver's write of the status field.

        Args:
            value: The byte written.

        Returns:
            The effect of the write, and the rule that it breaks, if any.
        """
        if value == 0:
            # Invariant: at most one reset is under way; a further write of 0 asks for the same.
            if self.is_resetting:
                return StatusChange.NOTHING, None
            self.is_resetting = True
            self.is_suspending = False
            return StatusChange.RESET_REQUESTED, None
        if self.is_resetting:
            return StatusChange.NOTHING, StatusFault.WRITTEN_DURING_RESET
        written = DeviceStatus(value & 0xFF)
        fault = _fault_of(self.status, written, has_feature(self.negotiated, VIRTIO_F_SUSPEND))
        change = self._apply(written)
        return change, fault

    def complete_reset(self) -> None:
        """End the reset: from here on 0 is readable, and the device must be silent.

        Raises:
            AssertionError: If no reset was requested.
        """
        assert self.is_resetting
        self.reset_now()

    def reset_now(self) -> None:
        """Return to the state after power-on, as a reset of the function or machine does."""
        self.status = DeviceStatus(0)
        self.accepted = 0
        self.is_resetting = False
        self.is_suspending = False

    def fail(self) -> bool:
        """Set DEVICE_NEEDS_RESET, as the device does when it cannot go on.

        Returns:
            Whether the driver has to get a configuration change notification (2.1.2).
        """
        self.status |= DeviceStatus.DEVICE_NEEDS_RESET
        return self.is_live and not self.is_resetting

    def complete_suspend(self) -> None:
        """Set SUSPEND: all chains are used and notified, and the device is suspended (1.4, 3.4.2).

        Raises:
            AssertionError: If no suspension was requested.
        """
        assert self.is_suspending
        self.is_suspending = False
        self.status = (self.status | DeviceStatus.SUSPEND) & ~DeviceStatus.DRIVER_OK

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            self.accepted,
            int(self.status),
            self.is_resetting,
            self.is_suspending,
            self.mode,
        )

    def _apply(self, written: DeviceStatus) -> StatusChange:
        """Set bits; only a reset or the device itself clears a bit."""
        added = written & ~self.status & ~DeviceStatus.DEVICE_NEEDS_RESET
        if not added:
            return StatusChange.NOTHING
        if DeviceStatus.SUSPEND in added:
            return self._suspend()
        self.status |= added
        if DeviceStatus.FEATURES_OK in added and acceptance_fault(self.offered, self.accepted):
            self.status &= ~(DeviceStatus.FEATURES_OK | added & DeviceStatus.DRIVER_OK)
            return StatusChange.FEATURES_REFUSED
        if DeviceStatus.DRIVER_OK in added:
            was_suspended = DeviceStatus.SUSPEND in self.status
            self.status &= ~DeviceStatus.SUSPEND
            return StatusChange.RESUMED if was_suspended else StatusChange.WENT_LIVE
        if DeviceStatus.FEATURES_OK in added:
            return StatusChange.FEATURES_ACCEPTED
        return StatusChange.NOTHING

    def _suspend(self) -> StatusChange:
        if not (self.is_live and has_feature(self.negotiated, VIRTIO_F_SUSPEND)):
            return StatusChange.NOTHING
        self.is_suspending = True
        return StatusChange.SUSPEND_REQUESTED


@lru_cache(maxsize=1024)
def _fault_of(status: DeviceStatus, written: DeviceStatus, can_suspend: bool) -> StatusFault | None:
    """Return the rule that a write breaks, if any."""
    added = written & ~status
    resumes = DeviceStatus.SUSPEND in status and DeviceStatus.DRIVER_OK in added
    cleared = status & ~written & ~DeviceStatus.DEVICE_NEEDS_RESET
    if DeviceStatus.FAILED in status:
        return StatusFault.SET_AFTER_FAILED
    if cleared & ~(DeviceStatus.SUSPEND if resumes else DeviceStatus(0)):
        return StatusFault.CLEARED_BITS
    return _fault_of_added(status, added, written, can_suspend)


def _fault_of_added(
    status: DeviceStatus, added: DeviceStatus, written: DeviceStatus, can_suspend: bool
) -> StatusFault | None:
    if DeviceStatus.DEVICE_NEEDS_RESET in added:
        return StatusFault.DEVICE_BIT_SET
    if any(bit in added and need not in written for bit, need in _PRECEDES.items()):
        return StatusFault.OUT_OF_ORDER
    if DeviceStatus.DRIVER_OK in added and DeviceStatus.FEATURES_OK not in status:
        return StatusFault.DRIVER_OK_WITHOUT_FEATURES
    if DeviceStatus.SUSPEND in added and not can_suspend:
        return StatusFault.SUSPEND_NOT_NEGOTIATED
    return None
