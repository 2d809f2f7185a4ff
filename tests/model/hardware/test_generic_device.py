"""Generic devices: what a plan says they do, without code."""

from typing import Any

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.traits import POST, ResetPolicy, Traits
from quiesce.model.trace.events import DmaIssued, DmaLanded, IrqAsserted

from .bench import MS
from .test_devices import bench_of


@pytest.mark.parametrize(
    ("words", "plan", "contents", "interrupts"),
    [
        (
            "a sensor that writes a sample every 50 us, unasked, and tells by interrupt",
            {"period": Span(40_000, 60_000), "lengths": (64,), "completion_length": 0},
            {"data"},
            True,
        ),
        (
            "an accelerator that is asked, reads its input, and writes result and entry",
            {"reads": 4096, "lengths": (4096, 512), "trigger": "message"},
            {"data", "completion", "message"},
            True,
        ),
        (
            "a device that writes only a status, and never interrupts",
            {"lengths": (), "completion_length": 8, "interrupts": False},
            {"completion"},
            False,
        ),
        (
            "a timer of the SoC that only interrupts",
            {
                "lengths": (),
                "completion_length": 0,
                "period": exactly(80_000),
                "is_pcie": False,
            },
            set(),
            True,
        ),
    ],
    ids=["sensor", "accelerator", "status only", "timer"],
)
def test_a_device_behaves_as_its_description_says(
    words: str, plan: dict[str, Any], contents: set[str], interrupts: bool
) -> None:
    bench = bench_of("policy", **plan)
    bench.pass_ns(3 * MS)
    assert {event.content for _, event in bench.of(DmaIssued)} == contents, words
    assert bool(bench.of(IrqAsserted)) is interrupts
    bench.die()
    bench.run(bench.carry_out(bench.kind.procedure.documented))
    assert bench.watch(None, 5 * MS)[2:] == ([], [])


@pytest.mark.parametrize(
    ("stop", "rest"), [("at-once", 0), ("after-current", 2), ("after-queued", 6)]
)
def test_what_a_stop_does_to_accepted_work_is_as_declared(stop: str, rest: int) -> None:
    bench = bench_of("policy", stop=stop, depth=2, in_flight=6, jobs=6, service=exactly(200_000))
    bench.pass_ns(100_000)
    bench.die()
    assert len(bench.device.running) == 2
    assert len(bench.device.accepted) == 4
    bench.device.port.post("ENABLE", 0, 1)
    bench.pass_ns(5 * MS)
    assert bench.landed() == rest
    assert bench.device.is_idle


def test_accepted_work_that_survives_a_reset_is_done_for_the_next_owner() -> None:
    """Doorbells that are kept: the old number, the new addresses, the old epoch."""
    plan: dict[str, Any] = {"depth": 1, "in_flight": 4, "jobs": 4, "service": exactly(200_000)}
    bench = bench_of("policy", traits=Traits(keeps_input=True), **plan)
    bench.pass_ns(100_000)
    bench.die()
    assert bench.device.accepted
    mark = len(bench.kernel.records)
    bench.boot(2)
    bench.pass_ns(5 * MS)
    assert {event.epoch for _, event in bench.of(DmaLanded, mark)} == {1, 2}


def test_a_reset_can_open_the_gate_again_that_bus_mastering_had_closed() -> None:
    """The command register reads as closed, and the window is open."""
    landed = {}
    for opens in (False, True):
        traits = Traits(reset=ResetPolicy(data=POST), reset_clears_gate=opens)
        bench = bench_of("policy", traits=traits, service=exactly(200_000))
        bench.work(2 * MS)
        bench.die()
        order = [("clear-bus-master", 0), ("reset", 0), ("read-back", 0)]
        bench.run(bench.carry_out(order))
        assert bench.device.engine.bus_master is False
        landed[opens] = bool(bench.watch(None, MS).late)
    assert landed == {False: False, True: True}


def test_masked_messages_stay_pending_and_come_out_with_the_unmask() -> None:
    bench = bench_of("policy", trigger="message", period=exactly(100_000))
    bench.pass_ns(MS)
    bench.die()
    bench.run(bench.carry_out([("mask-messages", 0)]))
    outcome = bench.watch(None, MS)
    assert outcome.late
    assert outcome.late_interrupts == []
    bench.device.port.post("MSIX.MASKALL", 0, 2)
    bench.pass_ns(20_000)
    assert bench.device.message_due is None


def test_disabled_messages_fall_back_to_the_line_unless_it_is_disabled_too() -> None:
    """QEMU vfio b3e27c3aee8f."""
    asserted = {}
    for steps in (["disable-messages"], ["disable-line", "disable-messages"]):
        bench = bench_of("policy", trigger="message", period=exactly(100_000))
        bench.pass_ns(MS)
        bench.die()
        bench.run(bench.carry_out([(step, 0) for step in steps]))
        late = bench.watch(None, MS).late_interrupts
        asserted[len(steps)] = {event.kind for event in late}
    assert asserted == {1: {"level"}, 2: set()}
