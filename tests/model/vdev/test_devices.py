"""What the requests of each vdev do, byte for byte, in guest memory and behind the vdev."""

import pytest

from quiesce.model.guest.block_driver import written_content
from quiesce.model.plan.virtio_plan import BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from quiesce.model.sim.kernel import Steps
from quiesce.model.trace.events import CpuWriteLanded, DmaDropped
from quiesce.model.trace.virtio_events import (
    BlockRequestAnswered,
    BlockWriteCached,
    BlockWriteCommitted,
    NeedsResetSet,
    NetPairsSet,
    UsedPublished,
)
from quiesce.model.vdev.virtio_blk import VirtioBlk
from quiesce.model.virtio.block_format import VIRTIO_BLK_F_FLUSH, WRITEBACK_OFFSET, BlockSegment
from quiesce.model.virtio.block_format import BlockRequestType as Type
from quiesce.model.virtio.net_format import HEADER_SIZE, NetHeader, pack_queue_pairs_command

from .bench import BUFFERS, Bench, block_request

DATA = BUFFERS + 0x1000
OK, IOERR, UNSUPP = b"\0", b"\1", b"\2"
QUIET = {"gap": NetPlan("n").gap}


def disk(refuse: int = 0, **offers: object) -> Bench:
    bench = Bench(BlockPlan("blk", "ahci0", **offers))  # type: ignore[arg-type]
    bench.go_live(0, refuse=refuse)
    return bench


def done(bench: Bench, kind: int, sector: int, data: bytes | int = b"") -> bytes:
    """Make a request, wait for its end, and return the status byte."""
    _, status = block_request(bench, kind, sector, data)
    bench.wait()
    assert len(bench.used()) == 1
    return bench.ram.read(status, 1)


# virtio-blk.


@pytest.mark.parametrize("zero_copy", [True, False])
def test_what_was_written_is_read_back(zero_copy: bool) -> None:
    """By the disk's own DMA or through a bounce buffer, it is the same disk."""
    bench = disk(zero_copy=zero_copy)
    data = written_content(100, 8192)
    assert done(bench, Type.OUT, 100, data) == OK
    bench.ram.write(DATA, bytes(8192))
    assert done(bench, Type.IN, 100, 8192) == OK
    assert bench.ram.read(DATA, 8192) == data


@pytest.mark.parametrize("zero_copy", [True, False])
def test_a_new_disk_holds_the_number_of_each_sector(zero_copy: bool) -> None:
    bench = disk(zero_copy=zero_copy)
    assert done(bench, Type.IN, 7, 1024) == OK
    expected = b"".join((place + 1).to_bytes(8, "little") * 64 for place in (7, 8))
    assert bench.ram.read(DATA, 1024) == expected


def test_the_worker_writes_data_then_status_then_element_then_index() -> None:
    bench = disk(zero_copy=False)
    done(bench, Type.IN, 0, 512)
    contents = [event.content for event in bench.events_of(CpuWriteLanded)]
    assert contents == ["data", "status", "used_element", "used_idx"]


def test_a_read_only_disk_refuses_to_be_changed() -> None:
    bench = disk(read_only=True)
    assert done(bench, Type.OUT, 0, b"x" * 512) == IOERR
    assert bench.events_of(BlockWriteCached) == []


@pytest.mark.parametrize(
    ("kind", "sector", "length", "status"),
    [
        (Type.IN, (1 << 21) - 1, 1024, IOERR),
        (Type.IN, 0, 100, IOERR),
        (Type.FLUSH, 1, 0, IOERR),
        (99, 0, 0, UNSUPP),
    ],
)
def test_a_request_that_breaks_the_rules_is_answered_all_the_same(
    kind: int, sector: int, length: int, status: bytes
) -> None:
    assert done(disk(), kind, sector, length) == status


def test_a_write_is_durable_after_the_flush_and_not_before() -> None:
    bench = disk()
    assert done(bench, Type.OUT, 8, b"x" * 1024) == OK
    assert bench.events_of(BlockWriteCommitted) == []
    assert [e.is_stable for e in bench.events_of(BlockRequestAnswered)] == [False]
    assert done(bench, Type.FLUSH, 0) == OK
    (committed,) = bench.events_of(BlockWriteCommitted)
    assert (committed.sector, committed.length) == (8, 1024)


@pytest.mark.parametrize(
    ("cache", "refuse"), [("write-through", 0), ("write-back", 1 << VIRTIO_BLK_F_FLUSH)]
)
def test_write_through_commits_before_it_answers(cache: str, refuse: int) -> None:
    """A driver that does not accept FLUSH gets write-through too (5.2.6.2)."""
    bench = disk(refuse, write_cache=cache)
    assert done(bench, Type.OUT, 8, b"x" * 512) == OK
    order = [
        type(record.event)
        for record in bench.kernel.records
        if isinstance(record.event, BlockWriteCommitted | BlockRequestAnswered)
    ]
    assert order == [BlockWriteCommitted, BlockRequestAnswered]
    assert [e.is_stable for e in bench.events_of(BlockRequestAnswered)] == [True]


def test_a_driver_switches_the_cache_off_in_the_configuration_space() -> None:
    bench = disk(write_cache="configurable")
    bench.write(0x100 + WRITEBACK_OFFSET, 0, 1)
    done(bench, Type.OUT, 8, b"x" * 512)
    assert len(bench.events_of(BlockWriteCommitted)) == 1


def test_the_next_instance_finds_the_disk_but_not_the_cache_mode_of_the_last() -> None:
    bench = disk(write_cache="configurable")
    bench.write(0x100 + WRITEBACK_OFFSET, 0, 1)
    data = written_content(8, 512)
    done(bench, Type.OUT, 8, data)
    assert isinstance(bench.vdev, VirtioBlk)
    successor = VirtioBlk(bench.vdev.site, bench.vdev.plan, bench.vdev.server)
    assert successor.registers.read_config(WRITEBACK_OFFSET, 1) == 1
    assert successor.medium.read(8, 1) == data


@pytest.mark.parametrize("kind", [Type.DISCARD, Type.WRITE_ZEROES])
def test_a_cleared_range_reads_as_zeros(kind: int) -> None:
    bench = disk()
    assert done(bench, kind, 0, BlockSegment(10, 2).pack()) == OK
    assert done(bench, Type.IN, 9, 4 * 512) == OK
    read = bench.ram.read(DATA, 4 * 512)
    assert read[512:1536] == bytes(1024)
    assert read[:512] != bytes(512) != read[1536:]


def test_the_identifier_fills_twenty_bytes() -> None:
    bench = disk()
    assert done(bench, Type.GET_ID, 0, 20) == OK
    assert bench.ram.read(DATA, 20) == b"ahci0".ljust(20, b"\0")


def test_a_chain_without_room_for_a_status_makes_the_disk_fail() -> None:
    bench = disk()
    bench.offer(0, [(BUFFERS, 16)], [])
    bench.wait()
    assert len(bench.events_of(NeedsResetSet)) == 1


# virtio-net.


def network(**changes: object) -> Bench:
    bench = Bench(NetPlan("net", frame_length=100, **changes))  # type: ignore[arg-type]
    bench.go_live(*range(len(bench.vdev.registers.queues)))
    return bench


def test_a_frame_from_the_peer_stands_behind_a_header_in_the_next_buffer() -> None:
    bench = network()
    bench.offer(0, [], [(DATA, 40), (DATA + 0x1000, 2000)])
    bench.wait(400_000)
    (used,) = bench.used(0)
    assert used.length == HEADER_SIZE + 100
    got = bench.ram.read(DATA, 40) + bench.ram.read(DATA + 0x1000, 72)
    assert NetHeader.unpack(got[:HEADER_SIZE]) == NetHeader(buffer_count=1)
    assert got[HEADER_SIZE:] == bytes([got[HEADER_SIZE]]) * 100


def test_a_frame_without_a_buffer_is_thrown_away() -> None:
    bench = network()
    bench.wait(400_000)
    assert bench.events_of(UsedPublished) == []
    assert {event.reason for event in bench.events_of(DmaDropped)} == {"no_descriptor"}


def test_a_buffer_too_small_for_the_frame_comes_back_empty() -> None:
    bench = network()
    bench.offer(0, [], [(DATA, 50)])
    bench.wait(400_000)
    assert [used.length for used in bench.used(0)] == [0]
    assert bench.ram.read(DATA, 50) == bytes(50)


def test_what_the_guest_sends_reaches_the_peer_without_its_header() -> None:
    bench = network()
    bench.ram.write(DATA, NetHeader().pack() + b"hello")
    bench.offer(1, [(DATA, HEADER_SIZE + 5)], [])
    bench.wait(400_000)
    assert bench.host.peers["vm.net"].last_from_guest == b"hello"


def test_received_frames_use_more_queues_only_after_the_command_is_used() -> None:
    bench = network(queue_pairs=2, gap=QUIET["gap"])
    for index in (0, 2):
        for place in range(4):
            bench.offer(index, [], [(DATA + 0x1000 * (index * 4 + place), 2000)])
    bench.wait(1_000_000)
    assert bench.used(2) == []
    bench.ram.write(BUFFERS, pack_queue_pairs_command(2) + b"\xff")
    bench.offer(4, [(BUFFERS, 4)], [(BUFFERS + 4, 1)])
    for place in range(4):
        bench.offer(0, [], [(DATA + 0x1000 * place, 2000)])
    bench.wait(1_500_000)
    assert bench.ram.read(BUFFERS + 4, 1) == b"\0"
    assert len(bench.events_of(NetPairsSet)) == 1
    assert bench.used(2)


def test_a_command_that_is_not_known_is_refused() -> None:
    bench = network(queue_pairs=2)
    bench.ram.write(BUFFERS, pack_queue_pairs_command(9) + b"\xff")
    bench.offer(4, [(BUFFERS, 4)], [(BUFFERS + 4, 1)])
    bench.wait(400_000)
    assert bench.ram.read(BUFFERS + 4, 1) == b"\1"


def test_a_vdev_that_has_left_its_peer_receives_nothing() -> None:
    bench = network()
    bench.offer(0, [], [(DATA, 2000)])
    bench.vdev.disconnect()
    bench.wait(2_000_000)
    assert bench.used(0) == []


# virtio-console and virtio-entropy.


def test_input_waits_for_a_buffer_and_is_split_over_small_ones() -> None:
    bench = Bench(ConsolePlan("con", inputs=1, input_length=10))
    bench.go_live(0, 1)
    bench.wait(10_000_000)
    bench.offer(0, [], [(DATA, 6)])
    bench.offer(0, [], [(DATA + 0x1000, 6)])
    bench.wait(200_000)
    assert [used.length for used in bench.used(0)] == [6, 4]
    assert bench.ram.read(DATA, 6) + bench.ram.read(DATA + 0x1000, 4) == b"\1" * 10


def test_what_the_guest_prints_reaches_the_terminal() -> None:
    bench = Bench(ConsolePlan("con"))
    bench.go_live(0, 1)
    bench.ram.write(DATA, b"login:")
    bench.offer(1, [(DATA, 6)], [])
    bench.wait(200_000)
    assert bench.host.peers["vm.con"].last_from_guest == b"login:"


def test_entropy_fills_the_buffer_when_the_source_has_answered() -> None:
    bench = Bench(EntropyPlan("rng"))
    bench.go_live(0)
    bench.offer(0, [], [(DATA, 300)])
    bench.wait(12_000)
    assert bench.used() == []
    bench.wait(400_000)
    assert [used.length for used in bench.used()] == [300]
    assert len(set(bench.ram.read(DATA, 256))) == 256


def test_an_entropy_request_in_flight_is_awaited_by_a_reset() -> None:
    bench = Bench(EntropyPlan("rng", reset_policy="drain-and-drop"))
    bench.go_live(0)
    bench.offer(0, [], [(DATA, 300)])
    bench.wait(12_000)
    outcome: list[bool] = []

    def callback() -> Steps:
        outcome.append((yield from bench.vdev.carry_out("reset", 1_000_000)))

    bench.kernel.execute(bench.kernel.process(callback()))
    bench.wait()
    assert outcome == [True]
    assert bench.events_of(UsedPublished) == []
    assert bench.ram.read(DATA, 300) == bytes(300)
