"""Finds the culprit of a violation: the component, its epoch, and the limit that it passed."""

from typing import NamedTuple

from ...model.base.addresses import frame_of
from ...model.trace import events
from ...model.trace.events import NO_CAUSE, Trace
from ...properties.core.verdict import Judgement, Violation
from .clauses import RecordTimes
from .findings import READS, WRITES, Finding, actor_of, findings_of
from .frames import FrameLedger, Ownership

__all__ = ["Culprit", "culprit_of", "main_finding"]


class Culprit(NamedTuple):
    """The component behind a violation.

    Attributes:
        property: Name of the violated property.
        violation: The violation.
        actor: The device, vdev or process that did it; empty if no single one did.
        epoch: The epoch that it worked for; 0 if none.
        vm: The VM of that epoch; empty if unknown.
        frame: The frame that was hit, or -1.
        owner: The owner of the frame then; None if no frame was hit.
        limit: The record of the earlier release or detach, or -1.
    """

    property: str
    violation: Violation
    actor: str
    epoch: int
    vm: str
    frame: int = -1
    owner: Ownership | None = None
    limit: int = NO_CAUSE


def main_finding(trace: Trace, judgement: Judgement) -> Finding | None:
    """Return the finding to explain: the worst, and of several the first; None without any."""
    found = [
        each for each in findings_of(trace, judgement) if 0 <= each.first.index < len(trace.records)
    ]
    return found[0] if found else None


def culprit_of(trace: Trace, finding: Finding) -> Culprit:
    """Return the culprit of a finding; its first violation must lie in the trace."""
    violation, name = finding.first, finding.names[0]
    event = trace.records[violation.index].event
    data = violation.data
    said = data.get("writer") or data.get("device") or ""
    epoch = int(data.get("epoch", getattr(event, "epoch", 0)))
    vm = _vm_of(trace, epoch)
    if isinstance(event, (*WRITES, *READS)):
        actor = actor_of(event)
        frame = frame_of(event.addr)
        ledger = FrameLedger(trace)
        # Invariant: a landing at the instant of a release counts as after it, whichever record
        # comes first.
        end = RecordTimes(trace).end_of_instant(violation.index)
        owner = ledger.owner(frame, end)
        released = ledger.released_by(event.epoch, frame, end)
        limit = released.index if released is not None else NO_CAUSE
        return Culprit(name, violation, actor, event.epoch, vm, frame, owner, limit)
    if isinstance(event, events.IrqTaken):
        end = RecordTimes(trace).end_of_instant(violation.index)
        limit = _detach_before(trace, event, end)
        actor = str(said) or _raiser(trace, event, violation.index)
        return Culprit(name, violation, actor, event.epoch, vm, limit=limit)
    return Culprit(name, violation, str(said), epoch, vm)


def _vm_of(trace: Trace, epoch: int) -> str:
    for record in trace.records:
        event = record.event
        if isinstance(event, events.FramesGranted | events.VmStarted) and event.epoch == epoch:
            return event.vm
    return ""


def _detach_before(trace: Trace, taken: events.IrqTaken, before: int) -> int:
    for index in range(before - 1, -1, -1):
        gone = trace.records[index].event
        if isinstance(gone, events.IrqDetached) and (gone.intid, gone.epoch) == (
            taken.intid,
            taken.epoch,
        ):
            return index
    return NO_CAUSE


def _raiser(trace: Trace, taken: events.IrqTaken, before: int) -> str:
    for index in range(before - 1, -1, -1):
        event = trace.records[index].event
        if isinstance(event, events.IrqAsserted) and (event.intid, event.epoch) == (
            taken.intid,
            taken.epoch,
        ):
            return event.device
    return ""
