"""What a guest's CPU reaches besides its RAM: direct-mapped registers, PCI configuration and BARs.

A driver maps a range of guest-physical addresses once, as `mmap_device_io` does, and then reads and
writes through the window it got.  Where no device answers, reads give all ones and writes are lost.
So a driver with a wrong address in its command line finds no device.

Left out: a BAR that moves while it is mapped, and accesses that cross from one device to another.
"""

from typing import Protocol

from ..base.pci_address import PciAddress
from ..pci.bus import DEVICES_PER_BUS, PciBus, PciSlot
from ..virtio.pci_function import QVM_HOST_BRIDGE, PciFunction

DIRECT_LENGTH = 0x1000
"""Bytes that a direct-mapped device answers at."""


class RegisterDevice(Protocol):
    """A vdev as the guest's CPU sees it."""

    def read_register(self, offset: int, length: int, region: int = 0) -> int:
        """Return what a read gives."""
        ...

    def write_register(self, offset: int, length: int, value: int, region: int = 0) -> None:
        """Carry out a write."""
        ...


class PciDevice(RegisterDevice, Protocol):
    """A vdev that is a function of the guest's PCI bus."""

    @property
    def function(self) -> PciFunction:
        """Its configuration space."""
        ...

    def config_read(self, offset: int, length: int) -> int:
        """Return what a configuration read gives."""
        ...

    def config_write(self, offset: int, length: int, value: int) -> None:
        """Carry out a configuration write."""
        ...


class IoWindow:
    """A mapped range of addresses.

    Args:
        device: What answers there; `None` for nothing.
        region: Which base address register.
        base: Offset of the window in the region.
    """

    def __init__(self, device: RegisterDevice | None, region: int, base: int) -> None:
        self.device = device
        self.region = region
        self.base = base

    def read(self, offset: int, length: int) -> int:
        """Return what a read gives; all ones where nothing answers."""
        if self.device is None:
            return (1 << 8 * length) - 1
        return self.device.read_register(self.base + offset, length, self.region)

    def write(self, offset: int, length: int, value: int) -> None:
        """Carry out a write; it is lost where nothing answers."""
        if self.device is not None:
            self.device.write_register(self.base + offset, length, value, self.region)


class IoSpace:
    """All registers that a guest's CPU reaches outside of its RAM.

    Attributes:
        direct: Start and device of each direct-mapped range.
        functions: The PCI functions by device number of bus 0.
        bus: The same, with the host bridge, as configuration cycles reach them.
    """

    def __init__(self) -> None:
        self.direct: list[tuple[int, int, RegisterDevice]] = []
        self.functions: dict[int, PciDevice] = {}
        self.bus = PciBus(())

    def add_direct(self, start: int, length: int, device: RegisterDevice) -> None:
        """Map a device at a range of addresses."""
        self.direct.append((start, length, device))

    def remove_direct(self, start: int) -> None:
        """Remove the device at a range; no device answers there from here on."""
        self.direct = [entry for entry in self.direct if entry[0] != start]

    def add_function(self, slot: int, device: PciDevice) -> int:
        """Make a device a function of bus 0 and return its device number.

        Args:
            slot: The device number; 0 for the lowest that is free.
            device: The device.
        """
        if not slot:
            slot = next(n for n in range(1, DEVICES_PER_BUS) if n not in self.functions)
        assert slot not in self.functions, f"device number {slot} is taken"
        self.functions[slot] = device
        if not self.bus.slots:
            bridge = PciFunction(QVM_HOST_BRIDGE)
            self._put(PciSlot.of_function(PciAddress(0, 0), "the host bridge", bridge))
        address = PciAddress(0, slot)
        self._put(PciSlot(address, "a vdev", device.config_read, device.config_write))
        return slot

    def map(self, addr: int) -> IoWindow:
        """Return a window to what answers from an address on."""
        for start, length, device in self.direct:
            if start <= addr < start + length:
                return IoWindow(device, 0, addr - start)
        for function in self.functions.values():
            place = function.function.decode(addr, 1)
            if place is not None:
                return IoWindow(function, *place)
        return IoWindow(None, 0, 0)

    def _put(self, slot: PciSlot) -> None:
        self.bus.slots[slot.address] = slot
