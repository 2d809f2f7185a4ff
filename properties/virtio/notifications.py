"""Notifications in both directions, and the carriers of those to the driver."""

from collections.abc import Hashable
from typing import Any, ClassVar

from ...model.trace.events import Header, WorkerEnded
from ...model.trace.virtio_events import (
    AvailablePublished,
    ConfigChanged,
    InterruptAcknowledged,
    IsrRead,
    LineLowered,
    NeedsResetSet,
    NotificationSent,
    QueueFieldWritten,
    QueueKicked,
    QueueResetCompleted,
    QueueVectorRead,
    ResetCompleted,
    StatusWritten,
    SuppressionWritten,
    SuspendShown,
    UsedPublished,
)
from ..core.monitor import Trackers
from ..core.verdict import Severity
from .queue_state import QueueState
from .rule import LAPSES, Hears, OwingRule, VirtioRule
from .tracker import Seen
from .words import CONFIG, DRIVER_OK, IDX_MODULUS, NO_VECTOR

QUEUE_BIT, CONFIG_BIT = 1, 2
DEFINED_BITS = QUEUE_BIT | CONFIG_BIT

Place = tuple[str, int]


def _place(seen: Seen[Any]) -> Place:
    return seen.device.name, seen.device.epoch


def _bit(queue: int) -> int:
    return CONFIG_BIT if queue == CONFIG else QUEUE_BIT


class LineRule(VirtioRule):
    """The base of rules that demand the fall of a line at the very instant of another event.

    Attributes:
        after: After what, in words.
    """

    boundary = "the line has to be low when the instant is over, whichever record comes first"
    blames = "device"
    after: ClassVar[str]

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._waiting: dict[Place, Seen[Any]] = {}

    def expect_low(self, seen: Seen[Any]) -> None:
        """Expect that the line is low at the end of this instant."""
        self._turn(seen.at_ns)
        if seen.device.is_line_high:
            self._waiting[_place(seen)] = seen

    def lower(self, seen: Seen[LineLowered]) -> None:
        """Take the fall of the line."""
        self._turn(seen.at_ns)
        self._waiting.pop(_place(seen), None)

    def _turn(self, at_ns: int) -> None:
        if any(each.at_ns != at_ns for each in self._waiting.values()):
            self.settle()

    def settle(self) -> None:
        """Judge the instant that is over."""
        for seen in self._waiting.values():
            self.fault(seen, f"{seen.device} went on asserting its line {self.after}")
        self._waiting.clear()


class ResetClearsInterrupts(LineRule):
    """N20.  That no queue reads as enabled holds on PCI too (4.1.4.3.1)."""

    rule = "N20"
    name = "virtio-n20-reset-clears-interrupts"
    claim = (
        "When a reset is complete no queue is enabled, InterruptStatus is 0, and the line is low."
    )
    formula = "G (reset-completed -> queues-enabled = 0 and InterruptStatus = 0 and line low)"
    antecedent = "completed resets"
    section = "4.2.2.1, 4.2.3.4; PCI 4.1.4.3.1"
    after = "after its reset"

    def _reset(self, seen: Seen[ResetCompleted]) -> None:
        self.tests += 1
        event, device = seen.event, seen.device
        if event.queues_enabled:
            count = event.queues_enabled
            self.fault(seen, f"{device} had {count} queues enabled after its reset")
        if device.transport == "mmio":
            if event.interrupt_status:
                status = event.interrupt_status
                self.fault(seen, f"{device} had InterruptStatus {status:#x} after its reset")
            self.expect_low(seen)

    hears: ClassVar[Hears] = {ResetCompleted: _reset, LineLowered: LineRule.lower}


class InterruptStatusTrue(VirtioRule):
    """N21.

    A notification has to set its bit; the use of a buffer whose notification is suppressed may.
    """

    rule = "N21"
    name = "virtio-n21-interrupt-status-true"
    claim = (
        "A bit of InterruptStatus is set when its event happens, stays until it is acknowledged, "
        "and is never set without an event."
    )
    formula = "G (bit(event) <-> happened(event) since acknowledged(event))"
    antecedent = "notifications sent and reads of InterruptStatus"
    section = "4.2.2.1"
    blames = "device"
    severity = "starved"
    transport = "mmio"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._due: dict[Place, int] = {}
        self._possible: dict[Place, int] = {}

    def _notify(self, seen: Seen[NotificationSent]) -> None:
        event = seen.event
        if event.carrier == "none":
            return
        self.tests += 1
        bit = _bit(event.queue)
        place = _place(seen)
        self._due[place] = self._due.get(place, 0) | bit
        self._allow(place, bit)
        if not event.isr_set:
            message = f"{seen.device} interrupted without bit {bit:#x} of InterruptStatus"
            self.fault(seen, message, bit=bit)

    def _happen(
        self, seen: Seen[UsedPublished] | Seen[ConfigChanged] | Seen[NeedsResetSet]
    ) -> None:
        self._allow(_place(seen), _bit(seen.queue.index))

    def _allow(self, place: Place, bit: int) -> None:
        self._possible[place] = self._possible.get(place, 0) | bit

    def _read(self, seen: Seen[IsrRead]) -> None:
        self.tests += 1
        place, value = _place(seen), seen.event.value
        lost = self._due.get(place, 0) & ~value
        if lost:
            message = f"{seen.device} lost {lost:#x} of InterruptStatus before it was acknowledged"
            self.fault(seen, message, bit=lost)
        extra = value & ~self._possible.get(place, 0)
        if extra and seen.device.offered >= 0:
            message = f"{seen.device} had {extra:#x} in InterruptStatus without an event"
            self.fault(seen, message, "spurious", bit=extra)

    def _acknowledge(self, seen: Seen[InterruptAcknowledged]) -> None:
        place = _place(seen)
        for bits in (self._due, self._possible):
            bits[place] = bits.get(place, 0) & ~seen.event.bits

    def _reset(self, seen: Seen[ResetCompleted]) -> None:
        self._due.pop(_place(seen), None)
        self._possible.pop(_place(seen), None)

    def state(self) -> Hashable:
        """Return the bits that have to be set and those that may be."""
        return (tuple(sorted(self._due.items())), tuple(sorted(self._possible.items())))

    hears: ClassVar[Hears] = {
        NotificationSent: _notify,
        UsedPublished: _happen,
        ConfigChanged: _happen,
        NeedsResetSet: _happen,
        IsrRead: _read,
        InterruptAcknowledged: _acknowledge,
        ResetCompleted: _reset,
    }


class InterruptsAcknowledged(OwingRule):
    """N22."""

    rule = "N22"
    name = "virtio-n22-interrupts-acknowledged"
    claim = "A driver acknowledges each interrupt that it has handled with exactly its bits."
    formula = "G (InterruptStatus-read(bits) and bits != 0 -> F acknowledged(bits))"
    antecedent = "interrupts handled"
    section = "4.2.3.4.1, 4.2.2.2"
    blames = "driver"
    transport = "mmio"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._read_bits: dict[Place, int] = {}

    def _read(self, seen: Seen[IsrRead]) -> None:
        value = seen.event.value
        self._read_bits[_place(seen)] = value
        if value:
            self.owe(seen, f"the driver of {seen.device} had to acknowledge its interrupt")

    def _acknowledge(self, seen: Seen[InterruptAcknowledged]) -> None:
        bits = seen.event.bits
        handled = self._read_bits.pop(_place(seen), 0)
        if seen.place in self.debts:
            self.pay(seen)
        else:
            self.tests += 1
        if bits != handled or bits & ~DEFINED_BITS:
            message = (
                f"the driver of {seen.device} acknowledged {bits:#x} and had read {handled:#x}"
            )
            self.fault(seen, message, "exposed", bits=bits, handled=handled)

    def _write(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self._read_bits.pop(_place(seen), None)
            self.lapse(seen)

    def state(self) -> Hashable:
        """Return the open debts, and what was read."""
        return (super().state(), tuple(sorted(self._read_bits.items())))

    hears: ClassVar[Hears] = {
        **LAPSES,
        IsrRead: _read,
        InterruptAcknowledged: _acknowledge,
        StatusWritten: _write,
    }


class IsrBeforeInterrupt(LineRule):
    """N23."""

    rule = "N23"
    name = "virtio-n23-isr-before-interrupt"
    claim = (
        "A device on PCI sets its ISR bit before it raises INTx; a read of the ISR clears it and "
        "lowers the line."
    )
    formula = "G (line-raised -> ISR set) and G (ISR-read -> line low and (ISR = 0 U notification))"
    antecedent = "interrupts by INTx and reads of the ISR"
    section = "4.1.4.5.1"
    transport = "pci"
    after = "after its ISR was read"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._cleared: set[Place] = set()

    def _notify(self, seen: Seen[NotificationSent]) -> None:
        # An ISR bit may be set without an interrupt, if the vector or the driver forbids the
        # interrupt.
        self._happen(seen)
        if seen.event.carrier != "line":
            return
        self.tests += 1
        if not seen.event.isr_set:
            self.fault(seen, f"{seen.device} raised its line before it had set the ISR")

    def _happen(self, seen: Seen[Any]) -> None:
        self._cleared.discard(_place(seen))

    def _read(self, seen: Seen[IsrRead]) -> None:
        self.tests += 1
        place = _place(seen)
        if seen.event.value and place in self._cleared:
            message = f"the ISR of {seen.device} read as {seen.event.value:#x} after it was cleared"
            self.fault(seen, message, "spurious")
        self._cleared.add(place)
        self.expect_low(seen)

    def state(self) -> Hashable:
        """Return which devices' ISR was read and has nothing new."""
        return tuple(sorted(self._cleared))

    hears: ClassVar[Hears] = {
        NotificationSent: _notify,
        UsedPublished: _happen,
        ConfigChanged: _happen,
        NeedsResetSet: _happen,
        IsrRead: _read,
        LineLowered: LineRule.lower,
    }


class NoVectorNoInterrupt(VirtioRule):
    """N25.

    No event says whether MSI-X is enabled; a device of which some event is mapped has it.
    """

    rule = "N25"
    name = "virtio-n25-no-vector-no-interrupt"
    claim = "With MSI-X a device does not interrupt for an event that has no vector."
    formula = "G (MSI-X and vector(event) = NO_VECTOR -> not interrupted(event))"
    antecedent = "notifications due for an event without a vector"
    section = "4.1.5.3.1, 4.1.5.4.1"
    blames = "device"
    severity = "spurious"
    transport = "pci"

    def _notify(self, seen: Seen[NotificationSent]) -> None:
        event, device = seen.event, seen.device
        if seen.queue.vector != NO_VECTOR:
            return
        if event.carrier == "line" and all(
            queue.vector == NO_VECTOR for queue in device.queues.values()
        ):
            return
        self.tests += 1
        if event.carrier != "none":
            about = "configuration changes" if event.queue == CONFIG else f"queue {event.queue}"
            message = f"{device} interrupted for {about}, which had no vector"
            self.fault(seen, message, queue=event.queue)

    hears: ClassVar[Hears] = {NotificationSent: _notify}


class VectorReread(OwingRule):
    """N26."""

    rule = "N26"
    name = "virtio-n26-vector-reread"
    claim = "A driver that maps an event to a vector reads the vector back before it relies on it."
    formula = (
        "G (vector-written(e, v) and v != NO_VECTOR -> vector-read(e) before DRIVER_OK or use)"
    )
    antecedent = "vectors mapped"
    section = "4.1.5.1.2.2"
    blames = "driver"
    severity: ClassVar[Severity] = "exposed"
    transport = "pci"

    def _write(self, seen: Seen[QueueFieldWritten]) -> None:
        if seen.event.field == "vector" and seen.event.value != NO_VECTOR:
            self.owe(seen, f"the driver of {seen.device} had to read a vector back")

    def _read(self, seen: Seen[QueueVectorRead]) -> None:
        self.pay(seen)

    def _write_status(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self.lapse(seen)
        elif seen.event.value & DRIVER_OK and not seen.device.status & DRIVER_OK:
            self.default(seen, "and set DRIVER_OK without it")

    def _kick(self, seen: Seen[QueueKicked]) -> None:
        debt = self.debts.pop(seen.place, None)
        if debt is not None:
            self.tests += 1
            self.fault(seen, f"{debt.what}, and used queue {seen.queue.index} without it")

    hears: ClassVar[Hears] = {
        **LAPSES,
        QueueFieldWritten: _write,
        QueueVectorRead: _read,
        StatusWritten: _write_status,
        QueueKicked: _kick,
    }


def is_asked_for(queue: QueueState, side: str, old: int, new: int, otherwise: bool) -> bool:
    """Return whether a side wants to be notified of what moves an index from `old` to `new`.

    The index of an event is reached if it lies among the entries just written (2.7.7.2, 2.8.7):
    its distance from `old` is less than that of `new`, in the arithmetic of the ring.

    Args:
        queue: The queue, with what both sides have said.
        side: Whose wish counts, the `driver`'s for used buffers, the `device`'s for available ones.
        old: The index before; packed: position times two plus wrap.
        new: The index after.
        otherwise: What to say of a side that the trace does not quote.
    """
    wish = queue.wishes.get(side)
    if wish is None:
        return otherwise
    mode, position = wish
    if mode != "at":
        return mode == "always"
    if queue.is_packed:
        modulus = 2 * queue.size
        old, new, position = (_linear(each, queue.size) for each in (old, new, position))
    else:
        modulus = IDX_MODULUS
    return (position - old) % modulus < (new - old) % modulus


def _linear(value: int, size: int) -> int:
    """Return a position with its wrap counter as one number of two rounds; wrap 1 comes first."""
    return (value >> 1) + (0 if value & 1 else size)


class UsedNotified(OwingRule):
    """N35."""

    rule = "N35"
    name = "virtio-n35-used-notified"
    claim = "A device notifies the driver of a used buffer of which the driver wants to know."
    formula = "G (used-published(q) and asked-for -> F used-notification(q))"
    antecedent = "used buffers of which the driver wants to know"
    section = "2.7.7.2; packed 2.8.7"
    blames = "device"

    def _publish(self, seen: Seen[UsedPublished]) -> None:
        queue, event = seen.queue, seen.event
        if is_asked_for(queue, "driver", queue.used_idx, event.idx, event.must_notify):
            what = f"{seen.device} had to notify its driver of used buffers of queue {queue.index}"
            self.owe(seen, what)

    def _notify(self, seen: Seen[NotificationSent]) -> None:
        self.pay(seen)

    def _wish(self, seen: Seen[SuppressionWritten]) -> None:
        if seen.event.side == "driver" and seen.event.mode == "never":
            self.debts.pop(seen.place, None)

    def _reset_queue(self, seen: Seen[QueueResetCompleted]) -> None:
        self.debts.pop(seen.place, None)

    def _write(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self.lapse(seen)

    def _suspend(self, seen: Seen[SuspendShown]) -> None:
        self.default(seen, "and showed SUSPEND without it")

    hears: ClassVar[Hears] = {
        **LAPSES,
        UsedPublished: _publish,
        NotificationSent: _notify,
        SuppressionWritten: _wish,
        QueueResetCompleted: _reset_queue,
        StatusWritten: _write,
        SuspendShown: _suspend,
        WorkerEnded: OwingRule.end_thread,
    }


class AvailableNotified(OwingRule):
    """N36.  Too many notifications are not judged: they have no effect on either side."""

    rule = "N36"
    name = "virtio-n36-available-notified"
    claim = "A driver notifies the device of an available buffer of which the device wants to know."
    formula = "G (available-published(q) and asked-for -> F available-notification(q))"
    antecedent = "available buffers of which the device wants to know"
    section = "2.7.10.1, 2.7.10.2, 2.7.7.1; packed 2.8.7"
    blames = "both"

    def _publish(self, seen: Seen[AvailablePublished]) -> None:
        queue, event = seen.queue, seen.event
        # Invariant: before DRIVER_OK the driver must not notify; when it makes up for that is left
        # open.
        if not seen.device.is_driver_ok and seen.device.offered >= 0:
            return
        if is_asked_for(queue, "device", queue.available_idx, event.idx, event.must_notify):
            what = f"the driver of {seen.device} had to notify queue {queue.index}"
            self.owe(seen, what)

    def _kick(self, seen: Seen[QueueKicked]) -> None:
        self.pay(seen)

    def _wish(self, seen: Seen[SuppressionWritten]) -> None:
        if seen.event.side == "device" and seen.event.mode == "never":
            self.debts.pop(seen.place, None)

    def _write(self, seen: Seen[StatusWritten]) -> None:
        if seen.event.value == 0:
            self.lapse(seen)

    hears: ClassVar[Hears] = {
        **LAPSES,
        AvailablePublished: _publish,
        QueueKicked: _kick,
        SuppressionWritten: _wish,
        StatusWritten: _write,
    }
