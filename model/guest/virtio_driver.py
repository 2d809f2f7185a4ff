"""The base of a guest's virtio drivers: it finds its device, sets it up, and takes it down.

        find -> write 0, wait for 0 -> ACKNOWLEDGE, DRIVER -> features -> FEATURES_OK, re-read
             -> queues: size, addresses, vector, enable -> DRIVER_OK -> work
        work -> write 0, wait for 0 -> memory is the driver's own again

The driver sees only registers and memory.  Each access to a register leaves the guest.  Consecutive
accesses are one burst, with one delay that is as long as that many exits.  So a guest can die
between any two bursts and at no other place.  The effect of a doorbell and of reading an interrupt
comes after their delay.

Source:
    VIRTIO 1.2, 3.1 (initialisation), 3.3.1 (clean-up), 4.1.5 and 4.2.3 (transports).
"""

from simpy.events import Event

from ..base.addresses import FRAME_SIZE
from ..plan.virtio_plan import VirtioPlan
from ..sim.component import Component
from ..sim.kernel import Mailbox, Steps
from ..trace.events import MilestoneReached, RequestSubmitted
from ..trace.virtio_events import (
    BufferFreed,
    ConfigAccessed,
    FeaturesWritten,
    InterruptAcknowledged,
    IsrRead,
    QueueEnableRead,
    QueueEnableWritten,
    QueueFieldWritten,
    QueueKicked,
    QueueResetRead,
    QueueResetWritten,
    QueueVectorRead,
    StatusRead,
    StatusWritten,
)
from ..virtio import pci_transport as pci
from ..virtio.device_registers import ISR_CONFIG, ISR_QUEUE
from ..virtio.device_status import DeviceStatus
from ..virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_VERSION_1,
    feature_mask,
    has_feature,
)
from ..virtio.layout import RingLayout, layout_end, packed_part_sizes, split_part_sizes
from ..virtio.packed_driver import PackedDriverQueue
from ..virtio.queues import driver_queue, layout_at
from ..virtio.split_driver import SplitDriverQueue
from ..virtio.virtqueue import Buffer, UsedBuffer
from .device_access import NO_VECTOR, DeviceAccess, MmioAccess, PciAccess
from .driver_queue import DriverQueue
from .pci_server import burst_span
from .site import DriverSite

COMMON_FEATURES = feature_mask(
    VIRTIO_F_VERSION_1,
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
)
"""The features that belong to no device type and that every driver here understands."""

CONFIG_CHANGE = -1

_ACKNOWLEDGED = int(DeviceStatus.ACKNOWLEDGE)
_DRIVEN = _ACKNOWLEDGED | int(DeviceStatus.DRIVER)
_FEATURES_OK = int(DeviceStatus.FEATURES_OK)
_AGREED = _DRIVEN | _FEATURES_OK
_LIVE = _AGREED | int(DeviceStatus.DRIVER_OK)
_GIVEN_UP = _DRIVEN | int(DeviceStatus.FAILED)
_NEEDS_RESET = int(DeviceStatus.DEVICE_NEEDS_RESET)


class VirtioDriver(Component):
    """A driver; subclasses say what its requests are.

    Args:
        site: What it shares with the guest's other drivers.
        plan: How it finds its device, by its command line: address and interrupt, or PCI.
        name: The vdev's name in the VM, for the trace.
        device_id: The virtio device type that it drives.
        understood: Features of the device type that it makes use of.
        index: On PCI, which of the devices of this type, from 0.

    Attributes:
        access: The device's registers; `None` until the device is found.
        negotiated: The features in force.
        queues: By number.
        is_live: Whether it has set DRIVER_OK and not reset the device since.
        has_failed: Whether the device could not be used, or has asked for a reset.
    """

    def __init__(
        self,
        site: DriverSite,
        plan: VirtioPlan,
        name: str,
        device_id: int,
        understood: int,
        index: int = 0,
    ) -> None:
        self.vdev = f"{site.vm}.{name}"
        super().__init__(site.kernel, f"{self.vdev}.driver", site.timing)
        self.site = site
        self.common = plan
        self.epoch = site.epoch
        self.device_id = device_id
        self.understood = understood | COMMON_FEATURES
        self.index = index
        self.ram = site.allocator.ram
        self.is_detailed = site.is_detailed
        self.interrupts: Mailbox[int] = Mailbox(site.kernel)
        self.access: DeviceAccess | None = None
        self.negotiated = 0
        self.queues: dict[int, DriverQueue] = {}
        self.is_live = False
        self.has_failed = False

    # What subclasses say.

    def queue_indices(self) -> tuple[int, ...]:
        """Return the queues to be set up, once the features are in force."""
        return (0,)

    def work(self) -> Steps:
        """Submit the driver's requests, until all are done."""
        raise NotImplementedError

    def take_used(self, queue: DriverQueue, used: UsedBuffer) -> None:
        """Take a used buffer back."""
        raise NotImplementedError

    def is_waiting(self) -> bool:
        """Return whether an orderly end still has to wait for used buffers."""
        return False

    def stop_requests(self) -> None:
        """Submit no further request."""

    def stop_requests_after_set_up(self) -> None:
        """Submit no further request if the device is live; a set-up runs to its end."""
        if self.is_live:
            self.stop_requests()

    def buffers(self) -> list[Buffer]:
        """Return the buffers that the driver takes back when the device is reset."""
        return []

    # Life.

    def run(self) -> Steps:
        """Set the device up and work."""
        if (yield from self._set_up()):
            yield from self.work()

    def shut_down(self) -> Steps:
        """Wait for requests in flight, reset the device, wait for 0, and take the memory back.

        A driver may also reset the device at once, and even take its memory back without having
        read 0 (`DEVICE_RESETS`).

        The driver may have been stopped between publishing a request and ringing the doorbell, so
        it rings once more; a superfluous notification does no harm (VIRTIO 1.2, 2.7.7.1). An
        interrupt may also have been lost between its arrival and its handling, so the driver looks
        once more.
        """
        if self.access is None:
            return
        self.stop_requests()
        if self.is_live and self.common.device_reset == "after-requests":
            yield from self.handle_interrupt(NO_VECTOR)
            for queue in self.queues.values():
                if queue.side.in_flight_heads:
                    yield from self.ring(queue)
            while self.is_waiting() and not self.has_failed:
                yield from self.await_interrupt()
        yield from self.take_down()

    # Set-up.

    def _set_up(self) -> Steps:
        access = yield from self._find()
        if access is None:
            self.has_failed = True
            return False
        self.access = access
        self.milestone("device-found")
        return (yield from self.initialize(access))

    def initialize(self, access: DeviceAccess) -> Steps:
        """Bring the device from any state to DRIVER_OK; gives whether the device agreed."""
        # Invariant: the driver reads 0 before it sets a queue up, so the device no longer uses a
        # ring of a former owner.
        yield from self._reset()
        self._write_status(_ACKNOWLEDGED)
        self._write_status(_DRIVEN)
        self.milestone("driver-started")
        if not (yield from self._negotiate(access)):
            return False
        self.milestone("features-ok")
        self.map_config_vector(access)
        for index in self.queue_indices():
            self._set_up_queue(access, index)
            yield self.pass_burst("queue")
        self.milestone("queues-set-up")
        self._write_status(_LIVE)
        self.is_live = True
        yield self.pass_burst("driver_ok")
        self.milestone("driver-ok")
        return True

    def _find(self) -> Steps:
        """Find the device at the place that the driver's command line gives."""
        if self.common.transport == "mmio":
            access = MmioAccess(self.site.io.map(self.common.loc))
            is_there = access.identify() == self.device_id
            yield self.kernel.delay(
                burst_span(self.timing.vm_exit, access.accesses), f"{self.name}.find"
            )
            access.accesses = 0
            self.site.pic.attach(self.common.intr, self.interrupts)
            return access if is_there else None
        while not self.site.pci.is_done:
            yield self.site.pci.done.wait()
        device_id = pci.VIRTIO_PCI_DEVICE_ID_BASE + self.device_id
        function = self.site.pci.nth(pci.VIRTIO_PCI_VENDOR_ID, device_id, self.index)
        if function is None:
            return None
        through_pci = PciAccess(self.site, function)
        self.site.pic.attach(function.line, self.interrupts)
        yield self.kernel.delay(
            burst_span(self.timing.vm_exit, through_pci.accesses), f"{self.name}.find"
        )
        through_pci.accesses = 0
        return through_pci

    def _reset(self) -> Steps:
        """Write 0 and wait until 0 can be read (VIRTIO 1.2, 2.4.2 and 4.1.4.3.2)."""
        self._write_status(0)
        status = self._read_status()
        yield self.pass_burst("reset")
        while status:
            yield self.kernel.delay(self.timing.virtio_reset_poll, f"{self.name}.reset_poll")
            status = self._read_status()
            yield self.pass_burst("reset")

    def _negotiate(self, access: DeviceAccess) -> Steps:
        offered = access.read_features()
        yield self.pass_burst("features")
        accepted = offered & self.understood
        if self.is_detailed:
            self.emit(FeaturesWritten(self.vdev, self.epoch, accepted))
        access.write_features(accepted)
        yield self.pass_burst("features")
        self._write_status(_AGREED)
        status = self._read_status()
        yield self.pass_burst("features_ok")
        if not status & _FEATURES_OK:
            self.has_failed = True
            self._write_status(_GIVEN_UP)
            return False
        self.negotiated = accepted
        return True

    def map_config_vector(self, access: DeviceAccess) -> None:
        """Map configuration changes to a vector, if there are vectors, and read it back."""
        vector = access.map_vector(CONFIG_CHANGE)
        if vector == NO_VECTOR:
            return
        self._attach_vectors()
        if self.is_detailed:
            who = (self.vdev, self.epoch, CONFIG_CHANGE)
            self.emit(QueueFieldWritten(*who, "vector", vector))
            self.emit(QueueVectorRead(*who, vector))

    def _set_up_queue(self, access: DeviceAccess, index: int) -> None:
        size = min(access.select_queue(index), self.common.queue_size)
        layout = self._allocate_ring(size)
        side = driver_queue(self.ram, layout, self.negotiated)
        assert isinstance(side, SplitDriverQueue | PackedDriverQueue)
        side.initialise()
        who = (self.vdev, self.epoch, index)
        queue = DriverQueue(self, who, side, self.site.allocator, is_detailed=self.is_detailed)
        self.queues[index] = queue
        if self.is_detailed:
            self._emit_fields(who, layout)
        access.write_queue_fields(layout)
        vector = access.map_vector(index)
        self._attach_vectors()
        if self.is_detailed:
            if vector != NO_VECTOR:
                self.emit(QueueFieldWritten(*who, "vector", vector))
                self.emit(QueueVectorRead(*who, vector))
            is_packed = has_feature(self.negotiated, VIRTIO_F_RING_PACKED)
            self.emit(QueueEnableWritten(*who, 1, layout.size, *layout.areas(), is_packed))
        enabled = access.enable_queue()
        if self.is_detailed:
            self.emit(QueueEnableRead(*who, enabled))

    def _allocate_ring(self, size: int) -> RingLayout:
        sizes = split_part_sizes(size)
        if has_feature(self.negotiated, VIRTIO_F_RING_PACKED):
            sizes = packed_part_sizes(size)
        length = layout_end(layout_at(0, size, self.negotiated), sizes)
        start = self.site.allocator.allocate(length, FRAME_SIZE)
        return layout_at(start, size, self.negotiated)

    def _emit_fields(self, who: tuple[str, int, int], layout: RingLayout) -> None:
        fields = ("size", "descriptor_area", "driver_area", "device_area")
        for field in fields:
            self.emit(QueueFieldWritten(*who, field, getattr(layout, field)))

    def _attach_vectors(self) -> None:
        if isinstance(self.access, PciAccess):
            for number in self.access.vectors:
                self.site.pic.attach(number, self.interrupts)

    # Requests.

    def submit(self, queue: DriverQueue, readable: list[Buffer], writable: list[Buffer]) -> int:
        """Put a chain into the ring and make it visible; return its head."""
        head = queue.add(readable, writable)
        queue.publish()
        self.emit(RequestSubmitted(self.vdev, self.epoch, head))
        return head

    def ring_if_asked(self, queue: DriverQueue) -> Steps:
        """Ring the doorbell if the device has asked for it."""
        if queue.claim_doorbell():
            yield from self.ring(queue)

    def ring(self, queue: DriverQueue) -> Steps:
        """Ring the doorbell."""
        assert self.access is not None
        span = burst_span(self.timing.vm_exit, self.access.accesses + 1)
        yield self.kernel.delay(span, f"{self.name}.notify")
        if self.is_detailed:
            self.emit(QueueKicked(*queue.who))
        has_data = has_feature(self.negotiated, VIRTIO_F_NOTIFICATION_DATA)
        self.access.ring(queue.index, queue.ring_value(has_data))
        self.access.accesses = 0

    # Interrupts.

    def await_interrupt(self) -> Steps:
        """Wait for an interrupt and handle it."""
        while not self.interrupts:
            yield self.interrupts.wait()
        number = self.interrupts.take()
        yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
        yield from self.handle_interrupt(number)

    def handle_interrupt(self, number: int) -> Steps:
        """Read the cause of an interrupt, acknowledge it, and take back used buffers.

        Args:
            number: The guest's interrupt number, or `NO_VECTOR` to look at all queues.
        """
        access = self.access
        assert access is not None
        if access.acknowledge_cost:
            span = burst_span(self.timing.vm_exit, access.acknowledge_cost)
            yield self.kernel.delay(span, f"{self.name}.acknowledge")
            # Invariant: the interrupt is acknowledged before the rings are read, so a buffer that
            # is used afterwards interrupts again.
            bits = self._acknowledge(access)
        else:
            bits = ISR_QUEUE
            if isinstance(access, PciAccess) and access.vectors.get(number) == CONFIG_CHANGE:
                bits = ISR_CONFIG
        if bits & ISR_CONFIG:
            yield from self._check_needs_reset()
        if bits & ISR_QUEUE or number == NO_VECTOR:
            for queue in self.queues.values():
                for used in queue.reap():
                    self.take_used(queue, used)

    def _acknowledge(self, access: DeviceAccess) -> int:
        bits = access.read_interrupt()
        if self.is_detailed:
            self.emit(IsrRead(self.vdev, self.epoch, bits))
        if bits and isinstance(access, MmioAccess):
            if self.is_detailed:
                self.emit(InterruptAcknowledged(self.vdev, self.epoch, bits))
            access.acknowledge(bits)
        access.accesses = 0
        return bits

    def _check_needs_reset(self) -> Steps:
        """Read whether the device needs a reset; then the driver counts as failed."""
        status = self._read_status()
        yield self.pass_burst("status")
        if status & _NEEDS_RESET:
            self.has_failed = True
            self.stop_requests()
            yield from self.take_down()

    # Queue reset and taking down.

    def reset_queue(self, queue: DriverQueue) -> Steps:
        """Reset one queue, read that it is done, and take its memory back (VIRTIO 1.2, 2.6.1)."""
        access = self.access
        assert access is not None
        access.select_queue(queue.index)
        if self.is_detailed:
            self.emit(QueueResetWritten(*queue.who))
        access.reset_queue()
        reset, enable = self._read_queue_reset(access, queue)
        yield self.pass_burst("queue_reset")
        while reset or enable:
            yield self.kernel.delay(self.timing.virtio_reset_poll, f"{self.name}.reset_poll")
            reset, enable = self._read_queue_reset(access, queue)
            yield self.pass_burst("queue_reset")
        del self.queues[queue.index]
        queue.free()

    def _read_queue_reset(self, access: DeviceAccess, queue: DriverQueue) -> tuple[int, int]:
        reset, enable = access.read_queue_reset()
        if self.is_detailed:
            self.emit(QueueResetRead(*queue.who, reset, enable))
        return reset, enable

    def take_down(self) -> Steps:
        """Reset the device, wait for 0, and take all memory back."""
        self.is_live = False
        if self.common.device_reset == "not-awaited":
            self._write_status(0)
            yield self.pass_burst("reset")
        else:
            yield from self._reset()
        for index, queue in self.queues.items():
            queue.free()
            if self.is_detailed and index == min(self.queues):
                for addr, length in self.buffers():
                    self.emit(BufferFreed(*queue.who, addr, length))
        self.queues.clear()

    # Registers, each with its event.

    def read_config(self, offset: int, length: int) -> int:
        """Return a field of the device's configuration space."""
        assert self.access is not None
        value, generation = self.access.read_config(offset, length)
        if self.is_detailed:
            self.emit(ConfigAccessed(self.vdev, self.epoch, offset, length, False, generation))
        return value

    def pass_burst(self, what: str) -> Event:
        """Return a wait as long as the accesses since the last wait take."""
        assert self.access is not None
        span = burst_span(self.timing.vm_exit, self.access.accesses)
        self.access.accesses = 0
        return self.kernel.delay(span, f"{self.name}.{what}")

    def milestone(self, name: str) -> None:
        """Emit a milestone of the guest."""
        self.emit(MilestoneReached(self.site.vm, self.epoch, name))

    def _write_status(self, value: int) -> None:
        assert self.access is not None
        if self.is_detailed:
            self.emit(StatusWritten(self.vdev, self.epoch, value))
        self.access.write_status(value)

    def _read_status(self) -> int:
        assert self.access is not None
        value = self.access.read_status()
        if self.is_detailed:
            self.emit(StatusRead(self.vdev, self.epoch, value))
        return value
