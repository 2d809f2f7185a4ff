"""Proving each claim with the part of a model alone that can influence it.

A claim is about some components.  The components that can influence these, by any path through the
wiring graph, belong to its *slice*; all others are left out.  That is sound if the graph has every
influence, and a model that is explored without some components sees to that: calling into one that
was left out does nothing, and using anything it would have given is an error (`LeftOutError`), not
a proof.  What remains behaves in each run as it does in the whole: no component of the slice can
tell whether the others are there.

One process explores a slice from its beginning to its end, and results are taken in the order of
the slices; what comes behind a broken claim is thrown away.  So verdict and numbers are the same
for any number of processes.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from ...model.dense.step import MakeStopwatch, MakeWatch, Pick, Step
from ..core.worker_pool import results_in_order
from .layout import Clocks
from .model_proof import Windows, proof_of, search_of
from .paths import path_to
from .places import TransitionSystem
from .symbolic_state import Predecessor
from .windows import united
from .zone_search import ZoneSearch

if TYPE_CHECKING:
    import networkx


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
    """The exact bounds of a distance over all runs."""

    least_ns: int
    greatest_ns: int


class SliceProof(NamedTuple):
    """What the search through one slice has found so far, as plain data.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        classes: How many symbolic states were found.
        faults: Broken claims.
        ranges: Bounds of distances, by name.
        reason: What cut the search short, or an empty string.
    """

    verdict: str
    classes: int
    faults: tuple[Fault, ...]
    ranges: dict[str, Range]
    reason: str


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
    deadline_s = time.monotonic() + seconds

    def explored(number: int) -> SliceProof:
        claim, _, system = slices[number]
        search = search_of(system, claim.stopwatches, clocks=Clocks.PER_PART)
        search.run(max_classes, deadline_s)
        return _plain(search, system)

    first = list(suspects)
    numbers = first + [number for number in range(len(slices)) if number not in first]
    found: dict[int, SliceProof] = {}
    with closing(results_in_order(explored, numbers, jobs, forks=True)) as results:
        for number, proof in zip(numbers, results, strict=True):
            found[number] = proof
            if proof.verdict == "violated":
                break
    return _together(slices, found)


def _plain(search: ZoneSearch, system: TransitionSystem) -> SliceProof:
    proof = proof_of(search, system)
    faults = tuple(Fault(each.claim, each.message, _path(each.by)) for each in proof.faults)
    ranges = {
        name: Range(least.ns, greatest.ns) for name, (least, greatest) in proof.ranges.items()
    }
    return SliceProof(proof.verdict, proof.classes, faults, ranges, proof.reason)


def _path(last: Predecessor) -> Path:
    # With clocks per part there is one path to each event.
    events = path_to(last)
    return tuple((each.part, each.position, each.move.transition.picks) for each in events)


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
                known = known._replace(least_ns=each.least_ns)
            if each.greatest_ns > known.greatest_ns:
                known = known._replace(greatest_ns=each.greatest_ns)
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
