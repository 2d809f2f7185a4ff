"""Whether a run of a search can go on for ever without coming to its end.

A search over states ends although runs do not: a loop of states stands for a run that goes round
it.  What a property says at the end of a run is then never said, and *in every run* would be false.

In a loop time goes on, and no delay lasts for ever.  So a set of states that lead to one another
holds an endless run unless some delay is pending all the way round, whichever way a run takes: then
that delay ends at last and leads out of the set.  Traffic that loops while a VM has yet to crash is
of the second kind, since the delay up to the crash is pending throughout.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...model.dense.transition import Transition

__all__ = ["Known", "endless_labels"]

Known = Mapping[tuple[int, int], Sequence[Transition]]
"""What the end of each delay does in each state, by state and position of the delay."""


class _Step(NamedTuple):
    """One step inside a loop: which delay ends, and which of the earlier ones go on where."""

    target: int
    ended: int
    going_on: dict[int, int]
    label: str


def endless_labels(known: Known) -> list[str]:
    """Return the labels of the delays that end again and again in an endless run.

    Args:
        known: All that a complete search has asked.

    Returns:
        Labels in order of the alphabet; empty if every run comes to its end.
    """
    import networkx  # noqa: PLC0415 - wanted only when a proof is complete

    graph: networkx.DiGraph[int] = networkx.DiGraph()
    for (state, _), transitions in known.items():
        for transition in transitions:
            graph.add_edges_from((state, target) for target in _targets(transition))
    for component in networkx.strongly_connected_components(graph):
        moves = _moves_inside(known, component)
        if any(moves.values()) and not _has_lasting_delay(moves):
            return sorted({move.label for each in moves.values() for move in each})
    return []


def _targets(transition: Transition) -> Iterable[int]:
    after = () if transition.is_last else (transition.after[0].fingerprint,)
    return (
        fingerprint for fingerprint in (*after, transition.open_fingerprint) if fingerprint >= 0
    )


def _moves_inside(known: Known, states: set[int]) -> dict[int, list[_Step]]:
    found: dict[int, list[_Step]] = {state: [] for state in states}
    for (state, position), transitions in known.items():
        if state not in states:
            continue
        for transition in transitions:
            waits = transition.after[0].waits
            going_on = {wait.source: at for at, wait in enumerate(waits) if wait.source >= 0}
            found[state] += [
                _Step(target, position, going_on, transition.label)
                for target in _targets(transition)
                if target in states
            ]
    return found


def _has_lasting_delay(moves: Mapping[int, Sequence[_Step]]) -> bool:
    """Return whether one delay is pending in all the states, whichever way a run takes."""
    first = min(moves)
    candidates = {at for move in moves[first] for at in move.going_on}
    return any(_lasts(moves, first, candidate) for candidate in sorted(candidates))


def _lasts(moves: Mapping[int, Sequence[_Step]], first: int, position: int) -> bool:
    """Return whether the delay at a position of a state goes on through every move."""
    place = {first: position}
    todo = [first]
    while todo:
        state = todo.pop()
        for move in moves[state]:
            after = move.going_on.get(place[state])
            if after is None or place.get(move.target, after) != after:
                return False
            if move.target not in place:
                place[move.target] = after
                todo.append(move.target)
    return True
