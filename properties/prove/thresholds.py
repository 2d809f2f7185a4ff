"""One threshold search: the greatest value of a wait that keeps a proof.

A longer wait adds runs and takes none away; so what is broken for one value is broken for all above
it, and there is one threshold.  Values are whole nanoseconds, and a proof is exact for each.
"""

from collections.abc import Callable
from typing import NamedTuple

REACH = 8
"""A value is tried at most so many times as great as the last one that is proved."""


class Trial(NamedTuple):
    """What a proof with one value has shown.

    Attributes:
        word: `proved`, `violated` or `inconclusive`.
        broken_from: The least value that is known to be violated, if it is violated.
    """

    word: str
    broken_from: int = 0


class Edge(NamedTuple):
    """Where a proof stops to hold.

    Attributes:
        verdict: `bounded` (exact), `kept` (as far as was tried), `violated` (down to the least
            value) or `inconclusive` (a proof was cut short).
        kept: The greatest value that is proved; less than the least one if none is.
        broken: The least value that is known to be violated, or None.
        trials: How many values were tried.
    """

    verdict: str
    kept: int
    broken: int | None
    trials: int


def edge_of(
    attempt: Callable[[int], Trial],
    least: int,
    declared: int,
    top: int,
    *,
    kept: int | None = None,
    broken: int | None = None,
    unlimited: int | None = None,
) -> Edge:
    """Return where a proof stops to hold.

    Proofs come from below, in great steps: what is proved when time runs out is known for certain,
    and long waits, which make for many states, are tried last.

    Args:
        attempt: Proves with a value.
        least: The least value that is tried.
        declared: The value that is tried first.
        top: The greatest value that is tried.
        kept: A value that is known to be proved, if there is one.
        broken: A value that is known to be violated, if there is one.
        unlimited: A value that stands for no limit at all.  It is tried before all others, and the
            edge is then sought from above.
    """
    known = least - 1 if kept is None else kept
    trials = violated = 0
    from_above = unlimited is not None
    if unlimited is not None:
        trial = attempt(unlimited)
        trials += 1
        if trial.word == "proved":
            return Edge("kept", unlimited, None, trials)
        # Without any limit there may be too much to explore.
        from_above = trial.word == "violated"
        broken = trial.broken_from if from_above else broken
    while broken is None or broken - known > 1:
        limit = top if broken is None else broken - 1
        tried = limit
        if not from_above:
            tried = min(declared if known < least else REACH * max(known, 1), limit)
        # What a path needs is nearly always the edge; halving is for the rest.
        if violated % 3 == 2:
            tried = (known + tried + 1) // 2
        tried = max(tried, least)
        trial = attempt(tried)
        trials += 1
        if trial.word == "inconclusive":
            return Edge("inconclusive", known, broken, trials)
        if trial.word == "violated":
            violated += 1
            broken = trial.broken_from
            continue
        known = tried
        if broken is None and tried == top:
            return Edge("kept", known, None, trials)
    return Edge("bounded" if known >= least else "violated", known, broken, trials)


def least_of(is_possible: Callable[[int], bool], below: int, high: int) -> int:
    """Return the least value above one that is possible, one being known to be.

    Args:
        is_possible: Monotone: what is possible stays so for greater values.
        below: Not possible, or not wanted.
        high: Possible.
    """
    while high - below > 1:
        middle = (below + high) // 2
        if is_possible(middle):
            high = middle
        else:
            below = middle
    return high
