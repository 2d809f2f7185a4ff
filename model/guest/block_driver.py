"""`devb-virtio`: the guest's virtio-blk driver, the file system on its disk, and an application.

With `mount` the driver reads the disk's identifier, `/dev/hd0` appears, and the guest mounts a file
system of the qnx6 kind.  For that it reads three places: the first superblock behind 8 KiB of boot
block, the second superblock at the end of the disk, and the root's inode table.  Then the
application keeps some requests in flight.

Source:
    VIRTIO 1.2, 5.2; QNX 7.1 utilities reference, devb-virtio (`pci=`, `smem=` with `irq=`); qnx6
    layout: QNX6_BOOTBLOCK_SIZE and QNX6_SUPERBLOCK_AREA of Linux fs/qnx6/qnx6.h.
"""

from typing import NamedTuple

from ..base.addresses import FRAME_SIZE
from ..plan.virtio_plan import BlockPlan
from ..sim.kernel import Steps
from ..trace.virtio_events import BufferFreed
from ..virtio.block_format import (
    HEADER_SIZE,
    ID_LENGTH,
    SECTOR_SIZE,
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX,
    BlockRequestHeader,
    BlockRequestType,
)
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.features import feature_mask, has_feature
from ..virtio.virtqueue import Buffer, UsedBuffer
from .driver_queue import DriverQueue
from .site import DriverSite
from .virtio_driver import VirtioDriver

UNDERSTOOD = feature_mask(
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_CONFIG_WCE,
)

SUPERBLOCK_SECTOR = 0x2000 // SECTOR_SIZE
"""The first superblock stands behind the boot block."""

DATA_SECTOR = (0x2000 + 0x1000) // SECTOR_SIZE
"""The first sector behind the superblock area."""

WORKING_SECTORS = 1024
"""The application uses this many sectors, again and again."""

_CAPACITY = (0, 8)
"""Offset and length of `capacity` in the configuration space."""

REUSED = b"\x11"
"""The byte that the guest writes into memory that it has got back."""

_STATUS_PENDING = b"\xff"
_BUFFERS_MAX = 3
"""Header, data and status of a request."""


class RequestMemory(NamedTuple):
    """The guest addresses of one request's header, status byte and data."""

    header: int
    status: int
    data: int


class DiskRequest(NamedTuple):
    """A request to the disk: type, first sector, bytes."""

    kind: BlockRequestType
    sector: int
    length: int


class BlockDriver(VirtioDriver):
    """The driver.

    Attributes:
        remaining: Requests that the application has yet to submit.
        idle_memory: Request memory that is not in flight.
        in_flight: Head to request memory.
        statuses: Status byte to how often a request ended with it.
        unflushed: Writes since the last flush.
    """

    def __init__(self, site: DriverSite, plan: BlockPlan, index: int = 0) -> None:
        super().__init__(site, plan, plan.name, VirtioDeviceId.BLOCK, UNDERSTOOD, index)
        self.plan = plan
        self.remaining = plan.requests
        self.next_sector = 0
        self.unflushed = 0
        self.idle_memory: list[RequestMemory] = []
        self.in_flight: dict[int, RequestMemory] = {}
        self.statuses: dict[int, int] = {}
        self.has_reported_io = False

    # What the base asks.

    def take_used(self, queue: DriverQueue, used: UsedBuffer) -> None:  # noqa: ARG002
        """Take a request's memory back and note its status."""
        memory = self.in_flight.pop(used.head_index)
        self.idle_memory.append(memory)
        status = self.ram.read(memory.status, 1)[0]
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def is_waiting(self) -> bool:
        """Return whether requests are in flight."""
        return bool(self.in_flight)

    def stop_requests(self) -> None:
        """Submit no further request."""
        self.remaining = 0

    def buffers(self) -> list[Buffer]:
        """Return the memory of all requests."""
        both = [*self.idle_memory, *self.in_flight.values()]
        return [(memory.data, self._data_length) for memory in both]

    def work(self) -> Steps:
        """Mount the file system if there is one, then serve the application."""
        if not self.queues[0].has_room(_BUFFERS_MAX):
            self.has_failed = True
            return
        self._allocate()
        capacity = self.read_config(*_CAPACITY)
        if self.plan.mount:
            yield from self._mount(capacity)
        if self.is_live:
            yield from self._fill()
        hung = None
        if self.plan.bus_reset is not None:
            hung = self.kernel.delay(self.plan.bus_reset, f"{self.name}.bus_reset")
        while (self.remaining or self.in_flight) and not self.has_failed:
            if hung is None or self.interrupts:
                yield from self.await_interrupt()
                self._report_first_io()
            elif (yield self.kernel.first(hung, self.interrupts.wait())) == 0:
                hung = None
                yield from self._reset_bus()
            else:
                continue
            if self.is_live:
                yield from self._fill()

    # A bus reset: the guest assumes that the disk hangs.

    def _reset_bus(self) -> Steps:
        """Reset the device, take back the requests in flight, and set the device up again.

        The order is that of virtio-win #1493: the device is reset first, and only then are the
        requests completed.
        """
        if self.plan.gives_back_first:
            self._complete_in_flight(self.queues[0])
        yield from self.take_down()
        self.idle_memory += self.in_flight.values()
        self.in_flight.clear()
        assert self.access is not None
        yield from self.initialize(self.access)

    def _complete_in_flight(self, queue: DriverQueue) -> None:
        """Complete all requests in flight in the guest, which uses their memory again."""
        for memory in self.in_flight.values():
            if self.is_detailed:
                self.emit(BufferFreed(*queue.who, memory.data, self._data_length))
            self.ram.write(memory.data, REUSED * self._data_length)
        self.idle_memory += self.in_flight.values()
        self.in_flight.clear()

    # The file system.

    def _mount(self, capacity: int) -> Steps:
        yield from self._request_and_wait(DiskRequest(BlockRequestType.GET_ID, 0, ID_LENGTH))
        self.milestone("disk-appeared")
        last = capacity - SUPERBLOCK_SECTOR
        for sector in (0, SUPERBLOCK_SECTOR, last, DATA_SECTOR):
            if self.is_live:
                yield from self._request_and_wait(
                    DiskRequest(BlockRequestType.IN, sector, SECTOR_SIZE)
                )
        if self.is_live:
            self.milestone("file-system-mounted")

    def _request_and_wait(self, request: DiskRequest) -> Steps:
        """Submit a request and wait until it ends."""
        self._submit(request)
        yield from self.ring_if_asked(self.queues[0])
        while self.in_flight and not self.has_failed:
            yield from self.await_interrupt()

    # The application.

    @property
    def _data_length(self) -> int:
        return max(self.plan.length, SECTOR_SIZE)

    def _allocate(self) -> None:
        allocate = self.site.allocator.allocate
        self.idle_memory = [
            RequestMemory(
                allocate(HEADER_SIZE), allocate(1), allocate(self._data_length, FRAME_SIZE)
            )
            for _ in range(self.plan.depth)
        ]

    def _report_first_io(self) -> None:
        if not self.has_reported_io:
            self.has_reported_io = True
            self.milestone("io-running")

    def _fill(self) -> Steps:
        queue = self.queues[0]
        if self.remaining and self.idle_memory:
            yield self.kernel.delay(self.plan.think, f"{self.name}.think")
        while self.remaining and self.idle_memory and queue.has_room(_BUFFERS_MAX):
            self.remaining -= 1
            self._submit(self._next_request())
        yield from self.ring_if_asked(queue)

    def _next_request(self) -> DiskRequest:
        plan = self.plan
        is_write = plan.operation == "write"
        can_flush = has_feature(self.negotiated, VIRTIO_BLK_F_FLUSH)
        if is_write and plan.flush_every and can_flush and self.unflushed >= plan.flush_every:
            self.unflushed = 0
            return DiskRequest(BlockRequestType.FLUSH, 0, 0)
        self.unflushed += is_write
        sectors = plan.length // SECTOR_SIZE
        if self.next_sector + sectors > WORKING_SECTORS:
            self.next_sector = 0
        sector = DATA_SECTOR + self.next_sector
        self.next_sector += sectors
        kind = BlockRequestType.OUT if is_write else BlockRequestType.IN
        return DiskRequest(kind, sector, plan.length)

    def _submit(self, request: DiskRequest) -> None:
        memory = self.idle_memory.pop()
        self.ram.write(memory.header, BlockRequestHeader(request.kind, request.sector).pack())
        self.ram.write(memory.status, _STATUS_PENDING)
        readable = [(memory.header, HEADER_SIZE)]
        writable = [(memory.status, 1)]
        data = (memory.data, request.length)
        if request.kind == BlockRequestType.OUT:
            self.ram.write(memory.data, written_content(request.sector, request.length))
            readable.append(data)
        elif request.length:
            writable.insert(0, data)
        head = self.submit(self.queues[0], readable, writable)
        self.in_flight[head] = memory


def written_content(sector: int, length: int) -> bytes:
    """Return the content that the application writes from a sector on: it names the sector."""
    return b"".join(
        (~place & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little") * (SECTOR_SIZE // 8)
        for place in range(sector, sector + length // SECTOR_SIZE)
    )
