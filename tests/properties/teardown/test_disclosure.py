"""Reads after teardown, one story each: holds, violated, never tested, and at the very instant."""

import pytest

from quiesce.model.trace.events import (
    CpuRead,
    DmaRead,
    DmaReadBlocked,
    FramesQuarantined,
    IommuMapped,
    IommuSynced,
    IommuUnmapped,
    StillUnderWay,
)
from quiesce.properties.core.verdict import SEVERITIES

from ..story import ADDR, FRAME, at, granted, landed, released, requested, verdict

READ = "no-dma-read-after-teardown"
WRITTEN = "no-dma-after-teardown"


def read(epoch: int, frame: int = FRAME, content: str = "data") -> DmaRead:
    return DmaRead("ahci0", epoch, frame << 12, 512, content)


def copied(epoch: int, frame: int = FRAME) -> CpuRead:
    return CpuRead("devb-ahci", epoch, frame << 12, 4096, "data")


def blocked(epoch: int) -> DmaReadBlocked:
    return DmaReadBlocked("ahci0", epoch, ADDR, 512, "recorded")


def test_last_read_before_release_holds() -> None:
    found = verdict(READ, at(0, granted(1, 3)), at(9, read(1)), at(10, released(1, 3)))
    assert (found.verdict, found.severity, found.antecedents) == ("holds", "none", 3)


def test_read_of_a_freed_frame_is_a_disclosure() -> None:
    found = verdict(READ, at(0, granted(1)), at(10, released(1)), at(312_410, read(1)))
    assert (found.verdict, found.severity) == ("violated", "disclosure")
    assert found.violations[0].message == (
        "ahci0 read 512 bytes of frame 0x80012, 312.4us after vm1 (epoch 1) released it; "
        "the frame is free"
    )
    assert found.violations[0].data["owner"] == -1


def test_read_of_the_next_owners_frame_names_that_owner() -> None:
    found = verdict(
        READ, at(0, granted(1)), at(10, released(1)), at(20, granted(2)), at(35, read(1))
    )
    assert (found.verdict, found.severity) == ("violated", "disclosure")
    assert found.violations[0].message == (
        "ahci0 read 512 bytes of frame 0x80012, 25ns after vm1 (epoch 1) released it; "
        "the frame now belongs to vm2 (epoch 2)"
    )
    assert found.violations[0].data == {
        "reader": "ahci0",
        "epoch": 1,
        "frame": FRAME,
        "owner": 2,
        "late_by_ns": 25,
    }


def test_a_host_driver_that_copies_what_a_dead_guest_wanted_written_counts() -> None:
    found = verdict(READ, at(0, granted(1)), at(10, released(1)), at(11, copied(1)))
    assert found.violations[0].message.startswith("devb-ahci read 4096 bytes of frame 0x80012")


def test_a_descriptor_counts_as_data_does() -> None:
    late = at(11, read(1, content="descriptor"))
    assert verdict(READ, at(0, granted(1)), at(10, released(1)), late).verdict == "violated"


@pytest.mark.parametrize(
    "instant",
    [at(10, read(1), released(1)), at(10, released(1), read(1))],
    ids=["read-first", "release-first"],
)
def test_read_at_the_instant_of_release_counts_as_after_it(instant: list) -> None:  # type: ignore[type-arg]
    found = verdict(READ, at(0, granted(1)), instant)
    assert (found.verdict, found.violation_count) == ("violated", 1)
    assert "at the very instant at which vm1" in found.violations[0].message


@pytest.mark.parametrize(("read_ns", "word"), [(9, "holds"), (10, "violated"), (11, "violated")])
def test_a_nanosecond_before_the_release_is_in_time(read_ns: int, word: str) -> None:
    moments = sorted([*at(read_ns, read(1)), *at(10, released(1))], key=lambda each: each[0])
    assert verdict(READ, at(0, granted(1)), moments).verdict == word


def test_an_early_read_is_judged_before_a_later_release_changes_the_owner() -> None:
    """A read waits for the end of its instant and not for the next read."""
    found = verdict(
        READ, at(0, granted(1, 2)), at(5, read(1)), at(6, released(1)), at(7, granted(2))
    )
    assert found.verdict == "holds"


def test_the_owner_named_is_the_one_at_the_end_of_the_instant() -> None:
    found = verdict(
        READ, at(0, granted(1)), at(10, released(1)), at(20, read(1), granted(2)), at(21, read(2))
    )
    assert found.violations[0].data["owner"] == 2


def test_memory_that_is_released_in_pieces_has_a_point_for_each_piece() -> None:
    found = verdict(
        READ,
        at(0, granted(1, 2)),
        at(10, released(1, 1)),
        at(20, read(1, FRAME + 1)),
        at(30, released(1, 1, FRAME + 1)),
    )
    assert (found.verdict, found.antecedents) == ("holds", 2)


def test_a_refused_read_reads_nothing_and_puts_the_property_to_the_test() -> None:
    found = verdict(READ, at(0, granted(1)), at(10, released(1)), at(20, blocked(1)))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_a_vm_for_which_nothing_was_read_tests_nothing() -> None:
    found = verdict(
        READ, at(0, granted(1)), at(2, requested(1)), at(3, landed(1)), at(10, released(1))
    )
    assert found.verdict == "vacuous"
    assert verdict(READ, at(0, granted(1)), at(9, read(1))).verdict == "vacuous"


def test_frames_of_one_vm_are_not_tested_by_reads_for_another() -> None:
    found = verdict(
        READ,
        at(0, granted(1), granted(2, 1, FRAME + 1)),
        at(5, read(2, FRAME + 1)),
        at(10, released(1)),
    )
    assert found.verdict == "vacuous"


def test_reads_for_the_host_are_not_judged() -> None:
    found = verdict(READ, at(0, granted(1)), at(5, read(1)), at(10, released(1)), at(20, read(0)))
    assert found.verdict == "holds"


def test_frames_in_quarantine_may_still_be_read() -> None:
    kept = FramesQuarantined("vm1", 1, FRAME, 1)
    found = verdict(
        READ,
        at(0, granted(1, 2)),
        at(10, kept, released(1, 1, FRAME + 1)),
        at(20, read(1)),
    )
    assert found.verdict == "holds"


def test_a_frame_that_the_vm_never_had_is_no_late_read() -> None:
    found = verdict(
        READ, at(0, granted(1)), at(5, read(1)), at(10, released(1)), at(20, read(1, FRAME + 9))
    )
    assert found.verdict == "holds"


def test_a_trace_that_is_cut_off_decides_nothing() -> None:
    cut = verdict(READ, at(0, granted(1)), at(5, read(1)), at(10, released(1)), ends_ns=None)
    assert cut.verdict == "inconclusive"


def test_a_late_read_is_no_late_write() -> None:
    story = (at(0, granted(1)), at(5, landed(1)), at(10, released(1)), at(20, read(1)))
    assert verdict(WRITTEN, *story).verdict == "holds"
    assert verdict(READ, *story).verdict == "violated"


def test_a_disclosure_is_worse_than_a_wait_and_better_than_a_write() -> None:
    order = ["starved", "disclosure", "stray", "corruption"]
    assert sorted(order, key=SEVERITIES.index) == order


def rest(component: str = "ahci0", effect: str = "both", epoch: int = 1) -> StillUnderWay:
    return StillUnderWay(component, epoch, effect, "unasked requests")


LIFE = (at(0, granted(1)), at(5, read(1)), at(10, released(1)))


def test_a_reader_that_would_go_on_leaves_it_open() -> None:
    found = verdict(READ, *LIFE, at(20, rest()))
    assert found.verdict == "inconclusive"
    assert found.reason == (
        "ahci0 was never stopped for vm1 (epoch 1), which is gone: unasked requests would go on"
    )


def test_a_writer_that_has_read_before_leaves_it_open_as_well() -> None:
    assert verdict(READ, *LIFE, at(20, rest(effect="write"))).verdict == "inconclusive"


@pytest.mark.parametrize(
    "harmless",
    [
        rest(effect="interrupt"),
        rest(component="gicr", effect="write"),
        rest(epoch=2),
    ],
    ids=["interrupts-only", "only-writes", "for-another"],
)
def test_what_reads_nothing_of_the_dead_decides_nothing(harmless: StillUnderWay) -> None:
    assert verdict(READ, *LIFE, at(20, harmless)).verdict == "holds"


def test_a_reader_that_the_iommu_has_shut_out_decides_nothing() -> None:
    shut_out = (
        at(1, IommuMapped("ahci0", 1, 0, FRAME << 12, 4096)),
        at(6, IommuUnmapped("ahci0", 1)),
        at(7, IommuSynced("ahci0", 1)),
    )
    moments = (at(0, granted(1)), shut_out[0], at(5, read(1)), *shut_out[1:], at(10, released(1)))
    assert verdict(READ, *moments, at(20, rest())).verdict == "holds"


def test_each_late_read_of_one_instant_is_reported() -> None:
    late = at(20, read(1), copied(1), read(1, FRAME + 1))
    found = verdict(READ, at(0, granted(1, 2)), at(10, released(1)), late)
    assert [each.data["reader"] for each in found.violations] == ["ahci0", "devb-ahci"]
