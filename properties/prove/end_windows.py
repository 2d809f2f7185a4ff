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

A bound on a duration is a claim as well: with a measure that has one, the zone also keeps the
instant at which the measure was started, and what is read beyond the bound, or can never be read,
breaks it.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ...model.dense.step import Edge
from .graph_search import NOW, Class, Graph, GraphSearch, Tell, Way, elapsed
from .measures import IDLE, OVER, Measure, Turn
from .windows import Window, united
from .zones import Zone


class _Mode(NamedTuple):
    """What a class knows beside its state.

    Attributes:
        end: Name of the end that has come, or an empty string.
        measure: Mode of the measure.
        is_running: Whether it has been started; its start is then the last instant of the zone.
    """

    end: str
    measure: Hashable
    is_running: bool


class EndWindows(GraphSearch):
    """Collects the instants of ends after which a claim can be broken.

    Args:
        graph: The states.
        moments: For each label of a delay that is an end, the name of that end.
        measure: What has a bound; None for the claims of the graph's monitor alone.
        found: Windows known already.
        passed_over: Claims of the monitor that make no instant unsafe when they are broken.

    Attributes:
        found: Unsafe windows by the name of the end, disjoint and in order.
        broken_before: Claims that a run breaks before any end.
        was_stopped: Whether the user stopped it.
    """

    def __init__(
        self,
        graph: Graph,
        moments: Mapping[str, str],
        measure: Measure | None = None,
        found: Mapping[str, list[Window]] | None = None,
        passed_over: frozenset[str] = frozenset(),
    ) -> None:
        self.moments = dict(moments)
        self.passed_over = passed_over
        self.found: dict[str, list[Window]] = {
            name: list((found or {}).get(name, ())) for name in self.moments.values()
        }
        self.broken_before: set[str] = set()
        self.was_stopped = False
        super().__init__(graph, measure, stop_at_fault=False)

    @property
    def is_whole(self) -> bool:
        """Whether there are no more windows."""
        return not self.frontier

    def _begin(self, edge: Edge) -> None:
        origin = np.zeros((1, 1), dtype=np.int64)
        before = _Mode("", IDLE, is_running=False)
        for turn in self.measure.turns(IDLE, edge.marks):
            mode, kept = _kept(before, turn, [0], 0, 0)
            self._arrive_in(mode, Way(None, -1, edge, False, turn), origin, 0, kept)

    def _expand(self, node: Class) -> None:
        # Only more instants of the end would be news.
        mode = node.mode
        assert isinstance(mode, _Mode)
        if mode.end and self._is_known(mode, node.zone):
            return
        super()._expand(node)

    def _take(self, node: Class, position: int, edge: Edge, fired: Zone) -> None:
        event = 1 + position
        before = node.mode
        assert isinstance(before, _Mode)
        instants = list(range(1 + node.wait_count, len(node.zone)))
        started = instants.pop() if before.is_running else event
        if not before.end and edge.label in self.moments:
            before = before._replace(end=self.moments[edge.label])
            instants.append(event)
        for turn in self.measure.turns(before.measure, edge.marks):
            mode, kept = _kept(before, turn, instants, started, event)
            way = Way(node, position, edge, node.is_open, turn)
            bound_ns = self.measure.bound_ns
            if turn.is_read and not turn.is_read_at_once and bound_ns is not None:
                late = _with(fired, event, started, bound_ns + 1)
                if late is not None:
                    rows = [event, *instants, started]
                    self._unsafe(before, late[np.ix_(rows, rows)], [(self.measure.name, "")])
            self._arrive_in(mode, way, fired, event, kept)

    def _arrive_in(self, mode: _Mode, way: Way, fired: Zone, event: int, kept: list[int]) -> None:
        edge = way.edge
        zone = _rebased(fired, edge, event, kept)
        count = len(edge.waits)
        can_hurry = edge.open_state >= 0 and bool((zone[NOW, 1 : 1 + count] == 0).any())
        must_hurry = edge.open_state >= 0 and bool((zone[1 : 1 + count, NOW] == 0).any())
        hurried = self._counted(edge.hurried)
        if hurried:
            self._unsafe(mode, zone, hurried)
            return
        # A measure that is over has no more to say, and what else follows is another search's.
        if mode.measure == OVER:
            return
        if can_hurry:
            self._enter(Class(edge.open_state, mode, zone, way, is_open=True))
        if must_hurry:
            return
        endings = edge.endings if edge.is_last or not count else ()
        at_end = [(name, why) for name, word, why in endings if word == "violated"]
        faults = self._counted([*edge.faults, *at_end])
        if mode.is_running and not count and not edge.is_last:
            faults.append((self.measure.name, "it never ends"))
        if faults:
            later = _strictly_before_waits(zone, count) if can_hurry else zone
            self._unsafe(mode, zone if later is None else later, faults)
        elif not edge.is_last and count:
            self._go_on(Class(edge.state, mode, elapsed(zone, count), way, is_open=False))

    def _counted(self, faults: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the broken claims that make an instant unsafe."""
        return [fault for fault in faults if fault[0] not in self.passed_over]

    def _go_on(self, new: Class) -> None:
        mode, zone, bound_ns = new.mode, new.zone, self.measure.bound_ns
        assert isinstance(mode, _Mode)
        if mode.is_running and bound_ns is not None and -zone[-1, NOW] > bound_ns:
            # Wherever it ends, that is too late.
            self._unsafe(mode, zone, [(self.measure.name, "")])
            return
        self._enter(new)

    def _unsafe(self, mode: _Mode, zone: Zone, faults: Sequence[tuple[str, str]]) -> None:
        if not mode.end:
            self.broken_before |= {name for name, _ in faults}
            return
        windows = self.found[mode.end]
        windows[:] = united([*windows, _window(mode, zone)])

    def _is_known(self, mode: _Mode, zone: Zone) -> bool:
        first_ns, last_ns = _window(mode, zone)
        return any(
            each.first_ns <= first_ns and last_ns <= each.last_ns for each in self.found[mode.end]
        )


def end_windows(
    graph: Graph,
    moments: Mapping[str, str],
    *,
    classes_max: int,
    deadline_s: float,
    tell: Tell | None = None,
    measure: Measure | None = None,
    found: Mapping[str, list[Window]] | None = None,
    passed_over: frozenset[str] = frozenset(),
) -> EndWindows:
    """Return the search for the unsafe windows of some ends, gone as far as the limits allow."""
    search = EndWindows(graph, moments, measure, found, passed_over)
    try:
        search.run(classes_max, deadline_s, tell)
    except KeyboardInterrupt:
        # What was found is certain.
        search.was_stopped = True
    return search


def _kept(
    before: _Mode, turn: Turn, instants: list[int], started: int, event: int
) -> tuple[_Mode, list[int]]:
    """Return the mode after a turn, and the instants that are kept, that of the start last."""
    is_running = turn.is_started or (before.is_running and turn.mode not in {IDLE, OVER})
    mode = _Mode(before.end, turn.mode, is_running)
    if not is_running:
        return mode, instants
    return mode, [*instants, event if turn.is_started else started]


def _with(zone: Zone, later: int, earlier: int, least_ns: int) -> Zone | None:
    """Return the zone in which one instant comes so long after another, or None."""
    if int(zone[later, earlier]) < least_ns:
        return None
    closed: Zone = np.minimum(zone, zone[:, earlier, None] - least_ns + zone[None, later, :])
    return closed


def _window(mode: _Mode, zone: Zone) -> Window:
    """Return the least and greatest instant of the end, counted from the beginning."""
    end = len(zone) - (2 if mode.is_running else 1)
    return Window(-int(zone[end - 1, end]), int(zone[end, end - 1]))


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
