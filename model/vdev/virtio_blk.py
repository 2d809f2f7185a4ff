"""The virtio-blk vdev: takes chains from guest memory and has a host driver serve them.

One worker thread in the qvm process does it all; whatever it writes into guest memory on behalf
of the guest is an event of its own, because it is a writer like any device.  The data of
a request comes before its status byte, that before the used element, and the used index comes
last (VIRTIO 1.2, 5.2.6 and 2.7.8.2).

Left out: every request type but IN and OUT, and every feature but the plain split queue; device
status and negotiation belong to the transport.
"""

import struct
from typing import NamedTuple

from ..addresses import pages_of
from ..clock import exactly
from ..component import Component
from ..host.devb_ahci import BackendAnswer, BackendRequest, DevbAhci
from ..kernel import Kernel, Mailbox, Signal, Steps
from ..memory import GuestRam, PhysicalMemory, StageTwo
from ..plan import BlockPlan
from ..timing import Timing
from ..trace import IrqInjected, RequestCompleted, StopConfirmed, WorkerEnded
from ..virtio.layout import RingLayout
from ..virtio.split_device import SplitDeviceQueue
from ..virtio.virtqueue import Buffer, DescriptorChain, RingFeatures

HEADER = struct.Struct("<IIQ")
"""Request header: type, reserved, sector (VIRTIO 1.2, 5.2.6)."""

TYPE_IN = 0
TYPE_OUT = 1
STATUS_OK = 0

NO_LINE = -1
"""The interrupt number of a vdev's own interrupt, which has no physical line."""

STEPS: dict[str, str] = {
    "stop-queue": "take no further chain from the available ring",
    "cancel": "have the host driver drop the requests that its hardware does not have yet",
    "drain": "wait until the host driver has answered every request, at most the bound",
    "join-worker": "pthread_cancel and pthread_join of the worker thread",
}
"""What its TERMINATE callback can do."""


class WorkerRam(GuestRam):
    """Guest memory as a worker thread of qvm writes it: each write is an event.

    Attributes:
        content: What is being written now; see `CpuWriteLanded`.
    """

    def __init__(
        self, memory: PhysicalMemory, stage_two: StageTwo, writer: str, epoch: int
    ) -> None:
        super().__init__(memory, stage_two)
        self._writer = writer
        self._epoch = epoch
        self.content = "data"

    def write(self, addr: int, data: bytes) -> None:
        """Let the bytes land, frame by frame."""
        start = 0
        for host_addr, length in pages_of(self.host_addr(addr, len(data)), len(data)):
            piece = data[start : start + length]
            self._memory.land_from_cpu(self._writer, self._epoch, host_addr, piece, self.content)
            start += length


class Transfer(NamedTuple):
    """A request that the host driver has: its chain, and where its status byte goes."""

    chain: DescriptorChain
    is_read: bool


class VirtioBlk(Component):
    """The vdev.

    Args:
        server: The host driver behind `hostdev`.
        interrupts: Where used buffer notifications go: the guest driver.

    Attributes:
        queue: The device side of the request queue, once the guest has set it up.
        is_taking: Whether it takes further chains.
        in_backend: Head to transfer, for what the host driver has.
        needs_reset: DEVICE_NEEDS_RESET: the guest broke the rules of the queue.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: BlockPlan,
        vm: str,
        epoch: int,
        memory: PhysicalMemory,
        stage_two: StageTwo,
        server: DevbAhci,
    ) -> None:
        super().__init__(kernel, f"{vm}.{plan.name}", timing)
        self.plan = plan
        self.vm = vm
        self.epoch = epoch
        self.ram = WorkerRam(memory, stage_two, self.name, epoch)
        self.server = server
        self.queue: SplitDeviceQueue | None = None
        self.is_taking = True
        self.needs_reset = False
        self.in_backend: dict[int, Transfer] = {}
        self.interrupts: Mailbox[int] = Mailbox(kernel)
        self.kicked = False
        self.kick_arrived = Signal(kernel)
        self.answers: Mailbox[BackendAnswer] = Mailbox(kernel)
        self.worker = self.start(self._work)
        self.is_joined = False

    # Called by the guest's driver through registers.

    def set_up_queue(self, layout: RingLayout, features: RingFeatures) -> None:
        """Take the queue as the driver has laid it out."""
        self.queue = SplitDeviceQueue(self.ram, layout, features)

    def notify(self) -> None:
        """Take an available buffer notification."""
        self.kicked = True
        self.kick_arrived.notify()

    # The TERMINATE callback.

    def carry_out(self, step: str, bound_ns: int) -> Steps:
        """Do one step of quiescing; gives whether it was done, as opposed to timed out."""
        match step:
            case "stop-queue":
                self.is_taking = False
            case "cancel":
                yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.cancel")
                self.server.cancel_waiting(self.epoch)
            case "drain":
                return (yield from self._drain(bound_ns))
            case "join-worker":
                yield self.kernel.delay(self.timing.thread_join, f"{self.name}.join")
                self.end_worker("joined")
            case _:
                raise AssertionError(f"no step {step} for a virtio-blk vdev")
        return True

    def end_worker(self, manner: str) -> None:
        """End the worker thread, if it is still there."""
        if not self.is_joined:
            self.is_joined = True
            self.kernel.kill(self.worker)
            self.emit(WorkerEnded(self.vm, self.epoch, self.name, manner))

    def _drain(self, bound_ns: int) -> Steps:
        bound = self.kernel.delay(exactly(bound_ns), f"{self.name}.drain_bound")
        while self.server.outstanding_of(self.epoch):
            if (yield self.kernel.first(self.server.settled.wait(), bound)) == 1:
                return False
        self.emit(StopConfirmed(self.server.ahci.name, self.epoch))
        return True

    # The worker thread.

    def _work(self) -> Steps:
        while True:
            while not (self.kicked or self.answers):
                yield self.kernel.first(self.kick_arrived.wait(), self.answers.wait())
            if self.answers:
                answer = self.answers.take()
                yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.answer")
                self._finish(answer)
            else:
                self.kicked = False
                yield self.kernel.delay(self.timing.exit_to_vmm_process, f"{self.name}.kick")
                yield from self._take_chains()

    def _take_chains(self) -> Steps:
        while self.is_taking and self.queue is not None and not self.needs_reset:
            self.ram.content = "suppression"
            chain = self.queue.next_chain()
            if chain is None:
                return
            transfer = self._parse(chain) if isinstance(chain, DescriptorChain) else None
            if transfer is None:
                self.needs_reset = True
                return
            yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.request")
            self._submit(transfer)

    def _parse(self, chain: DescriptorChain) -> Transfer | None:
        """Return what a chain asks for, or None if it is no request that this vdev serves."""
        if not chain.readable or not chain.writable or chain.readable[0][1] != HEADER.size:
            return None
        kind, _, _ = HEADER.unpack(self.ram.read(chain.readable[0][0], HEADER.size))
        if kind not in {TYPE_IN, TYPE_OUT} or chain.writable[-1][1] != 1:
            return None
        return Transfer(chain, kind == TYPE_IN)

    def _submit(self, transfer: Transfer) -> None:
        chain = transfer.chain
        buffers = chain.writable[:-1] if transfer.is_read else chain.readable[1:]
        self.in_backend[chain.head_index] = transfer
        self.server.inbox.put(
            BackendRequest(
                self.epoch,
                "read" if transfer.is_read else "write",
                self._host_pieces(buffers),
                self.plan.zero_copy,
                chain.head_index,
                self.answers,
            )
        )

    def _host_pieces(self, buffers: tuple[Buffer, ...]) -> tuple[tuple[int, int], ...]:
        return tuple(
            piece
            for addr, length in buffers
            for piece in pages_of(self.ram.host_addr(addr, length), length)
        )

    def _finish(self, answer: BackendAnswer) -> None:
        assert self.queue is not None
        transfer = self.in_backend.pop(answer.tag)
        chain = transfer.chain
        self.ram.content = "data"
        start = 0
        if answer.data:
            for addr, length in chain.writable[:-1]:
                self.ram.write(addr, answer.data[start : start + length])
                start += length
        self.ram.content = "status"
        self.ram.write(chain.writable[-1][0], bytes([STATUS_OK]))
        self.ram.content = "used_element"
        written = chain.writable_length if transfer.is_read else 1
        self.queue.write_used_element(chain.head_index, written)
        self.ram.content = "used_idx"
        self.queue.publish_used()
        self.emit(RequestCompleted(self.name, self.epoch, chain.head_index))
        if self.queue.must_notify():
            self.emit(IrqInjected(NO_LINE, self.vm, self.epoch, self.epoch, self.name))
            self.interrupts.put(NO_LINE)
