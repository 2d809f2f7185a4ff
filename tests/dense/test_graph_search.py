"""The search over states of a whole model, against every integer timing and against known cases."""

import os
from collections.abc import Hashable
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quiesce.model.base.choices import Replay
from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.replay import replay, run_until
from quiesce.model.dense.state_graph import StateGraph
from quiesce.model.dense.step import Mark
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import (
    DmaLanded,
    FramesGranted,
    FramesReleased,
    Header,
    QvmExited,
    Record,
    TerminationBegun,
)
from quiesce.properties.prove.counterexample import schedule_of
from quiesce.properties.prove.graph_search import GraphSearch, Way
from quiesce.properties.prove.judging import JudgeMonitor
from quiesce.properties.prove.measures import Between, ToOwnRelease
from quiesce.properties.prove.paths import start_of, step_of, ways_to
from quiesce.properties.prove.unions import union_of
from quiesce.properties.prove.zones import Zone
from quiesce.properties.teardown.dma import NoDmaAfterTeardown

from .small_models import Play, Program, brute_force, claim, distance, judged, programs

EXAMPLES = int(os.environ.get("QUIESCE_DENSE_EXAMPLES", "60"))


class WatchMonitor:
    """The claim and the distance of the small models, as a monitor of a whole model."""

    def __init__(self) -> None:
        self.watch = claim()
        self.was_broken = False
        self.seen: list[Mark] = []
        self.stopwatch = distance()

    def step(self, index: int, record: Record) -> None:
        if self.watch.reads(record):
            self.watch.step(index, record)
        mark = self.stopwatch.mark(record)
        if mark:
            self.seen.append((mark,))

    def settle(self) -> None:
        self.watch.settle()

    def key(self) -> Hashable:
        return self.watch.key()

    def open_key(self) -> None:
        return None

    def broken(self) -> tuple[tuple[str, str], ...]:
        if self.was_broken or not self.watch.fault:
            return ()
        self.was_broken = True
        return ((self.watch.name, self.watch.fault),)

    def tested(self) -> frozenset[str]:
        return frozenset()

    def marks(self) -> tuple[Mark, ...]:
        seen, self.seen = tuple(self.seen), []
        return seen

    def copy(self) -> "WatchMonitor":
        return deepcopy(self)

    def endings(self) -> tuple[tuple[str, str, str], ...]:
        return ()


def explored(play: Play) -> tuple[GraphSearch, GraphSearch, StateGraph]:
    """Return a search for faults and one for the distance, both over all of a model."""
    graph = StateGraph(play, WatchMonitor)
    faults = GraphSearch(graph)
    faults.run(100_000)
    assert faults.is_over
    reach = GraphSearch(
        graph, Between("a to b", ("start",), ("stop",), restarts=True), stop_at_fault=False
    )
    reach.run(100_000)
    assert not reach.frontier
    return faults, reach, graph


def rerun(play: Play, graph: StateGraph, way: Way, distance_ns: int | None) -> list[Record]:
    """Return the records of the run along a path, made by the ordinary kernel."""
    ways = ways_to(way, distance_ns)
    fixed = None if distance_ns is None else (start_of(ways), distance_ns)
    records, log = replay(play, *schedule_of(graph.trail(step_of(ways)), fixed))
    again = Kernel(Replay(log))
    run_until(again, play, last_ns=records[-1].at_ns)
    assert again.records == records
    return records


@pytest.mark.slow
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(programs)
def test_verdict_and_bounds_are_those_of_all_integer_timings(program: Program) -> None:
    play = Play(program)
    expected = brute_force(play)
    assume(expected is not None)
    assert expected is not None
    faults, reach, graph = explored(play)
    assert bool(faults.faults) == expected.is_broken
    for broken in faults.faults.values():
        assert judged(rerun(play, graph, broken.way, None))[0]
    if expected.bounds is None:
        assert reach.least is None
        return
    assert reach.least is not None
    assert reach.greatest is not None
    assert (reach.least.ns, reach.greatest.ns) == expected.bounds
    for reading in (reach.least, reach.greatest):
        assert reading.ns in judged(rerun(play, graph, reading.way, reading.ns))[1]


@st.composite
def boxes(draw: st.DrawFn) -> Zone:
    """Give closed zones over three instants, none empty."""
    bounds = draw(st.lists(st.integers(-1, 3), min_size=9, max_size=9))
    zone = np.array(bounds, dtype=np.int64).reshape(3, 3)
    np.fill_diagonal(zone, 0)
    for middle in range(3):
        zone = np.minimum(zone, zone[:, middle, None] + zone[None, middle, :])
    assume(not (np.diagonal(zone) < 0).any())
    return zone


def points_of(zone: Zone) -> set[tuple[int, int]]:
    """Return all instants in halves, the first being 0."""
    halves = range(-8, 9)

    def is_inside(*at: int) -> bool:
        pairs = [(row, column) for row in range(3) for column in range(3)]
        return all(at[row] - at[column] <= 2 * zone[row, column] for row, column in pairs)

    return {(one, two) for one in halves for two in halves if is_inside(0, one, two)}


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(boxes(), boxes())
def test_a_union_adds_nothing_and_is_found_where_there_is_one(one: Zone, other: Zone) -> None:
    both = points_of(one) | points_of(other)
    union = union_of(one, other)
    hull = points_of(np.maximum(one, other))
    if union is None:
        # Halves show what lies between two closed zones with whole bounds.
        assert hull != both
    else:
        assert points_of(union) == both


class Lander(Component):
    """A write, and a release that waits for it: exactly as long as it is told."""

    def __init__(self, kernel: Kernel, pause: Span) -> None:
        super().__init__(kernel, "vm", Timing())
        self.pause = pause
        self.start(self._end)

    def _end(self) -> Steps:
        self.emit(FramesGranted("vm", 1, 0, 8))
        yield self.kernel.delay(exactly(5), "vm.crash")
        self.emit(TerminationBegun("vm", 1, "guest-crash", True))
        yield self.kernel.delay(Span(3, 9), "vm.write")
        self.emit(DmaLanded("dev", 1, 0x2000, 4, "data"))
        yield self.kernel.delay(self.pause, "vm.pause")
        self.emit(FramesReleased("vm", 1, 0, 8))
        self.emit(QvmExited("vm", 1, 0))


def searched(pause: Span, measure: ToOwnRelease | None = None) -> GraphSearch:
    header = Header(scenario="lander", description="", parts=())

    def build(kernel: Kernel) -> None:
        Lander(kernel, pause)

    graph = StateGraph(build, lambda: JudgeMonitor(header, [NoDmaAfterTeardown]))
    search = GraphSearch(graph, measure, stop_at_fault=measure is None)
    search.run(1_000)
    assert search.is_over
    return search


def test_a_release_that_can_follow_a_landing_at_once_is_a_release_at_that_instant() -> None:
    assert "no-dma-after-teardown" in searched(Span(0, 4)).faults
    assert "no-dma-after-teardown" in searched(exactly(0)).faults


def test_a_release_that_follows_a_landing_a_nanosecond_later_is_safe() -> None:
    search = searched(Span(1, 4))
    assert not search.faults
    assert search.tested == {"no-dma-after-teardown"}


def test_the_margin_is_the_time_from_the_last_landing_in_a_frame_to_its_release() -> None:
    search = searched(Span(1, 4), ToOwnRelease("margin", "dev", 1))
    assert search.least is not None
    assert search.greatest is not None
    assert (search.least.ns, search.greatest.ns) == (1, 4)
