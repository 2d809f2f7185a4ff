"""Chains in rings: what the driver may write, and how the device gives them back."""

from typing import Any

import pytest

from quiesce.model.trace.events import AnyEvent
from quiesce.model.trace.virtio_events import BufferRead, ChainChanged

from .virtio_story import (
    DATA,
    DESC,
    ME,
    QUEUE_BYTES,
    SIZE,
    available,
    barrier,
    case,
    enabled,
    exposed,
    kicked,
    live,
    negotiated,
    published,
    reset,
    says,
    served,
    taken,
    together,
    used,
    used_published,
    verdict,
    written,
)

INDIRECT, IN_ORDER = 1 << 28, 1 << 35
CHANGED = ChainChanged(*ME, 0, 0)
PACKED = live(packed=True)
TWO = [available(0, 1), available(1, 2)]
THREE = [*TWO, available(2, 3)]
READ = BufferRead(*ME, 0, 0, DATA, 16)


def gone_round(times: int) -> list[Any]:
    """Give this many requests, one after the other."""
    return [[available(0, n % 65536), served(0, n % 65536)] for n in range(1, times + 1)]


TABLE = [
    case("N28", "into the writable buffer", "holds", live(), available(), served()),
    case(
        "N28", "one byte too many", "violated", live(), available(), written(length=QUEUE_BYTES + 1)
    ),
    case(
        "N28",
        "into a readable buffer",
        "violated",
        live(),
        available(),
        written(addr=DATA, length=4),
    ),
    case(
        "N28",
        "last byte of the buffer",
        "holds",
        live(),
        available(),
        written(addr=DATA + 0x100 + QUEUE_BYTES - 1, length=1),
    ),
    case("N28", "nothing is written", "vacuous", live(), available(), taken()),
    case("N29", "readable first", "holds", live(), available()),
    case("N29", "mixed", "violated", live(), exposed(order="mixed")),
    case("N29", "no chain", "vacuous", live()),
    case("N30", "short chain", "holds", live(), available()),
    case("N30", "loop", "violated", live(), exposed(fault="loop")),
    case(
        "N30", "as long as the queue", "holds", live(), exposed(readable=((DATA, 1),) * (SIZE - 1))
    ),
    case("N30", "longer than the queue", "violated", live(), exposed(readable=((DATA, 1),) * SIZE)),
    case("N30", "4 GiB in all", "holds", live(), exposed(writable=((0, (1 << 32) - 16),))),
    case(
        "N30", "one byte above 4 GiB", "violated", live(), exposed(writable=((0, (1 << 32) - 15),))
    ),
    case("N30", "no chain", "vacuous", live()),
    case("N31", "negotiated", "holds", live(features=INDIRECT), exposed(is_indirect=True)),
    case("N31", "not negotiated", "violated", live(), exposed(is_indirect=True)),
    case(
        "N31",
        "nested",
        "violated",
        live(features=INDIRECT),
        exposed(is_indirect=True, fault="nested"),
    ),
    case(
        "N31",
        "with NEXT",
        "violated",
        live(features=INDIRECT),
        exposed(is_indirect=True, fault="indirect_with_next"),
    ),
    case("N31", "no indirect table", "vacuous", live(), available()),
    case("N32", "one by one", "holds", live(), gone_round(3)),
    case("N32", "index goes back", "violated", live(), gone_round(3), published(2, 0)),
    case(
        "N32",
        "all of the ring at once",
        "holds",
        live(),
        [exposed(n) for n in range(SIZE)],
        published(SIZE, SIZE),
    ),
    case("N32", "one more than the ring", "violated", live(), published(SIZE + 1, 0)),
    case(
        "N32",
        "one outstanding leaves room for one less",
        "violated",
        live(),
        available(),
        published(SIZE + 1, 0),
    ),
    case("N32", "packed has no such index", "vacuous", PACKED, published(2, 0)),
    case("N33", "data, element, index", "holds", live(), available(), served()),
    case(
        "N33",
        "element before the data but index last",
        "holds",
        live(),
        available(),
        used(),
        written(),
        used_published(1),
    ),
    case(
        "N33", "index before the data", "violated", live(), available(), used(), used_published(1)
    ),
    case("N33", "data after the index", "violated", live(), available(), served(), written()),
    case(
        "N33",
        "fewer bytes than claimed",
        "violated",
        live(),
        available(),
        written(length=511),
        used(length=512),
        used_published(1),
    ),
    case(
        "N33",
        "index runs ahead of the elements",
        "violated",
        live(),
        available(),
        written(),
        used(),
        used_published(2),
    ),
    case("N33", "same head used again", "holds", live(), gone_round(2)),
    case("N33", "nothing used", "vacuous", live(), available(), taken()),
    case("N34", "once", "holds", live(), available(), served()),
    case("N34", "twice", "violated", live(), available(), served(), used()),
    case("N34", "same head in the next round", "holds", live(), gone_round(2)),
    case("N34", "head out of nowhere", "violated", live(), available(), used(5)),
    case("N34", "exposed but not available", "violated", live(), exposed(), used()),
    case("N34", "driver's side is not in the trace", "vacuous", live(), used()),
    case(
        "N37", "both barriers", "holds", live(), available(), barrier("suppression_read"), kicked()
    ),
    case("N37", "none before the index", "violated", live(), exposed(), published(1)),
    case("N37", "none before the notification", "violated", live(), available(), kicked()),
    case(
        "N37",
        "write barrier does not order the read",
        "violated",
        live(),
        available(),
        barrier("idx"),
        kicked(),
    ),
    case("N37", "driver does nothing", "vacuous", live()),
    case("N38", "each in turn", "holds", PACKED, available(), READ, served(), available(0, 3)),
    case("N38", "taken before it is available", "violated", PACKED, exposed(), taken()),
    case("N38", "taken though never written", "violated", PACKED, available(), taken(5)),
    case("N38", "written after it was used", "violated", PACKED, available(), served(), written()),
    case("N38", "driver overwrites the device's", "violated", PACKED, available(), exposed()),
    case("N38", "split ring", "vacuous", live(), available(), served(), written()),
    case("N39", "whole list", "holds", PACKED, available()),
    case("N39", "first descriptor before the rest", "violated", PACKED, published(2), exposed()),
    case("N39", "split ring", "vacuous", live(), available()),
    case("N40", "in order", "holds", live(features=IN_ORDER), TWO, served(0, 1), served(1, 2)),
    case(
        "N40",
        "batch by its last",
        "holds",
        live(features=IN_ORDER),
        THREE,
        used(2),
        used_published(3),
    ),
    case(
        "N40",
        "batch cut short",
        "violated",
        live(features=IN_ORDER),
        THREE,
        used(2),
        used_published(1),
    ),
    case(
        "N40",
        "late one after a later one",
        "violated",
        live(features=IN_ORDER),
        TWO,
        used(1),
        used_published(2),
        used(0),
    ),
    case(
        "N40",
        "packed batch",
        "holds",
        live(packed=True, features=IN_ORDER),
        THREE,
        used(2),
        used_published(7),
    ),
    case("N40", "wrong index but no order", "vacuous", live(), TWO, used(1), used_published(2)),
    case("N40", "not negotiated", "vacuous", live(), TWO, served(1, 1), served(0, 2)),
    case("N41", "left alone", "holds", live(), available(), served()),
    case("N41", "altered in flight", "violated", live(), available(), CHANGED),
    case(
        "N41", "altered before it is available", "holds", live(), exposed(), CHANGED, published(1)
    ),
    case("N41", "altered after it came back", "holds", live(), available(), served(), CHANGED),
    case("N41", "altered after a reset", "holds", live(), available(), reset(), CHANGED),
    case("N41", "queue is not live yet", "holds", negotiated(), enabled(), available(), CHANGED),
    case("N41", "no chain", "vacuous", live(), published(0, 0)),
]


@pytest.mark.parametrize(("rule", "word", "steps", "ends_ns"), TABLE)
def test_story_of_the_table_is_judged_as_it_says(
    rule: str, word: str, steps: Any, ends_ns: int
) -> None:
    says(rule, word, steps, ends_ns)


@pytest.mark.parametrize(
    ("order", "word"),
    [((written(), used_published(1)), "holds"), ((used_published(1), written()), "violated")],
)
def test_used_index_is_the_last_write_even_within_one_instant(
    order: tuple[AnyEvent, ...], word: str
) -> None:
    """The second breaks the rule twice: published too early, and written too late."""
    found = verdict("N33", live(), available(), used(), together(*order))
    assert (found.verdict, found.violation_count) == (word, 0 if word == "holds" else 2)


def test_write_into_the_descriptor_table_is_caught_although_a_chain_allows_it() -> None:
    table = ((DESC + 16, 64),)
    steps = (live(), exposed(writable=table), published(1), written(addr=DESC + 16, length=4))
    found = verdict("N28", *steps)
    assert (found.verdict, found.severity) == ("violated", "corruption")
    assert "into the descriptor table by way of chain 0" in found.reason


def test_write_across_two_adjoining_buffers_is_inside() -> None:
    buffers = ((DATA + 16, 16), (DATA, 16))
    steps = (live(), exposed(writable=buffers), published(1))
    assert verdict("N28", *steps, written(addr=DATA + 8, length=16)).verdict == "holds"
    assert verdict("N28", *steps, written(addr=DATA, length=32)).verdict == "holds"
    assert verdict("N28", *steps, written(addr=DATA + 8, length=25)).verdict == "violated"


def test_available_index_may_pass_zero() -> None:
    eights = [published(n * SIZE, 0) for n in range(1, 8192)]
    found = verdict("N32", live(), eights, published(65535, 0), available(0, 0), ends_ns=100_000)
    assert found.verdict == "holds"


def test_device_that_uses_a_chain_twice_corrupts_and_is_named() -> None:
    found = verdict("N34", live(), available(), served(), used())
    assert found.severity == "corruption"
    assert found.violations[0].message == (
        "queue 0 of vm1.blk0 (epoch 1): used chain 0, which was used before"
    )


@pytest.mark.parametrize(
    ("steps", "blamed"),
    [([available(), served(), written()], "device"), ([available(), exposed()], "driver")],
)
def test_breach_of_packed_turns_says_who_did_it(steps: Any, blamed: str) -> None:
    found = verdict("N38", PACKED, steps)
    assert found.violations[0].data["blamed"] == blamed
