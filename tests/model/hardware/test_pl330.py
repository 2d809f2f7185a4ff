"""PL330: a program in memory, the kill, and the write buffer behind it."""

from quiesce.model.base.choices import Latest
from quiesce.model.base.clock import exactly
from quiesce.model.hardware.pl330 import DMAGO, ChannelState
from quiesce.model.plan.procedures import PL330, PL330_SYNCHRONIZE, PL330_TERMINATE_ASYNC
from quiesce.model.plan.timing import Timing
from quiesce.model.trace.events import DmaLanded

from .bench import MS
from .test_devices import bench_of


def test_the_program_fills_the_block_burst_by_burst_and_tells_at_its_end() -> None:
    bench = bench_of("pl330", bursts=4)
    bench.pass_ns(200_000)
    assert bench.taken
    addrs = [event.addr - bench.driver.block_addr for _, event in bench.of(DmaLanded)]
    assert addrs[:4] == [0, 64, 128, 192]
    assert bench.memory.read(bench.driver.block_addr, 256) == b"\x5a" * 256


def test_a_program_that_was_read_goes_on_when_its_memory_is_somebody_elses() -> None:
    """The controller executes from its instruction cache."""
    bench = bench_of("pl330")
    bench.pass_ns(MS)
    bench.die()
    bench.memory.write(bench.driver.program_addr, bytes(64))
    assert bench.watch(None, MS).late


def test_terminate_may_return_while_transfers_run_and_synchronise_waits_for_them() -> None:
    """Memory may be freed after both (dmaengine, client.rst)."""
    slow = Timing(pl330_write_buffer=exactly(5_000))
    late = {}
    for name, order in (
        ("async", PL330_TERMINATE_ASYNC),
        ("both", (*PL330_TERMINATE_ASYNC, *PL330_SYNCHRONIZE)),
    ):
        late[name] = bool(bench_of("pl330", timing=slow).end(order, work_ns=MS).late)
    assert late == {"async": True, "both": False}


def test_a_killed_channel_reads_as_killing_until_its_buffer_has_drained() -> None:
    bench = bench_of("pl330", Latest(), timing=Timing(pl330_write_buffer=exactly(50_000)))
    bench.pass_ns(MS)
    bench.die()
    device = bench.device
    bench.run(bench.carry_out(PL330_TERMINATE_ASYNC))
    bench.pass_ns(10_000)
    assert device.state is ChannelState.KILLING
    assert device.buffer or device.is_draining
    bench.pass_ns(MS)
    assert device.is_stopped


def test_a_kill_while_the_debug_port_is_busy_is_lost() -> None:
    """The debug registers take one instruction at a time; so DBGSTATUS is polled first."""
    slow = Timing(pl330_kill=exactly(5_000))
    alive = {}
    for waits in (False, True):
        bench = bench_of("pl330", timing=slow)
        bench.pass_ns(MS)
        bench.die()
        port = bench.device.port
        port.post("DBGINST0", DMAGO << 16, 1)  # a start that is under way, and comes to nothing
        port.post("DBGCMD", 0, 1)
        bench.run(port.flush())
        order = [step for step in PL330.order if waits or step[0] != "await-debug-idle"]
        outcome = bench.run(bench.carry_out(order))
        alive[waits] = not all(outcome)
    assert alive == {False: True, True: False}


def test_a_channel_that_cannot_be_killed_is_reset() -> None:
    outcome = bench_of("pl330", killable=False).end(work_ns=MS, watch_ns=2 * MS)
    assert outcome.done == 1
    assert outcome.late == []


def test_a_stopped_channel_can_be_started_by_the_next_owner() -> None:
    bench = bench_of("pl330")
    bench.end(work_ns=MS, watch_ns=MS)
    bench.boot(2)
    late = bench.watch(None, MS).late
    assert late
    assert {event.epoch for event in late} == {2}


def test_a_next_owner_that_does_not_kill_first_finds_the_old_program_running() -> None:
    """The channel ignores its start: it is not stopped."""
    bench = bench_of("pl330")
    bench.pass_ns(MS)
    bench.die()
    port = bench.device.port
    port.post("DBGINST0", DMAGO << 16, 2)
    port.post("DBGINST1", bench.driver.program_addr, 2)
    port.post("DBGCMD", 0, 2)
    assert {event.epoch for event in bench.watch(None, MS).late} == {1}
