"""Status and features: initialisation step by step, reset as an interval, failure."""

from collections.abc import Hashable
from typing import ClassVar

from ...model.trace.events import Header, QvmExited, WorkerEnded
from ...model.trace.virtio_events import (
    BufferFreed,
    FeaturesWritten,
    NeedsResetSet,
    NotificationSent,
    QueueEnableWritten,
    QueueFieldWritten,
    QueueKicked,
    ResetCompleted,
    StatusWritten,
)
from ..core.monitor import Trackers
from .rule import LAPSES, Hears, OwingRule, VirtioRule
from .tracker import Seen
from .words import CONFIG, DRIVER_OK, FAILED, FEATURES_OK, NEEDS_RESET, SUSPEND


class StatusBitsKept(VirtioRule):
    """N1.  DEVICE_NEEDS_RESET is the device's own bit, and so is SUSPEND once it is shown."""

    rule = "N1"
    name = "virtio-n01-status-bits-kept"
    claim = "A driver clears no bit of the status except by writing 0."
    formula = "G (status-written(v) and v != 0 -> v contains status)"
    antecedent = "writes of the status on top of bits that stand"
    section = "2.1.1"
    blames = "driver"

    def _write(self, seen: Seen[StatusWritten]) -> None:
        device, value = seen.device, seen.event.value
        if value == 0 or device.status == 0 or device.is_resetting:
            return
        self.tests += 1
        cleared = device.status & ~value & ~(NEEDS_RESET | SUSPEND)
        if cleared:
            message = f"the driver of {device} wrote status {value:#x}, clearing {cleared:#x}"
            self.fault(seen, message, cleared=cleared)

    hears: ClassVar[Hears] = {StatusWritten: _write}


class ResetFollowsFailed(VirtioRule):
    """N2."""

    rule = "N2"
    name = "virtio-n02-reset-follows-failed"
    claim = "After a driver has set FAILED, its next write of the status is 0."
    formula = "G (status-written(v) and FAILED in v -> next status-written is 0)"
    antecedent = "writes of the status after FAILED"
    section = "2.1.1"
    blames = "driver"

    def _write(self, seen: Seen[StatusWritten]) -> None:
        device, value = seen.device, seen.event.value
        if not device.status & FAILED or device.is_resetting:
            return
        self.tests += 1
        if value:
            message = f"the driver of {device} wrote status {value:#x} after FAILED, and no reset"
            self.fault(seen, message)

    hears: ClassVar[Hears] = {StatusWritten: _write}


class NeedsResetAnnounced(OwingRule):
    """N4."""

    rule = "N4"
    name = "virtio-n04-needs-reset-announced"
    claim = (
        "A device that sets DEVICE_NEEDS_RESET while DRIVER_OK is set sends a configuration change "
        "notification."
    )
    formula = "G (needs-reset-set and DRIVER_OK -> F config-notification)"
    antecedent = "times at which a live device asked for a reset"
    section = "2.1.2"
    blames = "device"

    def _set(self, seen: Seen[NeedsResetSet]) -> None:
        if seen.event.is_live:
            self.owe(seen, f"{seen.device} had to announce DEVICE_NEEDS_RESET")

    def _notify(self, seen: Seen[NotificationSent]) -> None:
        # Without a vector there is nothing to send, and the driver has wanted it so.
        if seen.event.queue == CONFIG:
            self.pay(seen)

    def _write(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self.lapse(seen)

    hears: ClassVar[Hears] = {
        **LAPSES,
        NeedsResetSet: _set,
        NotificationSent: _notify,
        StatusWritten: _write,
        WorkerEnded: OwingRule.end_thread,
    }


class FeaturesAsOffered(VirtioRule):
    """N5."""

    rule = "N5"
    name = "virtio-n05-features-as-offered"
    claim = "A driver accepts no feature that is not offered, and none after FEATURES_OK."
    formula = "G (features-written(f) -> f subset of offered and not FEATURES_OK)"
    antecedent = "writes of features"
    section = "2.2.1, 3.1.1"
    blames = "driver"

    def _write(self, seen: Seen[FeaturesWritten]) -> None:
        device = seen.device
        self.tests += 1
        if device.status & FEATURES_OK and not device.is_resetting:
            self.fault(seen, f"the driver of {device} wrote features after FEATURES_OK")
        extra = seen.event.features & ~device.offered
        if extra:
            bits = [bit for bit in range(extra.bit_length()) if extra >> bit & 1]
            listed = ", ".join(map(str, bits))
            message = f"the driver of {device} accepted features that are not offered: {listed}"
            self.fault(seen, message, feature=bits[0])

    hears: ClassVar[Hears] = {FeaturesWritten: _write}


class FeaturesOkReread(VirtioRule):
    """N6."""

    rule = "N6"
    name = "virtio-n06-features-ok-reread"
    claim = (
        "A driver reads FEATURES_OK back after setting it, before it enables a queue or sets "
        "DRIVER_OK, and does not continue if it is clear."
    )
    formula = "G (queue-enabled or DRIVER_OK written -> FEATURES_OK was read as set)"
    antecedent = "queues enabled and writes of DRIVER_OK during initialisation"
    section = "3.1.1, 2.2.1"
    blames = "driver"

    def _write(self, seen: Seen[StatusWritten]) -> None:
        device, value = seen.device, seen.event.value
        if value & DRIVER_OK and not device.status & (DRIVER_OK | SUSPEND):
            self._judge(seen, "set DRIVER_OK")

    def _enable(self, seen: Seen[QueueEnableWritten]) -> None:
        if seen.event.value and not seen.device.status & DRIVER_OK:
            self._judge(seen, f"enabled queue {seen.queue.index}")

    def _judge(self, seen: Seen[StatusWritten] | Seen[QueueEnableWritten], deed: str) -> None:
        device = seen.device
        if device.offered < 0:  # the trace does not begin with the device
            return
        self.tests += 1
        if not device.status & FEATURES_OK:
            self.fault(seen, f"the driver of {device} {deed} although FEATURES_OK was clear")
        elif not device.is_features_ok_read:
            self.fault(seen, f"the driver of {device} {deed} without reading FEATURES_OK back")

    hears: ClassVar[Hears] = {StatusWritten: _write, QueueEnableWritten: _enable}


class NoNotificationBeforeDriverOk(VirtioRule):
    """N7.  A driver that has asked for a reset is before DRIVER_OK again."""

    rule = "N7"
    name = "virtio-n07-no-notification-before-driver-ok"
    claim = "A driver sends no available buffer notification before it sets DRIVER_OK."
    formula = "G (available-notification -> DRIVER_OK written and no reset requested since)"
    antecedent = "available buffer notifications"
    section = "3.1.1"
    blames = "driver"

    def _kick(self, seen: Seen[QueueKicked]) -> None:
        self.tests += 1
        device = seen.device
        # A trace that begins after the device's start does not show its first status.
        if not device.is_driver_ok and device.offered >= 0:
            message = f"the driver of {device} notified queue {seen.queue.index} before DRIVER_OK"
            self.fault(seen, message, queue=seen.queue.index)

    hears: ClassVar[Hears] = {QueueKicked: _kick}


class ResetCompletes(OwingRule):
    """N8.  The standard sets no time; the bound is `virtio_reset_ns_max` of the header."""

    rule = "N8"
    name = "virtio-n08-reset-completes"
    claim = "After a driver has written 0 to the status, the status reads as 0 within the bound."
    formula = "G (status-written(0) -> F[0, bound] reset-completed)"
    antecedent = "reset requests"
    boundary = "a reset that is complete exactly at the bound is in time"
    section = "2.4.1, 4.1.4.3.1"
    since_mmio = "1.2"
    blames = "device"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.bound_ns = header.virtio_reset_ns_max

    def _write(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self.owe(seen, f"{seen.device} had to complete its reset")

    hears: ClassVar[Hears] = {
        StatusWritten: _write,
        ResetCompleted: OwingRule.pay,
        # The guest's end takes nothing off: until its VM is gone, the device is still to obey.
        QvmExited: OwingRule.lapse,
        WorkerEnded: OwingRule.end_thread,
    }


class ResetAwaited(VirtioRule):
    """N10.  A MUST for PCI, a SHOULD for all since 1.2."""

    rule = "N10"
    name = "virtio-n10-reset-awaited"
    claim = "After writing 0 to the status a driver initialises nothing until it has read 0."
    formula = "G (status-written(0) -> (not initialises U status-read(0)))"
    antecedent = "initialisations after a reset request"
    section = "4.1.4.3.2, 2.4.2"
    since_mmio = "1.2"
    blames = "driver"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._requested: set[tuple[str, int]] = set()

    def _write_status(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self._requested.add((seen.device.name, seen.device.epoch))
        else:
            self._judge(seen)

    def _write(
        self, seen: Seen[FeaturesWritten] | Seen[QueueFieldWritten] | Seen[QueueEnableWritten]
    ) -> None:
        self._judge(seen)

    def _judge(
        self,
        seen: Seen[StatusWritten]
        | Seen[FeaturesWritten]
        | Seen[QueueFieldWritten]
        | Seen[QueueEnableWritten],
    ) -> None:
        """Judge the first step of the initialisation that follows a request."""
        device = seen.device
        place = (device.name, device.epoch)
        if place not in self._requested:
            return
        self._requested.discard(place)
        self.tests += 1
        if device.is_reset_unseen:
            must = device.transport == "pci"
            message = f"the driver of {device} began to initialise it before it had read status 0"
            self.fault(seen, message, "exposed" if must else "unadvised")

    def state(self) -> Hashable:
        """Return which resets have been requested."""
        return tuple(sorted(self._requested))

    hears: ClassVar[Hears] = {
        StatusWritten: _write_status,
        FeaturesWritten: _write,
        QueueFieldWritten: _write,
        QueueEnableWritten: _write,
    }


class InFlightNotTrusted(VirtioRule):
    """N49.

    Taking back the buffer of a request that was in flight is what counting it as done, or as not
    done, looks like from outside.
    """

    rule = "N49"
    name = "virtio-n49-in-flight-not-trusted"
    claim = (
        "After DEVICE_NEEDS_RESET a driver does not take requests that were in flight for done or "
        "for not done: it leaves their buffers alone until it has seen the reset."
    )
    formula = "G (needs-reset-set and in-flight(r) -> (not freed(r) U reset seen))"
    antecedent = "times at which a device asked for a reset with requests in flight"
    section = "2.1.1"
    blames = "driver"
    level = "SHOULD"
    severity = "unadvised"

    def _set(self, seen: Seen[NeedsResetSet]) -> None:
        queues = seen.device.queues.values()
        self.tests += any(queue.outstanding or queue.unpublished for queue in queues)

    def _free(self, seen: Seen[BufferFreed]) -> None:
        event, queue = seen.event, seen.queue
        for head in sorted(queue.doubtful):
            if queue.chains[head].meets(event.addr, event.length):
                message = (
                    f"the driver of {seen.device} took back a buffer of chain {head}, which was in "
                    "flight when the device asked for a reset"
                )
                self.fault(seen, message, head=head)
                return

    hears: ClassVar[Hears] = {NeedsResetSet: _set, BufferFreed: _free}
