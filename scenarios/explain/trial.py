"""Tests a changed plan: with the choices of the explained run, then with a hard sample.

A change *saves* the run, repeated with the same choices (`choices.AdaptedReplay`), if

- the explained property holds, or qvm quarantines memory and nothing is left to test it,
- the runs still exercise the central properties that the original run exercised,
- no other property has become violated, nor a central one inconclusive, and
- every VM that began to end has ended.

It *survives* if no timing of the sample (`hard_sample`) violates a property.  A timing does not
count if it does not exercise the property, or if it does not end within the bound on events.  One
example is a guest that hangs while qvm never learns of it.  The sample then draws another timing.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from ...model.base.choices import AdaptedReplay, ChoicePoint, Choices
from ...model.machine.interventions import run_bounded
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import FramesQuarantined, QvmExited, TerminationBegun, Trace, VmStarted
from ...properties.check import check
from ...properties.core.exercise import CENTRAL
from ...properties.core.verdict import Verdict
from .hard_sample import Sample, Timing

__all__ = ["BoundReached", "ChangeTester", "Grade", "Rerun", "SampleResult"]

COSTS = frozenset({"memory-reclaimed", "quiesce-completed", "restart-happened"})
"""Properties that a change may violate if it keeps memory or starts nothing again."""

_GROWTH = 12
_ROOM = 6_000
"""A changed run may need so many scheduled events for each record of the original, and more."""

_DRAWS = 3
"""The most timings drawn for each that is wanted, since some do not exercise the property."""

_TESTED_SHARE = 2
"""One in this many of the wanted timings must exercise the property."""

_KILLERS = 12
"""How many timings that refuted a change are tried first on the next ones."""


class Grade(IntEnum):
    """How much of the damage a change prevents, and at which cost."""

    NOT = 0
    PARTLY = 1
    AT_A_COST = 2
    ENTIRELY = 3

    @property
    def is_whole(self) -> bool:
        """Whether no property is violated any more."""
        return self >= Grade.AT_A_COST


class Rerun(NamedTuple):
    """The result of the explained run, repeated with a change.

    Attributes:
        grade: How well the change does.
        keeps_memory: Whether memory is quarantined that was released before.
        starts_less: Whether fewer VMs start than before.
        still_violated: Properties that are still violated or undecided.
    """

    grade: Grade
    keeps_memory: bool = False
    starts_less: bool = False
    still_violated: tuple[str, ...] = ()


class SampleResult(NamedTuple):
    """The result of running a change in the timings of the sample.

    Attributes:
        tested: How many timings exercised the property and violated nothing.
        kept: In how many of these memory was quarantined.
        refuted_by: The first timing that is violated; None if there is none.
        violated: What is violated in it, or in any if that may be.
        is_enough: Whether enough timings exercised the property.
    """

    tested: int
    kept: int = 0
    refuted_by: Timing | None = None
    violated: tuple[str, ...] = ()
    is_enough: bool = False

    @property
    def survives(self) -> bool:
        """Whether no timing refutes the change, and enough of them test it."""
        return self.refuted_by is None and self.is_enough


class BoundReached(Exception):
    """The search has reached its bound on runs or on records."""


class ChangeTester:
    """Runs changed plans and judges them.

    Args:
        choices: Answers of the run that is to be saved.
        trace: What happened in it.
        property_name: What is to hold.
        sample: The other timings.
        size: How many of them a change must survive.
        runs_max: Bound on the number of runs.
        records_max: Bound on the records of all these runs together.

    Attributes:
        runs: How many runs were made.
    """

    def __init__(
        self,
        choices: tuple[ChoicePoint, ...],
        trace: Trace,
        property_name: str,
        *,
        sample: Sample,
        size: int,
        runs_max: int,
        records_max: int,
    ) -> None:
        self._choices = choices
        self._property = property_name
        self._sample = sample
        self._size = size
        # A change may lengthen the run, but a run without end must stop.
        self._events_max = _GROWTH * len(trace.records) + _ROOM
        self._runs_max = runs_max
        self._records_left = records_max
        self.runs = 0
        verdicts = check(trace)
        self._known = self._troubles(verdicts)
        self._tested = [
            each.property
            for each in verdicts
            if each.property in CENTRAL and each.verdict != "vacuous"
        ]
        self._kept_memory = _is_quarantined(trace)
        # Invariant: `_costs` lacks the explained property, so that no change excuses it as a cost.
        self._costs = COSTS - {property_name}
        self._may_be_kept = property_name not in COSTS
        self._starts = _starts(trace)
        # Invariant: no timing stands twice, and there are at most `_KILLERS`.
        self._killers: list[Timing] = []

    def rerun(self, plan: SystemPlan) -> Rerun:
        """Return the result of the explained run, repeated in a changed plan."""
        trace = self._run(plan, None)[0]
        if trace is None or not _all_ended(trace):
            return Rerun(Grade.NOT)
        verdicts = check(trace)
        keeps_memory = _is_quarantined(trace) and not self._kept_memory
        starts_less = _starts(trace) < self._starts
        has_cost = keeps_memory or starts_less
        troubles = self._troubles(verdicts) - (self._costs if has_cost else frozenset())
        words = {verdict.property: verdict.verdict for verdict in verdicts}
        if self._property in troubles or troubles - self._known:
            return Rerun(Grade.NOT)
        if not (keeps_memory and self._may_be_kept) and not self._is_tested(words):
            return Rerun(Grade.NOT)
        if troubles:
            return Rerun(Grade.PARTLY, keeps_memory, starts_less, tuple(sorted(troubles)))
        grade = Grade.AT_A_COST if has_cost else Grade.ENTIRELY
        return Rerun(grade, keeps_memory, starts_less)

    def _troubles(self, verdicts: tuple[Verdict, ...]) -> frozenset[str]:
        """Return the properties that are violated, or undecided although they matter here."""
        return frozenset(
            each.property
            for each in verdicts
            if each.verdict == "violated"
            or (each.verdict == "inconclusive" and each.property in (self._property, *CENTRAL))
        )

    def _is_tested(self, words: Mapping[str, str]) -> bool:
        if words.get(self._property) != "holds":
            return False
        return all(words.get(name) != "vacuous" for name in self._tested)

    def outlives_killers(self, plan: SystemPlan, *, entirely: bool) -> bool:
        """Return whether a change survives the timings that have refuted earlier ones."""
        for timing in list(self._killers):
            if self.violated(plan, timing, entirely=entirely):
                # Invariant: `_killers` has the timing that refuted last in front.
                self._killers.remove(timing)
                self._killers.insert(0, timing)
                return False
        return True

    def trial(self, plan: SystemPlan, *, entirely: bool) -> SampleResult:
        """Run a changed plan in the timings of the sample and return the result.

        Args:
            plan: The changed plan.
            entirely: Whether no property may be violated, and not only the explained one.
        """
        tested = kept = 0
        others: set[str] = set()
        for drawn, timing in enumerate(self._sample.timings()):
            if drawn == _DRAWS * self._size or tested == self._size:
                break
            trace = self._run(plan, timing)[0]
            if trace is None:
                continue
            verdicts = check(trace)
            violated = self._violated(trace, verdicts)
            if violated and (entirely or self._property in violated):
                self._remember(timing)
                return SampleResult(tested, kept, timing, violated)
            others.update(violated)
            is_kept = _is_quarantined(trace)
            if (is_kept and self._may_be_kept) or self._is_tested(
                {each.property: each.verdict for each in verdicts}
            ):
                tested += 1
                kept += is_kept
        is_enough = _TESTED_SHARE * tested >= self._size
        return SampleResult(tested, kept, violated=tuple(sorted(others)), is_enough=is_enough)

    def violated(self, plan: SystemPlan, timing: Timing, *, entirely: bool) -> tuple[str, ...]:
        """Return the properties that refute a changed plan in one timing."""
        trace = self._run(plan, timing)[0]
        violated = () if trace is None else self._violated(trace, check(trace))
        return violated if entirely or self._property in violated else ()

    def answers(self, plan: SystemPlan, timing: Timing | None) -> tuple[ChoicePoint, ...]:
        """Return the answers of a changed plan in a timing; None repeats the explained run."""
        return tuple(self._run(plan, timing)[1].log)

    def _violated(self, trace: Trace, verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
        words = {each.property: each.verdict for each in verdicts}
        has_cost = _is_quarantined(trace) or _starts(trace) < self._starts
        # No change starts a guest again whose end never reaches qvm, so its costs are excused.
        excused = self._costs if has_cost or not self._is_tested(words) else frozenset()
        return tuple(
            each.property
            for each in verdicts
            if each.verdict == "violated" and each.property not in excused
        )

    def _remember(self, timing: Timing) -> None:
        if timing not in self._killers:
            self._killers.insert(0, timing)
            del self._killers[_KILLERS:]

    def _run(self, plan: SystemPlan, timing: Timing | None) -> tuple[Trace | None, Choices]:
        if self.runs >= self._runs_max or self._records_left <= 0:
            raise BoundReached
        self.runs += 1
        choices: Choices = AdaptedReplay(self._choices)
        if timing is not None:
            plan, choices = self._sample.applied(timing, plan)
        trace = run_bounded(plan, choices, self._events_max)
        self._records_left -= len(trace.records) if trace is not None else self._events_max
        return trace, choices


def _all_ended(trace: Trace) -> bool:
    begun = {r.event.epoch for r in trace.records if isinstance(r.event, TerminationBegun)}
    ended = {r.event.epoch for r in trace.records if isinstance(r.event, QvmExited)}
    return bool(begun) and begun <= ended


def _is_quarantined(trace: Trace) -> bool:
    return any(isinstance(record.event, FramesQuarantined) for record in trace.records)


def _starts(trace: Trace) -> int:
    return sum(isinstance(record.event, VmStarted) for record in trace.records)
