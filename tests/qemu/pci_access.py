"""PCI functions as a driver reaches them, in QEMU and in the model, by the same code.

A function is known by its configuration space and by the memory its BARs take.  The driver finds
everything else by reading, in QEMU and in the model.
"""

from typing import Protocol

from quiesce.model.base.pci_address import PciAddress
from quiesce.model.pci.bus import PciBus, PciSlot
from quiesce.model.pci.walk import FoundFunction, enumerate_functions
from quiesce.model.virtio.effects import Effect
from quiesce.model.virtio.pci_function import (
    PCI_BASE_ADDRESS_0,
    PCI_COMMAND,
    PCI_COMMAND_MASTER,
    PCI_COMMAND_MEMORY,
)
from quiesce.model.virtio.pci_transport import PciTransport

from .machine import QemuMachine

CONFIG_ADDRESS_PORT = 0xCF8
CONFIG_DATA_PORT = 0xCFC
BAR_WINDOW = 0xE000_0000
"""Where BARs are put: below the I/O APIC, above any RAM of these machines."""


class QemuBus(PciBus):
    """The PCI bus of a QEMU machine by configuration mechanism 1."""

    def __init__(self, machine: QemuMachine) -> None:
        super().__init__(())
        self.machine = machine
        self.selected = -1

    def read(self, address: PciAddress, offset: int, length: int) -> int:
        return self.machine.port_read(self._select(address, offset), length)

    def write(self, address: PciAddress, offset: int, length: int, value: int) -> None:
        self.machine.port_write(self._select(address, offset), length, value)

    def _select(self, address: PciAddress, offset: int) -> int:
        place = address.bus << 16 | address.device << 11 | address.function << 8 | offset & 0xFC
        if place != self.selected:
            self.machine.port_write(CONFIG_ADDRESS_PORT, 4, 0x8000_0000 | place)
            self.selected = place
        return CONFIG_DATA_PORT + (offset & 3)


class FunctionAccess(Protocol):
    """One function: configuration space by offset, BARs by physical address."""

    found: FoundFunction

    def config_read(self, offset: int, length: int) -> int: ...

    def config_write(self, offset: int, length: int, value: int) -> None: ...

    def memory_read(self, addr: int, length: int) -> int: ...

    def memory_write(self, addr: int, length: int, value: int) -> None: ...


class QemuFunction:
    """A function on the bus of a QEMU machine."""

    def __init__(self, bus: QemuBus, found: FoundFunction) -> None:
        self.bus = bus
        self.machine = bus.machine
        self.found = found

    def config_read(self, offset: int, length: int) -> int:
        return self.bus.read(self.found.address, offset, length)

    def config_write(self, offset: int, length: int, value: int) -> None:
        self.bus.write(self.found.address, offset, length, value)

    def memory_read(self, addr: int, length: int) -> int:
        return self.machine.memory_read(addr, length)

    def memory_write(self, addr: int, length: int, value: int) -> None:
        self.machine.memory_write(addr, length, value)


class ModelFunction:
    """A virtio function of the model, and what its registers bring about.

    Args:
        transport: The function.
        address: Where the bus has it.
    """

    def __init__(self, transport: PciTransport, address: PciAddress) -> None:
        self.transport = transport
        bus = PciBus([PciSlot.of_transport(address, "vdev", transport)])
        (self.found,) = enumerate_functions(bus, 0)

    def carry_out(self, effects: list[Effect]) -> None:
        """Do what a register write asks of the device."""
        raise NotImplementedError

    def config_read(self, offset: int, length: int) -> int:
        return self.transport.config_read(offset, length)

    def config_write(self, offset: int, length: int, value: int) -> None:
        self.carry_out(self.transport.config_write(offset, length, value))

    def memory_read(self, addr: int, length: int) -> int:
        place = self.transport.function.decode(addr, length)
        return (1 << 8 * length) - 1 if place is None else self.transport.bar_read(*place, length)

    def memory_write(self, addr: int, length: int, value: int) -> None:
        place = self.transport.function.decode(addr, length)
        if place is not None:
            self.carry_out(self.transport.bar_write(*place, length, value))


def place_bars(access: FunctionAccess, window: int = BAR_WINDOW) -> dict[int, int]:
    """Give every memory BAR an address and let the function decode and master the bus.

    Returns:
        BAR number to address.
    """
    placed: dict[int, int] = {}
    for bar in sorted(access.found.bars, key=lambda bar: -bar.size):
        if bar.is_io:
            continue
        window = -(-window // bar.size) * bar.size
        offset = PCI_BASE_ADDRESS_0 + 4 * bar.index
        access.config_write(offset, 4, window & 0xFFFF_FFFF)
        if bar.is_64bit:
            access.config_write(offset + 4, 4, window >> 32)
        placed[bar.index] = window
        window += bar.size
    access.config_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
    return placed
