"""Queues as wholes: set-up, queue reset, and when memory is the driver's again."""

from typing import Any

import pytest

from quiesce.model.trace.events import AnyEvent
from quiesce.model.trace.virtio_events import (
    QueueEnableRead,
    QueueResetCompleted,
    QueueResetRead,
    QueueResetWritten,
    QueueVectorRead,
)

from .virtio_story import (
    AVAIL,
    DATA,
    DESC,
    ME,
    SIZE,
    USED,
    available,
    case,
    enabled,
    field,
    freed,
    live,
    negotiated,
    offered,
    reset,
    reset_completed,
    says,
    served,
    status,
    status_read,
    taken,
    together,
    used,
    used_published,
    verdict,
)

ASKED, DONE = QueueResetWritten(*ME, 0), QueueResetCompleted(*ME, 0)
SEEN = QueueResetRead(*ME, 0, 0, 0)
RUNNING = QueueResetRead(*ME, 0, 1, 1)
ENABLED_AGAIN = [ASKED, DONE, SEEN, enabled()]
PACKED_ENABLED_AGAIN = [ASKED, DONE, SEEN, enabled(packed=True)]
READS_0 = QueueEnableRead(*ME, 0, 0)
MMIO: Any = {"transport": "mmio"}
BUSY = [live(), available()]

TABLE = [
    case("N12", "first chain at the start", "holds", live(), ENABLED_AGAIN, available(), served()),
    case(
        "N12", "device goes on where it was", "violated", live(), ENABLED_AGAIN, taken(position=3)
    ),
    case(
        "N12",
        "used element goes on where it was",
        "violated",
        live(),
        ENABLED_AGAIN,
        used(position=2),
    ),
    case(
        "N12",
        "used index goes on where it was",
        "violated",
        live(),
        ENABLED_AGAIN,
        used(),
        used_published(4),
    ),
    case(
        "N12",
        "wrap counter starts at 1",
        "holds",
        live(packed=True),
        PACKED_ENABLED_AGAIN,
        used_published(3),
    ),
    case(
        "N12",
        "wrap counter was kept",
        "violated",
        live(packed=True),
        PACKED_ENABLED_AGAIN,
        used_published(2),
    ),
    case(
        "N12", "one full round", "holds", live(packed=True), PACKED_ENABLED_AGAIN, used_published(0)
    ),
    case("N12", "later ones may be anywhere", "holds", live(), ENABLED_AGAIN, taken(), taken(1, 1)),
    case(
        "N12",
        "wrap counter 1 and nothing written",
        "violated",
        live(packed=True),
        PACKED_ENABLED_AGAIN,
        used_published(1),
    ),
    case(
        "N12",
        "device reset comes between",
        "vacuous",
        live(),
        ENABLED_AGAIN,
        reset(),
        live()[1:],
        taken(position=3),
        used(position=3),
        used_published(7),
    ),
    case(
        "N12",
        "no queue reset",
        "vacuous",
        live(),
        taken(position=3),
        used(position=3),
        used_published(7),
    ),
    case("N13", "buffer that came back", "holds", BUSY, served(), freed(DATA)),
    case("N13", "buffer in flight", "violated", BUSY, taken(), freed(DATA)),
    case("N13", "used but not visible", "violated", BUSY, taken(), used(), freed(DATA)),
    case("N13", "just beside the buffer", "holds", BUSY, freed(DATA + 16, 240)),
    case(
        "N13",
        "reset is complete but unread",
        "violated",
        BUSY,
        status(0),
        reset_completed(),
        freed(DATA),
    ),
    case(
        "N13", "old status still reads", "violated", BUSY, status(0), status_read(15), freed(DATA)
    ),
    case(
        "N13",
        "rings after an unread reset",
        "violated",
        BUSY,
        status(0),
        reset_completed(),
        freed(DESC),
    ),
    case(
        "N13",
        "queue reset done but read as running",
        "violated",
        BUSY,
        ASKED,
        DONE,
        RUNNING,
        freed(DATA),
    ),
    case(
        "N13",
        "status of 0 is read without a reset",
        "violated",
        offered(),
        status_read(0),
        live()[1:],
        available(),
        freed(DATA),
    ),
    case("N13", "reset was seen", "holds", BUSY, reset(), freed(DATA), freed(DESC)),
    case("N13", "queue reset was seen", "holds", BUSY, ASKED, DONE, SEEN, freed(DATA), freed(USED)),
    case("N13", "queue reset still running", "violated", BUSY, ASKED, RUNNING, freed(DATA)),
    case("N13", "ring of a live queue", "violated", live(), freed(AVAIL + 6 + 2 * SIZE - 1)),
    case("N13", "just after the ring", "holds", live(), freed(AVAIL + 6 + 2 * SIZE)),
    case(
        "N13",
        "stopped by QueueReady",
        "holds",
        live(**MMIO),
        available(),
        enabled(value=0),
        READS_0,
        freed(DATA),
    ),
    case("N13", "guest dies and frees nothing", "vacuous", BUSY),
    case("N14", "reads as it should", "holds", live(), ASKED, RUNNING, DONE, SEEN),
    case("N14", "done too early", "violated", live(), ASKED, QueueResetRead(*ME, 0, 0, 1)),
    case(
        "N14",
        "still enabled at the end",
        "violated",
        live(),
        ASKED,
        DONE,
        QueueResetRead(*ME, 0, 0, 1),
    ),
    case(
        "N14",
        "enable alone reads as set",
        "violated",
        live(),
        ASKED,
        DONE,
        QueueEnableRead(*ME, 0, 1),
    ),
    case(
        "N14",
        "enabled again",
        "holds",
        live(),
        ASKED,
        DONE,
        SEEN,
        enabled(),
        QueueEnableRead(*ME, 0, 1),
    ),
    case("N14", "no queue is reset", "vacuous", live(), QueueEnableRead(*ME, 0, 1)),
    case("N15", "queues are only enabled", "holds", live()),
    case("N15", "0 is written", "violated", live(), enabled(value=0)),
    case("N15", "MMIO may write 0", "vacuous", live(**MMIO), enabled(value=0)),
    case("N16", "all set before", "holds", negotiated(), enabled()),
    case("N16", "no size", "violated", negotiated(), enabled(size=0)),
    case("N16", "no device area", "violated", negotiated(), enabled(device_area=0)),
    case(
        "N16",
        "area at address 0 by intent",
        "holds",
        negotiated(),
        field("device_area", 0),
        enabled(device_area=0),
    ),
    case("N16", "address changed afterwards", "violated", live(), field("driver_area", 0x9000)),
    case("N16", "vector mapped afterwards", "holds", live(), field("vector", 3)),
    case("N16", "no queue enabled", "vacuous", negotiated(), field("size", 8)),
    case(
        "N17",
        "read back before reuse",
        "holds",
        live(**MMIO),
        enabled(value=0),
        READS_0,
        freed(DESC),
    ),
    case("N17", "reused at once", "violated", live(**MMIO), enabled(value=0), freed(DESC)),
    case(
        "N17",
        "read back as 1",
        "violated",
        live(**MMIO),
        enabled(value=0),
        QueueEnableRead(*ME, 0, 1),
        freed(DESC),
    ),
    case(
        "N17",
        "queue was not ready anyway",
        "vacuous",
        live(**MMIO),
        enabled(1, value=0),
        freed(DESC, queue=1),
    ),
    case("N17", "stopped and left", "vacuous", live(**MMIO), enabled(value=0)),
    case("N19", "set while not ready", "holds", negotiated(**MMIO), field("size", 8), enabled()),
    case("N19", "size of a ready queue", "violated", live(**MMIO), field("size", 16)),
    case(
        "N19",
        "written before the stop is read back",
        "violated",
        live(**MMIO),
        enabled(value=0),
        field("size", 4),
    ),
    case("N19", "nothing written", "vacuous", live(**MMIO)),
    case(
        "N24",
        "all unmapped",
        "holds",
        live(),
        field("vector", 1),
        reset(),
        QueueVectorRead(*ME, 0, 0xFFFF),
    ),
    case("N24", "mapping survives", "violated", live(), status(0), reset_completed(vectors=1)),
    case("N24", "old vector still reads", "violated", live(), reset(), QueueVectorRead(*ME, 0, 3)),
    case(
        "N24",
        "mapped again",
        "holds",
        live(),
        reset(),
        field("vector", 3),
        QueueVectorRead(*ME, 0, 3),
    ),
    case("N24", "no reset", "vacuous", live(), field("vector", 1)),
    case("N27", "aligned", "holds", negotiated(), enabled()),
    case(
        "N27", "descriptors off by 8", "violated", negotiated(), enabled(descriptor_area=DESC + 8)
    ),
    case(
        "N27",
        "driver area off by 2 suits split",
        "holds",
        negotiated(),
        enabled(driver_area=AVAIL + 2),
    ),
    case(
        "N27",
        "driver area off by 2 in packed",
        "violated",
        negotiated(),
        enabled(packed=True, driver_area=AVAIL + 2),
    ),
    case("N27", "split with 6 entries", "violated", negotiated(), enabled(size=6)),
    case("N27", "packed with 6 entries", "holds", negotiated(), enabled(packed=True, size=6)),
    case("N27", "largest", "holds", negotiated(), enabled(size=32768)),
    case("N27", "too large", "violated", negotiated(), enabled(size=65536)),
    case("N27", "no queue", "vacuous", offered()),
    case(
        "N17", "reported once", "violated", live(**MMIO), enabled(value=0), freed(DESC), freed(USED)
    ),
]


@pytest.mark.parametrize(("rule", "word", "steps", "ends_ns"), TABLE)
def test_story_of_the_table_is_judged_as_it_says(
    rule: str, word: str, steps: Any, ends_ns: int
) -> None:
    says(rule, word, steps, ends_ns)


@pytest.mark.parametrize(
    ("order", "word"),
    [((status_read(0), freed(DATA)), "holds"), ((freed(DATA), status_read(0)), "violated")],
)
def test_memory_is_the_drivers_from_the_read_on(order: tuple[AnyEvent, ...], word: str) -> None:
    steps = (live(), available(), status(0), reset_completed(), together(*order))
    assert verdict("N13", *steps).verdict == word


def test_release_in_flight_names_chain_and_address() -> None:
    found = verdict("N13", live(), available(3), freed(DATA + 0x3000, 4096))
    assert found.violations[0].message == (
        "the driver of vm1.blk0 (epoch 1) freed 4096 bytes at 0xb000, in flight in chain 3 of "
        "queue 0, before it had seen a reset"
    )
