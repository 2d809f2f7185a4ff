"""`devc-virtio`: the guest's virtio-console driver: it waits for input and prints a little.

Source:
    VIRTIO 1.2, 5.3; QNX 7.1 utilities reference, devc-virtio.
"""

from ..plan.virtio_plan import ConsolePlan
from ..sim.kernel import Steps
from ..vdev.virtio_console import RECEIVE_QUEUE, TRANSMIT_QUEUE
from ..virtio.console_format import VIRTIO_CONSOLE_F_SIZE
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.features import feature_mask
from ..virtio.virtqueue import Buffer, UsedBuffer
from .driver_queue import DriverQueue
from .site import DriverSite
from .virtio_driver import VirtioDriver

UNDERSTOOD = feature_mask(VIRTIO_CONSOLE_F_SIZE)


class ConsoleDriver(VirtioDriver):
    """The driver.

    Attributes:
        buffer_of: Head to the receive buffer that the device has.
        printing: Whether the device has output to print.
        prints_left: Pieces of output that it has yet to print.
        received: The input that came last.
    """

    def __init__(self, site: DriverSite, plan: ConsolePlan, index: int = 0) -> None:
        super().__init__(site, plan, plan.name, VirtioDeviceId.CONSOLE, UNDERSTOOD, index)
        self.plan = plan
        self.buffer_of: dict[int, int] = {}
        self.idle: list[int] = []
        self.output = 0
        self.printing = False
        self.prints_left = plan.prints
        self.received = b""

    def queue_indices(self) -> tuple[int, ...]:
        """Return the two queues of port 0."""
        return (RECEIVE_QUEUE, TRANSMIT_QUEUE)

    def work(self) -> Steps:
        """Give the device receive buffers, print, and serve interrupts."""
        allocate = self.site.allocator.allocate
        count = min(self.plan.buffers, self.common.queue_size)
        self.idle = [allocate(self.plan.buffer_length) for _ in range(count)]
        self.output = allocate(self.plan.input_length)
        while not self.has_failed:
            if self.is_live:
                yield from self._refill()
                yield from self._print()
            yield from self.await_interrupt()

    def take_used(self, queue: DriverQueue, used: UsedBuffer) -> None:
        """Take input, or the end of output."""
        if queue.index == TRANSMIT_QUEUE:
            self.printing = False
            return
        addr = self.buffer_of.pop(used.head_index)
        self.received = self.ram.read(addr, used.length)
        self.idle.append(addr)

    def is_waiting(self) -> bool:
        """Return whether output is in flight; receive buffers wait for ever."""
        return self.printing

    def stop_requests(self) -> None:
        """Print no more."""
        self.prints_left = 0

    def buffers(self) -> list[Buffer]:
        """Return the receive buffers that the device has."""
        return [(addr, self.plan.buffer_length) for addr in self.buffer_of.values()]

    def _refill(self) -> Steps:
        queue = self.queues[RECEIVE_QUEUE]
        while self.idle:
            addr = self.idle.pop()
            head = self.submit(queue, [], [(addr, self.plan.buffer_length)])
            self.buffer_of[head] = addr
        yield from self.ring_if_asked(queue)

    def _print(self) -> Steps:
        if self.printing or not self.prints_left:
            return
        self.prints_left -= 1
        self.printing = True
        queue = self.queues[TRANSMIT_QUEUE]
        self.ram.write(self.output, b"#" * self.plan.input_length)
        self.submit(queue, [(self.output, self.plan.input_length)], [])
        yield from self.ring_if_asked(queue)
