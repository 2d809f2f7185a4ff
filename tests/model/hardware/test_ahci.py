"""AHCI: engines, hangs and their fallbacks, resets that write."""

from typing import Any

import pytest

from quiesce.model.base.clock import exactly
from quiesce.model.hardware.ahci import FIS_D2H_OFFSET, HEADER, SIGNATURE_FIS
from quiesce.model.hardware.ahci_procedure import PROCEDURE
from quiesce.model.hardware.procedure import follow_with_fallbacks
from quiesce.model.plan.procedures import AHCI
from quiesce.model.plan.traits import Traits
from quiesce.model.trace.events import DmaFetched, DmaLanded, DmaRequested

from .bench import MS, Bench
from .test_devices import BRISK, bench_of


def test_a_read_lands_in_every_piece_of_its_buffer_and_then_its_fis() -> None:
    bench = bench_of("ahci", requests=1, depth=1, length=3 * 4096)
    bench.pass_ns(5 * MS)
    driver = bench.driver
    assert bench.memory.read(driver.buffers[0], 3 * 4096) == b"\xd5" * 3 * 4096
    contents = [event.content for _, event in bench.of(DmaLanded)]
    assert contents.count("data") == 3
    assert contents[-1] == "completion"
    given = [event.addr for _, event in bench.of(DmaRequested)]
    assert given[:2] == [driver.list_addr, driver.fis_addr], "before the first command"
    assert given[2:] == [event.addr for _, event in bench.of(DmaFetched)]
    assert len(given) == 5
    assert bench.memory.read(driver.fis_addr + FIS_D2H_OFFSET, 1) == b"\x34"
    assert driver.in_flight == []


def test_a_write_to_the_disk_reads_memory_and_writes_only_the_fis() -> None:
    bench = bench_of("ahci", operation="write", requests=3)
    bench.pass_ns(5 * MS)
    assert bench.landed("data") == 0
    assert bench.landed("completion") >= 3


def test_the_command_list_is_read_when_the_command_is_issued_and_not_again() -> None:
    """What has been fetched the controller owns; what becomes of the list does not matter."""
    bench = bench_of("ahci", service=exactly(400_000), depth=1)
    bench.work(4 * MS)
    bench.die()
    driver = bench.driver
    bench.memory.write(driver.list_addr, HEADER.pack(0, 0, 0xDEAD_0000))
    late = bench.watch(None, MS).late
    assert {event.addr & ~0xFFF for event in late if event.content == "data"} == {
        driver.buffers[0] + 4096 * n for n in range(4)
    }


def test_more_commands_than_slots_wait_unfetched_and_are_forgotten_at_the_stop() -> None:
    bench = bench_of("ahci", slots=2, depth=6, service=exactly(400_000))
    bench.work(4 * MS)
    bench.die()
    device = bench.device
    assert len(device.active) == 2
    assert device.issued
    bench.run(bench.carry_out(AHCI.order))
    assert list(device.issued) == []
    assert not device.is_engine_running


def test_cr_falls_only_when_the_last_fetched_command_has_ended() -> None:
    bench = bench_of("ahci", service=exactly(400_000))
    bench.work(4 * MS)
    bench.die()
    device = bench.device
    device.port.post("PxCMD.ST", 0, 1)
    bench.run(device.port.flush())
    for _ in range(100):
        assert device.is_engine_running or not device.active
        bench.pass_ns(5_000)
    assert not device.is_engine_running


@pytest.mark.parametrize(
    ("ends_with", "traits", "way"),
    [
        ("clo", Traits(), 1),
        ("comreset", Traits(), 2),
        ("hba-reset", Traits(), 3),
        ("hba-reset", Traits(ignores_reset=True), None),
    ],
)
def test_each_hang_is_ended_by_the_first_fallback_that_is_strong_enough(
    ends_with: str, traits: Traits, way: int | None
) -> None:
    """Engine stop times out; then CLO, then COMRESET, then HBA reset; then memory is kept."""
    bench = bench_of("ahci", hangs_at=3, hang_ends_with=ends_with, traits=traits)
    outcome = bench.end()
    assert outcome.done == way
    assert (outcome.confirmed_ns is None) == (way is None)
    assert outcome.late == []


def test_a_comreset_with_fis_receive_on_writes_the_signature_of_the_disk() -> None:
    bench = bench_of("ahci")
    bench.pass_ns(4 * MS)
    bench.die()
    driver = bench.driver
    bench.run(bench.carry_out([("stop-engine", 0), ("await-engine", 500 * MS)]))
    assert bench.memory.read(driver.fis_addr + FIS_D2H_OFFSET, 20) != SIGNATURE_FIS
    done = bench.run(bench.carry_out([("comreset", 0), ("await-link", 5_000 * MS)]))
    assert done == [True, True]
    assert bench.memory.read(driver.fis_addr + FIS_D2H_OFFSET, 20) == SIGNATURE_FIS


@pytest.mark.parametrize("keeps", [False, True])
def test_a_signature_that_nobody_received_goes_to_the_next_owner_if_the_port_holds_it(
    keeps: bool,
) -> None:
    bench = bench_of("ahci", traits=Traits(keeps_input=keeps), requests=1, depth=1)
    bench.end([*AHCI.order, ("comreset", 0), ("await-link", 5_000 * MS)])
    assert bench.device.signature_held is keeps
    bench.device.port.post("PxFB", bench.driver.fis_addr, 2)
    bench.device.port.post("PxCMD.FRE", 1, 2)
    late = bench.watch(None, MS).late
    assert [(event.content, event.epoch) for event in late] == [("completion", 2)] * keeps


def test_a_link_that_comes_up_too_slowly_makes_the_wait_time_out() -> None:
    bench = Bench("ahci")
    bench.pass_ns(20 * MS)
    bench.die()
    order = [("comreset", 0), ("await-link", 1_000)]
    assert bench.run(bench.carry_out(order)) == [True, False]


def test_a_command_list_that_the_iommu_refuses_is_read_by_nobody() -> None:
    bench = bench_of("ahci", iommu=True, requests=1, depth=1)
    assert bench.iommu is not None
    bench.pass_ns(100_000)
    bench.iommu.unmap_all("dut0", 1)
    bench.pass_ns(5 * MS)
    assert bench.of(DmaLanded) == []
    assert bench.device.active == []


@pytest.mark.parametrize("keeps", [False, True])
def test_an_interrupt_cause_that_survives_the_reset_reaches_the_next_owner(keeps: bool) -> None:
    """The line is still up when the next guest unmasks it."""
    bench = bench_of("ahci", traits=Traits(keeps_interrupt=keeps), requests=1, depth=1)
    bench.pass_ns(500_000)
    for _ in range(2_000):
        if bench.device.cause is not None:
            break
        bench.pass_ns(1_000)
    bench.die()
    bench.device.port.post("GHC.HR", 1, 1)
    bench.pass_ns(5 * MS)
    before = len(bench.taken)
    bench.boot(2)
    bench.device.port.post("PxIE", 1, 2)
    bench.pass_ns(MS)
    assert (1 in bench.taken[before:]) is keeps


def test_all_fallbacks_end_with_a_look_at_the_device() -> None:
    for order in (PROCEDURE.documented, *PROCEDURE.fallbacks):
        assert order[-1][0] == "confirm"


def test_pursue_stops_at_the_first_way_that_works() -> None:
    bench: Any = bench_of("ahci", timing=BRISK)
    bench.pass_ns(3 * MS)
    bench.die()
    assert bench.run(follow_with_fallbacks(bench.kernel, bench.device, 1, PROCEDURE)) == 0
    assert bench.device.link_up, "no reset was needed"
