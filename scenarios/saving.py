"""Finds the smallest single change that would have saved a run, by trying it and running again.

The run is told once more with the same choices, as far as they fit (`choices.Retold`).  A change
saves it if

- the property that is explained holds, or nothing is left to test it because memory was put into
  quarantine,
- no other property has become violated or inconclusive, and
- every VM that began to end has ended.

It saves it *entirely* if nothing at all is violated any more; a change that does so goes before
one that does not.  One that only makes a wait give up, so that memory is quarantined which was
released before, comes after every other that saves it, unless the change says so itself.

A change that saves one run may be luck.  So each is also run with other timings, and called
sturdy if nothing is violated in any of them.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from ..model.choices import ChoicePoint, Choices, Earliest, Latest, Nominal, Retold, Seeded
from ..model.plan import SystemPlan
from ..model.trace import FramesQuarantined, QvmExited, TerminationBegun, Trace
from ..model.what_if import run_bounded
from ..properties.check import check
from ..properties.verdict import Verdict
from .single_changes import Change, Size, Stretch, changes_of

__all__ = ["TIMINGS", "Saved", "Search", "search"]

RUNS_MAX = 1_500
"""After so many runs the search stops, and says so."""

SEEDS = 5
TIMINGS = 3 + SEEDS
"""Other timings that a change is run with: nominal, earliest, latest and random ones."""

_GROWTH = 20
_ROOM = 30_000
"""A changed run may need so many scheduled events for each record of the original, and more."""


class Saved(NamedTuple):
    """A change that saves the run.

    Attributes:
        change: The change.
        is_entire: Whether nothing at all is violated any more.
        is_sturdy: Whether nothing is violated with any other timing that was tried either.
        keeps_memory: Whether memory is quarantined that was released in the original run.
    """

    change: Change
    is_entire: bool
    is_sturdy: bool
    keeps_memory: bool


class Search(NamedTuple):
    """What the search came to.

    Attributes:
        smallest: The smallest change that saves the run; None if there is none.
        sturdy: The smallest that is sturdy as well; None if there is none.
        tried: How many changes were tried.
        was_cut: Whether it stopped at its bound.
    """

    smallest: Saved | None
    sturdy: Saved | None
    tried: int
    was_cut: bool


class _Grade(IntEnum):
    """How well a change does."""

    NOT = 0
    PARTLY = 1
    BY_QUARANTINE = 2
    ENTIRELY = 3


class _Enough(Exception):
    """The bound on runs is hit."""


def search(
    plan: SystemPlan,
    choices: tuple[ChoicePoint, ...],
    trace: Trace,
    property_name: str,
    vm: str,
    actor: str,
    *,
    wants_sturdy: bool = True,
    runs_max: int = RUNS_MAX,
) -> Search:
    """Return the smallest changes that save a run.

    Args:
        plan: Of the run.
        choices: Its answers.
        trace: What happened.
        property_name: The property that it violates and that is to hold.
        vm: The VM whose epoch it is about.
        actor: The device or vdev that did it; empty if nobody in particular.
        wants_sturdy: Whether to go on to the smallest change that is sturdy.
        runs_max: Bound on the number of runs.
    """
    court = _Court(choices, trace, property_name, runs_max)
    best: dict[_Grade, Saved] = {}
    sturdy: Saved | None = None
    tried = 0
    was_cut = False
    try:
        for candidate in changes_of(plan, vm, actor):
            tried += 1
            found = court.saved_by(candidate, better_than=max(best, default=_Grade.NOT))
            if found is None:
                continue
            saved, grade = found
            best.setdefault(grade, saved)
            if grade is _Grade.ENTIRELY and saved.is_sturdy:
                sturdy = saved
            if grade is _Grade.ENTIRELY and (saved.is_sturdy or not wants_sturdy):
                break
    except _Enough:
        was_cut = True
    return Search(best[max(best)] if best else None, sturdy, tried, was_cut)


class _Court:
    """Runs changed plans and judges them."""

    def __init__(
        self,
        choices: tuple[ChoicePoint, ...],
        trace: Trace,
        property_name: str,
        runs_max: int,
    ) -> None:
        self._choices = choices
        self._property = property_name
        self._events_max = _GROWTH * len(trace.records) + _ROOM
        self._runs_left = runs_max
        self._known = _troubles(check(trace))
        self._kept_memory = _is_quarantined(trace)
        self._keeps_memory = False

    def saved_by(
        self, candidate: Change | Stretch, *, better_than: _Grade
    ) -> tuple[Saved, _Grade] | None:
        """Return the change if it saves the run, a stretch by the least amount that does.

        Args:
            candidate: What to try.
            better_than: A change that is not better than this is of no use any more, unless it
                saves the run entirely.
        """
        if isinstance(candidate, Change):
            change, grade = candidate, self._grade(candidate)
        else:
            change, grade = self._least(candidate, better_than)
        if grade is not _Grade.ENTIRELY and grade <= better_than:
            return None
        is_entire = grade >= _Grade.BY_QUARANTINE
        is_sturdy = is_entire and self._is_sturdy(change.plan)
        keeps_memory = self._keeps_memory and not self._kept_memory
        return Saved(change, is_entire, is_sturdy, keeps_memory), grade

    def _least(self, stretch: Stretch, better_than: _Grade) -> tuple[Change, _Grade]:
        """Return the change by the least amount that saves as well as the greatest one does."""
        found = stretch.at(max(stretch.most_ns, 1))
        grade = self._grade(found) if stretch.most_ns > 0 else _Grade.NOT
        if grade is not _Grade.ENTIRELY and grade <= better_than:
            return found, _Grade.NOT
        too_little_ns, enough_ns = 0, stretch.most_ns
        while enough_ns - too_little_ns > 1:
            middle_ns = (too_little_ns + enough_ns) // 2
            change = stretch.at(middle_ns)
            if self._grade(change) >= grade:
                found, enough_ns = change, middle_ns
            else:
                too_little_ns = middle_ns
        self._grade(found)
        return found, grade

    def _grade(self, change: Change) -> _Grade:
        """Return how well a change does; notes whether memory was quarantined."""
        trace = self._run(change.plan, Retold(self._choices))
        if trace is None or not _all_ended(trace):
            return _Grade.NOT
        verdicts = check(trace)
        troubles = _troubles(verdicts)
        if self._property in troubles or troubles - self._known:
            return _Grade.NOT
        self._keeps_memory = _is_quarantined(trace)
        words = {verdict.property: verdict.verdict for verdict in verdicts}
        if words.get(self._property) != "holds" and not self._keeps_memory:
            return _Grade.NOT
        if troubles:
            return _Grade.PARTLY
        is_said = change.size in {Size.BOUND, Size.TIMEOUT}
        if self._keeps_memory and not self._kept_memory and not is_said:
            return _Grade.BY_QUARANTINE
        return _Grade.ENTIRELY

    def _is_sturdy(self, plan: SystemPlan) -> bool:
        for choices in _timings():
            trace = self._run(plan, choices)
            if trace is None or "violated" in {verdict.verdict for verdict in check(trace)}:
                return False
        return True

    def _run(self, plan: SystemPlan, choices: Choices) -> Trace | None:
        if not self._runs_left:
            raise _Enough
        self._runs_left -= 1
        return run_bounded(plan, choices, self._events_max)


def _timings() -> Iterator[Choices]:
    yield Nominal()
    yield Earliest()
    yield Latest()
    for seed in range(SEEDS):
        yield Seeded(seed)


def _troubles(verdicts: tuple[Verdict, ...]) -> frozenset[str]:
    """Return the properties that are violated or undecided."""
    return frozenset(
        verdict.property for verdict in verdicts if verdict.verdict in {"violated", "inconclusive"}
    )


def _all_ended(trace: Trace) -> bool:
    begun = {r.event.epoch for r in trace.records if isinstance(r.event, TerminationBegun)}
    ended = {r.event.epoch for r in trace.records if isinstance(r.event, QvmExited)}
    return bool(begun) and begun <= ended


def _is_quarantined(trace: Trace) -> bool:
    return any(isinstance(record.event, FramesQuarantined) for record in trace.records)
