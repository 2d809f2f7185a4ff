"""Proofs of a model of one's own: verdict, exact distances, margins and unsafe windows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...model.dense.step import MakeStopwatch, Mark, Moment, Stopwatch
from ...model.dense.transition import MarksOf, Transition
from ...model.trace.events import Record
from .counterexample import Schedule, schedule_of
from .layout import Clocks
from .measures import Between
from .observers import Claims, UnsafeWindows
from .paths import noted_on, path_to, start_of
from .places import TransitionSystem
from .search_results import Broken, Extremes, Reading
from .symbolic_state import Predecessor, step_of
from .watches import Test
from .windows import Window
from .zone_search import ZoneSearch

START, STOP = "start", "stop"
"""The words of the marks that tell of a distance."""

MOMENT = "moment"
"""The word of the marks that tell of named moments."""


class Proof(NamedTuple):
    """What a search has found.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        classes: How many symbolic states were found.
        transitions: How many events were followed from them.
        elapsed_s: Seconds of the clock on the wall.
        faults: The broken claims with the fewest events; empty unless violated.
        ranges: Exact bounds of each measured distance, by name, over all runs if proved.
        reason: What cut the search short, or an empty string.
        depth: Events of the longest path looked at.
    """

    verdict: str
    classes: int
    transitions: int
    elapsed_s: float
    faults: tuple[Broken, ...]
    ranges: dict[str, Extremes]
    reason: str
    depth: int


def search_of(
    system: TransitionSystem,
    distances: Sequence[MakeStopwatch] = (),
    claims: Claims | None = None,
    *,
    clocks: Clocks,
    stop_at_fault: bool = True,
) -> ZoneSearch:
    """Return a search that measures some distances and has not begun.

    Args:
        system: The model; its marks tell of the distances (`marks_of`).
        distances: Make the stopwatches.
        claims: What becomes of broken claims.
        clocks: One, or one for each part.
        stop_at_fault: Whether the first broken claim ends it.
    """
    measures = [
        Between(name, (name, START), (name, STOP), restarts=True)
        for name in [make().name for make in distances]
    ]
    return ZoneSearch(system, claims, measures, clocks=clocks, stop_at_fault=stop_at_fault)


def proof_of(search: ZoneSearch, system: TransitionSystem) -> Proof:
    """Return what a search has found so far, and what may have kept it from ending."""
    faults = tuple(search.faults.values())
    reason = ""
    if search.frontier and not faults:
        grown = system.growth(search.places.step_to(search.frontier[-1]))
        reason = "; ".join([_shortfall(search), *([grown] if grown else [])])
    verdict = "violated" if faults else "inconclusive" if reason else "proved"
    return Proof(verdict, search.classes, search.events, search.elapsed_s, faults,
                 dict(search.readings), reason, search.depth)  # fmt: skip


def _shortfall(search: ZoneSearch) -> str:
    left, at_half = len(search.frontier), search.history.at_half(search.classes)
    share = -(-100 * left // max(search.classes, 1))
    trend = "" if at_half < 0 else f"; {at_half} were open when half as many were known"
    not_followed = f"{left} of them not followed ({share} %)"
    return f"cut short after {search.classes} classes, {not_followed}{trend}"


# Distances, and the runs that attain them.


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


class Bounds(NamedTuple):
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


def trail_to(
    system: TransitionSystem, last: Predecessor, distance_ns: int | None = None
) -> list[Moment]:
    """Return the events of a path to an event, in terms of the run along it."""
    return system.trail(step_of(path_to(last, distance_ns)))


def bounds_of(system: TransitionSystem, name: str, found: Extremes) -> Bounds:
    """Return the runs that attain the bounds of a distance."""
    return Bounds(*(_attained(system, name, reading) for reading in found))


def margin_of(system: TransitionSystem, proof: Proof, claim: str, distance: str) -> Margin:
    """Return the margin of a claim.

    Args:
        system: That was explored with the claim and its distance.
        proof: What was found.
        claim: Name of the claim.
        distance: Name of the distance from the last thing forbidden to the end.
    """
    is_exact = proof.verdict != "inconclusive"
    for fault in proof.faults:
        if fault.claim == claim:
            return Margin(claim, 0, schedule_of(trail_to(system, fault.by)), is_exact=True)
    found = proof.ranges.get(distance)
    if found is None:
        return Margin(claim, None, None, is_exact)
    run = _attained(system, distance, found.least)
    return Margin(claim, found.least.ns, run.schedule, is_exact)


def _attained(system: TransitionSystem, name: str, reading: Reading) -> Attained:
    path = path_to(reading.by, reading.ns, reading.observer)
    started = start_of(path, reading.observer)
    moments = system.trail(step_of(path))
    noted = noted_on(path, reading.observer)
    return Attained(name, reading.ns, schedule_of(moments, (started, reading.ns), noted=noted))


# Unsafe windows.


class Windows(NamedTuple):
    """The unsafe windows of each moment.

    Attributes:
        verdict: `violated` if there are any, `inconclusive` if more could be found, else `proved`.
        by_moment: Windows in order, disjoint; none where a moment is always safe.
        classes: How many symbolic states were found.
        reason: What cut the search short, or an empty string.
    """

    verdict: str
    by_moment: dict[str, tuple[Window, ...]]
    classes: int
    reason: str


def windows_observer(moments: Iterable[str]) -> UnsafeWindows:
    """Return what collects the windows of moments that `marks_of` tells."""
    return UnsafeWindows(moments, _moment_of)


def windows_of(search: ZoneSearch, windows: UnsafeWindows) -> Windows:
    """Return the windows that a search has found so far."""
    by_moment = {name: tuple(each) for name, each in windows.found.items()}
    # Windows that are found are certain; that there are no more is known at the end alone.
    reason = _shortfall(search) if search.frontier else ""
    verdict = "violated" if any(by_moment.values()) else "proved"
    return Windows("inconclusive" if reason else verdict, by_moment, search.classes, reason)


def marks_of(distances: Sequence[Stopwatch], moments: Mapping[str, Test]) -> MarksOf:
    """Return what tells the starts and stops of distances, and named moments, from records."""

    def marks(record: Record) -> list[Mark]:
        found: list[Mark] = [(each.name, word) for each in distances if (word := each.mark(record))]
        # Of several names for one record the first counts.
        names = [name for name, test in moments.items() if test(record)]
        return [*found, *[(MOMENT, name) for name in names[:1]]]

    return marks


def _moment_of(transition: Transition) -> str:
    names = [str(mark[1]) for mark in transition.marks if mark[0] == MOMENT]
    return names[0] if names else ""
