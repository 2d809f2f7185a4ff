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

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ...model.base.clock import Span
from ...model.dense.dense_kernel import Build
from ...model.dense.dense_model import DenseModel
from ...model.dense.replay import replay
from ...model.dense.step import MakeStopwatch, MakeWatch, Watch
from ...model.sim.delay_override import Stretched
from ...properties.prove.budget import Budget, NoSuchWaitError, Trial, budget_of
from ...properties.prove.counterexample import Counterexample, confirmed
from ...properties.prove.margins import Extremes, Margin, extremes_of, margin_of
from ...properties.prove.prove import Progress, Proof
from ...properties.prove.prove import prove as explored
from ...properties.prove.watches import Distance, Test
from ...properties.prove.windows import Windows, windows_of

__all__ = ["Answer", "budget", "margins", "prove", "windows"]

CLASSES_MAX = 10_000_000


class Answer(NamedTuple):
    """What was shown of a model.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        proof: With the number of classes and the reason if it was cut short.
        counterexample: A shortest run that breaks a claim, repeated in the ordinary kernel.
        distances: Exact bounds of each distance, with runs that attain them.
    """

    verdict: str
    proof: Proof
    counterexample: Counterexample | None
    distances: dict[str, Extremes]


class HasMargin(Watch, Protocol):
    """A claim that knows which distance is its margin."""

    def margin(self) -> Distance:
        """Return the stopwatch that measures it."""
        ...


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
        max_classes: Give up after so many.
        seconds: Give up after so long.
        progress: Told now and then how far the search has come.

    Raises:
        QuiesceError: If the model cannot be explored; its text says why and what to do.
    """
    model = DenseModel(build, claims, distances, in_parts=in_parts)
    proof = explored(model, max_classes=max_classes, seconds=seconds, progress=progress)
    found = None
    for fault in proof.faults[:1]:
        moments = model.trail(fault.step)
        found = confirmed(moments, fault.claim, claims, lambda run: replay(build, *run))
    extremes = {name: extremes_of(model, name, each) for name, each in proof.ranges.items()}
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

    Each claim has a search of its own, since a running stopwatch tells classes apart.
    """
    found = []
    for make in claims:
        watch = make()
        stopwatch = _margin_of(make)
        model = DenseModel(build, [make], [stopwatch], in_parts=in_parts)
        proof = explored(model, max_classes=max_classes, seconds=seconds)
        found.append(margin_of(model, proof, watch.name, stopwatch().name))
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
    return windows_of(
        lambda watches, clocks: DenseModel(build, watches, clocks, in_parts=in_parts),
        claims,
        moments,
        max_classes=max_classes,
        seconds=seconds,
    )


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
        max_classes: Give a search up after so many.
        seconds: Give a search up after so long.

    Raises:
        NoSuchWaitError: If no run comes to such a delay.
    """
    declared = Stretched(build, name)
    # To the end even if a claim is broken, so that no wait is overlooked.
    explored(DenseModel(declared, (), in_parts=in_parts), max_classes=max_classes, seconds=seconds)
    if not declared.declared:
        raise NoSuchWaitError(name, tuple(declared.labels))

    def attempt(hi_ns: int) -> Trial:
        model = DenseModel(Stretched(build, name, hi_ns), claims, in_parts=in_parts)
        proof = explored(model, max_classes=max_classes, seconds=seconds)
        if not proof.faults:
            return Trial(proof.verdict, proof.reason)
        fault = proof.faults[0]
        return Trial("violated", "", fault, tuple(model.trail(fault.step)))

    lo_ns, hi_ns = _ends(declared.declared)
    return budget_of(name, lo_ns, hi_ns, attempt, declared.matches)


def _ends(spans: Mapping[Span, None]) -> tuple[int, int]:
    return min(span.lo_ns for span in spans), max(span.hi_ns for span in spans)
