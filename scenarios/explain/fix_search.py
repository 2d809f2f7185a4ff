"""Finds the change that would have saved a run, by trying it against many timings.

A change may save one run by luck, so the search names only changes that a hard sample of other
timings does not refute (`trial`).  It tries the documented procedure of a device first, and ranks
the changes that survive:

1. those after which nothing is violated,
2. those that cost memory or a restart,
3. those that mend the explained property alone.

Among equals the smallest change comes first.

If no change saves the run entirely, the refuted ones get a second chance.  The search repeats them
together with other answers to open questions, or for the explained property alone.
"""

from typing import NamedTuple

from ...model.base.choices import ChoicePoint
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import Trace
from ..run.progress import ReportProgress, report_nothing
from .amounts import least_enough, round_up
from .environment import also_answered, otherwise_answered
from .hard_sample import Sample, Timing
from .single_changes import AdjustableChange, Change, Size, changes_of
from .trial import BoundReached, ChangeTester, Grade, Rerun, SampleResult

__all__ = ["Fix", "FixSearchResult", "Thoroughness", "find_fix"]


_ROUNDS = 6
"""How often the search raises an amount that a timing has refuted."""

_MARGIN = 4
"""The search recommends this multiple of the least amount that survives a sample."""

_SECOND_CHANCES = 8
"""How many refuted changes get a second chance, the documented ones first."""

_ANSWERS = 4
"""The search combines a change with fewer than this many answers to open questions."""


class Thoroughness(NamedTuple):
    """Bounds of a fix search.

    Attributes:
        timings: Other timings that a change must survive.
        runs: Runs after which the search stops.
        records: Records of all runs together after which it stops.
    """

    timings: int
    runs: int
    records: int = 10_000_000

    @classmethod
    def quick(cls, records: int) -> "Thoroughness":
        """Return bounds for `quiesce run`, by the number of records of the trace."""
        timings = max(60, min(200, 400_000 // max(records, 1)))
        return cls(timings, 1_500, max(1_500_000, 80 * records))

    @classmethod
    def full(cls, records: int) -> "Thoroughness":
        """Return bounds for `quiesce explain`, by the number of records of the trace."""
        return cls(max(200, min(400, 1_000_000 // max(records, 1))), 10_000)


class Fix(NamedTuple):
    """A change that saves the run, and has survived the sample.

    Attributes:
        change: The change.
        rerun: The result of the run with the change.
        trial: The result of the sample.
        grade: How well it does: that of the run, or lower if the sample has shown a cost.
    """

    change: Change
    rerun: Rerun
    trial: SampleResult
    grade: Grade


class RefutedFix(NamedTuple):
    """A change that saves the run and fails in a timing of the sample.

    Attributes:
        change: The change.
        held: In how many timings it held before one refuted it.
        violated: The properties that this timing violates.
    """

    change: Change
    held: int
    violated: tuple[str, ...]


class FixSearchResult(NamedTuple):
    """The best change that a search found, with its effort.

    Attributes:
        best: The change to be recommended; None if there is none.
        documented: The documented procedure, if it saves the run as well and is not the best.
        refuted: The documented procedure, if it saves the run and not every timing.
        tried: How many changes were tried.
        runs: How many runs were made for that.
        was_cut: Whether it stopped at its bound.
    """

    best: Fix | None
    documented: Fix | None
    refuted: RefutedFix | None
    tried: int
    runs: int
    was_cut: bool


def find_fix(
    plan: SystemPlan,
    choices: tuple[ChoicePoint, ...],
    trace: Trace,
    property_name: str,
    vm: str,
    actor: str,
    *,
    thoroughness: Thoroughness | None = None,
    progress: ReportProgress = report_nothing,
) -> FixSearchResult:
    """Return the change that saves a run and survives other timings.

    Args:
        plan: Of the run.
        choices: Its answers.
        trace: What happened.
        property_name: The property that it violates and that is to hold.
        vm: The VM whose epoch it is about.
        actor: The device or vdev that did it; empty if there is no single one.
        thoroughness: How much is tried; None for `Thoroughness.full`.
        progress: Called with a line about how far the search has come.
    """
    how = thoroughness or Thoroughness.full(len(trace.records))
    sample = Sample(plan, choices, trace, vm)
    tester = ChangeTester(
        choices,
        trace,
        property_name,
        sample=sample,
        size=how.timings,
        runs_max=how.runs,
        records_max=how.records,
    )
    seeker = _FixSearch(tester, progress)
    changes = list(changes_of(plan, vm, actor, asked=choices))
    was_cut = False
    try:
        seeker.try_all(changes)
    except BoundReached:
        was_cut = True
    progress("")
    best, documented = seeker.best(), seeker.documented
    if documented is not None and best is not None and documented.change is best.change:
        documented = None
    return FixSearchResult(best, documented, seeker.refuted, seeker.tried, tester.runs, was_cut)


class _FixSearch:
    """Tries one change after the other and keeps those that survive.

    Attributes:
        tried: How many changes were tried.
        documented: The documented procedure, if it survives.
        refuted: The documented procedure, if a timing refutes it.
    """

    def __init__(self, tester: ChangeTester, progress: ReportProgress) -> None:
        self._tester = tester
        self._progress = progress
        # Invariant: every fix in `_found` has survived the sample, those of grade PARTLY for the
        # explained property alone.
        self._found: list[Fix] = []
        # Changes that mend the run wholly, and that the sample has not confirmed.
        self._refuted: list[tuple[Change, Rerun]] = []
        self.tried = 0
        self.documented: Fix | None = None
        self.refuted: RefutedFix | None = None

    def best(self) -> Fix | None:
        """Return the change to be recommended."""
        return min(self._found, key=_rank, default=None)

    def _is_done(self, size: Size = Size.DEVICE) -> bool:
        """Return whether no change of this size or above can be better than the best so far."""
        best = self.best()
        return best is not None and best.grade is Grade.ENTIRELY and best.change.size <= size

    def try_all(self, changes: list[Change | AdjustableChange]) -> None:
        """Try the documented procedures, then all from the smallest, until one saves entirely."""
        first = [each for each in changes if isinstance(each, Change) and each.is_documented]
        for change in first:
            found = self._try(change)
            if found is not None and self.documented is None:
                self.documented = found
        # Invariant: `changes` ascend in size, so that no later one is better than an entire fix.
        for candidate in changes:
            if self._is_done(candidate.size):
                return
            if candidate not in first:
                self._try(candidate)
        if not self._is_done():
            self._give_second_chances()

    def _try(self, candidate: Change | AdjustableChange) -> Fix | None:
        self.tried += 1
        self._progress(f"looking for what saves the run: {self.tried} changes tried")
        found = (
            self._tried(candidate)
            if isinstance(candidate, Change)
            else self._by_adjusting(candidate)
        )
        if found is not None:
            self._found.append(found)
        return found

    def _is_of_use(self, grade: Grade) -> bool:
        """Return whether a change of this grade could become the best."""
        best = self.best()
        if grade is Grade.ENTIRELY or best is None:
            return grade is not Grade.NOT
        return grade > best.grade

    def _tried(self, change: Change) -> Fix | None:
        """Return the change if it saves the run and survives."""
        rerun = self._tester.rerun(change.plan)
        if not self._is_of_use(rerun.grade):
            return None
        is_whole = rerun.grade.is_whole
        trial = None
        if change.is_documented or self._tester.outlives_killers(change.plan, entirely=is_whole):
            trial = self._tester.trial(change.plan, entirely=is_whole)
            if trial.survives:
                return _fix_of(change, rerun, trial)
        if is_whole:
            self._refuted.append((change, rerun))
        if trial is not None and change.is_documented and self.refuted is None:
            self.refuted = RefutedFix(change, trial.tested, trial.violated)
        return None

    def _give_second_chances(self) -> None:
        """Try refuted changes again, with answers of the environment or for the property alone."""
        self._refuted.sort(key=lambda item: (not item[0].is_documented, item[0].size))
        for change, _ in self._refuted[:_SECOND_CHANCES]:
            found = self._with_answers(change)
            if found is not None:
                self._found.append(found)
                return
        if self.best() is not None:
            return
        for change, rerun in self._refuted[:_SECOND_CHANCES]:
            trial = self._tester.trial(change.plan, entirely=False)
            if trial.survives and trial.violated:
                lesser = Rerun(Grade.PARTLY, rerun.keeps_memory, rerun.starts_less, trial.violated)
                self._found.append(Fix(change, lesser, trial, Grade.PARTLY))
                return

    def _with_answers(self, change: Change) -> Fix | None:
        """Return a change together with answers to open questions, if that survives."""
        usual = self._tester.answers(change.plan, None)
        for _ in range(_ANSWERS):
            trial = self._tester.trial(change.plan, entirely=True)
            if trial.survives:
                rerun = self._tester.rerun(change.plan)
                return _fix_of(change, rerun, trial) if rerun.grade.is_whole else None
            if trial.refuted_by is None:
                return None
            answered = self._answered(change, trial.refuted_by, usual)
            if answered is None:
                return None
            change = answered
        return None

    def _answered(
        self, change: Change, timing: Timing, usual: tuple[ChoicePoint, ...]
    ) -> Change | None:
        """Return a change with one more question answered as in the run, so that a timing holds."""
        other = self._tester.answers(change.plan, timing)
        for label, answer in otherwise_answered(change.plan, usual, other):
            self.tried += 1
            also = also_answered(change.plan, label, answer)
            if not self._tester.violated(also.plan, timing, entirely=True):
                return Change(Size.ENVIRONMENT, f"{change.text}; and {also.text}", also.plan)
        return None

    def _by_adjusting(self, adjustable: AdjustableChange) -> Fix | None:
        """Return the change by the usual amount, or else by one that the sample asks for."""
        if adjustable.most_ns < 1:
            return None
        if adjustable.usual_ns:
            found = self._tried(adjustable.at(adjustable.usual_ns))
            if found is not None:
                return found
        grade = self._tester.rerun(adjustable.at(adjustable.most_ns).plan).grade
        return self._by_amount(adjustable, grade) if self._is_of_use(grade) else None

    def _by_amount(self, adjustable: AdjustableChange, grade: Grade) -> Fix | None:
        """Return the change by a multiple of the least amount that survives the sample.

        The least amount that survives one sample is often refuted by the next one.
        """
        tester = self._tester

        def is_enough(amount_ns: int) -> bool:
            plan = adjustable.at(amount_ns).plan
            if tester.rerun(plan).grade < grade:
                return False
            return tester.outlives_killers(plan, entirely=grade.is_whole)

        # A round that fails adds the refuting timing to those that `is_enough` tries, so that the
        # next least amount is greater.
        for _ in range(_ROUNDS):
            if not is_enough(adjustable.most_ns):
                return None
            least_ns = least_enough(is_enough, adjustable.most_ns)
            amount_ns = min(round_up(_MARGIN * least_ns), adjustable.most_ns)
            found = self._tried(adjustable.at(amount_ns))
            if found is not None or amount_ns == adjustable.most_ns:
                return found
        return None


def _fix_of(change: Change, rerun: Rerun, trial: SampleResult) -> Fix:
    """Return the fix; if most timings quarantine memory, that counts as a cost."""
    grade = rerun.grade
    if 2 * trial.kept > trial.tested:
        grade = min(grade, Grade.AT_A_COST)
    return Fix(change, rerun, trial, grade)


def _rank(fix: Fix) -> tuple[int, int]:
    """Return where a change stands: what saves better comes first, then what is smaller.

    To quarantine memory after a time-out is meant to keep memory; any other change that keeps it,
    or after which nothing starts again, saves by accident and comes last.
    """
    is_accident = fix.grade is Grade.AT_A_COST and fix.change.size is not Size.TIMEOUT
    return (0 if is_accident else -fix.grade), fix.change.size
