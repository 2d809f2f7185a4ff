"""What a reset of the whole board does to each device, and whether it may be taken as stopped."""

from typing import Any

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.traits import CANCEL, DROP, NOTHING, POST, RESET_FATES, ResetPolicy, Traits

from .bench import MS, Bench, all_choices
from .test_devices import EVERY_KIND, MASTERS, bench_of

WITH_GATE = ["ahci", "nvme", "policy"]
"""Those whose requests take time; what an xHCI controller does for one takes none."""


def all_effects(fate: str) -> ResetPolicy:
    return ResetPolicy(data=fate, completion=fate, interrupt=fate)


def at_work(kind: str, **plan: Any) -> Bench:
    """Return a device that works on a request of a guest that is gone."""
    bench = bench_of(kind, **plan)
    bench.work(4 * MS)
    while kind in WITH_GATE and not bench.device.running:
        bench.pass_ns(500)
    bench.die()
    return bench


@pytest.mark.parametrize("kind", MASTERS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_device_that_takes_the_reset_writes_nothing_afterwards(kind: str, seed: int) -> None:
    bench = bench_of(kind, all_choices()[seed])
    bench.work(4 * MS)
    bench.die()
    assert bench.device.power_off() is True
    outcome = bench.watch(None, 20 * MS)
    assert (outcome.late, outcome.late_interrupts) == ([], [])


@pytest.mark.parametrize("kind", MASTERS)
def test_a_device_that_ignores_resets_goes_on_and_is_not_taken_as_stopped(kind: str) -> None:
    bench = at_work(kind, traits=Traits(ignores_reset=True))
    assert bench.device.power_off() is False
    assert bench.watch(None, 20 * MS).late


@pytest.mark.parametrize("kind", WITH_GATE)
@pytest.mark.parametrize("fate", RESET_FATES)
def test_without_a_gate_that_holds_the_reset_policy_decides(kind: str, fate: str) -> None:
    """The reset clears bus master enable; on some devices that stops nothing."""
    traits = Traits(reset=all_effects(fate), bus_master_gate_effective=False)
    bench = at_work(kind, traits=traits)
    stopped = bench.device.power_off()
    goes_on = fate in {POST, NOTHING}
    assert stopped is not goes_on
    assert bool(bench.watch(None, 20 * MS).late) is goes_on


@pytest.mark.parametrize("kind", WITH_GATE)
def test_a_gate_that_holds_stops_what_the_reset_lets_go_on(kind: str) -> None:
    bench = at_work(kind, traits=Traits(reset=all_effects(NOTHING)))
    assert bench.device.power_off() is True
    assert bench.watch(None, 20 * MS).late == []


def test_a_gate_that_a_reset_opens_stops_nothing() -> None:
    bench = at_work("nvme", traits=Traits(reset=all_effects(NOTHING), reset_clears_gate=True))
    assert bench.device.power_off() is False
    assert bench.watch(None, 20 * MS).late


@pytest.mark.parametrize("forgets", [True, False])
def test_a_device_that_forgets_what_it_does_is_no_more_stopped_than_one_that_knows(
    forgets: bool,
) -> None:
    traits = Traits(
        reset=all_effects(NOTHING), bus_master_gate_effective=False, forgets_running=forgets
    )
    bench = at_work("policy", traits=traits)
    assert bench.device.power_off() is False
    assert bench.watch(None, 20 * MS).late


@pytest.mark.parametrize(("fate", "stops"), [(CANCEL, True), (DROP, True), (NOTHING, False)])
def test_the_write_buffer_of_a_device_of_the_soc_goes_by_its_policy(fate: str, stops: bool) -> None:
    bench = bench_of(
        "pl330", traits=Traits(reset=all_effects(fate)), pace=Span(100, 200), buffer_bursts=8
    )
    bench.pass_ns(MS)
    while not bench.device.buffer:
        bench.pass_ns(50)
    bench.die()
    assert bench.device.power_off() is stops
    assert bool(bench.watch(None, MS).late) is not stops


def test_event_requests_that_survive_a_reset_are_answered_after_it_if_no_gate_holds() -> None:
    plan = {"keeps_event_requests": True, "events": exactly(3 * MS)}
    for effective in (True, False):
        traits = Traits(reset=ResetPolicy(), bus_master_gate_effective=effective)
        bench = at_work("nvme", traits=traits, **plan)
        assert bench.device.power_off() is effective
        assert bool(bench.watch(None, 20 * MS).late) is not effective


def test_frames_that_a_reset_leaves_inside_are_stored_if_no_gate_holds() -> None:
    for effective in (True, False):
        traits = Traits(
            keeps_input=True, keeps_side_state=True, bus_master_gate_effective=effective
        )
        bench = Bench("nic", traits=traits, gap=exactly(700))
        while len(bench.device.fifo) < 2:
            bench.pass_ns(100)
        bench.die()
        assert bench.device.power_off() is effective
        assert bool(bench.watch(None, MS).late) is not effective


def test_the_timer_of_the_teaching_device_survives_the_reset_and_its_write_lands() -> None:
    """Observed on the emulated device: 100 ms after the command, reset or not."""
    bench = bench_of("edu", dma_delay=exactly(10 * MS))
    while not bench.device.is_transferring:
        bench.pass_ns(1_000)
    bench.die()
    assert bench.device.power_off() is False
    assert [event.content for event in bench.watch(None, 20 * MS).late] == ["data"]


def test_a_teaching_device_that_was_asked_for_nothing_is_stopped_by_the_reset() -> None:
    bench = bench_of("edu", dma_delay=exactly(MS))
    bench.die()
    assert bench.device.power_off() is True
    assert bench.watch(None, 20 * MS).late == []


def test_a_teaching_device_whose_gate_was_closed_before_is_stopped_by_the_reset() -> None:
    bench = bench_of("edu", dma_delay=exactly(10 * MS))
    while not bench.device.is_transferring:
        bench.pass_ns(1_000)
    bench.die()
    bench.run(bench.carry_out([("clear-bus-master", 0), ("read-back", 0)]))
    assert bench.device.power_off() is True
    assert bench.watch(None, 20 * MS).late == []


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_register_writes_that_were_under_way_at_the_reset_never_arrive(kind: str) -> None:
    """The processor that wrote them is reset as well."""
    traits = {} if kind == "edu" else {"traits": Traits(ignores_reset=True)}
    bench = at_work(kind, **traits)
    bench.device.port.post("a register that no device has", 1, 1)
    bench.device.power_off()
    bench.pass_ns(MS)
    assert not bench.device.port.posted
