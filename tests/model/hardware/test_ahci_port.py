"""AHCI: what FRE, ST and the link do to each effect of a command."""

from typing import Any

import pytest

from quiesce.model.base.clock import exactly
from quiesce.model.hardware.ahci import BYTE_COUNT_OFFSET, FIS_D2H_OFFSET, HEADER_SIZE
from quiesce.model.plan.procedures import AHCI
from quiesce.model.plan.traits import POST, ResetPolicy, Traits
from quiesce.model.trace.events import DmaFetched, DmaLanded, DmaReadBlocked

from .bench import MS, Bench
from .test_devices import bench_of

LENGTH = 3 * 4096


def port_of(operation: str = "read", **plan: Any) -> Bench:
    """Return a port whose one command has just begun at the disk, and whose guest is dead."""
    fields: dict[str, Any] = {"service": exactly(400_000), "length": LENGTH}
    bench = bench_of("ahci", operation=operation, requests=1, depth=1, **fields, **plan)
    while not bench.device.running:
        bench.pass_ns(10_000)
    bench.die()
    return bench


def late_writes(bench: Bench, watch_ns: int = 5 * MS) -> list[tuple[str, int]]:
    """Return content and place of what lands from here on, data once."""
    found: list[tuple[str, int]] = []
    for event in bench.watch(None, watch_ns).late:
        place = 0 if event.content == "data" else event.addr
        if (event.content, place) not in found:
            found.append((event.content, place))
    return found


def count_place(bench: Bench) -> int:
    return int(bench.driver.list_addr + BYTE_COUNT_OFFSET)


def fis_place(bench: Bench) -> int:
    return int(bench.driver.fis_addr + FIS_D2H_OFFSET)


@pytest.mark.parametrize("operation", ["read", "write"])
def test_a_command_writes_its_byte_count_into_its_header_before_the_fis(operation: str) -> None:
    """AHCI 1.3.1, 4.2.2: PRDBC is the second word of the command header."""
    bench = port_of(operation)
    written = late_writes(bench)
    assert written[-2:] == [("completion", count_place(bench)), ("completion", fis_place(bench))]
    assert bench.memory.read(count_place(bench), 4) == LENGTH.to_bytes(4, "little")


def test_each_slot_has_a_byte_count_of_its_own() -> None:
    bench = bench_of("ahci", requests=3, depth=3, length=512)
    bench.pass_ns(5 * MS)
    for slot in range(3):
        place = bench.driver.list_addr + HEADER_SIZE * slot + BYTE_COUNT_OFFSET
        assert bench.memory.read(place, 4) == (512).to_bytes(4, "little")


@pytest.mark.parametrize("operation", ["read", "write"])
@pytest.mark.parametrize(
    ("off", "fis", "interrupts"),
    [
        ((), True, True),
        (("PxCMD.ST",), True, True),
        (("PxCMD.FRE",), False, False),
        (("PxCMD.ST", "PxCMD.FRE"), False, False),
    ],
)
def test_what_st_and_fre_do_to_each_effect(
    operation: str, off: tuple[str, ...], fis: bool, interrupts: bool
) -> None:
    """ST stops nothing that was fetched; FRE keeps the FIS away, and the interrupt with it."""
    bench = port_of(operation)
    for register in off:
        bench.device.port.post(register, 0, 1)
    mark = len(bench.taken)
    written = late_writes(bench)
    assert (("data", 0) in written) is (operation == "read")
    assert ("completion", count_place(bench)) in written
    assert (("completion", fis_place(bench)) in written) is fis
    assert bool(bench.taken[mark:]) is interrupts


def test_a_port_whose_gate_is_closed_writes_no_byte_count() -> None:
    bench = port_of("write")
    bench.device.port.post("PCI.BME", 0, 1)
    assert late_writes(bench) == []
    assert bench.dropped("bus_master_off") == 2


@pytest.mark.parametrize("receives", [True, False])
def test_a_reset_that_lets_commands_end_lets_no_fis_out_that_nobody_received_before(
    receives: bool,
) -> None:
    policy = ResetPolicy(data=POST, completion=POST, interrupt=POST)
    bench = port_of("write", traits=Traits(reset=policy))
    bench.device.port.post("PxCMD.FRE", int(receives), 1)
    bench.device.port.post("GHC.HR", 1, 1)
    written = late_writes(bench)
    assert ("completion", count_place(bench)) in written
    assert (("completion", fis_place(bench)) in written) is receives


# The link.


@pytest.mark.parametrize("detection", [1, 4])
def test_a_command_that_is_issued_while_the_link_is_down_waits_unfetched(detection: int) -> None:
    bench = bench_of("ahci", requests=1, depth=1)
    bench.pass_ns(5 * MS)
    device = bench.device
    device.port.post("PxSCTL.DET", detection, 1)
    device.port.post("PxCI", 0, 1)
    mark = len(bench.kernel.records)
    bench.pass_ns(20 * MS)
    assert not device.link_up
    assert list(device.issued) == [(0, 1)]
    assert bench.of(DmaFetched, mark) == []
    assert bench.of(DmaLanded, mark) == []
    device.port.post("PxSCTL.DET", 0, 1)
    bench.pass_ns(20 * MS)
    assert device.link_up
    assert {event.content for _, event in bench.of(DmaLanded, mark)} == {"data", "completion"}


def test_a_command_whose_table_is_being_read_when_the_link_goes_down_never_reaches_the_disk() -> (
    None
):
    bench = bench_of("ahci", requests=1, depth=1, iommu=True)
    bench.pass_ns(5 * MS)
    device = bench.device
    device.port.post("PxCI", 0, 1)
    while not device.active:
        bench.pass_ns(50)
    device.write_register("PxSCTL.DET", 4, 1)
    mark = len(bench.kernel.records)
    bench.pass_ns(20 * MS)
    assert device.active == device.running == []
    assert bench.of(DmaLanded, mark) == []
    assert bench.of(DmaReadBlocked, mark) == []


def test_detection_that_was_not_asked_for_sends_no_signature() -> None:
    """PxSCTL.DET = 0 asks for nothing when it was 0 before (3.3.11)."""
    bench = port_of()
    bench.pass_ns(5 * MS)
    bench.device.port.post("PxSCTL.DET", 0, 1)
    assert late_writes(bench, 30 * MS) == []


def test_a_link_that_is_taken_down_again_while_it_comes_up_stays_down() -> None:
    bench = port_of()
    device = bench.device
    for value in (1, 0, 4):
        device.port.post("PxSCTL.DET", value, 1)
        bench.pass_ns(50_000)
    bench.pass_ns(50 * MS)
    assert not device.link_up
    assert device.training is None


def test_after_an_hba_reset_the_guest_starts_the_port_only_when_a_disk_is_there() -> None:
    """Software shall not set ST before PxSSTS.DET reads 3 (10.3.1)."""
    bench = bench_of("ahci", requests=1, depth=1)
    while not bench.device.started:
        assert not bench.device.issued
        bench.pass_ns(1_000)
    assert bench.device.link_up


def test_the_documented_procedure_leaves_the_command_list_alone() -> None:
    bench = bench_of("ahci", operation="write", service=exactly(400_000))
    outcome = bench.end(AHCI.order)
    assert all(outcome.done)
    assert outcome.late == []
