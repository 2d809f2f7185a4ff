"""Requests and configuration of a virtio block device, byte for byte.

        readable: header (16), data to write ...
        writable: data read ..., status (1)

The status is the last byte of the writable part.  Requests may complete in any order.

Source:
    VIRTIO 1.2, 5.2.
"""

from enum import IntEnum
from struct import Struct

import msgspec

VIRTIO_BLK_F_SIZE_MAX = 1
VIRTIO_BLK_F_SEG_MAX = 2
VIRTIO_BLK_F_GEOMETRY = 4
VIRTIO_BLK_F_RO = 5
VIRTIO_BLK_F_BLK_SIZE = 6
VIRTIO_BLK_F_FLUSH = 9
VIRTIO_BLK_F_TOPOLOGY = 10
VIRTIO_BLK_F_CONFIG_WCE = 11
VIRTIO_BLK_F_MQ = 12
VIRTIO_BLK_F_DISCARD = 13
VIRTIO_BLK_F_WRITE_ZEROES = 14
VIRTIO_BLK_F_LIFETIME = 15
VIRTIO_BLK_F_SECURE_ERASE = 16

SECTOR_SIZE = 512
ID_LENGTH = 20
WRITEBACK_OFFSET = 32
"""Offset of the one configuration byte that a driver may write, with CONFIG_WCE."""


class BlockRequestType(IntEnum):
    """What a request asks for."""

    IN = 0
    OUT = 1
    FLUSH = 4
    GET_ID = 8
    GET_LIFETIME = 10
    DISCARD = 11
    WRITE_ZEROES = 13
    SECURE_ERASE = 14


class BlockStatus(IntEnum):
    """How a request ended."""

    OK = 0
    IOERR = 1
    UNSUPP = 2


class BlockRequestHeader(msgspec.Struct, frozen=True):
    """The first 16 bytes of a request.

    Attributes:
        type: A `BlockRequestType`, or what else the driver wrote.
        sector: Where, in units of 512 bytes; 0 for a flush.
        reserved: As read; written as 0.
    """

    type: int
    sector: int
    reserved: int = 0

    def pack(self) -> bytes:
        """Return the 16 bytes."""
        return _HEADER.pack(self.type, self.reserved, self.sector)

    @classmethod
    def unpack(cls, data: bytes) -> "BlockRequestHeader":
        """Return the header that 16 bytes are."""
        kind, reserved, sector = _HEADER.unpack(data)
        return cls(kind, sector, reserved)


class BlockSegment(msgspec.Struct, frozen=True):
    """A range of a DISCARD, WRITE_ZEROES or SECURE_ERASE request, 16 bytes.

    Attributes:
        sector: The first sector.
        sector_count: How many.
        flags: Bit 0: unmap (WRITE_ZEROES only).
    """

    sector: int
    sector_count: int
    flags: int = 0

    def pack(self) -> bytes:
        """Return the 16 bytes."""
        return _SEGMENT.pack(self.sector, self.sector_count, self.flags)

    @classmethod
    def unpack(cls, data: bytes) -> "BlockSegment":
        """Return the segment that 16 bytes are."""
        return cls(*_SEGMENT.unpack(data))


class BlockConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration space; fields without their feature read as 0.

    Attributes:
        capacity: In sectors of 512 bytes.
        size_max: The most bytes of one buffer (SIZE_MAX).
        seg_max: The most data buffers of one request (SEG_MAX).
        geometry: Cylinders, heads, sectors (GEOMETRY).
        block_size: Bytes (BLK_SIZE).
        topology: Exponent of blocks per physical block, alignment offset, suggested minimum and
            optimum of a request in blocks (TOPOLOGY).
        writeback: 1 for a write-back cache, 0 for write-through (CONFIG_WCE).
        queue_count: Number of request queues (MQ).
        discard: Most sectors, most segments, alignment in sectors (DISCARD).
        write_zeroes: Most sectors, most segments, whether unmapping may happen (WRITE_ZEROES).
        secure_erase: Most sectors, most segments, alignment in sectors (SECURE_ERASE).
    """

    capacity: int
    size_max: int = 0
    seg_max: int = 0
    geometry: tuple[int, int, int] = (0, 0, 0)
    block_size: int = 0
    topology: tuple[int, int, int, int] = (0, 0, 0, 0)
    writeback: int = 0
    queue_count: int = 0
    discard: tuple[int, int, int] = (0, 0, 0)
    write_zeroes: tuple[int, int, int] = (0, 0, 0)
    secure_erase: tuple[int, int, int] = (0, 0, 0)

    def pack(self) -> bytes:
        """Return the 72 bytes."""
        return _CONFIG.pack(
            self.capacity,
            self.size_max,
            self.seg_max,
            *self.geometry,
            self.block_size,
            *self.topology,
            self.writeback,
            self.queue_count,
            *self.discard,
            *self.write_zeroes,
            *self.secure_erase,
        )

    @classmethod
    def unpack(cls, data: bytes) -> "BlockConfig":
        """Return the configuration that 72 bytes are."""
        fields = _CONFIG.unpack(data)
        return cls(
            capacity=fields[0],
            size_max=fields[1],
            seg_max=fields[2],
            geometry=fields[3:6],
            block_size=fields[6],
            topology=fields[7:11],
            writeback=fields[11],
            queue_count=fields[12],
            discard=fields[13:16],
            write_zeroes=fields[16:19],
            secure_erase=fields[19:22],
        )


_HEADER = Struct("<IIQ")
_SEGMENT = Struct("<QII")
_CONFIG = Struct("<QII HBB I BBHI Bx H III IIBxxx III")
HEADER_SIZE = _HEADER.size
SEGMENT_SIZE = _SEGMENT.size
CONFIG_SIZE = _CONFIG.size
