"""CAN: a line and a buffer that reach the next owner, and no memory."""

import pytest

from quiesce.model.base.clock import exactly
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.traits import Traits
from quiesce.model.trace.events import DmaIssued, FrameArrived

from .bench import MS
from .test_devices import bench_of


def test_frames_interrupt_and_write_no_memory() -> None:
    bench = bench_of("can")
    bench.pass_ns(5 * MS)
    assert len(bench.taken) > 10
    assert bench.of(DmaIssued) == []


def test_a_full_buffer_loses_frames() -> None:
    bench = bench_of("can", fifo_size=3)
    bench.pass_ns(MS)
    bench.die()
    bench.pass_ns(5 * MS)
    assert len(bench.device.fifo) == 3
    assert len(bench.of(FrameArrived)) < 25


@pytest.mark.parametrize("keeps", [False, True])
def test_frames_for_the_former_owner_are_read_by_the_next_if_a_reset_keeps_them(
    keeps: bool,
) -> None:
    bench = bench_of("can", traits=Traits(keeps_input=keeps), fifo_size=64)
    bench.pass_ns(2 * MS)
    bench.die()
    bench.pass_ns(MS)
    bench.boot(2)
    bench.pass_ns(2 * MS)
    assert bench.driver.has_foreign_frame is keeps


def test_the_documented_procedure_leaves_no_frame_for_the_next_owner() -> None:
    bench = bench_of("can", traits=Traits(keeps_input=True))
    bench.end()
    assert len(bench.device.fifo) == 0


def test_the_line_of_a_dead_owner_interrupts_the_next_one_at_once() -> None:
    """Without a procedure it has been asserted all the time."""
    bench = bench_of("can")
    bench.pass_ns(2 * MS)
    bench.die()
    bench.pass_ns(MS)
    before = len(bench.taken)
    bench.boot(2)
    bench.pass_ns(100_000)
    assert bench.taken[before] == 1


@pytest.mark.parametrize("keeps", [False, True])
def test_a_reset_takes_the_line_down_unless_the_cause_survives(keeps: bool) -> None:
    bench = bench_of("can", traits=Traits(keeps_interrupt=keeps))
    bench.pass_ns(2 * MS)
    bench.die()
    bench.pass_ns(MS)
    bench.device.port.post("SOC.RESET", 1, 1)
    bench.device.port.post("IE", 1, 2)
    bench.pass_ns(MS)
    assert bool(bench.interrupts.lines[40].asserted_by) is keeps


def test_init_that_is_not_read_back_lets_a_last_frame_in() -> None:
    slow = Timing(can_init_sync=exactly(200_000))
    bench = bench_of("can", timing=slow)
    bench.pass_ns(2 * MS)
    arrived = len(bench.of(FrameArrived))
    bench.device.port.post("CCCR.INIT", 1, 1)
    bench.pass_ns(5 * MS)
    assert arrived < len(bench.of(FrameArrived)) <= arrived + 6
