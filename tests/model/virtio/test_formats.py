"""Requests and configurations byte for byte, as the standard draws them."""

from quiesce.model.virtio import block_format as blk
from quiesce.model.virtio import console_format as console
from quiesce.model.virtio import net_format as net
from quiesce.model.virtio.entropy_format import is_entropy_request
from quiesce.model.virtio.features import (
    VIRTIO_F_EVENT_IDX,
    VIRTIO_F_IN_ORDER,
    VIRTIO_F_INDIRECT_DESC,
    VIRTIO_F_RING_PACKED,
    VIRTIO_F_VERSION_1,
    feature_mask,
    feature_names,
    ring_features,
)
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.packed_device import PackedDeviceQueue
from quiesce.model.virtio.packed_driver import PackedDriverQueue
from quiesce.model.virtio.queues import device_queue, driver_queue, layout_at
from quiesce.model.virtio.split_device import SplitDeviceQueue
from quiesce.model.virtio.split_driver import SplitDriverQueue
from quiesce.model.virtio.virtqueue import DescriptorChain, RingFeatures


def test_block_write_header_is_type_reserved_sector() -> None:
    header = blk.BlockRequestHeader(blk.BlockRequestType.OUT, sector=0x0102030405)
    assert header.pack() == bytes.fromhex("01000000 00000000 0504030201000000")
    odd = blk.BlockRequestHeader.unpack(bytes.fromhex("63000000 07000000 0000000000000080"))
    assert odd == blk.BlockRequestHeader(99, sector=1 << 63, reserved=7)


def test_block_discard_segment_is_sector_count_flags() -> None:
    segment = blk.BlockSegment(2, 3, 1)
    assert segment.pack() == bytes.fromhex("0200000000000000 03000000 01000000")
    assert blk.BlockSegment.unpack(segment.pack()) == segment


def test_block_configuration_begins_with_the_capacity() -> None:
    config = blk.BlockConfig(capacity=0x800, block_size=512, writeback=1, queue_count=4)
    packed = config.pack()
    assert len(packed) == blk.CONFIG_SIZE == 72
    assert packed[:8] == bytes.fromhex("0008000000000000")
    assert packed[20:24] == bytes.fromhex("00020000")
    assert packed[32:36] == bytes.fromhex("01000400")
    assert blk.BlockConfig.unpack(packed) == config


def test_net_header_ends_with_the_number_of_buffers() -> None:
    header = net.NetHeader(flags=1, gso_type=1, header_length=54, gso_size=1448, buffer_count=2)
    assert header.pack() == bytes.fromhex("01 01 3600 a805 0000 0000 0200")
    assert net.NetHeader.unpack(header.pack()) == header


def test_net_configuration_begins_with_the_mac() -> None:
    config = net.NetConfig(bytes.fromhex("525400123456"), status=1, queue_pairs_max=2, mtu=1500)
    assert config.pack().hex(" ", 6).startswith("525400123456 01000200dc05")
    assert net.NetConfig.unpack(config.pack()) == config


def test_net_queues_come_in_pairs_with_the_control_queue_last() -> None:
    assert [net.receive_queue(n) for n in range(3)] == [0, 2, 4]
    assert [net.transmit_queue(n) for n in range(3)] == [1, 3, 5]
    assert net.control_queue(3) == 6


def test_net_command_for_queue_pairs_is_told_from_others() -> None:
    assert net.pack_queue_pairs_command(2) == bytes.fromhex("04 00 0200")
    assert net.unpack_queue_pairs_command(bytes.fromhex("04000200")) == 2
    assert net.unpack_queue_pairs_command(bytes.fromhex("04010200")) is None
    assert net.unpack_queue_pairs_command(b"\4\0") is None


def test_console_messages_and_configuration_stand_as_drawn() -> None:
    message = console.ConsoleControl(1, console.ConsoleEvent.PORT_OPEN, 1)
    assert message.pack() == bytes.fromhex("01000000 0600 0100")
    assert console.ConsoleControl.unpack(message.pack()) == message
    config = console.ConsoleConfig(80, 25, 1)
    assert config.pack() == bytes.fromhex("5000 1900 01000000 00000000")
    assert console.ConsoleConfig.unpack(config.pack()) == config
    assert [console.port_queues(n) for n in range(3)] == [(0, 1), (4, 5), (6, 7)]


def test_entropy_request_is_writable_and_not_empty() -> None:
    assert is_entropy_request(DescriptorChain(0, (), ((0x1000, 1),), ()))
    assert not is_entropy_request(DescriptorChain(0, (), ((0x1000, 0),), ()))
    assert not is_entropy_request(DescriptorChain(0, ((0x1000, 1),), ((0x1000, 1),), ()))


def test_features_have_the_names_of_the_standard() -> None:
    features = feature_mask(9, VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1)
    assert feature_names(features) == ["bit 9", "VIRTIO_F_EVENT_IDX", "VIRTIO_F_VERSION_1"]


def test_negotiated_features_choose_the_ring_and_its_ways() -> None:
    memory = FlatMemory(0x4000)
    split = feature_mask(VIRTIO_F_VERSION_1, VIRTIO_F_EVENT_IDX)
    packed = feature_mask(VIRTIO_F_RING_PACKED, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_IN_ORDER)
    assert ring_features(split) == RingFeatures(event_index=True)
    assert ring_features(packed) == RingFeatures(indirect=True, in_order=True)
    layout = layout_at(0x1000, 8, split)
    assert layout.areas() == (0x1000, 0x1080, 0x1098)
    assert isinstance(driver_queue(memory, layout, split), SplitDriverQueue)
    assert isinstance(device_queue(memory, layout, split), SplitDeviceQueue)
    layout = layout_at(0x1000, 5, packed)
    assert layout.areas() == (0x1000, 0x1050, 0x1054)
    assert isinstance(driver_queue(memory, layout, packed), PackedDriverQueue)
    assert isinstance(device_queue(memory, layout, packed), PackedDeviceQueue)
