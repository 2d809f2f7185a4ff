"""What the proof of a slice, or of a whole system, has shown: plain data, fit for another process.

A path is told as plain data too, from which the ordinary kernel makes a run of the whole system.
"""

from typing import NamedTuple

from ...properties.core.verdict import Word
from ...properties.prove.search_results import Reading
from ...properties.prove.system_proof import SystemProof
from .proof import Path, growing, plain_path

__all__ = ["WHOLE", "Explored", "Extreme", "Shown", "explored_of"]

WHOLE = -1
"""The number of what is no slice but the whole system."""


class Shown(NamedTuple):
    """What was found out about one property.

    Attributes:
        word: The verdict.
        reason: Why.
        path: Of a run that violates it, or None.
        events: Delays that end in it.
    """

    word: Word
    reason: str
    path: Path | None = None
    events: int = 0


class Extreme(NamedTuple):
    """The least or greatest value of a distance, and a run that has it."""

    ns: int
    path: Path


class Explored(NamedTuple):
    """What has been explored.

    Attributes:
        number: Of the group that works in it, or `WHOLE`.
        name: Of that group, or empty.
        components: Parts of that group.
        guesses: What is assumed of the others.
        findings: By property.
        distances: Least and greatest value by name, of those that were measured completely.
        classes: How many were found.
        states: How many states they belong to.
        frontier: Classes that were not followed.
        frontier_at_half: How many were not when half as many classes were known; -1 if it is not
            known.
        depth: Events of the longest path.
        model_runs: How often the model was run from its beginning.
        is_whole: Whether every run was covered.
        was_stopped: Whether the user stopped it.
        is_endless: Whether some run stands still for ever before its end.
        growing: Attributes that go on taking new values, if it was cut short.
    """

    number: int
    name: str
    components: tuple[str, ...]
    guesses: tuple[str, ...]
    findings: dict[str, Shown]
    distances: dict[str, tuple[Extreme, Extreme]]
    classes: int
    states: int
    frontier: int
    frontier_at_half: int
    depth: int
    model_runs: int
    is_whole: bool
    was_stopped: bool
    is_endless: bool
    growing: tuple[str, ...]


def explored_of(
    proof: SystemProof,
    number: int = WHOLE,
    name: str = "",
    components: tuple[str, ...] = (),
    guesses: tuple[str, ...] = (),
) -> Explored:
    """Return what a proof has shown, as plain data."""
    search = proof.search
    findings = {}
    for claim, finding in proof.findings.items():
        path, events = None, 0
        if finding.by is not None:
            path, events = plain_path(proof, finding.by, finding.distance_ns)
        findings[claim] = Shown(finding.word, finding.reason, path, events)
    distances = {
        each.name: (_extreme(proof, each.least), _extreme(proof, each.greatest))
        for each in proof.distances
    }
    was_cut = not proof.is_whole and not search.has_ended and not proof.was_stopped
    return Explored(
        number,
        name,
        components,
        guesses,
        findings,
        distances,
        search.classes,
        search.places.states,
        len(search.frontier),
        search.history.at_half(search.classes),
        search.depth,
        proof.system.runs,
        proof.is_whole,
        proof.was_stopped,
        search.is_endless,
        tuple(growing(proof)) if was_cut else (),
    )


def _extreme(proof: SystemProof, reading: Reading) -> Extreme:
    path, _ = plain_path(proof, reading.by, reading.ns)
    return Extreme(reading.ns, path)
