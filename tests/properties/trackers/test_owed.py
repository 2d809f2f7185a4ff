"""What the end of an observation leaves undecided, and what it does not."""

import pytest

from quiesce.model.base.addresses import FRAME_SHIFT
from quiesce.model.trace.events import (
    UNKNOWN_EPOCH,
    DmaBlocked,
    IommuMapped,
    IommuReset,
    IommuSynced,
    IommuUnmapped,
    IrqRouteSynced,
    ObservationEnded,
    Record,
    StillUnderWay,
)
from quiesce.properties.core.monitor import Observation
from quiesce.properties.registry import TEARDOWN
from quiesce.properties.teardown.dma import EpochsMatch

from ..story import (
    ADDR,
    FRAME,
    HEADER,
    LINE,
    Moment,
    asserted,
    at,
    attached,
    detached,
    granted,
    landed,
    released,
    requested,
    taken,
    unmasked,
    verdict,
)

FRAMES = StillUnderWay("eth0", 1, "both", "frames from the wire")
REPORTS = StillUnderWay("eth0", 1, "interrupt", "reports")
COPIES = StillUnderWay("eth0", 1, "write", "copies")
MAPPED = IommuMapped("eth0", 1, ADDR, ADDR, 1 << FRAME_SHIFT)
UNMAPPED = (IommuUnmapped("eth0", 1), IommuSynced("eth0", 1))
WRITE = "no-dma-after-teardown"
IRQ = "no-irq-after-teardown"


def life(*more: list[Moment]) -> list[list[Moment]]:
    """A VM that had a buffer written, and released it; then the given events."""
    begin = [at(0, granted(1), requested(1)), at(5, landed(1)), at(10, released(1))]
    return [*begin, *more]


def word(name: str, *moments: list[Moment]) -> str:
    return verdict(name, *moments).verdict


def test_a_device_that_no_step_stopped_leaves_open_whether_it_writes_late() -> None:
    found = verdict(WRITE, *life(at(20, FRAMES)))
    assert found.verdict == "inconclusive"
    assert found.reason == (
        "eth0 was never stopped for vm1 (epoch 1), which is gone: frames from the wire would go on"
    )


def test_what_would_only_interrupt_leaves_no_doubt_about_writes() -> None:
    assert word(WRITE, *life(at(20, REPORTS))) == "holds"


def test_a_device_that_works_for_a_living_vm_leaves_no_doubt() -> None:
    assert word(WRITE, at(0, granted(1)), at(5, landed(1)), at(20, FRAMES)) == "vacuous"


def test_a_violation_stands_with_anything_else_still_to_come() -> None:
    assert word(WRITE, *life(at(15, landed(1)), at(20, FRAMES))) == "violated"


def test_a_device_that_the_iommu_has_shut_out_leaves_no_doubt_about_writes() -> None:
    story = [at(0, MAPPED), *life()[:2], at(9, *UNMAPPED), at(10, released(1)), at(20, FRAMES)]
    assert word(WRITE, *story) == "holds"


def test_a_map_of_the_next_owner_lets_the_device_in_again() -> None:
    again = IommuMapped("eth0", 2, ADDR, ADDR, 1 << FRAME_SHIFT)
    story = [at(0, MAPPED), *life()[:2], at(9, *UNMAPPED), at(10, released(1))]
    assert word(WRITE, *story, at(15, again), at(20, FRAMES)) == "inconclusive"
    elsewhere = IommuMapped("eth0", 2, 2 * ADDR, ADDR, 1 << FRAME_SHIFT)
    assert word(WRITE, *story, at(15, elsewhere), at(20, FRAMES)) == "holds"


def test_an_iommu_that_is_reset_and_lets_all_pass_shuts_no_device_out() -> None:
    story = [at(0, MAPPED), *life()[:2], at(9, *UNMAPPED), at(10, released(1))]
    for unprogrammed, expected in (("bypass", "inconclusive"), ("abort", "holds")):
        reset = at(15, IommuReset(unprogrammed))
        assert word(WRITE, *story, reset, at(20, FRAMES)) == expected
        assert word("epochs-match", *story, reset, at(20, FRAMES)) == expected


def test_what_is_shut_out_later_was_open_when_the_outside_stopped() -> None:
    story = [at(0, MAPPED), *life(at(20, FRAMES), at(25, *UNMAPPED), at(30, FRAMES))]
    assert word(WRITE, *story) == "inconclusive"


def test_writes_into_memory_that_is_merely_free_are_no_matter_of_epochs() -> None:
    assert word("epochs-match", *life(at(20, COPIES))) == "holds"
    assert word("epochs-match", *life(at(12, granted(2)), at(20, COPIES))) == "inconclusive"


def test_a_line_that_its_next_owner_holds_open_can_still_be_heard() -> None:
    former = [at(0, attached(1)), at(3, asserted(1)), at(4, taken(1)), at(9, detached(1))]
    assert word(IRQ, *former, at(20, REPORTS)) == "holds"
    heir = at(12, attached(2), unmasked())
    for name in (IRQ, "irq-contained-after-teardown", "next-owner-gets-interrupts"):
        assert word(name, *former, heir, at(20, REPORTS)) == "inconclusive"
        assert word(name, *former, heir, at(20, COPIES)) != "inconclusive"


def test_a_message_whose_route_is_gone_is_heard_by_no_controller() -> None:
    former = [at(0, attached(1)), at(3, asserted(1)), at(9, detached(1)), at(12, attached(2))]
    route = at(10, IrqRouteSynced(LINE, "eth0", 1))
    assert word(IRQ, *former[:3], route, former[3], at(20, REPORTS)) == "holds"
    assert word(IRQ, *former, at(20, REPORTS)) == "inconclusive"


def test_refusals_that_would_go_on_leave_their_number_open() -> None:
    blocked = DmaBlocked("eth0", 1, ADDR, 64, "recorded")
    name = "faults-contained"
    assert word(name, *life(at(12, blocked))) == "holds"
    assert word(name, *life(at(12, blocked), at(20, FRAMES))) == "inconclusive"
    assert word(name, *life(at(12, blocked), at(20, REPORTS))) == "holds"


@pytest.mark.parametrize("name", sorted(TEARDOWN))
def test_nothing_holds_if_something_unknown_has_not_ended(name: str) -> None:
    unknown = StillUnderWay("disk", UNKNOWN_EPOCH, "both", "the delay disk.service")
    found = verdict(name, at(0, granted(1)), at(5, landed(1)), at(20, unknown))
    assert found.verdict == "inconclusive"
    assert "the delay disk.service had not ended" in found.reason


def test_an_unfinished_delay_takes_no_violation_back() -> None:
    unknown = StillUnderWay("disk", UNKNOWN_EPOCH, "both", "the delay disk.service")
    assert word(WRITE, *life(at(15, landed(1, FRAME)), at(20, unknown))) == "violated"


def test_all_that_had_not_ended_is_counted_and_the_first_is_named() -> None:
    delays = [f"the delay disk{number}.service" for number in range(3)]
    rest = [StillUnderWay("disk", UNKNOWN_EPOCH, "both", what) for what in delays]
    lived = (at(0, granted(1)), at(5, landed(1)))
    one = verdict(WRITE, *lived, at(20, rest[0])).reason
    assert one.startswith("the delay disk0.service had not ended")
    three = verdict(WRITE, *lived, at(20, *rest)).reason
    assert three.startswith("the delay disk0.service and 2 more had not ended")


def test_a_state_tells_whether_the_run_has_ended_and_a_property_was_put_to_the_test() -> None:
    """A search would else take a run that tested nothing for one that did."""
    book = Observation()
    before = book.key()
    for event_type, handler in Observation.reads.items():
        if event_type is ObservationEnded:
            handler(book, 0, 7, ObservationEnded())
    assert book.key() != before
    alone = EpochsMatch(HEADER)
    untested = alone.key()
    for index, (at_ns, event) in enumerate((*at(0, granted(1)), *at(5, landed(1)))):
        alone.step(index, Record(at_ns, "story", -1, event))
    assert alone.key() != untested
