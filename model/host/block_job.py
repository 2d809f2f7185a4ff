"""One request to a disk on its way through the host driver: what the disk does, and when.

The content of a disk belongs to a `BlockDevice`, one for each vdev, which outlives the VM.  The
hardware carries a job out at one instant: after it has read the data of a write from memory, and
before it writes the data of a read to memory.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from ..trace.virtio_events import BlockWriteCached, BlockWriteCommitted
from ..virtio.block_device import BlockAnswer, BlockDevice, BlockRequest
from ..virtio.block_format import SECTOR_SIZE, BlockRequestType, BlockStatus

FORMATTED_SECTORS = 1152
"""So many sectors of a new disk are not empty: each holds its number plus one, over and over."""

_OPERATIONS: dict[int, str] = {
    BlockRequestType.IN: "read",
    BlockRequestType.OUT: "write",
    BlockRequestType.FLUSH: "flush",
    BlockRequestType.DISCARD: "discard",
    BlockRequestType.WRITE_ZEROES: "write_zeroes",
}
_NOT_EXECUTED = BlockAnswer(BlockStatus.IOERR)

StorageEvent = BlockWriteCached | BlockWriteCommitted


@lru_cache(maxsize=1)
def formatted_content() -> dict[int, bytes]:
    """Return what stands on a new disk: sector to content."""
    repeat = SECTOR_SIZE // 8
    return {
        sector: (sector + 1).to_bytes(8, "little") * repeat for sector in range(FORMATTED_SECTORS)
    }


class BlockJob:
    """A request to be carried out on a disk.

    Args:
        vdev: The component that asks.
        medium: The disk and its cache.
        request: What is asked.
        fetched: What the vdev has already read from guest memory; empty if the hardware reads the
            data itself.

    Attributes:
        operation: `read`, `write`, `flush`, `discard` or `write_zeroes`.
        answer: How it ended, once it has.
    """

    def __init__(
        self, vdev: str, medium: BlockDevice, request: BlockRequest, fetched: bytes
    ) -> None:
        self.vdev = vdev
        self.medium = medium
        self.request = request
        self.fetched = fetched
        self.operation = _OPERATIONS[request.header.type]
        self.answer = _NOT_EXECUTED

    def execute(self, data: bytes) -> bytes:
        """Carry it out; return what goes into memory.

        Args:
            data: What the hardware has read from memory, if it reads the data itself.
        """
        self.answer = self.medium.execute(self.request, self.fetched or data)
        self.medium.commit(self.answer.to_commit)
        return self.answer.data

    def give_up(self) -> None:
        """Let it end with an error, even if the disk has carried it out."""
        self.answer = _NOT_EXECUTED

    def storage_events(self) -> Iterator[StorageEvent]:
        """Give what an executed job has done to the cache and to persistent storage."""
        if self.answer.status is not BlockStatus.OK:
            return
        header, committed = self.request.header, self.answer.to_commit
        if header.type == BlockRequestType.OUT:
            yield BlockWriteCached(self.vdev, header.sector, self.request.readable_length)
        for first, count in _runs_of(committed):
            yield BlockWriteCommitted(self.vdev, first, count * SECTOR_SIZE)


def _runs_of(sectors: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Give ascending sectors as (first, count) of those that follow each other."""
    places = list(sectors)
    if not places:
        return
    first = places[0]
    for place, following in pairwise([*places, -1]):
        if following != place + 1:
            yield first, place + 1 - first
            first = following
