"""A network controller of the e1000 class, as a guest gets it passed through.

Frames from the wire are unsolicited.  Each goes through the next receive descriptor: payload, then
the descriptor's status, then the interrupt.  The controller reads descriptors ahead.  It uses the
descriptors that it has read even if the ring changes.

Registers, by the names of Intel's 8254x and 82574 manuals as Linux's e1000e uses them:
RCTL.EN (receive), CTRL.GIO_MASTER_DISABLE with STATUS.GIO_MASTER_ENABLE (stop mastering
the bus, and whether it has), CTRL.RST, IMS and IMC (interrupt mask), ICR (cause, cleared by
reading), RDBA, RDLEN, RDT (ring base, size in descriptors, tail).

Left out: transmission, several queues, interrupt throttling.
"""

import struct
from collections import deque
from typing import NamedTuple

from ..bus.register_window import RegisterBits
from ..plan.system_plan import NicPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel, Mailbox, Steps
from ..sim.outside import Withheld
from ..trace.events import DmaDropped, DmaFetched, FrameArrived
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring

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
    """A descriptor that the controller has read ahead, with the epoch that gave it."""

    epoch: int
    descriptor_addr: int
    addr: int


class Nic(PhysicalDevice):
    """The controller and the wire that it is connected to.

    Attributes:
        receive_enabled: RCTL.EN.
        master_disabled: CTRL.GIO_MASTER_DISABLE.
        ring_base, ring_size, head, tail: The ring; the addresses are the device's.
        fetched: Descriptors read ahead.
        fifo: Lengths of the frames that wait inside.
        is_storing: A frame is being stored, or its descriptors are being read.
        is_fetching: Descriptors are being read, and the controller waits for the answer.
    """

    register_bits = (
        RegisterBits(0x0000, "CTRL.RST", 1 << 26),
        RegisterBits(0x0100, "RCTL.EN", 1 << 1),
    )
    restart_writes = (("CTRL.GIO_MASTER_DISABLE", 0), ("PCI.BME", 1), ("RCTL.EN", 1))

    def __init__(self, kernel: Kernel, timing: Timing, plan: NicPlan, wiring: Wiring) -> None:
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.receive_enabled = False
        self.master_disabled = False
        self.ring_base = self.ring_size = self.head = self.tail = 0
        self.fetched: deque[ReceiveDescriptor] = deque()
        self.fifo: Mailbox[int] = Mailbox(kernel)
        self.is_storing = self.is_fetching = False
        wire = self.start(self._wire)
        kernel.outside.add(wire, f"{self.name}.rx_gap", self._withheld)
        self.start(self._receive)

    # Registers.

    @property
    def is_master_idle(self) -> bool:
        """STATUS.GIO_MASTER_ENABLE reads 0: disabled, and no operation is under way."""
        if self.traits.never_idle or not self.master_disabled:
            return False
        return self.traits.says_stopped_early or (not self.is_storing and self.is_idle)

    @property
    def keeps_work(self) -> bool:
        """Whether a reset has left frames inside, and a ring for them."""
        return bool(self.ring_size) and (bool(self.fifo) or self.is_storing)

    @property
    def looks_stuck(self) -> bool:
        """Whether it has a ring and receive is disabled."""
        return bool(self.ring_size) and not self.receive_enabled

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the controller's own registers."""
        match register:
            case "CTRL.RST":
                self.reset()
            case "CTRL.GIO_MASTER_DISABLE":
                self.master_disabled = bool(value)
                self.engine.bus_master = not value
            case "RCTL.EN":
                self.receive_enabled = bool(value)
            case "IMS":
                self.irq_enabled = True
                self.drive_interrupt()
            case "IMC":
                self.irq_enabled = False
                self.drive_interrupt()
            case "RDBA":
                self.ring_base, self.epoch = value, epoch
            case "RDLEN":
                self.ring_size = value
            case "RDT":
                self.tail = value
            case _:
                raise AssertionError(f"{self.name} has no register {register}")

    def on_reset(self) -> None:
        """CTRL.RST: registers to their defaults; writes that have left the device still land.

        The answer to a descriptor read that is under way comes to a controller that no longer waits
        for it: its tag is unused, and an unexpected completion is discarded.

        Source:
            PCI Express base specification, 2.3.2 (unexpected completions).
        """
        self.receive_enabled = self.master_disabled = False
        self.engine.bus_master = True
        if not self.traits.keeps_side_state:
            self.ring_base = self.ring_size = self.head = self.tail = 0
            self.fetched.clear()
            self.is_fetching = False
        if not self.traits.keeps_input:
            self.fifo.clear()

    # Receiving.

    def _withheld(self) -> Withheld | None:
        """Return the epoch that the next frame would be stored for; None for none."""
        if not self.receive_enabled or not self.engine.is_open:
            return None
        if self.fetched:
            epoch = self.fetched[0].epoch
        elif self.ring_size and self.tail != self.head:
            epoch = self.epoch
        else:
            return None
        return Withheld(self.name, epoch, "both", "frames from the wire")

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
            if not self.ring_size:  # frames that were kept over a reset wait for the next ring
                yield self.changed.wait()
                continue
            length = self.fifo.take()
            self.is_storing = True
            yield from self._store(length)
            self.is_storing = False
            self.changed.notify()

    def _store(self, length: int) -> Steps:
        if len(self.fetched) <= self.plan.prefetch // 2 and self._available:
            epoch = self.epoch
            self.is_fetching = True
            yield from self._fetch()
            if not self.is_fetching:
                self.emit(DmaDropped(self.name, epoch, length, "reset"))
                return
            self.is_fetching = False
        if not self.fetched:
            self.emit(DmaDropped(self.name, self.epoch, length, "no_descriptor"))
            return
        descriptor = self.fetched.popleft()
        status = struct.pack("<HHBBH", length, 0, STATUS_DONE, 0, 0)
        yield from self.perform(
            Operation(
                descriptor.epoch,
                ((descriptor.addr, _WIRE_BYTE * length),),
                (descriptor.descriptor_addr + STATUS_OFFSET, status),
            )
        )

    @property
    def _available(self) -> int:
        """How many descriptors the driver has given that the controller has not read."""
        return (self.tail - self.head) % self.ring_size if self.ring_size else 0

    def _fetch(self) -> Steps:
        """Read as many descriptors ahead as the driver has given, up to the prefetch."""
        ring = (self.ring_base, self.ring_size)
        count = min(self.plan.prefetch - len(self.fetched), self._available)
        for _ in range(count):
            addr = self.ring_base + DESCRIPTOR_SIZE * self.head
            epoch = self.epoch
            entry = yield from self.engine.read(epoch, addr, DESCRIPTOR_SIZE)
            is_same_ring = (self.ring_base, self.ring_size) == ring
            if entry is None or not self.is_fetching or not is_same_ring:
                return
            buffer_addr = DESCRIPTOR.unpack(entry)[0]
            self.head = (self.head + 1) % self.ring_size
            self.fetched.append(ReceiveDescriptor(epoch, addr, buffer_addr))
            self.emit(DmaFetched(self.name, epoch, buffer_addr, self.plan.buffer_length))
