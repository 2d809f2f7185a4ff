"""The teaching device: its registers, its slow channel, and what a reset does not stop."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import MS, exactly
from quiesce.model.bus.fabric import Fabric, Port
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.hardware.edu import (
    BUFFER_SIZE,
    BUFFER_START,
    DMA_IRQ,
    DMA_START,
    DMA_TO_RAM,
    DMA_WANTS_IRQ,
    FACTORIAL_IRQ,
    IDENTIFICATION,
    STATUS_WANTS_IRQ,
    Edu,
    factorial,
)
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.events import DmaDropped, DmaLanded, IrqAsserted, IrqDeasserted

RAM = 0x10_0F80
"""128 bytes before the end of a frame."""

TIMING = Timing(pcie_posted_write=exactly(100), axi_write_drain=exactly(50))


class Bench:
    """The device, memory and an interrupt controller."""

    def __init__(self, **policy: bool) -> None:
        self.kernel = Kernel(Nominal())
        self.memory = PhysicalMemory(self.kernel, TIMING)
        self.interrupts = InterruptController(self.kernel, TIMING)
        port = Port(self.kernel, "edu0", TIMING, Fabric(self.memory, self.interrupts, None))
        self.edu = Edu(self.kernel, TIMING, port, self.interrupts, 5, **policy)  # type: ignore[arg-type]
        self.edu.write_register("PCI.BME", 1, 1)

    def start(self, source: int, destination: int, command: int, count: int = 256) -> None:
        for register, value in (
            ("DMA_SOURCE", source),
            ("DMA_DESTINATION", destination),
            ("DMA_COUNT", count),
            ("DMA_COMMAND", command | DMA_START),
        ):
            self.edu.write_register(register, value, 1)

    def run_for(self, span_ms: int) -> None:
        self.kernel.execute(self.kernel.delay(exactly(span_ms * MS), "bench"))

    def events(self, kind: type) -> list[object]:
        return [r.event for r in self.kernel.records if isinstance(r.event, kind)]


def test_liveness_reads_inverted() -> None:
    edu = Bench().edu
    edu.write_register("LIVENESS", 0x1234_5678, 1)
    assert edu.read_register("LIVENESS") == 0xEDCB_A987
    assert edu.read_register("IDENTIFICATION") == IDENTIFICATION


@pytest.mark.parametrize(("value", "result"), [(0, 1), (1, 1), (5, 120), (13, 1932053504), (34, 0)])
def test_factorial_is_computed_modulo_a_word_and_interrupts_if_wanted(
    value: int, result: int
) -> None:
    bench = Bench()
    bench.edu.write_register("STATUS", STATUS_WANTS_IRQ, 1)
    bench.edu.write_register("FACTORIAL", value, 1)
    bench.run_for(1)
    assert bench.edu.read_register("FACTORIAL") == factorial(value) == result
    assert bench.edu.read_register("IRQ_STATUS") == FACTORIAL_IRQ
    bench.edu.write_register("IRQ_ACK", FACTORIAL_IRQ, 1)
    assert len(bench.events(IrqDeasserted)) == 1


def test_transfer_happens_a_hundred_milliseconds_later_frame_by_frame() -> None:
    bench = Bench()
    bench.edu.buffer[:256] = b"e" * 256
    bench.start(BUFFER_START, RAM, DMA_TO_RAM | DMA_WANTS_IRQ)
    bench.run_for(99)
    assert bench.edu.is_transferring
    assert not bench.events(DmaLanded)
    bench.run_for(2)
    assert not bench.edu.is_transferring
    assert bench.memory.read(RAM, 257) == b"e" * 256 + b"\0"
    assert [landed.length for landed in bench.events(DmaLanded)] == [128, 128]
    assert bench.edu.read_register("IRQ_STATUS") == DMA_IRQ
    assert bench.events(IrqAsserted) == [IrqAsserted(5, "edu0", 1, "level")]


def test_transfer_the_other_way_fills_the_buffer() -> None:
    bench = Bench()
    bench.memory.write(RAM, b"r" * 256)
    bench.start(RAM, BUFFER_START + 16, 0)
    bench.run_for(101)
    assert bytes(bench.edu.buffer[:300]) == bytes(16) + b"r" * 256 + bytes(28)


def test_address_bits_beyond_the_mask_do_not_leave_the_device() -> None:
    bench = Bench()
    bench.edu.buffer[:8] = b"e" * 8
    bench.start(BUFFER_START, RAM | 0x7000_0000, DMA_TO_RAM, 8)
    bench.run_for(101)
    assert bench.memory.read(RAM, 8) == b"e" * 8


def test_transfer_beyond_the_buffer_moves_nothing() -> None:
    bench = Bench()
    bench.start(BUFFER_START + BUFFER_SIZE - 4, RAM, DMA_TO_RAM, 8)
    bench.run_for(101)
    assert not bench.events(DmaLanded)


def test_registers_of_a_running_transfer_cannot_be_changed() -> None:
    bench = Bench()
    bench.edu.buffer[:8] = b"e" * 8
    bench.start(BUFFER_START, RAM, DMA_TO_RAM, 8)
    bench.edu.write_register("DMA_DESTINATION", RAM + 8, 1)
    bench.run_for(101)
    assert bench.memory.read(RAM, 16) == b"e" * 8 + bytes(8)


@pytest.mark.parametrize(
    ("policy", "lands", "interrupts"),
    [
        ({}, True, True),
        ({"reset_closes_gate": True}, False, True),
        ({"reset_cancels": True}, False, False),
    ],
)
def test_reset_stops_what_its_policy_says(
    policy: dict[str, bool], lands: bool, interrupts: bool
) -> None:
    bench = Bench(**policy)
    bench.start(BUFFER_START, RAM, DMA_TO_RAM | DMA_WANTS_IRQ)
    bench.run_for(20)
    bench.edu.reset()
    assert not bench.edu.bus_master, "the register reads 0 under every policy"
    bench.run_for(101)
    assert bool(bench.events(DmaLanded)) == lands
    assert bool(bench.events(IrqAsserted)) == interrupts
    dropped = bool(policy.get("reset_closes_gate"))
    assert bool(bench.events(DmaDropped)) == dropped


def test_transfer_after_a_cancelling_reset_takes_its_own_full_time() -> None:
    bench = Bench(reset_cancels=True)
    bench.start(BUFFER_START, RAM, DMA_TO_RAM)
    bench.run_for(60)
    bench.edu.reset()
    bench.edu.write_register("PCI.BME", 1, 2)
    bench.start(BUFFER_START, RAM, DMA_TO_RAM)
    bench.run_for(60)
    assert bench.edu.is_transferring, "the former owner's timer is not this one's"
    bench.run_for(60)
    assert bench.events(DmaLanded)
