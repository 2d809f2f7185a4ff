"""The guest's virtio-entropy driver: it requests random bytes, one request after the other.

Source:
    VIRTIO 1.2, 5.4.
"""

from ..plan.virtio_plan import EntropyPlan
from ..sim.kernel import Steps
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.entropy_format import REQUEST_QUEUE
from ..virtio.virtqueue import Buffer, UsedBuffer
from .driver_queue import DriverQueue
from .site import DriverSite
from .virtio_driver import VirtioDriver


class EntropyDriver(VirtioDriver):
    """The driver.

    Attributes:
        remaining: Requests that it has yet to submit.
        buffer: Where the bytes go; 0 before it is allocated.
        is_asking: Whether a request is in flight.
        received: Bytes of the last answer.
    """

    def __init__(self, site: DriverSite, plan: EntropyPlan, index: int = 0) -> None:
        super().__init__(site, plan, plan.name, VirtioDeviceId.RNG, 0, index)
        self.plan = plan
        self.remaining = plan.requests
        self.buffer = 0
        self.is_asking = False
        self.received = 0

    def work(self) -> Steps:
        """Submit all requests, one after the other."""
        self.buffer = self.site.allocator.allocate(self.plan.length)
        while self.remaining and not self.has_failed:
            queue = self.queues[REQUEST_QUEUE]
            self.remaining -= 1
            self.is_asking = True
            self.submit(queue, [], [(self.buffer, self.plan.length)])
            yield from self.ring_if_asked(queue)
            while self.is_asking and not self.has_failed:
                yield from self.await_interrupt()

    def take_used(self, queue: DriverQueue, used: UsedBuffer) -> None:  # noqa: ARG002
        """Take the bytes."""
        self.is_asking = False
        self.received = used.length

    def is_waiting(self) -> bool:
        """Return whether a request is in flight."""
        return self.is_asking

    def stop_requests(self) -> None:
        """Submit no further request."""
        self.remaining = 0

    def buffers(self) -> list[Buffer]:
        """Return the buffer."""
        return [(self.buffer, self.plan.length)] if self.buffer else []
