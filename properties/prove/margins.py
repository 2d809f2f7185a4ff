"""Exact margins, and the runs that attain them.

The *margin* of a claim that nothing of one kind follows the end is the smallest distance, over
all runs, from the last thing of that kind to the end.  Zero is a violation, and so is whatever
follows the end: then the run is the one that breaks the claim.  A margin is a bound of a distance
(`prove.Range`), and the run that attains it is the path on which the bound was found, with the
constraint that the distance be exactly that: its times are again the least whole solution.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ...model.dense.step import Moment, Step
from .counterexample import ImpossibleError, Schedule, schedule_of
from .prove import Explorable, Proof, Range


class Attained(NamedTuple):
    """A distance and a run that has it.

    Attributes:
        name: Of the distance.
        ns: How long.
        schedule: The run, up to the end of the distance.
    """

    name: str
    ns: int
    schedule: Schedule


class Extremes(NamedTuple):
    """The shortest and the longest of a distance over all runs."""

    shortest: Attained
    longest: Attained


class Margin(NamedTuple):
    """How much time was to spare.

    Attributes:
        claim: Whose margin.
        ns: The smallest distance; 0 if the claim is broken, None if no run puts it to the test.
        run: That attains it or breaks the claim.
        is_exact: Whether all runs were looked at; otherwise others may have less.
    """

    claim: str
    ns: int | None
    run: Schedule | None
    is_exact: bool


def extremes_of(model: Explorable, name: str, found: Range) -> Extremes:
    """Return the runs that attain the bounds of a distance.

    Args:
        model: In which they were found.
        name: Of the distance.
        found: Its bounds.
    """
    return Extremes(
        attained(model, name, found.least_ns, found.least_by),
        attained(model, name, found.greatest_ns, found.greatest_by),
    )


def attained(model: Explorable, name: str, ns: int, step: Step) -> Attained:
    """Return the run along a path at whose end a distance is exactly so long."""
    moments = model.trail(step)
    started = _started(moments, model.part_names.index(name))
    try:
        return Attained(name, ns, schedule_of(moments, (started, ns)))
    except ImpossibleError:
        # Started and read by one event: the distance is zero in every run along this path.
        assert ns == 0, (name, ns)
        return Attained(name, ns, schedule_of(moments))


def _started(moments: Sequence[Moment], part: int) -> int:
    """Return which event started a stopwatch that the last one reads, unless that one did.

    It ran when it was read, so what it noticed last before that was its start.
    """
    before = range(len(moments) - 1)
    return max((at for at in before if part in moments[at].entered), default=len(before))


def margin_of(model: Explorable, proof: Proof, claim: str, distance: str) -> Margin:
    """Return the margin of a claim.

    Args:
        model: That was explored with the claim and its distance.
        proof: What was found.
        claim: Name of the claim.
        distance: Name of the stopwatch from the last thing forbidden to the end.
    """
    is_exact = proof.verdict != "inconclusive"
    for fault in proof.faults:
        if fault.claim == claim:
            return Margin(claim, 0, schedule_of(model.trail(fault.step)), is_exact=True)
    found = proof.ranges.get(distance)
    if found is None:
        return Margin(claim, None, None, is_exact)
    run = attained(model, distance, found.least_ns, found.least_by)
    return Margin(claim, found.least_ns, run.schedule, is_exact)
