"""The door to the dense-time prover for any model that is written against `Kernel`.

A model is a function that builds it in a kernel; a claim is a function that makes a monitor, such
as one of `properties.watches`.  Everything here holds for all real-valued timings at once:

    prove      whether claims hold, and the exact bounds of distances
    margins    how much time is to spare, and the run that has no more
    windows    at which instants of a moment, such as a crash, the run can still go wrong
    budget     how long a named wait may take at most

`in_parts=True` explores components as parts of their own and is far faster where they seldom
meet; it needs every process to belong to a `Component` (docs/proof.md).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from ...model.base.clock import Span
from ...model.dense.dense_kernel import Build, DenseKernel
from ...model.dense.replay import replay
from ...model.dense.step import MakeStopwatch, MakeWatch, Watch
from ...model.dense.transition_system import TransitionSystem
from ...model.sim.delay_override import DelayOverride
from ...properties.prove.budget import Budget, NoSuchWaitError, Trial, budget_of
from ...properties.prove.counterexample import Counterexample, confirmed
from ...properties.prove.layout import Clocks
from ...properties.prove.model_proof import (
    Bounds,
    Margin,
    Proof,
    Windows,
    bounds_of,
    margin_of,
    marks_of,
    proof_of,
    search_of,
    trail_to,
    windows_observer,
    windows_of,
)
from ...properties.prove.search_results import Progress
from ...properties.prove.watches import Distance, Test, WatchMonitor

__all__ = ["Answer", "budget", "margins", "prove", "system_of", "windows"]

CLASSES_MAX = 10_000_000


class Answer(NamedTuple):
    """What was shown of a model.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        proof: With the number of symbolic states and the reason if it was cut short.
        counterexample: A shortest run that breaks a claim, repeated in the ordinary kernel.
        distances: Exact bounds of each distance, with runs that attain them.
    """

    verdict: str
    proof: Proof
    counterexample: Counterexample | None
    distances: dict[str, Bounds]


class HasMargin(Watch, Protocol):
    """A claim that knows which distance is its margin."""

    def margin(self) -> Distance:
        """Return the stopwatch that measures it."""
        ...


def system_of(
    build: Build,
    claims: Sequence[MakeWatch] = (),
    distances: Sequence[MakeStopwatch] = (),
    moments: Mapping[str, Test] | None = None,
    *,
    in_parts: bool = False,
    left_out: frozenset[str] = frozenset(),
) -> TransitionSystem:
    """Return a model as a search sees it.

    Args:
        build: Builds it in a kernel; gives the event with which a run ends, or None.
        claims: Make the monitors of the claims.
        distances: Make the stopwatches of the distances to measure.
        moments: Tests of named moments.
        in_parts: Whether components are explored as parts of their own.
        left_out: Components without which the model runs.
    """
    makes = [partial(_monitor, make) for make in claims]
    marks = marks_of([make() for make in distances], moments or {})
    kernel = partial(DenseKernel, in_parts=in_parts, left_out=left_out, counts_events=False)
    return TransitionSystem(build, makes, marks, make_kernel=kernel)


def _monitor(make: MakeWatch) -> WatchMonitor:
    return WatchMonitor(make())


def prove(
    build: Build,
    claims: Sequence[MakeWatch] = (),
    distances: Sequence[MakeStopwatch] = (),
    *,
    in_parts: bool = False,
    max_classes: int = CLASSES_MAX,
    seconds: float = float("inf"),
    progress: Callable[[Progress], None] | None = None,
) -> Answer:
    """Show for every timing of a model that claims hold, or find a shortest run against them.

    Args:
        build: Builds the model in a kernel; gives the event with which a run ends, or None.
        claims: Make the monitors of the claims.
        distances: Make the stopwatches of the distances to measure.
        in_parts: Whether components are explored as parts of their own.
        max_classes: Give up after so many symbolic states.
        seconds: Give up after so long.
        progress: Called now and then with how far the search has come.

    Raises:
        QuiesceError: If the model cannot be explored; its text says why and what to do.
    """
    system = system_of(build, claims, distances, in_parts=in_parts)
    search = search_of(system, distances, clocks=_clocks(in_parts))
    search.run(max_classes, time.monotonic() + seconds, progress)
    proof = proof_of(search, system)
    found = None
    for fault in proof.faults[:1]:
        moments = trail_to(system, fault.by)
        found = confirmed(moments, fault.claim, claims, lambda run: replay(build, *run))
    extremes = {name: bounds_of(system, name, each) for name, each in proof.ranges.items()}
    return Answer(proof.verdict, proof, found, extremes)


def margins(
    build: Build,
    claims: Sequence[Callable[[], HasMargin]],
    *,
    in_parts: bool = False,
    max_classes: int = CLASSES_MAX,
    seconds: float = float("inf"),
) -> tuple[Margin, ...]:
    """Return the margin of each claim: the smallest distance from what it forbids to the end.

    Each claim has a search of its own, since a running stopwatch tells symbolic states apart.
    """
    found = []
    for make in claims:
        watch = make()
        stopwatch = _margin_of(make)
        system = system_of(build, [make], [stopwatch], in_parts=in_parts)
        search = search_of(system, [stopwatch], clocks=_clocks(in_parts))
        search.run(max_classes, time.monotonic() + seconds)
        found.append(margin_of(system, proof_of(search, system), watch.name, stopwatch().name))
    return tuple(found)


def _margin_of(make: Callable[[], HasMargin]) -> Callable[[], Distance]:
    return lambda: make().margin()


def windows(
    build: Build,
    claims: Sequence[MakeWatch],
    moments: Mapping[str, Test],
    *,
    in_parts: bool = False,
    max_classes: int = CLASSES_MAX,
    seconds: float = float("inf"),
) -> Windows:
    """Return the unsafe windows: at which instants of which moment a claim can still be broken."""
    observer = windows_observer(moments)
    system = system_of(build, claims, (), moments, in_parts=in_parts)
    search = search_of(system, (), observer, clocks=_clocks(in_parts), stop_at_fault=False)
    search.run(max_classes, time.monotonic() + seconds)
    return windows_of(search, observer)


def budget(
    build: Build,
    claims: Sequence[MakeWatch],
    name: str,
    *,
    in_parts: bool = False,
    max_classes: int = CLASSES_MAX,
    seconds: float = float("inf"),
) -> Budget:
    """Return how long the delays of a name may take at most, all claims still holding.

    Args:
        build: Builds the model.
        claims: Make the monitors of the claims.
        name: Label of the delays, or a pattern for several labels that share one bound.
        in_parts: Whether components are explored as parts of their own.
        max_classes: Give a search up after so many symbolic states.
        seconds: Give a search up after so long.

    Raises:
        NoSuchWaitError: If no run comes to such a delay.
    """
    declared = DelayOverride(build, name)
    # To the end even if a claim is broken, so that no wait is overlooked.
    system = system_of(declared, (), in_parts=in_parts)
    search_of(system, clocks=_clocks(in_parts)).run(max_classes, time.monotonic() + seconds)
    if not declared.declared:
        raise NoSuchWaitError(name, tuple(declared.labels))

    def attempt(hi_ns: int) -> Trial:
        system = system_of(DelayOverride(build, name, hi_ns), claims, in_parts=in_parts)
        search = search_of(system, clocks=_clocks(in_parts))
        search.run(max_classes, time.monotonic() + seconds)
        proof = proof_of(search, system)
        if not proof.faults:
            return Trial(proof.verdict, proof.reason)
        fault = proof.faults[0]
        broken = (fault.claim, fault.message)
        return Trial("violated", "", broken, tuple(trail_to(system, fault.by)))

    lo_ns, hi_ns = _ends(declared.declared)
    return budget_of(name, lo_ns, hi_ns, attempt, declared.matches)


def _clocks(in_parts: bool) -> Clocks:
    return Clocks.PER_PART if in_parts else Clocks.GLOBAL


def _ends(spans: Mapping[Span, None]) -> tuple[int, int]:
    return min(span.lo_ns for span in spans), max(span.hi_ns for span in spans)
