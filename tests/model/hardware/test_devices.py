"""What every kind of device has in common: it goes on, its procedure silences it, and so on."""

from typing import Any

import pytest

from quiesce.model.base.choices import Choices, Nominal
from quiesce.model.base.clock import Span, exactly
from quiesce.model.hardware.registry import kinds, procedures
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.traits import CANCEL, DROP, NOTHING, POST, RESET_FATES, ResetPolicy, Traits
from quiesce.model.trace.events import DmaIssued, DmaLanded

from .bench import MS, Bench, all_choices

BRISK = Timing(
    flr=Span(100_000, 2 * MS),
    nvme_rdy_set=Span(50_000, MS),
    nvme_rdy_clear=Span(50_000, MS),
    nvme_shutdown=Span(50_000, MS),
    xhci_halt=Span(50_000, 2 * MS),
    xhci_reset=Span(50_000, MS),
    ahci_hba_reset=Span(10_000, 500_000),
    ahci_link_up=Span(100_000, MS),
)
"""What takes long in life and adds nothing here."""

MASTERS = ["ahci", "nvme", "xhci", "pl330", "policy"]
EVERY_KIND = [*MASTERS, "can", "edu"]

WORKLOADS: dict[str, dict[str, Any]] = {
    "ahci": {"service": Span(50_000, 400_000)},
    "nvme": {"events": Span(200_000, 900_000), "shadow_doorbells": True},
    "xhci": {"port_events": Span(300_000, MS), "interval": Span(50_000, 200_000)},
    "pl330": {"pace": Span(4_000, 16_000)},
    "edu": {"dma_delay": Span(100_000, 200_000)},
    "policy": {"service": Span(20_000, 90_000)},
    "can": {},
}


def bench_of(kind: str, choices: Choices | None = None, **changes: Any) -> Bench:
    timing = changes.pop("timing", BRISK)
    iommu = changes.pop("iommu", False)
    plan = WORKLOADS[kind] | changes
    return Bench(kind, choices, iommu=iommu, timing=timing, **plan)


@pytest.mark.parametrize("kind", MASTERS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_device_that_nobody_stops_writes_on_after_its_driver_is_gone(
    kind: str, seed: int
) -> None:
    """Hardware does not notice that a guest has died."""
    outcome = bench_of(kind, all_choices()[seed]).end(())
    assert outcome.late
    assert {event.epoch for event in outcome.late} == {1}


def test_a_device_without_dma_that_nobody_stops_interrupts_after_its_driver_is_gone() -> None:
    outcome = bench_of("can").end(())
    assert outcome.late == []
    assert outcome.late_interrupts


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("trigger", ["level", "message"])
def test_the_documented_procedure_silences_a_device_for_good(kind: str, trigger: str) -> None:
    """Three corners of all spans, and twenty draws."""
    if trigger == "message" and kind in {"pl330", "can"}:
        return
    for choices in all_choices():
        bench = bench_of(kind, choices, trigger=trigger)
        outcome = bench.end()
        assert outcome.done == 0
        assert outcome.confirmed_ns is not None
        assert outcome.late == []
        assert outcome.late_interrupts == []
        assert bench.landed() + len(bench.taken) > 0, "it was at work before"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_procedure_that_is_followed_at_any_moment_of_the_work_silences_the_device(
    kind: str,
) -> None:
    for work_ns in range(0, 4 * MS, 331_000):
        outcome = bench_of(kind).end(work_ns=work_ns, watch_ns=5 * MS)
        assert outcome.done is not None, work_ns
        assert (outcome.late, outcome.late_interrupts) == ([], []), work_ns


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_guest_that_shuts_down_in_order_leaves_a_silent_device(kind: str) -> None:
    bench = bench_of(kind)
    bench.pass_ns(3 * MS)
    bench.run(bench.driver.shut_down())
    bench.die()
    outcome = bench.watch(None, 20 * MS)
    assert (outcome.late, outcome.late_interrupts) == ([], [])


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_next_guest_on_the_same_memory_and_line_can_work(kind: str) -> None:
    """What one owner's procedure has masked or disabled must come back with the next owner."""
    bench = bench_of(kind)
    bench.end()
    before = len(bench.taken)
    bench.boot(2)
    bench.pass_ns(20 * MS)
    assert {event.epoch for _, event in bench.of(DmaLanded)} <= {1, 2}
    stale = bench.taken[before:].count(1)
    # What the interrupt controller had latched before is nothing that the device could take back.
    assert stale <= (bench.plan.trigger == "message")
    assert bench.taken[before:].count(2) > 3, "its interrupts come again and again"


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_same_choices_give_the_same_records(kind: str) -> None:
    runs = []
    for _ in range(2):
        bench = bench_of(kind, all_choices()[5])
        bench.end()
        runs.append(bench.kernel.records)
    assert runs[0] == runs[1]


# Gates.


@pytest.mark.parametrize("kind", ["ahci", "nvme", "xhci", "policy"])
@pytest.mark.parametrize("is_effective", [True, False])
def test_bus_mastering_taken_away_stops_writes_only_if_the_gate_is_real(
    kind: str, is_effective: bool
) -> None:
    """Some devices show the bit cleared and go on (Xen ea38867831da)."""
    traits = Traits(bus_master_gate_effective=is_effective)
    bench = bench_of(kind, traits=traits)
    outcome = bench.end([("clear-bus-master", 0), ("read-back", 0)])
    assert bench.device.engine.bus_master is False
    assert bool(outcome.late) is not is_effective


@pytest.mark.parametrize("kind", ["ahci", "nvme", "xhci", "policy"])
def test_without_a_read_back_writes_that_had_left_land_after_bus_mastering_was_cleared(
    kind: str,
) -> None:
    """Posted writes are not called back; over the seeds some run has one on its way."""
    slow = Timing(pcie_posted_write=exactly(900_000), nvme_rdy_set=exactly(50_000))
    late = 0
    for choices in all_choices(8):
        bench = bench_of(kind, choices, timing=slow)
        late += len(bench.end([("clear-bus-master", 0)], work_ns=9 * MS, watch_ns=5 * MS).late)
    assert late


@pytest.mark.parametrize("kind", ["pl330", "can"])
def test_a_device_of_the_soc_has_no_pcie_registers(kind: str) -> None:
    bench = bench_of(kind)
    bench.device.port.post("PCI.BME", 0, 1)
    with pytest.raises(AssertionError, match="no PCIe function"):
        bench.pass_ns(MS)


@pytest.mark.parametrize("kind", ["pl330", "can"])
def test_a_device_of_the_soc_has_no_messages(kind: str) -> None:
    with pytest.raises(AssertionError, match="no messages"):
        bench_of(kind, trigger="message")


# Translation.


@pytest.mark.parametrize("kind", ["ahci", "nvme", "policy"])
def test_an_unmap_reaches_operations_unless_they_translated_at_their_start(kind: str) -> None:
    """A device with its own translations (ATS) writes where the map pointed when it began."""
    landed = {}
    for at_start in (False, True):
        bench = bench_of(kind, iommu=True, traits=Traits(translates_at_start=at_start))
        bench.work(5 * MS)
        bench.die()
        assert bench.iommu is not None
        bench.iommu.unmap_all("dut0", 1)
        bench.iommu.invalidate("dut0")
        bench.run(bench.device.port.wait_until_landed())
        landed[at_start] = [event.content for event in bench.watch(None, MS).late]
    assert landed[False] == []
    assert "data" in landed[True]


@pytest.mark.parametrize("kind", MASTERS)
def test_behind_an_iommu_a_device_works_as_without(kind: str) -> None:
    bench = bench_of(kind, iommu=True)
    outcome = bench.end()
    assert bench.landed() > 0
    assert outcome.done == 0
    assert outcome.late == []


# Reset policies.

FATES = [(effect, fate) for effect in ("data", "completion", "interrupt") for fate in RESET_FATES]
RESETS = {
    "ahci": ("GHC.HR", 1),
    "nvme": ("CC.EN", 0),
    "xhci": ("USBCMD.HCRST", 1),
    "policy": ("RESET", 1),
}


def reset_in_the_middle(kind: str, policy: ResetPolicy) -> tuple[Bench, int, int]:
    """Reset a device while operations are under way; gives the mark and how many they are."""
    traits = Traits(reset=policy, keeps_interrupt=True)
    bench = bench_of(kind, traits=traits, service=exactly(300_000))
    bench.work(4 * MS)
    bench.die()
    device = bench.device
    device.port.post(*RESETS[kind], 1)
    while device.port.posted or device.port.arriving:
        bench.pass_ns(100)
    return bench, len(bench.kernel.records), sum(one.was_reset for one in device.running)


@pytest.mark.parametrize("kind", ["ahci", "nvme", "policy"])
@pytest.mark.parametrize(("effect", "fate"), FATES)
def test_each_effect_of_what_is_under_way_goes_by_the_reset_policy(
    kind: str, effect: str, fate: str
) -> None:
    """All four fates for data, completion and interrupt, the other two being cancelled."""
    bench, mark, count = reset_in_the_middle(kind, ResetPolicy(**{effect: fate}))
    assert count > 0
    device = bench.device
    waits = fate in {POST, DROP}
    done_at_once = device.is_reset_done
    device.clear_interrupt()
    bench.pass_ns(20 * MS)
    issued = {event.content for _, event in bench.of(DmaIssued, mark)} - {"message"}
    comes_about = fate in {POST, NOTHING}
    assert issued == ({effect} if comes_about and effect != "interrupt" else set())
    assert (device.cause is not None) == (comes_about and effect == "interrupt")
    if kind == "policy":
        assert done_at_once is not waits, "a reset that drains reads as done only afterwards"
    assert device.is_reset_done


def test_a_reset_that_drains_data_but_cancels_the_rest_is_no_reset_for_memory() -> None:
    """Drained and posted: the in-flight read lands in what the next guest owns (openvmm 3915)."""
    for fate, lands in ((POST, True), (NOTHING, True), (DROP, False), (CANCEL, False)):
        bench, mark, _ = reset_in_the_middle("policy", ResetPolicy(data=fate))
        bench.pass_ns(5 * MS)
        assert bool(bench.of(DmaLanded, mark)) is lands, fate


@pytest.mark.parametrize("kind", list(RESETS))
def test_a_reset_that_is_ignored_reads_as_done_and_stops_nothing(kind: str) -> None:
    """No error, no effect: the procedure must look at the device (rcore virtio-drivers 69)."""
    bench = bench_of(kind, traits=Traits(ignores_reset=True))
    bench.work(3 * MS)
    bench.die()
    bench.device.port.post(*RESETS[kind], 1)
    bench.run(bench.device.port.flush())
    assert bench.watch(None, 10 * MS).late
    assert bench.device.is_reset_done


@pytest.mark.parametrize("kind", ["ahci", "policy"])
def test_an_early_idle_bit_confirms_a_stop_that_is_none(kind: str) -> None:
    """The engine reads as stopped while its writes are on their way (Linux 9e528c799d17)."""
    late = {}
    for early in (False, True):
        late[early] = 0
        for choices in all_choices(6):
            bench = bench_of(kind, choices, traits=Traits(says_stopped_early=early))
            order = [step for step in bench.kind.procedure.documented if step[0] != "reset"]
            late[early] += len(bench.end(order).late)
    assert late[False] == 0
    assert late[True] > 0


def test_the_registry_names_every_step_and_source() -> None:
    assert set(procedures()) == set(kinds())
    for name, procedure in procedures().items():
        assert procedure.source, name
        for order in (procedure.documented, *procedure.fallbacks):
            assert order
            for step, bound_ns in order:
                assert step in procedure.steps, (name, step)
                waits = step.startswith(("await", "confirm"))
                assert not waits or bound_ns > 0, (name, step)
        for step, text in procedure.steps.items():
            assert text, step
    assert procedures()["nvme"] is kinds()["nvme"].procedure


def test_choices_of_a_device_have_names_that_say_whose_they_are() -> None:
    bench = bench_of("nvme", Nominal())
    bench.end()
    labels = {label for label, _, _ in bench.kernel.choices.log}
    assert {"dut0.service", "dut0.rdy_set", "dut0.rdy_clear", "dut0.shutdown"} <= labels
