"""Stories about the virtio-mmio registers, as a driver of the standard drives them."""

import pytest

from quiesce.model.virtio.device_registers import DeviceRegisters
from quiesce.model.virtio.device_status import StatusChange
from quiesce.model.virtio.effects import (
    AccessRefused,
    ConfigWritten,
    InterruptAcknowledged,
    QueueNotified,
    QueueReadyChanged,
    QueueResetRequested,
    ResetRequested,
    StatusWritten,
)
from quiesce.model.virtio.features import (
    VIRTIO_F_NOTIFICATION_DATA,
    VIRTIO_F_RING_RESET,
    VIRTIO_F_VERSION_1,
    feature_mask,
)
from quiesce.model.virtio.layout import RingLayout
from quiesce.model.virtio.mmio_transport import MmioTransport

OFFERED = feature_mask(9, VIRTIO_F_VERSION_1, VIRTIO_F_RING_RESET, VIRTIO_F_NOTIFICATION_DATA)


def block_device() -> MmioTransport:
    config = bytes(range(0x10, 0x10 + 72))
    registers = DeviceRegisters(2, OFFERED, (256, 64), config=config, writable_config=(32,))
    return MmioTransport(registers, 0x1C05, shared_regions={1: (0x1_2000_0000, 0x3_0000_1000)})


def words(mmio: MmioTransport, *offsets: int) -> list[int]:
    return [mmio.read(offset, 4) for offset in offsets]


def initialise(mmio: MmioTransport, accepted: int = OFFERED) -> None:
    for status in (1, 3):
        mmio.write(0x070, 4, status)
    for select in (0, 1):
        mmio.write(0x024, 4, select)
        mmio.write(0x020, 4, accepted >> 32 * select & 0xFFFFFFFF)
    mmio.write(0x070, 4, 11)
    assert mmio.read(0x070, 4) == 11
    mmio.write(0x030, 4, 0)
    mmio.write(0x038, 4, 128)
    for offset, value in ((0x80, 0x1000), (0x84, 1), (0x90, 0x2000), (0x94, 2), (0xA0, 0x3000)):
        assert mmio.write(offset, 4, value) == []
    assert mmio.write(0x044, 4, 1) == [QueueReadyChanged(0, is_ready=True)]
    mmio.write(0x070, 4, 15)


def test_driver_of_the_standard_finds_and_sets_up_the_device() -> None:
    mmio = block_device()
    assert words(mmio, 0x000, 0x004, 0x008, 0x00C) == [0x74726976, 2, 2, 0x1C05]
    mmio.write(0x014, 4, 1)
    assert mmio.read(0x010, 4) == OFFERED >> 32
    mmio.write(0x014, 4, 4)
    assert mmio.read(0x010, 4) == 0
    assert mmio.read(0x034, 4) == 256
    initialise(mmio)
    assert mmio.registers.machine.negotiated == OFFERED
    layout = mmio.registers.queues[0].layout
    assert layout == RingLayout(128, 0x1_0000_1000, 0x2_0000_2000, 0x3000)
    assert mmio.registers.is_live


def test_queue_that_does_not_exist_has_no_size_and_cannot_be_made_ready() -> None:
    mmio = block_device()
    mmio.write(0x030, 4, 2)
    assert words(mmio, 0x034, 0x044) == [0, 0]
    assert isinstance(mmio.write(0x044, 4, 1)[0], AccessRefused)
    assert isinstance(mmio.write(0x038, 4, 16)[0], AccessRefused)


@pytest.mark.parametrize("offset", [0x038, 0x080, 0x084, 0x090, 0x0A4])
def test_queue_registers_stay_as_they_are_while_the_queue_is_ready(offset: int) -> None:
    mmio = block_device()
    initialise(mmio)
    before = mmio.state()
    assert isinstance(mmio.write(offset, 4, 64)[0], AccessRefused)
    assert mmio.state() == before


def test_queue_taken_out_of_use_reads_back_as_not_ready() -> None:
    mmio = block_device()
    initialise(mmio)
    assert mmio.read(0x044, 4) == 1
    assert mmio.write(0x044, 4, 0) == [QueueReadyChanged(0, is_ready=False)]
    assert mmio.read(0x044, 4) == 0
    assert mmio.write(0x044, 4, 0) == []


def test_doorbell_tells_queue_and_position_as_negotiated() -> None:
    mmio = block_device()
    initialise(mmio)
    assert mmio.write(0x050, 4, 0x00070001) == [QueueNotified(1, 7)]
    assert isinstance(mmio.write(0x050, 4, 2)[0], AccessRefused)
    plain = block_device()
    initialise(plain, feature_mask(VIRTIO_F_VERSION_1))
    assert plain.write(0x050, 4, 1) == [QueueNotified(1)]


def test_line_stays_asserted_until_every_bit_is_acknowledged() -> None:
    mmio = block_device()
    mmio.notify_used(0)
    mmio.notify_config()
    assert mmio.read(0x060, 4) == 3
    assert mmio.read(0x060, 4) == 3, "reading does not acknowledge"
    assert mmio.write(0x064, 4, 1) == [InterruptAcknowledged(1)]
    assert mmio.line_is_asserted
    assert mmio.write(0x064, 4, 0xFF) == [InterruptAcknowledged(2)]
    assert not mmio.line_is_asserted


def test_line_drops_and_queues_close_at_the_end_of_the_reset_and_not_before() -> None:
    mmio = block_device()
    initialise(mmio)
    mmio.notify_used(0)
    effects = mmio.write(0x070, 4, 0)
    assert effects == [StatusWritten(0, StatusChange.RESET_REQUESTED), ResetRequested()]
    assert words(mmio, 0x070, 0x044, 0x060) == [15, 1, 1]
    mmio.complete_reset()
    assert words(mmio, 0x070, 0x044, 0x060) == [0, 0, 0]
    assert not mmio.line_is_asserted
    assert mmio.state() == block_device().state()


def test_queue_reset_reads_one_until_done_and_then_the_queue_is_fresh() -> None:
    mmio = block_device()
    initialise(mmio)
    assert mmio.write(0x0C0, 4, 1) == [QueueResetRequested(0)]
    assert words(mmio, 0x0C0, 0x044) == [1, 1]
    mmio.complete_queue_reset(0)
    assert words(mmio, 0x0C0, 0x044) == [0, 0]
    assert mmio.registers.queues[0].layout == RingLayout(256, 0, 0, 0)
    assert mmio.registers.is_live


def test_queue_reset_needs_the_feature_and_a_queue_in_use() -> None:
    mmio = block_device()
    initialise(mmio, feature_mask(VIRTIO_F_VERSION_1))
    assert mmio.write(0x0C0, 4, 1) == []
    assert mmio.read(0x0C0, 4) == 0
    other = block_device()
    initialise(other)
    other.write(0x030, 4, 1)
    assert other.write(0x0C0, 4, 1) == []


@pytest.mark.parametrize(("offset", "length"), [(0x070, 1), (0x070, 2), (0x072, 4), (0x050, 2)])
def test_control_registers_take_aligned_words_only(offset: int, length: int) -> None:
    mmio = block_device()
    before = mmio.state()
    assert isinstance(mmio.write(offset, length, 1)[0], AccessRefused)
    assert mmio.state() == before
    mmio.registers.write_status(1)
    assert mmio.read(offset, length) == 0


@pytest.mark.parametrize("offset", [0x000, 0x034, 0x060, 0x0FC, 0x018])
def test_registers_that_are_read_only_or_absent_refuse_writes(offset: int) -> None:
    assert isinstance(block_device().write(offset, 4, 1)[0], AccessRefused)


def test_configuration_is_read_in_bytes_halves_and_words() -> None:
    mmio = block_device()
    assert mmio.read(0x100, 1) == 0x10
    assert mmio.read(0x102, 2) == 0x1312
    assert mmio.read(0x104, 4) == 0x17161514
    assert mmio.write(0x120, 1, 1) == [ConfigWritten(32, 1)]
    assert mmio.read(0x120, 1) == 1
    assert isinstance(mmio.write(0x120, 2, 1)[0], AccessRefused)


@pytest.mark.parametrize(("offset", "length"), [(0x101, 2), (0x102, 4), (0x100, 8), (0x100, 3)])
def test_configuration_takes_aligned_bytes_halves_and_words_only(offset: int, length: int) -> None:
    mmio = MmioTransport(
        DeviceRegisters(2, OFFERED, (8,), config=bytes(8), writable_config=range(8)), 0
    )
    assert mmio.write(0x102, 2, 0x0201) == [ConfigWritten(2, 2)]
    assert isinstance(mmio.write(offset, length, 0)[0], AccessRefused)
    assert mmio.read(0x100, 4) == 0x02010000


def test_change_of_the_configuration_is_seen_by_its_generation() -> None:
    mmio = block_device()
    before = mmio.read(0x0FC, 4)
    mmio.registers.change_config(0, b"\xff" * 8)
    assert mmio.read(0x0FC, 4) != before
    assert mmio.read(0x104, 4) == 0xFFFFFFFF


def test_shared_memory_regions_are_told_and_absent_ones_are_all_ones() -> None:
    mmio = block_device()
    assert words(mmio, 0x0B0, 0x0B4) == [0xFFFFFFFF, 0xFFFFFFFF]
    mmio.write(0x0AC, 4, 1)
    assert words(mmio, 0x0B0, 0x0B4, 0x0B8, 0x0BC) == [0x1000, 3, 0x20000000, 1]
