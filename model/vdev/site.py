"""What a vdev gets from the qvm process that it lives in: guest memory, interrupts, identity."""

from typing import NamedTuple

from ..base.addresses import FRAME_SHIFT, FRAME_SIZE, pages_of
from ..bus.memory import DATA, DESCRIPTOR, GuestRam, PhysicalMemory, StageTwo
from ..plan.timing import Timing
from ..sim.kernel import Kernel, Mailbox
from ..trace.events import CpuRead, CpuWriteLanded

NO_LINE = -1
"""The interrupt number of a vdev's level interrupt, which has no physical line."""

_FIRST_MESSAGE = 0x2000
"""Guest interrupt numbers from here on belong to messages, as the LPIs of a GIC do."""

_OFFSET_MASK = FRAME_SIZE - 1


class GuestPic:
    """The guest's interrupt controller as qvm emulates it: brings numbers to waiting drivers.

    Attributes:
        handlers: Number to the inbox of the driver that has attached to it.
    """

    def __init__(self) -> None:
        self.handlers: dict[int, Mailbox[int]] = {}
        self._next_message = _FIRST_MESSAGE

    def attach(self, number: int, inbox: Mailbox[int]) -> None:
        """Deliver the interrupts of a number to a driver."""
        self.handlers[number] = inbox

    def allocate_message(self) -> int:
        """Return a number that no other message has."""
        self._next_message += 1
        return self._next_message - 1

    def inject(self, number: int) -> None:
        """Make an interrupt pending; it is lost if no driver has attached."""
        inbox = self.handlers.get(number)
        if inbox is not None:
            inbox.put(number)

    def drop_handlers(self) -> None:
        """Drop all drivers: the guest executes no instruction any more."""
        self.handlers = {}


class VdevSite(NamedTuple):
    """The surroundings of a vdev.

    Attributes:
        vm: Name of the VM.
        epoch: Number of the instance.
        memory: Host memory.
        stage_two: Where guest RAM lies in it.
        pic: Where the vdev's interrupts go.
        is_detailed: Whether the events of `virtio_events` are emitted.
    """

    kernel: Kernel
    timing: Timing
    vm: str
    epoch: int
    memory: PhysicalMemory
    stage_two: StageTwo
    pic: GuestPic
    is_detailed: bool


class WorkerRam(GuestRam):
    """Guest memory as a worker thread of qvm uses it: each write and each read is an event.

    Attributes:
        content: What the worker writes now; see `CpuWriteLanded`.
    """

    # Invariant: memory changes at once; only the events of `hold_events` come later, at the same
    # instant.  A silenced writer changes neither memory nor the trace.

    def __init__(self, site: VdevSite, writer: str) -> None:
        super().__init__(site.memory, site.stage_two)
        self._writer = writer
        self._epoch = site.epoch
        self.content = DATA
        self._held: list[CpuWriteLanded] | None = None
        self._ring_reads: dict[int, tuple[int, int]] | None = None

    def read(self, addr: int, length: int) -> bytes:
        """Return the bytes of a range of guest RAM."""
        host_addr = self.host_addr(addr, length)
        if self._ring_reads is None:
            return self._memory.give_to_cpu(self._writer, self._epoch, host_addr, length, DATA)
        for start, size in pages_of(host_addr, length):
            first, end = self._ring_reads.get(start >> FRAME_SHIFT, (start, start + size))
            self._ring_reads[start >> FRAME_SHIFT] = (min(first, start), max(end, start + size))
        return self._memory.read(host_addr, length)

    def begin_ring_reads(self) -> None:
        """Collect the next reads: those of one frame become one event."""
        self._ring_reads = {}

    def end_ring_reads(self) -> None:
        """Emit the collected reads, one event for each frame."""
        ring_reads, self._ring_reads = self._ring_reads, None
        if ring_reads is not None and self._writer not in self._memory.silenced:
            for first, end in ring_reads.values():
                event = CpuRead(self._writer, self._epoch, first, end - first, DESCRIPTOR)
                self._memory.emit(event)

    def write(self, addr: int, data: bytes) -> None:
        """Write the bytes, frame by frame, each piece with its own event."""
        length = len(data)
        host_addr = self.host_addr(addr, length)
        if (host_addr & _OFFSET_MASK) + length <= FRAME_SIZE:
            self._land(host_addr, data)
            return
        start = 0
        for piece_addr, size in pages_of(host_addr, length):
            self._land(piece_addr, data[start : start + size])
            start += size

    def hold_events(self) -> None:
        """Hold the events of the next writes back until `release_events`."""
        self._held = []

    def release_events(self) -> None:
        """Emit the events that were held back."""
        held, self._held = self._held, None
        for event in held or ():
            self._memory.emit(event)

    def _land(self, host_addr: int, data: bytes) -> None:
        if self._held is None:
            self._memory.land_from_cpu(self._writer, self._epoch, host_addr, data, self.content)
            return
        if self._writer in self._memory.silenced:
            return
        self._memory.write(host_addr, data)
        event = CpuWriteLanded(self._writer, self._epoch, host_addr, len(data), self.content)
        self._held.append(event)
