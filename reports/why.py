"""Says in one sentence why a run went wrong.

The sentence is put together from events alone: who acted, for which epoch, what led to it, and
which of the things that should have stopped it did not happen.  It claims nothing that the trace
does not show.
"""

from typing import NamedTuple

from ..model import trace as events
from ..model.addresses import frame_of
from ..model.trace import Record, Trace
from ..properties.verdict import Judgement, Violation
from .findings import detach_of, findings_of
from .frames import FREE, FrameLedger
from .why_iommu import missing_iommu
from .words import EXACT, about_ns


class Deed(NamedTuple):
    """A write or an interrupt that went against a claim.

    Attributes:
        violation: Where it stands.
        actor: The component that did it.
        epoch: For which.
        limit_ns: The teardown point that it came after, or its own instant if there is none.
        limit: What the teardown point is, in words.
    """

    violation: Violation
    actor: str
    epoch: int
    limit_ns: int
    limit: str


def why(trace: Trace, judgement: Judgement) -> str:
    """Return why the worst violation could happen, in one sentence; empty without violation."""
    found = findings_of(trace, judgement)
    if not found:
        return ""
    violation = found[0].first
    if not 0 <= violation.index < len(trace.records):
        return _sentence(violation.message)
    event = trace.records[violation.index].event
    if isinstance(event, events.DmaLanded):
        return _late_write(trace, violation, event.master, event.epoch, event.addr)
    if isinstance(event, events.CpuWriteLanded):
        return _late_write(trace, violation, event.writer, event.epoch, event.addr)
    if isinstance(event, events.IrqTaken):
        return _late_interrupt(trace, violation, event)
    return _sentence(f"{violation.message}{_unfinished(trace, violation)}")


def _late_write(trace: Trace, violation: Violation, actor: str, epoch: int, addr: int) -> str:
    ledger = FrameLedger(trace)
    frame = frame_of(addr)
    released = ledger.released_by(epoch, frame, violation.index)
    limit_ns = released.since_ns if released else violation.at_ns
    limit = f"the release of frame {frame:#x}" if released else "the write"
    deed = Deed(violation, actor, epoch, limit_ns, limit)
    owner = ledger.owner(frame, violation.index)
    if owner.epoch == FREE:
        then = "belonged to nobody"
    else:
        then = f"belonged to epoch {owner.epoch}" if owner.epoch else "belonged to the host"
    late = f", {_at(violation.at_ns - limit_ns)} late," if released else ""
    write = (
        f"its write for epoch {epoch}{_origin(trace, violation, actor)} landed at "
        f"{_at(violation.at_ns)}{late} in frame {frame:#x}, which then {then}"
    )
    parts = [missing_stop(trace, deed), write]
    if isinstance(trace.records[violation.index].event, events.DmaLanded):
        parts.append(missing_iommu(trace, deed.violation.index, deed.actor, deed.epoch))
    return _sentence("; ".join(part for part in parts if part))


def _late_interrupt(trace: Trace, violation: Violation, event: events.IrqTaken) -> str:
    raised = _raised(trace, violation, event)
    actor = raised.event.device if raised and isinstance(raised.event, events.IrqAsserted) else ""
    detached_ns = detach_of(trace, event, violation.index)
    limit_ns, limit = violation.at_ns, "the interrupt"
    if detached_ns is not None:
        limit_ns, limit = detached_ns, f"the detach of irq {event.intid}"
    deed = Deed(violation, actor, event.epoch, limit_ns, limit)
    by = f", raised by {actor} at {_at(raised.at_ns)}," if raised and actor else ""
    taken = f"irq {event.intid} of epoch {event.epoch}{by} was taken"
    late = (
        f", {_at(violation.at_ns - limit_ns)} after {limit}" if limit_ns < violation.at_ns else ""
    )
    parts = [
        missing_stop(trace, deed) if actor else "",
        taken + f" at {_at(violation.at_ns)}{late}",
        _open_route(trace, deed, event.intid),
    ]
    return _sentence("; ".join(part for part in parts if part))


def _open_route(trace: Trace, deed: Deed, intid: int) -> str:
    """Return why the actor's messages still found their way at the teardown point."""
    state = ""
    for record in trace.records[: deed.violation.index]:
        event = record.event
        routes = events.IrqRouteMapped | events.IrqRouteRemoved | events.IrqRouteSynced
        if not isinstance(event, routes) or record.at_ns > deed.limit_ns:
            continue
        if (event.device, event.intid, event.epoch) == (deed.actor, intid, deed.epoch):
            state = type(event).__name__
    if state == "IrqRouteMapped":
        return f"the route of its messages to irq {intid} was still there"
    if state == "IrqRouteRemoved":
        return f"the removal of its route to irq {intid} was not synced"
    if state == "IrqRouteSynced":
        return f"its route to irq {intid} had been removed and synced, and yet it was followed"
    return ""


def _raised(trace: Trace, violation: Violation, event: events.IrqTaken) -> Record | None:
    for index in trace.causes_of(violation.index):
        cause = trace.records[index]
        if isinstance(cause.event, events.IrqAsserted) and cause.event.intid == event.intid:
            return cause
    for record in reversed(trace.records[: violation.index]):
        if isinstance(record.event, events.IrqAsserted) and (
            record.event.intid,
            record.event.epoch,
        ) == (event.intid, event.epoch):
            return record
    return None


def _origin(trace: Trace, violation: Violation, actor: str) -> str:
    """Return how the write came about, as far back as its chain of causes shows."""
    words: dict[str, str] = {}
    for index in trace.causes_of(violation.index):
        record = trace.records[index]
        event = record.event
        if isinstance(event, events.DmaLanded | events.CpuWriteLanded | events.RequestCompleted):
            break
        said = _step_of_origin(event, actor)
        if said:
            words.setdefault(type(event).__name__, f"{said} at {_at(record.at_ns)}")
        if isinstance(event, events.FrameArrived | events.BackendRequestBegun):
            break
    return f" ({', '.join(reversed(words.values()))})" if words else ""


def _step_of_origin(event: events.AnyEvent, actor: str) -> str:
    if isinstance(event, events.BackendRequestBegun):
        return f"part of a {event.operation} that {event.server} accepted"
    if isinstance(event, events.FrameArrived):
        return "for a frame that arrived" if event.device == actor else ""
    if isinstance(event, events.DmaFetched):
        return "its descriptor was read" if event.master == actor else ""
    if isinstance(event, events.DmaIssued):
        return "it left the device" if event.master == actor else ""
    if isinstance(event, events.DmaTranslated):
        return "it passed the IOMMU" if event.master == actor else ""
    return ""


def missing_stop(trace: Trace, deed: Deed) -> str:
    """Return what was done, or not done, to stop the actor before the teardown point."""
    end_ns = _end_of_guest(trace, deed)
    until = f"{deed.limit} at {_at(deed.limit_ns)}"
    between = f"between the end of the guest at {_at(end_ns)} and {until}"
    if end_ns < 0:
        between = f"before {until}"
    own = _steps(trace, deed, of_actor=True)
    if not own:
        return (
            f"{deed.actor} was never told to stop: no quiesce step ran for it {between}"
            f"{_steps_of_others(trace, deed)}"
        )
    for record in own:
        if isinstance(record.event, events.StopConfirmed):
            return (
                f"{deed.actor} was confirmed quiet at {_at(record.at_ns)}, "
                f"before {until}, and yet went on"
            )
    names = []
    for record in own:
        event = record.event
        if isinstance(event, events.QuiesceStepEnded) and event.outcome == "timed_out":
            return (
                f"the quiesce step {event.step} of {deed.actor} timed out at "
                f"{_at(record.at_ns)}, and nobody saw it stop before {until}"
            )
        if isinstance(event, events.QuiesceStepBegun):
            names.append(event.step)
    steps = " and ".join(names)
    return f"{deed.actor} was told to stop ({steps}), but nobody saw it stop before {until}"


def _steps_of_others(trace: Trace, deed: Deed) -> str:
    """Return what the quiesce steps for the same epoch came to that were not the actor's."""
    others = _steps(trace, deed, of_actor=False)
    for record in others:
        event = record.event
        if isinstance(event, events.QuiesceStepEnded) and event.outcome == "timed_out":
            return f", and the step {event.step} of {event.device} timed out at {_at(record.at_ns)}"
    begun = [each.event for each in others if isinstance(each.event, events.QuiesceStepBegun)]
    if not begun:
        return ""
    return f", but only for {' and '.join(sorted({event.device for event in begun}))}"


def _steps(trace: Trace, deed: Deed, *, of_actor: bool) -> list[Record]:
    return [
        record
        for record in trace.records[: deed.violation.index]
        if record.at_ns <= deed.limit_ns
        and isinstance(
            record.event,
            events.QuiesceStepBegun | events.QuiesceStepEnded | events.StopConfirmed,
        )
        and record.event.epoch == deed.epoch
        and (record.event.device == deed.actor) == of_actor
    ]


def _end_of_guest(trace: Trace, deed: Deed) -> int:
    ends = [
        record.at_ns
        for record in trace.records[: deed.violation.index]
        if isinstance(record.event, events.GuestEnded | events.TerminationBegun)
        and record.event.epoch == deed.epoch
    ]
    return min(ends, default=-1)


def _unfinished(trace: Trace, violation: Violation) -> str:
    """Return the quiesce step that was still running, if one was."""
    running: dict[tuple[str, int, str], int] = {}
    for record in trace.records[: violation.index + 1]:
        event = record.event
        if isinstance(event, events.QuiesceStepBegun):
            running[event.device, event.epoch, event.step] = record.at_ns
        elif isinstance(event, events.QuiesceStepEnded):
            running.pop((event.device, event.epoch, event.step), None)
    if not running:
        return ""
    (device, _, step), since_ns = min(running.items(), key=lambda item: item[1])
    return f"; the quiesce step {step} of {device} had been running since {_at(since_ns)}"


def _at(value_ns: int) -> str:
    return about_ns(value_ns, EXACT)


def _sentence(text: str) -> str:
    return f"{text[:1].upper() if not _is_name(text) else text[:1]}{text[1:]}."


def _is_name(text: str) -> bool:
    """Return whether the text begins with the name of a component, which keeps its case."""
    return text.split(" ", 1)[0] not in ("the", "its", "no", "a")
