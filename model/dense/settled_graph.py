"""The states of a model with open numbers, seen for given values of them.

What an event does is free of numbers for time, so one `StateGraph` serves all values: only the
lengths of delays differ, and they are filled in here.  A state that was found for one value and is
reached for another has been run already, which is nearly all that a proof costs.
"""

from collections.abc import Mapping

from ..base.open_number import name_of, settled
from .form_tokens import Form
from .state_graph import StateGraph
from .step import Edge, Moment, Step

__all__ = ["SettledGraph", "settled_moments"]


class SettledGraph:
    """A graph of states with values for its open numbers; serves a search as `StateGraph` does.

    Args:
        graph: The states, shared by all values.
        values_ns: Of the open numbers, by name.

    Attributes:
        met: Names of the numbers on which the length of some delay depends, as far as asked for.
    """

    def __init__(self, graph: StateGraph, values_ns: Mapping[str, int]) -> None:
        self.graph = graph
        self.values_ns = dict(values_ns)
        self.met: set[str] = set()
        self._edges: dict[tuple[int, int], list[Edge]] = {}

    @property
    def runs(self) -> int:
        """How often the model was run from its beginning, for any value."""
        return self.graph.runs

    def beginnings(self) -> list[Edge]:
        """Return the ways in which a run can begin."""
        return [self._settled(edge) for edge in self.graph.beginnings()]

    def knows(self, state: int, position: int) -> bool:
        """Return whether it is known already what the end of a delay does in a state."""
        return self.graph.knows(state, position)

    def edges(self, state: int, step: Step, position: int, *, at_once: bool) -> list[Edge]:
        """Return what the end of a delay does in a state."""
        found = self._edges.get((state, position))
        if found is None:
            edges = self.graph.edges(state, step, position, at_once=at_once)
            found = self._edges[state, position] = [self._settled(edge) for edge in edges]
        return found

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        return settled_moments(self.graph.trail(step), self.values_ns)

    def components_along(self, step: Step) -> list[list[tuple[str, dict[str, Form]]]]:
        """Return the forms of the attributes of all components after each event of a path."""
        return self.graph.components_along(step)

    def _settled(self, edge: Edge) -> Edge:
        names = {name_of(wait.hi_ns) for wait in edge.waits} - {""}
        if not names:
            return edge
        self.met |= names
        waits = [
            wait._replace(
                lo_ns=settled(wait.lo_ns, self.values_ns), hi_ns=settled(wait.hi_ns, self.values_ns)
            )
            for wait in edge.waits
        ]
        return edge._replace(waits=tuple(waits))


def settled_moments(moments: list[Moment], values_ns: dict[str, int]) -> list[Moment]:
    """Return the events of a path for given values of open numbers."""
    return [
        moment._replace(
            begun=tuple(
                (delay, settled(lo_ns, values_ns), settled(hi_ns, values_ns))
                for delay, lo_ns, hi_ns in moment.begun
            )
        )
        for moment in moments
    ]
