"""Reads of memory: what a device and a host thread leave in the trace, and what keeps them off."""

from collections.abc import Callable

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.device_cache import DeviceCache
from quiesce.model.bus.dma_engine import DmaEngine
from quiesce.model.bus.fabric import Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import CpuRead, DmaRead, DmaReadBlocked

TIMING = Timing(pcie_dma_read_rtt=exactly(100), ats_translation=exactly(30))
PAGE = 0x1000


class Bench:
    """An engine that reads one range, and what it gets."""

    def __init__(self, *, iommu: bool = False) -> None:
        self.kernel = kernel = Kernel(Nominal())
        self.memory = PhysicalMemory(kernel, TIMING)
        self.iommu = Iommu(kernel, TIMING) if iommu else None
        fabric = Fabric(self.memory, InterruptController(kernel, TIMING), self.iommu)
        self.port = Port(kernel, "eth0", TIMING, fabric)
        self.engine = DmaEngine(kernel, TIMING, self.port)
        self.got: list[bytes | None] = []

    def read(self, addr: int, length: int = 8) -> None:
        def body() -> Steps:
            self.got.append((yield from self.engine.read(1, addr, length)))

        self.kernel.process(body())

    def at(self, at_ns: int, act: Callable[[], None]) -> None:
        def body() -> Steps:
            yield self.kernel.delay(exactly(at_ns), f"act at {at_ns}")
            act()

        self.kernel.process(body())

    def finish(self) -> list[tuple[int, object]]:
        self.kernel.execute(self.kernel.event())
        return [(record.at_ns, record.event) for record in self.kernel.records]


def of_device(addr: int) -> DmaRead:
    return DmaRead("eth0", 1, addr, 8, "descriptor")


def test_a_read_is_told_at_the_instant_at_which_memory_is_read() -> None:
    bench = Bench()
    bench.memory.write(PAGE, b"12345678")
    bench.read(PAGE)
    bench.at(99, lambda: bench.memory.write(PAGE, b"next own"))
    assert bench.finish() == [(100, of_device(PAGE))]
    assert bench.got == [b"next own"]


def test_a_closed_gate_keeps_reads_in_and_not_those_that_have_left() -> None:
    """Without bus mastering a function starts no memory request, be it a write or a read."""
    bench = Bench()
    bench.read(PAGE)

    def close() -> None:
        bench.engine.bus_master = False
        bench.read(2 * PAGE)

    bench.at(10, close)
    assert bench.finish() == [(100, of_device(PAGE))]
    assert bench.got == [bytes(8), None]


def test_a_gate_that_does_nothing_lets_reads_out() -> None:
    bench = Bench()
    bench.engine.bus_master = bench.engine.gate_effective = False
    bench.read(PAGE)
    assert bench.finish() == [(100, of_device(PAGE))]


def test_a_read_that_the_iommu_refuses_reads_nothing() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.unmap_all("eth0", 1)
    bench.read(PAGE)
    assert bench.finish()[-1][1] == DmaReadBlocked("eth0", 1, PAGE, 8, "recorded")
    assert bench.got == [None]


def test_a_read_is_told_with_the_address_in_memory_and_not_that_of_the_device() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.map("eth0", 1, 0x8000_0000, PAGE, PAGE)
    bench.read(0x8000_0010)
    assert (100, of_device(PAGE + 0x10)) in bench.finish()


def test_a_device_reads_by_a_translation_that_it_keeps_itself_after_the_map_is_gone() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.port.cache = DeviceCache()
    bench.iommu.map("eth0", 1, 0x8000_0000, PAGE, PAGE)
    bench.read(0x8000_0000)
    bench.finish()
    bench.iommu.unmap_all("eth0", 1)
    bench.iommu.invalidate("eth0")
    bench.read(0x8000_0020)
    assert bench.finish()[-1][1] == of_device(PAGE + 0x20)


def test_what_a_reset_of_the_board_has_lost_is_not_read_afterwards() -> None:
    bench = Bench()
    bench.read(PAGE)
    bench.at(50, bench.port.cut_off)
    assert bench.finish() == []
    assert bench.got == [None]


@pytest.mark.parametrize("act", ["silence", "cut"])
def test_a_device_that_is_ideally_silenced_or_cut_off_reads_nothing_more(act: str) -> None:
    bench = Bench()
    getattr(bench.port, act)()
    bench.read(PAGE)
    assert bench.finish() == []


def test_silence_comes_too_late_for_a_read_that_has_left_and_a_cut_does_not() -> None:
    silenced, cut = Bench(), Bench()
    for bench in (silenced, cut):
        bench.read(PAGE)
    silenced.at(50, silenced.port.silence)
    cut.at(50, cut.port.cut)
    assert (len(silenced.finish()), len(cut.finish())) == (1, 0)


def test_reads_under_way_can_be_seen() -> None:
    bench = Bench()
    bench.read(PAGE)
    seen = []
    for at_ns in (99, 101):
        bench.at(at_ns, lambda: seen.append(bench.port.reads_pending))
    bench.finish()
    assert seen == [1, 0]


def test_a_host_thread_reads_frame_by_frame() -> None:
    bench = Bench()
    bench.memory.write(2 * PAGE - 2, b"abcd")
    assert bench.memory.give_to_cpu("devb", 1, 2 * PAGE - 2, 4, "data") == b"abcd"
    assert [event for _, event in bench.finish()] == [
        CpuRead("devb", 1, 2 * PAGE - 2, 2, "data"),
        CpuRead("devb", 1, 2 * PAGE, 2, "data"),
    ]


def test_a_thread_that_is_silenced_leaves_no_trace_of_its_reads() -> None:
    bench = Bench()
    bench.memory.write(PAGE, b"ab")
    bench.memory.silence("devb")
    assert bench.memory.give_to_cpu("devb", 1, PAGE, 2, "data") == b"ab"
    assert bench.finish() == []
