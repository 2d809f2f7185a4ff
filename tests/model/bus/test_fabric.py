"""The fabric: posted writes keep their order, cannot be called back, and are flushed by reads."""

import pytest

from quiesce.model.base.choices import Latest, Nominal
from quiesce.model.base.clock import Span, exactly
from quiesce.model.bus.fabric import MESSAGE, BusWrite, Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.bus.stream import StreamMode
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import (
    DmaBlocked,
    DmaLanded,
    DmaTranslated,
    IrqAsserted,
    StopConfirmed,
)

TIMING = Timing(
    pcie_posted_write=exactly(100),
    axi_write_drain=exactly(50),
    msi_delivery=exactly(50),
    mmio_read_flush=exactly(10),
)


class Bench:
    """A port, and what it leads to, without a device."""

    def __init__(self, *, iommu: bool = False, timing: Timing = TIMING) -> None:
        self.kernel = Kernel(Nominal())
        self.memory = PhysicalMemory(self.kernel, timing)
        self.interrupts = InterruptController(self.kernel, timing)
        self.iommu = Iommu(self.kernel, timing) if iommu else None
        self.port = Port(
            self.kernel, "eth0", timing, Fabric(self.memory, self.interrupts, self.iommu)
        )
        self.port.registers = self
        self.registers: list[tuple[str, int]] = []

    def write_register(self, register: str, value: int, epoch: int) -> None:
        self.registers.append((register, value))

    def issue(self, addr: int, content: str = "data") -> None:
        self.port.issue(BusWrite(1, addr, b"x" * 8, content))

    def finish(self) -> list[tuple[int, object]]:
        self.kernel.execute(self.kernel.event())
        return [(record.at_ns, record.event) for record in self.kernel.records]


def landed(addr: int) -> DmaLanded:
    return DmaLanded("eth0", 1, addr, 8, "data")


def test_writes_land_in_the_order_in_which_they_were_issued() -> None:
    bench = Bench()
    bench.issue(0x1000)
    bench.issue(0x2000)
    assert bench.finish() == [(150, landed(0x1000)), (250, landed(0x2000))]


def test_an_interrupt_message_stays_behind_the_data_it_speaks_of() -> None:
    bench = Bench()
    bench.issue(0x1000)
    bench.issue(40, MESSAGE)
    assert bench.finish() == [
        (150, landed(0x1000)),
        (250, IrqAsserted(40, "eth0", 1, "message")),
    ]


def test_a_read_returns_after_posted_writes_have_arrived_and_dma_has_landed() -> None:
    bench = Bench()

    def cpu() -> Steps:
        bench.issue(0x1000)
        bench.port.post("RCTL.EN", 0, 1)
        yield from bench.port.flush()
        assert bench.registers == [("RCTL.EN", 0)]
        bench.kernel.emit("cpu", StopConfirmed("eth0", 1))

    bench.kernel.process(cpu())
    assert bench.finish() == [(150, landed(0x1000)), (150, StopConfirmed("eth0", 1))]


def test_a_posted_register_write_arrives_after_the_cpu_has_gone_on() -> None:
    bench = Bench()
    bench.port.post("RCTL.EN", 0, 1)
    assert bench.registers == []
    bench.finish()
    assert bench.registers == [("RCTL.EN", 0)]


def test_posted_register_writes_arrive_in_order() -> None:
    bench = Bench(timing=Timing(pcie_posted_write=Span(1, 100)))
    for value in range(5):
        bench.port.post("RDT", value, 1)
    bench.finish()
    assert bench.registers == [("RDT", value) for value in range(5)]


def test_a_stream_of_which_nothing_was_programmed_is_unrestricted() -> None:
    bench = Bench(iommu=True)
    bench.issue(0x1000)
    assert (100, DmaTranslated("eth0", 1, 0x1000, 0x1000, 8)) in bench.finish()


def test_a_mapped_stream_reaches_its_map_and_nothing_else() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.map("eth0", 1, 0x8000_0000, 0x1000, 0x1000)
    bench.issue(0x8000_0010)
    bench.issue(0x8000_1000)
    events = [event for _, event in bench.finish()]
    assert landed(0x1010) in events
    assert events[-1] == DmaBlocked("eth0", 1, 0x8000_1000, 8, "recorded")


def test_a_removed_map_still_translates_until_the_cache_is_invalidated() -> None:
    """The cached translation is why removing a map alone protects nothing (Xen XSA-442)."""
    bench = Bench(iommu=True)
    iommu = bench.iommu
    assert iommu is not None
    iommu.map("eth0", 1, 0x8000_0000, 0x1000, 0x1000)
    bench.issue(0x8000_0010)
    bench.finish()
    iommu.unmap_all("eth0", 1)
    bench.issue(0x8000_0020)
    assert landed(0x1020) in [event for _, event in bench.finish()]
    iommu.invalidate("eth0")
    bench.issue(0x8000_0030)
    assert bench.finish()[-1][1] == DmaBlocked("eth0", 1, 0x8000_0030, 8, "recorded")


def test_a_translated_write_lands_although_its_map_is_gone_by_then() -> None:
    bench = Bench(iommu=True)
    iommu = bench.iommu
    assert iommu is not None
    iommu.map("eth0", 1, 0x8000_0000, 0x1000, 0x1000)

    def remover() -> Steps:
        yield bench.kernel.delay(exactly(120), "between translated and landed")
        iommu.unmap_all("eth0", 1)
        iommu.invalidate("eth0")
        yield from bench.port.drained()
        iommu.synced("eth0", 1)

    bench.issue(0x8000_0010)
    bench.kernel.process(remover())
    instants = {type(event).__name__: at_ns for at_ns, event in bench.finish()}
    assert instants["IommuUnmapped"] < instants["DmaLanded"] <= instants["IommuSynced"]


def test_a_refused_stream_cannot_interrupt_either() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.unmap_all("eth0", 1)
    bench.issue(40, MESSAGE)
    assert bench.finish()[-1][1] == DmaBlocked("eth0", 1, 40, 4, "recorded")


def test_fault_records_are_bounded_and_losses_are_told() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.unmap_all("eth0", 1)
    size = bench.iommu.plan.fault_records
    for _ in range(size + 2):
        bench.issue(0x1000)
    events = [event for _, event in bench.finish()]
    fates = [event.record for event in events if isinstance(event, DmaBlocked)]
    assert fates == ["recorded"] * size + ["lost"] * 2
    assert bench.iommu.faults.has_overflowed


@pytest.mark.parametrize("mode", [StreamMode.REFUSED, StreamMode.UNRESTRICTED])
def test_what_an_unmapped_stream_may_do_depends_on_its_mode(mode: StreamMode) -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.map("eth0", 1, 0x8000_0000, 0x1000, 0x1000)
    bench.iommu.unmap_all("eth0", 1, mode)
    bench.issue(0x1000)
    last = bench.finish()[-1][1]
    assert isinstance(last, DmaLanded) == (mode is StreamMode.UNRESTRICTED)


def test_every_delay_of_the_way_is_asked_for_by_name() -> None:
    kernel = Kernel(Latest())
    memory = PhysicalMemory(kernel, Timing())
    port = Port(
        kernel, "eth0", Timing(), Fabric(memory, InterruptController(kernel, Timing()), None)
    )
    port.issue(BusWrite(1, 0x1000, b"x", "data"))
    kernel.execute(kernel.event())
    assert [label for label, _, _ in kernel.choices.log] == ["eth0.port.write", "eth0.port.drain"]
    assert kernel.records[-1].at_ns == 2_000
