"""Host memory: bytes that stay, frames that change hands."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.bus.memory import GuestRam, PhysicalMemory, StageTwo
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.events import DmaLanded, FramesGranted, FramesReleased


@pytest.fixture
def memory() -> PhysicalMemory:
    return PhysicalMemory(Kernel(Nominal()), Timing())


def test_untouched_memory_reads_as_zeros_and_takes_no_space(memory: PhysicalMemory) -> None:
    assert memory.read(0x7FFF_F000, 8192) == bytes(8192)
    assert memory.pages == {}


def test_bytes_written_across_frames_come_back(memory: PhysicalMemory) -> None:
    memory.write(0x1FFE, b"abcdef")
    assert memory.read(0x1FFD, 8) == b"\0abcdef\0"
    assert sorted(memory.pages) == [1, 2]


def test_a_late_write_changes_the_memory_of_whoever_owns_it_by_then(
    memory: PhysicalMemory,
) -> None:
    memory.grant("a", 1, 0x10, 4)
    memory.release("a", 1, 0x10, 4)
    memory.grant("b", 2, 0x10, 4)
    memory.land("eth0", 1, 0x10_010, b"stale", "data")
    assert memory.read(0x10_010, 5) == b"stale"
    assert [record.event for record in memory.kernel.records] == [
        FramesGranted("a", 1, 0x10, 4),
        FramesReleased("a", 1, 0x10, 4),
        FramesGranted("b", 2, 0x10, 4),
        DmaLanded("eth0", 1, 0x10_010, 5, "data"),
    ]


def test_released_bytes_stay_until_the_frame_is_granted_again(memory: PhysicalMemory) -> None:
    memory.grant("a", 1, 0x10, 2)
    memory.write(0x10_000, b"secret")
    memory.release("a", 1, 0x10, 2)
    assert memory.read(0x10_000, 6) == b"secret"
    memory.grant("b", 2, 0x10, 2)
    assert memory.read(0x10_000, 6) == bytes(6)


def test_frames_are_released_one_by_one_where_they_were_touched(memory: PhysicalMemory) -> None:
    memory.grant("a", 1, 0x10, 16)
    memory.commit(0x12_000, 4096)
    memory.commit(0x15_800, 4096)
    assert memory.pieces_of(1) == [(0x10, 2), (0x12, 1), (0x13, 2), (0x15, 1), (0x16, 1), (0x17, 9)]


def test_a_release_from_the_middle_leaves_both_ends_owned(memory: PhysicalMemory) -> None:
    memory.grant("a", 1, 0x10, 8)
    memory.release("a", 1, 0x13, 2)
    assert memory.pieces_of(1) == [(0x10, 3), (0x15, 3)]
    assert memory.is_free(0x13, 2)
    assert not memory.is_free(0x12, 2)


def test_quarantined_frames_are_never_free_again(memory: PhysicalMemory) -> None:
    memory.grant("a", 1, 0x10, 4)
    memory.quarantine("a", 1, 0x10, 4)
    assert not memory.is_free(0x12, 1)
    with pytest.raises(AssertionError, match="only when no epoch owns"):
        memory.grant("b", 2, 0x13, 1)


def test_nobody_releases_what_it_does_not_own(memory: PhysicalMemory) -> None:
    memory.grant("a", 1, 0x10, 4)
    with pytest.raises(AssertionError, match=r"epoch 2 does not own frames 0x10\.\.0x13"):
        memory.release("b", 2, 0x10, 4)


def test_guest_ram_lies_where_stage_two_says_and_nowhere_else(memory: PhysicalMemory) -> None:
    ram = GuestRam(memory, StageTwo(((0x8000_0000, 0x1000, 0x2000), (0x0, 0x9000, 0x1000))))
    ram.write(0x8000_0010, b"hello")
    ram.write(0x20, b"low")
    assert memory.read(0x1010, 5) == b"hello"
    assert memory.read(0x9020, 3) == b"low"
    assert ram.contains(0x8000_1FFF, 1)
    assert not ram.contains(0x8000_1FFF, 2)
    assert not ram.contains(0x5000, 1)


def test_a_touched_frame_at_the_beginning_leaves_no_empty_piece_before_it(
    memory: PhysicalMemory,
) -> None:
    memory.grant("vm1", 1, 0x80000, 3)
    memory.write(0x80000 << 12, b"x")
    assert memory.pieces_of(1) == [(0x80000, 1), (0x80001, 2)]
