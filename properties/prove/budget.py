"""The quiesce budget: how long a named wait may take at most, the proof still holding.

A longer greatest length adds runs and takes none away; so what is broken for one is broken for all
above it, and there is one threshold.  Greatest lengths are whole nanoseconds, and for each the
proof is exact over dense time; so the budget is the last whole one that keeps the proof.

It is found from above.  First the wait is given no greatest length at all: if that is proved,
nothing depends on it.  Otherwise the path that breaks the claim needs some least bound, which is
read off its constraints; one nanosecond less is tried next, and so on.  Every second try halves
what is open, so that there are never many.
"""

from collections.abc import Callable
from typing import NamedTuple

from ...model.base.errors import QuiesceError, nearest
from ...model.dense.step import DelayName, Moment
from .counterexample import ImpossibleError, Schedule, schedule_of
from .prove import Fault
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
        fault: What is broken, if it is violated.
        moments: Of the path that breaks it.
    """

    verdict: str
    reason: str = ""
    fault: Fault | None = None
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


DOUBLED_MAX_NS = 1 << 50
"""Where doubling ends, some thirteen days."""

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
    proofs = 0
    too_long = FOREVER
    limit: Limit | None = None
    kept = least_ns - 1

    def result(verdict: str, largest_ns: int | None, reason: str = "") -> Budget:
        return Budget(name, least_ns, declared_ns, largest_ns, verdict, limit, proofs, reason)

    tried = FOREVER
    while too_long - kept > 1:
        trial = attempt(tried)
        proofs += 1
        if trial.verdict == "violated":
            too_long, limit = _least_needed(trial, least_ns, tried, matches)
        elif trial.verdict == "proved":
            if tried == FOREVER:
                return result("unlimited", None)
            kept = tried
        elif tried != FOREVER or declared_ns >= DOUBLED_MAX_NS:
            return result("inconclusive", kept if kept >= least_ns else None, trial.reason)
        if too_long == FOREVER:
            # Without any bound there is too much to explore: come from below, in doubling steps.
            tried = max(declared_ns, 2 * kept)
            if tried > DOUBLED_MAX_NS:
                return result("inconclusive", kept, "proved as far as was tried")
            continue
        # The bound that the path needs is nearly always the threshold; halving is for the rest.
        tried = too_long - 1 if proofs % 2 else (max(kept, least_ns) + too_long) // 2
        tried = max(tried, least_ns)
    if kept < least_ns:
        return result("violated", None)
    return result("bounded", kept)


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
    short = least_ns - 1
    while enough - short > 1:
        middle = (enough + short) // 2
        found = along(middle)
        if found is None:
            short = middle
        else:
            enough, schedule = middle, found
    fault = trial.fault
    assert fault is not None
    limit = Limit(fault.claim, fault.message, trial.moments[-1].ended, along(enough) or schedule)
    return enough, limit
