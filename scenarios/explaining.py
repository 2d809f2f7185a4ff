"""Explains a run: what its trace shows, and what running again shows."""

from ..model.plan import SystemPlan
from ..reports.culprit import culprit_of, main_finding
from ..reports.explanation import Explanation, Saving, Tried, explain
from .no_return import point_of_no_return
from .runner import RunResult
from .saving import RUNS_MAX, TIMINGS, Saved, Search, search

__all__ = ["Explained", "explained"]


QUICK_RUNS = 200
"""Runs after which the quick search stops."""


def explained(result: RunResult, *, is_quick: bool = False) -> Explanation | None:
    """Return why the worst violation of a run came about; None if nothing is violated.

    Args:
        result: The run.
        is_quick: Whether to be content with the first change that saves this run, found within
            `QUICK_RUNS`, and not to look on for one that saves other timings as well.
    """
    found = Explained.of(
        result, wants_sturdy=not is_quick, runs_max=QUICK_RUNS if is_quick else RUNS_MAX
    )
    return None if found is None else found.explanation


class Explained:
    """An explanation, with the plan that it says would have saved the run.

    Attributes:
        explanation: For people and programs.
        search: What the search came to, plans included.
    """

    def __init__(self, explanation: Explanation, found: Search) -> None:
        self.explanation = explanation
        self.search = found

    @property
    def saved_plan(self) -> SystemPlan | None:
        """The plan with the smallest change that saves the run."""
        return self.search.smallest.change.plan if self.search.smallest else None

    @classmethod
    def of(
        cls, result: RunResult, *, wants_sturdy: bool = True, runs_max: int = RUNS_MAX
    ) -> "Explained | None":
        """Return the explanation of a run; None if nothing is violated."""
        finding = main_finding(result.trace, result.judgement)
        if finding is None:
            return None
        culprit = culprit_of(result.trace, finding)
        plan, choices = result.plan, result.recording.choices
        found = search(
            plan,
            choices,
            result.trace,
            culprit.property,
            culprit.vm,
            culprit.actor,
            wants_sturdy=wants_sturdy,
            runs_max=runs_max,
        )
        tried = Tried(
            saving=_plain(found.smallest),
            sturdy=_plain(found.sturdy),
            tried=found.tried,
            timings=TIMINGS,
            was_cut=found.was_cut,
            no_return=point_of_no_return(plan, choices, result.trace, culprit),
        )
        explanation = explain(result.trace, result.judgement, tried)
        assert explanation is not None
        return cls(explanation, found)


def _plain(saved: Saved | None) -> Saving | None:
    if saved is None:
        return None
    change = saved.change
    kind = change.size.name.lower()
    return Saving(
        text=change.text,
        kind=kind,
        amount_ns=change.amount_ns,
        is_entire=saved.is_entire,
        is_sturdy=saved.is_sturdy,
        keeps_memory=saved.keeps_memory,
    )
