"""After a restart the devices of a VM work for the new instance, one story each."""

import pytest
from msgspec.structs import replace

from quiesce.model.trace.events import (
    UNKNOWN_EPOCH,
    BackendRequestEnded,
    CpuWriteLanded,
    DmaLanded,
    DmaRequested,
    GuestEnded,
    IrqAsserted,
    IrqAttached,
    IrqDeasserted,
    IrqDetached,
    IrqHandled,
    IrqInjected,
    OutsideEnded,
    QvmExited,
    RequestCompleted,
    RequestSubmitted,
    RestartRequested,
    Service,
    StillUnderWay,
    TerminationBegun,
    VmStarted,
)
from quiesce.properties.check import check
from quiesce.properties.core.verdict import Verdict
from quiesce.properties.registry import TEARDOWN

from ..story import ADDR, HEADER, LINE, Moment, activated, at, masked, story, unmasked

NAME = "next-owner-works"

NIC = Service("vm1", "eth0", "handled", LINE, "landed")
DISK = Service("vm1", "ahci0", "handled", LINE, "asked")
CHANNEL = Service("vm1", "eth0", "handled", LINE)
SENSOR = Service("vm1", "dev0", "landed")
BLOCK = Service("vm1", "vm1.blk0", "completed", begins="asked")
BACK_END = Service("vm1", "vhost-blk", "completed")

FIRST = at(0, VmStarted("vm1", 1), IrqAttached(LINE, "vm1", 1))
GONE = at(
    10,
    TerminationBegun("vm1", 1, "guest-crash", orderly=True),
    RestartRequested("vm1", 1),
    IrqDetached(LINE, "vm1", 1, masked=True),
    QvmExited("vm1", 1, 0),
)
AGAIN = at(20, IrqAttached(LINE, "vm1", 2), unmasked(), VmStarted("vm1", 2))
QUIET = at(90, OutsideEnded())


def judged(services: tuple[Service, ...], *moments: list[Moment], ends_ns: int = 100) -> Verdict:
    header = replace(HEADER, services=services)
    (only,) = check(story(*moments, ends_ns=ends_ns, header=header), [NAME])
    return only


def raised(epoch: int, device: str = "eth0") -> IrqAsserted:
    return IrqAsserted(LINE, device, epoch, "level")


def injected(epoch: int, requested_epoch: int = 2) -> IrqInjected:
    return IrqInjected(LINE, "vm1", epoch, requested_epoch, "eth0")


def handled(epoch: int) -> IrqHandled:
    return IrqHandled(LINE, "vm1", epoch)


def served(epoch: int) -> tuple[IrqInjected, IrqHandled]:
    return injected(epoch), handled(epoch)


def test_device_whose_interrupt_the_new_instance_handles_works() -> None:
    found = judged((NIC,), FIRST, GONE, AGAIN, at(30, raised(2)), at(40, *served(2)))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_a_driver_that_an_older_interrupt_woke_has_read_the_cause_of_the_new_work() -> None:
    """The interrupt of the dead reached the new instance before its device had done anything."""
    lowered = IrqDeasserted(LINE, "eth0", 2)
    story_so_far = (FIRST, GONE, AGAIN, at(25, injected(2, 1)), at(30, raised(2)))
    found = judged((NIC,), *story_so_far, at(35, lowered), at(40, handled(2)), QUIET)
    assert found.verdict == "holds"
    unread = judged((NIC,), *story_so_far, at(40, handled(2)), QUIET)
    assert unread.verdict == "violated"


@pytest.mark.parametrize(
    ("service", "event"),
    [
        (SENSOR, DmaLanded("dev0", 2, ADDR, 64, "data")),
        (BLOCK, RequestCompleted("vm1.blk0", 2, 0)),
        (BACK_END, BackendRequestEnded("vhost-blk", 2, "read", "done")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_other_devices_show_their_work_otherwise(service: Service, event: object) -> None:
    steps = at(30, event)  # type: ignore[arg-type]
    assert judged((service,), FIRST, GONE, AGAIN, steps).verdict == "holds"


@pytest.mark.parametrize(
    ("service", "event"),
    [
        (NIC, raised(1)),
        (NIC, raised(2, "eth1")),
        (NIC, handled(2)),
        (SENSOR, DmaLanded("dev0", 1, ADDR, 64, "data")),
        (SENSOR, CpuWriteLanded("dev0", 2, ADDR, 64, "data")),
        (BLOCK, RequestCompleted("vm1.blk0", 1, 0)),
        (BLOCK, RequestSubmitted("vm1.blk0", 2, 0)),
        (BACK_END, BackendRequestEnded("vhost-blk", 2, "read", "failed")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_work_for_another_instance_or_half_of_it_is_no_work(
    service: Service, event: object
) -> None:
    steps = at(30, event)  # type: ignore[arg-type]
    found = judged((service,), FIRST, GONE, AGAIN, steps, at(40, *served(1)))
    assert (found.verdict, "has not yet worked" in found.reason) == ("inconclusive", True)


def test_each_device_of_the_vm_is_awaited() -> None:
    works = at(30, RequestCompleted("vm1.blk0", 2, 0))
    found = judged((BLOCK, NIC), FIRST, GONE, AGAIN, works)
    assert (found.verdict, found.antecedents) == ("inconclusive", 2)
    assert "eth0" in found.reason


@pytest.mark.parametrize(
    "steps",
    [at(5, masked()), at(5, activated(1))],
    ids=["masked", "active"],
)
def test_line_that_is_held_for_the_dead_starves_the_next_owner(steps: list[Moment]) -> None:
    again = at(20, IrqAttached(LINE, "vm1", 2), VmStarted("vm1", 2))
    gone = at(
        10,
        TerminationBegun("vm1", 1, "guest-crash", orderly=True),
        RestartRequested("vm1", 1),
        IrqDetached(LINE, "vm1", 1, masked=steps == at(5, masked())),
        QvmExited("vm1", 1, 0),
    )
    found = judged((NIC,), FIRST, steps, gone, again)
    assert (found.verdict, found.severity) == ("violated", "starved")
    assert f"eth0 never works for epoch 2: line {LINE} stays" in found.reason
    assert found.violations[0].data["device"] == "eth0"


def test_request_that_is_never_answered_starves_the_next_owner_once_all_is_quiet() -> None:
    asked = at(30, RequestSubmitted("vm1.blk0", 2, 0))
    found = judged((BLOCK,), FIRST, GONE, AGAIN, asked, QUIET)
    assert (found.verdict, found.severity) == ("violated", "starved")
    assert found.reason.endswith("it has work to do and does not answer")
    assert found.violations[0].at_ns == 30
    assert judged((BLOCK,), FIRST, GONE, AGAIN, asked).verdict == "inconclusive"


def test_interrupt_that_is_never_handled_starves_the_next_owner_once_all_is_quiet() -> None:
    steps = at(30, DmaRequested("ahci0", 2, ADDR, 512)), at(40, raised(2, "ahci0"))
    found = judged((DISK,), FIRST, GONE, AGAIN, *steps, QUIET)
    assert (found.verdict, found.violations[0].at_ns) == ("violated", 30)
    assert found.reason.endswith("no interrupt reports what it has done")


def test_frame_that_lands_without_an_interrupt_starves_the_next_owner() -> None:
    landed = at(30, DmaLanded("eth0", 2, ADDR, 64, "data"))
    assert judged((NIC,), FIRST, GONE, AGAIN, landed, QUIET).verdict == "violated"


def test_interrupt_that_is_still_raised_for_the_dead_tells_of_the_next_owners_frame_too() -> None:
    landed = at(30, DmaLanded("eth0", 2, ADDR, 64, "data"))
    steps = at(40, injected(2, requested_epoch=1)), at(50, handled(2))
    assert judged((NIC,), FIRST, GONE, AGAIN, landed, *steps, QUIET).verdict == "holds"


def test_interrupt_that_was_under_way_before_tells_nothing_of_it() -> None:
    steps = at(30, injected(2, requested_epoch=1)), at(50, handled(2))
    landed = at(40, DmaLanded("eth0", 2, ADDR, 64, "data"))
    found = judged((NIC,), FIRST, GONE, AGAIN, steps[0], landed, steps[1], QUIET)
    assert found.verdict == "violated"


def test_what_a_disk_writes_before_it_is_asked_is_no_answer() -> None:
    steps = at(30, DmaLanded("ahci0", 2, ADDR, 64, "data")), at(40, *served(2))
    asked = at(50, DmaRequested("ahci0", 2, ADDR, 512))
    found = judged((DISK,), FIRST, GONE, AGAIN, *steps, asked, QUIET)
    assert found.reason.endswith("it has work to do and does not answer")
    answered = at(60, DmaLanded("ahci0", 2, ADDR, 512, "data")), at(70, *served(2))
    assert judged((DISK,), FIRST, GONE, AGAIN, *steps, asked, *answered).verdict == "holds"


def test_device_that_tells_of_several_writes_at_once_may_still_owe_its_interrupt() -> None:
    landed = at(30, DmaLanded("eth0", 2, ADDR, 64, "data"))
    assert judged((CHANNEL,), FIRST, GONE, AGAIN, landed, QUIET).verdict == "inconclusive"
    steps = at(40, raised(2))
    assert judged((CHANNEL,), FIRST, GONE, AGAIN, landed, steps, QUIET).verdict == "violated"


def test_device_to_which_nothing_came_decides_nothing() -> None:
    given = at(30, DmaRequested("eth0", 2, ADDR, 2048))
    assert judged((NIC,), FIRST, GONE, AGAIN, given, QUIET).verdict == "inconclusive"


def test_wait_for_quiet_that_was_given_up_decides_nothing() -> None:
    asked = at(30, RequestSubmitted("vm1.blk0", 2, 0))
    left = at(95, StillUnderWay("disk", UNKNOWN_EPOCH, "both", "the delay disk.service"))
    assert judged((BLOCK,), FIRST, GONE, AGAIN, asked, QUIET, left).verdict == "inconclusive"


def test_frames_that_would_go_on_do_not_excuse_a_device() -> None:
    landed = at(30, DmaLanded("eth0", 2, ADDR, 64, "data"))
    left = at(95, StillUnderWay("eth0", 2, "both", "frames from the wire"))
    assert judged((NIC,), FIRST, GONE, AGAIN, landed, QUIET, left).verdict == "violated"


def test_first_instance_is_no_next_owner() -> None:
    assert judged((NIC,), FIRST).verdict == "vacuous"
    assert judged((NIC,), FIRST, GONE).verdict == "vacuous"


def test_header_that_names_no_devices_puts_nothing_to_the_test() -> None:
    assert judged((), FIRST, GONE, AGAIN).verdict == "vacuous"
    other = Service("vm2", "eth0", "handled", LINE)
    assert judged((other,), FIRST, GONE, AGAIN).verdict == "vacuous"


def test_instance_that_never_ran_has_a_next_owner_too() -> None:
    stillborn = at(0, TerminationBegun("vm1", 1, "x", orderly=True), RestartRequested("vm1", 1))
    works = at(30, raised(2)), at(40, *served(2))
    assert judged((NIC,), stillborn, AGAIN, *works).verdict == "holds"


@pytest.mark.parametrize(
    "end",
    [GuestEnded("vm1", 2, "crashed"), TerminationBegun("vm1", 2, "sigkill", orderly=False)],
    ids=["guest", "qvm"],
)
def test_instance_that_ends_first_is_not_judged(end: GuestEnded | TerminationBegun) -> None:
    assert judged((NIC,), FIRST, GONE, AGAIN, at(30, end)).verdict == "vacuous"


def test_work_at_the_last_instant_counts_and_later_work_does_not() -> None:
    steps = FIRST, GONE, AGAIN, at(30, raised(2)), at(90, OutsideEnded())
    assert judged((NIC,), *steps, at(100, *served(2)), ends_ns=100).verdict == "holds"
    assert judged((NIC,), *steps, ends_ns=99).verdict == "violated"


def test_service_whose_interrupt_has_no_line_is_refused() -> None:
    with pytest.raises(AssertionError, match="an interrupt has a line"):
        Service("vm1", "eth0", "handled")
    with pytest.raises(AssertionError, match="seen"):
        Service("vm1", "eth0", "seen")
    with pytest.raises(AssertionError, match="soon"):
        Service("vm1", "eth0", "landed", begins="soon")


def test_an_idle_next_owner_does_not_end_a_search() -> None:
    assert not TEARDOWN[NAME].ends_search
