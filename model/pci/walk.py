"""The guest's walk over configuration space: which functions a PCI server finds, in which order.

The walk uses configuration reads and writes of the bus alone, and not the `qvm` configuration.  So
it does not find a function that is absent, behind an empty function 0, or on a bus beyond the
limit, as on the real system.

The walk tries buses by number up to the limit, without following bridges.  The option of the PCI
server is called a limit of the bus scan.  That it counts from bus 0 and includes the limit is
inferred: a limit of 0 is in use.

Source:
    PCI Local Bus 3.0, 6.1 to 6.2.5.1 and 6.7; VIRTIO 1.2, 4.1.2 to 4.1.4; QNX 7.1 utilities
    reference, pci-server.
"""

from collections.abc import Iterator

import msgspec

from ..base.pci_address import PciAddress
from ..virtio.msix import PCI_CAP_ID_MSIX
from ..virtio.pci_function import (
    BAR_COUNT,
    CONFIG_SPACE_SIZE,
    PCI_BASE_ADDRESS_0,
    PCI_BASE_ADDRESS_MEM_PREFETCH,
    PCI_BASE_ADDRESS_MEM_TYPE_64,
    PCI_BASE_ADDRESS_SPACE_IO,
    PCI_CAPABILITY_LIST,
    PCI_DEVICE_ID,
    PCI_HEADER_TYPE,
    PCI_INTERRUPT_PIN,
    PCI_REVISION_ID,
    PCI_STATUS,
    PCI_STATUS_CAP_LIST,
    PCI_SUBSYSTEM_ID,
    PCI_SUBSYSTEM_VENDOR_ID,
    PCI_VENDOR_ID,
)
from ..virtio.pci_transport import PCI_CAP_ID_VNDR, VIRTIO_PCI_DEVICE_ID_BASE, VIRTIO_PCI_VENDOR_ID
from .bus import BUS_MAX, DEVICES_PER_BUS, FUNCTIONS_PER_DEVICE, HEADER_TYPE_MULTI_FUNCTION, PciBus

NO_VENDOR = 0xFFFF
VIRTIO_LEGACY_DEVICE_ID_BASE = 0x1000
_VIRTIO_DEVICE_ID_END = 0x1080
_MSIX_LENGTH = 12
_HEADER_END = 0x40
_CAPABILITIES_MAX = (CONFIG_SPACE_SIZE - _HEADER_END) // 4


class FoundBar(msgspec.Struct, frozen=True):
    """A base address register, sized by writing ones to it.

    Attributes:
        index: Number of its (first) register.
        size: Bytes.
        address: The address in it; 0 until firmware or the PCI server has placed it.
        is_io: Whether it is in I/O space.
        is_64bit: Whether it takes two registers.
        is_prefetchable: Whether reads have no side effects.
    """

    index: int
    size: int
    address: int
    is_io: bool
    is_64bit: bool
    is_prefetchable: bool


class FoundCapability(msgspec.Struct, frozen=True):
    """A capability of the list: its id, where it is, and its bytes with id and next pointer."""

    capability_id: int
    offset: int
    data: bytes


class FoundFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function as the walk has found it; `None` stands for what only the hardware knows.

    Attributes:
        index: Its place in the order of discovery, from 0.
        address: Bus, device and function number.
        vendor_id: 16 bits.
        device_id: 16 bits.
        class_code: 24 bits: base class, sub-class, programming interface.
        revision: 8 bits.
        subsystem_vendor_id: 16 bits.
        subsystem_id: 16 bits.
        interrupt_pin: 0 for none, 1 to 4 for INTA to INTD.
        bars: Base address registers, by number.
        capabilities: In the order of the list.
        space: All of configuration space; empty if a byte of it is unknown.
    """

    index: int
    address: PciAddress
    vendor_id: int | None
    device_id: int | None
    class_code: int | None
    revision: int | None
    subsystem_vendor_id: int | None
    subsystem_id: int | None
    interrupt_pin: int | None
    bars: tuple[FoundBar, ...] = ()
    capabilities: tuple[FoundCapability, ...] = ()
    space: bytes = b""

    @property
    def virtio_id(self) -> int | None:
        """The virtio device type, as a driver reads it (VIRTIO 1.2, 4.1.2); `None` if none."""
        if self.vendor_id != VIRTIO_PCI_VENDOR_ID or self.device_id is None:
            return None
        if VIRTIO_PCI_DEVICE_ID_BASE <= self.device_id < _VIRTIO_DEVICE_ID_END:
            return self.device_id - VIRTIO_PCI_DEVICE_ID_BASE
        if VIRTIO_LEGACY_DEVICE_ID_BASE <= self.device_id < VIRTIO_PCI_DEVICE_ID_BASE:
            return self.subsystem_id
        return None


def enumerate_functions(bus: PciBus, bus_scan_limit: int = BUS_MAX) -> tuple[FoundFunction, ...]:
    """Return every function that a guest finds, in the order in which it finds them.

    Args:
        bus: The guest's bus; its BARs are sized and left as they were.
        bus_scan_limit: The highest bus number that is tried.
    """
    found: list[FoundFunction] = []
    for address in _present(bus, bus_scan_limit):
        found.append(_examine(bus, address, len(found)))
    return tuple(found)


def hidden_functions(bus: PciBus, found: tuple[FoundFunction, ...]) -> tuple[PciAddress, ...]:
    """Return the addresses of functions that exist and are not among those found."""
    seen = {function.address for function in found}
    return tuple(sorted(address for address in bus.slots if address not in seen))


def _present(bus: PciBus, bus_scan_limit: int) -> Iterator[PciAddress]:
    for number in range(min(bus_scan_limit, BUS_MAX) + 1):
        for device in range(DEVICES_PER_BUS):
            first = PciAddress(number, device)
            if bus.read(first, PCI_VENDOR_ID, 2) == NO_VENDOR:
                continue  # A device without function 0 has no function at all.
            header = bus.read(first, PCI_HEADER_TYPE, 1)
            has_more = header is None or header & HEADER_TYPE_MULTI_FUNCTION
            yield first
            for function in range(1, FUNCTIONS_PER_DEVICE if has_more else 1):
                address = PciAddress(number, device, function)
                if bus.read(address, PCI_VENDOR_ID, 2) != NO_VENDOR:
                    yield address


def _examine(bus: PciBus, address: PciAddress, index: int) -> FoundFunction:
    words = [bus.read(address, offset, 4) for offset in range(0, CONFIG_SPACE_SIZE, 4)]
    known = [word for word in words if word is not None]
    space = b"".join(word.to_bytes(4, "little") for word in known)
    class_word = bus.read(address, PCI_REVISION_ID, 4)
    return FoundFunction(
        index=index,
        address=address,
        vendor_id=bus.read(address, PCI_VENDOR_ID, 2),
        device_id=bus.read(address, PCI_DEVICE_ID, 2),
        class_code=None if class_word is None else class_word >> 8,
        revision=bus.read(address, PCI_REVISION_ID, 1),
        subsystem_vendor_id=bus.read(address, PCI_SUBSYSTEM_VENDOR_ID, 2),
        subsystem_id=bus.read(address, PCI_SUBSYSTEM_ID, 2),
        interrupt_pin=bus.read(address, PCI_INTERRUPT_PIN, 1),
        bars=tuple(_bars(bus, address)),
        capabilities=tuple(_capabilities(bus, address)),
        space=space if len(known) == len(words) else b"",
    )


def _bars(bus: PciBus, address: PciAddress) -> Iterator[FoundBar]:
    index = 0
    while index < BAR_COUNT:
        low, low_mask = _sized(bus, address, index)
        if low is None or low_mask is None:
            return
        is_io = bool(low & PCI_BASE_ADDRESS_SPACE_IO)
        is_64bit = not is_io and bool(low & PCI_BASE_ADDRESS_MEM_TYPE_64)
        value, mask, ones = low, low_mask, 0xFFFFFFFF
        if is_64bit and index + 1 < BAR_COUNT:
            high, high_mask = _sized(bus, address, index + 1)
            value, mask = value | (high or 0) << 32, mask | (high_mask or 0) << 32
            ones = (1 << 64) - 1
        flags = 3 if is_io else 15
        if mask & ~flags:
            size = (~(mask & ~flags) & ones) + 1
            is_prefetchable = not is_io and bool(low & PCI_BASE_ADDRESS_MEM_PREFETCH)
            yield FoundBar(index, size, value & ~flags, is_io, is_64bit, is_prefetchable)
        index += 2 if is_64bit else 1


def _sized(bus: PciBus, address: PciAddress, index: int) -> tuple[int | None, int | None]:
    """Return a base address register as it is, and as it reads back after ones were written."""
    offset = PCI_BASE_ADDRESS_0 + 4 * index
    before = bus.read(address, offset, 4)
    if before is None:
        return None, None
    # The walk restores the register, so the bus is afterwards as it was before.
    bus.write(address, offset, 4, 0xFFFFFFFF)
    mask = bus.read(address, offset, 4)
    bus.write(address, offset, 4, before)
    return before, mask


def _capabilities(bus: PciBus, address: PciAddress) -> Iterator[FoundCapability]:
    status = bus.read(address, PCI_STATUS, 2)
    if status is None or not status & PCI_STATUS_CAP_LIST:
        return
    pointer = bus.read(address, PCI_CAPABILITY_LIST, 1)
    # A broken list may be a loop: the walk leaves it after as many steps as there is room for.
    for _ in range(_CAPABILITIES_MAX):
        offset = (pointer or 0) & ~3
        head = bus.read(address, offset, 2) if offset >= _HEADER_END else None
        if head is None:
            return
        length = _capability_length(bus, address, offset, head & 0xFF)
        data = [bus.read(address, at, 1) for at in range(offset, min(offset + length, 256))]
        yield FoundCapability(head & 0xFF, offset, bytes(byte or 0 for byte in data))
        pointer = head >> 8


def _capability_length(bus: PciBus, address: PciAddress, offset: int, capability_id: int) -> int:
    if capability_id == PCI_CAP_ID_MSIX:
        return _MSIX_LENGTH
    if capability_id == PCI_CAP_ID_VNDR:
        return max(3, bus.read(address, offset + 2, 1) or 0)
    return 2
