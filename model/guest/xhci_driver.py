"""The guest's driver for a passed-through xHCI controller with one reporting USB device.

Contexts, the three rings and the report buffers lie in guest memory.  The driver keeps the transfer
ring full: for every report that has come it requests a further one.
"""

from ..bus.memory import GuestRam
from ..hardware import xhci_rings as rings
from ..hardware.procedure import wait_until
from ..hardware.xhci import Xhci
from ..hardware.xhci_procedure import PROCEDURE
from ..hardware.xhci_rings import CYCLE, TRB, TRB_SIZE, Trb
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite

PAGE = 4096
BUFFER_LENGTH = 1024
_POLL_NS_MAX = 10_000_000_000


class ProducerRing:
    """A ring that the driver fills; its last block links to the first.

    Attributes:
        index: The next block to be written.
        cycle: The producer's cycle bit.
    """

    def __init__(self, ram: GuestRam, base: int, size: int) -> None:
        self.ram = ram
        self.base = base
        self.size = size
        self.index = 0
        self.cycle = CYCLE

    def enqueue(self, parameter: int, status: int, control: int) -> None:
        """Write a block, and after the last block of the ring also the link."""
        self._write(parameter, status, control)
        self.index += 1
        if self.index == self.size - 1:
            self._write(self.base, 0, rings.control_of(rings.LINK, rings.TOGGLE_CYCLE))
            self.index = 0
            self.cycle ^= CYCLE

    def _write(self, parameter: int, status: int, control: int) -> None:
        addr = self.base + TRB_SIZE * self.index
        self.ram.write(addr, TRB.pack(parameter, status, control | self.cycle))


class XhciDriver(DeviceDriver[Xhci]):
    """The driver.

    Attributes:
        commands, transfers: Rings that it fills.
        events_addr, event_index, event_cycle: The ring that it empties.
        buffers: One for each block of the transfer ring.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: Xhci) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        size = device.plan.ring_size
        self.contexts_addr = allocator.allocate(PAGE, 64)
        self.context_addr = allocator.allocate(PAGE, 64)
        self.input_addr = allocator.allocate(PAGE, 64)
        self.commands = ProducerRing(self.ram, allocator.allocate(size * TRB_SIZE, PAGE), size)
        self.transfers = ProducerRing(self.ram, allocator.allocate(size * TRB_SIZE, PAGE), size)
        self.events_size = 4 * size
        self.events_addr = allocator.allocate(self.events_size * TRB_SIZE, PAGE)
        self.event_index = 0
        self.event_cycle = CYCLE
        self.buffers = [allocator.allocate(BUFFER_LENGTH, 64) for _ in range(size)]

    def set_up(self) -> Steps:
        """Reset the controller, program its rings, run it, and request the first reports."""
        self.post("PCI.BME", 1)
        self.post("USBCMD.HCRST", 1)
        yield from self.device.port.flush()
        yield from wait_until(
            self.kernel, self.device, lambda: self.device.is_reset_done, _POLL_NS_MAX
        )
        self.ram.write(self.contexts_addr + 8 * rings.SLOT, self.context_addr.to_bytes(8, "little"))
        pointer = self.transfers.base | CYCLE
        self.ram.write(
            self.input_addr + rings.ENDPOINT_INPUT_OFFSET,
            rings.ENDPOINT_CONTEXT.pack(0, 0, pointer),
        )
        self.post("DCBAAP", self.contexts_addr)
        self.post("CRCR", self.commands.base | CYCLE)
        self.emit_dma_requested(self.events_addr, self.events_size * TRB_SIZE)
        self.post("ERSTBA", self.events_addr)
        self.post("ERSTSZ", self.events_size)
        self.post("USBCMD.INTE", 1)
        self.post("USBCMD.RS", 1)
        self.emit_dma_requested(self.context_addr, PAGE)
        control = rings.control_of(rings.CONFIGURE_ENDPOINT, rings.SLOT << 24)
        self.commands.enqueue(self.input_addr, 0, control)
        self.post("DB0", 0)
        # Invariant: one block stays free, so the ring is never full.
        for _ in range(self.transfers.size - 2):
            self._request_report()

    def serve(self) -> None:
        """Take all events, and request a further report for each that has come."""
        for _ in range(self.events_size):
            addr = self.events_addr + TRB_SIZE * self.event_index
            event = Trb(*TRB.unpack(self.ram.read(addr, TRB_SIZE)))
            if event.control & CYCLE != self.event_cycle:
                break
            self.event_index += 1
            if self.event_index == self.events_size:
                self.event_index = 0
                self.event_cycle ^= CYCLE
            if event.kind == rings.TRANSFER_EVENT and not self.is_stopping:
                self._request_report()

    def _request_report(self) -> None:
        buffer = self.buffers[self.transfers.index]
        self.emit_dma_requested(buffer, BUFFER_LENGTH)
        control = rings.control_of(rings.NORMAL, rings.INTERRUPT_ON_COMPLETION)
        self.transfers.enqueue(buffer, BUFFER_LENGTH, control)
        self.post("DB1", rings.ENDPOINT)
