"""What the trackers of the properties say at the edges: ranges, owners, what is awaited."""

import pytest

from quiesce.model.trace.events import IommuMapped, IommuReset, IommuSynced, IommuUnmapped
from quiesce.properties.trackers.bus_masters import BusMaster, BusMasters

from ..story import (
    FRAME,
    asserted,
    at,
    attached,
    detached,
    handled,
    masked,
    requested,
    taken,
    unmasked,
    verdict,
)

NEXT = "next-owner-gets-interrupts"


@pytest.mark.parametrize("is_mapped", [True, False])
@pytest.mark.parametrize(
    ("first", "end", "reaches"),
    [
        (5, 6, True), (4, 5, False), (6, 7, False),
        (3, 5, False), (3, 6, True), (4, 6, True), (5, 7, True), (6, 8, False), (6, 9, False),
    ],
)  # fmt: skip
def test_a_master_reaches_its_own_frame_and_no_neighbour(
    first: int, end: int, reaches: bool, is_mapped: bool
) -> None:
    tracker = BusMasters()
    if is_mapped:
        tracker._map(0, 0, IommuMapped("eth0", 1, 0x8000_0000, 5 << 12, 0x1000))
    else:
        tracker._request(0, 0, requested(1, addr=5 << 12))
    master: BusMaster = tracker.master("eth0", 1)
    assert master.reaches(first, end) == reaches


def test_a_buffer_that_ends_with_a_frame_gives_no_frame_behind_it() -> None:
    tracker = BusMasters()
    tracker._request(0, 0, requested(1, addr=(FRAME << 12) + 0xC00))
    assert tracker.master("eth0", 1).given == {FRAME}
    tracker._request(0, 0, requested(1, addr=(FRAME << 12) + 0xC01))
    assert tracker.master("eth0", 1).given == {FRAME, FRAME + 1}


def test_a_second_interrupt_adds_to_those_whose_answer_is_awaited() -> None:
    """The line is masked for a living owner that was signalled twice and will answer."""
    found = verdict(
        NEXT,
        at(0, attached(1), attached(2)),
        at(10, detached(1, masked=False)),
        at(20, asserted(2)),
        at(21, taken(2), masked()),
        at(22, masked()),
    )
    assert found.verdict == "holds", found.reason


def test_an_owner_that_came_later_is_awaited_beside_the_one_before() -> None:
    """The dead owner that owes an answer is named, though another owner was signalled too."""
    found = verdict(
        NEXT,
        at(0, attached(1)),
        at(5, asserted(1), taken(1), masked()),
        at(6, attached(2)),
        at(7, masked()),
        at(10, detached(1)),
        at(20, handled(2)),
    )
    assert found.verdict != "holds"
    assert "on behalf of vm1 (epoch 1)" in found.reason or "not gone yet" in found.reason


def test_an_unmask_ends_all_waiting() -> None:
    found = verdict(
        NEXT,
        at(0, attached(1), attached(2)),
        at(5, taken(1), masked()),
        at(6, detached(1)),
        at(7, handled(2), unmasked()),
        at(8, asserted(2), taken(2), masked(), handled(2), unmasked()),
    )
    assert found.verdict == "holds", found.reason


def mapped(epoch: int, addr: int, length: int = 0x1000) -> IommuMapped:
    return IommuMapped("eth0", epoch, addr, addr, length)


@pytest.mark.parametrize(
    ("addr", "length", "is_out"),
    [
        (0x8000, 0x1000, False), (0x7000, 0x1000, True), (0x9000, 0x1000, True),
        (0x7000, 0x1001, False), (0x8FFF, 0x1000, False), (0x6000, 0x5000, False),
        (0x8400, 0x100, False), (0x1000, 0x100, True),
    ],
)  # fmt: skip
def test_a_translation_of_another_vm_at_the_same_addresses_lets_a_device_in_again(
    addr: int, length: int, is_out: bool
) -> None:
    tracker = BusMasters()
    tracker._map(0, 0, mapped(1, 0x8000))
    assert not tracker.is_shut_out("eth0", 1), "it is mapped"
    tracker._unmap(1, 1, IommuUnmapped("eth0", 1))
    assert not tracker.is_shut_out("eth0", 1), "the removal is not complete"
    tracker._sync(2, 2, IommuSynced("eth0", 1))
    assert tracker.is_shut_out("eth0", 1)
    tracker._map(3, 3, mapped(2, addr, length))
    assert tracker.is_shut_out("eth0", 1) == is_out
    tracker._map(4, 4, IommuMapped("eth1", 2, 0x8000, 0x8000, 0x1000))
    assert tracker.is_shut_out("eth0", 1) == is_out, "another device is no matter"
    tracker._unmap(5, 5, IommuUnmapped("eth0", 2))
    assert tracker.is_shut_out("eth0", 1)


def test_a_device_that_was_never_mapped_is_not_shut_out() -> None:
    assert not BusMasters().is_shut_out("eth0", 1)


@pytest.mark.parametrize(("unprogrammed", "is_out"), [("abort", True), ("bypass", False)])
def test_a_reset_of_the_iommu_shuts_out_what_it_does_not_let_pass(
    unprogrammed: str, is_out: bool
) -> None:
    tracker = BusMasters()
    tracker._map(0, 0, mapped(1, 0x8000))
    tracker._reset(1, 1, IommuReset(unprogrammed))
    assert tracker.is_shut_out("eth0", 1) == is_out
    assert tracker.master("eth0", 1).is_bypassed != is_out
