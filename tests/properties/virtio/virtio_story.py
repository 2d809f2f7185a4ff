"""Tiny traces of one virtio device, written event by event.

A story is a sequence of steps:

- an event happens 1 ns after the one before;
- `together` lets events happen at one instant;
- a whole number lets the clock jump to that instant;
- the events of a list happen in order.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from quiesce.model.trace.events import AnyEvent, Header, ObservationEnded, Record, Trace
from quiesce.model.trace.virtio_events import (
    AvailablePublished,
    BarrierPassed,
    BufferFreed,
    BufferWritten,
    ChainExposed,
    ChainTaken,
    FeaturesOffered,
    FeaturesWritten,
    NotificationSent,
    QueueEnableWritten,
    QueueFieldWritten,
    QueueKicked,
    ResetCompleted,
    StatusRead,
    StatusWritten,
    SuppressionWritten,
    UsedElementWritten,
    UsedPublished,
)
from quiesce.properties.check import check
from quiesce.properties.core.verdict import Verdict
from quiesce.properties.registry import VIRTIO

VDEV = "vm1.blk0"
ME = (VDEV, 1)
"""The device of every story and the epoch: the first two fields of most events."""

SIZE = 8
DESC, AVAIL, USED, DATA = 0x1000, 0x2000, 0x3000, 0x8000
QUEUE_BYTES = 512
VERSION_1 = 1 << 32
HEADER = Header(scenario="a virtio story", detail="virtio", virtio_reset_ns_max=1_000)
SECOND = 1_000_000_000


class Together(NamedTuple):
    events: tuple[AnyEvent, ...]


Step = Any
"""An event, a `Together`, an instant, or a list of steps."""


def together(*events: AnyEvent) -> Together:
    return Together(events)


def trace_of(*steps: Step, ends_ns: int | None = 10_000, header: Header = HEADER) -> Trace:
    """Return the trace of a story; it is cut off where `ends_ns` is None."""
    records: list[Record] = []
    now = 0
    waiting = list(steps)
    while waiting:
        step = waiting.pop(0)
        if isinstance(step, list):
            waiting[:0] = step
        elif isinstance(step, int):
            assert step > now, "time runs backwards"
            now = step - 1
        else:
            now += 1
            events = step.events if isinstance(step, Together) else (step,)
            records += [Record(now, "story", -1, event) for event in events]
    if ends_ns is not None:
        records.append(Record(max(now + 1, ends_ns), "story", -1, ObservationEnded()))
    return Trace(header, tuple(records))


def full_name(rule: str) -> str:
    """Return the name of a rule by its number, `N9` for example."""
    (name,) = (name for name, kind in VIRTIO.items() if getattr(kind, "rule", "") == rule)
    return name


def verdict(rule: str, *steps: Step, ends_ns: int | None = 10_000) -> Verdict:
    """Return what one rule says of a story."""
    (only,) = check(trace_of(*steps, ends_ns=ends_ns), [full_name(rule)])
    return only


def case(rule: str, situation: str, word: str, *steps: Step, ends_ns: int = 10_000) -> Any:
    """Return a story for a table: in this situation, the rule says this word."""
    said = situation.replace(" ", "-")
    return pytest.param(rule, word, steps, ends_ns, id=f"{rule}-{said}-{word}")


def says(rule: str, word: str, steps: Sequence[Step], ends_ns: int) -> None:
    """Check one line of such a table."""
    found = verdict(rule, *steps, ends_ns=ends_ns)
    assert found.verdict == word, found.reason
    assert found.violation_count == (word == "violated"), [v.message for v in found.violations]


def offered(
    *, version: str = "1.2", transport: str = "pci", features: int = 0, device_id: int = 2
) -> FeaturesOffered:
    return FeaturesOffered(*ME, VERSION_1 | features, version, transport, device_id)


def status(value: int) -> StatusWritten:
    return StatusWritten(*ME, value)


def status_read(value: int) -> StatusRead:
    return StatusRead(*ME, value)


def enabled(
    queue: int = 0,
    value: int = 1,
    *,
    packed: bool = False,
    size: int = SIZE,
    descriptor_area: int = DESC,
    driver_area: int = AVAIL,
    device_area: int = USED,
) -> QueueEnableWritten:
    areas = (descriptor_area, driver_area, device_area)
    return QueueEnableWritten(*ME, queue, value, size, *areas, is_packed=packed)


def field(name: str, value: int, queue: int = 0) -> QueueFieldWritten:
    return QueueFieldWritten(*ME, queue, name, value)


def negotiated(*, features: int = 0, **offer: Any) -> list[Step]:
    """Give the steps of device and driver up to FEATURES_OK."""
    return [
        offered(features=features, **offer),
        status(1),
        status(3),
        FeaturesWritten(*ME, VERSION_1 | features),
        status(11),
        status_read(11),
    ]


def live(queues: int = 1, *, packed: bool = False, **offer: Any) -> list[Step]:
    """Give an initialisation without fault, up to DRIVER_OK."""
    return [
        *negotiated(**offer),
        *[enabled(queue, packed=packed) for queue in range(queues)],
        status(15),
    ]


def exposed(head: int = 0, **more: Any) -> ChainExposed:
    """Let the driver write a chain with a readable header and one writable buffer."""
    at = DATA + head * 0x1000
    parts: dict[str, Any] = {
        "queue": 0,
        "readable": ((at, 16),),
        "writable": ((at + 0x100, QUEUE_BYTES),),
        "is_indirect": False,
        "order": "readable_first",
    }
    return ChainExposed(*ME, head=head, **{**parts, **more})


def published(idx: int, count: int = 1, *, notify: bool = False, queue: int = 0) -> Step:
    return AvailablePublished(*ME, queue, idx, count, notify)


def barrier(before: str) -> BarrierPassed:
    return BarrierPassed(*ME, 0, before)


def kicked(queue: int = 0) -> QueueKicked:
    return QueueKicked(*ME, queue)


def suppressed(side: str, mode: str, position: int = 0) -> SuppressionWritten:
    return SuppressionWritten(*ME, 0, side, mode, position)


def freed(addr: int, length: int = 16, queue: int = 0) -> BufferFreed:
    return BufferFreed(*ME, queue, addr, length)


def taken(head: int = 0, position: int = 0, queue: int = 0) -> ChainTaken:
    return ChainTaken(*ME, queue, head, position)


def written(head: int = 0, length: int = QUEUE_BYTES, *, addr: int = 0) -> BufferWritten:
    return BufferWritten(*ME, 0, head, addr or DATA + head * 0x1000 + 0x100, length)


def used(
    head: int = 0, length: int = QUEUE_BYTES, position: int = 0, queue: int = 0
) -> UsedElementWritten:
    return UsedElementWritten(*ME, queue, position, head, length)


def used_published(idx: int, *, notify: bool = False, queue: int = 0) -> UsedPublished:
    return UsedPublished(*ME, queue, idx, notify)


def notified(queue: int = 0, carrier: str = "line", *, isr: bool = True) -> NotificationSent:
    return NotificationSent(*ME, queue, carrier, isr)


def reset_completed(queues: int = 0, interrupts: int = 0, vectors: int = 0) -> ResetCompleted:
    return ResetCompleted(*ME, queues, interrupts, vectors)


def available(head: int = 0, idx: int = 1) -> list[Step]:
    """Give the steps by which the driver makes a chain available."""
    return [exposed(head), barrier("idx"), published(idx)]


def served(head: int = 0, idx: int = 1) -> list[Step]:
    """Give the steps by which the device takes a chain and returns it."""
    return [taken(head), written(head), used(head), used_published(idx)]


def reset() -> list[Step]:
    """Give a reset that the driver awaits."""
    return [status(0), reset_completed(), status_read(0)]
