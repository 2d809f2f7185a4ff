"""The model's virtio-blk on PCI without time: what a register write asks for is done at once."""

from quiesce.model.base.pci_address import PciAddress
from quiesce.model.virtio.block_device import (
    BLOCK_FEATURES,
    BlockDevice,
    BlockRequest,
    data_pieces,
    status_piece,
    used_length,
)
from quiesce.model.virtio.block_format import WRITEBACK_OFFSET
from quiesce.model.virtio.device_ids import VirtioDeviceId
from quiesce.model.virtio.device_registers import DeviceRegisters
from quiesce.model.virtio.device_status import StatusChange
from quiesce.model.virtio.effects import (
    ConfigWritten,
    Effect,
    MsiMessage,
    QueueNotified,
    QueueReadyChanged,
    QueueResetRequested,
    ResetRequested,
    StatusWritten,
)
from quiesce.model.virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_VERSION_1,
    feature_mask,
)
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.pci_transport import PciTransport
from quiesce.model.virtio.queues import device_queue
from quiesce.model.virtio.virtqueue import DescriptorChain, DeviceQueue

from .pci_access import ModelFunction
from .virtio_driver import land

RING_FEATURES = feature_mask(
    VIRTIO_F_VERSION_1,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_RING_RESET,
)
QUEUE_SIZE_MAX = 256
BLOCK_CLASS = 0x010000


class ModelBlockFunction(ModelFunction):
    """A function with a disk; it answers every request before the doorbell write returns."""

    def __init__(
        self,
        memory: FlatMemory,
        disk: BlockDevice,
        *,
        ring_features: int = RING_FEATURES,
        accepts_zero_length: bool = False,
    ) -> None:
        self.memory = memory
        self.disk = disk
        self.accepts_zero_length = accepts_zero_length
        self.registers = DeviceRegisters(
            VirtioDeviceId.BLOCK,
            ring_features | disk.offered,
            [QUEUE_SIZE_MAX],
            config=disk.config().pack(),
            writable_config=[WRITEBACK_OFFSET],
        )
        self.queues: dict[int, DeviceQueue] = {}
        super().__init__(PciTransport(self.registers, BLOCK_CLASS), PciAddress(0, 1))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case ResetRequested():
                    self._reset()
                case StatusWritten(change=StatusChange.FEATURES_ACCEPTED):
                    self.disk.negotiate(self.registers.machine.negotiated)
                    self._show_writeback()
                case QueueReadyChanged(index, is_ready=True):
                    self._take_queue(index)
                case QueueResetRequested(index):
                    self.queues.pop(index, None)
                    self.transport.complete_queue_reset(index)
                case QueueNotified(index):
                    self._serve(index)
                case ConfigWritten():
                    self.disk.set_writeback(self.registers.config[WRITEBACK_OFFSET])
                case MsiMessage():
                    self._send(effect)

    def _reset(self) -> None:
        self.queues.clear()
        self.disk.reset()
        self._show_writeback()
        self.transport.complete_reset()
        # A masked message of the former life would otherwise be sent in the next (2.4.1).
        msix = self.transport.function.msix
        assert msix is not None
        for vector in range(self.transport.vectors):
            msix.withdraw(vector)

    def _show_writeback(self) -> None:
        self.registers.config[WRITEBACK_OFFSET] = self.disk.config().writeback

    def _take_queue(self, index: int) -> None:
        self.queues[index] = device_queue(
            self.memory,
            self.registers.queues[index].layout,
            self.registers.machine.negotiated,
            accepts_zero_length=self.accepts_zero_length,
        )

    def _serve(self, index: int) -> None:
        queue = self.queues.get(index)
        while queue is not None and self.registers.machine.may_touch_guest:
            chain = queue.next_chain()
            if chain is None:
                return
            request = None
            if isinstance(chain, DescriptorChain):
                request = self.disk.parse(self.memory, chain)
            if not isinstance(request, BlockRequest):
                if self.registers.fail():
                    self._send(self.transport.notify_config())
                return
            self._answer(queue, index, request)

    def _answer(self, queue: DeviceQueue, index: int, request: BlockRequest) -> None:
        answer = self.disk.execute(request, self.disk.fetch(self.memory, request))
        self.disk.commit(answer.to_commit)
        for addr, piece in data_pieces(request, answer):
            self.memory.write(addr, piece)
        self.memory.write(*status_piece(request, answer))
        if queue.complete(request.head_index, used_length(request, answer)):
            self._send(self.transport.notify_used(index))

    def _send(self, message: MsiMessage | None) -> None:
        if message is not None and self.transport.function.bus_master_enable:
            land(self.memory, message)


def model_block(
    size: int, capacity: int, *, read_only: bool = False, identifier: bytes = b"quiesce-disk"
) -> ModelBlockFunction:
    """Return a function with an empty disk, set up as QEMU sets up its own."""
    offered = BLOCK_FEATURES | (1 << 5 if read_only else 0)
    disk = BlockDevice(
        capacity,
        offered=offered,
        identifier=identifier,
        seg_max=QUEUE_SIZE_MAX - 2,
        segment_sectors_max=(1 << 22) - 1,
    )
    return ModelBlockFunction(FlatMemory(size), disk)
