"""QEMU's teaching device: one DMA channel whose transfer happens 100 ms after the command.

This simple device shows the problem of every teardown.  Its timer does not notice that the system
was reset: the timer fires, and the transfer goes to the address that the former owner gave.

        0x04 LIVENESS    reads as what was written, inverted    0x80 DMA_SOURCE
        0x08 FACTORIAL   n, then n! modulo 2^32                 0x88 DMA_DESTINATION
        0x20 STATUS      bit 0 computing, bit 7 wants interrupt 0x90 DMA_COUNT
        0x24 IRQ_STATUS  0x60 IRQ_RAISE   0x64 IRQ_ACK          0x98 DMA_COMMAND
        0x40000          the device's own buffer, 4 KiB

The documentation does not say what a reset does.  By default the model does what QEMU does: device
registers and the running transfer stay.  The bits of configuration space are cleared, but the
bus-master gate behind them stays as it was until the command register is written again.

Left out: what QEMU does about a transfer beyond the buffer, or up to its very last byte: it ends
itself.  Here the former moves no byte, and the latter is a transfer like any other.

Source:
    QEMU 7.2, docs/specs/edu.txt; what a reset does was observed.
"""

from ..base.addresses import pages_of
from ..base.clock import MS, US, Span, exactly
from ..bus.dma_engine import DmaEngine
from ..bus.fabric import Port
from ..bus.memory import DATA
from ..interrupts.interrupt_controller import LEVEL, InterruptController
from ..plan.device_plans import EduPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from .physical_device import Wiring

IDENTIFICATION = 0x010000ED
STATUS_COMPUTING = 0x01
STATUS_WANTS_IRQ = 0x80
FACTORIAL_IRQ = 0x001
DMA_IRQ = 0x100

DMA_START = 0x1
DMA_TO_RAM = 0x2
DMA_WANTS_IRQ = 0x4

BUFFER_START = 0x40000
BUFFER_SIZE = 4096
DMA_MASK = (1 << 28) - 1
"""The default of the device's `dma_mask`: the address bits that it can put on the bus."""

DMA_DELAY = exactly(100 * MS)
FACTORIAL_TIME = exactly(10 * US)
"""An assumption: QEMU computes in a thread of its own, as fast as it can."""

_FACTORIAL_ZERO_FROM = 34
"""The first n whose factorial is a multiple of 2^32."""


class Edu(Component):
    """The device.

    Args:
        port: Its connection to the fabric; it takes the port's register writes.
        interrupts: Where its line and its messages go.
        intid: Number of both.
        dma_delay: From the command to the transfer.
        dma_mask: Address bits that leave the device.
        reset_cancels: Whether a reset forgets the transfer that is under way.
        reset_closes_gate: Whether a reset closes the bus-master gate together with the bit.

    Attributes:
        bus_master: The bit as it reads; the gate itself is the engine's.
        uses_messages: Whether MSI is enabled.
        registers: Device registers by name.
        buffer: The device's own memory.
        dma_epoch: The epoch that the transfer is done for.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        port: Port,
        interrupts: InterruptController,
        intid: int,
        *,
        dma_delay: Span = DMA_DELAY,
        dma_mask: int = DMA_MASK,
        reset_cancels: bool = False,
        reset_closes_gate: bool = False,
    ) -> None:
        super().__init__(kernel, port.master, timing)
        self.port = port
        self.interrupts = interrupts
        self.intid = intid
        self.dma_delay = dma_delay
        self.dma_mask = dma_mask
        self.reset_cancels = reset_cancels
        self.reset_closes_gate = reset_closes_gate
        self.engine = DmaEngine(kernel, timing, port)
        self.engine.bus_master = False
        self.bus_master = False
        self.uses_messages = False
        self.registers = dict.fromkeys(_REGISTERS, 0)
        self.buffer = bytearray(BUFFER_SIZE)
        self.dma_epoch = 0
        self.factorial_epoch = 0
        self.dma_started = Signal(kernel)
        self.dma_cancelled = Signal(kernel)
        self.factorial_started = Signal(kernel)
        self.changed = Signal(kernel)
        port.registers = self
        self.start(self._dma)
        self.start(self._compute)

    # Registers.

    @property
    def is_transferring(self) -> bool:
        """Whether a transfer was commanded and has not happened."""
        return bool(self.registers["DMA_COMMAND"] & DMA_START)

    def read_register(self, register: str) -> int:
        """Return what a read gives; the reader has flushed the port before."""
        if register == "IDENTIFICATION":
            return IDENTIFICATION
        value = self.registers[register]
        return ~value & 0xFFFF_FFFF if register == "LIVENESS" else value

    def write_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a register write that has arrived."""
        if register in _DMA_REGISTERS:
            self._write_dma(register, value, epoch)
            return
        match register:
            case "PCI.BME":
                self.bus_master = self.engine.bus_master = bool(value)
            case "MSI.ENABLE":
                self.uses_messages = bool(value)
            case "FACTORIAL":
                self._start_factorial(value, epoch)
            case "STATUS":
                kept = self.registers["STATUS"] & STATUS_COMPUTING
                self.registers["STATUS"] = kept | value & STATUS_WANTS_IRQ
            case "LIVENESS":
                self.registers["LIVENESS"] = value
            case "IRQ_RAISE":
                self._raise(value, epoch)
            case "IRQ_ACK":
                self._acknowledge(value)
            case _:
                raise AssertionError(f"{self.name} has no register {register} to be written")

    def reset(self) -> None:
        """Take a reset of the system: configuration space is cleared, the rest by policy."""
        self.bus_master = False
        self.uses_messages = False
        self.interrupts.deassert_level(self.intid, self.name)
        if self.reset_closes_gate:
            self.engine.bus_master = False
        if self.reset_cancels:
            self.registers["DMA_COMMAND"] = 0
            self.dma_cancelled.notify()
            self.changed.notify()

    def _write_dma(self, register: str, value: int, epoch: int) -> None:
        if self.is_transferring:
            return  # the registers take no write while a transfer is under way
        if register != "DMA_COMMAND":
            self.registers[register] = value
        elif value & DMA_START:
            self.registers["DMA_COMMAND"] = value
            self.dma_epoch = epoch
            self.dma_started.notify()

    def _start_factorial(self, value: int, epoch: int) -> None:
        if self.registers["STATUS"] & STATUS_COMPUTING:
            return
        self.registers["FACTORIAL"] = value
        self.registers["STATUS"] |= STATUS_COMPUTING
        self.factorial_epoch = epoch
        self.factorial_started.notify()

    # Interrupts.

    def _raise(self, bits: int, epoch: int) -> None:
        self.registers["IRQ_STATUS"] |= bits
        if not self.registers["IRQ_STATUS"]:
            return
        if self.uses_messages:
            self.engine.send_message(epoch, self.intid)
        else:
            self.interrupts.assert_level(self.intid, self.name, epoch)

    def _acknowledge(self, bits: int) -> None:
        self.registers["IRQ_STATUS"] &= ~bits
        if not self.registers["IRQ_STATUS"]:
            self.interrupts.deassert_level(self.intid, self.name)

    # Processes.

    def _dma(self) -> Steps:
        while True:
            while not self.is_transferring:
                yield self.dma_started.wait()
            timer = self.kernel.delay(self.dma_delay, f"{self.name}.dma_timer")
            if (yield self.kernel.first(timer, self.dma_cancelled.wait())) == 1:
                continue
            yield from self._transfer()
            self.registers["DMA_COMMAND"] &= ~DMA_START
            self.changed.notify()
            if self.registers["DMA_COMMAND"] & DMA_WANTS_IRQ:
                yield from self.port.wait_until_landed()
                self._raise(DMA_IRQ, self.dma_epoch)

    def _transfer(self) -> Steps:
        """Move the bytes, by the addresses and the gate of this instant, not of the command."""
        to_ram = bool(self.registers["DMA_COMMAND"] & DMA_TO_RAM)
        source, destination = self.registers["DMA_SOURCE"], self.registers["DMA_DESTINATION"]
        count = self.registers["DMA_COUNT"]
        start = (source if to_ram else destination) - BUFFER_START
        if not 0 <= start <= start + count <= BUFFER_SIZE:
            return
        if to_ram:
            data = bytes(self.buffer[start : start + count])
            addr = destination & self.dma_mask
            yield from self.engine.write(self.dma_epoch, addr, data, "data")
        elif self.engine.bus_master:
            for addr, length in pages_of(source & self.dma_mask, count):
                piece = yield from self.port.read_memory(self.dma_epoch, addr, length, DATA)
                if piece is not None:
                    self.buffer[start : start + length] = piece
                start += length

    def _compute(self) -> Steps:
        while True:
            while not self.registers["STATUS"] & STATUS_COMPUTING:
                yield self.factorial_started.wait()
            yield self.kernel.delay(FACTORIAL_TIME, f"{self.name}.factorial")
            self.registers["FACTORIAL"] = factorial(self.registers["FACTORIAL"])
            self.registers["STATUS"] &= ~STATUS_COMPUTING
            if self.registers["STATUS"] & STATUS_WANTS_IRQ:
                self._raise(FACTORIAL_IRQ, self.factorial_epoch)


class EduFunction(Edu):
    """The device as a function that is passed through to a guest: plan, wiring and owner."""

    def __init__(self, kernel: Kernel, timing: Timing, plan: EduPlan, wiring: Wiring) -> None:
        super().__init__(
            kernel,
            timing,
            wiring.port,
            wiring.interrupts,
            wiring.intid,
            dma_delay=plan.dma_delay,
            dma_mask=plan.dma_mask,
        )
        self.plan = plan
        self.wiring = wiring

    @property
    def wants_messages(self) -> bool:
        """Whether its driver is to enable MSI."""
        return self.wiring.trigger != LEVEL

    @property
    def is_idle(self) -> bool:
        """Whether no transfer waits for its timer and none is on its way."""
        return not self.is_transferring and self.port.outstanding == 0

    def read_cause(self) -> bool:
        """Read IRQ_STATUS and acknowledge its bits; gives whether a bit was set."""
        value = self.registers["IRQ_STATUS"]
        self.write_register("IRQ_ACK", value, self.dma_epoch)
        return bool(value)

    def power_off(self) -> bool:
        """Take the reset of the whole board; gives whether it writes no memory from here on.

        Its timer does not notice the reset, and its gate stays open: the commanded transfer comes
        (observed on QEMU 7.2).
        """
        self.port.lose_posted()
        self.reset()
        if self.is_transferring and self.engine.bus_master:
            return False
        self.port.cut_off()
        return True


def factorial(value: int) -> int:
    """Return n! in 32 bits.

    Example:
        >>> factorial(5), factorial(34)
        (120, 0)
    """
    result = 1 if value < _FACTORIAL_ZERO_FROM else 0
    for factor in range(2, min(value, _FACTORIAL_ZERO_FROM - 1) + 1):
        result = result * factor & 0xFFFF_FFFF
    return result


_DMA_REGISTERS = ("DMA_SOURCE", "DMA_DESTINATION", "DMA_COUNT", "DMA_COMMAND")
_REGISTERS = ("LIVENESS", "FACTORIAL", "STATUS", "IRQ_STATUS", *_DMA_REGISTERS)
