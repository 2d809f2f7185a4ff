"""The way between one bus master and memory, and between the CPU and its registers.

Upstream, a posted write passes two stretches in order.  These are the link to the root complex, at
whose end the IOMMU translates it, and the drain from there into memory.  Nothing calls it back.
A CPU read of one of the device's registers returns only when earlier writes of the device have
landed (PCI Express producer and consumer ordering; Linux `Documentation/PCI/pci.rst` for the use).
Downstream, register writes are posted too: the CPU goes on before they arrive, and only a read
of the same device shows that they have.

Three other things travel as posted writes and keep their place among them:

- an interrupt message;
- a write that ends in the registers of a device and not in memory (`register_window`);
- the message by which a PCIe function asserts its line (PCI Express 2.2.8.1 and 2.4.1: Assert_INTx
  is a posted request).  It passes no earlier write, needs no bus mastering and is not translated.
"""

from typing import NamedTuple, Protocol

from ..interrupts.interrupt_controller import InterruptController
from ..plan.timing import Timing
from ..plan.traits import CLEARS, KEEPS, LATE, NEVER
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Signal, Steps
from ..trace.events import DmaTranslated, RegistersHit
from .device_cache import DeviceCache
from .iommu import Iommu
from .memory import DESCRIPTOR, PhysicalMemory
from .register_window import WINDOW_LENGTH, WINDOWS_START, BusTarget

MESSAGE = "message"
"""The content of a write that is an interrupt message; its address is the interrupt number."""


LINE = "line"
"""The content of a message that asserts the function's line; its address is the line's number."""


class BusWrite(NamedTuple):
    """A posted write of a device; `data` does not cross a frame at `addr`.

    Attributes:
        epoch: For which the device works.
        addr: As the device sees it; an interrupt number for a `MESSAGE` or a `LINE`.
        data: The bytes.
        content: See `DmaIssued`; or `MESSAGE` or `LINE`.
        host_addr: Set if the address was translated before the write left the device.
        from_cache: Whether the device translated it from its own cache and says so (ATS).
    """

    epoch: int
    addr: int
    data: bytes
    content: str
    host_addr: int | None = None
    from_cache: bool = False


class RegisterFile(Protocol):
    """A device as its port sees it."""

    def write_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a register write that has arrived."""


class LineDriver(Protocol):
    """A device that asserts its line by a message."""

    def drive_line(self) -> None:
        """Bring the line into agreement with the cause: the message has arrived."""


class Fabric:
    """Joins all ports to memory, the interrupt controller and the IOMMU."""

    def __init__(
        self, memory: PhysicalMemory, interrupts: InterruptController, iommu: Iommu | None
    ) -> None:
        self.memory = memory
        self.interrupts = interrupts
        self.iommu = iommu
        self.windows: list[BusTarget] = []

    def open_window(self, target: BusTarget) -> int:
        """Give the registers of a device their place on the bus; returns its start."""
        # Invariant: window n starts at WINDOWS_START + n * WINDOW_LENGTH and is never given back.
        self.windows.append(target)
        return WINDOWS_START + WINDOW_LENGTH * (len(self.windows) - 1)

    def target_at(self, addr: int) -> BusTarget | None:
        """Return whose registers are at a host-physical address; None for memory."""
        number = (addr - WINDOWS_START) // WINDOW_LENGTH
        return self.windows[number] if 0 <= number < len(self.windows) else None


class Port(Component):
    """The connection of one device to the fabric, both ways.

    Attributes:
        on_link: A write is on the link.
        draining: A translated write is on its way into memory.
        arriving: A register write is on its way to the device.
        cache: The translations that the device keeps itself; None if it keeps none.
        cache_answer: What the device does when the IOMMU invalidates them.
        reads_pending: Non-posted requests that wait for their completion: reads of memory and
            translation requests.  Posted writes are not counted.
        moved: Fires when a write has come to the end of the link, or the last read has completed.
        settled: Fires when the drain or the way downstream has become empty, or when the last
            write on the link was refused.
        resets: How often a reset of the board lost all that was under way.
        is_silent: Nothing leaves the device any more.
        is_cut: Nothing passes the end of the link any more.
    """

    def __init__(self, kernel: Kernel, master: str, timing: Timing, fabric: Fabric) -> None:
        super().__init__(kernel, f"{master}.port", timing)
        self.master = master
        self.fabric = fabric
        self.registers: RegisterFile | None = None
        self.line_driver: LineDriver | None = None
        self.cache: DeviceCache | None = None
        self.cache_answer = CLEARS
        self.on_link = False
        self.draining = False
        self.link: Mailbox[BusWrite] = Mailbox(kernel)
        self.drain: Mailbox[tuple[BusWrite, int]] = Mailbox(kernel)
        self.posted: Mailbox[tuple[str, int, int]] = Mailbox(kernel)
        self.arriving = False
        self.reads_pending = 0
        self.moved = Signal(kernel)
        self.settled = Signal(kernel)
        self.resets = 0
        self.is_silent = False
        self.is_cut = False
        if fabric.iommu is not None:
            fabric.iommu.ports[master] = self
        self.upstream = [self.start(self._carry), self.start(self._drain)]
        self.downstream = self.start(self._deliver_posted)

    # Upstream, called by the device.

    @property
    def outstanding(self) -> int:
        """How many writes have been issued and are not yet translated."""
        return len(self.link) + self.on_link

    @property
    def is_clear(self) -> bool:
        """Whether every write that the device has issued is in memory."""
        # Invariant: an issued write is in exactly one of link, on_link, drain, draining until
        # it lands, ends in registers or is refused.
        return not (self.link or self.on_link or self.drain or self.draining)

    def issue(self, write: BusWrite) -> None:
        """Let a write leave the device; from here a reset of the device does not stop it."""
        if not self.is_silent:
            self.link.put(write)

    def translate(self, epoch: int, addr: int, length: int) -> int | None:
        """Return where a write would land if it were translated now, or None if it is refused."""
        iommu = self.fabric.iommu
        if iommu is None:
            return addr
        host_addr = iommu.translate_write(self.master, epoch, addr, length)
        if host_addr is not None:
            iommu.emit(DmaTranslated(self.master, epoch, addr, host_addr, length))
        return host_addr

    def ask_translation(self, addr: int, length: int) -> Steps:
        """Ask the IOMMU for a translation, and keep it if there is one; gives it or None."""
        # A translation request is non-posted: the function counts it as pending until answered.
        self.reads_pending += 1
        yield self.kernel.delay(self.timing.ats_translation, f"{self.name}.ats_request")
        self._answered()
        iommu = self.fabric.iommu
        if iommu is None or self.cache is None:
            return None
        host_addr = iommu.translate_for_device(self.master, addr, length)
        if host_addr is not None:
            self.cache.keep(addr, host_addr)
        return host_addr

    def forget_translations(self) -> Steps:
        """Carry an ATC invalidation to the device; returns with its answer.

        The answer comes after the writes that the device has let out before it.
        """
        yield self.kernel.delay(self.timing.ats_inv, f"{self.name}.atc_inv")
        if self.cache_answer == NEVER:
            # This event never fires.  The time-out of the IOMMU is what ends the wait.
            yield self.kernel.event()
        if self.cache_answer == LATE:
            yield self.kernel.delay(self.timing.ats_inv_late, f"{self.name}.atc_inv_late")
        if self.cache_answer != KEEPS and self.cache is not None:
            self.cache.clear()
        # The completion pushes earlier writes out of the device, but only up to the root complex.
        # The IOMMU itself waits for the drain (`Iommu._carry_out`).
        while self.outstanding:
            yield self.moved.wait()

    def read_memory(
        self,
        epoch: int,
        addr: int,
        length: int,
        content: str = DESCRIPTOR,
        *,
        starts: bool = True,
    ) -> Steps:
        """Read memory as the device does; gives the bytes, or None if the IOMMU refuses.

        Memory is read at the end of the round trip: no later instant is possible.

        Args:
            epoch: For which it is done.
            addr: As the device sees it.
            length: Bytes; the range does not cross a frame.
            content: See `DmaRead`.
            starts: Whether the device may start the request.  A device that may not learns so
                after the same time.
        """
        # Invariant: only a request that has left counts in `reads_pending`, and only that request
        # takes its count back.  `resets` shows after the wait whether the answer was lost.
        has_left, resets = starts and not self.is_silent, self.resets
        self.reads_pending += has_left
        yield self.kernel.delay(self.timing.pcie_dma_read_rtt, f"{self.name}.dma_read")
        if has_left:
            self._answered()
        if not has_left or self.is_cut or self.resets != resets:
            return None
        iommu = self.fabric.iommu
        host_addr: int | None = addr
        if iommu is not None and self.cache is not None:
            host_addr = yield from self._translated_read(iommu, epoch, addr, length)
        elif iommu is not None:
            host_addr = iommu.translate_read(self.master, epoch, addr, length)
        if host_addr is None:
            return None
        return self.fabric.memory.give(self.master, epoch, host_addr, length, content)

    def _answered(self) -> None:
        """Note that the completion of a non-posted request has come."""
        self.reads_pending -= 1
        if not self.reads_pending:
            self.moved.notify()

    def _translated_read(self, iommu: Iommu, epoch: int, addr: int, length: int) -> Steps:
        """Give the host address of a read of a device that keeps translations, or None."""
        assert self.cache is not None
        host_addr = self.cache.find(addr)
        if host_addr is None:
            host_addr = yield from self.ask_translation(addr, length)
        if host_addr is None:
            return iommu.translate_read(self.master, epoch, addr, length)
        return iommu.pass_translated_read(self.master, epoch, addr, host_addr, length)

    def wait_until_landed(self) -> Steps:
        """Wait until every write that the device has issued is in memory."""
        while not self.is_clear:
            yield self.settled.wait()

    def cut_off(self) -> None:
        """Lose all that is under way, both ways, as a reset of the whole board does."""
        # The port is of no use afterwards: its processes are dead and nothing restarts them.
        self.lose_posted()
        for way in self.upstream:
            self.kernel.kill(way)
        self.link.clear()
        self.drain.clear()
        self.on_link = self.draining = False
        # Reads that wait for their answer compare this count and give None.
        self.resets += 1
        self.settled.notify()
        self.moved.notify()

    def lose_posted(self) -> None:
        """Lose the register writes that are under way, and let none arrive from here on."""
        self.kernel.kill(self.downstream)
        self.posted.clear()
        self.arriving = False
        self.settled.notify()

    def drained(self) -> Steps:
        """Wait until every write that has been translated is in memory."""
        while self.drain or self.draining:
            yield self.settled.wait()

    # Interventions: what no software can do, for questions of the kind "what if".

    def silence(self) -> None:
        """Let nothing leave the device from here on, at once and for good."""
        self.is_silent = True

    def cut(self) -> None:
        """Let nothing reach memory from here on but what has been translated."""
        self.is_cut = True

    # Downstream, called by the driver of the device.

    def post(self, register: str, value: int, epoch: int) -> None:
        """Write a register; the write arrives later, after earlier ones."""
        self.posted.put((register, value, epoch))

    def flush(self) -> Steps:
        """Read a register: what was posted has arrived and what the device wrote has landed."""
        yield self.kernel.delay(self.timing.mmio_read_flush, f"{self.name}.mmio_read")
        # The read passes no earlier register write on its way down, and its completion passes no
        # earlier write of the device on its way up.
        while self.posted or self.arriving:
            yield self.settled.wait()
        yield from self.wait_until_landed()

    # Processes.

    def _carry(self) -> Steps:
        while True:
            while not self.link:
                yield self.link.wait()
            # Invariant: one write is on the link at a time, so writes of a device keep their order.
            write = self.link.take()
            self.on_link = True
            yield self.kernel.delay(self.timing.pcie_posted_write, f"{self.name}.write")
            self.on_link = False
            # The translation at this instant decides.  An unmap that comes later does not stop
            # this write, and neither does a reset of the device.
            host_addr = self._translate(write)
            if host_addr is not None:
                self.drain.put((write, host_addr))
            elif not self.link:
                # A refused write never reaches the drain, so the link reports for it.
                self.settled.notify()
            self.moved.notify()

    def _translate(self, write: BusWrite) -> int | None:
        """Return where a write goes that has left the link; None if it goes nowhere."""
        iommu = self.fabric.iommu
        if self.is_cut:
            return None
        if write.content == LINE:
            # Assert_INTx is routed by the bridge and carries no address (PCI Express 2.2.8.1).
            return write.addr
        if write.host_addr is not None:
            # Only a write that says that it is translated (ATS) is looked at again.
            if write.from_cache and iommu is not None:
                return iommu.pass_translated(
                    self.master, write.epoch, write.addr, write.host_addr, len(write.data)
                )
            return write.host_addr
        if write.content == MESSAGE and iommu is not None:
            return iommu.translate_message(self.master, write.epoch, write.addr)
        return self.translate(write.epoch, write.addr, len(write.data))

    def _drain(self) -> Steps:
        while True:
            while not self.drain:
                yield self.drain.wait()
            # Invariant: one write drains at a time; a message lands after the data before it.
            write, host_addr = self.drain.take()
            self.draining = True
            is_message = write.content in {MESSAGE, LINE}
            span = self.timing.msi_delivery if is_message else self.timing.axi_write_drain
            yield self.kernel.delay(span, f"{self.name}.drain")
            self.draining = False
            if write.content == LINE:
                assert self.line_driver is not None, "a device connects itself to its port"
                self.line_driver.drive_line()
            elif is_message:
                self.fabric.interrupts.message(host_addr, self.master, write.epoch)
            elif (target := self.fabric.target_at(host_addr)) is not None:
                self._hit(target, write, host_addr)
            else:
                self.fabric.memory.land(
                    self.master, write.epoch, host_addr, write.data, write.content
                )
            # The link may still hold writes; waiters look at `is_clear` or at the drain again.
            if not self.drain:
                self.settled.notify()

    def _hit(self, target: BusTarget, write: BusWrite, host_addr: int) -> None:
        """Let a write arrive at the registers of a device."""
        # `target` may be the device that wrote: its code is then entered from its own request.
        epoch, length = write.epoch, len(write.data)
        fate = "taken" if target.takes_bus_writes else "refused"
        self.emit(RegistersHit(self.master, epoch, host_addr, length, target.name, fate))
        if target.takes_bus_writes:
            offset = (host_addr - WINDOWS_START) % WINDOW_LENGTH
            target.take_bus_write(self.master, epoch, offset, write.data)

    def _deliver_posted(self) -> Steps:
        while True:
            while not self.posted:
                yield self.posted.wait()
            # Invariant: register writes arrive one at a time, in the order of `post`.
            register, value, epoch = self.posted.take()
            self.arriving = True
            yield self.kernel.delay(self.timing.pcie_posted_write, f"{self.name}.register_write")
            self.arriving = False
            assert self.registers is not None, "a device connects itself to its port"
            self.registers.write_register(register, value, epoch)
            if not self.posted:
                self.settled.notify()
