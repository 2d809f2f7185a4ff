"""The guest's PCI server: it walks configuration space, and places the functions that it finds.

It probes a bus in one burst of accesses.  It examines and places each function in one further
burst: identity, base address registers sized by writing ones, addresses, interrupt line, command.
A burst takes as long as that many exits from the guest.  The guest can die between any two bursts.

Source:
    PCI Local Bus 3.0, 6.1 to 6.2.5.1 and 6.7; QNX 7.1 utilities reference, pci-server.
"""

from typing import NamedTuple

from ..base.clock import Span
from ..base.pci_address import PciAddress
from ..pci.bus import BUS_MAX, DEVICES_PER_BUS, PciBus
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..trace.events import MilestoneReached
from ..vdev.io_space import IoSpace
from ..virtio.pci_function import (
    BAR_COUNT,
    PCI_BASE_ADDRESS_0,
    PCI_BASE_ADDRESS_MEM_TYPE_64,
    PCI_BASE_ADDRESS_SPACE_IO,
    PCI_CAPABILITY_LIST,
    PCI_COMMAND,
    PCI_COMMAND_MASTER,
    PCI_COMMAND_MEMORY,
    PCI_DEVICE_ID,
    PCI_INTERRUPT_LINE,
    PCI_STATUS,
    PCI_STATUS_CAP_LIST,
    PCI_VENDOR_ID,
)

NO_VENDOR = 0xFFFF
BARS_START = 0x3000_0000
"""Where the server places base address registers: a range without RAM in every shipped VM."""

LINES_START = 64
"""The interrupt line of device number n is this plus n; how qvm chooses is not documented."""

_CAPABILITIES_MAX = 48


def burst_span(span: Span, accesses: int) -> Span:
    """Return the duration of a burst of register accesses, each of which leaves the guest."""
    return Span(span.lo_ns * accesses, span.hi_ns * accesses)


class PlacedFunction(NamedTuple):
    """A function that the server has found and placed.

    Attributes:
        address: Bus, device and function.
        vendor_id: As read.
        device_id: As read.
        bars: Base address register to guest-physical address.
        line: Its INTx interrupt.
        capabilities: Offset and id of each, in the order of the list.
    """

    address: PciAddress
    vendor_id: int
    device_id: int
    bars: dict[int, int]
    line: int
    capabilities: tuple[tuple[int, int], ...]


class PciServer(Component):
    """The server.

    Args:
        vm: Name of the VM.
        epoch: Number of the instance.
        io: The guest's buses.
        bus_scan_limit: The highest bus number that the server probes.

    Attributes:
        found: Every function, in the order of discovery.
        is_done: Whether the scan is over.
        done: Signals the end of the scan.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        io: IoSpace,
        bus_scan_limit: int,
    ) -> None:
        super().__init__(kernel, f"{vm}.guest", timing)
        self.vm = vm
        self.epoch = epoch
        self.io = io
        self.bus_scan_limit = min(bus_scan_limit, BUS_MAX)
        self.found: list[PlacedFunction] = []
        self.is_done = False
        self.done = Signal(kernel)
        self._next_address = BARS_START

    def scan(self) -> Steps:
        """Find and place every function."""
        bus, span = self.io.bus, self.timing.vm_exit
        for number in range(self.bus_scan_limit + 1):
            yield self.kernel.delay(burst_span(span, DEVICES_PER_BUS), f"{self.name}.pci_probe")
            for device in range(DEVICES_PER_BUS):
                address = PciAddress(number, device)
                if bus.read(address, PCI_VENDOR_ID, 2) == NO_VENDOR:
                    continue
                walk = _FunctionWalk(bus, address)
                self.found.append(walk.place(self))
                yield self.kernel.delay(
                    burst_span(span, walk.accesses), f"{self.name}.pci_function"
                )
        self.is_done = True
        self.emit(MilestoneReached(self.vm, self.epoch, "pci-scanned"))
        self.done.notify()

    def allocate(self, size: int) -> int:
        """Return a fresh address for a base address register, aligned to its size."""
        start = -(-self._next_address // size) * size
        self._next_address = start + size
        return start

    def nth(self, vendor_id: int, device_id: int, index: int) -> PlacedFunction | None:
        """Return the n-th function with these identifiers, from 0."""
        matching = [
            one for one in self.found if (one.vendor_id, one.device_id) == (vendor_id, device_id)
        ]
        return matching[index] if index < len(matching) else None


class _FunctionWalk:
    """The accesses to one function's configuration space; `accesses` counts them."""

    def __init__(self, bus: PciBus, address: PciAddress) -> None:
        self.bus = bus
        self.address = address
        self.accesses = 0

    def read(self, offset: int, length: int) -> int:
        self.accesses += 1
        value = self.bus.read(self.address, offset, length)
        assert value is not None, "every vdev knows its own registers"
        return value

    def write(self, offset: int, length: int, value: int) -> None:
        self.accesses += 1
        self.bus.write(self.address, offset, length, value)

    def place(self, server: PciServer) -> PlacedFunction:
        vendor_id, device_id = self.read(PCI_VENDOR_ID, 2), self.read(PCI_DEVICE_ID, 2)
        bars = self._place_bars(server)
        line = LINES_START + self.address.device
        if bars:
            self.write(PCI_INTERRUPT_LINE, 1, line)
            self.write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
        capabilities = self._capabilities()
        return PlacedFunction(self.address, vendor_id, device_id, bars, line, capabilities)

    def _place_bars(self, server: PciServer) -> dict[int, int]:
        bars = {}
        index = 0
        while index < BAR_COUNT:
            offset = PCI_BASE_ADDRESS_0 + 4 * index
            self.write(offset, 4, 0xFFFF_FFFF)
            mask = self.read(offset, 4)
            is_64bit = mask & PCI_BASE_ADDRESS_MEM_TYPE_64 and not mask & PCI_BASE_ADDRESS_SPACE_IO
            if mask & ~15:
                size = (~(mask & ~15) & 0xFFFF_FFFF) + 1
                bars[index] = server.allocate(size)
                self.write(offset, 4, bars[index])
                if is_64bit:
                    self.write(offset + 4, 4, 0)
            index += 2 if is_64bit else 1
        return bars

    def _capabilities(self) -> tuple[tuple[int, int], ...]:
        if not self.read(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST:
            return ()
        found: list[tuple[int, int]] = []
        pointer = self.read(PCI_CAPABILITY_LIST, 1)
        while pointer and len(found) < _CAPABILITIES_MAX:
            head = self.read(pointer, 2)
            found.append((pointer, head & 0xFF))
            pointer = head >> 8
        return tuple(found)
