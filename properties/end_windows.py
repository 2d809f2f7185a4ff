"""The unsafe windows of a real system: for which instants of an end a run can go wrong.

As `windows` does for a small model, but over the states of a whole one (`graph_search`).  The
instant is the one at which a named delay ends, the one that stands for the end of a VM; the first
of several such delays counts.  Zones have one or two instants more: the beginning of the run, and
that end once it has come.  Classes are compared with both, and joined only where that adds nothing,
so windows are exact.

A broken claim ends its path alone: whatever follows has happened at the same instants of the end
or fewer.  For the same reason a class is left alone whose instants of the end are all known to be
unsafe.  A claim that is broken before any end belongs to none.

What a claim breaks only if nothing more happens at its instant counts from one nanosecond before
the next event on: windows are in whole nanoseconds, as all times of the model are.
"""

from collections.abc import Mapping

import numpy as np

from ..model.dense_step import Edge
from .graph_search import NOW, Class, Graph, GraphSearch, Tell, Way, elapsed
from .measures import IDLE, Turn
from .windows import Window, united
from .zones import Zone


class EndWindows(GraphSearch):
    """Collects the instants of ends after which a claim can be broken.

    Args:
        graph: The states.
        moments: For each label of a delay that is an end, the name of that end.

    Attributes:
        found: Unsafe windows by the name of the end, disjoint and in order.
        broken_before: Claims that a run breaks before any end.
    """

    def __init__(self, graph: Graph, moments: Mapping[str, str]) -> None:
        self.moments = dict(moments)
        self.found: dict[str, list[Window]] = {name: [] for name in self.moments.values()}
        self.broken_before: set[str] = set()
        super().__init__(graph, stop_at_fault=False)

    @property
    def is_whole(self) -> bool:
        """Whether there are no more windows."""
        return not self.frontier

    def _begin(self, edge: Edge) -> None:
        way = Way(None, -1, edge, False, Turn(IDLE))
        origin = np.zeros((1, 1), dtype=np.int64)
        self._arrive(way, _rebased(origin, edge, 0, [0]))

    def _expand(self, node: Class) -> None:
        # Only more instants of the end would be news.
        if node.mode is not IDLE and self._is_known(node.mode, node.zone):
            return
        super()._expand(node)

    def _take(self, node: Class, position: int, edge: Edge, fired: Zone) -> None:
        event = 1 + position
        kept = list(range(1 + node.wait_count, len(node.zone)))
        mode = node.mode
        if mode is IDLE and edge.label in self.moments:
            mode = self.moments[edge.label]
            kept.append(event)
        way = Way(node, position, edge, node.is_open, Turn(mode))
        self._arrive(way, _rebased(fired, edge, event, kept))

    def _arrive(self, way: Way, zone: Zone) -> None:
        edge, mode = way.edge, way.turn.mode
        count = len(edge.waits)
        can_hurry = edge.open_state >= 0 and bool((zone[NOW, 1 : 1 + count] == 0).any())
        must_hurry = edge.open_state >= 0 and bool((zone[1 : 1 + count, NOW] == 0).any())
        if edge.hurried:
            self._unsafe(mode, zone, edge.hurried)
            return
        if can_hurry:
            self._enter(Class(edge.open_state, mode, zone, way, is_open=True))
        if must_hurry:
            return
        endings = edge.endings if edge.is_last or not count else ()
        faults = [*edge.faults, *((name, why) for name, word, why in endings if word == "violated")]
        if faults:
            later = _strictly_before_waits(zone, count) if can_hurry else zone
            self._unsafe(mode, zone if later is None else later, faults)
        elif not edge.is_last and count:
            self._enter(Class(edge.state, mode, elapsed(zone, count), way, is_open=False))

    def _unsafe(self, mode: object, zone: Zone, faults: object) -> None:
        assert isinstance(faults, tuple | list)
        if mode is IDLE:
            self.broken_before |= {name for name, _ in faults}
            return
        windows = self.found[str(mode)]
        windows[:] = united([*windows, _window(zone)])

    def _is_known(self, mode: object, zone: Zone) -> bool:
        first_ns, last_ns = _window(zone)
        return any(
            each.first_ns <= first_ns and last_ns <= each.last_ns for each in self.found[str(mode)]
        )


def end_windows(
    graph: Graph,
    moments: Mapping[str, str],
    *,
    classes_max: int,
    deadline_s: float,
    tell: Tell | None = None,
) -> EndWindows:
    """Return the search for the unsafe windows of some ends, gone as far as the limits allow."""
    search = EndWindows(graph, moments)
    search.run(classes_max, deadline_s, tell)
    return search


def _window(zone: Zone) -> Window:
    """Return the least and greatest instant of the end, counted from the beginning."""
    return Window(-int(zone[-2, -1]), int(zone[-1, -2]))


def _rebased(zone: Zone, edge: Edge, event: int, kept: list[int]) -> Zone:
    """Return the zone over the present, the waits after an event, and the instants kept."""
    rows = [(event, 0, 0)]
    rows += [
        (event, wait.lo_ns, wait.hi_ns) if wait.source < 0 else (1 + wait.source, 0, 0)
        for wait in edge.waits
    ]
    rows += [(at, 0, 0) for at in kept]
    source, lo, hi = np.array(rows, dtype=np.int64).T
    result: Zone = zone[source[:, None], source] + hi[:, None] - lo[None, :]
    np.fill_diagonal(result, 0)
    return result


def _strictly_before_waits(zone: Zone, count: int) -> Zone | None:
    """Return the zone in which every wait ends a nanosecond after the present or later."""
    result = zone.copy()
    result[NOW, 1 : 1 + count] = np.minimum(result[NOW, 1 : 1 + count], -1)
    from_now = result[NOW]
    from_now = np.minimum(from_now, (result[NOW, 1 : 1 + count, None] + zone[1 : 1 + count]).min(0))
    if bool((zone[:, NOW] + from_now).min() < 0):
        return None
    closed: Zone = np.minimum(zone, zone[:, NOW, None] + from_now[None, :])
    return closed
