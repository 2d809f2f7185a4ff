"""The guest's virtio-blk driver and the application above it: it keeps some requests in flight."""

from typing import NamedTuple

from ..addresses import FRAME_SIZE
from ..component import Component
from ..kernel import Kernel, Steps
from ..plan import BlockPlan
from ..timing import Timing
from ..trace import RequestSubmitted
from ..vdev.virtio_blk import HEADER, TYPE_IN, TYPE_OUT, VirtioBlk
from ..virtio.layout import layout_end, split_layout_at, split_part_sizes
from ..virtio.split_driver import SplitDriverQueue
from ..virtio.virtqueue import RingFeatures, UsedBuffer
from .layout import GuestAllocator

_STATUS_PENDING = b"\xff"


class RequestMemory(NamedTuple):
    """The guest addresses of one request's header, status byte and data."""

    header: int
    status: int
    data: int


class BlockDriver(Component):
    """The driver.

    Attributes:
        remaining: Requests that the application has yet to make.
        idle_memory: Request memory that is not in flight.
        in_flight: Head to request memory.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: BlockPlan,
        vdev: VirtioBlk,
        allocator: GuestAllocator,
    ) -> None:
        super().__init__(kernel, f"{vdev.name}.driver", timing)
        self.plan = plan
        self.vdev = vdev
        self.ram = allocator.ram
        sizes = split_part_sizes(plan.queue_size)
        ring_length = layout_end(split_layout_at(0, plan.queue_size), sizes)
        layout = split_layout_at(allocator.allocate(ring_length, FRAME_SIZE), plan.queue_size)
        features = RingFeatures()
        self.queue = SplitDriverQueue(self.ram, layout, features)
        self.queue.initialise()
        self.remaining = plan.requests
        self.idle_memory = [
            RequestMemory(
                allocator.allocate(HEADER.size),
                allocator.allocate(1),
                allocator.allocate(plan.length, FRAME_SIZE),
            )
            for _ in range(plan.depth)
        ]
        self.in_flight: dict[int, RequestMemory] = {}
        vdev.set_up_queue(layout, features)

    def run(self) -> Steps:
        """Submit and reap until the application has what it wants."""
        yield from self._fill()
        while self.remaining or self.in_flight:
            while not self.vdev.interrupts:
                yield self.vdev.interrupts.wait()
            self.vdev.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            self._reap()
            yield from self._fill()

    def shut_down(self) -> Steps:
        """Make no further request and wait for those in flight.

        The driver may have been stopped between publishing a request and ringing the doorbell, so
        it rings once more; a notification too many does no harm (VIRTIO 1.2, 2.7.7.1).
        """
        self.remaining = 0
        if self.in_flight:
            yield self.kernel.delay(self.timing.vm_exit, f"{self.name}.notify")
            self.vdev.notify()
        while self.in_flight:
            while not self.vdev.interrupts:
                yield self.vdev.interrupts.wait()
            self.vdev.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            self._reap()

    def _fill(self) -> Steps:
        if self.remaining and self.idle_memory:
            yield self.kernel.delay(self.plan.think, f"{self.name}.think")
        while self.remaining and self.idle_memory:
            memory = self.idle_memory.pop()
            self.remaining -= 1
            self._submit(memory)
        if self.queue.must_notify():
            yield self.kernel.delay(self.timing.vm_exit, f"{self.name}.notify")
            self.vdev.notify()

    def _submit(self, memory: RequestMemory) -> None:
        is_read = self.plan.operation == "read"
        header = HEADER.pack(TYPE_IN if is_read else TYPE_OUT, 0, 0)
        self.ram.write(memory.header, header)
        self.ram.write(memory.status, _STATUS_PENDING)
        readable = [(memory.header, HEADER.size)]
        writable = [(memory.status, 1)]
        data = (memory.data, self.plan.length)
        if is_read:
            writable.insert(0, data)
        else:
            readable.append(data)
        head = self.queue.add(readable, writable)
        assert head is not None, "a queue is larger than three times its depth"
        self.queue.publish()
        self.in_flight[head] = memory
        self.emit(RequestSubmitted(self.vdev.name, self.vdev.epoch, head))

    def _reap(self) -> None:
        while isinstance(used := self.queue.pop_used(), UsedBuffer):
            self.idle_memory.append(self.in_flight.pop(used.head_index))
