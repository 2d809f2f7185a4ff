"""A search through dense time over the states of a whole model.

Breadth first, as `prove` goes through the parts of one; here the model is one part, and classes of
the same state are joined wherever their union is a zone again (`unions`).  Few states then need
more than one zone, so that the price of a proof is the number of its states.  Chosen for real
systems over parts of their own: their processes meet in memory and the host's kernel at almost
every event, so that little order could be left open, while joining undoes exactly the difference
that the order of events makes.

A class is a state with a zone over: the present, any moment up to the next event; the ends of the
pending delays; and the start of the measure, if it is running.  In an open state the present is
the very instant of the last event (`state_graph`).

A class remembers every way that led to it, and zones that were joined keep those of both.  So a
path to any instant of a class is found backwards, step by step: some way leads there, since a join
adds no instant.  The depth of classes grows by one with each event, and nothing is dropped but what
an earlier class covers: the first fault has the fewest events.
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import numpy as np

from ...model.dense.step import Edge, Step
from ..core.history import History
from .measures import IDLE, OVER, Measure, NoMeasure, Turn
from .unions import union_of
from .zones import FOREVER, Zone, insist_on_room

NOW = 0
"""Index of the present in every zone."""

JOINS_TRIED = 12
"""Classes of the same state with which a new one is compared for joining, latest first."""

COLLECT_EVERY = 20_000
"""Objects made and not let go between two looks for cyclic garbage: a few runs' worth."""

PROGRESS_EVERY = 200
"""Classes between two reports of progress."""


class Graph(Protocol):
    """The states of a model, as the search asks for them."""

    def beginnings(self) -> list[Edge]:
        """Return the ways in which a run can begin."""
        ...

    def knows(self, state: int, position: int) -> bool:
        """Return whether it has been asked already what the end of a delay does in a state."""
        ...

    def edges(self, state: int, step: Step, position: int, *, at_once: bool) -> list[Edge]:
        """Return what the end of a delay does in a state."""
        ...


class Way(NamedTuple):
    """How a class was reached: from which, by the end of which delay, and to what effect."""

    source: "Class | None"
    position: int
    edge: Edge
    at_once: bool
    turn: Turn


class Class:
    """A state with a zone of instants.

    Attributes:
        state: Number of the state.
        mode: Of the measure.
        zone: The instants: the present, the ends of pending delays, the start of the measure.
        wait_count: How many delays are pending.
        is_open: Whether the next event must come at the present instant.
        depth: Events on the shortest way here.
        ways: All ways here.
        is_covered: Whether another class holds all of its instants.
    """

    __slots__ = ("depth", "is_covered", "is_open", "mode", "state", "wait_count", "ways", "zone")

    def __init__(self, state: int, mode: Hashable, zone: Zone, way: Way, *, is_open: bool) -> None:
        self.state = state
        self.mode = mode
        self.zone = zone
        self.wait_count = len(way.edge.waits)
        self.is_open = is_open
        self.depth: int = 0 if way.source is None else way.source.depth + 1
        self.ways = [way]
        self.is_covered = False

    @property
    def step(self) -> Step:
        """End of some path to the state."""
        return self.ways[0].edge.step


class Reading(NamedTuple):
    """An extreme of the measure: its value and the way at whose end it is read."""

    ns: int
    way: Way


class Broken(NamedTuple):
    """A claim that is broken at the end of a way.

    Attributes:
        claim: Its name.
        message: What was found.
        way: The way.
        distance_ns: What the measure must read there, or None for anything.
    """

    claim: str
    message: str
    way: Way
    distance_ns: int | None = None


class Progress(NamedTuple):
    """How far a search has come."""

    classes: int
    frontier: int
    depth: int
    elapsed_s: float


Tell = Callable[[Progress], None]


class GraphSearch:
    """A search that can be interrupted and taken up again.

    Args:
        graph: The states.
        measure: What is measured along the way.
        stop_at_fault: Whether the first broken claim ends it; then those with equally many events
            are still found.
        goes_on: Claims that do not end it when they are broken.

    Attributes:
        frontier: Classes not yet expanded, fewest events first.
        classes: How many were found.
        faults: The first broken way of each claim.
        doubts: Claims that some run leaves undecided, with the reason.
        tested: Claims that some run puts to the test.
        history: How many classes were open, as more became known.
        least, greatest: Extremes of the measure, if it was read at all.
        taken: What the end of each delay does in each state, as far as some run comes to that.
        is_endless: Whether some run stands still for ever before its end.
        events: How many events were tried.
    """

    def __init__(
        self,
        graph: Graph,
        measure: Measure | None = None,
        *,
        stop_at_fault: bool = True,
        goes_on: frozenset[str] = frozenset(),
    ) -> None:
        self.graph = graph
        self.measure: Measure = NoMeasure() if measure is None else measure
        self.stop_at_fault = stop_at_fault
        self.goes_on = goes_on
        self.frontier: deque[Class] = deque()
        self.classes = 0
        self.events = 0
        self.depth = 0
        self.elapsed_s = 0.0
        self.faults: dict[str, Broken] = {}
        self.doubts: dict[str, str] = {}
        self.tested: set[str] = set()
        self.least: Reading | None = None
        self.greatest: Reading | None = None
        self.is_endless = False
        self.last: Class | None = None
        self.taken: dict[tuple[int, int], list[Edge]] = {}
        self.history = History()
        self._known: dict[tuple[int, Hashable], list[Class]] = {}
        self._fault_depth = -1
        for edge in graph.beginnings():
            self._begin(edge)

    @property
    def states(self) -> int:
        """How many states were reached."""
        return len({state for state, _ in self._known})

    @property
    def has_ended(self) -> bool:
        """Whether a broken claim has ended it, or will when its depth is done."""
        return self.stop_at_fault and self._fault_depth >= 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        if not self.frontier:
            return True
        has_ended = self.has_ended
        return has_ended and self.frontier[0].depth >= self._fault_depth

    def run(
        self, max_classes: int, deadline_s: float = float("inf"), tell: Tell | None = None
    ) -> None:
        """Go on until all is explored, a claim is broken, or a limit is reached.

        Args:
            max_classes: In all, over all calls.
            deadline_s: By the monotonic clock.
            tell: Told now and then how far it has come.
        """
        with seldom_collecting():
            self._run(max_classes, deadline_s, tell)

    def _run(self, max_classes: int, deadline_s: float, tell: Tell | None) -> None:
        began_s = time.monotonic() - self.elapsed_s
        while not self.is_over and self.classes < max_classes:
            node = self.frontier.popleft()
            if node.is_covered:
                continue
            self.depth = node.depth
            self.last = node
            try:
                self._expand(node)
            except KeyboardInterrupt:
                # What was found is right, and the class is tried again if the search goes on.
                self.frontier.appendleft(node)
                raise
            self.history.note(self.classes, len(self.frontier))
            now_s = time.monotonic()
            self.elapsed_s = now_s - began_s
            if tell is not None and self.events % PROGRESS_EVERY == 0:
                tell(Progress(self.classes, len(self.frontier), self.depth, self.elapsed_s))
            if now_s >= deadline_s:
                break

    # Going on.

    def _begin(self, edge: Edge) -> None:
        for turn in self.measure.turns(IDLE, edge.marks):
            way = Way(None, -1, edge, False, turn)
            zone = begun(way)
            if turn.is_read:
                self._read(way, zone)
            self._arrive(way, zone)

    def _expand(self, node: Class) -> None:
        for position in range(node.wait_count):
            fired = after_end(node, position)
            if fired is None:
                continue
            edges = self.graph.edges(node.state, node.step, position, at_once=node.is_open)
            self.taken[node.state, position] = edges
            for edge in edges:
                self.events += 1
                self._take(node, position, edge, fired)

    def _take(self, node: Class, position: int, edge: Edge, fired: Zone) -> None:
        for turn in self.measure.turns(node.mode, edge.marks):
            way = Way(node, position, edge, node.is_open, turn)
            if turn.is_read:
                self._read(way, fired)
            self._arrive(way, moved_on(way, fired))

    def _arrive(self, way: Way, zone: Zone) -> None:
        edge, mode = way.edge, way.turn.mode
        if mode == OVER:
            return
        self.tested |= edge.tested
        can_hurry, must_hurry = False, False
        if edge.open_state >= 0:
            distances = zone[1 : 1 + len(edge.waits), NOW], zone[NOW, 1 : 1 + len(edge.waits)]
            can_hurry = bool((distances[1] == 0).any())
            must_hurry = bool((distances[0] == 0).any())
        if can_hurry:
            self._enter(Class(edge.open_state, mode, zone, way, is_open=True))
        self._note(way, edge.hurried if must_hurry else edge.faults)
        if must_hurry or edge.is_last:
            return
        bound_ns = self.measure.bound_ns
        is_timed = bound_ns is not None and is_running(way)
        if not edge.waits:
            self.is_endless = True
            if is_timed:
                self._break(self.measure.name, "it never ends", way)
            return
        passed = elapsed(zone, len(edge.waits))
        # What can be longer than its bound is found where it ends, unless it must be by now.
        if bound_ns is not None and is_timed and -zone[-1, NOW] > bound_ns:
            self._break(self.measure.name, "it goes on for longer than its bound", way)
            return
        self._enter(Class(edge.state, mode, passed, way, is_open=False))

    def _note(self, way: Way, faults: Sequence[tuple[str, str]]) -> None:
        for claim, message in faults:
            self._break(claim, message, way)
        if way.edge.is_last or not way.edge.waits:
            for claim, word, reason in way.edge.endings:
                if word == "violated":
                    self._break(claim, reason, way)
                else:
                    self.doubts.setdefault(claim, reason)

    def _break(self, claim: str, message: str, way: Way, distance_ns: int | None = None) -> None:
        self.faults.setdefault(claim, Broken(claim, message, way, distance_ns))
        if self._fault_depth < 0 and claim not in self.goes_on:
            self._fault_depth = 0 if way.source is None else way.source.depth + 1

    def _read(self, way: Way, fired: Zone) -> None:
        ends = 1 + way.position
        least = greatest = 0
        if not way.turn.is_read_at_once:
            least, greatest = -int(fired[-1, ends]), int(fired[ends, -1])
        if self.least is None or least < self.least.ns:
            self.least = Reading(least, way)
        if self.greatest is None or greatest > self.greatest.ns:
            self.greatest = Reading(greatest, way)
        bound_ns = self.measure.bound_ns
        if bound_ns is not None and greatest > bound_ns:
            self._break(self.measure.name, "it takes longer than its bound", way, greatest)

    def _enter(self, new: Class) -> None:
        known = self._known.setdefault((new.state, new.mode), [])
        for other in known:
            if bool((other.zone >= new.zone).all()):
                return
        self._join(new, known)
        known.append(new)
        self.classes += 1
        self.frontier.append(new)

    def _join(self, new: Class, known: list[Class]) -> None:
        """Take over from known classes what lies in the new one, or can be one zone with it."""
        tried = 0
        at = len(known)
        while at > 0 and tried < JOINS_TRIED:
            at -= 1
            tried += 1
            other = known[at]
            union = new.zone if bool((new.zone >= other.zone).all()) else None
            if union is None:
                union = union_of(new.zone, other.zone)
            if union is None:
                continue
            new.zone = union
            new.ways += other.ways
            other.is_covered = True
            del known[at]
            at, tried = len(known), 0


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for cyclic garbage less often than usual.

    Nearly all that a search makes stays: states, edges, runs that stand ready.  To look through it
    again and again took a third of all the time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(max(usual[0], COLLECT_EVERY) if usual[0] else 0, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


# What events do to zones.


def begun(way: Way) -> Zone:
    """Return the zone at the beginning of a run."""
    return _rebased(np.zeros((1, 1), dtype=np.int64), way, 0)


def after_end(node: Class, position: int) -> Zone | None:
    """Return the zone of a class in which one delay ends first, or None if it cannot."""
    zone, ends = node.zone, 1 + position
    if node.is_open:
        if zone[NOW, ends] < 0:
            return None
        zone = np.minimum(zone, zone[:, ends, None] + zone[None, NOW, :])
    waits = zone[1 : 1 + node.wait_count]
    from_it = waits.min(axis=0)
    if (zone[:, ends] + from_it).min() < 0:
        return None
    result: Zone = np.minimum(zone, zone[:, ends, None] + from_it[None, :])
    return result


def moved_on(way: Way, fired: Zone) -> Zone:
    """Return the zone over the instants after an event: the event itself is the present."""
    return _rebased(fired, way, 1 + way.position)


def _rebased(zone: Zone, way: Way, event: int) -> Zone:
    source, lo, hi = links(way, event)
    result: Zone = zone[source[:, None], source] + hi[:, None] - lo[None, :]
    np.fill_diagonal(result, 0)
    # Nothing here is told from a bound that does not exist; two entries must be added at most.
    insist_on_room(result, room=2 * FOREVER)
    return result


def links(way: Way, event: int) -> tuple[Zone, Zone, Zone]:
    """Return for each instant after an event from which one before it is counted, and how far."""
    rows = [(event, 0, 0)]
    rows += [
        (event, wait.lo_ns, wait.hi_ns) if wait.source < 0 else (1 + wait.source, 0, 0)
        for wait in way.edge.waits
    ]
    if is_running(way):
        rows.append((event, 0, 0) if way.turn.is_started else (-1, 0, 0))
    table = np.array(rows, dtype=np.int64).T
    return table[0], table[1], table[2]


def is_running(way: Way) -> bool:
    """Return whether the measure is running after a way."""
    turn = way.turn
    if turn.is_started:
        return True
    source = way.source
    was_running = source is not None and len(source.zone) > 1 + source.wait_count
    return was_running and turn.mode not in {IDLE, OVER}


def elapsed(zone: Zone, wait_count: int) -> Zone:
    """Return the zone in which the present is any moment from the event to the next one."""
    result = zone.copy()
    result[NOW] = zone[1 : 1 + wait_count].min(axis=0)
    result[NOW, NOW] = 0
    return result
