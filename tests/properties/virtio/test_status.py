"""Status and features: for each rule a driver or device that keeps it, one that breaks it, and
one that it never concerns.
"""

from typing import Any

import pytest

from quiesce.model.trace.events import GuestEnded, QvmExited, WorkerEnded
from quiesce.model.trace.virtio_events import FeaturesWritten, NeedsResetSet, SuspendShown

from .virtio_story import (
    DATA,
    ME,
    SECOND,
    VDEV,
    VERSION_1,
    available,
    case,
    enabled,
    exposed,
    freed,
    kicked,
    live,
    negotiated,
    notified,
    offered,
    reset,
    reset_completed,
    says,
    served,
    status,
    status_read,
    verdict,
)

NEEDS_RESET = NeedsResetSet(*ME, is_live=True)
GUEST_ENDED = GuestEnded("vm1", 1, "crashed")

TABLE = [
    case("N1", "bits are added", "holds", live()),
    case("N1", "DRIVER is cleared on the way", "violated", offered(), status(3), status(1)),
    case("N1", "reset clears all", "holds", live(), reset(), status(1), status(3)),
    case(
        "N1", "the device's own bit is not written back", "holds", live(), NEEDS_RESET, status(15)
    ),
    case("N1", "bit cleared after a failure", "violated", live(), NEEDS_RESET, status(11)),
    case("N1", "status is only ever written once", "vacuous", offered(), status(1)),
    case("N2", "reset after FAILED", "holds", offered(), status(1), status(129), status(0)),
    case("N2", "a further bit after FAILED", "violated", offered(), status(129), status(131)),
    case("N2", "nothing fails", "vacuous", live(), reset()),
    case("N4", "failure is announced", "holds", live(), NEEDS_RESET, notified(-1)),
    case(
        "N4",
        "thread ends unannounced",
        "violated",
        live(),
        NEEDS_RESET,
        WorkerEnded("vm1", 1, VDEV, "killed"),
    ),
    case("N4", "failure before DRIVER_OK", "vacuous", offered(), NeedsResetSet(*ME, is_live=False)),
    case(
        "N4",
        "a queue's notification is another thing",
        "inconclusive",
        live(),
        NEEDS_RESET,
        notified(0),
    ),
    case("N4", "guest dies first", "vacuous", live(), NEEDS_RESET, GUEST_ENDED),
    case("N4", "driver resets by itself", "vacuous", live(), NEEDS_RESET, reset()),
    case("N5", "features as offered", "holds", live(features=1 << 29)),
    case(
        "N5", "feature out of nowhere", "violated", offered(), FeaturesWritten(*ME, VERSION_1 | 4)
    ),
    case("N5", "features after FEATURES_OK", "violated", live(), FeaturesWritten(*ME, VERSION_1)),
    case(
        "N5",
        "negotiated again after a reset",
        "holds",
        live(),
        reset(),
        FeaturesWritten(*ME, VERSION_1),
    ),
    case("N5", "driver never gets that far", "vacuous", offered(), status(1)),
    case("N6", "FEATURES_OK is read back", "holds", live()),
    case(
        "N6",
        "queue enabled unread",
        "violated",
        offered(),
        status(1),
        status(3),
        status(11),
        enabled(),
    ),
    case(
        "N6",
        "DRIVER_OK although refused",
        "violated",
        offered(),
        status(11),
        status_read(3),
        status(7),
    ),
    case(
        "N6",
        "read before but not after it was set",
        "violated",
        offered(),
        status(3),
        status_read(3),
        status(11),
        status(15),
    ),
    case(
        "N6",
        "driver stops at the refusal",
        "vacuous",
        offered(),
        status(11),
        status_read(3),
        status(131),
    ),
    case("N7", "notification after DRIVER_OK", "holds", live(), kicked()),
    case("N7", "notification before DRIVER_OK", "violated", negotiated(), enabled(), kicked()),
    case("N7", "notification after a reset request", "violated", live(), status(0), kicked()),
    case("N7", "no side notifies", "vacuous", live()),
    case("N8", "reset completes", "holds", live(), reset()),
    case("N8", "reset never completes", "violated", live(), status(0)),
    case("N8", "no reset", "vacuous", live()),
    case("N10", "reset is awaited", "holds", live(), reset(), status(1)),
    case("N10", "driver does not wait", "violated", live(), status(0), status(1)),
    case("N10", "done but unread", "violated", live(), status(0), reset_completed(), enabled()),
    case(
        "N10", "the driver never initialises again", "vacuous", live(), status(0), reset_completed()
    ),
    case(
        "N49",
        "buffer kept until the reset",
        "holds",
        live(),
        available(),
        NEEDS_RESET,
        reset(),
        freed(DATA),
    ),
    case(
        "N49",
        "late completion believed",
        "violated",
        live(),
        available(),
        NEEDS_RESET,
        served(),
        freed(DATA),
    ),
    case(
        "N49",
        "buffer that had come back before",
        "holds",
        live(),
        available(),
        served(),
        available(1, 2),
        NEEDS_RESET,
        freed(DATA),
    ),
    case("N49", "nothing was in flight", "vacuous", live(), NEEDS_RESET),
    case("N6", "status written again in between", "holds", negotiated(), status(11), enabled()),
    case(
        "N1",
        "bit cleared while suspended",
        "violated",
        live(version="1.4"),
        SuspendShown(*ME),
        status(3),
    ),
    case(
        "N49",
        "head exposed again",
        "holds",
        live(),
        available(),
        NEEDS_RESET,
        exposed(),
        freed(DATA),
    ),
]


@pytest.mark.parametrize(("rule", "word", "steps", "ends_ns"), TABLE)
def test_story_of_the_table_is_judged_as_it_says(
    rule: str, word: str, steps: Any, ends_ns: int
) -> None:
    says(rule, word, steps, ends_ns)


# N8: a reset takes at most 1000 ns here.


@pytest.mark.parametrize(
    ("completed_ns", "word"), [(1_500, "holds"), (2_000, "holds"), (2_001, "violated")]
)
def test_reset_exactly_at_the_bound_is_in_time(completed_ns: int, word: str) -> None:
    found = verdict("N8", live(), 1_000, status(0), completed_ns, reset_completed())
    assert found.verdict == word


def test_slow_reset_and_stuck_reset_are_distinguished() -> None:
    slow = verdict("N8", live(), 1_000, status(0), 4_000, reset_completed())
    stuck = verdict("N8", live(), 1_000, status(0), ends_ns=9_000)
    assert slow.violations[0].message == (
        "vm1.blk0 (epoch 1) had to complete its reset, which took 3us; the bound is 1us"
    )
    assert stuck.violations[0].message == (
        "vm1.blk0 (epoch 1) had to complete its reset, and had not 8us later; the bound is 1us"
    )


@pytest.mark.parametrize(("ends_ns", "word"), [(2_000, "inconclusive"), (2_001, "violated")])
def test_reset_still_under_way_at_the_end_counts_once_its_bound_has_passed(
    ends_ns: int, word: str
) -> None:
    assert verdict("N8", live(), 1_000, status(0), ends_ns=ends_ns).verdict == word


def test_second_request_does_not_restart_the_clock() -> None:
    steps = (live(), 1_000, status(0), 1_900, status(0), 2_100, reset_completed())
    assert verdict("N8", *steps).verdict == "violated"


def test_device_that_is_gone_with_its_vm_owes_no_reset() -> None:
    steps = (live(), 1_000, status(0), GUEST_ENDED, QvmExited("vm1", 1, 0))
    assert verdict("N8", *steps).verdict == "vacuous"


def test_reset_of_a_dead_guest_is_still_bounded() -> None:
    steps = (live(), 1_000, status(0), GUEST_ENDED, 9_000, QvmExited("vm1", 1, 0))
    assert verdict("N8", *steps).verdict == "violated"


# N4, N10 and N49 besides.


def test_announcement_overdue_at_the_end_is_a_breach_and_a_young_one_undecided() -> None:
    at_ns = len(live()) + 1
    steps = (live(), NEEDS_RESET)
    assert verdict("N4", *steps, ends_ns=at_ns + SECOND).verdict == "inconclusive"
    assert verdict("N4", *steps, ends_ns=at_ns + SECOND + 1).verdict == "violated"


def test_impatience_with_a_reset_is_only_unadvised_on_mmio() -> None:
    impatient = (status(0), status(1))
    on_pci = verdict("N10", live(transport="pci"), *impatient)
    on_mmio = verdict("N10", live(transport="mmio"), *impatient)
    assert (on_pci.severity, on_mmio.severity) == ("exposed", "unadvised")


def test_impatience_with_a_reset_binds_old_devices_on_pci_alone() -> None:
    impatient = (status(0), status(1))
    assert verdict("N10", live(version="1.1"), *impatient).verdict == "violated"
    found = verdict("N10", live(version="1.1", transport="mmio"), *impatient)
    assert found.verdict == "vacuous"
    assert found.reason == "vm1.blk0 (epoch 1) is of VIRTIO 1.1, and this binds since 1.2"


def test_breach_of_a_recommendation_is_the_mildest_there_is() -> None:
    found = verdict("N49", live(), available(), NEEDS_RESET, freed(DATA))
    assert found.severity == "unadvised"
    assert found.violations[0].data["head"] == 0


def test_one_initialisation_is_one_test_of_patience() -> None:
    assert verdict("N10", live(), reset(), live()[1:], reset(), status(1)).antecedents == 2
