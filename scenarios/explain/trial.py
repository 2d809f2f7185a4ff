"""Tries a changed plan: with the choices of the run that is to be saved, then with a hard sample.

A change *saves* the run, told once more with the same choices (`choices.Retold`), if

- the property that is explained holds, or memory was put into quarantine and nothing is left to
  test it,
- the central properties are still put to the test, if they were,
- no other property has become violated, nor a central one inconclusive, and
- every VM that began to end has ended.

It *survives* if nothing is violated in any timing of the sample (`hard_sample`).  A timing that
does not put the property to the test, such as one in which the guest hangs and qvm never learns of
it, or that does not end within the bound on events, counts for nothing; further ones are drawn in
its place.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from ...model.base.choices import ChoicePoint, Choices, Retold
from ...model.machine.interventions import run_bounded
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import FramesQuarantined, QvmExited, TerminationBegun, Trace, VmStarted
from ...properties.check import check
from ...properties.core.exercise import CENTRAL
from ...properties.core.verdict import Verdict
from .hard_sample import Sample, Timing

__all__ = ["BoundReached", "ChangeTester", "Grade", "Rerun", "SampleResult"]

COSTS = frozenset({"memory-reclaimed", "quiesce-completed", "restart-happened"})
"""What a change may cost that keeps memory or starts nothing again; it is said with the change."""

_GROWTH = 12
_ROOM = 6_000
"""A changed run may need so many scheduled events for each record of the original, and more."""

_DRAWS = 3
"""So many timings are drawn at most for each that is wanted, as some put nothing to the test."""

_TESTED_SHARE = 2
"""At least one in so many of the wanted timings must put the property to the test."""

_KILLERS = 12
"""So many timings that have refuted a change are tried first on the next ones."""


class Grade(IntEnum):
    """How well a change does."""

    NOT = 0
    PARTLY = 1
    AT_A_COST = 2
    ENTIRELY = 3

    @property
    def is_whole(self) -> bool:
        """Whether nothing at all is violated any more."""
        return self >= Grade.AT_A_COST


class Rerun(NamedTuple):
    """What the run came to, told once more with a change.

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
    """What the sample says of a change.

    Attributes:
        tested: In how many timings the property was put to the test, and nothing was violated.
        kept: In how many of these memory was quarantined.
        refuted_by: The first timing that is violated; None if there is none.
        violated: What is violated in it, or in any if that may be.
        is_enough: Whether enough timings put the property to the test.
    """

    tested: int
    kept: int = 0
    refuted_by: Timing | None = None
    violated: tuple[str, ...] = ()
    is_enough: bool = False

    @property
    def survives(self) -> bool:
        """Whether nothing speaks against the change."""
        return self.refuted_by is None and self.is_enough


class BoundReached(Exception):
    """The bound on runs or on their records is hit."""


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
        # What a run costs excuses nothing if the cost is what is complained of.
        self._costs = COSTS - {property_name}
        self._may_be_kept = property_name not in COSTS
        self._starts = _starts(trace)
        self._killers: list[Timing] = []

    def rerun(self, plan: SystemPlan) -> Rerun:
        """Return what the run comes to, told once more in a changed plan."""
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
                # What kills often is tried first.
                self._killers.remove(timing)
                self._killers.insert(0, timing)
                return False
        return True

    def trial(self, plan: SystemPlan, *, entirely: bool) -> SampleResult:
        """Return what the sample says of a changed plan.

        Args:
            plan: The changed plan.
            entirely: Whether nothing at all may be violated, and not only the property.
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
        """Return what speaks against a changed plan in one timing."""
        trace = self._run(plan, timing)[0]
        violated = () if trace is None else self._violated(trace, check(trace))
        return violated if entirely or self._property in violated else ()

    def answers(self, plan: SystemPlan, timing: Timing | None) -> tuple[ChoicePoint, ...]:
        """Return the answers of a run of a changed plan; None for the run told once more."""
        return tuple(self._run(plan, timing)[1].log)

    def _violated(self, trace: Trace, verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
        words = {each.property: each.verdict for each in verdicts}
        has_cost = _is_quarantined(trace) or _starts(trace) < self._starts
        # A guest whose end never reaches qvm is not started again, whatever is changed.
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
        choices: Choices = Retold(self._choices)
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
