"""One of the two devices that are compared, with its driver, its memory and its disk."""

from collections.abc import Callable

import msgspec

from quiesce.model.virtio.block_format import (
    HEADER_SIZE,
    VIRTIO_BLK_F_CONFIG_WCE,
    WRITEBACK_OFFSET,
    BlockRequestHeader,
    BlockRequestType,
    BlockSegment,
)
from quiesce.model.virtio.device_registers import NO_VECTOR
from quiesce.model.virtio.device_status import DeviceStatus
from quiesce.model.virtio.features import (
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_VERSION_1,
    feature_mask,
    has_feature,
)
from quiesce.model.virtio.layout import (
    DESCRIPTOR_SIZE,
    INDEX_MASK,
    VIRTQ_DESC_F_WRITE,
    VIRTQ_USED_F_NO_NOTIFY,
    passes_event,
)
from quiesce.model.virtio.memory import GuestMemory
from quiesce.model.virtio.msix import MSIX_ENTRY_SIZE
from quiesce.model.virtio.packed_driver import PackedDriverQueue
from quiesce.model.virtio.pci_function import PCI_STATUS, PCI_STATUS_INTERRUPT
from quiesce.model.virtio.pci_transport import (
    COMMON_CFG_MSIX_VECTOR,
    COMMON_CFG_QUEUE_ENABLE,
    COMMON_CFG_QUEUE_RESET,
    COMMON_CFG_QUEUE_SIZE,
)
from quiesce.model.virtio.split_driver import SplitDriverQueue
from quiesce.model.virtio.virtqueue import Buffer, DriverQueue, MalformedUsed

from .actions import SLOT_BASE, SLOT_DATA_MAX, SLOT_SIZE, SLOTS, Initialise, Submit
from .corruptions import PACKED, SPLIT, TABLE_BEHIND_STATUS
from .virtio_driver import RESET_LOOKS_MAX, VirtioPciDriver

RING_BASE = 0x1_0000
QUEUE, CONFIG = 0, 1
"""MSI-X vectors, where both are mapped: of the queue, of configuration changes."""

HEADER_AT = SLOT_DATA_MAX
STATUS_AT = HEADER_AT + 0x100
TABLE_AT = STATUS_AT + TABLE_BEHIND_STATUS
NOT_WRITTEN = 0xEE
"""What status bytes and room for data hold before the device writes them."""

Observation = dict[str, object]


class Used(msgspec.Struct, frozen=True):
    """A used request: the length as the ring has it, and whether it may be looked at."""

    length: int
    has_write_flag: bool


def _pieces(addr: int, length: int, cuts: tuple[int, ...], start: int) -> list[Buffer]:
    """Cut a range; the cuts count from `start` bytes before it."""
    places = sorted({cut - start for cut in cuts if 0 < cut - start < length})
    ends = [*places, length]
    begins = [0, *places]
    return [
        (addr + begin, end - begin) for begin, end in zip(begins, ends, strict=True) if end > begin
    ]


class Side:
    """A device under comparison.

    Args:
        driver: Its driver.
        memory: Memory that they share.
        settle: Waits until the device has done what was asked of it.
        disk: Gives the newest content of the disk.
        wipe: Fills the disk with zeros.
    """

    def __init__(
        self,
        driver: VirtioPciDriver,
        memory: GuestMemory,
        settle: Callable[[], None],
        disk: Callable[[], bytes],
        wipe: Callable[[], None],
    ) -> None:
        self.driver = driver
        self.memory = memory
        self.settle = settle
        self.disk = disk
        self.wipe = wipe
        self.queue: DriverQueue | None = None
        self.features = 0
        self.setting = Initialise()
        self.slots: dict[int, int] = {}
        """Head to slot, for what is in flight."""

    # Actions.

    def initialise(self, setting: Initialise, offered: int) -> bool:
        """Bring the device to life; return whether it agrees to the features."""
        self.forget()
        driver = self.driver
        driver.reset()
        self.setting = setting
        self.features = feature_mask(VIRTIO_F_VERSION_1, *setting.bits) & offered
        driver.disable_msix()
        driver.read_isr()
        if not driver.negotiate(self.features):
            return False
        vector = NO_VECTOR
        if setting.msix:
            driver.enable_msix()
            driver.take_messages()
            if setting.mapped:
                vector = QUEUE
                driver.write(COMMON_CFG_MSIX_VECTOR, CONFIG)
        self.queue = driver.set_up_queue(0, self.queue_size, RING_BASE, self.features, vector)
        driver.go_live()
        return True

    @property
    def queue_size(self) -> int:
        size = self.setting.queue_size
        if has_feature(self.features, VIRTIO_F_RING_PACKED):
            return size
        return 1 << size.bit_length() - 1

    def start_over(self) -> None:
        """Reset the device, and leave neither on the disk nor in the buffers what was there."""
        self.driver.reset()
        self.settle()
        self.forget()
        self.wipe()
        self.memory.write(SLOT_BASE, bytes(SLOT_SIZE * SLOTS))

    @property
    def running_queue(self) -> DriverQueue:
        """The driver's queue; there is one as long as the device is alive."""
        assert self.queue is not None
        return self.queue

    @property
    def wants_next_used(self) -> bool:
        """Whether the driver wants a notification for the next used buffer; none is outstanding."""
        queue = self.running_queue
        assert isinstance(queue, SplitDriverQueue | PackedDriverQueue)
        return queue.wants_notifications and not queue.has_used()

    def forget(self) -> None:
        self.queue = None
        self.slots.clear()

    def submit(self, request: Submit) -> bool:
        """Write a request into the ring; return whether there was room."""
        slot = next(index for index in range(SLOTS) if index not in self.slots.values())
        base = SLOT_BASE + SLOT_SIZE * slot
        readable, writable = self._buffers(request, base)
        assert self.queue is not None
        if len(readable) + len(writable) > self.queue.layout.size:
            return False
        uses_table = request.indirect and has_feature(self.features, VIRTIO_F_INDIRECT_DESC)
        head = self.queue.add(readable, writable, base + TABLE_AT if uses_table else None)
        if head is None:
            return False
        self.slots[head] = slot
        return True

    def _buffers(self, request: Submit, base: int) -> tuple[list[Buffer], list[Buffer]]:
        """Fill a slot and return the readable and writable buffers of a request in it."""
        data = bytes((request.fill,)) * request.length
        if request.segment is not None:
            data = BlockSegment(*request.segment).pack()[: request.length]
            data = data.ljust(request.length, b"\0")
        header = BlockRequestHeader(request.kind, request.sector)
        self.memory.write(base + HEADER_AT, header.pack())
        self.memory.write(base + STATUS_AT, bytes((NOT_WRITTEN,)))
        readable = _pieces(base + HEADER_AT, HEADER_SIZE, request.cuts, 0)
        status = [(base + STATUS_AT, 1)]
        room = _pieces(base, request.length, request.cuts, HEADER_SIZE)
        if request.kind in {BlockRequestType.IN, BlockRequestType.GET_ID}:
            self.memory.write(base, bytes((NOT_WRITTEN,)) * request.length)
            return readable, [*room, *status]
        self.memory.write(base, data)
        return [*readable, *room], status

    def publish(self) -> bool:
        """Publish what was submitted; return whether the device asks for the doorbell."""
        assert self.queue is not None
        self.queue.publish()
        return self.queue.must_notify()

    def ring_doorbell(self) -> None:
        self.driver.ring_doorbell(0)

    def collect(self) -> tuple[dict[int, Used], list[str]]:
        """Take back what was used: by slot, and what is wrong with the ring."""
        assert self.queue is not None
        taken: dict[int, Used] = {}
        while True:
            raw = self._raw_used()
            used = self.queue.pop_used()
            if used is None:
                return taken, []
            if isinstance(used, MalformedUsed):
                return taken, [str(used)]
            taken[self.slots.pop(used.head_index)] = raw or Used(used.length, True)

    def _raw_used(self) -> Used | None:
        """Return what a packed ring's next used descriptor says, reserved or not."""
        if not has_feature(self.features, VIRTIO_F_RING_PACKED):
            return None
        assert isinstance(self.queue, PackedDriverQueue)
        _, length, _, flags = self.queue._read_next_used()
        return Used(length, bool(flags & VIRTQ_DESC_F_WRITE))

    def corrupt(self, how: str, indirect: bool) -> None:
        """Spoil the chain that was submitted last, which has just been published."""
        assert self.queue is not None
        head, slot = list(self.slots.items())[-1]
        layout = self.queue.layout
        is_packed = has_feature(self.features, VIRTIO_F_RING_PACKED)
        base = SLOT_BASE + SLOT_SIZE * slot + TABLE_AT
        if indirect:
            places = [base + DESCRIPTOR_SIZE * index for index in range(3)]
        else:
            places = [layout.descriptor(index) for index in self._descriptors(head)]
        (PACKED if is_packed else SPLIT)[how](self.memory, layout, places)

    def _descriptors(self, head: int) -> list[int]:
        """Return the ring's indices of the three descriptors of the chain added last."""
        assert self.queue is not None
        size = self.queue.layout.size
        if isinstance(self.queue, PackedDriverQueue):
            end = self.queue.next_available
            return [(end - 3 + index) % size for index in range(3)]
        assert isinstance(self.queue, SplitDriverQueue)
        return list(self.queue.in_flight[head][0])

    def reset_queue(self) -> None:
        """Reset the queue and wait for the end of it (VIRTIO 1.2, 4.1.4.3.2)."""
        self.driver.select_queue(0)
        self.driver.write(COMMON_CFG_QUEUE_RESET, 1)
        for _ in range(RESET_LOOKS_MAX):
            if not self.driver.read(COMMON_CFG_QUEUE_RESET):
                return
        raise AssertionError("the queue reset does not end")

    def set_queue_up_again(self, base: int) -> None:
        """Put the queue into use again after its reset."""
        vector = QUEUE if self.setting.msix and self.setting.mapped else NO_VECTOR
        self.slots.clear()
        self.queue = self.driver.set_up_queue(0, self.queue_size, base, self.features, vector)

    def set_writeback(self, value: int) -> None:
        self.driver.write_config(WRITEBACK_OFFSET, value)

    def mask_vector(self, masked: bool) -> None:
        entry = self.driver.msix_table + MSIX_ENTRY_SIZE * QUEUE
        self.driver.access.memory_write(entry + 12, 4, int(masked))

    # What can be seen.

    def observe(self) -> Observation:
        """Return everything that a driver or a bystander can see, without changing it."""
        driver = self.driver
        driver.select_queue(0)
        status = driver.status
        seen: Observation = {
            "status": int(status),
            "queue_enable": driver.read(COMMON_CFG_QUEUE_ENABLE),
            "queue_reset": driver.read(COMMON_CFG_QUEUE_RESET),
            "queue_size": driver.read(COMMON_CFG_QUEUE_SIZE),
            "intx": bool(driver.access.config_read(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT),
            "pending": self._pending(),
            "messages": driver.take_messages() if self.setting.msix else (),
            "disk": self.disk(),
            "buffers": self.memory.read(SLOT_BASE, SLOT_SIZE * SLOTS),
        }
        if has_feature(self.features, VIRTIO_BLK_F_CONFIG_WCE):
            seen["writeback"] = driver.read_config(WRITEBACK_OFFSET, 1)[0]
        if self.queue is not None:
            seen["has_used"] = self.queue.has_used()
            if DeviceStatus.DEVICE_NEEDS_RESET not in status:
                seen["asks_for_next"] = self._asks_for_next()
        return seen

    def _pending(self) -> int:
        return self.driver.access.memory_read(self.driver.msix_table + 0x800, 4)

    def _asks_for_next(self) -> bool:
        """Return whether the device asks for the doorbell at the next request."""
        queue = self.queue
        if isinstance(queue, PackedDriverQueue):
            after = queue.ring.advance(queue._published(), 1)
            return queue.ring.asks_for_event(queue.layout.device_area, after, 1)
        assert isinstance(queue, SplitDriverQueue)
        published = queue.published_index
        if queue.features.event_index:
            event = queue._index_at(queue.layout.avail_event)
            return passes_event(event, (published + 1) & INDEX_MASK, published)
        return not queue._index_at(queue.layout.device_area) & VIRTQ_USED_F_NO_NOTIFY
