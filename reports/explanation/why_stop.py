"""Says what was done to stop the actor of a violation before the teardown point.

The module reads three things from the records: the quiesce steps of the actor, what confirmed its
stop, and what it did afterwards.
"""

import msgspec

from ...model.trace import events
from ...model.trace.events import NO_CAUSE
from ..core.clauses import Clause, RecordTimes

__all__ = ["LOOKING", "MASKING", "Deed", "stop_clauses"]

LOOKING = ("await", "confirm", "read-back", "settle")
"""Prefixes of steps that look or wait, and stop nothing."""

MASKING = (
    "mask-",
    "disable-messages",
    "disable-line",
    "disable-interrupts",
    "disable-events",
)
"""Prefixes of steps that keep a device from interrupting."""

_BEGUN = events.QuiesceStepBegun
_OF_STOPS = events.QuiesceStepBegun | events.QuiesceStepEnded | events.StopConfirmed
_ACTIVE = (
    events.DmaRequested
    | events.DmaFetched
    | events.DmaIssued
    | events.CpuWriteLanded
    | events.DmaRead
    | events.CpuRead
    | events.BackendRequestBegun
    | events.FrameArrived
    | events.IrqAsserted
)
_ACTORS = ("master", "writer", "reader", "device", "server")
"""The fields of these events that name the component that acts."""


class Deed(msgspec.Struct, frozen=True):
    """A write, read or interrupt that went against a claim.

    Attributes:
        index: Record that shows it.
        actor: The component that did it; empty if unknown.
        epoch: The epoch that it was done for.
        begun: Record with which it left the actor; the deed's own record if none shows that.
        limit: Record of the teardown point before it; the deed's own record if there is none.
        limit_words: What the limit is, without its instant.
    """

    index: int
    actor: str
    epoch: int
    begun: int
    limit: int
    limit_words: str


def stop_clauses(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return what was done, or not done, to stop the actor before the teardown point."""
    if not deed.actor:
        return []
    own = _steps(times, deed, of_actor=True)
    if not own:
        return _never_asked(times, deed)
    confirmed = timed_out = NO_CAUSE
    for index in own:
        event = times.records[index].event
        if isinstance(event, events.StopConfirmed):
            confirmed, timed_out = index, NO_CAUSE
        elif isinstance(event, events.QuiesceStepEnded) and event.outcome == "timed_out":
            timed_out = index if timed_out == NO_CAUSE else timed_out
    if timed_out != NO_CAUSE:
        return [_timed_out(times, deed, timed_out)]
    if confirmed == NO_CAUSE:
        return [_not_confirmed(times, deed, own)]
    return [*_confirmed(times, deed, own, confirmed), *_afterwards(times, deed, confirmed)]


def _about(deed: Deed) -> dict[str, str | int]:
    return {"device": deed.actor, "epoch": deed.epoch}


def _until(times: RecordTimes, deed: Deed) -> str:
    return f"{deed.limit_words} at {times.at(deed.limit)}"


def _never_asked(times: RecordTimes, deed: Deed) -> list[Clause]:
    until = _until(times, deed)
    end = _end_of_guest(times, deed)
    when = f"before {until}"
    records: tuple[int, ...] = (deed.limit,)
    if end != NO_CAUSE:
        when = f"between the end of the guest at {times.at(end)} and {until}"
        records = (end, deed.limit)
    text = f"{deed.actor} was never asked to stop: no quiesce step ran for it {when}"
    parts = [Clause("never-asked", text, records, _about(deed))]
    others = _steps(times, deed, of_actor=False)
    for index in others:
        event = times.records[index].event
        if isinstance(event, events.QuiesceStepEnded) and event.outcome == "timed_out":
            text = f"the step {event.step} of {event.device} timed out at {times.at(index)}"
            about: dict[str, str | int] = {"device": event.device, "epoch": deed.epoch}
            about["step"] = event.step
            return [*parts, Clause("step-timed-out", text, (index,), about, ", and ")]
    begun: dict[str, int] = {}
    for index in others:
        event = times.records[index].event
        if isinstance(event, _BEGUN):
            begun.setdefault(event.device, index)
    if begun:
        text = f"only for {' and '.join(sorted(begun))}"
        records = tuple(begun[device] for device in sorted(begun))
        parts.append(Clause("asked-others", text, records, _about(deed), ", but "))
    return parts


def _timed_out(times: RecordTimes, deed: Deed, index: int) -> Clause:
    event = times.records[index].event
    assert isinstance(event, events.QuiesceStepEnded)
    text = (
        f"the quiesce step {event.step} of {deed.actor} timed out at {times.at(index)}, and its "
        f"stop was not confirmed before {_until(times, deed)}"
    )
    about = {**_about(deed), "step": event.step}
    return Clause("timed-out", text, (index, deed.limit), about)


def _not_confirmed(times: RecordTimes, deed: Deed, own: list[int]) -> Clause:
    begun = [index for index in own if isinstance(times.records[index].event, _BEGUN)]
    names = _names(times, begun)
    until = _until(times, deed)
    if begun and all(name.startswith(LOOKING) for name in names):
        text = (
            f"no step asked {deed.actor} to stop, since {_listed(names)} only looked or waited, "
            f"and its stop was not confirmed before {until}"
        )
        return Clause("only-looked", text, (*begun, deed.limit), _about(deed))
    text = (
        f"{deed.actor} was asked to stop ({_listed(names)}), but its stop was not confirmed before "
        f"{until}"
    )
    return Clause("not-confirmed", text, (*(begun or own), deed.limit), _about(deed))


def _confirmed(times: RecordTimes, deed: Deed, own: list[int], confirmed: int) -> list[Clause]:
    begun = [index for index in own if isinstance(times.records[index].event, _BEGUN)]
    names = _names(times, begun)
    if begun and all(name.startswith(LOOKING) for name in names):
        text = f"no step asked {deed.actor} to stop, since {_listed(names)} only looked or waited"
        seen = f"saw it idle at {times.at(confirmed)}"
        return [
            Clause("only-looked", text, tuple(begun), _about(deed)),
            Clause("seen-idle", seen, (confirmed,), _about(deed), " and "),
        ]
    text = (
        f"{deed.actor} was confirmed quiet at {times.at(confirmed)}, before {_until(times, deed)}"
    )
    return [Clause("confirmed", text, (confirmed, deed.limit), _about(deed))]


def _afterwards(times: RecordTimes, deed: Deed, confirmed: int) -> list[Clause]:
    """Return what the actor did after it was confirmed quiet, as far as it led to the deed."""
    again = _given_work(times, deed, confirmed)
    if again != NO_CAUSE:
        text = f"received work again at {times.at(again)}"
        return [Clause("given-work", text, (confirmed, again), _about(deed), ", and ")]
    later = _first_after(times, deed, confirmed)
    if later != NO_CAUSE:
        text = f"yet it {_did(times, later)} at {times.at(later)}"
        return [Clause("went-on", text, (confirmed, later), _about(deed), ", and ")]
    event = times.records[deed.begun].event
    if isinstance(event, events.DmaIssued):
        text = (
            f"it had let this write out at {times.at(deed.begun)}, and the write was still on "
            "its way then"
        )
        records = (deed.begun, confirmed, deed.index)
        return [Clause("on-its-way", text, records, _about(deed), "; ")]
    if isinstance(event, events.IrqAsserted) and not _does_anything(times, deed, confirmed):
        text = "did nothing of its own afterwards"
        return [Clause("still", text, (confirmed, deed.index), _about(deed), ", and ")]
    return []


def _did(times: RecordTimes, index: int) -> str:
    event = times.records[index].event
    if isinstance(event, events.FrameArrived):
        return "took in a frame that arrived"
    if isinstance(event, events.DmaFetched):
        return "read a descriptor"
    if isinstance(event, events.IrqAsserted):
        return "raised its interrupt"
    if isinstance(event, events.BackendRequestBegun):
        return "accepted a request"
    if isinstance(event, events.DmaRead | events.CpuRead):
        return "read memory"
    return "wrote by itself" if isinstance(event, events.CpuWriteLanded) else "let a write out"


def _first_after(times: RecordTimes, deed: Deed, confirmed: int) -> int:
    """Return the first record after a confirmation in which the actor did what led to the deed."""
    first = NO_CAUSE
    if deed.begun > confirmed and _is_of_actor(times, deed, deed.begun):
        first = deed.begun
    for index in times.trace.causes_of(deed.begun):
        if index <= confirmed or not _is_of_actor(times, deed, index):
            break
        first = index
    return first


def _is_of_actor(times: RecordTimes, deed: Deed, index: int) -> bool:
    event = times.records[index].event
    if not isinstance(event, _ACTIVE) or isinstance(event, events.DmaRequested):
        return False
    if isinstance(event, events.FrameArrived):
        return event.device == deed.actor
    by = next(getattr(event, field) for field in _ACTORS if hasattr(event, field))
    return (by, event.epoch) == (deed.actor, deed.epoch)


def _given_work(times: RecordTimes, deed: Deed, confirmed: int) -> int:
    for index in range(confirmed + 1, deed.begun):
        event = times.records[index].event
        if isinstance(event, events.DmaRequested) and (event.master, event.epoch) == (
            deed.actor,
            deed.epoch,
        ):
            return index
    return NO_CAUSE


def _does_anything(times: RecordTimes, deed: Deed, confirmed: int) -> bool:
    return any(_is_of_actor(times, deed, index) for index in range(confirmed + 1, deed.index))


def _names(times: RecordTimes, begun: list[int]) -> list[str]:
    found = (times.records[index].event for index in begun)
    return [event.step for event in found if isinstance(event, _BEGUN)]


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "by its vdev"


def _steps(times: RecordTimes, deed: Deed, *, of_actor: bool) -> list[int]:
    return [
        index
        for index, record in enumerate(times.records[: min(deed.limit, deed.index)])
        if isinstance(record.event, _OF_STOPS)
        and record.event.epoch == deed.epoch
        and _is_named(record.event.device, deed.actor) == of_actor
    ]


def _is_named(device: str, actor: str) -> bool:
    """Return whether steps for a device are for an actor; a vdev's name lacks its VM in them."""
    return device == actor or actor.endswith(f".{device}")


def _end_of_guest(times: RecordTimes, deed: Deed) -> int:
    for index, record in enumerate(times.records[: deed.limit]):
        event = record.event
        is_end = isinstance(event, events.GuestEnded | events.TerminationBegun)
        if is_end and getattr(event, "epoch", NO_CAUSE) == deed.epoch:
            return index
    return NO_CAUSE
