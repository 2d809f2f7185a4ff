"""The guest's PCI bus as its configuration cycles see it.

A slot answers reads of configuration space.  Of some slots only a part is known: of a function
that is passed through, the `qvm` configuration gives the identifiers at most.  A read that touches
an unknown byte gives `None`: only the hardware knows the value, and the model invents none.

Source:
    PCI Local Bus 3.0, 3.2.2.3 (absent functions read as all ones) and 6.2.1 (header type).
"""

from collections.abc import Callable, Collection, Iterable

from ..base.pci_address import PciAddress
from ..virtio.pci_function import CONFIG_SPACE_SIZE, PCI_HEADER_TYPE, PciFunction
from ..virtio.pci_transport import PciTransport

HEADER_TYPE_MULTI_FUNCTION = 0x80
BUS_MAX = 255
DEVICES_PER_BUS = 32
FUNCTIONS_PER_DEVICE = 8

EVERYTHING = range(CONFIG_SPACE_SIZE)
"""All bytes of configuration space."""


class PciSlot:
    """One function of the bus.

    Args:
        address: Where it is.
        origin: The vdev or pass-through entry it comes from, in words.
        read: Carries out a configuration read of 1, 2 or 4 bytes.
        write: Carries out a configuration write.
        unknown: Offsets of the bytes that only the hardware knows.
    """

    def __init__(
        self,
        address: PciAddress,
        origin: str,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], object],
        unknown: Collection[int] = (),
    ) -> None:
        self.address = address
        self.origin = origin
        self.unknown = frozenset(unknown)
        self._read = read
        self._write = write

    @classmethod
    def of_function(
        cls,
        address: PciAddress,
        origin: str,
        function: PciFunction,
        unknown: Collection[int] = (),
    ) -> "PciSlot":
        """Return the slot of a function that has nothing behind its configuration space."""
        return cls(address, origin, function.read, function.write, unknown)

    @classmethod
    def of_transport(
        cls,
        address: PciAddress,
        origin: str,
        transport: PciTransport,
        unknown: Collection[int] = (),
    ) -> "PciSlot":
        """Return the slot of a virtio device, whose window reads through to its registers."""
        return cls(address, origin, transport.config_read, transport.config_write, unknown)

    def read(self, offset: int, length: int) -> int | None:
        """Return what a read gives, or `None` if only the hardware knows."""
        if not self.unknown.isdisjoint(range(offset, offset + length)):
            return None
        return self._read(offset, length)

    def write(self, offset: int, length: int, value: int) -> None:
        """Carry out a write."""
        self._write(offset, length, value)


class PciBus:
    """All functions that the guest could reach.

    Args:
        slots: In any order; no two have the same address.
    """

    def __init__(self, slots: Iterable[PciSlot]) -> None:
        self.slots: dict[PciAddress, PciSlot] = {}
        for slot in slots:
            assert slot.address not in self.slots, slot.address
            self.slots[slot.address] = slot

    def read(self, address: PciAddress, offset: int, length: int) -> int | None:
        """Return what a configuration read gives; `None` if only the hardware knows.

        An absent function reads as all ones.  The bus sets the multi-function bit, because a slot
        does not know its neighbours.
        """
        slot = self.slots.get(address)
        if slot is None:
            return (1 << 8 * length) - 1
        value = slot.read(offset, length)
        place = PCI_HEADER_TYPE - offset
        if value is not None and 0 <= place < length and self._has_siblings(address):
            value |= HEADER_TYPE_MULTI_FUNCTION << 8 * place
        return value

    def write(self, address: PciAddress, offset: int, length: int, value: int) -> None:
        """Carry out a configuration write; it is lost where no function is."""
        if address in self.slots:
            self.slots[address].write(offset, length, value)

    def _has_siblings(self, address: PciAddress) -> bool:
        return any(
            PciAddress(address.bus, address.device, function) in self.slots
            for function in range(FUNCTIONS_PER_DEVICE)
            if function != address.function
        )
