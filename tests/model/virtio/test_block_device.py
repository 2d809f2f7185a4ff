"""The virtio block device's rules: what is refused, when a write is safe, what goes back."""

import pytest

from quiesce.model.virtio.block_device import (
    BLOCK_FEATURES,
    BlockAnswer,
    BlockDevice,
    BlockRequest,
    MalformedRequest,
    MalformedRequestReason,
    data_pieces,
    split_buffers,
    status_piece,
    used_length,
)
from quiesce.model.virtio.block_format import (
    VIRTIO_BLK_F_CONFIG_WCE,
    VIRTIO_BLK_F_DISCARD,
    VIRTIO_BLK_F_FLUSH,
    VIRTIO_BLK_F_RO,
    BlockRequestHeader,
    BlockSegment,
    BlockStatus,
)
from quiesce.model.virtio.block_format import BlockRequestType as Kind
from quiesce.model.virtio.features import feature_mask
from quiesce.model.virtio.memory import FlatMemory
from quiesce.model.virtio.virtqueue import Buffer, DescriptorChain

HEADER, DATA, ANSWER = 0x100, 0x1000, 0x4000
CAPACITY = 64
BOTH = feature_mask(VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_CONFIG_WCE)
FLUSH_ONLY = feature_mask(VIRTIO_BLK_F_FLUSH)
WCE_ONLY = feature_mask(VIRTIO_BLK_F_CONFIG_WCE)


class Bench:
    """A block device, memory, and the shortest way through all the steps of a request."""

    def __init__(self, negotiated: int = BOTH, **options: int | bytes) -> None:
        self.memory = FlatMemory(0x8000)
        self.disk = BlockDevice(CAPACITY, **options)  # type: ignore[arg-type]  # per keyword
        self.disk.negotiate(negotiated)

    def parse(self, kind: int, sector: int, data: bytes = b"", room: int = 0) -> BlockRequest:
        self.memory.write(HEADER, BlockRequestHeader(kind, sector).pack())
        self.memory.write(DATA, data)
        readable: tuple[Buffer, ...] = ((HEADER, 16), (DATA, len(data)))
        chain = DescriptorChain(0, readable, ((ANSWER, room), (ANSWER + room, 1)), ())
        request = self.disk.parse(self.memory, chain)
        assert isinstance(request, BlockRequest)
        return request

    def run(self, request: BlockRequest) -> BlockAnswer:
        answer = self.disk.execute(request, self.disk.fetch(self.memory, request))
        self.disk.commit(answer.to_commit)
        return answer

    def submit(self, kind: int, sector: int, data: bytes = b"", room: int = 0) -> BlockAnswer:
        return self.run(self.parse(kind, sector, data, room))

    def status(self, kind: int, sector: int, data: bytes = b"", room: int = 0) -> BlockStatus:
        return self.submit(kind, sector, data, room).status


def sectors(count: int, fill: int = 0x5A) -> bytes:
    return bytes((fill,)) * 512 * count


def test_what_was_written_is_read_back_from_the_newest_copy() -> None:
    bench = Bench()
    bench.submit(Kind.OUT, 3, sectors(2, 1))
    bench.submit(Kind.FLUSH, 0)
    bench.submit(Kind.OUT, 4, sectors(1, 2))
    answer = bench.submit(Kind.IN, 2, room=4 * 512)
    assert answer.data == sectors(1, 0) + sectors(1, 1) + sectors(1, 2) + sectors(1, 0)


def test_reads_and_writes_end_at_the_capacity() -> None:
    bench = Bench()
    assert bench.status(Kind.IN, CAPACITY - 1, room=512) is BlockStatus.OK
    assert bench.status(Kind.IN, CAPACITY, room=512) is BlockStatus.IOERR
    assert bench.status(Kind.OUT, CAPACITY - 1, sectors(2)) is BlockStatus.IOERR
    assert bench.status(Kind.OUT, (1 << 64) - 1, sectors(1)) is BlockStatus.IOERR
    assert not bench.disk.cached, "a refused write leaves no part of itself"


def test_data_comes_in_whole_sectors() -> None:
    bench = Bench()
    assert bench.status(Kind.IN, 0, room=511) is BlockStatus.IOERR
    assert bench.status(Kind.OUT, 0, bytes(513)) is BlockStatus.IOERR


def test_read_only_disk_refuses_every_write_and_still_reads() -> None:
    bench = Bench(offered=BLOCK_FEATURES | feature_mask(VIRTIO_BLK_F_RO))
    segment = BlockSegment(0, 1).pack()
    assert bench.status(Kind.OUT, 0, sectors(1)) is BlockStatus.IOERR
    assert bench.status(Kind.DISCARD, 0, segment) is BlockStatus.IOERR
    assert bench.status(Kind.WRITE_ZEROES, 0, segment) is BlockStatus.IOERR
    assert bench.status(Kind.IN, 0, room=512) is BlockStatus.OK
    assert bench.disk.state() == Bench(offered=bench.disk.offered).disk.state()


@pytest.mark.parametrize("kind", [2, 5, 9, Kind.GET_LIFETIME, Kind.SECURE_ERASE, 0xFFFF_FFFF])
def test_unknown_request_is_unsupported(kind: int) -> None:
    assert Bench().status(kind, 0, room=512) is BlockStatus.UNSUPP


def test_request_that_needs_a_feature_is_unsupported_without_the_offer() -> None:
    bench = Bench(negotiated=0, offered=0)
    assert bench.status(Kind.FLUSH, 0) is BlockStatus.UNSUPP
    assert bench.status(Kind.DISCARD, 0, BlockSegment(0, 1).pack()) is BlockStatus.UNSUPP
    assert bench.status(Kind.WRITE_ZEROES, 0, BlockSegment(0, 1).pack()) is BlockStatus.UNSUPP


def test_flush_names_no_sector() -> None:
    bench = Bench()
    bench.submit(Kind.OUT, 0, sectors(1))
    assert bench.status(Kind.FLUSH, 1) is BlockStatus.IOERR
    assert list(bench.disk.cached) == [0]


@pytest.mark.parametrize(
    ("negotiated", "writeback", "is_stable"),
    [
        (0, None, True),
        (FLUSH_ONLY, None, False),
        (BOTH, None, False),
        (BOTH, 1, False),
        (BOTH, 0, True),
        (WCE_ONLY, None, True),
    ],
)
def test_completed_write_survives_power_loss_where_the_standard_says_so(
    negotiated: int, writeback: int | None, is_stable: bool
) -> None:
    bench = Bench(negotiated)
    if writeback is not None:
        bench.disk.set_writeback(writeback)
    bench.submit(Kind.OUT, 7, sectors(1))
    lost = bench.disk.lose_cache()
    assert lost == (() if is_stable else (7,))
    assert bench.disk.read(7, 1) == sectors(1, 0x5A if is_stable else 0)


def test_flush_makes_earlier_writes_survive_power_loss() -> None:
    bench = Bench()
    bench.submit(Kind.OUT, 9, sectors(2))
    assert bench.submit(Kind.FLUSH, 0).to_commit == (9, 10)
    assert bench.disk.lose_cache() == ()
    assert bench.disk.read(9, 2) == sectors(2)


def test_power_lost_between_execution_and_commit_loses_a_flushed_write() -> None:
    """The steps are separate, so this instant exists: the driver has not seen the answer."""
    bench = Bench()
    bench.submit(Kind.OUT, 0, sectors(1))
    answer = bench.disk.execute(bench.parse(Kind.FLUSH, 0), b"")
    assert answer.status is BlockStatus.OK
    assert bench.disk.lose_cache() == answer.to_commit == (0,)


def test_write_zeroes_reads_as_zeros_and_needs_a_flush_like_any_write() -> None:
    bench = Bench()
    bench.submit(Kind.OUT, 4, sectors(3))
    bench.submit(Kind.FLUSH, 0)
    assert bench.status(Kind.WRITE_ZEROES, 0, BlockSegment(5, 1, 1).pack()) is BlockStatus.OK
    assert bench.disk.read(4, 3) == sectors(1) + bytes(512) + sectors(1)
    bench.disk.lose_cache()
    assert bench.disk.read(4, 3) == sectors(3)


def test_segment_flag_that_is_unknown_counts_before_a_range_that_is_wrong() -> None:
    bench = Bench()
    beyond = BlockSegment(CAPACITY, 1)
    assert bench.status(Kind.DISCARD, 0, beyond.pack()) is BlockStatus.IOERR
    assert bench.status(Kind.DISCARD, 0, BlockSegment(0, 1, 1).pack()) is BlockStatus.UNSUPP
    flagged = BlockSegment(CAPACITY, 1, 2)
    assert bench.status(Kind.WRITE_ZEROES, 0, flagged.pack()) is BlockStatus.UNSUPP


def test_segments_are_limited_in_number_and_length() -> None:
    bench = Bench(segments_max=2, segment_sectors_max=8)
    segment = BlockSegment(0, 8).pack()
    assert bench.status(Kind.DISCARD, 0, segment * 2) is BlockStatus.OK
    assert bench.status(Kind.DISCARD, 0, segment * 3) is BlockStatus.IOERR
    assert bench.status(Kind.DISCARD, 0, BlockSegment(0, 9).pack()) is BlockStatus.IOERR
    assert bench.status(Kind.DISCARD, 0, segment[:15]) is BlockStatus.IOERR
    assert bench.status(Kind.DISCARD, 0, b"") is BlockStatus.IOERR


def test_identifier_is_padded_to_twenty_bytes_and_cut_to_the_room() -> None:
    bench = Bench(identifier=b"disk-7")
    assert bench.submit(Kind.GET_ID, 0, room=20).data == b"disk-7" + bytes(14)
    assert bench.submit(Kind.GET_ID, 0, room=4).data == b"disk"


def test_header_and_status_are_found_however_the_buffers_are_cut() -> None:
    bench = Bench()
    payload = sectors(1)
    bench.memory.write(DATA, BlockRequestHeader(Kind.OUT, 6).pack() + payload)
    cut = ((DATA, 3), (DATA + 3, 0), (DATA + 3, 300), (DATA + 303, 225))
    chain = DescriptorChain(5, cut, ((ANSWER, 4), (ANSWER + 4, 0)), ())
    request = bench.disk.parse(bench.memory, chain)
    assert isinstance(request, BlockRequest)
    assert request.header == BlockRequestHeader(Kind.OUT, 6)
    assert request.status_addr == ANSWER + 3
    assert bench.run(request).status is BlockStatus.OK
    assert bench.disk.read(6, 1) == payload


@pytest.mark.parametrize(
    ("readable", "writable", "reason"),
    [
        ((), ((ANSWER, 1),), MalformedRequestReason.HEADER_TOO_SHORT),
        (((HEADER, 15),), ((ANSWER, 1),), MalformedRequestReason.HEADER_TOO_SHORT),
        (((HEADER, 16),), (), MalformedRequestReason.NO_STATUS_BYTE),
        (((HEADER, 16),), ((ANSWER, 0),), MalformedRequestReason.NO_STATUS_BYTE),
    ],
)
def test_chain_without_room_for_header_or_status_is_no_request(
    readable: tuple[Buffer, ...], writable: tuple[Buffer, ...], reason: MalformedRequestReason
) -> None:
    bench = Bench()
    found = bench.disk.parse(bench.memory, DescriptorChain(8, readable, writable, ()))
    assert found == MalformedRequest(reason, 8)
    assert str(found).startswith("chain 8: ")


def test_answer_goes_to_the_guest_as_data_then_status() -> None:
    bench = Bench()
    bench.submit(Kind.OUT, 0, sectors(1))
    request = bench.parse(Kind.IN, 0, room=512)
    answer = bench.run(request)
    assert data_pieces(request, answer) == [(ANSWER, sectors(1))]
    assert status_piece(request, answer) == (ANSWER + 512, b"\0")
    assert used_length(request, answer) == 513


def test_failed_read_claims_no_bytes_that_it_has_not_written() -> None:
    bench = Bench()
    request = bench.parse(Kind.IN, CAPACITY, room=512)
    answer = bench.run(request)
    assert data_pieces(request, answer) == []
    assert used_length(request, answer) == 0


def test_failed_write_claims_its_status_byte() -> None:
    bench = Bench()
    request = bench.parse(Kind.OUT, CAPACITY, sectors(1))
    assert used_length(request, bench.run(request)) == 1


def test_configuration_shows_fields_of_offered_features_only() -> None:
    full = Bench(seg_max=30).disk.config()
    assert (full.capacity, full.seg_max, full.block_size, full.writeback) == (CAPACITY, 30, 512, 1)
    assert full.discard == (1 << 22, 1, 1)
    bare = Bench(negotiated=0, offered=feature_mask(VIRTIO_BLK_F_DISCARD)).disk.config()
    assert (bare.seg_max, bare.block_size, bare.writeback) == (0, 0, 0)
    assert bare.discard == (1 << 22, 1, 1)
    assert bare.write_zeroes == (0, 0, 0)


def test_reset_forgets_the_negotiation_and_keeps_the_disk() -> None:
    bench = Bench(WCE_ONLY)
    bench.submit(Kind.OUT, 0, sectors(1))
    bench.disk.reset()
    assert bench.disk.writeback
    assert bench.disk.read(0, 1) == sectors(1)


def test_buffers_are_split_anywhere() -> None:
    assert split_buffers([(0, 4), (8, 4)], 0) == ((), ((0, 4), (8, 4)))
    assert split_buffers([(0, 4), (8, 4)], 4) == (((0, 4),), ((8, 4),))
    assert split_buffers([(0, 4), (8, 4)], 6) == (((0, 4), (8, 2)), ((10, 2),))
