"""Explains a violation from the trace of its run and from further runs with changes."""

from ...model.plan.system_plan import SystemPlan
from ...reports.core.culprit import culprit_of, main_finding
from ...reports.explanation.explanation import (
    Explanation,
    RefutedProcedure,
    RerunResults,
    SavingChange,
    explain,
)
from ..run.progress import ReportProgress, report_nothing
from ..run.runner import RunResult
from .fix_search import Fix, FixSearchResult, RefutedFix, Thoroughness, find_fix
from .no_return import point_of_no_return

__all__ = ["RunExplanation", "explain_run"]


def explain_run(
    result: RunResult, *, is_quick: bool = False, progress: ReportProgress = report_nothing
) -> Explanation | None:
    """Return why the worst violation of a run came about; None if nothing is violated.

    Args:
        result: The run.
        is_quick: Whether to try each change with fewer other timings and to stop earlier.
        progress: Called with how far the search for a change has come.
    """
    found = RunExplanation.of(result, is_quick=is_quick, progress=progress)
    return None if found is None else found.explanation


class RunExplanation:
    """An explanation, with the plan that it says would have saved the run.

    Attributes:
        explanation: The explanation, for people and programs.
        search: The result of the fix search, with its plans.
    """

    def __init__(self, explanation: Explanation, found: FixSearchResult) -> None:
        self.explanation = explanation
        self.search = found

    @property
    def saved_plan(self) -> SystemPlan | None:
        """The plan with the change that is recommended."""
        return self.search.best.change.plan if self.search.best else None

    @classmethod
    def of(
        cls, result: RunResult, *, is_quick: bool = False, progress: ReportProgress = report_nothing
    ) -> "RunExplanation | None":
        """Return the explanation of a run; None if nothing is violated."""
        finding = main_finding(result.trace, result.judgement)
        if finding is None:
            return None
        culprit = culprit_of(result.trace, finding)
        plan, choices = result.plan, result.recording.choices
        records = len(result.trace.records)
        found = find_fix(
            plan,
            choices,
            result.trace,
            culprit.property,
            culprit.vm,
            culprit.actor,
            thoroughness=(Thoroughness.quick if is_quick else Thoroughness.full)(records),
            progress=progress,
        )
        tried = RerunResults(
            saving=_plain(found.best),
            documented=_plain(found.documented),
            refuted=_plain_refuted(found.refuted),
            tried=found.tried,
            runs=found.runs,
            was_cut=found.was_cut,
            no_return=point_of_no_return(plan, choices, result.trace, culprit),
        )
        explanation = explain(result.trace, result.judgement, tried)
        assert explanation is not None
        return cls(explanation, found)


def _plain(fix: Fix | None) -> SavingChange | None:
    if fix is None:
        return None
    change = fix.change
    return SavingChange(
        text=change.text,
        kind=change.size.name.lower(),
        amount_ns=change.amount_ns,
        is_entire=not fix.rerun.still_violated,
        timings=fix.trial.tested,
        still_violated=fix.rerun.still_violated,
        keeps_memory=fix.rerun.keeps_memory,
        kept_timings=fix.trial.kept,
        starts_less=fix.rerun.starts_less,
    )


def _plain_refuted(refuted: RefutedFix | None) -> RefutedProcedure | None:
    if refuted is None:
        return None
    return RefutedProcedure(refuted.change.text, refuted.held, refuted.violated)
