"""What all block drivers of the host have in common: requests of vdevs, slots, and answers.

Such a driver is a process of its own: requests that it has taken go on when the qvm that sent them
has exited.  With zero-copy, its hardware writes the guest's own pages.  Otherwise the hardware
writes a bounce buffer in host memory, and the vdev copies the data.

A server can stall: then it takes no message and gives no answer, while its hardware goes on.  The
kernel unblocks the sender after `message-block-timeout` and sends the server a pulse; a server that
obeys the pulse calls `abandon`.  If the process dies, the kernel unblocks all its clients with an
error, and its hardware still goes on.
"""

from collections import deque
from typing import NamedTuple, Protocol

from simpy.events import Process

from ..base.addresses import FRAME_SIZE, pages_of
from ..bus.memory import DATA, PhysicalMemory
from ..hardware.disk import DiskCommand
from ..hardware.physical_device import PhysicalDevice
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Signal, Steps
from ..trace.events import (
    BackendRequestBegun,
    BackendRequestEnded,
    DmaRequested,
    ServerDied,
    ServerStalled,
)
from ..virtio.block_device import BlockDevice
from .block_job import BlockJob, formatted_content
from .procnto import HostKernel, TakenIrq

HOST_EPOCH = 0

OWN_MEMORY = 4 * FRAME_SIZE
"""Bytes of a driver's memory that its controller's structures take; bounce buffers lie behind."""


class BackendRequest(NamedTuple):
    """What a vdev asks of the driver.

    Attributes:
        epoch: The asking VM instance.
        job: What the disk is asked to do.
        pieces: Host-physical (address, length) of the data in guest memory.
        zero_copy: Whether the controller may use that memory itself.
        tag: Comes back with the answer.
        client: The vdev that asks and gets the answer.
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
    """What the driver answers; the job itself holds whether it was done.

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


class ServerSite(NamedTuple):
    """What a driver process gets from the host.

    Attributes:
        host_kernel: Where it attaches to interrupts.
        memory: All memory.
        base: Where its own memory begins: structures of its controller, then bounce buffers.
        is_detailed: Whether it emits when written data reaches the cache and the disk.
    """

    host_kernel: HostKernel
    memory: PhysicalMemory
    base: int
    is_detailed: bool = False


class BlockServer(Component):
    """The driver process; subclasses know a controller.

    Args:
        disk: Its plan.
        controller: The hardware, set up.
        site: What it gets from the host.

    Attributes:
        media: The part of the disk behind each vdev, by the vdev's name.
        unreceived: Messages that were sent to it while it stalled.
        waiting: Requests that wait for a free slot.
        in_slots: Slot to request, for those the controller has.
        abandoned: The slots among them whose request the server has given up and answered.
        is_stalled, is_dead: See the module.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        controller: PhysicalDevice,
        site: ServerSite,
    ) -> None:
        super().__init__(kernel, disk.server, timing)
        self.disk = disk
        self.controller = controller
        self.host_kernel = site.host_kernel
        self.memory = site.memory
        self.base = site.base
        self.is_detailed = site.is_detailed
        self.media: dict[str, BlockDevice] = {}
        self.unreceived: deque[BackendRequest] = deque()
        self.waiting: deque[BackendRequest] = deque()
        self.in_slots: dict[int, BackendRequest] = {}
        self.abandoned: list[int] = []
        self.is_stalled = self.is_dead = False
        self.inbox: Mailbox[BackendRequest] = Mailbox(kernel)
        self.irqs: Mailbox[TakenIrq] = Mailbox(kernel)
        self.settled = Signal(kernel)
        self.recovered = Signal(kernel)
        self.threads: list[Process] = []

    def begin(self) -> None:
        """Attach to the interrupt and start serving; the caller has set the controller up."""
        sender = "" if self.controller.wiring.is_wire else self.disk.name
        self.host_kernel.attach(self.disk.intid, self.name, HOST_EPOCH, self.irqs, True, sender)
        self.threads = [self.start(self._take_requests), self.start(self._serve_interrupts)]

    # What subclasses say.

    def issue(self, slot: int, command: DiskCommand) -> None:
        """Hand a command to the controller."""
        raise NotImplementedError

    def acknowledge_completed(self) -> list[int]:
        """Acknowledge the controller's interrupt; returns the slots that are done."""
        raise NotImplementedError

    # For vdevs, by message.

    def send(self, request: BackendRequest) -> None:
        """Take a message, as the kernel does for a process that will receive it."""
        if self.is_dead:
            request.client.take_answer(BackendAnswer(request.tag, b""))
        else:
            self.inbox.put(request)

    def outstanding_of(self, epoch: int) -> int:
        """Return how many requests of an epoch are not answered."""
        held = (*self.unreceived, *self.waiting)
        waiting = sum(request.epoch == epoch for request in held)
        return waiting + sum(
            request.epoch == epoch
            for slot, request in self.in_slots.items()
            if slot not in self.abandoned
        )

    def is_quiet_for(self, epoch: int) -> bool:
        """Return whether the server knows that its hardware writes no more for an epoch."""
        # Invariant: an abandoned slot is answered, but its hardware still works on it.  So an
        # answer alone is no proof that the hardware writes no more.
        given_up = any(self.in_slots[slot].epoch == epoch for slot in self.abandoned)
        return not given_up and not self.outstanding_of(epoch)

    def cancel_waiting(self, client: BackendClient) -> list[int]:
        """Drop a client's requests that the controller does not have yet; return their tags."""
        if self.is_stalled:
            return []
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
            identifier = self.controller.name.encode()
            medium = BlockDevice(capacity, offered=offered, identifier=identifier)
            medium.committed = formatted_content().copy()
            self.media[vdev] = medium
        medium.reset()
        return medium

    # Stalling and dying.

    def stall(self) -> None:
        """Take no message and give no answer from here on."""
        if not self.is_stalled and not self.is_dead:
            self.is_stalled = True
            self.emit(ServerStalled(self.name))

    def recover(self) -> None:
        """Go on serving."""
        self.is_stalled = False
        for request in self.unreceived:
            self._receive(request)
        self.unreceived.clear()
        self.recovered.notify()
        self._fill_slots()

    def abandon(self, epoch: int, *, in_hardware: bool) -> None:
        """Give up the requests of an epoch and answer each with an error.

        Args:
            epoch: The VM instance that was unblocked.
            in_hardware: Whether to give up also those that the controller has.  The controller
                still works on them.
        """
        given_up = [one for one in (*self.unreceived, *self.waiting) if one.epoch == epoch]
        self.unreceived = deque(one for one in self.unreceived if one.epoch != epoch)
        self.waiting = deque(one for one in self.waiting if one.epoch != epoch)
        if in_hardware:
            slots = [n for n, one in self.in_slots.items() if one.epoch == epoch]
            given_up += [self.in_slots[n] for n in slots if n not in self.abandoned]
            self.abandoned = sorted({*self.abandoned, *slots})
        for request in given_up:
            operation = request.job.operation
            self.emit(BackendRequestEnded(self.name, request.epoch, operation, "failed"))
            request.client.take_answer(BackendAnswer(request.tag, b""))
        self.settled.notify()

    def die(self) -> Steps:
        """End the process: unblock its clients and detach its line; its hardware goes on."""
        self.is_dead = True
        self.emit(ServerDied(self.name))
        self.stop_threads()
        for request in (*self.unreceived, *self.waiting, *self.in_slots.values()):
            self.abandon(request.epoch, in_hardware=True)
        yield from self.host_kernel.detach(self.disk.intid, self.name, HOST_EPOCH)

    def stop_threads(self) -> None:
        """Stop all threads of the process."""
        for thread in self.threads:
            self.kernel.kill(thread)

    # Processes.

    def _take_requests(self) -> Steps:
        while True:
            while not self.inbox:
                yield self.inbox.wait()
            request = self.inbox.take()
            if self.is_stalled:
                self.unreceived.append(request)
                self.settled.notify()
            else:
                self._receive(request)
                self._fill_slots()

    def _receive(self, request: BackendRequest) -> None:
        operation = request.job.operation
        self.emit(BackendRequestBegun(self.name, request.epoch, operation, request.length))
        self.waiting.append(request)

    def _fill_slots(self) -> None:
        while self.waiting and len(self.in_slots) < self.disk.slots:
            # Invariant: a slot is free only when the controller has completed or stopped its
            # command; abandoned slots stay taken until then.
            request = self.waiting.popleft()
            slot = next(n for n in range(self.disk.slots) if n not in self.in_slots)
            self.in_slots[slot] = request
            command = self._command_of(slot, request)
            if command.operation == "read":
                for addr, length in command.pieces:
                    self.emit(DmaRequested(self.controller.name, command.epoch, addr, length))
            self.issue(slot, command)

    def _command_of(self, slot: int, request: BackendRequest) -> DiskCommand:
        operation = request.job.operation
        if request.zero_copy:
            return DiskCommand(request.epoch, operation, request.pieces, request.job)
        buffer_addr = self._bounce_addr(slot)
        if operation == "write":
            epoch, give = request.epoch, self.memory.give_to_cpu
            data = b"".join([give(self.name, epoch, *piece, DATA) for piece in request.pieces])
            self.memory.write(buffer_addr, data)
        pieces = tuple(pages_of(buffer_addr, request.length))
        return DiskCommand(HOST_EPOCH, operation, pieces, request.job)

    def _bounce_addr(self, slot: int) -> int:
        """Return where the bounce buffer of a slot is: one MiB each."""
        return self.base + OWN_MEMORY + (slot << 20)

    def _serve_interrupts(self) -> Steps:
        while True:
            while not self.irqs:
                yield self.irqs.wait()
            taken = self.irqs.take()
            yield self.kernel.delay(self.timing.irq_to_host_handler, f"{self.name}.irq")
            while self.is_stalled:
                yield self.recovered.wait()
            for slot in self.acknowledge_completed():
                self._answer(slot)
            self.host_kernel.unmask(taken.intid, self.name, HOST_EPOCH)
            self._fill_slots()

    def _answer(self, slot: int) -> None:
        # Invariant: each request is answered once; the client of an abandoned slot has its answer.
        request = self.in_slots.pop(slot)
        if slot in self.abandoned:
            self.abandoned.remove(slot)
            self.settled.notify()
            return
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
