"""When a device has to leave a queue alone: before DRIVER_OK, after resets, suspended, stopped.

These rules judge what a device *does*. An interrupt that was sent before a reset was complete may
arrive after it. `no-irq-after-teardown` judges its arrival.
"""

from collections.abc import Hashable
from typing import Any, ClassVar

from ...model.trace.event_base import TraceEvent
from ...model.trace.events import DmaIssued, DmaLanded, DmaRead, Header
from ...model.trace.virtio_events import (
    BufferRead,
    BufferWritten,
    ChainTaken,
    ConfigChanged,
    DescriptorRead,
    DeviceStopped,
    FeaturesOffered,
    NotificationSent,
    QueueEnableRead,
    QueueResetCompleted,
    ResetCompleted,
    SuppressionWritten,
    SuspendShown,
    UsedElementWritten,
    UsedPublished,
)
from ..core.monitor import Closing, Trackers
from ..core.verdict import Severity
from .rule import Hears, VirtioRule
from .tracker import Seen
from .words import (
    CONFIG,
    NOT_LIVE,
    NOT_READY,
    QUEUE_RESET,
    READINESS_UNKNOWN,
    RESET_DONE,
    STOPPED,
    SUSPENDED,
)

_DEEDS: dict[type[TraceEvent], str] = {
    DescriptorRead: "read a descriptor of",
    ChainTaken: "took a chain from",
    BufferRead: "read a buffer of",
    BufferWritten: "wrote a buffer of",
    UsedElementWritten: "wrote a used element of",
    UsedPublished: "published a used element of",
    SuppressionWritten: "wrote its notification suppression into",
}


class SilenceRule(VirtioRule):
    """The base: every access to a queue during a certain state of the device is a breach.

    Attributes:
        silence: The state.
        when: The state in words.
    """

    silence: ClassVar[int]
    when: ClassVar[str]
    blames = "device"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.devices.subscribe_to_breaches(self.silence, self._judge, self.binds)

    def _judge(self, seen: Seen[Any]) -> None:
        """Report an access: at worst it hits what the driver uses for something else by now."""
        event = seen.event
        severity: Severity = "exposed"
        if isinstance(event, NotificationSent):
            severity = "spurious"
            about = "configuration change" if event.queue == CONFIG else f"queue {event.queue}"
            deed = f"sent a notification ({about})"
        elif isinstance(event, ConfigChanged):
            deed = "changed its configuration"
        elif isinstance(event, DmaIssued | DmaLanded):
            deed = f"had a write {'leave' if isinstance(event, DmaIssued) else 'land'}"
        elif isinstance(event, DmaRead):
            deed = "read memory"
        else:
            deed = f"{_DEEDS[type(event)]} queue {seen.queue.index}"
        self.fault(seen, f"{seen.device} {deed} {self.when}", severity, queue=seen.queue.index)

    def count(self, seen: Seen[Any]) -> None:  # noqa: ARG002
        """Count what makes the silence due."""
        self.tests += 1


class NothingBeforeDriverOk(SilenceRule):
    """N3."""

    rule = "N3"
    name = "virtio-n03-nothing-before-driver-ok"
    claim = (
        "A device consumes no buffer and sends no used buffer notification while DRIVER_OK is "
        "clear."
    )
    formula = "G (not DRIVER_OK -> not (consumes(queue) or used-notification(queue)))"
    antecedent = "times at which DRIVER_OK was clear"
    section = "2.1.2"
    silence = NOT_LIVE
    when = "while DRIVER_OK was clear"

    def _judge(self, seen: Seen[Any]) -> None:
        # Reading a descriptor consumes nothing, and a configuration change may be announced.
        if seen.queue.index != CONFIG and not isinstance(
            seen.event, DescriptorRead | SuppressionWritten
        ):
            super()._judge(seen)

    hears: ClassVar[Hears] = {FeaturesOffered: SilenceRule.count, ResetCompleted: SilenceRule.count}


class SilenceAfterReset(SilenceRule):
    """N9: the core of a teardown by way of the standard.

    Re-initialisation is complete with DRIVER_OK, the last step of 3.1.1.  The rule speaks of
    sending; what was sent before may still arrive.
    """

    rule = "N9"
    name = "virtio-n09-silence-after-reset"
    claim = (
        "From the instant at which the status can be read as 0 until a driver initialises it "
        "again, a device sends no notification and touches no queue."
    )
    formula = "G (reset-completed(device) -> (not touches(device) U DRIVER_OK(device)))"
    antecedent = "completed resets"
    boundary = (
        "an access at the instant of completion is a breach if its record comes later: both are "
        "the device's own steps"
    )
    section = "2.4.1; channel I/O 4.3.3.3.1"
    since = "1.2"
    silence = RESET_DONE
    when = "after its reset was complete"
    hears: ClassVar[Hears] = {ResetCompleted: SilenceRule.count}


class SilenceAfterQueueReset(SilenceRule):
    """N11."""

    rule = "N11"
    name = "virtio-n11-silence-after-queue-reset"
    claim = (
        "After the reset of a queue a device executes no request of it and sends no notification "
        "for it until the queue is enabled again."
    )
    formula = "G (queue-reset-completed(queue) -> (not touches(queue) U enabled(queue)))"
    antecedent = "completed queue resets"
    section = "2.6.1.1.1"
    since = "1.2"
    silence = QUEUE_RESET
    when = "after the reset of that queue was complete"
    hears: ClassVar[Hears] = {QueueResetCompleted: SilenceRule.count}


class SilenceWhileNotReady(SilenceRule):
    """N18.

    A write of 0 asks for the stop. A device that needs time for it goes on reading as 1, so silence
    is due from the *read* of QueueReady as 0. If the driver never reads, an access after the write
    leaves the question open.
    """

    rule = "N18"
    name = "virtio-n18-silence-while-not-ready"
    claim = "A device on MMIO touches no queue whose QueueReady reads as 0."
    formula = "G (QueueReady(queue) reads 0 -> (not touches(queue) U QueueReady(queue) written 1))"
    antecedent = "times at which QueueReady read as 0"
    boundary = (
        "an access at the instant of the read is a breach if its record comes later; between the "
        "write of 0 and the read it is not"
    )
    section = "4.2.2.1"
    transport = "mmio"
    silence = NOT_READY | READINESS_UNKNOWN
    when = "while its QueueReady read as 0"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._open: dict[tuple[str, int, int], str] = {}

    def _judge(self, seen: Seen[Any]) -> None:
        if seen.queue.silence & NOT_READY:
            super()._judge(seen)
        elif seen.queue.silence & READINESS_UNKNOWN:
            self._open[seen.place] = f"{seen.device} touched queue {seen.queue.index}"

    def _read(self, seen: Seen[QueueEnableRead]) -> None:
        self._open.pop(seen.place, None)
        self.tests += seen.event.value == 0

    def close(self, last_ns: int) -> Closing:
        """Report accesses for which the trace does not show whether they were allowed."""
        closing = super().close(last_ns)
        for deed in self._open.values():
            doubt = f"{deed} after QueueReady was written 0, and no read shows whether it was 0"
            return closing._replace(doubt=doubt)
        return closing

    def state(self) -> Hashable:
        """Return what is open."""
        return tuple(sorted(self._open))

    hears: ClassVar[Hears] = {
        FeaturesOffered: SilenceRule.count,
        ResetCompleted: SilenceRule.count,
        QueueEnableRead: _read,
    }


class SilenceWhileSuspended(SilenceRule):
    """N47."""

    rule = "N47"
    name = "virtio-n47-silence-while-suspended"
    claim = (
        "Between showing SUSPEND and being resumed a device sends no notification, touches no "
        "queue and does not change its configuration."
    )
    formula = "G (SUSPEND shown -> (not (touches(device) or config-changed) U resumed))"
    antecedent = "suspensions"
    section = "3.4.2"
    cited = "1.4"
    since = "1.4"
    silence = SUSPENDED
    when = "while it was suspended"
    hears: ClassVar[Hears] = {SuspendShown: SilenceRule.count}


class SilenceWhileStopped(SilenceRule):
    """N48: the best wording of what a quiesced device is that a public standard has."""

    rule = "N48"
    name = "virtio-n48-silence-while-stopped"
    claim = (
        "Once the command that stops a device is complete, the device begins no transaction, and "
        "none of its earlier ones is still under way."
    )
    formula = (
        "G (stopped(device) -> "
        "(not (touches(device) or write-lands(device) or reads(device)) U activated))"
    )
    antecedent = "completed commands to stop"
    section = "2.12.1.4.4.1"
    cited = "1.4"
    since = "1.4"
    silence = STOPPED
    when = "while it was in the mode STOPPED"
    hears: ClassVar[Hears] = {DeviceStopped: SilenceRule.count}
