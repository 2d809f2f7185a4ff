"""What a virtio block device does with a request, as steps between which time may pass.

        parse    header read from the guest                     -> BlockRequest
        fetch    data to write or segments read from the guest  -> bytes
        execute  disk read, or cache written                    -> BlockAnswer
        commit   cache to persistent storage, where the answer has to wait for that
        data_pieces, status_piece, used_length                  -> what goes back to the guest

These functions neither wait nor write guest memory.  The caller does, piece by piece, and may die
between any two pieces.  `execute` caches a write; the write survives a loss of power once `commit`
has stored it.

A chain without room for header or status is a `MalformedRequest`, for it has no place for a status.
Every other mistake of a driver ends in IOERR ("device or driver error"), and a type that the device
does not know ends in UNSUPP.

Left out: SECURE_ERASE, LIFETIME, several queues, zones.

Source:
    VIRTIO 1.2, 5.2.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import repeat

import msgspec

from .block_format import (
    HEADER_SIZE,
    ID_LENGTH,
    SECTOR_SIZE,
    SEGMENT_SIZE,
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_WRITE_ZEROES,
    BlockConfig,
    BlockRequestHeader,
    BlockRequestType,
    BlockSegment,
    BlockStatus,
)
from .features import feature_mask, has_feature
from .memory import GuestMemory
from .virtqueue import Buffer, DescriptorChain

SEGMENT_F_UNMAP = 1
"""The only flag of a segment in the standard; for WRITE_ZEROES only."""

_ZEROS = bytes(SECTOR_SIZE)
_WRITES = frozenset({BlockRequestType.OUT, BlockRequestType.DISCARD, BlockRequestType.WRITE_ZEROES})
_KNOWN = _WRITES | {BlockRequestType.IN, BlockRequestType.FLUSH, BlockRequestType.GET_ID}
_NEEDED_FEATURE: dict[int, int] = {
    BlockRequestType.FLUSH: VIRTIO_BLK_F_FLUSH,
    BlockRequestType.DISCARD: VIRTIO_BLK_F_DISCARD,
    BlockRequestType.WRITE_ZEROES: VIRTIO_BLK_F_WRITE_ZEROES,
}
_CONFIGURABLE = feature_mask(
    VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_BLK_SIZE,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_WRITE_ZEROES,
)
BLOCK_FEATURES = _CONFIGURABLE & ~feature_mask(VIRTIO_BLK_F_RO)
"""The features of the device type that a writable disk offers by default."""


class MalformedRequestReason(Enum):
    """Why a chain is no request at all."""

    HEADER_TOO_SHORT = "the readable buffers hold less than a header"
    NO_STATUS_BYTE = "there is no writable byte for the status"


class MalformedRequest(msgspec.Struct, frozen=True):
    """What the device found instead of a request; it answers with DEVICE_NEEDS_RESET.

    Attributes:
        reason: What is missing.
        head_index: Of the chain.
    """

    reason: MalformedRequestReason
    head_index: int

    def __str__(self) -> str:
        """Give the chain and what is missing."""
        return f"chain {self.head_index}: {self.reason.value}"


class BlockRequest(msgspec.Struct, frozen=True):
    """A request as it was found in a chain.

    Attributes:
        head_index: Of the chain.
        header: Type and sector.
        readable: The readable buffers behind the header: data to write, or segments.
        writable: The writable buffers before the status byte: room for data.
        status_addr: Where the status byte goes, the last byte of the writable part.
        is_write_through: Whether a write is to be committed before it completes.
    """

    head_index: int
    header: BlockRequestHeader
    readable: tuple[Buffer, ...]
    writable: tuple[Buffer, ...]
    status_addr: int
    is_write_through: bool

    @property
    def readable_length(self) -> int:
        """Bytes behind the header."""
        return _length_of(self.readable)

    @property
    def writable_length(self) -> int:
        """Bytes before the status byte."""
        return _length_of(self.writable)


class BlockAnswer(msgspec.Struct, frozen=True):
    """How a request ends.

    Attributes:
        status: The status byte.
        data: What goes into the writable buffers before it.
        to_commit: Sectors to be committed before the driver gets the answer, ascending.
    """

    status: BlockStatus
    data: bytes = b""
    to_commit: tuple[int, ...] = ()


class BlockDevice:
    """A disk with a cache, and the rules by which requests reach it.

    Args:
        capacity: Sectors of 512 bytes.
        offered: The features of the device type that are offered, as a number.
        identifier: The answer to GET_ID: up to 20 bytes of ASCII.
        seg_max: The most data buffers of one request, reported to the driver and not enforced.
        block_size: Bytes, reported to the driver as the best unit; requests count in 512 bytes.
        segment_sectors_max: The most sectors of one segment of a DISCARD or WRITE_ZEROES.
        segments_max: The most segments of such a request.

    Attributes:
        committed: Sector to content, in persistent storage; a missing sector holds zeros.
        cached: Sector to content that is newer than the committed content.
        negotiated: The features in force.
        writeback: The configuration field of that name.
    """

    def __init__(
        self,
        capacity: int,
        *,
        offered: int = BLOCK_FEATURES,
        identifier: bytes = b"",
        seg_max: int = 126,
        block_size: int = SECTOR_SIZE,
        segment_sectors_max: int = 1 << 22,
        segments_max: int = 1,
    ) -> None:
        assert capacity >= 0
        assert len(identifier) <= ID_LENGTH
        assert not offered & 0xFF_FFFF & ~_CONFIGURABLE, "a feature of a block device left out here"
        if has_feature(offered, VIRTIO_BLK_F_CONFIG_WCE):
            assert has_feature(offered, VIRTIO_BLK_F_FLUSH)  # 5.2.5.2
        self.capacity = capacity
        self.offered = offered
        self.identifier = identifier
        self.seg_max = seg_max
        self.block_size = block_size
        self.segment_sectors_max = segment_sectors_max
        self.segments_max = segments_max
        self.committed: dict[int, bytes] = {}
        self.cached: dict[int, bytes] = {}
        self.negotiated = 0
        self.writeback = True

    # Configuration.

    def config(self) -> BlockConfig:
        """Return the configuration space; fields without an offered feature are 0."""
        limits = (self.segment_sectors_max, self.segments_max)
        return BlockConfig(
            capacity=self.capacity,
            seg_max=self._if_offered(VIRTIO_BLK_F_SEG_MAX, self.seg_max),
            block_size=self._if_offered(VIRTIO_BLK_F_BLK_SIZE, self.block_size),
            writeback=self._if_offered(VIRTIO_BLK_F_CONFIG_WCE, int(self.writeback)),
            discard=(*limits, 1) if self._offers(VIRTIO_BLK_F_DISCARD) else (0, 0, 0),
            write_zeroes=(*limits, 1) if self._offers(VIRTIO_BLK_F_WRITE_ZEROES) else (0, 0, 0),
        )

    def negotiate(self, negotiated: int) -> None:
        """Take the features in force, at the instant when the device accepts FEATURES_OK.

        Without FLUSH a driver that may choose the mode starts in write-through (5.2.5.2).
        """
        self.negotiated = negotiated
        has_flush = has_feature(negotiated, VIRTIO_BLK_F_FLUSH)
        if has_feature(negotiated, VIRTIO_BLK_F_CONFIG_WCE) and not has_flush:
            self.writeback = False

    def set_writeback(self, value: int) -> None:
        """Take the driver's write of the `writeback` field; it counts from the next request."""
        self.writeback = bool(value)

    @property
    def is_write_back(self) -> bool:
        """Whether a completed write may still be in the cache only (5.2.6.2)."""
        if has_feature(self.negotiated, VIRTIO_BLK_F_CONFIG_WCE):
            return self.writeback
        return has_feature(self.negotiated, VIRTIO_BLK_F_FLUSH)

    # The steps of a request.

    def parse(self, memory: GuestMemory, chain: DescriptorChain) -> BlockRequest | MalformedRequest:
        """Read the header and find data and status, for any division into buffers.

        Source:
            VIRTIO 1.2, 2.7.4.1 (no assumption about the arrangement of descriptors).
        """
        if chain.readable_length < HEADER_SIZE:
            return MalformedRequest(MalformedRequestReason.HEADER_TOO_SHORT, chain.head_index)
        if chain.writable_length == 0:
            return MalformedRequest(MalformedRequestReason.NO_STATUS_BYTE, chain.head_index)
        head, readable = split_buffers(chain.readable, HEADER_SIZE)
        writable, last = split_buffers(chain.writable, chain.writable_length - 1)
        header = BlockRequestHeader.unpack(read_buffers(memory, head))
        return BlockRequest(
            chain.head_index, header, readable, writable, last[0][0], not self.is_write_back
        )

    def fetch(self, memory: GuestMemory, request: BlockRequest) -> bytes:
        """Read from the guest the bytes that `execute` needs; none if the request is refused."""
        status = self.verdict(request)
        takes_data = status is None and request.header.type in _WRITES
        return read_buffers(memory, request.readable) if takes_data else b""

    def verdict(self, request: BlockRequest) -> BlockStatus | None:
        """Return the status with which a request is refused; `None` if it is accepted."""
        kind = request.header.type
        needed = _NEEDED_FEATURE.get(kind)
        if kind not in _KNOWN or (needed is not None and not self._offers(needed)):
            return BlockStatus.UNSUPP
        if kind in _WRITES and self._offers(VIRTIO_BLK_F_RO):
            return BlockStatus.IOERR  # 5.2.6.2
        if kind == BlockRequestType.IN:
            is_wrong = self._is_out_of_range(request.header.sector, request.writable_length)
        elif kind == BlockRequestType.OUT:
            is_wrong = self._is_out_of_range(request.header.sector, request.readable_length)
        elif kind == BlockRequestType.FLUSH:
            is_wrong = request.header.sector != 0  # 5.2.6.1
        else:
            is_wrong = kind in _WRITES and not self._has_segments(request.readable_length)
        return BlockStatus.IOERR if is_wrong else None

    def execute(self, request: BlockRequest, fetched: bytes) -> BlockAnswer:
        """Read the disk, or write the cache.

        Args:
            request: As `parse` gave it.
            fetched: As `fetch` gave it.
        """
        status = self.verdict(request)
        if status is not None:
            return BlockAnswer(status)
        match request.header.type:
            case BlockRequestType.IN:
                count = request.writable_length // SECTOR_SIZE
                return BlockAnswer(BlockStatus.OK, self.read(request.header.sector, count))
            case BlockRequestType.OUT:
                sectors = self._write(request.header.sector, fetched)
                return self._written(request, sectors)
            case BlockRequestType.FLUSH:
                return BlockAnswer(BlockStatus.OK, to_commit=tuple(sorted(self.cached)))
            case BlockRequestType.GET_ID:
                answer = self.identifier.ljust(ID_LENGTH, b"\0")
                return BlockAnswer(BlockStatus.OK, answer[: request.writable_length])
        return self._clear_segments(request, fetched)

    def commit(self, sectors: Iterable[int]) -> None:
        """Move cached sectors to persistent storage; those not in the cache are there already."""
        for sector in sectors:
            content = self.cached.pop(sector, None)
            if content is None:
                continue
            if content == _ZEROS:
                self.committed.pop(sector, None)
            else:
                self.committed[sector] = content

    def lose_cache(self) -> tuple[int, ...]:
        """Drop the cache, as a loss of power does; return the sectors lost, ascending."""
        lost = tuple(sorted(self.cached))
        self.cached.clear()
        return lost

    def reset(self) -> None:
        """Return to the state before negotiation; the disk and its cache stay as they are."""
        self.negotiated = 0
        self.writeback = True

    def read(self, sector: int, count: int) -> bytes:
        """Return the newest content of some sectors."""
        committed, cached = self.committed, self.cached
        places = range(sector, sector + count)
        if not cached:  # the usual case, without a look into the cache for each sector
            return b"".join(map(committed.get, places, repeat(_ZEROS)))
        return b"".join([cached.get(place) or committed.get(place, _ZEROS) for place in places])

    def state(self) -> tuple[object, ...]:
        """Return all attributes that change, as one hashable value."""
        return (
            tuple(sorted(self.committed.items())),
            tuple(sorted(self.cached.items())),
            self.negotiated,
            self.writeback,
        )

    def _offers(self, feature: int) -> bool:
        return has_feature(self.offered, feature)

    def _if_offered(self, feature: int, value: int) -> int:
        return value if self._offers(feature) else 0

    def _is_out_of_range(self, sector: int, length: int) -> bool:
        count, rest = divmod(length, SECTOR_SIZE)
        return rest != 0 or sector + count > self.capacity

    def _has_segments(self, length: int) -> bool:
        count, rest = divmod(length, SEGMENT_SIZE)
        return rest == 0 and 0 < count <= self.segments_max

    def _write(self, sector: int, data: bytes) -> tuple[int, ...]:
        sectors = range(sector, sector + len(data) // SECTOR_SIZE)
        for place, start in zip(sectors, range(0, len(data), SECTOR_SIZE), strict=True):
            self.cached[place] = data[start : start + SECTOR_SIZE]
        return tuple(sectors)

    def _written(self, request: BlockRequest, sectors: Iterable[int]) -> BlockAnswer:
        to_commit = tuple(sorted(sectors)) if request.is_write_through else ()
        return BlockAnswer(BlockStatus.OK, to_commit=to_commit)

    def _clear_segments(self, request: BlockRequest, fetched: bytes) -> BlockAnswer:
        """Clear the segments of a DISCARD or WRITE_ZEROES, all of them or none."""
        starts = range(0, len(fetched), SEGMENT_SIZE)
        segments = [BlockSegment.unpack(fetched[at : at + SEGMENT_SIZE]) for at in starts]
        is_discard = request.header.type == BlockRequestType.DISCARD
        known = 0 if is_discard else SEGMENT_F_UNMAP
        # A flag that is unknown counts before a range that is wrong (5.2.6.2).
        if any(segment.flags & ~known for segment in segments):
            return BlockAnswer(BlockStatus.UNSUPP)
        for segment in segments:
            is_too_long = segment.sector_count > self.segment_sectors_max
            if is_too_long or segment.sector + segment.sector_count > self.capacity:
                return BlockAnswer(BlockStatus.IOERR)
        changed = [
            sector
            for sector in {**self.committed, **self.cached}
            if any(0 <= sector - segment.sector < segment.sector_count for segment in segments)
        ]
        for sector in changed:
            self.cached[sector] = _ZEROS
        return self._written(request, changed)


def data_pieces(request: BlockRequest, answer: BlockAnswer) -> list[tuple[int, bytes]]:
    """Return the writes to guest memory before the status: addresses and bytes, in order."""
    pieces = []
    start = 0
    for addr, length in request.writable:
        piece = answer.data[start : start + length]
        if piece:
            pieces.append((addr, piece))
        start += length
    return pieces


def status_piece(request: BlockRequest, answer: BlockAnswer) -> tuple[int, bytes]:
    """Return address and content of the status byte, the last byte written of a request."""
    return request.status_addr, bytes((answer.status,))


def used_length(request: BlockRequest, answer: BlockAnswer) -> int:
    """Return the bytes written, counted from the start of the writable part without a gap.

    The status byte stands behind the room for data.  If that room was not filled, the status does
    not count, for a driver may assume that the first `used_length` bytes were written.

    Source:
        VIRTIO 1.2, 2.7.8.2.
    """
    written = len(answer.data)
    return written + 1 if written == request.writable_length else written


def split_buffers(
    buffers: Sequence[Buffer], length: int
) -> tuple[tuple[Buffer, ...], tuple[Buffer, ...]]:
    """Return the buffers of the first `length` bytes, and those of the rest.

    Buffers without bytes are in neither.

    Example:
        >>> split_buffers([(0x1000, 10), (0x2000, 10)], 16)
        (((4096, 10), (8192, 6)), ((8198, 4),))
    """
    front: list[Buffer] = []
    rest: list[Buffer] = []
    left = length
    for addr, size in buffers:
        here = min(size, left)
        left -= here
        if here:
            front.append((addr, here))
        if size > here:
            rest.append((addr + here, size - here))
    return tuple(front), tuple(rest)


def read_buffers(memory: GuestMemory, buffers: Iterable[Buffer]) -> bytes:
    """Return the content of some buffers, one after the other."""
    return b"".join(memory.read(addr, length) for addr, length in buffers)


def _length_of(buffers: Iterable[Buffer]) -> int:
    return sum(length for _, length in buffers)
