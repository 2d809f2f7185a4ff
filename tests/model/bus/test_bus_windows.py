"""Where registers lie on the bus, what a write that ends there carries, and what waits for what."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.device_cache import DeviceCache
from quiesce.model.bus.fabric import BusWrite, Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.bus.register_window import WINDOW_LENGTH, WINDOWS_START
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.traits import CLEARS, KEEPS, LATE
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import RegistersHit

TIMING = Timing(
    pcie_posted_write=exactly(100),
    axi_write_drain=exactly(50),
    ats_inv=exactly(20),
    ats_inv_late=exactly(9_000),
)


class Registers:
    """What is behind a window."""

    def __init__(self, name: str, *, takes: bool = True) -> None:
        self.name = name
        self.takes_bus_writes = takes
        self.got: list[tuple[str, int, int, bytes]] = []

    def take_bus_write(self, master: str, epoch: int, offset: int, data: bytes) -> None:
        self.got.append((master, epoch, offset, data))


class Bench:
    def __init__(self, *, iommu: bool = False) -> None:
        self.kernel = Kernel(Nominal())
        self.iommu = Iommu(self.kernel, TIMING) if iommu else None
        controller = InterruptController(self.kernel, TIMING)
        self.fabric = Fabric(PhysicalMemory(self.kernel, TIMING), controller, self.iommu)
        self.port = Port(self.kernel, "eth0", TIMING, self.fabric)

    def run(self, steps: Steps) -> None:
        self.kernel.execute(self.kernel.process(steps))


def test_windows_lie_one_behind_the_other_and_nothing_before_or_behind_them() -> None:
    fabric = Bench().fabric
    targets = [Registers(name) for name in ("a", "b", "c")]
    starts = [fabric.open_window(each) for each in targets]
    assert starts == [WINDOWS_START + WINDOW_LENGTH * number for number in range(3)]
    for start, target in zip(starts, targets, strict=True):
        assert fabric.target_at(start) is target
        assert fabric.target_at(start + 1) is target
        assert fabric.target_at(start + WINDOW_LENGTH - 1) is target
    assert fabric.target_at(WINDOWS_START - 1) is None
    assert fabric.target_at(starts[-1] + WINDOW_LENGTH) is None
    assert fabric.target_at(0) is None


@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("offset", [0, 8, WINDOW_LENGTH - 8])
def test_a_write_that_ends_in_registers_arrives_at_its_offset(offset: int, takes: bool) -> None:
    bench = Bench()
    first, second = Registers("first"), Registers("second", takes=takes)
    bench.fabric.open_window(first)
    addr = bench.fabric.open_window(second) + offset

    def device() -> Steps:
        bench.port.issue(BusWrite(3, addr, b"12345678", "data"))
        yield from bench.port.wait_until_landed()

    bench.run(device())
    assert first.got == []
    assert second.got == ([("eth0", 3, offset, b"12345678")] if takes else [])
    fate = "taken" if takes else "refused"
    assert bench.kernel.records[-1].event == RegistersHit("eth0", 3, addr, 8, "second", fate)


def test_landed_waits_for_a_write_wherever_it_is() -> None:
    """In the queue, on the link, in the drain's queue, or on its way into memory."""
    for wait_ns in (0, 1, 99, 101, 149):
        bench = Bench()

        def device(bench: Bench = bench, wait_ns: int = wait_ns) -> Steps:
            bench.port.issue(BusWrite(1, 0x1000, b"x", "data"))
            yield bench.kernel.delay(exactly(wait_ns), "test.wait")
            yield from bench.port.wait_until_landed()
            assert bench.kernel.now == 150

        bench.run(device())


def test_landed_waits_for_writes_behind_one_another() -> None:
    bench = Bench()

    def device() -> Steps:
        for number in range(3):
            bench.port.issue(BusWrite(1, number << 12, b"x", "data"))
        yield from bench.port.wait_until_landed()
        assert bench.kernel.now == 350

    bench.run(device())


def test_drained_does_not_wait_for_what_is_not_translated_yet() -> None:
    bench = Bench()

    def device() -> Steps:
        bench.port.issue(BusWrite(1, 0x1000, b"x", "data"))
        yield from bench.port.drained()
        assert bench.kernel.now == 0
        yield bench.kernel.delay(exactly(101), "test.wait")
        yield from bench.port.drained()
        assert bench.kernel.now == 150

    bench.run(device())


@pytest.mark.parametrize(
    ("answer", "at_ns", "keeps"), [(CLEARS, 20, False), (LATE, 9_020, False), (KEEPS, 20, True)]
)
def test_a_device_answers_an_invalidation_in_its_own_way(
    answer: str, at_ns: int, keeps: bool
) -> None:
    bench = Bench(iommu=True)
    bench.port.cache, bench.port.cache_answer = DeviceCache(), answer
    bench.port.cache.keep(0x1000, 0x5000)

    def unit() -> Steps:
        yield from bench.port.forget_translations()
        assert bench.kernel.now == at_ns

    bench.run(unit())
    assert (bench.port.cache.find(0x1000) is not None) == keeps


def test_the_answer_comes_after_writes_that_left_before_it() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.map("eth0", 1, 0x1000, 0x5000, 0x1000)
    bench.port.cache = DeviceCache()

    def unit() -> Steps:
        bench.port.issue(BusWrite(1, 0x1000, b"x", "data", 0x5000, from_cache=True))
        yield from bench.port.forget_translations()
        assert bench.kernel.now == 100
        assert bench.port.outstanding == 0

    bench.run(unit())


def test_a_device_keeps_the_translations_that_it_is_given_and_no_refusals() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.map("eth0", 1, 0x1000, 0x5000, 0x1000)
    bench.port.cache = DeviceCache()
    found: list[object] = []

    def device() -> Steps:
        for addr in (0x1000, 0x9000):
            found.extend([(yield from bench.port.ask_translation(addr, 8))])

    bench.run(device())
    assert found == [0x5000, None]
    assert bench.port.cache.find(0x1008) == 0x5008
    assert bench.port.cache.find(0x9000) is None


def test_a_read_asks_once_and_what_is_not_mapped_is_refused() -> None:
    bench = Bench(iommu=True)
    assert bench.iommu is not None
    bench.iommu.map("eth0", 1, 0x1000, 0x5000, 0x1000)
    bench.fabric.memory.write(0x5000, b"abcdefgh")
    bench.port.cache = DeviceCache()
    found: list[object] = []

    def device() -> Steps:
        for addr in (0x1000, 0x1004, 0x9000):
            found.extend([(yield from bench.port.read_memory(1, addr, 4))])

    bench.run(device())
    assert found == [b"abcd", b"efgh", None]


def test_a_write_says_of_itself_that_it_is_translated_only_if_it_is() -> None:
    assert not BusWrite(1, 0, b"x", "data").from_cache
    assert BusWrite(1, 0, b"x", "data").host_addr is None


def test_nothing_is_under_way_after_a_reset_of_the_board() -> None:
    bench = Bench()
    bench.port.registers = Silent()

    def board() -> Steps:
        for number in range(3):
            bench.port.issue(BusWrite(1, number << 12, b"x", "data"))
            bench.port.post("STOP", 1, 1)
        yield bench.kernel.delay(exactly(101), "test.wait")
        assert bench.port.on_link
        assert bench.port.draining
        assert bench.port.arriving
        bench.port.cut_off()
        yield from bench.port.wait_until_landed()
        yield from bench.port.drained()
        assert bench.kernel.now == 101
        assert bench.port.outstanding == 0
        assert not bench.port.arriving

    bench.run(board())


class Silent:
    """Registers that no test looks at."""

    def write_register(self, register: str, value: int, epoch: int) -> None:
        pass
