"""What a proof has explored: slices, classes, states, and why it was cut short."""

from .slice_results import WHOLE, Explored
from .sliced_proof import ScenarioProof

__all__ = ["shortfall_in_words", "slices_document", "slicing_in_words"]


def slicing_in_words(proof: ScenarioProof) -> list[str]:
    """Return what a reader must know of slices, among the bounds of a verdict."""
    if not proof.is_sliced:
        return [f"not in slices: {proof.why_whole}"] if proof.why_whole else []
    count = sum(part.number != WHOLE for part in proof.parts)
    told = (
        "in slices, one for each group of devices that cannot influence each other, "
        f"{count} of them explored; --no-slicing explores the whole"
    )
    found = [told]
    guesses = dict.fromkeys(guess for part in proof.parts for guess in part.guesses)
    if guesses:
        found.append(f"assumed of others in a slice: {'; '.join(guesses)}")
    if any(part.number == WHOLE for part in proof.parts):
        found.append(
            "what a slice violates was not seen in the run of the whole that was tried; so the "
            "whole was searched"
        )
    return found


def shortfall_in_words(proof: ScenarioProof) -> list[str]:
    """Return what was not covered, how to go on, and why it is so large."""
    found = []
    for part in proof.parts:
        if part.is_whole:
            continue
        where = f"the slice of {part.name}: " if part.number != WHOLE else ""
        per_state = part.classes / max(part.states, 1)
        found.append(
            f"{where}cut short at {part.depth} events of the longest path, with {part.frontier} of "
            f"{part.classes} known classes not followed ({_share(part)} %){_trend(part)}; "
            "go on with a greater --seconds or --max-states"
        )
        found.append(
            f"{where}why so large: {part.states} states so far, {per_state:.1f} classes to a state"
        )
        if part.growing:
            names = ", ".join(part.growing)
            found.append(f"{where}still taking new values at the end of that path: {names}")
    return found


def _share(part: Explored) -> int:
    """Return how much of what is known was not followed, in per cent, rounded up."""
    return -(-100 * part.frontier // max(part.classes, 1))


def _trend(part: Explored) -> str:
    """Return whether the end comes nearer: the open classes at half of those found, and at last."""
    if part.frontier_at_half < 0:
        return ""
    way = "growing" if part.frontier > part.frontier_at_half else "shrinking"
    return f", {way}: {part.frontier_at_half} when half as many were known"


def slices_document(proof: ScenarioProof) -> list[dict[str, object]]:
    """Return what was explored for the file of the proof; empty if it was but the whole."""
    if not proof.is_sliced:
        return []
    return [
        {
            "name": part.name or None,
            "components": part.components,
            "assumes": part.guesses,
            "classes": part.classes,
            "states": part.states,
            "depth": part.depth,
            "frontier": part.frontier,
            "frontier_at_half": part.frontier_at_half if part.frontier_at_half >= 0 else None,
            "is_whole": part.is_whole,
            "verdicts": {name: shown.word for name, shown in part.findings.items()},
        }
        for part in proof.parts
    ]
