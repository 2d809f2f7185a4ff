"""Says how a late interrupt was raised, what kept it pending, and what let it out."""

from ...model.trace import events
from ...model.trace.events import NO_CAUSE
from ..core.clauses import Clause, RecordTimes
from .why_stop import MASKING, Deed, stop_clauses

__all__ = ["interrupt_clauses", "interrupt_deed"]


def interrupt_deed(times: RecordTimes, index: int) -> Deed:
    """Return the deed of an interrupt that was taken: source, epoch, and the detach before it."""
    taken = times.records[index].event
    assert isinstance(taken, events.IrqTaken)
    raised = _raised(times, index, taken)
    actor, begun = "", index
    if raised != NO_CAUSE:
        asserted = times.records[raised].event
        assert isinstance(asserted, events.IrqAsserted)
        actor, begun = asserted.device, raised
    detached = _detach(times, index, taken)
    if detached == NO_CAUSE:
        return Deed(index, actor, taken.epoch, begun, index, "the interrupt")
    words = f"the detach from irq {taken.intid}"
    return Deed(index, actor, taken.epoch, begun, detached, words)


def interrupt_clauses(times: RecordTimes, index: int) -> list[Clause]:
    """Return why an interrupt could be taken when it was."""
    deed = interrupt_deed(times, index)
    return [
        *stop_clauses(times, deed),
        *_raising(times, deed),
        *_letting_out(times, deed),
        *_taking(times, deed),
        *_open_route(times, deed),
    ]


def _raised(times: RecordTimes, index: int, taken: events.IrqTaken) -> int:
    """Return the assertion that is taken: the last latch that no CPU took, or else a level.

    A latch is taken before a level, and of several levels the one that has stood longest.
    """
    key = (taken.intid, taken.epoch)
    latched = NO_CAUSE
    levels: dict[tuple[str, int], int] = {}
    for at, record in enumerate(times.records[:index]):
        event = record.event
        if getattr(event, "intid", NO_CAUSE) != taken.intid:
            continue
        if isinstance(event, events.IrqAsserted):
            if (event.intid, event.epoch) == key and event.kind != "level":
                latched = at
            elif event.kind == "level":
                levels.setdefault((event.device, event.epoch), at)
        elif isinstance(event, events.IrqDeasserted):
            levels.pop((event.device, event.epoch), None)
        elif isinstance(event, events.IrqTaken) and (event.intid, event.epoch) == key:
            latched = NO_CAUSE
    if latched != NO_CAUSE:
        return latched
    return min((at for (_, epoch), at in levels.items() if epoch == taken.epoch), default=NO_CAUSE)


def _detach(times: RecordTimes, index: int, taken: events.IrqTaken) -> int:
    """Return the last detach of its epoch, up to the end of the instant at which it is taken."""
    for before in range(times.end_of_instant(index) - 1, -1, -1):
        event = times.records[before].event
        if isinstance(event, events.IrqDetached) and (event.intid, event.epoch) == (
            taken.intid,
            taken.epoch,
        ):
            return before
    return NO_CAUSE


def _about(times: RecordTimes, deed: Deed) -> dict[str, str | int]:
    taken = times.records[deed.index].event
    assert isinstance(taken, events.IrqTaken)
    return {"device": deed.actor, "epoch": deed.epoch, "intid": taken.intid}


def _raising(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return when it was raised, and why it was still there to be taken."""
    asserted = times.records[deed.begun].event
    if not isinstance(asserted, events.IrqAsserted):
        return []
    about = _about(times, deed)
    text = (
        f"{deed.actor} raised irq {asserted.intid} for epoch {deed.epoch} at {times.at(deed.begun)}"
    )
    parts = [Clause("raised", text, (deed.begun,), about)]
    if deed.begun > deed.limit:
        return parts
    if asserted.kind == "level":
        text = "and its line was left asserted"
        parts.append(Clause("left-asserted", text, (deed.begun, deed.index), about, " "))
    else:
        text = "and it stayed latched"
        parts.append(Clause("latched", text, (deed.begun, deed.index), about, " "))
    begun = [
        index
        for index, record in enumerate(times.records[: deed.index])
        if isinstance(record.event, events.QuiesceStepBegun)
        and (record.event.device, record.event.epoch) == (deed.actor, deed.epoch)
    ]
    names = [getattr(times.records[index].event, "step", "") for index in begun]
    if begun and not any(name.startswith(MASKING) for name in names):
        text = f"no step masked its interrupts ({', '.join(names)})"
        parts.append(Clause("no-mask-step", text, tuple(begun), about, ": "))
    return parts


def _letting_out(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return what unmasked the line between the raising and the taking, if it was masked."""
    about = _about(times, deed)
    unmasked, was_masked = NO_CAUSE, False
    for index in range(deed.begun + 1, deed.index):
        event = times.records[index].event
        if getattr(event, "intid", NO_CAUSE) != about["intid"]:
            continue
        if isinstance(event, events.IrqMasked):
            was_masked = True
        elif isinstance(event, events.IrqUnmasked):
            unmasked = index
    if unmasked == NO_CAUSE or unmasked < deed.limit:
        return []
    text = f"the line was unmasked at {times.at(unmasked)}"
    if was_masked:
        text = f"the line was masked, and unmasked at {times.at(unmasked)}"
    return [Clause("unmasked", text, (unmasked,), about), *_why_unmasked(times, unmasked, about)]


def _why_unmasked(times: RecordTimes, unmasked: int, about: dict[str, str | int]) -> list[Clause]:
    """Return what made the kernel unmask a line: an attach, an answer, or its own reason."""
    for cause in times.trace.causes_of(unmasked):
        event = times.records[cause].event
        if not times.is_tie(cause, unmasked):
            break
        if not isinstance(event, events.IrqAttached | events.IrqHandled):
            continue
        if event.intid != about["intid"]:
            continue
        whom = f"epoch {event.epoch} of {event.owner}" if event.epoch else event.owner
        about = {**about, "owner": event.owner, "new_epoch": event.epoch}
        if isinstance(event, events.IrqAttached):
            text = f"when {whom} attached to it"
            return [Clause("attached", text, (cause, unmasked), about, " ")]
        text = f"when {whom} had handled an interrupt"
        return [Clause("handled", text, (cause, unmasked), about, " ")]
    reason = getattr(times.records[unmasked].event, "reason", "")
    return [Clause("reason", f"({reason})", (unmasked,), about, " ")]


def _taking(times: RecordTimes, deed: Deed) -> list[Clause]:
    about = _about(times, deed)
    text = f"irq {about['intid']} of epoch {deed.epoch} was taken at {times.at(deed.index)}"
    parts = [Clause("taken", text, (deed.index,), about)]
    if deed.limit == deed.index:
        return parts
    records = (deed.limit, deed.index)
    if times.is_tie(deed.limit, deed.index):
        order = "detach, then interrupt" if deed.limit < deed.index else "interrupt, then detach"
        text = (
            "at the very instant of its detach, and a tie counts as after the detach (in the "
            f"record: {order})"
        )
        return [*parts, Clause("tie", text, records, {**about, "order": order}, ", ")]
    text = f"{times.between(deed.limit, deed.index)} after the detach"
    return [*parts, Clause("late", text, records, about, ", ")]


_ROUTES = events.IrqRouteMapped | events.IrqRouteRemoved | events.IrqRouteSynced


def _open_route(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return why a message that was sent after the detach still reached the controller."""
    about = _about(times, deed)
    last = NO_CAUSE
    for index, record in enumerate(times.records[: deed.begun]):
        event = record.event
        if isinstance(event, _ROUTES) and (event.device, event.intid, event.epoch) == (
            deed.actor,
            about["intid"],
            deed.epoch,
        ):
            last = index
    if last == NO_CAUSE or deed.begun < deed.limit:
        return []
    event = times.records[last].event
    if isinstance(event, events.IrqRouteMapped):
        text = f"the route of its messages to irq {about['intid']} was still there"
        return [Clause("route-there", text, (last,), about)]
    if isinstance(event, events.IrqRouteRemoved):
        text = (
            f"the removal of its route to irq {about['intid']} at {times.at(last)} was not synced "
            "by then"
        )
        return [Clause("route-not-synced", text, (last, deed.begun), about)]
    text = (
        f"its route to irq {about['intid']} had been removed and synced at {times.at(last)}, and "
        "yet it was followed"
    )
    return [Clause("route-followed", text, (last, deed.begun), about)]
