"""A function whose messages are disabled falls back to its line, which passes no data.

Assert_INTx is a posted request as a write is, and stays behind the writes of the same function.
"""

from typing import Any

import pytest

from quiesce.model.base.clock import exactly
from quiesce.model.bus.fabric import LINE
from quiesce.model.plan.timing import Timing
from quiesce.model.trace.events import DmaDropped, DmaIssued, DmaLanded, IrqAsserted, IrqDeasserted

from .bench import MS, Bench

SLOW_WRITES = Timing(
    pcie_posted_write=exactly(5_000),
    pcie_dma_read_rtt=exactly(1_000),
    axi_write_drain=exactly(100),
    mmio_read_flush=exactly(200),
)


PLANS: dict[str, dict[str, Any]] = {
    "nic": {"gap": exactly(60_000)},
    "policy": {"period": exactly(60_000), "service": exactly(2_000)},
}


def bench_of(kind: str, *, iommu: bool = False) -> Bench:
    """Return a device that works with messages, its driver dead and no write under way."""
    bench = Bench(kind, timing=SLOW_WRITES, trigger="message", iommu=iommu, **PLANS[kind])
    bench.pass_ns(MS)
    bench.die()
    while not bench.device.port.is_clear:
        bench.pass_ns(1_000)
    bench.device.read_cause()
    return bench


def levels(bench: Bench, mark: int) -> list[int]:
    return [at_ns for at_ns, event in bench.of(IrqAsserted, mark) if event.kind == "level"]


def next_writes(bench: Bench) -> int:
    """Let the next operation put its writes on the link; returns how many."""
    mark = len(bench.kernel.records)
    for _ in range(10_000):
        if bench.device.port.outstanding > 1:
            break
        bench.pass_ns(100)
    return len(bench.of(DmaIssued, mark))


@pytest.mark.parametrize("kind", ["nic", "policy"])
def test_the_line_of_a_function_without_messages_rises_when_its_data_is_in_memory(
    kind: str,
) -> None:
    bench = bench_of(kind)
    bench.device.write_register("MSIX.ENABLE", 0, 1)
    mark = len(bench.kernel.records)
    writes = next_writes(bench)
    assert writes >= 2, "data and its completion entry"
    assert levels(bench, mark) == []
    bench.pass_ns(40_000)
    landed = [at_ns for at_ns, _ in bench.of(DmaLanded, mark)]
    assert len(landed) == writes
    (rose,) = levels(bench, mark)
    assert rose > landed[-1]


def test_a_message_that_was_kept_becomes_a_line_behind_the_data() -> None:
    """The cause is set and the message waits behind its mask when messages are disabled."""
    bench = bench_of("nic")
    bench.device.write_register("MSIX.MASKALL", 1, 1)
    mark = len(bench.kernel.records)
    writes = next_writes(bench)
    assert bench.device.message_due == 1
    bench.device.write_register("MSIX.ENABLE", 0, 1)
    assert levels(bench, mark) == []
    bench.pass_ns(40_000)
    landed = [at_ns for at_ns, _ in bench.of(DmaLanded, mark)]
    assert len(landed) == writes
    assert levels(bench, mark)[0] > landed[-1]


def test_a_cause_that_was_cleared_meanwhile_raises_no_line() -> None:
    bench = bench_of("nic")
    bench.device.write_register("MSIX.ENABLE", 0, 1)
    bench.device.read_cause()
    mark = len(bench.kernel.records)
    next_writes(bench)
    assert any(write.content == LINE for write, _ in bench.device.port.link._items)
    bench.device.read_cause()
    bench.pass_ns(40_000)
    assert levels(bench, mark) == []


def test_neither_bus_mastering_nor_an_iommu_holds_the_line_up() -> None:
    bench = bench_of("nic", iommu=True)
    bench.device.write_register("MSIX.ENABLE", 0, 1)
    next_writes(bench)
    mark = len(bench.kernel.records)
    assert bench.iommu is not None
    bench.iommu.unmap_all("dut0", 1)
    bench.device.write_register("PCI.BME", 0, 1)
    bench.pass_ns(40_000)
    assert levels(bench, mark)
    assert not [one for _, one in bench.of(DmaDropped, mark) if one.reason == "bus_master_off"]


@pytest.mark.parametrize("order", ["disable-line", "mask-interrupts"])
def test_a_line_that_is_disabled_or_masked_on_the_way_does_not_rise(order: str) -> None:
    bench = bench_of("nic")
    bench.device.write_register("MSIX.ENABLE", 0, 1)
    mark = len(bench.kernel.records)
    next_writes(bench)
    register = {"disable-line": "PCI.INTX_DISABLE", "mask-interrupts": "IMC"}[order]
    bench.device.write_register(register, 1, 1)
    bench.pass_ns(40_000)
    assert levels(bench, mark) == []
    assert bench.of(IrqDeasserted, mark) == []
