"""A modern virtio device on PCI: capabilities, common configuration, doorbells, interrupts.

        BAR 1  MSI-X table and pending bits
        BAR 4  0x0000 common configuration   0x1000 interrupt status (ISR)
               0x2000 device configuration   0x3000 doorbells, one each 4 bytes

The capabilities give the offsets, so a driver does not depend on this arrangement, which is that of
QEMU.

With MSI-X enabled an event is a message, or has no interrupt if no vector is mapped.  Without it an
event sets a bit of the ISR and asserts INTx; reading the ISR clears both.

Source:
    VIRTIO 1.2, 4.1; identity QNX 7.1 hypervisor guide, virtio guest.
"""

from collections.abc import Callable
from struct import Struct
from typing import ClassVar

from .device_registers import ISR_CONFIG, ISR_QUEUE, NO_VECTOR, DeviceRegisters, QueueRegisters
from .effects import AccessRefused, CapabilityWritten, Effect, MsiMessage, VectorMapped
from .features import VIRTIO_F_NOTIFICATION_DATA, has_feature
from .pci_function import Bar, PciFunction, PciIdentity

VIRTIO_PCI_VENDOR_ID = 0x1AF4
VIRTIO_PCI_DEVICE_ID_BASE = 0x1040
QNX_SUBSYSTEM_VENDOR_ID = 0x1C05
SUBSYSTEM_ID_BASE = 0x40

PCI_CAP_ID_VNDR = 0x09
VIRTIO_PCI_CAP_COMMON_CFG = 1
VIRTIO_PCI_CAP_NOTIFY_CFG = 2
VIRTIO_PCI_CAP_ISR_CFG = 3
VIRTIO_PCI_CAP_DEVICE_CFG = 4
VIRTIO_PCI_CAP_PCI_CFG = 5
VIRTIO_PCI_CAP = Struct("<BBBxxxII")
"""The capability behind id and next pointer: length, type, BAR, offset, length."""

COMMON_CFG_DEVICE_FEATURE_SELECT = 0
COMMON_CFG_DEVICE_FEATURE = 4
COMMON_CFG_DRIVER_FEATURE_SELECT = 8
COMMON_CFG_DRIVER_FEATURE = 12
COMMON_CFG_MSIX_VECTOR = 16
COMMON_CFG_NUM_QUEUES = 18
COMMON_CFG_DEVICE_STATUS = 20
COMMON_CFG_CONFIG_GENERATION = 21
COMMON_CFG_QUEUE_SELECT = 22
COMMON_CFG_QUEUE_SIZE = 24
COMMON_CFG_QUEUE_MSIX_VECTOR = 26
COMMON_CFG_QUEUE_ENABLE = 28
COMMON_CFG_QUEUE_NOTIFY_OFF = 30
COMMON_CFG_QUEUE_DESC = 32
COMMON_CFG_QUEUE_DRIVER = 40
COMMON_CFG_QUEUE_DEVICE = 48
COMMON_CFG_QUEUE_NOTIFY_DATA = 56
COMMON_CFG_QUEUE_RESET = 58
COMMON_CFG_SIZE = 64

MSIX_BAR = Bar(index=1, size=0x1000)
REGISTER_BAR = Bar(index=4, size=0x4000, is_64bit=True, is_prefetchable=True)
COMMON_OFFSET = 0x0000
ISR_OFFSET = 0x1000
DEVICE_OFFSET = 0x2000
NOTIFY_OFFSET = 0x3000
NOTIFY_MULTIPLIER = 4

_AREAS = {
    COMMON_CFG_QUEUE_DESC: ("descriptor_area", 0),
    COMMON_CFG_QUEUE_DESC + 4: ("descriptor_area", 32),
    COMMON_CFG_QUEUE_DRIVER: ("driver_area", 0),
    COMMON_CFG_QUEUE_DRIVER + 4: ("driver_area", 32),
    COMMON_CFG_QUEUE_DEVICE: ("device_area", 0),
    COMMON_CFG_QUEUE_DEVICE + 4: ("device_area", 32),
}


def virtio_pci_identity(device_id: int, class_code: int) -> PciIdentity:
    """Return the PCI identity of a virtio device in a QNX VM.

    Args:
        device_id: The virtio device type.
        class_code: Base class, sub-class and programming interface, 24 bits.
    """
    return PciIdentity(
        vendor_id=VIRTIO_PCI_VENDOR_ID,
        device_id=VIRTIO_PCI_DEVICE_ID_BASE + device_id,
        class_code=class_code,
        revision=1,
        subsystem_vendor_id=QNX_SUBSYSTEM_VENDOR_ID,
        subsystem_id=SUBSYSTEM_ID_BASE + device_id,
        interrupt_pin=1,
    )


class PciTransport:
    """The register file of one modern virtio PCI device.

    Args:
        registers: The registers that do not depend on the transport.
        class_code: Base class, sub-class and programming interface, 24 bits.
        vectors: MSI-X vectors; by default one for each queue and one for configuration changes,
            0 for a device with INTx only.
    """

    def __init__(
        self, registers: DeviceRegisters, class_code: int, vectors: int | None = None
    ) -> None:
        self.registers = registers
        vectors = len(registers.queues) + 1 if vectors is None else vectors
        self.vectors = vectors
        bars = (MSIX_BAR, REGISTER_BAR) if vectors else (REGISTER_BAR,)
        identity = virtio_pci_identity(registers.device_id, class_code)
        self.function = PciFunction(identity, bars, msix_vectors=vectors)
        notify_length = NOTIFY_MULTIPLIER * len(registers.queues)
        self._add_structure(VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFFSET, COMMON_CFG_SIZE)
        multiplier = NOTIFY_MULTIPLIER.to_bytes(4, "little")
        self._add_structure(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET, notify_length, multiplier)
        self._add_structure(VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET, 1)
        self._add_structure(VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFFSET, len(registers.config))
        self.window = self._add_window()
        """Offset in configuration space of the PCI_CFG capability."""

    @property
    def line_is_asserted(self) -> bool:
        """Whether the device asserts INTx."""
        return self.function.intx_is_asserted

    def config_read(self, offset: int, length: int) -> int:
        """Return the value of a configuration read; the window reads through to the BAR."""
        if self.window + 16 <= offset < self.window + 20:
            access = self._window_access(offset)
            if isinstance(access, AccessRefused):
                return 0
            return self.bar_read(*access) & (1 << 8 * length) - 1
        return self.function.read(offset, length)

    def config_write(self, offset: int, length: int, value: int) -> list[Effect]:
        """Carry out a configuration write; the window writes through to the BAR."""
        effects = self.function.write(offset, length, value)
        if not self.window + 16 <= offset < self.window + 20:
            return [effect for effect in effects if not isinstance(effect, CapabilityWritten)]
        access = self._window_access(offset)
        if isinstance(access, AccessRefused):
            return [access]
        bar, place, width = access
        return self.bar_write(bar, place, width, value & (1 << 8 * width) - 1)

    def bar_read(self, bar: int, offset: int, length: int) -> int:
        """Return the value of a read at an offset of a BAR; 0 where there is no register."""
        if bar == MSIX_BAR.index and self.function.msix is not None:
            return self.function.msix.read(offset, length)
        if bar != REGISTER_BAR.index:
            return 0
        structure, place = offset & ~0xFFF, offset & 0xFFF
        if structure == COMMON_OFFSET:
            return self._read_common(place, length)
        if structure == ISR_OFFSET and place == 0:
            return self._read_isr()
        if structure == DEVICE_OFFSET:
            return self.registers.read_config(place, length)
        return 0

    def bar_write(self, bar: int, offset: int, length: int, value: int) -> list[Effect]:
        """Carry out a write at an offset of a BAR and return its effects."""
        if bar == MSIX_BAR.index and self.function.msix is not None:
            return self.function.msix.write(offset, length, value)
        structure, place = offset & ~0xFFF, offset & 0xFFF
        if bar == REGISTER_BAR.index and structure == COMMON_OFFSET:
            return self._write_common(place, length, value)
        if bar == REGISTER_BAR.index and structure == DEVICE_OFFSET:
            return self.registers.write_config(place, length, value)
        if bar == REGISTER_BAR.index and structure == NOTIFY_OFFSET:
            return self._write_doorbell(place, length, value)
        return [AccessRefused(offset, length, f"no register that can be written in BAR {bar}")]

    def notify_used(self, index: int) -> MsiMessage | None:
        """Send a used buffer notification; return its message if it has one and is not masked."""
        return self._notify(self.registers.queues[index].vector, ISR_QUEUE)

    def notify_config(self) -> MsiMessage | None:
        """Send a configuration change notification."""
        return self._notify(self.registers.config_vector, ISR_CONFIG)

    def complete_reset(self) -> None:
        """End a device reset: 0 becomes readable; queues, vectors and interrupts are cleared."""
        self.registers.complete_reset()
        self.function.set_intx(False)
        if self.function.msix is not None:
            for vector in range(self.vectors):
                # Invariant: no message that was pending behind a mask goes out after the reset.
                self.function.msix.withdraw(vector)

    def complete_queue_reset(self, index: int) -> None:
        """End the reset of one queue."""
        self.registers.complete_queue_reset(index)

    def function_reset(self) -> None:
        """Return device and function to the state after power-on, as a function level reset."""
        self.registers.reset_now()
        self.function.reset()

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (self.registers.state(), self.function.state())

    def _add_structure(self, kind: int, offset: int, length: int, tail: bytes = b"") -> int:
        cap_length = 2 + VIRTIO_PCI_CAP.size + len(tail)
        body = VIRTIO_PCI_CAP.pack(cap_length, kind, REGISTER_BAR.index, offset, length)
        return self.function.add_capability(PCI_CAP_ID_VNDR, body + tail)

    def _add_window(self) -> int:
        body = VIRTIO_PCI_CAP.pack(20, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0) + bytes(4)
        writable = bytearray(len(body))
        writable[2] = 0xFF  # bar
        writable[6:14] = b"\xff" * 8  # offset and length
        return self.function.add_capability(PCI_CAP_ID_VNDR, body, bytes(writable))

    def _window_access(self, offset: int) -> tuple[int, int, int] | AccessRefused:
        """Return BAR, offset and length that the window is set to (VIRTIO 1.2, 4.1.4.9)."""
        bar = self.function.read(self.window + 4, 1)
        place = self.function.read(self.window + 8, 4)
        length = self.function.read(self.window + 12, 4)
        known = self.function.bars.get(bar)
        if length not in {1, 2, 4} or place % length or known is None:
            return AccessRefused(offset, 4, "the window is not set to an aligned access of a BAR")
        if place + length > known.size:
            return AccessRefused(offset, 4, "the window is set to beyond the BAR")
        return bar, place, length

    def _notify(self, vector: int, isr_bit: int) -> MsiMessage | None:
        msix = self.function.msix
        has_messages = msix is not None and msix.is_enabled
        # Invariant: the bit is set before the interrupt.  The bit of a configuration change is set
        # in any case, that of a queue only if the interrupt goes by the line (4.1.4.5.1).
        if isr_bit == ISR_CONFIG or not has_messages:
            self.registers.interrupt_status |= isr_bit
        if msix is not None and msix.is_enabled:
            return None if vector == NO_VECTOR else msix.signal(vector)
        self.function.set_intx(True)
        return None

    def _read_isr(self) -> int:
        status = self.registers.interrupt_status
        self.registers.interrupt_status = 0
        self.function.set_intx(False)
        return status

    def _write_doorbell(self, place: int, length: int, value: int) -> list[Effect]:
        index = place // NOTIFY_MULTIPLIER
        has_data = has_feature(self.registers.machine.negotiated, VIRTIO_F_NOTIFICATION_DATA)
        if place % NOTIFY_MULTIPLIER or index >= len(self.registers.queues):
            return [AccessRefused(NOTIFY_OFFSET + place, length, "no doorbell")]
        if length != (4 if has_data else 2):
            width = 32 if has_data else 16
            return [AccessRefused(NOTIFY_OFFSET + place, length, f"a doorbell takes {width} bits")]
        # The offset gives the queue; the value repeats it (4.1.5.2).
        return self.registers.notified(value & ~0xFFFF | index)

    def _read_common(self, place: int, length: int) -> int:
        if place in _AREAS:
            return self._area(place) if length == 4 else 0
        field = self._FIELDS.get(place)
        if field is None or length != field[0]:
            return 0
        return field[1](self)

    def _write_common(self, place: int, length: int, value: int) -> list[Effect]:
        if place in _AREAS and length == 4:
            return self._write_area(place, value)
        field = self._FIELDS.get(place)
        if field is None or length != field[0]:
            return [AccessRefused(place, length, "not an access to a whole field")]
        writer = self._WRITERS.get(place)
        if writer is None:
            return [AccessRefused(place, length, "the field is read-only")]
        return writer(self, value)

    def _of_queue(self, name: str, absent: int = 0) -> int:
        queue = self.registers.selected
        return absent if queue is None else int(getattr(queue, name))

    def _area(self, place: int) -> int:
        name, shift = _AREAS[place]
        return self._of_queue(name) >> shift & 0xFFFFFFFF

    def _settable_queue(self, place: int, length: int) -> QueueRegisters | AccessRefused:
        queue = self.registers.selected
        if queue is None:
            return AccessRefused(place, length, f"no queue {self.registers.queue_select}")
        if queue.is_ready:
            return AccessRefused(place, length, "the queue is enabled")
        return queue

    def _write_area(self, place: int, value: int) -> list[Effect]:
        queue = self._settable_queue(place, 4)
        if isinstance(queue, AccessRefused):
            return [queue]
        name, shift = _AREAS[place]
        others = getattr(queue, name) & ~(0xFFFFFFFF << shift)
        setattr(queue, name, others | value << shift)
        return []

    def _write_queue_size(self, value: int) -> list[Effect]:
        queue = self._settable_queue(COMMON_CFG_QUEUE_SIZE, 2)
        if isinstance(queue, AccessRefused):
            return [queue]
        if value > queue.size_max:
            return [AccessRefused(COMMON_CFG_QUEUE_SIZE, 2, f"more than {queue.size_max}")]
        queue.size = value
        return []

    def _write_queue_enable(self, value: int) -> list[Effect]:
        if value != 1 or self.registers.selected is None:
            # A driver never writes 0 here (4.1.4.3.2); only a reset takes a queue out of use.
            return [AccessRefused(COMMON_CFG_QUEUE_ENABLE, 2, "only 1, for a queue that exists")]
        return self.registers.enable_selected()

    def _write_queue_reset(self, value: int) -> list[Effect]:
        if value != 1 or self.registers.selected is None:
            return [AccessRefused(COMMON_CFG_QUEUE_RESET, 2, "only 1, for a queue that exists")]
        return self.registers.request_queue_reset()

    def _write_config_vector(self, value: int) -> list[Effect]:
        self.registers.config_vector = value if value < self.vectors else NO_VECTOR
        return [VectorMapped(None, self.registers.config_vector)]

    def _write_queue_vector(self, value: int) -> list[Effect]:
        queue = self.registers.selected
        if queue is None:
            return [AccessRefused(COMMON_CFG_QUEUE_MSIX_VECTOR, 2, "there is no such queue")]
        queue.vector = value if value < self.vectors else NO_VECTOR
        return [VectorMapped(self.registers.queue_select, queue.vector)]

    def _set_select(self, name: str, value: int) -> list[Effect]:
        setattr(self.registers, name, value)
        return []

    def _write_accepted(self, value: int) -> list[Effect]:
        self.registers.write_accepted_word(value)
        return []

    _FIELDS: ClassVar[dict[int, tuple[int, Callable[["PciTransport"], int]]]] = {
        COMMON_CFG_DEVICE_FEATURE_SELECT: (4, lambda self: self.registers.device_features_select),
        COMMON_CFG_DEVICE_FEATURE: (4, lambda self: self.registers.offered_word),
        COMMON_CFG_DRIVER_FEATURE_SELECT: (4, lambda self: self.registers.driver_features_select),
        COMMON_CFG_DRIVER_FEATURE: (4, lambda self: self.registers.accepted_word),
        COMMON_CFG_MSIX_VECTOR: (2, lambda self: self.registers.config_vector),
        COMMON_CFG_NUM_QUEUES: (2, lambda self: len(self.registers.queues)),
        COMMON_CFG_DEVICE_STATUS: (1, lambda self: int(self.registers.machine.status)),
        COMMON_CFG_CONFIG_GENERATION: (1, lambda self: self.registers.config_generation & 0xFF),
        COMMON_CFG_QUEUE_SELECT: (2, lambda self: self.registers.queue_select),
        COMMON_CFG_QUEUE_SIZE: (2, lambda self: self._of_queue("size")),
        COMMON_CFG_QUEUE_MSIX_VECTOR: (2, lambda self: self._of_queue("vector", NO_VECTOR)),
        COMMON_CFG_QUEUE_ENABLE: (2, lambda self: self._of_queue("is_ready")),
        COMMON_CFG_QUEUE_NOTIFY_OFF: (2, lambda self: self.registers.queue_select),
        COMMON_CFG_QUEUE_NOTIFY_DATA: (2, lambda self: self.registers.queue_select),
        COMMON_CFG_QUEUE_RESET: (2, lambda self: self._of_queue("is_resetting")),
    }

    _WRITERS: ClassVar[dict[int, Callable[["PciTransport", int], list[Effect]]]] = {
        COMMON_CFG_DEVICE_FEATURE_SELECT: lambda self, value: self._set_select(
            "device_features_select", value
        ),
        COMMON_CFG_DRIVER_FEATURE_SELECT: lambda self, value: self._set_select(
            "driver_features_select", value
        ),
        COMMON_CFG_DRIVER_FEATURE: _write_accepted,
        COMMON_CFG_MSIX_VECTOR: _write_config_vector,
        COMMON_CFG_DEVICE_STATUS: lambda self, value: self.registers.write_status(value),
        COMMON_CFG_QUEUE_SELECT: lambda self, value: self._set_select("queue_select", value),
        COMMON_CFG_QUEUE_SIZE: _write_queue_size,
        COMMON_CFG_QUEUE_MSIX_VECTOR: _write_queue_vector,
        COMMON_CFG_QUEUE_ENABLE: _write_queue_enable,
        COMMON_CFG_QUEUE_RESET: _write_queue_reset,
    }
