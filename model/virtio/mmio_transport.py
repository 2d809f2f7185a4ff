"""The registers of a virtio-mmio device, version 2, and its one level interrupt.

        0x000 magic, version, ids     0x030 queue selection and set-up    0x0b0 shared memory
        0x010 features                0x050 doorbell                      0x0c0 queue reset
        0x060 interrupt, 0x070 status 0x080 queue addresses               0x100 configuration

The line is asserted as long as the interrupt status is not 0.  Control registers take aligned
accesses of 32 bits only; the configuration space takes 8, 16 and 32 bits.

Source:
    VIRTIO 1.2, 4.2.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from .device_registers import ISR_CONFIG, ISR_QUEUE, DeviceRegisters, QueueRegisters
from .effects import AccessRefused, Effect, InterruptAcknowledged, QueueReadyChanged

MAGIC = 0x74726976
VERSION = 2

VIRTIO_MMIO_MAGIC_VALUE = 0x000
VIRTIO_MMIO_VERSION = 0x004
VIRTIO_MMIO_DEVICE_ID = 0x008
VIRTIO_MMIO_VENDOR_ID = 0x00C
VIRTIO_MMIO_DEVICE_FEATURES = 0x010
VIRTIO_MMIO_DEVICE_FEATURES_SEL = 0x014
VIRTIO_MMIO_DRIVER_FEATURES = 0x020
VIRTIO_MMIO_DRIVER_FEATURES_SEL = 0x024
VIRTIO_MMIO_QUEUE_SEL = 0x030
VIRTIO_MMIO_QUEUE_NUM_MAX = 0x034
VIRTIO_MMIO_QUEUE_NUM = 0x038
VIRTIO_MMIO_QUEUE_READY = 0x044
VIRTIO_MMIO_QUEUE_NOTIFY = 0x050
VIRTIO_MMIO_INTERRUPT_STATUS = 0x060
VIRTIO_MMIO_INTERRUPT_ACK = 0x064
VIRTIO_MMIO_STATUS = 0x070
VIRTIO_MMIO_QUEUE_DESC_LOW = 0x080
VIRTIO_MMIO_QUEUE_DESC_HIGH = 0x084
VIRTIO_MMIO_QUEUE_AVAIL_LOW = 0x090
VIRTIO_MMIO_QUEUE_AVAIL_HIGH = 0x094
VIRTIO_MMIO_QUEUE_USED_LOW = 0x0A0
VIRTIO_MMIO_QUEUE_USED_HIGH = 0x0A4
VIRTIO_MMIO_SHM_SEL = 0x0AC
VIRTIO_MMIO_SHM_LEN_LOW = 0x0B0
VIRTIO_MMIO_SHM_LEN_HIGH = 0x0B4
VIRTIO_MMIO_SHM_BASE_LOW = 0x0B8
VIRTIO_MMIO_SHM_BASE_HIGH = 0x0BC
VIRTIO_MMIO_QUEUE_RESET = 0x0C0
VIRTIO_MMIO_CONFIG_GENERATION = 0x0FC
VIRTIO_MMIO_CONFIG = 0x100

_AREAS = {
    VIRTIO_MMIO_QUEUE_DESC_LOW: ("descriptor_area", 0),
    VIRTIO_MMIO_QUEUE_DESC_HIGH: ("descriptor_area", 32),
    VIRTIO_MMIO_QUEUE_AVAIL_LOW: ("driver_area", 0),
    VIRTIO_MMIO_QUEUE_AVAIL_HIGH: ("driver_area", 32),
    VIRTIO_MMIO_QUEUE_USED_LOW: ("device_area", 0),
    VIRTIO_MMIO_QUEUE_USED_HIGH: ("device_area", 32),
}
_NO_REGION = (1 << 64) - 1


class MmioTransport:
    """The register file of one virtio-mmio device.

    Args:
        registers: The registers that do not depend on the transport.
        vendor_id: The value of the register `VendorID`.
        shared_regions: Shared memory regions by id: base address and length.
    """

    def __init__(
        self,
        registers: DeviceRegisters,
        vendor_id: int,
        shared_regions: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self.registers = registers
        self.vendor_id = vendor_id
        self.shared_regions = dict(shared_regions or {})
        self.shared_region_select = 0

    @property
    def line_is_asserted(self) -> bool:
        """Whether the device asserts its interrupt line (VIRTIO 1.2, 4.2.3.4)."""
        return self.registers.interrupt_status != 0

    def read(self, offset: int, length: int) -> int:
        """Return the value of a read; 0 where the driver cannot or must not read."""
        if offset >= VIRTIO_MMIO_CONFIG:
            if offset % length:
                return 0
            return self.registers.read_config(offset - VIRTIO_MMIO_CONFIG, length)
        if length != 4 or offset % 4:
            return 0
        reader = self._READERS.get(offset)
        return reader(self) if reader is not None else 0

    def write(self, offset: int, length: int, value: int) -> list[Effect]:
        """Carry out a write.

        Args:
            offset: From the start of the device's registers.
            length: Bytes.
            value: The value, as a little-endian number of that length.

        Returns:
            The effects beyond the registers themselves; an `AccessRefused` if the write is not
            carried out.
        """
        if offset >= VIRTIO_MMIO_CONFIG:
            if length not in {1, 2, 4} or offset % length:
                return [AccessRefused(offset, length, "not an aligned access of 8, 16 or 32 bits")]
            return self.registers.write_config(offset - VIRTIO_MMIO_CONFIG, length, value)
        if length != 4 or offset % 4:
            return [AccessRefused(offset, length, "not an aligned access of 32 bits")]
        if offset in _AREAS:
            return self._write_area(offset, value)
        writer = self._WRITERS.get(offset)
        if writer is None:
            return [AccessRefused(offset, length, "no register that can be written")]
        return writer(self, value)

    def notify_used(self, index: int) -> None:
        """Send a used buffer notification for a queue; all queues share the line."""
        assert index < len(self.registers.queues)
        self.registers.interrupt_status |= ISR_QUEUE

    def notify_config(self) -> None:
        """Send a configuration change notification."""
        self.registers.interrupt_status |= ISR_CONFIG

    def complete_reset(self) -> None:
        """End a device reset: 0 becomes readable, the line drops, no queue is ready."""
        self.registers.complete_reset()

    def complete_queue_reset(self, index: int) -> None:
        """End the reset of one queue."""
        self.registers.complete_queue_reset(index)

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (self.registers.state(), self.shared_region_select)

    def _of_queue(self, name: str) -> int:
        queue = self.registers.selected
        return 0 if queue is None else int(getattr(queue, name))

    def _region(self) -> tuple[int, int]:
        return self.shared_regions.get(self.shared_region_select, (_NO_REGION, _NO_REGION))

    def _settable_queue(self, offset: int) -> QueueRegisters | AccessRefused:
        """Return the selected queue if its size and addresses may be set now (4.2.2.2)."""
        queue = self.registers.selected
        if queue is None:
            return AccessRefused(offset, 4, f"there is no queue {self.registers.queue_select}")
        if queue.is_ready:
            return AccessRefused(offset, 4, "the queue is ready")
        return queue

    def _write_area(self, offset: int, value: int) -> list[Effect]:
        queue = self._settable_queue(offset)
        if isinstance(queue, AccessRefused):
            return [queue]
        name, shift = _AREAS[offset]
        others = getattr(queue, name) & ~(0xFFFFFFFF << shift)
        setattr(queue, name, others | value << shift)
        return []

    def _write_queue_size(self, value: int) -> list[Effect]:
        queue = self._settable_queue(VIRTIO_MMIO_QUEUE_NUM)
        if isinstance(queue, AccessRefused):
            return [queue]
        if value > queue.size_max:
            return [AccessRefused(VIRTIO_MMIO_QUEUE_NUM, 4, f"more than {queue.size_max}")]
        queue.size = value
        return []

    def _write_queue_ready(self, value: int) -> list[Effect]:
        queue = self.registers.selected
        if queue is None:
            return [AccessRefused(VIRTIO_MMIO_QUEUE_READY, 4, "there is no such queue")]
        if value & 1:
            return self.registers.enable_selected()
        if not queue.is_ready:
            return []
        queue.is_ready = False
        return [QueueReadyChanged(self.registers.queue_select, is_ready=False)]

    def _write_queue_reset(self, value: int) -> list[Effect]:
        if self.registers.selected is None or value != 1:
            return [AccessRefused(VIRTIO_MMIO_QUEUE_RESET, 4, "only 1, for a queue that exists")]
        return self.registers.request_queue_reset()

    def _acknowledge(self, value: int) -> list[Effect]:
        bits = value & self.registers.interrupt_status
        self.registers.interrupt_status &= ~bits
        return [InterruptAcknowledged(bits)]

    def _write_device_features_select(self, value: int) -> list[Effect]:
        self.registers.device_features_select = value
        return []

    def _write_driver_features(self, value: int) -> list[Effect]:
        self.registers.write_accepted_word(value)
        return []

    def _write_driver_features_select(self, value: int) -> list[Effect]:
        self.registers.driver_features_select = value
        return []

    def _write_queue_select(self, value: int) -> list[Effect]:
        self.registers.queue_select = value
        return []

    def _write_region_select(self, value: int) -> list[Effect]:
        self.shared_region_select = value
        return []

    _READERS: ClassVar[dict[int, Callable[["MmioTransport"], int]]] = {
        VIRTIO_MMIO_MAGIC_VALUE: lambda _: MAGIC,
        VIRTIO_MMIO_VERSION: lambda _: VERSION,
        VIRTIO_MMIO_DEVICE_ID: lambda self: self.registers.device_id,
        VIRTIO_MMIO_VENDOR_ID: lambda self: self.vendor_id,
        VIRTIO_MMIO_DEVICE_FEATURES: lambda self: self.registers.offered_word,
        VIRTIO_MMIO_QUEUE_NUM_MAX: lambda self: self._of_queue("size_max"),
        VIRTIO_MMIO_QUEUE_READY: lambda self: self._of_queue("is_ready"),
        VIRTIO_MMIO_INTERRUPT_STATUS: lambda self: self.registers.interrupt_status,
        VIRTIO_MMIO_STATUS: lambda self: int(self.registers.machine.status),
        VIRTIO_MMIO_SHM_LEN_LOW: lambda self: self._region()[1] & 0xFFFFFFFF,
        VIRTIO_MMIO_SHM_LEN_HIGH: lambda self: self._region()[1] >> 32,
        VIRTIO_MMIO_SHM_BASE_LOW: lambda self: self._region()[0] & 0xFFFFFFFF,
        VIRTIO_MMIO_SHM_BASE_HIGH: lambda self: self._region()[0] >> 32,
        VIRTIO_MMIO_QUEUE_RESET: lambda self: self._of_queue("is_resetting"),
        VIRTIO_MMIO_CONFIG_GENERATION: lambda self: self.registers.config_generation,
    }

    _WRITERS: ClassVar[dict[int, Callable[["MmioTransport", int], list[Effect]]]] = {
        VIRTIO_MMIO_DEVICE_FEATURES_SEL: _write_device_features_select,
        VIRTIO_MMIO_DRIVER_FEATURES: _write_driver_features,
        VIRTIO_MMIO_DRIVER_FEATURES_SEL: _write_driver_features_select,
        VIRTIO_MMIO_QUEUE_SEL: _write_queue_select,
        VIRTIO_MMIO_QUEUE_NUM: _write_queue_size,
        VIRTIO_MMIO_QUEUE_READY: _write_queue_ready,
        VIRTIO_MMIO_QUEUE_NOTIFY: lambda self, value: self.registers.notified(value),
        VIRTIO_MMIO_INTERRUPT_ACK: _acknowledge,
        VIRTIO_MMIO_STATUS: lambda self, value: self.registers.write_status(value),
        VIRTIO_MMIO_SHM_SEL: _write_region_select,
        VIRTIO_MMIO_QUEUE_RESET: _write_queue_reset,
    }
