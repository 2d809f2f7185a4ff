"""A network controller of the e1000 class, as a guest gets it passed through.

Frames come from the wire whether anybody asked or not.  Each goes through the next receive
descriptor: payload, then the descriptor's status, then the interrupt.  The controller reads
descriptors ahead; what it has read it owns, whatever becomes of the ring.

Registers, by the names of Intel's 8254x and 82574 manuals as Linux's e1000e uses them:
RCTL.EN (receive), CTRL.GIO_MASTER_DISABLE with STATUS.GIO_MASTER_ENABLE (stop mastering
the bus, and whether it has), CTRL.RST, IMS and IMC (interrupt mask), ICR (cause, cleared by
reading), RDBA, RDLEN, RDT (ring base, size in descriptors, tail).

Left out: transmission, several queues, interrupt throttling.
"""

import struct
from collections import deque
from typing import NamedTuple

from ..component import Component
from ..dma_engine import DmaEngine
from ..fabric import Port
from ..interrupts import LEVEL, InterruptController
from ..kernel import Kernel, Mailbox, Signal, Steps
from ..plan import NicPlan
from ..timing import Timing
from ..trace import DmaDropped, DmaFetched, FrameArrived

DESCRIPTOR = struct.Struct("<QHHBBH")
"""Legacy receive descriptor: buffer address, length, checksum, status, errors, special."""

DESCRIPTOR_SIZE = 16
STATUS_OFFSET = 8
STATUS_DONE = 0x03
"""Descriptor done and end of packet."""

FIFO_FRAMES_MAX = 4
"""Frames that the controller holds before it loses the next one."""

_WIRE_BYTE = b"\xee"


class ReceiveDescriptor(NamedTuple):
    """A descriptor that the controller has read and owns."""

    epoch: int
    descriptor_addr: int
    addr: int


class Nic(Component):
    """The controller and the wire it hangs on.

    Attributes:
        receive_enabled: RCTL.EN.
        master_disabled: CTRL.GIO_MASTER_DISABLE.
        irq_enabled: Whether IMS allows the receive interrupt.
        cause_set: ICR's receive bit.
        epoch: The epoch whose driver programmed the ring.
        ring_base, ring_size, head, tail: The ring; the addresses are the device's.
        fetched: Descriptors read ahead.
        receiving: A frame is being stored.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: NicPlan,
        port: Port,
        interrupts: InterruptController,
    ) -> None:
        super().__init__(kernel, plan.name, timing)
        self.plan = plan
        self.port = port
        self.interrupts = interrupts
        self.engine = DmaEngine(kernel, timing, port, gate_effective=plan.bus_master_gate_effective)
        self.receive_enabled = False
        self.master_disabled = False
        self.irq_enabled = False
        self.cause_set = False
        self.epoch = 0
        self.ring_base = self.ring_size = self.head = self.tail = 0
        self.fetched: deque[ReceiveDescriptor] = deque()
        self.receiving = False
        self.fifo: Mailbox[int] = Mailbox(kernel)
        self.changed = Signal(kernel)
        port.registers = self
        self.start(self._wire)
        self.start(self._receive)

    # Registers.

    @property
    def is_master_idle(self) -> bool:
        """STATUS.GIO_MASTER_ENABLE reads 0: disabled, and nothing is under way."""
        return self.master_disabled and not self.receiving and self.port.outstanding == 0

    def write_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a register write that has arrived."""
        match register:
            case "CTRL.RST":
                self._reset()
            case "CTRL.GIO_MASTER_DISABLE":
                self.master_disabled = True
                self.engine.bus_master = False
            case "RCTL.EN":
                self.receive_enabled = bool(value)
            case "IMS":
                self.irq_enabled = True
                self._drive_interrupt()
            case "IMC":
                self.irq_enabled = False
                self.interrupts.deassert_level(self.plan.intid, self.name)
            case "RDBA":
                self.ring_base, self.epoch = value, epoch
            case "RDLEN":
                self.ring_size = value
            case "RDT":
                self.tail = value
            case _:
                raise AssertionError(f"{self.name} has no register {register}")
        self.changed.notify()

    def read_cause(self) -> bool:
        """Read ICR: clears the cause and lowers the line."""
        was_set, self.cause_set = self.cause_set, False
        self.interrupts.deassert_level(self.plan.intid, self.name)
        return was_set

    def _reset(self) -> None:
        """CTRL.RST: registers to their defaults; what has left the device still lands."""
        self.receive_enabled = self.master_disabled = self.irq_enabled = False
        self.engine.bus_master = True
        self.engine.aborted = self.receiving
        self.cause_set = False
        self.ring_base = self.ring_size = self.head = self.tail = 0
        self.fetched.clear()
        self.fifo.clear()
        self.interrupts.deassert_level(self.plan.intid, self.name)

    # Receiving.

    def _wire(self) -> Steps:
        frames = 0
        while self.plan.frames == 0 or frames < self.plan.frames:
            yield self.kernel.delay(self.plan.gap, f"{self.name}.rx_gap")
            if self.plan.frames:
                frames += 1
            if self.receive_enabled and len(self.fifo) < FIFO_FRAMES_MAX:
                self.emit(FrameArrived(self.name, self.plan.frame_length))
                self.fifo.put(self.plan.frame_length)
                self.kernel.begin_story()

    def _receive(self) -> Steps:
        while True:
            while not self.fifo:
                yield self.fifo.wait()
            length = self.fifo.take()
            self.receiving = True
            yield from self._store(length)
            self.receiving = False
            self.engine.aborted = False
            self.changed.notify()

    def _store(self, length: int) -> Steps:
        if len(self.fetched) <= self.plan.prefetch // 2:
            yield from self._fetch()
        if not self.fetched:
            self.emit(DmaDropped(self.name, self.epoch, length, "no_descriptor"))
            return
        descriptor = self.fetched.popleft()
        epoch = descriptor.epoch
        yield from self.engine.write(epoch, descriptor.addr, _WIRE_BYTE * length, "data")
        status = struct.pack("<HHBBH", length, 0, STATUS_DONE, 0, 0)
        status_addr = descriptor.descriptor_addr + STATUS_OFFSET
        yield from self.engine.write(epoch, status_addr, status, "completion")
        if self.plan.trigger == LEVEL:
            yield from self.port.landed()
        if not self.engine.aborted:
            self.cause_set = True
            self._drive_interrupt()

    def _drive_interrupt(self) -> None:
        if not (self.irq_enabled and self.cause_set):
            return
        if self.plan.trigger == LEVEL:
            self.interrupts.assert_level(self.plan.intid, self.name, self.epoch)
        else:
            self.engine.send_message(self.epoch, self.plan.intid)

    def _fetch(self) -> Steps:
        """Read as many descriptors ahead as the driver has given, up to the prefetch."""
        available = (self.tail - self.head) % self.ring_size if self.ring_size else 0
        count = min(self.plan.prefetch - len(self.fetched), available)
        for _ in range(count):
            addr = self.ring_base + DESCRIPTOR_SIZE * self.head
            epoch = self.epoch
            entry = yield from self.port.read_memory(epoch, addr, DESCRIPTOR_SIZE)
            if entry is None or self.engine.aborted or not self.ring_size:
                return
            buffer_addr = DESCRIPTOR.unpack(entry)[0]
            self.head = (self.head + 1) % self.ring_size
            self.fetched.append(ReceiveDescriptor(epoch, addr, buffer_addr))
            self.emit(DmaFetched(self.name, epoch, buffer_addr, self.plan.buffer_length))
