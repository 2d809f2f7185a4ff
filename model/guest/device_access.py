"""How a virtio driver reaches its device's registers: one interface, two transports.

Each method makes the register accesses that the standard asks for, one after the other.  An access
leaves the guest and costs an exit.  `accesses` counts the accesses, and the driver lets as much
time pass as they take together.

Source:
    VIRTIO 1.2, 4.1.4 (PCI) and 4.2.2 (MMIO).
"""

from struct import Struct
from typing import Protocol

from ..vdev.io_space import IoWindow
from ..virtio import mmio_transport as mmio
from ..virtio import pci_transport as pci
from ..virtio.features import VIRTIO_F_NOTIFICATION_DATA, has_feature
from ..virtio.layout import RingLayout
from ..virtio.msix import MSIX_ENABLE, MSIX_ENTRY_SIZE, PCI_CAP_ID_MSIX
from .pci_server import PlacedFunction
from .site import DriverSite

NO_VECTOR = 0xFFFF
FEATURE_WORDS = 2
"""Words of features that a driver reads and writes: bits 0 to 63."""

_MESSAGE_ADDR = 0xFEE0_0000
"""The address of messages; the guest's interrupt controller uses their data alone."""

_CAPABILITY = Struct("<BBBxxxII")


class DeviceAccess(Protocol):
    """A device's registers as its driver uses them.

    Attributes:
        accesses: Register accesses since the driver last let time pass for them.
        acknowledge_cost: Accesses that it takes to read the cause of an interrupt.
    """

    accesses: int
    acknowledge_cost: int

    def read_status(self) -> int:
        """Return the device status."""
        ...

    def write_status(self, value: int) -> None:
        """Write the device status."""
        ...

    def read_features(self) -> int:
        """Return the offered features."""
        ...

    def write_features(self, features: int) -> None:
        """Write the accepted features."""
        ...

    def select_queue(self, index: int) -> int:
        """Select a queue and return the most descriptors that it may have."""
        ...

    def write_queue_fields(self, layout: RingLayout) -> None:
        """Write size and addresses of the selected queue."""
        ...

    def enable_queue(self) -> int:
        """Put the selected queue into use and return what reads back."""
        ...

    def reset_queue(self) -> None:
        """Request the reset of the selected queue."""
        ...

    def read_queue_reset(self) -> tuple[int, int]:
        """Return `queue_reset` and `queue_enable` of the selected queue."""
        ...

    def map_vector(self, queue: int) -> int:
        """Map a queue, or configuration changes (-1), to a vector; return what reads back."""
        ...

    def ring(self, queue: int, value: int) -> None:
        """Write the doorbell."""
        ...

    def read_interrupt(self) -> int:
        """Return the cause of an interrupt, as bits of the interrupt status."""
        ...

    def acknowledge(self, bits: int) -> None:
        """Acknowledge these bits, if reading them does not."""
        ...

    def read_config(self, offset: int, length: int) -> tuple[int, int]:
        """Return a field of the configuration space and the generation it was read in."""
        ...

    def write_config(self, offset: int, length: int, value: int) -> None:
        """Write a field of the configuration space."""
        ...


class MmioAccess:
    """The registers of a direct-mapped device.

    Attributes:
        needs_acknowledge: An interrupt bit stays until it is acknowledged.
    """

    acknowledge_cost = 2
    needs_acknowledge = True

    def __init__(self, window: IoWindow) -> None:
        self.window = window
        self.accesses = 0

    def identify(self) -> int:
        """Return the device type; 0 if there is no virtio-mmio device of version 2."""
        if self._read(mmio.VIRTIO_MMIO_MAGIC_VALUE) != mmio.MAGIC:
            return 0
        if self._read(mmio.VIRTIO_MMIO_VERSION) != mmio.VERSION:
            return 0
        return self._read(mmio.VIRTIO_MMIO_DEVICE_ID)

    def read_status(self) -> int:
        """Return the device status."""
        return self._read(mmio.VIRTIO_MMIO_STATUS)

    def write_status(self, value: int) -> None:
        """Write the device status."""
        self._write(mmio.VIRTIO_MMIO_STATUS, value)

    def read_features(self) -> int:
        """Return the offered features."""
        features = 0
        for word in range(FEATURE_WORDS):
            self._write(mmio.VIRTIO_MMIO_DEVICE_FEATURES_SEL, word)
            features |= self._read(mmio.VIRTIO_MMIO_DEVICE_FEATURES) << 32 * word
        return features

    def write_features(self, features: int) -> None:
        """Write the accepted features."""
        for word in range(FEATURE_WORDS):
            self._write(mmio.VIRTIO_MMIO_DRIVER_FEATURES_SEL, word)
            self._write(mmio.VIRTIO_MMIO_DRIVER_FEATURES, features >> 32 * word & 0xFFFF_FFFF)

    def select_queue(self, index: int) -> int:
        """Select a queue and return the most descriptors that it may have."""
        self._write(mmio.VIRTIO_MMIO_QUEUE_SEL, index)
        return self._read(mmio.VIRTIO_MMIO_QUEUE_NUM_MAX)

    def write_queue_fields(self, layout: RingLayout) -> None:
        """Write size and addresses of the selected queue."""
        self._write(mmio.VIRTIO_MMIO_QUEUE_NUM, layout.size)
        starts = (
            mmio.VIRTIO_MMIO_QUEUE_DESC_LOW,
            mmio.VIRTIO_MMIO_QUEUE_AVAIL_LOW,
            mmio.VIRTIO_MMIO_QUEUE_USED_LOW,
        )
        for start, addr in zip(starts, layout.areas(), strict=True):
            self._write(start, addr & 0xFFFF_FFFF)
            self._write(start + 4, addr >> 32)

    def enable_queue(self) -> int:
        """Put the selected queue into use and return what reads back."""
        self._write(mmio.VIRTIO_MMIO_QUEUE_READY, 1)
        return self._read(mmio.VIRTIO_MMIO_QUEUE_READY)

    def reset_queue(self) -> None:
        """Request the reset of the selected queue."""
        self._write(mmio.VIRTIO_MMIO_QUEUE_RESET, 1)

    def read_queue_reset(self) -> tuple[int, int]:
        """Return `QueueReset` and `QueueReady` of the selected queue."""
        return self._read(mmio.VIRTIO_MMIO_QUEUE_RESET), self._read(mmio.VIRTIO_MMIO_QUEUE_READY)

    def map_vector(self, queue: int) -> int:  # noqa: ARG002
        """Return `NO_VECTOR`: all queues share one line."""
        return NO_VECTOR

    def ring(self, queue: int, value: int) -> None:  # noqa: ARG002
        """Write the doorbell; the value is the queue."""
        self._write(mmio.VIRTIO_MMIO_QUEUE_NOTIFY, value)

    def read_interrupt(self) -> int:
        """Return the interrupt status; reading does not change it."""
        return self._read(mmio.VIRTIO_MMIO_INTERRUPT_STATUS)

    def acknowledge(self, bits: int) -> None:
        """Acknowledge these bits."""
        self._write(mmio.VIRTIO_MMIO_INTERRUPT_ACK, bits)

    def read_config(self, offset: int, length: int) -> tuple[int, int]:
        """Return a field of the configuration space and the generation it was read in."""
        self.accesses += 1
        generation = self._read(mmio.VIRTIO_MMIO_CONFIG_GENERATION)
        return self.window.read(mmio.VIRTIO_MMIO_CONFIG + offset, length), generation

    def write_config(self, offset: int, length: int, value: int) -> None:
        """Write a field of the configuration space."""
        self.accesses += 1
        self.window.write(mmio.VIRTIO_MMIO_CONFIG + offset, length, value)

    def _read(self, offset: int) -> int:
        self.accesses += 1
        return self.window.read(offset, 4)

    def _write(self, offset: int, value: int) -> None:
        self.accesses += 1
        self.window.write(offset, 4, value)


class PciAccess:
    """The registers of a virtio function, found by its capabilities.

    Args:
        site: Buses and interrupts of the guest.
        function: As the PCI server has placed it.

    Attributes:
        has_msix: Whether messages are used; INTx otherwise.
        vectors: Guest interrupt number to the queue it belongs to, -1 for configuration.
    """

    needs_acknowledge = False

    def __init__(self, site: DriverSite, function: PlacedFunction) -> None:
        self.site = site
        self.placed = function
        self.accesses = 0
        self.multiplier = 0
        self.windows: dict[int, IoWindow] = {}
        self.doorbells: dict[int, int] = {}
        self.vectors: dict[int, int] = {}
        self.has_data = False
        self.table: IoWindow | None = None
        self.vectors_used = 0
        for offset, capability in function.capabilities:
            if capability == pci.PCI_CAP_ID_VNDR:
                self._map_structure(offset)
            elif capability == PCI_CAP_ID_MSIX:
                self._enable_msix(offset)

    @property
    def has_msix(self) -> bool:
        """Whether messages are used."""
        return self.table is not None

    @property
    def acknowledge_cost(self) -> int:
        """0 with messages, whose vector is the cause; 1 with INTx, for the read of the ISR."""
        return 0 if self.has_msix else 1

    def read_status(self) -> int:
        """Return the device status."""
        return self._read(pci.COMMON_CFG_DEVICE_STATUS, 1)

    def write_status(self, value: int) -> None:
        """Write the device status."""
        self._write(pci.COMMON_CFG_DEVICE_STATUS, 1, value)

    def read_features(self) -> int:
        """Return the offered features."""
        features = 0
        for word in range(FEATURE_WORDS):
            self._write(pci.COMMON_CFG_DEVICE_FEATURE_SELECT, 4, word)
            features |= self._read(pci.COMMON_CFG_DEVICE_FEATURE, 4) << 32 * word
        return features

    def write_features(self, features: int) -> None:
        """Write the accepted features."""
        self.has_data = has_feature(features, VIRTIO_F_NOTIFICATION_DATA)
        for word in range(FEATURE_WORDS):
            self._write(pci.COMMON_CFG_DRIVER_FEATURE_SELECT, 4, word)
            self._write(pci.COMMON_CFG_DRIVER_FEATURE, 4, features >> 32 * word & 0xFFFF_FFFF)

    def select_queue(self, index: int) -> int:
        """Select a queue, find its doorbell, and return the most descriptors it may have."""
        self._write(pci.COMMON_CFG_QUEUE_SELECT, 2, index)
        size = self._read(pci.COMMON_CFG_QUEUE_SIZE, 2)
        self.doorbells[index] = self._read(pci.COMMON_CFG_QUEUE_NOTIFY_OFF, 2) * self.multiplier
        return size

    def write_queue_fields(self, layout: RingLayout) -> None:
        """Write size and addresses of the selected queue."""
        self._write(pci.COMMON_CFG_QUEUE_SIZE, 2, layout.size)
        starts = (
            pci.COMMON_CFG_QUEUE_DESC,
            pci.COMMON_CFG_QUEUE_DRIVER,
            pci.COMMON_CFG_QUEUE_DEVICE,
        )
        for start, addr in zip(starts, layout.areas(), strict=True):
            self._write(start, 4, addr & 0xFFFF_FFFF)
            self._write(start + 4, 4, addr >> 32)

    def enable_queue(self) -> int:
        """Put the selected queue into use and return what reads back."""
        self._write(pci.COMMON_CFG_QUEUE_ENABLE, 2, 1)
        return self._read(pci.COMMON_CFG_QUEUE_ENABLE, 2)

    def reset_queue(self) -> None:
        """Request the reset of the selected queue."""
        self._write(pci.COMMON_CFG_QUEUE_RESET, 2, 1)

    def read_queue_reset(self) -> tuple[int, int]:
        """Return `queue_reset` and `queue_enable` of the selected queue."""
        reset = self._read(pci.COMMON_CFG_QUEUE_RESET, 2)
        return reset, self._read(pci.COMMON_CFG_QUEUE_ENABLE, 2)

    def map_vector(self, queue: int) -> int:
        """Give a queue, or configuration changes (-1), a message of its own, if there are any."""
        if self.table is None:
            return NO_VECTOR
        vector = self.vectors_used
        self.vectors_used += 1
        number = self.site.pic.allocate_message()
        self.vectors[number] = queue
        entry = vector * MSIX_ENTRY_SIZE
        for word, value in enumerate((_MESSAGE_ADDR, 0, number, 0)):
            self.accesses += 1
            self.table.write(entry + 4 * word, 4, value)
        field = pci.COMMON_CFG_MSIX_VECTOR if queue < 0 else pci.COMMON_CFG_QUEUE_MSIX_VECTOR
        self._write(field, 2, vector)
        return self._read(field, 2)

    def ring(self, queue: int, value: int) -> None:
        """Write the doorbell of a queue."""
        self.accesses += 1
        window = self.windows[pci.VIRTIO_PCI_CAP_NOTIFY_CFG]
        window.write(self.doorbells[queue], 4 if self.has_data else 2, value)

    def read_interrupt(self) -> int:
        """Return the ISR; reading clears it and lowers the line."""
        self.accesses += 1
        return self.windows[pci.VIRTIO_PCI_CAP_ISR_CFG].read(0, 1)

    def acknowledge(self, bits: int) -> None:
        """Do nothing: reading the ISR was the acknowledgement."""

    def read_config(self, offset: int, length: int) -> tuple[int, int]:
        """Return a field of the configuration space and the generation it was read in."""
        self.accesses += 1
        generation = self._read(pci.COMMON_CFG_CONFIG_GENERATION, 1)
        return self.windows[pci.VIRTIO_PCI_CAP_DEVICE_CFG].read(offset, length), generation

    def write_config(self, offset: int, length: int, value: int) -> None:
        """Write a field of the configuration space."""
        self.accesses += 1
        self.windows[pci.VIRTIO_PCI_CAP_DEVICE_CFG].write(offset, length, value)

    def _map_structure(self, offset: int) -> None:
        """Map the structure that a virtio capability names (VIRTIO 1.2, 4.1.4)."""
        raw = b"".join(
            self._config(offset + place).to_bytes(4, "little") for place in (0, 4, 8, 12)
        )
        _, kind, bar, start, _ = _CAPABILITY.unpack(raw[2:])
        if kind == pci.VIRTIO_PCI_CAP_NOTIFY_CFG:
            self.multiplier = self._config(offset + 16)
        if kind in self.windows or bar not in self.placed.bars:
            return  # the first structure of each kind is the preferred one
        self.windows[kind] = self.site.io.map(self.placed.bars[bar] + start)

    def _enable_msix(self, offset: int) -> None:
        place = self._config(offset + 4)
        self.table = self.site.io.map(self.placed.bars[place & 7] + (place & ~7))
        self.accesses += 1
        self.site.io.bus.write(self.placed.address, offset + 2, 2, MSIX_ENABLE)

    def _config(self, offset: int) -> int:
        self.accesses += 1
        value = self.site.io.bus.read(self.placed.address, offset, 4)
        assert value is not None
        return value

    def _read(self, offset: int, length: int) -> int:
        self.accesses += 1
        return self.windows[pci.VIRTIO_PCI_CAP_COMMON_CFG].read(offset, length)

    def _write(self, offset: int, length: int, value: int) -> None:
        self.accesses += 1
        self.windows[pci.VIRTIO_PCI_CAP_COMMON_CFG].write(offset, length, value)
