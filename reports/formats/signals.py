"""Turns a trace into signals: named values that change, for waveform viewers and counters.

There are four kinds of signal:

- a `wire` is 0 or 1;
- a `count` is a number;
- a `text` is a word or empty;
- a `pulse` has no value but instants.

The trace has separate events for the stages of a write or an interrupt. The signals turn them into
levels, so that the reader sees how much is in flight at a release.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ...model.trace import events as ev
from ...model.trace.event_base import TraceEvent
from ...model.trace.events import Record

Kind = Literal["wire", "count", "text", "pulse"]


class Signal(NamedTuple):
    """A named value of a component.

    Attributes:
        scope: The component's dotted name.
        name: Name of the value.
        kind: Kind of the signal.
    """

    scope: str
    name: str
    kind: Kind


Value = int | str
Change = tuple[Signal, Value]
"""A signal and the value that it takes; of a pulse, 1."""

EVENT = "event"
"""The text of each component that names its latest event."""


class SignalReader:
    """Turns records into changes of signals, one after the other; remembers counts alone."""

    def __init__(self) -> None:
        self._signals: dict[tuple[str, str], Signal] = {}
        self._counts: dict[Signal, int] = {}
        self._latest: dict[tuple[str, type], Change] = {}

    def changes(self, record: Record) -> list[Change]:
        """Return what a record changes; the component's latest event first."""
        event = record.event
        kind = type(event)
        key = (record.source, kind)
        latest = self._latest.get(key)
        if latest is None:
            signal = self.signal(record.source, EVENT, "text")
            latest = self._latest[key] = (signal, kind.__name__)
        rule = _RULES.get(kind)
        return [latest] if rule is None else [latest, *rule(event, self)]

    @staticmethod
    def has_signals(event: TraceEvent) -> bool:
        """Return whether an event changes more than the latest event of its component."""
        return event.__class__ in _RULES

    def signal(self, scope: str, name: str, kind: Kind) -> Signal:
        """Return the one signal of this name."""
        key = (scope, name)
        known = self._signals.get(key)
        if known is None:
            known = self._signals[key] = Signal(scope, name, kind)
        return known

    def counted(self, scope: str, name: str, by: int) -> Change:
        """Return the change of a count; a trace without its beginning never counts below 0."""
        signal = self.signal(scope, name, "count")
        value = self._counts[signal] = max(self._counts.get(signal, 0) + by, 0)
        return signal, value

    def pulse(self, scope: str, name: str) -> Change:
        """Return an instant."""
        return self.signal(scope, name, "pulse"), 1

    def wire(self, scope: str, name: str, value: bool) -> Change:
        """Return a level."""
        return self.signal(scope, name, "wire"), int(value)

    def text(self, scope: str, name: str, value: str) -> Change:
        """Return a word."""
        return self.signal(scope, name, "text"), value

    def number(self, scope: str, name: str, value: int) -> Change:
        """Return a number that is set and not counted."""
        return self.signal(scope, name, "count"), value


Rule = Callable[[Any, SignalReader], list[Change]]


def _vm_started(event: ev.VmStarted, to: SignalReader) -> list[Change]:
    return [to.wire(event.vm, "guest_runs", True), to.number(event.vm, "epoch", event.epoch)]


def _guest_ended(event: ev.GuestEnded, to: SignalReader) -> list[Change]:
    return [to.wire(event.vm, "guest_runs", False)]


def _termination_begun(event: ev.TerminationBegun, to: SignalReader) -> list[Change]:
    return [to.text(event.vm, "ending", event.cause)]


def _qvm_exited(event: ev.QvmExited, to: SignalReader) -> list[Change]:
    return [to.text(event.vm, "ending", ""), to.number(event.vm, "exit_status", event.status)]


def _callback_begun(event: ev.CallbackBegun, to: SignalReader) -> list[Change]:
    return [to.wire(event.vdev, "callback", True)]


def _callback_ended(event: ev.CallbackEnded, to: SignalReader) -> list[Change]:
    return [to.wire(event.vdev, "callback", False)]


def _worker_ended(event: ev.WorkerEnded, to: SignalReader) -> list[Change]:
    return [to.pulse(event.worker, f"worker_{event.manner}")]


def _frames_granted(event: ev.FramesGranted, to: SignalReader) -> list[Change]:
    return [to.counted("memory", f"frames_of_{event.vm}", event.count)]


def _frames_released(event: ev.FramesReleased, to: SignalReader) -> list[Change]:
    return [
        to.counted("memory", f"frames_of_{event.vm}", -event.count),
        to.pulse("memory", f"teardown_of_{event.vm}"),
    ]


def _frames_quarantined(event: ev.FramesQuarantined, to: SignalReader) -> list[Change]:
    return [
        to.counted("memory", f"frames_of_{event.vm}", -event.count),
        to.counted("memory", "frames_quarantined", event.count),
    ]


def _cpu_write_landed(event: ev.CpuWriteLanded, to: SignalReader) -> list[Change]:
    return [to.pulse(event.writer, "cpu_write")]


def _cpu_read(event: ev.CpuRead, to: SignalReader) -> list[Change]:
    return [to.pulse(event.reader, "cpu_read")]


def _dma_read(event: ev.DmaRead, to: SignalReader) -> list[Change]:
    return [to.pulse(event.master, "read")]


def _dma_issued(event: ev.DmaIssued, to: SignalReader) -> list[Change]:
    # Invariant: a message ends at the interrupt controller: no landing would lower its count again.
    is_message = event.content == "message"
    return [] if is_message else [to.counted(event.master, "in_flight", 1)]


def _dma_landed(event: ev.DmaLanded, to: SignalReader) -> list[Change]:
    return [to.counted(event.master, "in_flight", -1), to.pulse(event.master, "landed")]


def _dma_blocked(event: ev.DmaBlocked, to: SignalReader) -> list[Change]:
    return [to.counted(event.master, "in_flight", -1), to.pulse(event.master, "blocked")]


def _iommu_mapped(event: ev.IommuMapped, to: SignalReader) -> list[Change]:
    return [to.wire("iommu", f"{event.master}_mapped", True)]


def _iommu_unmapped(event: ev.IommuUnmapped, to: SignalReader) -> list[Change]:
    return [to.wire("iommu", f"{event.master}_mapped", False)]


def _irq(intid: int) -> str:
    return f"irq.{intid}" if intid >= 0 else "irq.virtual"


def _irq_attached(event: ev.IrqAttached, to: SignalReader) -> list[Change]:
    return [to.number(_irq(event.intid), "owner_epoch", event.epoch)]


def _irq_detached(event: ev.IrqDetached, to: SignalReader) -> list[Change]:
    owner = to.number(_irq(event.intid), "owner_epoch", 0)
    masked = [to.wire(_irq(event.intid), "masked", True)] if event.masked else []
    return [owner, *masked]


def _irq_asserted(event: ev.IrqAsserted, to: SignalReader) -> list[Change]:
    if event.kind == "level":
        return [to.wire(_irq(event.intid), "asserted", True)]
    return [to.pulse(_irq(event.intid), event.kind)]


def _irq_deasserted(event: ev.IrqDeasserted, to: SignalReader) -> list[Change]:
    return [to.wire(_irq(event.intid), "asserted", False)]


def _irq_taken(event: ev.IrqTaken, to: SignalReader) -> list[Change]:
    return [to.pulse(_irq(event.intid), "taken")]


def _irq_masked(event: ev.IrqMasked, to: SignalReader) -> list[Change]:
    return [to.wire(_irq(event.intid), "masked", True)]


def _irq_unmasked(event: ev.IrqUnmasked, to: SignalReader) -> list[Change]:
    return [to.wire(_irq(event.intid), "masked", False)]


def _irq_injected(event: ev.IrqInjected, to: SignalReader) -> list[Change]:
    return [to.pulse(event.vm, "irq_injected")]


def _step_begun(event: ev.QuiesceStepBegun, to: SignalReader) -> list[Change]:
    return [to.text(event.device, "quiesce_step", event.step)]


def _step_ended(event: ev.QuiesceStepEnded, to: SignalReader) -> list[Change]:
    return [to.text(event.device, "quiesce_step", "")]


def _stop_confirmed(event: ev.StopConfirmed, to: SignalReader) -> list[Change]:
    return [to.pulse(event.device, "stop_confirmed")]


def _request_submitted(event: ev.RequestSubmitted, to: SignalReader) -> list[Change]:
    return [to.counted(event.vdev, "requests", 1)]


def _request_completed(event: ev.RequestCompleted, to: SignalReader) -> list[Change]:
    return [to.counted(event.vdev, "requests", -1)]


def _backend_begun(event: ev.BackendRequestBegun, to: SignalReader) -> list[Change]:
    return [to.counted(event.server, "requests", 1)]


def _backend_ended(event: ev.BackendRequestEnded, to: SignalReader) -> list[Change]:
    return [to.counted(event.server, "requests", -1)]


_RULES: dict[type[TraceEvent], Rule] = {
    ev.VmStarted: _vm_started,
    ev.GuestEnded: _guest_ended,
    ev.TerminationBegun: _termination_begun,
    ev.QvmExited: _qvm_exited,
    ev.CallbackBegun: _callback_begun,
    ev.CallbackEnded: _callback_ended,
    ev.WorkerEnded: _worker_ended,
    ev.FramesGranted: _frames_granted,
    ev.FramesReleased: _frames_released,
    ev.FramesQuarantined: _frames_quarantined,
    ev.CpuWriteLanded: _cpu_write_landed,
    ev.CpuRead: _cpu_read,
    ev.DmaRead: _dma_read,
    ev.DmaIssued: _dma_issued,
    ev.DmaLanded: _dma_landed,
    ev.DmaBlocked: _dma_blocked,
    ev.IommuMapped: _iommu_mapped,
    ev.IommuUnmapped: _iommu_unmapped,
    ev.IrqAttached: _irq_attached,
    ev.IrqDetached: _irq_detached,
    ev.IrqAsserted: _irq_asserted,
    ev.IrqDeasserted: _irq_deasserted,
    ev.IrqTaken: _irq_taken,
    ev.IrqMasked: _irq_masked,
    ev.IrqUnmasked: _irq_unmasked,
    ev.IrqInjected: _irq_injected,
    ev.QuiesceStepBegun: _step_begun,
    ev.QuiesceStepEnded: _step_ended,
    ev.StopConfirmed: _stop_confirmed,
    ev.RequestSubmitted: _request_submitted,
    ev.RequestCompleted: _request_completed,
    ev.BackendRequestBegun: _backend_begun,
    ev.BackendRequestEnded: _backend_ended,
}
