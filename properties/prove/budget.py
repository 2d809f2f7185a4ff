"""The quiesce budget of a model of one's own: how long a named wait may take at most.

First the wait is given no greatest length at all: if that is proved, nothing depends on it.
Otherwise the path that breaks the claim needs some least bound, which is read off its constraints,
and one nanosecond less is tried next (`thresholds`).
"""

from collections.abc import Callable
from typing import NamedTuple

from ...model.base.errors import QuiesceError, nearest
from ...model.dense.step import DelayName, Moment
from . import thresholds
from .counterexample import ImpossibleError, Schedule, schedule_of
from .thresholds import edge_of, least_of
from .zones import FOREVER


class Limit(NamedTuple):
    """What keeps a wait from being longer.

    Attributes:
        claim: That would be broken.
        message: In which way.
        event: The delay whose end breaks it; None if the run begins with it.
        schedule: The run in which it happens, one nanosecond beyond the budget.
    """

    claim: str
    message: str
    event: DelayName | None
    schedule: Schedule


class Budget(NamedTuple):
    """How long a wait may take at most.

    Attributes:
        name: Of the wait.
        least_ns: Its declared least length.
        declared_ns: Its declared greatest length.
        largest_ns: The largest greatest length that keeps the proof; None if it needs none, or
            if not even the least length keeps it.
        verdict: `bounded`, `unlimited`, `violated` (with any greatest length) or `inconclusive`.
        limit: What is broken beyond it, if it is bounded or violated.
        proofs: How many searches it took.
        reason: What cut a search short, or an empty string.
    """

    name: str
    least_ns: int
    declared_ns: int
    largest_ns: int | None
    verdict: str
    limit: Limit | None
    proofs: int
    reason: str


class Trial(NamedTuple):
    """What a proof with one greatest length has shown.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        reason: What cut it short, or an empty string.
        fault: The broken claim and its message, if it is violated.
        moments: Of the path that breaks it.
    """

    verdict: str
    reason: str = ""
    fault: tuple[str, str] = ("", "")
    moments: tuple[Moment, ...] = ()


class NoSuchWaitError(QuiesceError):
    """A budget was asked for a wait that no run has come to.

    Args:
        name: As asked for.
        known: Names of the waits that there are.
    """

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        self.name = name
        self.known = known
        super().__init__(name, known)

    def __str__(self) -> str:
        """Name it and the nearest one that there is."""
        close = nearest(self.name, self.known)
        return f"no delay is called {self.name!r}" + (f"; did you mean {close!r}?" if close else "")


GREATEST_NS = 1 << 50
"""The greatest value that is tried, some thirteen days, if no limit at all is too much."""

Try = Callable[[int], Trial]
"""Proves the model with another greatest length, in nanoseconds, of the wait in question."""


def budget_of(
    name: str, least_ns: int, declared_ns: int, attempt: Try, matches: Callable[[str], bool]
) -> Budget:
    """Return the budget of a wait.

    Args:
        name: Of the wait.
        least_ns: Its declared least length.
        declared_ns: Its declared greatest length.
        attempt: Proves with another greatest length.
        matches: Whether a delay with this label is meant.
    """
    limit: Limit | None = None
    reason = ""

    def tried(ns: int) -> thresholds.Trial:
        nonlocal limit, reason
        trial = attempt(ns)
        if trial.verdict == "violated":
            needed_ns, limit = _least_needed(trial, least_ns, ns, matches)
            return thresholds.Trial(trial.verdict, needed_ns)
        reason = trial.reason
        return thresholds.Trial(trial.verdict)

    edge = edge_of(tried, least_ns, declared_ns, GREATEST_NS, unlimited=FOREVER)
    largest_ns = edge.kept if edge.kept >= least_ns else None
    verdict = edge.verdict
    if verdict == "kept":
        verdict, reason = "inconclusive", "proved as far as was tried"
        if edge.kept == FOREVER:
            verdict, largest_ns, reason = "unlimited", None, ""
    elif verdict != "inconclusive":
        reason = ""
    return Budget(name, least_ns, declared_ns, largest_ns, verdict, limit, edge.trials, reason)


def _least_needed(
    trial: Trial, least_ns: int, tried: int, matches: Callable[[str], bool]
) -> tuple[int, Limit]:
    """Return the least bound with which the path of a trial exists, and what it comes to."""

    def along(bound_ns: int) -> Schedule | None:
        try:
            return schedule_of(
                trial.moments, at_most=lambda delay: bound_ns if matches(delay[0]) else None
            )
        except ImpossibleError:
            return None

    schedule = along(tried)
    assert schedule is not None, "the search has found this path"
    # The earliest run shows one bound that is enough; below it the answer is monotone.
    taken = [ns for delay, ns in schedule.lengths_ns.items() if matches(delay[0])]
    enough = min(tried, max([least_ns, *taken]))
    needed = least_of(lambda ns: along(ns) is not None, least_ns - 1, enough)
    event = trial.moments[-1].ended
    return needed, Limit(*trial.fault, event, along(needed) or schedule)
