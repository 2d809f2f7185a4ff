"""Checks of the clauses about interrupts, against the raw records."""

from collections.abc import Callable, Iterator

from quiesce.model.trace import events as ev

from .clause_case import MASKS, Case, steps_of, wrong


def _raised(case: Case) -> Iterator[str]:
    event = case.event(0)
    is_raised = isinstance(event, ev.IrqAsserted) and case.is_own(event)
    intid = getattr(event, "intid", -1)
    yield from wrong(case, (is_raised and intid == case.clause.about["intid"], "not raised"))
    yield from wrong(case, (case.clause.records[0] < case.end, "raised later"))


def _left_asserted(case: Case) -> Iterator[str]:
    yield from _raised(case)
    lowered = [
        each
        for each in case.between(*case.clause.records)
        if isinstance(each, ev.IrqDeasserted)
        and (each.device, each.intid) == (case.device, case.clause.about["intid"])
    ]
    is_level = getattr(case.event(0), "kind", "") == "level"
    yield from wrong(case, (is_level, "no level"), (not lowered, "it was lowered"))
    yield from wrong(case, (case.clause.records[1] == case.end, "not up to the violation"))


def _latched(case: Case) -> Iterator[str]:
    yield from _raised(case)
    taken = [
        each
        for each in case.between(*case.clause.records)
        if isinstance(each, ev.IrqTaken)
        and (each.intid, each.epoch) == (case.clause.about["intid"], case.epoch)
    ]
    is_latch = getattr(case.event(0), "kind", "level") != "level"
    yield from wrong(case, (is_latch, "a level is not latched"), (not taken, "it was taken"))
    yield from wrong(case, (case.clause.records[1] == case.end, "not up to the violation"))


def _no_mask_step(case: Case) -> Iterator[str]:
    steps = steps_of(case, case.end)
    backing = [case.event(place) for place in range(len(case.clause.records))]
    yield from wrong(
        case,
        (steps == backing, "not all its steps"),
        (not any(step.step.startswith(MASKS) for step in steps), "a step masked them"),
    )


def _unmasked(case: Case) -> Iterator[str]:
    event, index = case.event(0), case.clause.records[0]
    intid = case.clause.about["intid"]
    masked = [
        each
        for each in case.between(-1, index)
        if isinstance(each, ev.IrqMasked) and each.intid == intid
    ]
    says_masked = "was masked, and" in case.clause.text
    is_it = isinstance(event, ev.IrqUnmasked) and event.intid == intid
    reason = getattr(event, "reason", "")
    is_reason = case.clause.kind != "reason" or case.clause.text == f"({reason})"
    yield from wrong(
        case,
        (is_it and index < case.end, "not unmasked"),
        (not says_masked or bool(masked), "it was not masked before"),
        (is_reason, "for another reason"),
    )


def _brought_about(case: Case) -> Iterator[str]:
    cause, unmasked = case.clause.records
    event = case.event(0)
    kind = ev.IrqAttached if case.clause.kind == "attached" else ev.IrqHandled
    about = case.clause.about
    is_it = isinstance(event, kind) and (event.intid, event.owner, event.epoch) == (
        about["intid"],
        about["owner"],
        about["new_epoch"],
    )
    yield from wrong(
        case,
        (is_it, "no such thing happened"),
        (isinstance(case.event(1), ev.IrqUnmasked), "nothing was unmasked"),
        (cause in case.trace.causes_of(unmasked), "it is no cause of the unmasking"),
        (case.at(0).at_ns == case.at(1).at_ns, "it was at another time"),
    )


def _taken(case: Case) -> Iterator[str]:
    event = case.event(0)
    is_it = isinstance(event, ev.IrqTaken) and event.epoch == case.epoch
    yield from wrong(case, (is_it and case.clause.records == (case.end,), "not the violation"))


def _route(case: Case) -> Iterator[str]:
    intid = case.clause.about["intid"]
    begun = case.clause.records[-1] if len(case.clause.records) > 1 else case.end
    routes = ev.IrqRouteMapped | ev.IrqRouteRemoved | ev.IrqRouteSynced
    asserted = max(
        (
            index
            for index in range(case.end)
            if isinstance(case.records[index].event, ev.IrqAsserted)
            and case.is_own(case.records[index].event)
        ),
        default=begun,
    )
    last = [
        index
        for index in range(asserted)
        if isinstance(case.records[index].event, routes)
        and case.is_own(case.records[index].event)
        and getattr(case.records[index].event, "intid", -1) == intid
    ]
    kind = {
        "route-there": ev.IrqRouteMapped,
        "route-not-synced": ev.IrqRouteRemoved,
        "route-followed": ev.IrqRouteSynced,
    }[case.clause.kind]
    yield from wrong(
        case,
        (isinstance(case.event(0), kind), "the route was in another state"),
        (last[-1:] == [case.clause.records[0]], "not the last of its route"),
    )


CHECKS: dict[str, Callable[[Case], Iterator[str]]] = {
    "raised": _raised,
    "left-asserted": _left_asserted,
    "latched": _latched,
    "no-mask-step": _no_mask_step,
    "unmasked": _unmasked,
    "reason": _unmasked,
    "attached": _brought_about,
    "handled": _brought_about,
    "taken": _taken,
    "route-there": _route,
    "route-not-synced": _route,
    "route-followed": _route,
}
