"""The driver side of a modern virtio PCI device: what a guest's driver does, register by register.

It knows a device by its capabilities only, so it drives QEMU's and the model's alike.
"""

from collections.abc import Iterator

from quiesce.model.virtio.device_registers import NO_VECTOR
from quiesce.model.virtio.device_status import DeviceStatus
from quiesce.model.virtio.effects import MsiMessage
from quiesce.model.virtio.features import VIRTIO_F_VERSION_1, feature_mask, has_feature
from quiesce.model.virtio.layout import RingLayout
from quiesce.model.virtio.memory import GuestMemory
from quiesce.model.virtio.msix import MSIX_ENABLE, MSIX_ENTRY_SIZE, PCI_CAP_ID_MSIX
from quiesce.model.virtio.pci_transport import (
    COMMON_CFG_CONFIG_GENERATION,
    COMMON_CFG_DEVICE_FEATURE,
    COMMON_CFG_DEVICE_FEATURE_SELECT,
    COMMON_CFG_DEVICE_STATUS,
    COMMON_CFG_DRIVER_FEATURE,
    COMMON_CFG_DRIVER_FEATURE_SELECT,
    COMMON_CFG_MSIX_VECTOR,
    COMMON_CFG_NUM_QUEUES,
    COMMON_CFG_QUEUE_DESC,
    COMMON_CFG_QUEUE_DEVICE,
    COMMON_CFG_QUEUE_DRIVER,
    COMMON_CFG_QUEUE_ENABLE,
    COMMON_CFG_QUEUE_MSIX_VECTOR,
    COMMON_CFG_QUEUE_NOTIFY_OFF,
    COMMON_CFG_QUEUE_RESET,
    COMMON_CFG_QUEUE_SELECT,
    COMMON_CFG_QUEUE_SIZE,
    PCI_CAP_ID_VNDR,
    VIRTIO_PCI_CAP,
    VIRTIO_PCI_CAP_COMMON_CFG,
    VIRTIO_PCI_CAP_DEVICE_CFG,
    VIRTIO_PCI_CAP_ISR_CFG,
    VIRTIO_PCI_CAP_NOTIFY_CFG,
)
from quiesce.model.virtio.queues import driver_queue, layout_at
from quiesce.model.virtio.virtqueue import DriverQueue

from .pci_access import FunctionAccess, place_bars

MESSAGE_CELLS = 0x8000
"""Where the messages of the MSI-X vectors land, one word each."""

RESET_LOOKS_MAX = 1000

_WIDTHS = {
    COMMON_CFG_DEVICE_FEATURE_SELECT: 4,
    COMMON_CFG_DEVICE_FEATURE: 4,
    COMMON_CFG_DRIVER_FEATURE_SELECT: 4,
    COMMON_CFG_DRIVER_FEATURE: 4,
    COMMON_CFG_MSIX_VECTOR: 2,
    COMMON_CFG_NUM_QUEUES: 2,
    COMMON_CFG_DEVICE_STATUS: 1,
    COMMON_CFG_CONFIG_GENERATION: 1,
    COMMON_CFG_QUEUE_SELECT: 2,
    COMMON_CFG_QUEUE_SIZE: 2,
    COMMON_CFG_QUEUE_MSIX_VECTOR: 2,
    COMMON_CFG_QUEUE_ENABLE: 2,
    COMMON_CFG_QUEUE_NOTIFY_OFF: 2,
    COMMON_CFG_QUEUE_RESET: 2,
}


class VirtioPciDriver:
    """A driver of one function, from the walk of its capabilities on.

    Args:
        access: The function.
        memory: Memory that driver and device share.
    """

    def __init__(self, access: FunctionAccess, memory: GuestMemory) -> None:
        self.access = access
        self.memory = memory
        self.msix_table = 0
        self.vectors = 0
        self.structures: dict[int, int] = {}
        """Kind of structure to its physical address."""
        self.notify_multiplier = 0
        self._walk(place_bars(access))

    def _walk(self, bars: dict[int, int]) -> None:
        for capability in self.access.found.capabilities:
            if capability.capability_id == PCI_CAP_ID_MSIX:
                self.msix_at = capability.offset
                table = int.from_bytes(capability.data[4:8], "little")
                self.msix_table = bars[table & 7] + (table & ~7)
                self.vectors = (int.from_bytes(capability.data[2:4], "little") & 0x7FF) + 1
            if capability.capability_id != PCI_CAP_ID_VNDR:
                continue
            body = capability.data[2 : 2 + VIRTIO_PCI_CAP.size]
            _, kind, bar, offset, _ = VIRTIO_PCI_CAP.unpack(body)
            if bar in bars:
                self.structures.setdefault(kind, bars[bar] + offset)
            if kind == VIRTIO_PCI_CAP_NOTIFY_CFG:
                self.notify_multiplier = int.from_bytes(capability.data[16:20], "little")

    # Registers.

    def read(self, field: int) -> int:
        """Read a field of the common configuration."""
        place = self.structures[VIRTIO_PCI_CAP_COMMON_CFG] + field
        return self.access.memory_read(place, _WIDTHS[field])

    def write(self, field: int, value: int) -> None:
        """Write a field of the common configuration."""
        place = self.structures[VIRTIO_PCI_CAP_COMMON_CFG] + field
        self.access.memory_write(place, _WIDTHS[field], value)

    @property
    def status(self) -> DeviceStatus:
        return DeviceStatus(self.read(COMMON_CFG_DEVICE_STATUS))

    def set_status(self, value: int) -> None:
        self.write(COMMON_CFG_DEVICE_STATUS, value)

    def read_isr(self) -> int:
        """Read and by that clear the interrupt status."""
        return self.access.memory_read(self.structures[VIRTIO_PCI_CAP_ISR_CFG], 1)

    def read_config(self, offset: int, length: int) -> bytes:
        """Read the device-specific configuration byte by byte."""
        start = self.structures[VIRTIO_PCI_CAP_DEVICE_CFG] + offset
        return bytes(self.access.memory_read(start + place, 1) for place in range(length))

    def write_config(self, offset: int, value: int) -> None:
        """Write one byte of the device-specific configuration."""
        self.access.memory_write(self.structures[VIRTIO_PCI_CAP_DEVICE_CFG] + offset, 1, value)

    # Initialisation, step by step.

    def reset(self) -> None:
        """Reset the device and wait until 0 is readable."""
        self.set_status(0)
        for _ in range(RESET_LOOKS_MAX):
            if self.status == 0:
                return
        raise AssertionError("the reset does not end")

    def offered(self) -> int:
        features = 0
        for word in range(2):
            self.write(COMMON_CFG_DEVICE_FEATURE_SELECT, word)
            features |= self.read(COMMON_CFG_DEVICE_FEATURE) << 32 * word
        return features

    def accept(self, features: int) -> None:
        for word in range(2):
            self.write(COMMON_CFG_DRIVER_FEATURE_SELECT, word)
            self.write(COMMON_CFG_DRIVER_FEATURE, features >> 32 * word & 0xFFFF_FFFF)

    def negotiate(self, features: int) -> bool:
        """Go from reset to FEATURES_OK; return whether the device agrees."""
        self.set_status(DeviceStatus.ACKNOWLEDGE)
        self.set_status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER)
        self.accept(features)
        wanted = DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER | DeviceStatus.FEATURES_OK
        self.set_status(wanted)
        return DeviceStatus.FEATURES_OK in self.status

    def select_queue(self, index: int) -> None:
        self.write(COMMON_CFG_QUEUE_SELECT, index)

    def place_queue(self, index: int, layout: RingLayout, vector: int = NO_VECTOR) -> None:
        """Write size, addresses and vector of a queue; it is not in use yet."""
        self.select_queue(index)
        self.write(COMMON_CFG_QUEUE_SIZE, layout.size)
        self.write(COMMON_CFG_QUEUE_MSIX_VECTOR, vector)
        fields = (COMMON_CFG_QUEUE_DESC, COMMON_CFG_QUEUE_DRIVER, COMMON_CFG_QUEUE_DEVICE)
        for field, addr in zip(fields, layout.areas(), strict=True):
            place = self.structures[VIRTIO_PCI_CAP_COMMON_CFG] + field
            self.access.memory_write(place, 4, addr & 0xFFFF_FFFF)
            self.access.memory_write(place + 4, 4, addr >> 32)

    def enable_queue(self, index: int) -> None:
        self.select_queue(index)
        self.write(COMMON_CFG_QUEUE_ENABLE, 1)

    def set_up_queue(
        self, index: int, size: int, base: int, features: int, vector: int = NO_VECTOR
    ) -> DriverQueue:
        """Lay out a queue in memory, write its registers, and put it into use."""
        layout = layout_at(base, size, features)
        queue = driver_queue(self.memory, layout, features)
        queue.initialise()
        self.place_queue(index, layout, vector)
        self.enable_queue(index)
        return queue

    def go_live(self) -> None:
        self.set_status(self.status | DeviceStatus.DRIVER_OK)

    def ring_doorbell(self, index: int) -> None:
        self.select_queue(index)
        offset = self.read(COMMON_CFG_QUEUE_NOTIFY_OFF) * self.notify_multiplier
        place = self.structures[VIRTIO_PCI_CAP_NOTIFY_CFG] + offset
        self.access.memory_write(place, 2, index)

    # Message interrupts.

    def enable_msix(self, cells: int = MESSAGE_CELLS) -> None:
        """Point every vector at a word of memory of its own and turn MSI-X on."""
        control = self.access.config_read(self.msix_at + 2, 2)
        self.access.config_write(self.msix_at + 2, 2, control | MSIX_ENABLE)
        for vector in range(self.vectors):
            entry = self.msix_table + MSIX_ENTRY_SIZE * vector
            for place, word in enumerate((cells + 4 * vector, 0, vector + 1, 0)):
                self.access.memory_write(entry + 4 * place, 4, word)
        self.memory.write(cells, bytes(4 * self.vectors))

    def disable_msix(self) -> None:
        control = self.access.config_read(self.msix_at + 2, 2)
        self.access.config_write(self.msix_at + 2, 2, control & ~MSIX_ENABLE)

    def take_messages(self, cells: int = MESSAGE_CELLS) -> tuple[int, ...]:
        """Return the vectors whose message has come since the last look, and clear them."""
        words = self.memory.read(cells, 4 * self.vectors)
        came = tuple(v for v in range(self.vectors) if any(words[4 * v : 4 * v + 4]))
        if came:
            self.memory.write(cells, bytes(4 * self.vectors))
        return came


def with_version_1(*bits: int) -> int:
    """Return features as a number, VIRTIO_F_VERSION_1 among them."""
    return feature_mask(VIRTIO_F_VERSION_1, *bits)


def common_features(*offers: int) -> int:
    """Return what all of several devices offer."""
    common = -1
    for offer in offers:
        common &= offer
    return common


def land(memory: GuestMemory, message: MsiMessage) -> None:
    """Let a message interrupt of the model land where its vector points."""
    memory.write(message.addr, message.data.to_bytes(4, "little"))


def bits_of(features: int) -> Iterator[int]:
    """Give the numbers of the bits that are set."""
    return (bit for bit in range(features.bit_length()) if has_feature(features, bit))
