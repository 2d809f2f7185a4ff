"""Notifications, their carriers, and what is owed: kept, broken, never due, and at the bound."""

from typing import Any

import pytest

from quiesce.model.trace.events import AnyEvent, GuestEnded, WorkerEnded
from quiesce.model.trace.virtio_events import (
    ConfigChanged,
    InterruptAcknowledged,
    IsrRead,
    LineLowered,
    QueueVectorRead,
    SuspendShown,
)
from quiesce.properties.virtio.notifications import is_asked_for
from quiesce.properties.virtio.queue_state import QueueState

from .virtio_story import (
    ME,
    SECOND,
    VDEV,
    available,
    case,
    enabled,
    field,
    kicked,
    live,
    negotiated,
    notified,
    published,
    reset,
    reset_completed,
    says,
    status,
    suppressed,
    together,
    used,
    used_published,
    verdict,
)

MMIO: Any = {"transport": "mmio"}
LOW = LineLowered(*ME)
DIES = GuestEnded("vm1", 1, "crashed")
THREAD_ENDS = WorkerEnded("vm1", 1, VDEV, "killed")
VECTOR_3 = [field("vector", 3), QueueVectorRead(*ME, 0, 3)]
NO_VECTOR = 0xFFFF


def isr(value: int) -> IsrRead:
    return IsrRead(*ME, value)


def acknowledged(bits: int) -> InterruptAcknowledged:
    return InterruptAcknowledged(*ME, bits)


def asked() -> Any:
    """Give a used buffer whose notification the driver wants."""
    return [used(), used_published(1, notify=True)]


TABLE = [
    case("N20", "all is cleared", "holds", live(**MMIO), reset()),
    case("N20", "bit stays", "violated", live(**MMIO), status(0), reset_completed(interrupts=1)),
    case(
        "N20", "queue stays ready", "violated", live(**MMIO), status(0), reset_completed(queues=1)
    ),
    case(
        "N20",
        "queue stays enabled on PCI",
        "violated",
        live(),
        status(0),
        reset_completed(queues=1),
    ),
    case(
        "N20",
        "line is lowered at once",
        "holds",
        live(**MMIO),
        notified(),
        status(0),
        together(reset_completed(), LOW),
    ),
    case(
        "N20", "line stays high", "violated", live(**MMIO), notified(), status(0), reset_completed()
    ),
    case("N20", "no reset", "vacuous", live(**MMIO), notified()),
    case(
        "N21",
        "bit until acknowledged",
        "holds",
        live(**MMIO),
        notified(),
        isr(1),
        acknowledged(1),
        isr(0),
    ),
    case("N21", "bit gets lost", "violated", live(**MMIO), notified(), isr(0)),
    case("N21", "interrupt without its bit", "violated", live(**MMIO), notified(isr=False)),
    case("N21", "bit of another event", "violated", live(**MMIO), notified(-1), isr(3)),
    case("N21", "suppressed but used", "holds", live(**MMIO), used_published(1), isr(1)),
    case("N21", "configuration has changed", "holds", live(**MMIO), ConfigChanged(*ME, 2), isr(2)),
    case("N21", "bit survives the reset", "violated", live(**MMIO), notified(), reset(), isr(1)),
    case("N21", "no interrupt and no read", "vacuous", live(**MMIO)),
    case(
        "N22", "exactly what was read", "holds", live(**MMIO), notified(), isr(1), acknowledged(1)
    ),
    case(
        "N22", "more than was read", "violated", live(**MMIO), notified(), isr(1), acknowledged(3)
    ),
    case("N22", "acknowledged blindly", "violated", live(**MMIO), notified(), acknowledged(1)),
    case("N22", "undefined bit", "violated", live(**MMIO), isr(5), acknowledged(5)),
    case("N22", "guest dies in its handler", "vacuous", live(**MMIO), notified(), isr(1), DIES),
    case("N22", "not acknowledged yet", "inconclusive", live(**MMIO), notified(), isr(1)),
    case("N22", "nothing to handle", "vacuous", live(**MMIO), isr(0)),
    case(
        "N23",
        "ISR first and cleared by the read",
        "holds",
        live(),
        notified(),
        together(isr(1), LOW),
        isr(0),
    ),
    case("N23", "line before ISR", "violated", live(), notified(isr=False)),
    case(
        "N23", "read does not clear", "violated", live(), notified(), together(isr(1), LOW), isr(1)
    ),
    case("N23", "read does not lower the line", "violated", live(), notified(), isr(1)),
    case(
        "N23",
        "new event between the reads",
        "holds",
        live(),
        isr(0),
        notified(),
        together(isr(1), LOW),
    ),
    case("N23", "MSI-X all along", "vacuous", live(), notified(0, "msix")),
    case("N25", "vectors are mapped", "vacuous", live(), VECTOR_3, notified(0, "msix")),
    case("N25", "no vector and no interrupt", "holds", live(), VECTOR_3, notified(-1, "none")),
    case("N25", "message without a vector", "violated", live(), notified(0, "msix")),
    case(
        "N25",
        "mapping had failed",
        "violated",
        live(),
        field("vector", 3),
        QueueVectorRead(*ME, 0, NO_VECTOR),
        notified(0, "msix"),
    ),
    case("N25", "falls back to the line", "violated", live(), VECTOR_3, notified(-1, "line")),
    case("N25", "vector is written", "vacuous", live(), field("vector", 3), notified(0, "msix")),
    case(
        "N25", "another field is written", "violated", live(), field("size", 8), notified(0, "msix")
    ),
    case("N25", "INTx throughout", "vacuous", live(), notified(0, "line")),
    case(
        "N25",
        "vector does not survive a reset",
        "violated",
        live(),
        VECTOR_3,
        reset(),
        notified(0, "msix"),
    ),
    case("N26", "read back", "holds", negotiated(), VECTOR_3, status(15)),
    case("N26", "DRIVER_OK first", "violated", negotiated(), field("vector", 3), status(15)),
    case("N26", "used first", "violated", live(), field("vector", 3), kicked()),
    case(
        "N26",
        "another queue's is read",
        "violated",
        negotiated(),
        field("vector", 3),
        QueueVectorRead(*ME, 1, 3),
        status(15),
    ),
    case(
        "N26",
        "unmapping needs no reading",
        "vacuous",
        negotiated(),
        field("vector", NO_VECTOR),
        status(15),
    ),
    case("N26", "neither read nor used yet", "inconclusive", live(), field("vector", 3)),
    case("N35", "driver is notified", "holds", live(), asked(), notified()),
    case("N35", "thread ends without telling", "violated", live(), asked(), THREAD_ENDS),
    case(
        "N35",
        "suspended without telling",
        "violated",
        live(version="1.4"),
        asked(),
        SuspendShown(*ME),
    ),
    case("N35", "no side wants to know", "vacuous", live(), used(), used_published(1)),
    case(
        "N35", "driver changes its mind", "vacuous", live(), asked(), suppressed("driver", "never")
    ),
    case(
        "N35",
        "device's own wish is another",
        "inconclusive",
        live(),
        asked(),
        suppressed("device", "never"),
    ),
    case("N35", "guest is dead already", "vacuous", live(), DIES, asked(), THREAD_ENDS),
    case("N35", "guest dies first", "vacuous", live(), asked(), DIES, THREAD_ENDS),
    case("N35", "driver resets first", "vacuous", live(), asked(), reset()),
    case("N35", "another queue is notified", "inconclusive", live(2), asked(), notified(1)),
    case(
        "N35",
        "asked for by flag",
        "inconclusive",
        live(),
        suppressed("driver", "always"),
        used_published(1),
    ),
    case(
        "N35",
        "flag overrides what the device believes",
        "vacuous",
        live(),
        suppressed("driver", "never"),
        asked(),
    ),
    case(
        "N35",
        "asked for at this position",
        "inconclusive",
        live(),
        suppressed("driver", "at", 0),
        used_published(1),
    ),
    case(
        "N35",
        "asked for at a later position",
        "vacuous",
        live(),
        suppressed("driver", "at", 1),
        used_published(1),
    ),
    case("N36", "device is notified", "holds", live(), published(1, notify=True), kicked()),
    case(
        "N36", "never notified", "violated", live(), published(1, notify=True), ends_ns=2 * SECOND
    ),
    case(
        "N36",
        "driver's own wish is another",
        "inconclusive",
        live(),
        published(1, notify=True),
        suppressed("driver", "never"),
    ),
    case(
        "N36",
        "device changes its mind",
        "vacuous",
        live(),
        published(1, notify=True),
        suppressed("device", "never"),
    ),
    case("N36", "not notified yet", "inconclusive", live(), published(1, notify=True)),
    case(
        "N36",
        "one notification for two",
        "holds",
        live(),
        published(1, notify=True),
        published(2, notify=True),
        kicked(),
    ),
    case(
        "N36",
        "filled before DRIVER_OK",
        "vacuous",
        negotiated(),
        enabled(),
        published(1, notify=True),
    ),
    case("N36", "guest dies before telling", "vacuous", live(), published(1, notify=True), DIES),
    case("N36", "device does not want to know", "vacuous", live(), available(), kicked()),
    case(
        "N36",
        "device asked at this position",
        "inconclusive",
        live(),
        suppressed("device", "at", 0),
        available(),
    ),
    case(
        "N22", "driver resets in its handler", "vacuous", live(**MMIO), notified(), isr(1), reset()
    ),
    case(
        "N26",
        "another status first",
        "holds",
        negotiated(),
        field("vector", 3),
        status(11),
        QueueVectorRead(*ME, 0, 3),
        status(15),
    ),
]


@pytest.mark.parametrize(("rule", "word", "steps", "ends_ns"), TABLE)
def test_story_of_the_table_is_judged_as_it_says(
    rule: str, word: str, steps: Any, ends_ns: int
) -> None:
    says(rule, word, steps, ends_ns)


OWED = [
    ("N35", asked(), notified()),
    ("N36", [published(1, notify=True)], kicked()),
    ("N22", [isr(1)], acknowledged(1)),
]


@pytest.mark.parametrize(("rule", "debt", "payment"), OWED)
@pytest.mark.parametrize(("late_by_ns", "word"), [(0, "holds"), (1, "violated")])
def test_notification_exactly_at_the_bound_is_in_time(
    rule: str, debt: Any, payment: AnyEvent, late_by_ns: int, word: str
) -> None:
    due_ns = len(live(**MMIO)) + len(debt) + SECOND
    steps = (live(**MMIO), debt, due_ns + late_by_ns, payment)
    found = verdict(rule, *steps, ends_ns=3 * SECOND)
    assert (found.verdict, found.severity == "starved") == (word, word == "violated")


@pytest.mark.parametrize(("rule", "debt", "payment"), OWED)
@pytest.mark.parametrize(("late_by_ns", "word"), [(0, "inconclusive"), (1, "violated")])
def test_debt_at_the_end_is_a_breach_only_when_overdue(
    rule: str, debt: Any, payment: AnyEvent, late_by_ns: int, word: str
) -> None:
    due_ns = len(live(**MMIO)) + len(debt) + SECOND
    assert verdict(rule, live(**MMIO), debt, ends_ns=due_ns + late_by_ns).verdict == word


@pytest.mark.parametrize(("late_by_ns", "word"), [(0, "vacuous"), (1, "violated")])
def test_debt_that_was_overdue_when_the_guest_died_is_not_forgiven(
    late_by_ns: int, word: str
) -> None:
    due_ns = len(live()) + len(asked()) + SECOND
    steps = (live(), asked(), due_ns + late_by_ns, DIES)
    assert verdict("N35", *steps, ends_ns=3 * SECOND).verdict == word


def test_next_debt_begins_when_the_last_is_paid() -> None:
    steps = (live(), asked(), notified(), SECOND, used(), used_published(2, notify=True))
    assert verdict("N35", *steps, SECOND + 50, notified(), ends_ns=2 * SECOND).verdict == "holds"


@pytest.mark.parametrize("order", [(reset_completed(), LOW), (LOW, reset_completed())])
def test_line_that_falls_at_the_instant_of_the_reset_is_in_time(
    order: tuple[AnyEvent, ...],
) -> None:
    steps = (live(**MMIO), notified(), status(0), together(*order))
    assert verdict("N20", *steps).verdict == "holds"


def test_line_that_falls_a_nanosecond_after_the_reset_is_late() -> None:
    found = verdict("N20", live(**MMIO), notified(), status(0), reset_completed(), LOW)
    assert found.verdict == "violated"
    assert found.violations[0].message == (
        "vm1.blk0 (epoch 1) went on asserting its line after its reset"
    )


# The arithmetic of event indices (2.7.7.2, 2.8.7).


def split() -> QueueState:
    queue = QueueState(0, 0)
    queue.size = 8
    return queue


def packed() -> QueueState:
    queue = split()
    queue.is_packed = True
    return queue


@pytest.mark.parametrize("old", [0, 5, 65_530])
@pytest.mark.parametrize("step", [1, 3, 8])
def test_split_event_index_is_asked_for_as_the_formula_of_the_standard_says(
    old: int, step: int
) -> None:
    queue = split()
    new = (old + step) % 65_536
    for event in [(old + distance) % 65_536 for distance in range(-9, 10)]:
        queue.wishes["driver"] = ("at", event)
        by_formula = (new - event - 1) % 65_536 < (new - old) % 65_536
        assert is_asked_for(queue, "driver", old, new, otherwise=False) == by_formula


def test_packed_event_position_counts_only_in_its_own_round() -> None:
    queue = packed()
    # From position 6 with wrap 1 over the end of the ring to position 2 with wrap 0.
    old, new = 6 * 2 + 1, 2 * 2 + 0
    asked_for = []
    for position in range(8):
        for wrap in (0, 1):
            queue.wishes["driver"] = ("at", position * 2 + wrap)
            if is_asked_for(queue, "driver", old, new, otherwise=False):
                asked_for.append((position, wrap))
    assert asked_for == [(0, 0), (1, 0), (6, 1), (7, 1)]
