"""Small rules of the model on which a verdict can hang: ends, limits, what is waited for.

Each test names one rule that a wrong line would break without anything else going wrong.
"""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.dma_engine import DmaEngine
from quiesce.model.bus.fabric import BusWrite, Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.bus.stream import Map, Stream
from quiesce.model.host.procnto import HostKernel, TakenIrq
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.open_questions import PENDING_AT_DETACH
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Mailbox, Steps
from quiesce.model.trace.events import DmaIssued, DmaTranslated, IrqDetached, IrqTaken

from .hardware.bench import Bench

LINE = 41
TIMING = Timing(
    pcie_posted_write=exactly(100),
    axi_write_drain=exactly(50),
    mmio_read_flush=exactly(10),
    gic_to_cpu=exactly(10),
    gic_disable_rwp=exactly(700),
    irq_to_host_handler=exactly(1),
)


class Way:
    """A port and an engine without a device, and who does something with them."""

    def __init__(self, outstanding_max: int = 4) -> None:
        self.kernel = Kernel(Nominal())
        memory = PhysicalMemory(self.kernel, TIMING)
        self.controller = InterruptController(self.kernel, TIMING)
        self.port = Port(self.kernel, "eth0", TIMING, Fabric(memory, self.controller, None))
        self.port.registers = self
        self.engine = DmaEngine(self.kernel, TIMING, self.port, outstanding_max=outstanding_max)
        self.arrived: list[str] = []

    def write_register(self, register: str, value: int, epoch: int) -> None:
        self.arrived.append(register)

    def after(self, duration_ns: int) -> Steps:
        yield self.kernel.delay(exactly(duration_ns), "test.wait")

    def run(self, steps: Steps) -> None:
        self.kernel.execute(self.kernel.process(steps))


def test_a_flush_waits_for_a_register_write_that_has_left_the_queue_and_not_arrived() -> None:
    way = Way()

    def cpu() -> Steps:
        way.port.post("STOP", 1, 1)
        yield from way.after(50)
        assert way.port.arriving
        assert not way.port.posted
        yield from way.port.flush()
        assert way.arrived == ["STOP"]
        assert way.kernel.now == 100

    way.run(cpu())


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_writes_are_on_the_link_than_the_engine_may_have(most: int) -> None:
    way = Way(outstanding_max=most)
    seen = []

    def device() -> Steps:
        for number in range(6):
            yield from way.engine.write(1, number << 12, b"x" * 8, "data")
            seen.append(way.port.outstanding)

    way.run(device())
    assert max(seen) == most
    issued = [r.at_ns for r in way.kernel.records if isinstance(r.event, DmaIssued)]
    assert issued == [0] * most + [100 * number for number in range(1, 7 - most)]


def test_a_line_that_is_held_keeps_the_epoch_for_which_it_was_raised() -> None:
    """The next owner's request does not make the dead one's interrupt its own."""
    kernel = Kernel(Nominal())
    controller = InterruptController(kernel, TIMING)
    controller.assert_level(LINE, "eth0", 1)
    controller.assert_level(LINE, "eth0", 2)
    assert controller.lines[LINE].asserted_by == {"eth0": 1}
    controller.assert_level(LINE, "eth1", 2)
    assert controller.lines[LINE].take() == ("eth0", 1)


def test_the_last_detach_returns_when_the_mask_has_taken_effect() -> None:
    kernel = Kernel(Nominal())
    host = HostKernel(kernel, TIMING, InterruptController(kernel, TIMING))
    host.attach(LINE, "vm", 1, Mailbox[TakenIrq](kernel), tracked=True)

    def process() -> Steps:
        yield from host.detach(LINE, "vm", 1)

    kernel.execute(kernel.process(process()))
    detached = [r.at_ns for r in kernel.records if isinstance(r.event, IrqDetached)]
    assert detached == [700]
    assert kernel.now == 700


@pytest.mark.parametrize("early", [True, False])
def test_a_detach_that_does_not_wait_says_that_it_is_done_before_it_is(early: bool) -> None:
    kernel = Kernel(Nominal())
    controller = InterruptController(kernel, TIMING)
    host = HostKernel(kernel, TIMING, controller)
    host.faults = type(host.faults)(detach_before_masked=early)
    host.attach(LINE, "vm", 1, Mailbox[TakenIrq](kernel), tracked=True)

    def process() -> Steps:
        yield from host.detach(LINE, "vm", 1)

    def device() -> Steps:
        yield kernel.delay(exactly(100), "test.wait")
        controller.assert_level(LINE, "eth0", 1)
        yield kernel.delay(exactly(2_000), "test.wait")

    kernel.process(process())
    kernel.execute(kernel.process(device()))
    detached = [
        (record.at_ns, record.event.masked)
        for record in kernel.records
        if isinstance(record.event, IrqDetached)
    ]
    assert detached == [(0 if early else 700, True)]
    assert any(isinstance(r.event, IrqTaken) for r in kernel.records) == early
    assert controller.lines[LINE].masked


@pytest.mark.parametrize(
    ("addr", "length", "host_addr"),
    [
        (0x8000_0000, 0x1000, 0x5000),
        (0x8000_0ff8, 8, 0x5ff8),
        (0x8000_0ff8, 9, None),
        (0x8000_0fff, 1, 0x5fff),
        (0x8000_1000, 1, None),
        (0x7fff_ffff, 1, None),
        (0x7fff_ffff, 2, None),
    ],
)  # fmt: skip
def test_an_access_is_translated_only_if_all_of_it_is_mapped(
    addr: int, length: int, host_addr: int | None
) -> None:
    stream = Stream(("eth0",))
    stream.add(Map(0x8000_0000, 0x5000, 0x1000, "eth0", 1))
    assert stream.translate(addr, length) == host_addr


def test_a_write_that_a_device_has_translated_itself_is_told_with_its_length() -> None:
    kernel = Kernel(Nominal())
    iommu = Iommu(kernel, TIMING)
    iommu.map("eth0", 1, 0x8000_0000, 0x5000, 0x1000)
    assert iommu.pass_translated("eth0", 1, 0x8000_0010, 0x5010, 24) == 0x5010
    assert kernel.records[-1].event == DmaTranslated("eth0", 1, 0x8000_0010, 0x5010, 24)


# What a device says of itself.


def test_a_device_is_not_idle_while_writes_are_on_the_link() -> None:
    bench = Bench("policy", service=exactly(50_000))
    device = bench.device
    bench.die()
    device.running.clear()
    assert device.is_idle
    device.port.issue(BusWrite(1, 0x8000_0000, b"x", "data"))
    assert device.port.outstanding == 1
    assert not device.is_idle
    bench.pass_ns(10_000_000)
    device.running.clear()
    assert device.is_idle


def test_a_device_is_not_idle_while_an_operation_is_under_way() -> None:
    bench = Bench("policy", service=exactly(50_000))
    bench.pass_ns(2_000_000)
    bench.work(0)
    assert bench.device.has_unfinished
    assert not bench.device.transactions_pending
    assert bench.device.port.outstanding == 0
    assert not bench.device.is_idle


def test_a_nic_that_stores_a_frame_is_not_idle() -> None:
    """Before the operation begins, descriptors are read: nothing else shows that it is at work."""
    bench = Bench("nic", gap=exactly(40_000), frames=1)
    nic = bench.device
    bench.pass_ns(1_000)
    while not nic.is_storing:
        bench.pass_ns(10)
    assert not nic.running
    assert nic.port.outstanding == 0
    bench.run(order(bench, "CTRL.GIO_MASTER_DISABLE", 1))
    assert nic.is_storing
    assert not nic.is_master_idle
    bench.pass_ns(1_000_000)
    assert not nic.is_storing
    assert nic.is_master_idle


def test_a_nic_that_may_not_read_its_ring_is_at_work_until_it_has_found_out() -> None:
    """Bus mastering is off before the frame comes: no request is pending then, and none can be."""
    bench = Bench("nic", gap=exactly(40_000), frames=1)
    nic = bench.device
    bench.pass_ns(1_000)
    bench.run(order(bench, "CTRL.GIO_MASTER_DISABLE", 1))
    assert nic.is_master_idle
    while not nic.is_storing:
        bench.pass_ns(10)
    assert not nic.transactions_pending
    assert not nic.is_master_idle
    bench.pass_ns(1_000_000)
    assert nic.is_master_idle


def order(bench: Bench, register: str, value: int) -> Steps:
    """Write a register at once."""
    bench.device.on_register(register, value, 1)
    yield bench.kernel.delay(exactly(0), "test.order")


# What an interrupt controller keeps, and memory at the edges of what is granted.


class Table:
    """Notes what a redistributor is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, bool]] = []

    def note(self, intid: int, *, is_pending: bool) -> None:
        self.told.append((intid, is_pending))


def test_a_message_is_pending_until_it_is_cleared_and_the_redistributor_is_told_both() -> None:
    controller = InterruptController(Kernel(Nominal()), TIMING)
    controller.redistributor = table = Table()
    controller.latch(LINE, "eth0", 1)
    assert controller.holds_latch(LINE)
    assert controller.holds_latch(LINE, "eth0")
    assert not controller.holds_latch(LINE, "eth1")
    controller.clear_latch(LINE, "eth1")
    assert controller.holds_latch(LINE, "eth0")
    controller.clear_latch(LINE, "eth0")
    assert not controller.holds_latch(LINE)
    assert table.told == [(LINE, True), (LINE, False)]


def test_a_message_that_is_taken_is_pending_no_longer_and_the_redistributor_is_told() -> None:
    kernel = Kernel(Nominal())
    controller = InterruptController(kernel, TIMING)
    host = HostKernel(kernel, TIMING, controller)
    host.attach(LINE, "vm", 1, Mailbox[TakenIrq](kernel), tracked=True)
    controller.redistributor = table = Table()
    controller.message(LINE, "eth0", 1)
    kernel.execute(kernel.event())
    assert table.told == [(LINE, True), (LINE, False)]


def test_a_grant_clears_its_own_frames_and_no_neighbours() -> None:
    memory = PhysicalMemory(Kernel(Nominal()), TIMING)
    for frame in (3, 4, 5, 6):
        memory.write(frame << 12, b"x")
    memory.grant("vm", 1, 4, 2)
    kept = [frame for frame in (3, 4, 5, 6) if memory.read(frame << 12, 1) == b"x"]
    assert kept == [3, 6]


def test_pieces_end_where_the_memory_of_the_vm_ends() -> None:
    memory = PhysicalMemory(Kernel(Nominal()), TIMING)
    memory.grant("one", 1, 4, 2)
    memory.grant("two", 2, 6, 2)
    memory.write(6 << 12, b"x")
    assert memory.pieces_of(1) == [(4, 2)]
    assert memory.pieces_of(2) == [(6, 1), (7, 1)]


@pytest.mark.parametrize("answer", ["cleared", "kept"])
def test_what_is_latched_at_the_last_detach_is_cleared_or_kept_as_answered(answer: str) -> None:
    kernel = Kernel(Nominal(), {PENDING_AT_DETACH.label: answer})
    controller = InterruptController(kernel, TIMING)
    host = HostKernel(kernel, TIMING, controller)
    host.attach(LINE, "vm", 1, Mailbox[TakenIrq](kernel), tracked=True)
    controller.set_masked(LINE, True)
    controller.pulse(LINE, "eth0", 1)

    def process() -> Steps:
        yield from host.detach(LINE, "vm", 1)

    kernel.execute(kernel.process(process()))
    assert controller.holds_latch(LINE) == (answer == "kept")


def test_memory_of_a_vm_ends_where_it_ends_wherever_it_begins() -> None:
    memory = PhysicalMemory(Kernel(Nominal()), TIMING)
    for frame in (5, 6, 7, 8, 11):
        memory.write(frame << 12, b"x")
    memory.grant("vm", 1, 6, 2)
    assert [frame for frame in (5, 6, 7, 8, 11) if memory.read(frame << 12, 1) == b"x"] == [
        5,
        8,
        11,
    ]
    assert [memory.is_free(frame, 1) for frame in (5, 6, 7, 8)] == [True, False, False, True]
    assert memory.pieces_of(1) == [(6, 2)]
