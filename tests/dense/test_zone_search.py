"""The search over states of a whole model, against every integer timing and against known cases."""

import os

import pytest
from hypothesis import assume, given, settings

from quiesce.model.base.choices import Replay
from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.replay import replay, run_until
from quiesce.model.dense.transition_system import TransitionSystem
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
from quiesce.properties.prove.judging import JudgeMonitor, marks_of
from quiesce.properties.prove.layout import Clocks
from quiesce.properties.prove.measures import ToOwnRelease
from quiesce.properties.prove.model_proof import search_of
from quiesce.properties.prove.paths import path_to, start_of
from quiesce.properties.prove.symbolic_state import Predecessor, step_of
from quiesce.properties.prove.zone_search import ZoneSearch
from quiesce.properties.teardown.dma import NoDmaAfterTeardown

from .small_models import Play, Program, brute_force, distance, judged, programs
from .small_proofs import system_of_play

EXAMPLES = int(os.environ.get("QUIESCE_DENSE_EXAMPLES", "60"))


def explored(play: Play) -> tuple[ZoneSearch, ZoneSearch, TransitionSystem]:
    """Return a search for faults and one for the distance, both over the same system."""
    system = system_of_play(play)
    faults = ZoneSearch(system)
    faults.run(100_000)
    assert faults.is_over
    reach = search_of(system, [distance], clocks=Clocks.GLOBAL, stop_at_fault=False)
    reach.run(100_000)
    assert not reach.frontier
    return faults, reach, system


def rerun(
    play: Play, system: TransitionSystem, last: Predecessor, distance_ns: int | None
) -> list[Record]:
    """Return the records of the run along a path, made by the ordinary kernel."""
    path = path_to(last, distance_ns)
    fixed = None if distance_ns is None else (start_of(path), distance_ns)
    records, log = replay(play, *schedule_of(system.trail(step_of(path)), fixed))
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
    faults, reach, system = explored(play)
    assert bool(faults.faults) == expected.is_broken
    for broken in faults.faults.values():
        assert judged(rerun(play, system, broken.by, None))[0]
    if expected.bounds is None:
        assert not reach.readings
        return
    least, greatest = reach.readings["a to b"]
    assert (least.ns, greatest.ns) == expected.bounds
    for reading in (least, greatest):
        assert reading.ns in judged(rerun(play, system, reading.by, reading.ns))[1]


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


def searched(pause: Span, measure: ToOwnRelease | None = None) -> ZoneSearch:
    header = Header(scenario="lander", description="", parts=())

    def build(kernel: Kernel) -> None:
        Lander(kernel, pause)

    make = lambda: JudgeMonitor(header, [NoDmaAfterTeardown])  # noqa: E731
    measures = [] if measure is None else [measure]
    system = TransitionSystem(build, [make], marks_of)
    search = ZoneSearch(system, None, measures, stop_at_fault=measure is None)
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
    least, greatest = search.readings["margin"]
    assert (least.ns, greatest.ns) == (1, 4)
