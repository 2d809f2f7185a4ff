"""Device types: receive queues, cancelled commands, configuration, disks."""

from typing import Any

import pytest

from quiesce.model.trace.events import AnyEvent
from quiesce.model.trace.virtio_events import (
    BlockRequestAnswered,
    BlockRequestTaken,
    BlockWriteCached,
    BlockWriteCommitted,
    CommandCompleted,
    ConfigAccessed,
    ConfigChanged,
    NetPairsSet,
)

from .virtio_story import (
    ME,
    VDEV,
    available,
    case,
    live,
    offered,
    reset,
    says,
    served,
    taken,
    together,
    used,
    verdict,
)

CTRL_VQ, MQ, RSS = 1 << 17, 1 << 22, 1 << 60
RO, FLUSH, WCE = 1 << 5, 1 << 9, 1 << 11
CAPACITY = 100

NET = live(7, device_id=1, features=CTRL_VQ | MQ)
"""Three pairs on queues 0 to 5, and the control queue 6."""


def pairs(count: int) -> NetPairsSet:
    return NetPairsSet(*ME, count)


def packet(queue: int) -> AnyEvent:
    return used(queue=queue)


def asks(
    kind: str, sector: int = 0, length: int = 1024, *, head: int = 0, ro: bool = False
) -> BlockRequestTaken:
    return BlockRequestTaken(*ME, head, kind, sector, length, CAPACITY, ro)


def answers(
    kind: str,
    word: str = "ok",
    sector: int = 0,
    length: int = 1024,
    *,
    head: int = 0,
    stable: bool = False,
) -> BlockRequestAnswered:
    return BlockRequestAnswered(*ME, head, kind, sector, length, word, stable)


def cached(sector: int = 0, length: int = 1024) -> BlockWriteCached:
    return BlockWriteCached(VDEV, sector, length)


def committed(sector: int = 0, length: int = 1024) -> BlockWriteCommitted:
    return BlockWriteCommitted(VDEV, sector, length)


def config_read(generation: int) -> ConfigAccessed:
    return ConfigAccessed(*ME, 0, 4, False, generation)


STABLE = answers("out", stable=True)
WRITE = asks("out")
ACKNOWLEDGED = [live(features=FLUSH), WRITE, cached(), answers("out")]
FLUSHES, FLUSHED = asks("flush", length=0, head=1), answers("flush", length=0, head=1)

TABLE = [
    case("N42", "within the pairs", "holds", NET, pairs(2), packet(0), packet(2)),
    case("N42", "beyond the pairs", "violated", NET, pairs(2), packet(4)),
    case("N42", "first queue alone before the command", "violated", NET, packet(2)),
    case(
        "N42",
        "first queue alone after a reset",
        "violated",
        NET,
        pairs(3),
        reset(),
        NET[1:],
        packet(2),
    ),
    case("N42", "control queue is no receive queue", "vacuous", NET, packet(6)),
    case("N42", "transmit queues do not count", "vacuous", NET, packet(5)),
    case("N42", "spread by hash", "vacuous", live(7, device_id=1, features=MQ | RSS), packet(4)),
    case("N42", "no network device", "vacuous", live(7, features=MQ), packet(4)),
    case("N43", "last sectors", "holds", live(), asks("in", 98, 1024)),
    case("N43", "one sector too far", "violated", live(), asks("out", 99, 1024)),
    case("N43", "half a sector", "violated", live(), asks("in", 0, 256)),
    case("N43", "flush of sector 0", "holds", live(), asks("flush", 0, 0)),
    case("N43", "flush of sector 7", "violated", live(), asks("flush", 7, 0)),
    case("N43", "only its name is asked for", "vacuous", live(), asks("get_id", 0, 20)),
    case("N44", "committed before the answer", "holds", live(), WRITE, committed(), STABLE),
    case("N44", "only cached", "violated", live(), WRITE, cached(), STABLE),
    case("N44", "one sector is missing", "violated", live(), WRITE, committed(length=512), STABLE),
    case("N44", "cached is enough without the promise", "holds", ACKNOWLEDGED),
    case(
        "N44",
        "reported once for two holes",
        "violated",
        live(),
        asks("out", 0, 1536),
        committed(1, 512),
        answers("out", "ok", 0, 1536, stable=True),
    ),
    case("N44", "not even cached", "violated", live(), WRITE, answers("out")),
    case(
        "N44", "refused write promises nothing", "vacuous", live(), WRITE, answers("out", "ioerr")
    ),
    case(
        "N44",
        "committed by an earlier write",
        "violated",
        live(),
        committed(),
        WRITE,
        cached(),
        STABLE,
    ),
    case("N44", "flush after the commit", "holds", ACKNOWLEDGED, FLUSHES, committed(), FLUSHED),
    case("N44", "flush without the commit", "violated", ACKNOWLEDGED, FLUSHES, FLUSHED),
    case(
        "N44", "flush of half of it", "violated", ACKNOWLEDGED, FLUSHES, committed(1, 512), FLUSHED
    ),
    case("N44", "committed before the flush", "holds", ACKNOWLEDGED, committed(), FLUSHES, FLUSHED),
    case(
        "N44",
        "write acknowledged during the flush",
        "holds",
        live(features=FLUSH),
        WRITE,
        FLUSHES,
        cached(),
        answers("out"),
        FLUSHED,
    ),
    case(
        "N44",
        "failed flush promises nothing",
        "holds",
        ACKNOWLEDGED,
        FLUSHES,
        answers("flush", "ioerr", length=0, head=1),
    ),
    case(
        "N44",
        "driver that cannot flush",
        "violated",
        offered(features=FLUSH),
        live()[1:],
        WRITE,
        cached(),
        answers("out"),
    ),
    case(
        "N44",
        "cache that the driver can set",
        "holds",
        live(features=FLUSH | WCE),
        WRITE,
        cached(),
        answers("out"),
    ),
    case("N44", "reads alone", "vacuous", live(), asks("in"), answers("in")),
    case("N45", "write is refused", "holds", live(features=RO), WRITE, answers("out", "ioerr")),
    case("N45", "write is accepted", "violated", live(features=RO), WRITE, answers("out")),
    case(
        "N45",
        "refused but written",
        "violated",
        live(features=RO),
        WRITE,
        committed(),
        answers("out", "ioerr"),
    ),
    case("N45", "known by the request alone", "violated", asks("out", ro=True), answers("out")),
    case(
        "N45", "reading a read-only disk", "vacuous", live(features=RO), asks("in"), answers("in")
    ),
    case("N45", "writable disk", "vacuous", live(), WRITE, committed(), answers("out")),
    case(
        "N46",
        "cancelled requests are back",
        "holds",
        live(),
        available(),
        served(),
        CommandCompleted(*ME, (0,)),
    ),
    case(
        "N46",
        "request still out",
        "violated",
        live(),
        available(),
        taken(),
        CommandCompleted(*ME, (0,)),
    ),
    case(
        "N46",
        "used but not visible",
        "violated",
        live(),
        available(),
        taken(),
        used(),
        CommandCompleted(*ME, (0,)),
    ),
    case("N46", "nothing was affected", "vacuous", live(), available(), CommandCompleted(*ME, ())),
    case(
        "N50",
        "another generation",
        "holds",
        live(),
        config_read(1),
        ConfigChanged(*ME, 2),
        config_read(2),
    ),
    case(
        "N50",
        "same generation",
        "violated",
        live(),
        config_read(1),
        ConfigChanged(*ME, 1),
        config_read(1),
    ),
    case(
        "N50",
        "two changes and one generation",
        "holds",
        live(),
        config_read(1),
        ConfigChanged(*ME, 2),
        ConfigChanged(*ME, 2),
        config_read(2),
    ),
    case(
        "N50",
        "read twice after the change",
        "holds",
        live(),
        config_read(1),
        ConfigChanged(*ME, 2),
        config_read(2),
        config_read(2),
    ),
    case("N50", "never read before", "vacuous", live(), ConfigChanged(*ME, 1), config_read(1)),
    case("N50", "never changed", "vacuous", live(), config_read(1), config_read(1)),
    case(
        "N50",
        "reset comes between",
        "vacuous",
        live(),
        config_read(1),
        ConfigChanged(*ME, 1),
        reset(),
        config_read(1),
    ),
    case(
        "N44",
        "flush after a stable write",
        "holds",
        live(features=FLUSH),
        WRITE,
        committed(),
        STABLE,
        FLUSHES,
        FLUSHED,
    ),
]


@pytest.mark.parametrize(("rule", "word", "steps", "ends_ns"), TABLE)
def test_story_of_the_table_is_judged_as_it_says(
    rule: str, word: str, steps: Any, ends_ns: int
) -> None:
    says(rule, word, steps, ends_ns)


@pytest.mark.parametrize(
    ("order", "word"), [((committed(), STABLE), "holds"), ((STABLE, committed()), "violated")]
)
def test_commit_at_the_instant_of_the_answer_must_come_first(
    order: tuple[AnyEvent, ...], word: str
) -> None:
    assert verdict("N44", live(), WRITE, together(*order)).verdict == word


def test_write_that_a_flush_has_lost_is_named_by_its_sector() -> None:
    found = verdict("N44", ACKNOWLEDGED, FLUSHES, committed(0, 512), FLUSHED)
    assert found.violations[0].message == (
        "vm1.blk0 (epoch 1) acknowledged a flush although sector 1, acknowledged before, was not "
        "committed: a power cut would lose it"
    )


def test_same_head_on_another_queue_is_another_request() -> None:
    first = BlockRequestTaken(*ME, 0, "out", 0, 512, CAPACITY, False, queue=0)
    second = BlockRequestTaken(*ME, 0, "out", 8, 512, CAPACITY, False, queue=1)
    done = BlockRequestAnswered(*ME, 0, "out", 8, 512, "ok", True, queue=1)
    assert verdict("N44", live(2), first, second, committed(8, 512), done).verdict == "holds"
    assert verdict("N44", live(2), first, second, committed(0, 512), done).verdict == "violated"


def test_data_with_a_flush_is_only_unadvised() -> None:
    assert verdict("N43", live(), asks("flush", 0, 512)).severity == "unadvised"
