"""Proving each claim with the part of a model alone that can influence it.

A claim is about some components.  The components that can influence these, by any path through the
wiring graph, belong to its *slice*; all others are left out.  That is sound if the graph has every
influence, and a model that is explored without some components sees to that: calling into one that
was left out does nothing, and using anything it would have given is an error (`LeftOutError`), not
a proof.  What remains behaves in each run as it does in the whole: no component of the slice can
tell whether the others are there.

Slices take turns, with more symbolic states in each round.  A task, a slice up to a limit, has one
result whichever process works it out, and results are taken in the order of the slices.  So verdict
and numbers are the same for any number of processes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...model.dense.step import MakeStopwatch, MakeWatch, Pick, Step
from ..core.worker_pool import WorkerPool, can_fork
from .layout import Clocks
from .model_proof import Windows, proof_of, search_of
from .paths import path_to
from .places import TransitionSystem
from .search_results import Reading
from .windows import united
from .zone_search import ZoneSearch

if TYPE_CHECKING:
    import networkx

FIRST_ROUND = 256
"""Symbolic states that a slice may have when the next one has its turn, in the first round."""

GROWTH = 4
"""By how much that grows from round to round: work that is begun anew costs a third at most."""

SUSPECTED_ROUND = 1 << 16
"""Symbolic states for a claim that is suspected to be broken, before any other is looked at."""


class Claim(NamedTuple):
    """A claim, the distances that go with it, and the components that it is about."""

    watches: tuple[MakeWatch, ...]
    stopwatches: tuple[MakeStopwatch, ...]
    subjects: tuple[str, ...]


class Slice(NamedTuple):
    """What one claim needs.

    Attributes:
        claim: Which.
        names: Its components.
        system: Made of them alone; for looking at the paths that were found.
    """

    claim: Claim
    names: frozenset[str]
    system: TransitionSystem


Explore = Callable[
    [tuple[MakeWatch, ...], tuple[MakeStopwatch, ...], frozenset[str]], TransitionSystem
]
"""Makes a model with some monitors and without some components."""

Path = tuple[tuple[int, int, tuple[Pick, ...]], ...]
"""A path as plain data, fit for another process: part, position and answers of each event."""


class Fault(NamedTuple):
    """A claim that is broken at the end of a path."""

    claim: str
    message: str
    path: Path

    @property
    def step(self) -> Step:
        """End of the path."""
        step = None
        for part, position, picks in self.path:
            step = Step(step, part, position, picks)
        assert step is not None, "a path has a beginning"
        return step


class Range(NamedTuple):
    """The exact bounds of a distance over all runs, each with a path that attains it."""

    least_ns: int
    greatest_ns: int
    least_by: Path
    greatest_by: Path


class SliceProof(NamedTuple):
    """What the search through one slice has found so far, as plain data.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        classes: How many symbolic states were found.
        faults: Broken claims.
        ranges: Bounds of distances, by name.
        reason: What cut the search short, or an empty string.
        is_over: Whether nothing is left to explore.
    """

    verdict: str
    classes: int
    faults: tuple[Fault, ...]
    ranges: dict[str, Range]
    reason: str
    is_over: bool


class SlicedProof(NamedTuple):
    """What all slices have shown together.

    Attributes:
        verdict: `violated` if one is, else `inconclusive` if one is, else `proved`.
        slices: All of them.
        proofs: What each has shown; None for one that was not looked at.
        ranges: Exact bounds of each distance over all slices.
        faults: Broken claims, each with the slice in which it was found.
        reason: What cut the first inconclusive slice short, or an empty string.
    """

    verdict: str
    slices: tuple[Slice, ...]
    proofs: tuple[SliceProof | None, ...]
    ranges: dict[str, Range]
    faults: tuple[tuple[Slice, Fault], ...]
    reason: str

    @property
    def classes(self) -> int:
        """How many symbolic states were found in all slices."""
        return sum(proof.classes for proof in self.proofs if proof is not None)


def names_in_slice(graph: "networkx.DiGraph[str]", subjects: Iterable[str]) -> frozenset[str]:
    """Return the subjects and all components that can influence them."""
    import networkx  # noqa: PLC0415

    return frozenset(
        name for subject in subjects for name in (subject, *networkx.ancestors(graph, subject))
    )


def prove_claims(
    claims: Sequence[Claim],
    explore: Explore,
    graph: "networkx.DiGraph[str]",
    *,
    max_classes: int = 10_000_000,
    seconds: float = float("inf"),
    jobs: int = 1,
    suspects: Iterable[int] = (),
) -> SlicedProof:
    """Prove each claim in its slice; the first that is broken ends it.

    Args:
        claims: What to prove.
        explore: Makes a model.
        graph: Which component can influence which.
        max_classes: Give a slice up after so many symbolic states.
        seconds: Give up after so long.
        jobs: How many processes share the work; the result does not depend on it.
        suspects: Positions of claims that something speaks against, to be looked at first.
    """
    everything = frozenset(graph)
    slices = []
    for claim in claims:
        names = names_in_slice(graph, claim.subjects)
        system = explore(claim.watches, claim.stopwatches, everything - names)
        slices.append(Slice(claim, names, system))
    found: dict[int, SliceProof] = {}
    explorer = _Explorer(slices)
    deadline_s = time.monotonic() + seconds
    if jobs == 1 or not can_fork():
        _explore(found, lambda tasks: map(explorer.do, tasks), slices, suspects, max_classes,
                 deadline_s)  # fmt: skip
        return _together(slices, found)
    with WorkerPool(explorer.do, jobs, forks=True) as pool:

        def results(tasks: Sequence[_Task]) -> Iterator[SliceProof]:
            for future in [pool.submit(task) for task in tasks]:
                yield future.result()

        _explore(found, results, slices, suspects, max_classes, deadline_s)
    return _together(slices, found)


class _Task(NamedTuple):
    """A slice to explore up to a limit; `is_final` if no more will be allowed."""

    number: int
    classes_max: int
    seconds: float
    is_final: bool


class _Explorer:
    """Explores slices, and remembers in its own process how far it has come with each."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._slices = slices
        self._searches: dict[int, ZoneSearch] = {}

    def do(self, task: _Task) -> SliceProof:
        """Go on with one slice; a task that comes to another process begins there anew."""
        claim, _, system = self._slices[task.number]
        search = self._searches.get(task.number)
        if search is None:
            search = search_of(system, claim.stopwatches, clocks=Clocks.PER_PART)
            self._searches[task.number] = search
        deadline_s = time.monotonic() + task.seconds
        search.run(task.classes_max, deadline_s)
        is_cut = task.is_final or time.monotonic() >= deadline_s
        return _plain(search, system, is_cut=is_cut)


def _explore(
    found: dict[int, SliceProof],
    results: Callable[[Sequence[_Task]], Iterable[SliceProof]],
    slices: Sequence[Slice],
    suspects: Iterable[int],
    max_classes: int,
    deadline_s: float,
) -> None:
    """Explore slices in rounds until one is violated, all are over, or a limit is reached."""
    first = list(suspects)
    rounds = [(first, min(SUSPECTED_ROUND, max_classes))] if first else []
    numbers = [number for number in range(len(slices)) if number not in first] + first
    limit = min(FIRST_ROUND, max_classes)
    rounds.append((numbers, limit))
    for some, classes_max in rounds:
        todo = [n for n in some if n not in found or not found[n].is_over]
        left_s = max(0.0, deadline_s - time.monotonic())
        is_final = classes_max == max_classes
        tasks = [_Task(number, classes_max, left_s, is_final) for number in todo]
        for number, proof in zip(todo, results(tasks), strict=False):
            found[number] = proof
            if proof.verdict == "violated":
                return
        is_left = any(not found[number].is_over for number in todo)
        if some is not first and is_left and not is_final and time.monotonic() < deadline_s:
            rounds.append((numbers, min(classes_max * GROWTH, max_classes)))


def _plain(search: ZoneSearch, system: TransitionSystem, *, is_cut: bool) -> SliceProof:
    proof = proof_of(search, system, explains=is_cut)
    faults = tuple(Fault(each.claim, each.message, _path(Reading(0, each.by)))
                   for each in proof.faults)  # fmt: skip
    ranges = {
        name: Range(least.ns, greatest.ns, _path(least), _path(greatest))
        for name, (least, greatest) in proof.ranges.items()
    }
    return SliceProof(proof.verdict, proof.classes, faults, ranges, proof.reason, search.is_over)


def _path(reading: Reading) -> Path:
    # With clocks per part there is one path to each event.
    path = path_to(reading.by)
    return tuple((each.part, each.position, each.move.transition.picks) for each in path)


def _together(slices: Sequence[Slice], found: dict[int, SliceProof]) -> SlicedProof:
    order = [number for number in range(len(slices)) if number in found]
    proofs = [found[number] for number in order]
    words = {proof.verdict for proof in proofs}
    if len(proofs) < len(slices):
        words.add("inconclusive")
    verdict = next(word for word in ("violated", "inconclusive", "proved") if word in words)
    ranges: dict[str, Range] = {}
    for proof in proofs:
        for name, each in proof.ranges.items():
            known = ranges.setdefault(name, each)
            if each.least_ns < known.least_ns:
                known = known._replace(least_ns=each.least_ns, least_by=each.least_by)
            if each.greatest_ns > known.greatest_ns:
                known = known._replace(greatest_ns=each.greatest_ns, greatest_by=each.greatest_by)
            ranges[name] = known
    faults = [(slices[number], fault) for number in order for fault in found[number].faults]
    reasons = [proof.reason for proof in proofs if proof.verdict == "inconclusive"]
    return SlicedProof(
        verdict,
        tuple(slices),
        tuple(found.get(number) for number in range(len(slices))),
        ranges,
        tuple(faults),
        reasons[0] if reasons else "",
    )


def joined(parts: Iterable[Windows]) -> Windows:
    """Return the windows of all claims together, from those of each in its own slice."""
    found = list(parts)
    words = {each.verdict for each in found}
    verdict = next(word for word in ("inconclusive", "violated", "proved") if word in words)
    names = dict.fromkeys(name for each in found for name in each.by_moment)
    by_moment = {
        name: tuple(united(window for each in found for window in each.by_moment.get(name, ())))
        for name in names
    }
    reasons = [each.reason for each in found if each.reason]
    return Windows(verdict, by_moment, sum(each.classes for each in found), "; ".join(reasons))
