"""The virtio-blk vdev: takes chains from guest memory and has a host driver serve them.

Each write of its worker into guest memory is an event of its own, because the worker is a writer
like any device.  The worker writes data, status byte, used element and used index of a request, in
this order (VIRTIO 1.2, 5.2.6 and 2.7.8.2).

`virtio.block_device` holds what a request means; the disk itself belongs to the host driver.  With
zero-copy the host driver's hardware moves the data.  The trace then has the vdev's access to the
buffers when the host driver answers, and the DMA events when the data lands.
"""

from itertools import count
from typing import NamedTuple

from ..base.addresses import pages_of
from ..base.clock import exactly
from ..host.block_job import BlockJob
from ..host.block_server import BackendAnswer, BackendRequest, BlockServer
from ..plan.virtio_plan import BlockPlan
from ..sim.kernel import Steps
from ..trace.events import StopConfirmed
from ..trace.virtio_events import BlockRequestAnswered, BlockRequestTaken
from ..virtio.block_device import (
    BlockAnswer,
    BlockRequest,
    MalformedRequest,
    data_pieces,
    read_buffers,
    status_piece,
    used_length,
)
from ..virtio.block_format import (
    CONFIG_SIZE,
    SECTOR_SIZE,
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_WRITE_ZEROES,
    WRITEBACK_OFFSET,
    BlockRequestType,
    BlockStatus,
)
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.device_registers import DeviceRegisters
from ..virtio.features import feature_mask
from ..virtio.virtqueue import Buffer, DescriptorChain
from .register_side import offered_by
from .site import VdevSite
from .vdev_queue import VdevQueue
from .virtio_vdev import Message, VirtioVdev

CLASS_CODE = 0x018000

_ALWAYS = feature_mask(
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_WRITE_ZEROES,
)
_CACHE_FEATURES = {
    "write-back": feature_mask(VIRTIO_BLK_F_FLUSH),
    "write-through": 0,
    "configurable": feature_mask(VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_CONFIG_WCE),
}
_KINDS = {
    BlockRequestType.IN: "in",
    BlockRequestType.OUT: "out",
    BlockRequestType.FLUSH: "flush",
    BlockRequestType.GET_ID: "get_id",
    BlockRequestType.DISCARD: "discard",
    BlockRequestType.WRITE_ZEROES: "write_zeroes",
}
_WRITES = frozenset({BlockRequestType.OUT, BlockRequestType.DISCARD, BlockRequestType.WRITE_ZEROES})


def block_features(plan: BlockPlan) -> int:
    """Return the features of the device type that are offered, as a number."""
    read_only = feature_mask(VIRTIO_BLK_F_RO) if plan.read_only else 0
    return _ALWAYS | _CACHE_FEATURES[plan.write_cache] | read_only


class Transfer(NamedTuple):
    """A request that the host driver has: its queue, its chain, and the job for the disk."""

    queue: VdevQueue
    chain: DescriptorChain
    job: BlockJob


class VirtioBlk(VirtioVdev):
    """The vdev.

    Args:
        site: What it gets from its qvm.
        plan: What it offers.
        server: The host driver behind `hostdev`.

    Attributes:
        in_backend: Tag to transfer, for the requests that the host driver has.
    """

    def __init__(self, site: VdevSite, plan: BlockPlan, server: BlockServer) -> None:
        offered = block_features(plan)
        self.medium = server.medium(f"{site.vm}.{plan.name}", plan.capacity, offered)
        config = self.medium.config().pack()
        assert len(config) == CONFIG_SIZE
        is_configurable = plan.write_cache == "configurable"
        registers = DeviceRegisters(
            VirtioDeviceId.BLOCK,
            offered | offered_by(plan),
            [plan.queue_size],
            config=config,
            writable_config=(WRITEBACK_OFFSET,) if is_configurable else (),
        )
        super().__init__(site, plan, plan.name, registers, CLASS_CODE)
        self.plan = plan
        self.server = server
        self.in_backend: dict[int, Transfer] = {}

    @property
    def server_name(self) -> str:
        """The host driver."""
        return self.server.name

    # Called by the host driver, by message.

    def take_answer(self, answer: BackendAnswer) -> None:
        """Take the answer to a request."""
        self.tasks.put(Message(answer))

    # What the base asks.

    def features_accepted(self, negotiated: int) -> None:
        """Set the cache mode from the features in force."""
        self.medium.negotiate(negotiated)

    def reset_done(self) -> None:
        """Set the cache mode back to its initial value."""
        self.medium.reset()

    def config_written(self, offset: int, length: int) -> None:
        """Set the cache mode that the driver has written."""
        self.medium.set_writeback(self.registers.read_config(offset, length))

    def serve_queue(self, queue: VdevQueue) -> Steps:
        """Take chains and hand them to the host driver."""
        while True:
            chain = self.take(queue)
            if chain is None:
                return
            request = self.medium.parse(self.ram, chain)
            if isinstance(request, MalformedRequest):
                self.drop(queue)
                self.fail()
                return
            self._emit_request_taken(queue, chain, request)
            # Invariant: a chain that a reset has overtaken in this delay never reaches the host
            # driver.
            yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.request")
            if not self.may_give_back(queue):
                self.drop(queue)
                return
            self._submit(queue, chain, request)

    def serve_message(self, message: BackendAnswer) -> Steps:
        """Give a request back that the host driver has answered."""
        transfer = self.in_backend.pop(message.tag)
        job = transfer.job
        if self.plan.zero_copy:
            self._emit_direct_access(transfer)
        if not self.may_give_back(transfer.queue):
            self.drop(transfer.queue)
            return
        data = () if self.plan.zero_copy else data_pieces(job.request, job.answer)
        for addr, piece in data:
            transfer.queue.write(transfer.chain, addr, piece)
        self._finish(transfer.queue, transfer.chain, job.request, job.answer)
        yield from ()

    def cancel_backend(self) -> None:
        """Have the host driver drop the requests that its hardware does not have yet."""
        for tag in self.server.cancel_waiting(self):
            self.drop(self.in_backend.pop(tag).queue)

    def drain(self, bound_ns: int) -> Steps:
        """Wait until the host driver has answered every request; gives whether it did in time."""
        bound = self.kernel.delay(exactly(bound_ns), f"{self.name}.drain_bound")
        while self.server.outstanding_of(self.epoch):
            if (yield self.kernel.first(self.server.settled.wait(), bound)) == 1:
                return False
        self.confirm_stop()
        return True

    def confirm_stop(self) -> None:
        """Emit that the disk writes no more for this epoch, if no request of it is left."""
        if self.server.is_quiet_for(self.epoch):
            self.emit(StopConfirmed(self.server.controller.name, self.epoch))

    # Requests.

    def _submit(self, queue: VdevQueue, chain: DescriptorChain, request: BlockRequest) -> None:
        kind = request.header.type
        if self.medium.verdict(request) is not None or kind == BlockRequestType.GET_ID:
            answer = self.medium.execute(request, b"")
            for addr, piece in data_pieces(request, answer):
                queue.write(chain, addr, piece)
            self._finish(queue, chain, request, answer)
            return
        buffers: tuple[Buffer, ...] = ()
        fetched = b""
        if kind == BlockRequestType.IN:
            buffers = request.writable
        elif kind == BlockRequestType.OUT:
            buffers = request.readable
            if not self.plan.zero_copy:
                queue.emit_access(chain.head_index, buffers, wrote=False)
        elif kind in _WRITES:
            queue.emit_access(chain.head_index, request.readable, wrote=False)
            fetched = read_buffers(self.ram, request.readable)
        job = BlockJob(self.name, self.medium, request, fetched)
        tag = self._free_tag()
        self.in_backend[tag] = Transfer(queue, chain, job)
        pieces = self._host_pieces(buffers)
        self.server.send(BackendRequest(self.epoch, job, pieces, self.plan.zero_copy, tag, self))

    def _free_tag(self) -> int:
        # Invariant: a request that outlives a reset keeps its tag, so no two have the same tag.  A
        # chain's head could come twice.
        return next(tag for tag in count() if tag not in self.in_backend)

    def _host_pieces(self, buffers: tuple[Buffer, ...]) -> tuple[tuple[int, int], ...]:
        return tuple(
            piece
            for addr, length in buffers
            for piece in pages_of(self.ram.host_addr(addr, length), length)
        )

    def _finish(
        self,
        queue: VdevQueue,
        chain: DescriptorChain,
        request: BlockRequest,
        answer: BlockAnswer,
    ) -> None:
        addr, status = status_piece(request, answer)
        if self.is_detailed:
            self._emit_request_answered(request, answer.status)
        queue.write(chain, addr, status, "status")
        self.complete(queue, chain.head_index, used_length(request, answer))

    # Events of detailed traces.

    def _emit_request_taken(
        self, queue: VdevQueue, chain: DescriptorChain, request: BlockRequest
    ) -> None:
        if not self.is_detailed:
            return
        queue.emit_access(chain.head_index, (chain.readable[0],), wrote=False)
        self.emit(
            BlockRequestTaken(
                *self._request_fields(request),
                self.plan.capacity,
                self.plan.read_only,
            )
        )

    def _emit_direct_access(self, transfer: Transfer) -> None:
        request, answer = transfer.job.request, transfer.job.answer
        head = transfer.chain.head_index
        if request.header.type == BlockRequestType.IN and answer.status is BlockStatus.OK:
            transfer.queue.emit_access(head, request.writable, wrote=True)
        elif request.header.type == BlockRequestType.OUT:
            transfer.queue.emit_access(head, request.readable, wrote=False)

    def _emit_request_answered(self, request: BlockRequest, status: BlockStatus) -> None:
        is_write = request.header.type in _WRITES
        is_stable = is_write and status is BlockStatus.OK and request.is_write_through
        self.emit(
            BlockRequestAnswered(*self._request_fields(request), status.name.lower(), is_stable)
        )

    def _request_fields(self, request: BlockRequest) -> tuple[str, int, int, str, int, int]:
        kind = request.header.type
        word = _KINDS.get(BlockRequestType(kind), "unknown") if kind in _ALL_TYPES else "unknown"
        length = request.readable_length + request.writable_length
        head = request.head_index
        return (self.name, self.epoch, head, word, request.header.sector, length)


_ALL_TYPES = frozenset(BlockRequestType)
assert SECTOR_SIZE == 512
