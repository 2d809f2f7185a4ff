"""Checks a clause of a sentence against the raw records: written apart from what makes the clauses.

For each kind of clause a function says what the records that back it must show.  It gives what is
wrong, in words; nothing for a clause that is true.
"""

import re
from collections.abc import Callable, Iterator

from quiesce.model.base.clock import parse_ns
from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Trace
from quiesce.properties.core.verdict import Violation
from quiesce.reports.core.clauses import Clause

from . import interrupt_clauses
from .clause_case import LOOKS, Case, steps_of, wrong

TIME = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:ns|us|ms|s)\b")
FRAME = re.compile(r"frame (0x[0-9a-f]+)")
EPOCH = re.compile(r"epoch (\d+)")


def faults_of(trace: Trace, violation: Violation, clause: Clause) -> list[str]:
    """Return what is wrong with a clause; empty if its records exist and imply what it says."""
    if not all(0 <= index < len(trace.records) for index in clause.records):
        return ["a record is not in the trace"]
    check = _CHECKS.get(clause.kind)
    if check is None:
        return [f"no check for clauses of the kind {clause.kind!r}"]
    case = Case(trace, violation, clause)
    return [*_numbers(case), *check(case)]


def _numbers(case: Case) -> Iterator[str]:
    """Give the instants, frames and epochs in the words that no record of the clause has."""
    if case.clause.kind == "said":
        return
    times = {case.records[index].at_ns for index in case.clause.records}
    distances = {abs(one - other) for one in times for other in times}
    for word in TIME.findall(case.clause.text):
        if parse_ns(word) not in times | distances:
            yield f"{word} is no instant of its records"
    epochs = {case.clause.about.get(key) for key in ("epoch", "owner", "new_epoch")}
    for word in EPOCH.findall(case.clause.text):
        if int(word) not in epochs:
            yield f"epoch {word} is not what it is about"
    for word in FRAME.findall(case.clause.text):
        # The frame of a teardown point stands in its words alone.
        if "frame" in case.clause.about and int(word, 16) != case.clause.about["frame"]:
            yield f"frame {word} is not what it is about"


# What was done to stop it.


def _never_told(case: Case) -> Iterator[str]:
    limit = case.clause.records[-1]
    confirmed = [
        record
        for record in case.records[: min(limit, case.end)]
        if isinstance(record.event, ev.StopConfirmed) and case.is_own(record.event)
    ]
    ends = [
        index
        for index, record in enumerate(case.records)
        if isinstance(record.event, ev.GuestEnded | ev.TerminationBegun)
        and record.event.epoch == case.epoch
    ]
    has_end = len(case.clause.records) == 2
    yield from wrong(
        case,
        (not steps_of(case, limit), "a step ran"),
        (not confirmed, "its stop was confirmed"),
        (not has_end or case.clause.records[0] == ends[0], "the guest did not end there"),
        (_is_limit(case, limit), "that is no teardown point"),
    )


def _is_limit(case: Case, index: int) -> bool:
    event = case.records[index].event
    if index == case.end:
        return True
    released = isinstance(event, ev.FramesReleased) and event.epoch == case.epoch
    detached = isinstance(event, ev.IrqDetached) and event.epoch == case.epoch
    return released or detached


def _step_timed_out(case: Case) -> Iterator[str]:
    event = case.event(0)
    yield from wrong(
        case,
        (
            isinstance(event, ev.QuiesceStepEnded)
            and case.is_own(event)
            and (event.step, event.outcome) == (case.clause.about["step"], "timed_out"),
            "no such step timed out",
        ),
        (case.clause.records[0] < case.end, "it timed out later"),
    )


def _timed_out(case: Case) -> Iterator[str]:
    yield from _step_timed_out(case)
    stop, limit = case.clause.records
    later = case.between(stop, min(limit, case.end))
    is_seen = any(isinstance(event, ev.StopConfirmed) and case.is_own(event) for event in later)
    yield from wrong(
        case,
        (not is_seen, "its stop was confirmed after that"),
        (_is_limit(case, limit), "that is no teardown point"),
    )


def _told_others(case: Case) -> Iterator[str]:
    for place in range(len(case.clause.records)):
        event = case.event(place)
        is_other = (
            isinstance(event, ev.QuiesceStepBegun)
            and event.epoch == case.epoch
            and event.device != case.device
        )
        yield from wrong(case, (is_other, "no step for another device of that epoch"))
        named = getattr(event, "device", "") in case.clause.text
        yield from wrong(case, (named, "the device is not named"))


def _not_confirmed(case: Case) -> Iterator[str]:
    limit = case.clause.records[-1]
    begun = [case.event(place) for place in range(len(case.clause.records) - 1)]
    seen = [
        record
        for record in case.records[: min(limit, case.end)]
        if isinstance(record.event, ev.StopConfirmed) and case.is_own(record.event)
    ]
    yield from wrong(
        case,
        (all(isinstance(each, ev.QuiesceStepBegun) for each in begun), "no steps back it"),
        (all(case.is_own(each) for each in begun), "they are not its own"),
        (all(getattr(each, "step", "?") in case.clause.text for each in begun), "unnamed step"),
        (not seen, "its stop was confirmed"),
        (_is_limit(case, limit), "that is no teardown point"),
    )


def _only_looked(case: Case) -> Iterator[str]:
    begun = list(map(case.event, range(len(case.clause.records))))
    steps = [event for event in begun if isinstance(event, ev.QuiesceStepBegun)]
    all_steps = steps_of(case, case.end)
    yield from wrong(
        case,
        (bool(steps) and all(map(case.is_own, steps)), "no step of its own backs it"),
        (all(step.step.startswith(LOOKS) for step in all_steps), "a step asked it to stop"),
        (len(begun) - len(steps) <= 1, "other records than steps and the teardown point"),
    )


def _confirmed(case: Case) -> Iterator[str]:
    event = case.event(0)
    before = case.clause.records[-1] if len(case.clause.records) > 1 else case.end
    later = list(case.between(case.clause.records[0], min(before, case.end)))
    timed_out = [
        each
        for each in later
        if isinstance(each, ev.QuiesceStepEnded)
        and case.is_own(each)
        and each.outcome == "timed_out"
    ]
    yield from wrong(
        case,
        (isinstance(event, ev.StopConfirmed) and case.is_own(event), "no confirmation"),
        (case.clause.records[0] < min(before, case.end), "it was confirmed later"),
        (not timed_out, "a step timed out after that"),
    )


def _after_confirmation(case: Case) -> Iterator[str]:
    first, second = case.event(0), case.event(1)
    yield from wrong(
        case,
        (isinstance(first, ev.StopConfirmed) and case.is_own(first), "no confirmation"),
        (case.clause.records[0] < case.clause.records[1] <= case.end, "not after it"),
        (case.is_own(second), "not of that device and epoch"),
    )


def _went_on(case: Case) -> Iterator[str]:
    yield from _after_confirmation(case)
    event, index = case.event(1), case.clause.records[1]
    active = (
        ev.FrameArrived
        | ev.DmaFetched
        | ev.DmaIssued
        | ev.CpuWriteLanded
        | ev.DmaRead
        | ev.CpuRead
        | ev.BackendRequestBegun
        | ev.IrqAsserted
    )
    leads = index in case.causes or index == case.end or isinstance(event, ev.IrqAsserted)
    yield from wrong(
        case,
        (isinstance(event, active), "that is nothing that a device does"),
        (leads, "it did not lead to the violation"),
    )


def _given_work(case: Case) -> Iterator[str]:
    yield from _after_confirmation(case)
    yield from wrong(case, (isinstance(case.event(1), ev.DmaRequested), "no work was given"))


def _on_its_way(case: Case) -> Iterator[str]:
    issued, confirmed, landed = case.clause.records
    yield from wrong(
        case,
        (isinstance(case.event(0), ev.DmaIssued) and case.is_own(case.event(0)), "not issued"),
        (issued in case.causes, "another write"),
        (isinstance(case.event(1), ev.StopConfirmed), "no confirmation"),
        (issued < confirmed < landed == case.end, "it was not on its way then"),
    )


def _still(case: Case) -> Iterator[str]:
    confirmed, end = case.clause.records
    active = ev.DmaFetched | ev.DmaIssued | ev.DmaRead | ev.IrqAsserted | ev.FrameArrived
    did = [
        each
        for each in case.between(confirmed, end)
        if isinstance(each, active) and case.is_own(each)
    ]
    yield from wrong(
        case,
        (isinstance(case.event(0), ev.StopConfirmed) and case.is_own(case.event(0)), "no stop"),
        (not did, "it went on"),
        (end == case.end, "it says nothing of the time up to the violation"),
    )


# How a write came about.


def _station(*kinds: type) -> Callable[[Case], Iterator[str]]:
    def check(case: Case) -> Iterator[str]:
        yield from wrong(
            case,
            (isinstance(case.event(0), kinds) and case.is_own(case.event(0)), "no such event"),
            (case.clause.records[0] in case.causes, "it is no cause of the violation"),
        )

    return check


def _fetched(case: Case) -> Iterator[str]:
    yield from _station(ev.DmaFetched)(case)
    event = case.event(0)
    issued = next(
        record.event
        for record in (case.records[index] for index in sorted(case.causes, reverse=True))
        if isinstance(record.event, ev.DmaIssued)
    )
    is_buffer = (
        isinstance(event, ev.DmaFetched) and event.addr <= issued.addr < event.addr + event.length
    )
    yield from wrong(case, (is_buffer, "the descriptor of another buffer"))


def _landed(case: Case) -> Iterator[str]:
    event = case.event(0)
    landed = isinstance(event, ev.DmaLanded | ev.CpuWriteLanded)
    addr = getattr(event, "addr", 0)
    yield from wrong(
        case,
        (case.clause.records == (case.end,), "not the violation"),
        (landed and case.is_own(event), "no write of that device and epoch"),
        (addr >> 12 == case.clause.about["frame"], "another frame"),
    )


def _read(case: Case) -> Iterator[str]:
    event = case.event(0)
    has_read = isinstance(event, ev.DmaRead | ev.CpuRead)
    yield from wrong(
        case,
        (case.clause.records == (case.end,), "not the violation"),
        (has_read and case.is_own(event), "no read of that device and epoch"),
        (getattr(event, "addr", 0) >> 12 == case.clause.about["frame"], "another frame"),
        (f" {getattr(event, 'length', -1)} bytes " in case.clause.text, "another length"),
    )


def _teardown_points(case: Case) -> list[int]:
    """Return the releases or detaches of that epoch, of the frame or line that is hit."""
    hit = case.records[case.end].event
    found = []
    for index, record in enumerate(case.records):
        event = record.event
        if record.at_ns > case.records[case.end].at_ns:
            break
        if getattr(event, "epoch", -1) != case.epoch:
            continue
        if isinstance(event, ev.FramesReleased) and hasattr(hit, "addr"):
            if event.first_frame <= hit.addr >> 12 < event.first_frame + event.count:
                found.append(index)
        elif isinstance(event, ev.IrqDetached) and event.intid == getattr(hit, "intid", -1):
            found.append(index)
    return found


def _late(case: Case) -> Iterator[str]:
    yield from wrong(
        case,
        (case.clause.records[1] == case.end, "not the violation"),
        (case.clause.records[0] == _teardown_points(case)[-1], "not its teardown point"),
        (case.at(0).at_ns < case.at(1).at_ns, "it is not late"),
    )


def _tie(case: Case) -> Iterator[str]:
    limit, end = case.clause.records
    first = "release" if isinstance(case.event(0), ev.FramesReleased) else "detach"
    is_first = case.clause.text.rstrip(")").split("in the record: ")[1].startswith(first)
    yield from wrong(
        case,
        (end == case.end, "not the violation"),
        (limit == _teardown_points(case)[-1], "not its teardown point"),
        (case.at(0).at_ns == case.at(1).at_ns, "no tie"),
        (is_first == (limit < end), "the order in the record is another"),
        ("a tie counts as after" in case.clause.text, "it does not say how a tie counts"),
    )


def _owner(case: Case) -> Iterator[str]:
    frame, owner, last = case.clause.about["frame"], -1, case.end
    for index, record in enumerate(case.records):
        event = record.event
        if record.at_ns > case.records[case.end].at_ns:
            break
        changes = ev.FramesGranted | ev.FramesReleased | ev.FramesQuarantined
        if isinstance(event, changes) and 0 <= int(frame) - event.first_frame < event.count:
            owner = -1 if isinstance(event, ev.FramesReleased) else event.epoch
            last = index
    said = "free" in case.clause.text or "no VM ever" in case.clause.text
    yield from wrong(
        case,
        (owner == case.clause.about["owner"], "another owner"),
        (last == case.clause.records[0], "not where it became so"),
        (said == (owner == -1), "its words say another thing"),
    )


# The IOMMU.


def _of_iommu(case: Case, before: int) -> list[ev.AnyEvent]:
    programmed = ev.IommuMapped | ev.IommuUnmapped | ev.DmaTranslated
    return [
        record.event
        for record in case.records[:before]
        if isinstance(record.event, programmed) and record.event.master == case.device
    ]


def _no_iommu(case: Case) -> Iterator[str]:
    has_part = any(part.kind == "iommu" for part in case.trace.header.parts)
    yield from wrong(case, (not has_part and not _of_iommu(case, case.end), "there is one"))


def _iommu_never_told(case: Case) -> Iterator[str]:
    yield from wrong(case, (not _of_iommu(case, case.end), "it was programmed, or let it pass"))


def _reset_open(case: Case) -> Iterator[str]:
    reset, passed = case.clause.records
    event = case.event(0)
    mapped = [
        each
        for each in case.between(reset, passed)
        if isinstance(each, ev.IommuMapped) and each.master == case.device
    ]
    yield from wrong(
        case,
        (isinstance(event, ev.IommuReset) and event.unprogrammed == "bypass", "no such reset"),
        (not mapped, "it was programmed again"),
        (passed in case.causes | {case.end}, "another write"),
    )


def _mapped(case: Case) -> Iterator[str]:
    mapped, passed = case.clause.records
    event, landing = case.event(0), case.records[case.end].event
    gone = [
        each
        for each in case.between(mapped, passed)
        if isinstance(each, ev.IommuReset)
        or (isinstance(each, ev.IommuUnmapped) and case.is_own(each))
    ]
    covers = (
        isinstance(event, ev.IommuMapped)
        and case.is_own(event)
        and event.host_addr <= getattr(landing, "addr", -1) < event.host_addr + event.length
    )
    yield from wrong(
        case,
        (covers, "no map that leads there"),
        (not gone, "it was gone by then"),
        (passed in case.causes | {case.end}, "another write"),
    )


def _on_its_way_over_removal(case: Case) -> Iterator[str]:
    records = case.clause.records
    passed, removed, end = records[0], records[1], records[-1]
    synced = [
        index
        for index in range(removed + 1, end)
        if isinstance(case.records[index].event, ev.IommuSynced)
        and case.is_own(case.records[index].event)
    ]
    is_early = case.clause.kind == "synced-too-early"
    yield from wrong(
        case,
        (isinstance(case.event(1), ev.IommuUnmapped) and case.is_own(case.event(1)), "no removal"),
        (passed < removed < end == case.end, "not while it was on its way"),
        (passed in case.causes, "another write"),
        (bool(synced) == is_early, "the sync came otherwise"),
        (not is_early or records[2] in synced, "another sync"),
    )


def _past_removal(case: Case) -> Iterator[str]:
    removed, passed = case.clause.records
    again = [
        each
        for each in case.between(removed, passed)
        if isinstance(each, ev.IommuMapped) and case.is_own(each)
    ]
    yield from wrong(
        case,
        (isinstance(case.event(0), ev.IommuUnmapped) and case.is_own(case.event(0)), "no removal"),
        (isinstance(case.event(1), ev.DmaTranslated) and passed in case.causes, "not passed"),
        (removed < passed, "it passed before"),
        (not again, "it was mapped again"),
    )


def _by_address(case: Case) -> Iterator[str]:
    mapped, passed = case.event(0), case.event(1)
    if not isinstance(mapped, ev.IommuMapped) or not isinstance(passed, ev.DmaTranslated):
        yield "no map and no passing"
        return
    led_to = mapped.host_addr + passed.addr - mapped.addr
    is_as_is = passed.host_addr == passed.addr != led_to
    is_old = passed.host_addr == led_to
    yield from wrong(
        case,
        (mapped.master == passed.master == case.device, "another device"),
        (mapped.addr <= passed.addr < mapped.addr + mapped.length, "another range"),
        (is_as_is if case.clause.kind == "untranslated" else is_old, "it took another way"),
    )


def _passed_as_is(case: Case) -> Iterator[str]:
    event = case.event(0)
    yield from wrong(
        case,
        (
            isinstance(event, ev.DmaTranslated) and event.host_addr == event.addr,
            "it was translated",
        ),
        (case.clause.records[0] in case.causes, "another write"),
    )


def _unanswered(case: Case) -> Iterator[str]:
    event = case.event(0)
    timed_out = isinstance(event, ev.AtcInvalidationEnded) and event.outcome == "timed_out"
    yield from wrong(
        case,
        (timed_out and getattr(event, "master", "") == case.device, "it has answered"),
        (case.clause.records[0] < case.end, "later"),
    )


# Anything else.


def _said(case: Case) -> Iterator[str]:
    yield from wrong(
        case,
        (case.clause.records == (case.end,), "not the violation"),
        (case.clause.text == case.violation.message, "not its words"),
    )


def _still_running(case: Case) -> Iterator[str]:
    event, since = case.event(0), case.clause.records[0]
    step = case.clause.about["step"]
    ended = [
        each
        for each in case.between(since, case.end + 1)
        if isinstance(each, ev.QuiesceStepEnded) and case.is_own(each) and each.step == step
    ]
    is_it = isinstance(event, ev.QuiesceStepBegun) and case.is_own(event) and event.step == step
    yield from wrong(case, (is_it, "no such step"), (not ended, "it was over"))


_CHECKS: dict[str, Callable[[Case], Iterator[str]]] = {
    **interrupt_clauses.CHECKS,
    "never-asked": _never_told,
    "step-timed-out": _step_timed_out,
    "timed-out": _timed_out,
    "asked-others": _told_others,
    "not-confirmed": _not_confirmed,
    "only-looked": _only_looked,
    "seen-idle": _confirmed,
    "confirmed": _confirmed,
    "given-work": _given_work,
    "went-on": _went_on,
    "on-its-way": _on_its_way,
    "still": _still,
    "accepted": _station(ev.BackendRequestBegun),
    "arrived": _station(ev.FrameArrived),
    "fetched": _fetched,
    "issued": _station(ev.DmaIssued),
    "translated": _station(ev.DmaTranslated),
    "landed": _landed,
    "read": _read,
    "late": _late,
    "tie": _tie,
    "owner": _owner,
    "no-iommu": _no_iommu,
    "iommu-not-programmed": _iommu_never_told,
    "reset-open": _reset_open,
    "mapped": _mapped,
    "synced-too-early": _on_its_way_over_removal,
    "not-waited-for": _on_its_way_over_removal,
    "past-removal": _past_removal,
    "some-way": _past_removal,
    "untranslated": _by_address,
    "old-way": _by_address,
    "passed-as-is": _passed_as_is,
    "unanswered": _unanswered,
    "said": _said,
    "still-running": _still_running,
}
