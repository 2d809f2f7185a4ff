"""Proving each claim with the part of the system alone that can influence it.

A claim is about some components.  Whoever can influence them, by any path through the wiring
graph, belongs to its *slice*; all others are left out.  That is sound if the graph has every
influence, and a model that is explored without some components sees to that: calling into one
that was left out does nothing, and using anything it would have given is an error
(`LeftOutError`), not a proof.  What remains behaves in each run as it does in the whole: no
component of the slice can tell whether the others are there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..model.dense_step import MakeStopwatch, MakeWatch
from .prove import Explorable, Fault, Progress, Proof, Range, Search

if TYPE_CHECKING:
    import networkx

CHUNK = 1_000
"""Classes that a slice may explore before the next one has its turn, at first."""


class Claim(NamedTuple):
    """A claim, the distances that go with it, and the components that it is about."""

    watches: tuple[MakeWatch, ...]
    stopwatches: tuple[MakeStopwatch, ...]
    subjects: tuple[str, ...]


class Slice(NamedTuple):
    """What one claim needs, and what was found with it."""

    claim: Claim
    names: frozenset[str]
    model: Explorable
    search: Search


Explore = Callable[[tuple[MakeWatch, ...], tuple[MakeStopwatch, ...], frozenset[str]], Explorable]
"""Makes a model with some monitors and without some components."""


class SlicedProof(NamedTuple):
    """What all slices have shown together.

    Attributes:
        verdict: `violated` if one is, else `inconclusive` if one is, else `proved`.
        slices: Each with its search.
        proofs: What each has shown.
        ranges: Exact bounds of each distance over all slices.
        faults: Broken claims, fewest events first, each with the slice it was found in.
    """

    verdict: str
    slices: tuple[Slice, ...]
    proofs: tuple[Proof, ...]
    ranges: dict[str, Range]
    faults: tuple[tuple[Slice, Fault], ...]

    @property
    def classes(self) -> int:
        """How many classes were explored in all slices."""
        return sum(proof.classes for proof in self.proofs)


def names_in_slice(graph: "networkx.DiGraph[str]", subjects: Iterable[str]) -> frozenset[str]:
    """Return the subjects and whoever can influence them."""
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
    progress: Callable[[Progress], None] | None = None,
) -> SlicedProof:
    """Prove each claim in its slice; the first that is broken ends it.

    The slices take turns, with more classes in each round, so that a claim that breaks soon need
    not wait for those that take long to prove.
    """
    everything = frozenset(graph)
    slices = []
    for claim in claims:
        names = names_in_slice(graph, claim.subjects)
        model = explore(claim.watches, claim.stopwatches, everything - names)
        slices.append(Slice(claim, names, model, Search(model)))
    chunk = CHUNK
    unfinished = slices
    while unfinished:
        for each in unfinished:
            limit = min(max_classes, each.search.classes + chunk)
            proof = each.search.run(limit, seconds, progress)
            if proof.verdict == "violated":
                return _together(slices)
        unfinished = [
            each
            for each in unfinished
            if each.search.frontier and each.search.classes < max_classes
            and each.search.elapsed_s < seconds
        ]  # fmt: skip
        chunk *= 4
    return _together(slices)


def _together(slices: Sequence[Slice]) -> SlicedProof:
    proofs = tuple(each.search.proof() for each in slices)
    words = {proof.verdict for proof in proofs}
    verdict = next(word for word in ("violated", "inconclusive", "proved") if word in words)
    ranges: dict[str, Range] = {}
    for proof in proofs:
        for name, found in proof.ranges.items():
            known = ranges.setdefault(name, found)
            if found.least_ns < known.least_ns:
                known = known._replace(least_ns=found.least_ns, least_by=found.least_by)
            if found.greatest_ns > known.greatest_ns:
                known = known._replace(greatest_ns=found.greatest_ns, greatest_by=found.greatest_by)
            ranges[name] = known
    faults = [(each, fault) for each in slices for fault in each.search.faults]
    return SlicedProof(verdict, tuple(slices), proofs, ranges, tuple(faults))
