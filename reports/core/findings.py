"""Groups the violations of a judgement into findings: with short labels, the worst first."""

from typing import NamedTuple

from ...model.base.addresses import frame_of
from ...model.trace import events
from ...model.trace.events import Trace
from ...properties.core.verdict import SEVERITIES, Judgement, Verdict, Violation
from .clauses import RecordTimes
from .frames import FREE, FrameLedger
from .words import about_ns

WRITES = (events.DmaLanded, events.CpuWriteLanded)
READS = (events.DmaRead, events.CpuRead)
"""How memory is changed, and how it is read: by a device, and by a host thread."""

Access = events.DmaLanded | events.CpuWriteLanded | events.DmaRead | events.CpuRead


class Finding(NamedTuple):
    """Violations of one property, or of several in the same record, by one component.

    Attributes:
        names: Names of the properties, in the order of the judgement.
        first: The earliest violation of the worst severity; the finding has its severity.
        violations: The violations that the verdict keeps, in the order of the trace; at least one.
        label: Names `first` in a few words.
        more: How many further violations the properties have.
    """

    names: tuple[str, ...]
    first: Violation
    violations: tuple[Violation, ...]
    label: str
    more: int


def actor_of(access: Access) -> str:
    """Return the bus master or host thread that has written or read memory."""
    match access:
        case events.DmaLanded(master=actor) | events.DmaRead(master=actor):
            return actor
        case events.CpuWriteLanded(writer=actor) | events.CpuRead(reader=actor):
            return actor


def first_of_worst(violations: tuple[Violation, ...]) -> Violation:
    """Return the earliest among the violations of the worst severity; there is at least one."""
    return max(violations, key=lambda each: (SEVERITIES.index(each.severity), -each.index))


def findings_of(trace: Trace, judgement: Judgement) -> list[Finding]:
    """Return the findings of a judgement: the worst first, then in the order of the trace."""
    ledger = FrameLedger(trace)
    found = []
    for verdict in judgement.verdicts:
        groups: dict[str, list[Violation]] = {}
        for violation in verdict.violations:
            groups.setdefault(_actor(trace, violation), []).append(violation)
        found += [_finding(trace, ledger, verdict, tuple(group)) for group in groups.values()]
    return sorted(_joined(found), key=_rank)


def _joined(found: list[Finding]) -> list[Finding]:
    """Return the findings, with those of the same record joined."""
    by_record: dict[int, Finding] = {}
    for one in found:
        other = by_record.setdefault(one.first.index, one)
        if other is not one:
            violations = {each.index: each for each in (*other.violations, *one.violations)}
            by_record[one.first.index] = Finding(
                other.names + one.names,
                first_of_worst((other.first, one.first)),
                tuple(violations[index] for index in sorted(violations)),
                other.label,
                max(other.more, one.more),
            )
    return list(by_record.values())


def _rank(finding: Finding) -> tuple[int, int]:
    return -SEVERITIES.index(finding.first.severity), finding.first.index


def _finding(
    trace: Trace, ledger: FrameLedger, verdict: Verdict, group: tuple[Violation, ...]
) -> Finding:
    first = first_of_worst(group)
    label = label_of(trace, ledger, first)
    hidden = verdict.violation_count - len(verdict.violations)
    return Finding((verdict.property,), first, group, label, len(group) - 1 + hidden)


def _actor(trace: Trace, violation: Violation) -> str:
    event = _event(trace, violation)
    if isinstance(event, (*WRITES, *READS)):
        return actor_of(event)
    if isinstance(event, events.RegistersHit | events.DmaBlocked | events.DmaReadBlocked):
        return event.master
    if isinstance(event, events.IrqTaken | events.IrqInjected):
        return f"irq {event.intid}"
    return ""


def _event(trace: Trace, violation: Violation) -> events.AnyEvent | None:
    inside = 0 <= violation.index < len(trace.records)
    return trace.records[violation.index].event if inside else None


def label_of(trace: Trace, ledger: FrameLedger, violation: Violation) -> str:
    """Return the violation in a few words; its own message if its record is of no known kind."""
    event = _event(trace, violation)
    if isinstance(event, (*WRITES, *READS)):
        return _access_label(trace, ledger, violation, event)
    if isinstance(event, events.RegistersHit):
        return f"{event.master} writes registers of {event.device} for epoch {event.epoch}"
    if isinstance(event, events.IrqTaken):
        late = _after_detach(trace, event, violation)
        return f"irq {event.intid} taken for epoch {event.epoch}{late}"
    if isinstance(event, events.IrqInjected) and event.requested_epoch != event.epoch:
        of = f"irq {event.intid} of epoch {event.requested_epoch}"
        return f"{of} injected into epoch {event.epoch}"
    return violation.message


def _access_label(trace: Trace, ledger: FrameLedger, violation: Violation, access: Access) -> str:
    frame, epoch = frame_of(access.addr), access.epoch
    # Invariant: a landing at the instant of a release counts as after it, whichever record comes
    # first.
    end = RecordTimes(trace).end_of_instant(violation.index)
    owner = ledger.owner(frame, end)
    whose = "that no VM owns" if owner.epoch == FREE else f"of epoch {owner.epoch}"
    if owner.epoch == 0:
        whose = "of the host"
    released = ledger.released_by(epoch, frame, end)
    late = f", {about_ns(violation.at_ns - released.since_ns)} late" if released else ""
    does = "reads" if isinstance(access, READS) else "writes"
    return f"{actor_of(access)} {does} frame {frame:#x} {whose}{late}"


def _after_detach(trace: Trace, event: events.IrqTaken, violation: Violation) -> str:
    detached_ns = detach_of(trace, event, RecordTimes(trace).end_of_instant(violation.index))
    if detached_ns is None:
        return ""
    return f", {about_ns(violation.at_ns - detached_ns)} after its detach"


def detach_of(trace: Trace, taken: events.IrqTaken, before: int) -> int | None:
    """Return when the epoch of an interrupt detached from its line, if it did before a record."""
    for record in reversed(trace.records[:before]):
        gone = record.event
        if not isinstance(gone, events.IrqDetached):
            continue
        if (gone.intid, gone.epoch) == (taken.intid, taken.epoch):
            return record.at_ns
    return None
