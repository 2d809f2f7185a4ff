"""`devb-ahci`: the host driver that owns an AHCI controller and serves the vdevs of several VMs.

It is a process of its own: requests that it has taken go on when the qvm that sent them is gone.
Without copying, the controller writes the guest's own pages; otherwise it writes a bounce buffer in
host memory, and the vdev copies.
"""

from collections import deque
from typing import NamedTuple, Protocol

from ..addresses import FRAME_SIZE, pages_of
from ..component import Component
from ..hardware.ahci import FIS_LENGTH, Ahci, AhciCommand
from ..kernel import Kernel, Mailbox, Signal, Steps
from ..memory import PhysicalMemory
from ..timing import Timing
from ..trace import BackendRequestBegun, BackendRequestEnded, DmaRequested
from ..virtio.block_device import BlockDevice
from .block_job import BlockJob, formatted_content
from .procnto import HostKernel, TakenIrq

HOST_EPOCH = 0


class BackendRequest(NamedTuple):
    """What a vdev asks of the driver.

    Attributes:
        epoch: The asking VM instance.
        job: What the disk is asked to do.
        pieces: Host-physical (address, length) of the data in guest memory.
        zero_copy: Whether the controller may use that memory itself.
        tag: Comes back with the answer.
        client: Who asks, and gets the answer.
    """

    epoch: int
    job: BlockJob
    pieces: tuple[tuple[int, int], ...]
    zero_copy: bool
    tag: int
    client: "BackendClient"

    @property
    def length(self) -> int:
        """Bytes of data in memory."""
        return sum(length for _, length in self.pieces)


class BackendAnswer(NamedTuple):
    """What the driver answers.

    Attributes:
        tag: Of the request.
        data: What was read, for the vdev to copy; empty without bounce buffer.
    """

    tag: int
    data: bytes


class BackendClient(Protocol):
    """A vdev as the host driver sees it."""

    def take_answer(self, answer: BackendAnswer) -> None:
        """Take the answer to a request; returns at once."""


class DevbAhci(Component):
    """The driver process.

    Args:
        bounce_base: Host memory of its own: a FIS area of one frame, then bounce buffers.
        is_detailed: Whether it tells what becomes of written data.

    Attributes:
        media: The part of the disk behind each vdev, by the vdev's name.
        waiting: Requests that no slot was free for.
        in_slots: Slot to request, for those the controller has.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        ahci: Ahci,
        host_kernel: HostKernel,
        memory: PhysicalMemory,
        bounce_base: int,
        *,
        is_detailed: bool = False,
    ) -> None:
        super().__init__(kernel, ahci.disk.server, timing)
        self.is_detailed = is_detailed
        self.media: dict[str, BlockDevice] = {}
        self.ahci = ahci
        self.host_kernel = host_kernel
        self.memory = memory
        self.bounce_base = bounce_base
        self.waiting: deque[BackendRequest] = deque()
        self.in_slots: dict[int, BackendRequest] = {}
        self.inbox: Mailbox[BackendRequest] = Mailbox(kernel)
        self.irqs: Mailbox[TakenIrq] = Mailbox(kernel)
        self.settled = Signal(kernel)
        ahci.port.post("PxFB", bounce_base, HOST_EPOCH)
        ahci.port.post("PxCMD.ST", 1, HOST_EPOCH)
        host_kernel.attach(ahci.plan.intid, self.name, HOST_EPOCH, self.irqs, tracked=True)
        self.start(self._take_requests)
        self.start(self._serve_interrupts)

    # For vdevs, by message.

    def outstanding_of(self, epoch: int) -> int:
        """Return how many requests of an epoch are not answered."""
        waiting = sum(request.epoch == epoch for request in self.waiting)
        return waiting + sum(request.epoch == epoch for request in self.in_slots.values())

    def cancel_waiting(self, client: BackendClient) -> list[int]:
        """Drop a client's requests that the controller does not have yet; return their tags."""
        dropped = [request for request in self.waiting if request.client is client]
        for request in dropped:
            operation = request.job.operation
            self.emit(BackendRequestEnded(self.name, request.epoch, operation, "cancelled"))
        self.waiting = deque(one for one in self.waiting if one.client is not client)
        self.settled.notify()
        return [request.tag for request in dropped]

    def medium(self, vdev: str, capacity: int, offered: int) -> BlockDevice:
        """Return the part of the disk behind a vdev, the same one for every VM instance.

        Args:
            vdev: The vdev's name.
            capacity: Sectors.
            offered: The features that the vdev offers, as a number.
        """
        medium = self.media.get(vdev)
        if medium is None:
            medium = BlockDevice(capacity, offered=offered, identifier=self.ahci.name.encode())
            medium.committed = formatted_content().copy()
            self.media[vdev] = medium
        medium.reset()
        return medium

    # Processes.

    def _take_requests(self) -> Steps:
        while True:
            while not self.inbox:
                yield self.inbox.wait()
            request = self.inbox.take()
            operation = request.job.operation
            self.emit(BackendRequestBegun(self.name, request.epoch, operation, request.length))
            self.waiting.append(request)
            self._fill_slots()

    def _fill_slots(self) -> None:
        while self.waiting and len(self.in_slots) < self.ahci.plan.slots:
            request = self.waiting.popleft()
            slot = next(n for n in range(self.ahci.plan.slots) if n not in self.in_slots)
            self.in_slots[slot] = request
            command = self._command_of(slot, request)
            if command.operation == "read":
                for addr, length in command.pieces:
                    self.emit(DmaRequested(self.ahci.name, command.epoch, addr, length))
            self.ahci.command_list[slot] = command
            self.ahci.port.post("PxCI", slot, HOST_EPOCH)

    def _command_of(self, slot: int, request: BackendRequest) -> AhciCommand:
        operation = request.job.operation
        if request.zero_copy:
            return AhciCommand(request.epoch, operation, request.pieces, request.job)
        buffer_addr = self._bounce_addr(slot)
        if operation == "write":
            data = b"".join(self.memory.read(addr, size) for addr, size in request.pieces)
            self.memory.write(buffer_addr, data)
        pieces = tuple(pages_of(buffer_addr, request.length))
        return AhciCommand(HOST_EPOCH, operation, pieces, request.job)

    def _bounce_addr(self, slot: int) -> int:
        # One MiB a slot, behind the frame with the FIS receive area.
        assert FIS_LENGTH <= FRAME_SIZE
        return self.bounce_base + FRAME_SIZE + (slot << 20)

    def _serve_interrupts(self) -> Steps:
        while True:
            while not self.irqs:
                yield self.irqs.wait()
            taken = self.irqs.take()
            yield self.kernel.delay(self.timing.irq_to_host_handler, f"{self.name}.irq")
            for slot in self.ahci.acknowledge():
                self._answer(slot)
            self.host_kernel.unmask(taken.intid, self.name, HOST_EPOCH)
            self._fill_slots()

    def _answer(self, slot: int) -> None:
        request = self.in_slots.pop(slot)
        data = b""
        job = request.job
        if not request.zero_copy and job.operation == "read":
            data = self.memory.read(self._bounce_addr(slot), request.length)
        if self.is_detailed:
            for event in job.storage_events():
                self.emit(event)
        self.emit(BackendRequestEnded(self.name, request.epoch, job.operation, "done"))
        request.client.take_answer(BackendAnswer(request.tag, data))
        self.settled.notify()
