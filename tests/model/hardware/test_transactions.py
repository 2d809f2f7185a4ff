"""What a device reads from memory, and when: Transactions Pending, and the data of a disk write."""

from typing import Any

import pytest

from quiesce.model.base.clock import exactly
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.traits import POST, ResetPolicy, Traits
from quiesce.model.trace.events import DmaLanded, StopConfirmed

from .bench import MS, Bench
from .test_devices import BRISK, bench_of

LONG = exactly(20 * MS)
DISKS = ["ahci", "nvme"]


def disk_at_work(kind: str, operation: str = "read", **plan: Any) -> Bench:
    """Return a disk that works on a request and has read all that it needs for it."""
    fields: dict[str, Any] = {"depth": 1}
    if kind == "nvme":
        fields = {"events": None, "shadow_doorbells": False, "in_flight": 1}
    bench = bench_of(kind, operation=operation, service=LONG, **fields, **plan)
    while not bench.device.running or bench.device.port.reads_pending:
        bench.pass_ns(1_000)
    return bench


@pytest.mark.parametrize("kind", DISKS)
def test_transactions_pending_reads_0_while_a_disk_merely_works(kind: str) -> None:
    """It covers non-posted requests (PCI Express 7.5.3.5), and a seek is none."""
    bench = disk_at_work(kind)
    bench.die()
    assert not bench.device.transactions_pending
    assert not bench.device.is_idle
    assert bench.run(bench.carry_out([("await-transactions", 50 * MS)])) == [True]
    late = bench.watch(None, 30 * MS).late
    assert {event.content for event in late} == {"data", "completion"}


@pytest.mark.parametrize("kind", DISKS)
def test_transactions_pending_reads_1_until_a_read_of_memory_is_answered(kind: str) -> None:
    slow = Timing(
        pcie_dma_read_rtt=exactly(MS),
        nvme_rdy_set=BRISK.nvme_rdy_set,
        ahci_hba_reset=BRISK.ahci_hba_reset,
        ahci_link_up=BRISK.ahci_link_up,
    )
    bench = bench_of(kind, operation="write", timing=slow)
    while not bench.device.transactions_pending:
        bench.pass_ns(1_000)
    bench.die()
    assert bench.device.port.reads_pending >= 1
    assert bench.run(bench.carry_out([("await-transactions", 1_000)])) == [False]
    assert not bench.device.is_idle
    bench.pass_ns(200 * MS)
    assert bench.device.port.reads_pending == 0


def test_a_wait_for_transactions_ends_with_the_last_answer_and_not_with_the_operation() -> None:
    slow = Timing(pcie_dma_read_rtt=exactly(MS), nvme_rdy_set=BRISK.nvme_rdy_set)
    plan: dict[str, Any] = {"events": None, "shadow_doorbells": False, "in_flight": 1}
    bench = bench_of("nvme", operation="write", timing=slow, service=LONG, **plan)
    while not bench.device.running:
        bench.pass_ns(1_000)
    bench.die()
    assert bench.device.transactions_pending, "the data of the write are being read"
    assert bench.run(bench.carry_out([("await-transactions", 50 * MS)])) == [True]
    assert bench.device.running, "and the disk works on"


def test_a_device_that_waits_for_its_translation_has_a_transaction_pending() -> None:
    bench = bench_of("nvme", iommu=True, traits=Traits(ats=True))
    seen = False
    for _ in range(20_000):
        seen |= bool(bench.device.transactions_pending)
        bench.pass_ns(500)
    assert seen
    assert bench.device.port.reads_pending <= 2


@pytest.mark.parametrize("kind", DISKS)
def test_the_data_of_a_disk_write_are_read_before_the_disk_works(kind: str) -> None:
    """What goes to the disk is what stood in memory when the command began."""
    bench = disk_at_work(kind, "write", iommu=True)
    assert bench.iommu is not None
    bench.die()
    bench.iommu.unmap_all("dut0", 1)
    bench.iommu.invalidate("dut0")
    mark = len(bench.kernel.records)
    bench.pass_ns(30 * MS)
    blocked = [type(record.event).__name__ for record in bench.kernel.records[mark:]]
    assert "DmaReadBlocked" not in blocked
    assert "DmaBlocked" in blocked, "its completion is refused"
    assert bench.of(DmaLanded, mark) == []


def test_a_read_of_a_disk_writes_its_data_after_the_disk_has_worked() -> None:
    bench = disk_at_work("nvme")
    mark, before = len(bench.kernel.records), bench.kernel.now
    bench.pass_ns(19 * MS)
    assert bench.of(DmaLanded, mark) == []
    bench.pass_ns(2 * MS)
    assert min(at_ns for at_ns, _ in bench.of(DmaLanded, mark)) > before + 19 * MS


# What a controller reset of NVMe leaves to come.


def test_a_controller_reset_lets_the_data_of_commands_come_until_ready_falls() -> None:
    """QEMU's `nvme_ctrl_reset` drains the namespaces; completions are lost with their queue."""
    bench = disk_at_work("nvme")
    bench.die()
    order = [("disable", 0), ("await-disabled", 500 * MS), ("confirm", MS)]
    mark = len(bench.kernel.records)
    assert bench.run(bench.carry_out(order)) == [True] * 3
    contents = [event.content for _, event in bench.of(DmaLanded, mark)]
    assert contents == ["data"] * 2
    last_ns = max(at_ns for at_ns, _ in bench.of(DmaLanded, mark))
    assert bench.of(StopConfirmed)[-1][0] > last_ns
    assert bench.watch(None, 30 * MS).late == []


def test_a_controller_that_cancels_is_disabled_before_the_disk_has_worked() -> None:
    bench = disk_at_work("nvme", traits=Traits(reset=ResetPolicy()))
    bench.die()
    mark = len(bench.kernel.records)
    order = [("disable", 0), ("await-disabled", 500 * MS)]
    assert bench.run(bench.carry_out(order)) == [True] * 2
    bench.pass_ns(30 * MS)
    assert bench.of(DmaLanded, mark) == []


def test_an_abrupt_shutdown_is_complete_when_the_data_that_still_come_have_come() -> None:
    bench = disk_at_work("nvme", traits=Traits(reset=ResetPolicy(data=POST)))
    bench.die()
    assert (
        bench.run(bench.carry_out([("abrupt-shutdown", 0), ("await-shutdown", 500 * MS)]))
        == [True] * 2
    )
    assert bench.watch(None, 30 * MS).late == []
