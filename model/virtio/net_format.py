"""Packets, control commands and configuration of a virtio network device, byte for byte.

Queues come in pairs, receive before transmit; the control queue is the last.  A receive buffer
may be written at any time without a fresh request of the driver.

Source:
    VIRTIO 1.2, 5.1.
"""

from enum import IntEnum
from struct import Struct

import msgspec

VIRTIO_NET_F_CSUM = 0
VIRTIO_NET_F_GUEST_CSUM = 1
VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 2
VIRTIO_NET_F_MTU = 3
VIRTIO_NET_F_MAC = 5
VIRTIO_NET_F_GUEST_TSO4 = 7
VIRTIO_NET_F_GUEST_TSO6 = 8
VIRTIO_NET_F_GUEST_ECN = 9
VIRTIO_NET_F_GUEST_UFO = 10
VIRTIO_NET_F_HOST_TSO4 = 11
VIRTIO_NET_F_HOST_TSO6 = 12
VIRTIO_NET_F_HOST_ECN = 13
VIRTIO_NET_F_HOST_UFO = 14
VIRTIO_NET_F_MRG_RXBUF = 15
VIRTIO_NET_F_STATUS = 16
VIRTIO_NET_F_CTRL_VQ = 17
VIRTIO_NET_F_CTRL_RX = 18
VIRTIO_NET_F_CTRL_VLAN = 19
VIRTIO_NET_F_GUEST_ANNOUNCE = 21
VIRTIO_NET_F_MQ = 22
VIRTIO_NET_F_CTRL_MAC_ADDR = 23
VIRTIO_NET_F_HASH_REPORT = 57
VIRTIO_NET_F_RSS = 60
VIRTIO_NET_F_RSC_EXT = 61
VIRTIO_NET_F_STANDBY = 62
VIRTIO_NET_F_SPEED_DUPLEX = 63

VIRTIO_NET_HDR_F_NEEDS_CSUM = 1
VIRTIO_NET_HDR_F_DATA_VALID = 2
VIRTIO_NET_HDR_F_RSC_INFO = 4
VIRTIO_NET_S_LINK_UP = 1
VIRTIO_NET_S_ANNOUNCE = 2
VIRTIO_NET_CTRL_RX = 0
VIRTIO_NET_CTRL_MAC = 1
VIRTIO_NET_CTRL_VLAN = 2
VIRTIO_NET_CTRL_ANNOUNCE = 3
VIRTIO_NET_CTRL_MQ = 4
VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0
VIRTIO_NET_OK = 0
VIRTIO_NET_ERR = 1


class GsoType(IntEnum):
    """How a large packet is to be segmented."""

    NONE = 0
    TCPV4 = 1
    UDP = 3
    TCPV6 = 4


class NetHeader(msgspec.Struct, frozen=True):
    """The 12 bytes in front of every packet.

    Attributes:
        flags: VIRTIO_NET_HDR_F_...
        gso_type: A `GsoType`, with bit 7 for ECN.
        header_length: Bytes of headers.
        gso_size: Bytes of data in each cut packet.
        checksum_start: The offset from which the checksum counts.
        checksum_offset: The offset of the checksum field behind `checksum_start`.
        buffer_count: Merged receive buffers; 1 on receive without MRG_RXBUF, 0 on transmit.
    """

    flags: int = 0
    gso_type: int = 0
    header_length: int = 0
    gso_size: int = 0
    checksum_start: int = 0
    checksum_offset: int = 0
    buffer_count: int = 0

    def pack(self) -> bytes:
        """Return the 12 bytes."""
        return _HEADER.pack(*msgspec.structs.astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> "NetHeader":
        """Return the header that 12 bytes are."""
        return cls(*_HEADER.unpack(data))


class NetConfig(msgspec.Struct, frozen=True):
    """The configuration space; fields without their feature read as 0.

    Attributes:
        mac: Six bytes (MAC).
        status: VIRTIO_NET_S_... (STATUS).
        queue_pairs_max: Most pairs of queues (MQ or RSS).
        mtu: Bytes (MTU).
        speed: Mbit/s (SPEED_DUPLEX).
        duplex: 1 for full, 0 for half (SPEED_DUPLEX).
        rss_key_size_max: Bytes (RSS or HASH_REPORT).
        rss_table_length_max: Entries (RSS).
        hash_types: Bits (RSS or HASH_REPORT).
    """

    mac: bytes
    status: int = 0
    queue_pairs_max: int = 0
    mtu: int = 0
    speed: int = 0
    duplex: int = 0
    rss_key_size_max: int = 0
    rss_table_length_max: int = 0
    hash_types: int = 0

    def pack(self) -> bytes:
        """Return the 24 bytes."""
        assert len(self.mac) == 6
        return _CONFIG.pack(*msgspec.structs.astuple(self))

    @classmethod
    def unpack(cls, data: bytes) -> "NetConfig":
        """Return the configuration that 24 bytes are."""
        return cls(*_CONFIG.unpack(data))


def receive_queue(pair: int) -> int:
    """Return the index of a pair's receive queue; pairs count from 0."""
    return 2 * pair


def transmit_queue(pair: int) -> int:
    """Return the index of a pair's transmit queue; pairs count from 0."""
    return 2 * pair + 1


def control_queue(queue_pairs_max: int) -> int:
    """Return the index of the control queue, behind all pairs the device has."""
    return 2 * queue_pairs_max


def pack_queue_pairs_command(pairs: int) -> bytes:
    """Return the readable part of the control command that sets the number of pairs in use.

    The writable part is one byte, VIRTIO_NET_OK or VIRTIO_NET_ERR.

    Source:
        VIRTIO 1.2, 5.1.6.5.6.
    """
    return _CONTROL.pack(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, pairs)


def unpack_queue_pairs_command(data: bytes) -> int | None:
    """Return the number of pairs that a control command sets; `None` for another command."""
    if len(data) != _CONTROL.size:
        return None
    class_, command, pairs = _CONTROL.unpack(data)
    is_ours = (class_, command) == (VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
    return int(pairs) if is_ours else None


_HEADER = Struct("<BBHHHHH")
_CONFIG = Struct("<6sHHHIBBHI")
_CONTROL = Struct("<BBH")
HEADER_SIZE = _HEADER.size
CONFIG_SIZE = _CONFIG.size
