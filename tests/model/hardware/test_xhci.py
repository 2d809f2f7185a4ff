"""xHCI: rings, halting, Stop Endpoint, and reset."""

from msgspec.structs import replace

from quiesce.model.base.choices import Latest
from quiesce.model.base.clock import Span, exactly
from quiesce.model.hardware import xhci_rings as rings
from quiesce.model.hardware.xhci_rings import EventRing, RingCursor, Trb
from quiesce.model.plan.traits import POST, ResetPolicy, Traits
from quiesce.model.trace.events import DmaLanded

from .bench import MS, Bench
from .test_devices import BRISK, bench_of


def test_a_ring_cursor_follows_the_link_and_turns_its_cycle_bit() -> None:
    cursor = RingCursor(0x1000 | rings.CYCLE, 1)
    normal = rings.control_of(rings.NORMAL) | rings.CYCLE
    assert cursor.accept(Trb(0, 0, normal))
    assert cursor.addr == 0x1010
    link = rings.control_of(rings.LINK, rings.TOGGLE_CYCLE) | rings.CYCLE
    assert not cursor.accept(Trb(0x1000, 0, link))
    assert (cursor.addr, cursor.cycle) == (0x1000, 0)
    assert not cursor.accept(Trb(0, 0, normal)), "a block of the round before"


def test_an_event_ring_turns_its_cycle_bit_at_its_end() -> None:
    ring = EventRing(0x2000, 2, 1)
    cycles = []
    for _ in range(3):
        _, entry = ring.place(0, 0, rings.control_of(rings.PORT_EVENT))
        cycles.append(entry[12] & 1)
    assert cycles == [1, 1, 0]


def test_reports_go_round_both_rings_again_and_again() -> None:
    bench = bench_of("xhci", ring_size=6)
    bench.pass_ns(30 * MS)
    assert bench.landed() > 3 * 6
    assert bench.memory.read(bench.driver.buffers[0], 64) == b"\xc3" * 64


def test_a_dead_drivers_ring_is_emptied_and_then_the_reports_end() -> None:
    """Asked for once, they come for as long as there are blocks: at most a ring full."""
    bench = bench_of("xhci", port_events=None)
    late = bench.end((), watch_ns=60 * MS).late
    data = [event for event in late if event.content == "data"]
    assert 0 < len(data) <= bench.plan.ring_size
    assert bench.watch(None, 60 * MS).late == []


def test_port_changes_come_without_end() -> None:
    bench = bench_of("xhci", port_events=Span(MS, 2 * MS))
    assert bench.end((), watch_ns=60 * MS).late
    assert bench.watch(None, 60 * MS).late


def test_the_controller_halts_within_sixteen_milliseconds_and_not_at_once() -> None:
    bench = Bench("xhci", Latest())
    bench.pass_ns(30 * MS)
    bench.die()
    bench.device.port.post("USBCMD.RS", 0, 1)
    bench.pass_ns(15 * MS)
    assert not bench.device.is_halted
    bench.pass_ns(2 * MS)
    assert bench.device.is_halted


def test_a_controller_that_never_halts_is_reset() -> None:
    """HCHalted within 32 ms is what Linux waits for; then only the reset is left."""
    outcome = bench_of("xhci", halts=False).end()
    assert outcome.done == 1
    assert outcome.late == []


def test_stop_endpoint_writes_the_endpoint_context_and_then_its_event() -> None:
    """A quiesce step that writes memory itself."""
    bench = bench_of("xhci", port_events=None)
    bench.pass_ns(4 * MS)
    bench.die()
    mark = len(bench.kernel.records)
    assert bench.run(bench.carry_out([("stop-endpoint", 100 * MS)])) == [True]
    place = bench.driver.context_addr + rings.ENDPOINT_OUTPUT_OFFSET
    state, _, _ = rings.ENDPOINT_CONTEXT.unpack(
        bench.memory.read(place, rings.ENDPOINT_CONTEXT.size)
    )
    assert state == rings.ENDPOINT_STOPPED
    landed = [(event.addr, event.content) for _, event in bench.of(DmaLanded, mark)]
    assert (place, "data") in landed
    assert landed[-1][1] == "completion"


def test_a_stopped_endpoint_cannot_be_stopped_again() -> None:
    bench = bench_of("xhci", port_events=None)
    bench.pass_ns(4 * MS)
    bench.die()
    bench.run(bench.carry_out([("stop-endpoint", 100 * MS)]))
    assert not bench.device.endpoint_running
    before = bench.landed("completion")
    bench.run(bench.carry_out([("stop-endpoint", 100 * MS)]))
    bench.pass_ns(MS)
    assert bench.landed("completion") == before + 1, "Context State Error is an answer, too"


def test_a_reset_with_a_drain_policy_posts_into_the_old_event_ring() -> None:
    """The registers are zero by then; the operation has kept where it was to go."""
    policy = ResetPolicy(data=POST, completion=POST)
    slow = replace(BRISK, pcie_posted_write=exactly(5_000))
    traits = Traits(reset=policy)
    bench = bench_of("xhci", port_events=None, traits=traits, trigger="level", timing=slow)
    bench.pass_ns(4 * MS)
    bench.die()
    for _ in range(1_000):
        if bench.device.running:
            break
        bench.pass_ns(1_000)
    bench.device.reset()
    assert bench.device.events is None
    assert bench.device.running
    late = bench.watch(None, MS).late
    assert late
    ring = range(bench.driver.events_addr, bench.driver.events_addr + 16 * 64)
    assert all(event.addr in ring for event in late if event.content == "completion")


def test_halting_is_not_halted_for_an_engine_that_says_so_too_early() -> None:
    traits = Traits(says_stopped_early=True)
    bench = bench_of("xhci", traits=traits, port_events=None, interval=exactly(60_000))
    outcome = bench.end([("stop", 0), ("await-halted", 32 * MS)])
    assert outcome.done == [True, True]
    assert outcome.late
