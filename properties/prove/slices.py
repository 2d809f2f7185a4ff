"""Proving each claim with the part of the system alone that can influence it.

A claim is about some components.  Whoever can influence them, by any path through the wiring
graph, belongs to its *slice*; all others are left out.  That is sound if the graph has every
influence, and a model that is explored without some components sees to that: calling into one
that was left out does nothing, and using anything it would have given is an error
(`LeftOutError`), not a proof.  What remains behaves in each run as it does in the whole: no
component of the slice can tell whether the others are there.

Slices that are alike but for the names in them are proved once (`symmetry`), and several processes
can share the work without changing any number (`teams`).
"""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...model.dense.step import MakeStopwatch, MakeWatch
from .prove import Explorable, Fault, Progress, Proof, Range
from .teams import Found, Task, Team, team_of

if TYPE_CHECKING:
    import networkx

FIRST_ROUND = 256
"""Classes that a slice may have explored when the next one has its turn, in the first round."""

GROWTH = 4
"""By how much that grows from round to round: work that is begun anew costs a third at most."""

SUSPECTED_ROUND = 1 << 16
"""Classes for a claim that is suspected to be broken, before any other is looked at."""


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
        model: Made of them alone; for looking at the paths that were found.
    """

    claim: Claim
    names: frozenset[str]
    model: Explorable


Explore = Callable[[tuple[MakeWatch, ...], tuple[MakeStopwatch, ...], frozenset[str]], Explorable]
"""Makes a model with some monitors and without some components."""

Shape = Callable[[Explorable], Hashable]
"""What a model looks like at its beginning, without names; see `symmetry`."""


class SlicedProof(NamedTuple):
    """What all slices have shown together.

    Attributes:
        verdict: `violated` if one is, else `inconclusive` if one is, else `proved`.
        slices: All of them.
        proofs: What each has shown; None for one that was not looked at.
        twin_of: For each the slice that was proved in its place, or -1.
        ranges: Exact bounds of each distance over all slices; whose paths they are is in `proofs`.
        faults: Broken claims, fewest events first, each with the slice it was found in.
        reason: What cut the first inconclusive slice short, or an empty string.
    """

    verdict: str
    slices: tuple[Slice, ...]
    proofs: tuple[Proof | None, ...]
    twin_of: tuple[int, ...]
    ranges: dict[str, Range]
    faults: tuple[tuple[Slice, Fault], ...]
    reason: str

    @property
    def classes(self) -> int:
        """How many classes were explored in all slices."""
        return sum(proof.classes for proof in self.proofs if proof is not None)


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
    jobs: int = 1,
    suspects: Iterable[int] = (),
    shape: Shape | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> SlicedProof:
    """Prove each claim in its slice; the first that is broken ends it.

    The slices take turns, with more classes in each round, so that a claim that breaks soon need
    not wait for those that take long to prove.

    Args:
        claims: What to prove.
        explore: Makes a model.
        graph: Who can influence whom.
        max_classes: Give a slice up after so many.
        seconds: Give up after so long.
        jobs: How many processes share the work; the result does not depend on it.
        suspects: Positions of claims that something speaks against, to be looked at first.
        shape: Tells which slices may be alike; without it each is proved for itself.
        progress: Told now and then how far it has come.
    """
    everything = frozenset(graph)
    slices = []
    for claim in claims:
        names = names_in_slice(graph, claim.subjects)
        slices.append(
            Slice(claim, names, explore(claim.watches, claim.stopwatches, everything - names))
        )

    def make(number: int) -> Explorable:
        claim, names, _ = slices[number]
        return explore(claim.watches, claim.stopwatches, everything - names)

    found: dict[int, Found] = {}
    deadline_s = time.monotonic() + seconds
    team = team_of(make, jobs, progress)
    try:
        for result in _rounds(team, slices, found, list(suspects), shape, max_classes, deadline_s):
            found.update(result)
            if any(each.proof.verdict == "violated" for each in result.values()):
                break
    finally:
        team.close()
    return _together(slices, found)


def _rounds(
    team: Team,
    slices: Sequence[Slice],
    found: dict[int, Found],
    suspects: Sequence[int],
    shape: Shape | None,
    max_classes: int,
    deadline_s: float,
) -> Iterator[dict[int, Found]]:
    """Give the results of all rounds until every slice is over or given up."""
    left_s = max(0.0, deadline_s - time.monotonic())
    limit = min(SUSPECTED_ROUND, max_classes)
    yield from team.results(
        [Task((each,), limit, left_s, limit == max_classes) for each in suspects]
    )
    groups = _groups([n for n in range(len(slices)) if n not in suspects], slices, shape)
    groups += [(number,) for number in suspects if not found[number].is_over]
    limit = FIRST_ROUND
    while groups:
        limit = min(limit, max_classes)
        left_s = max(0.0, deadline_s - time.monotonic())
        is_final = limit == max_classes
        yield from team.results([Task(group, limit, left_s, is_final) for group in groups])
        if is_final or time.monotonic() >= deadline_s:
            return
        groups = [
            group
            for group in groups
            if not all(number in found and found[number].is_over for number in group)
        ]
        limit *= GROWTH


def _groups(
    numbers: Sequence[int], slices: Sequence[Slice], shape: Shape | None
) -> list[tuple[int, ...]]:
    """Return the slices in groups that may be alike, in the order of the first of each."""
    if shape is None:
        return [(number,) for number in numbers]
    alike: dict[Hashable, list[int]] = {}
    for number in numbers:
        claim, names, model = slices[number]
        model.beginnings()
        size = (len(names), len(claim.watches), len(claim.stopwatches))
        alike.setdefault((size, shape(model)), []).append(number)
    return [tuple(group) for group in alike.values()]


def _together(slices: Sequence[Slice], found: dict[int, Found]) -> SlicedProof:
    order = [number for number in range(len(slices)) if number in found]
    proofs = [found[number].proof for number in order]
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
    faults = [(slices[number], fault) for number in order for fault in found[number].proof.faults]
    reasons = [proof.reason for proof in proofs if proof.verdict == "inconclusive"]
    return SlicedProof(
        verdict,
        tuple(slices),
        tuple(found[number].proof if number in found else None for number in range(len(slices))),
        tuple(found[number].twin_of if number in found else -1 for number in range(len(slices))),
        ranges,
        tuple(faults),
        reasons[0] if reasons else "",
    )
