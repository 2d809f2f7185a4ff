"""Published bugs of storage, each on the class of device that had it, and each with its repair."""

from typing import Any

import pytest

from quiesce.model.base.choices import Choices, Earliest, Latest, Nominal, Seeded
from quiesce.model.machine.system import run
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    CpuWriteLanded,
    DmaLanded,
    FramesReleased,
    QuiesceStepEnded,
    StopConfirmed,
    Trace,
    VmStarted,
)
from quiesce.model.trace.virtio_events import BufferFreed, StatusRead
from quiesce.properties.check import check
from quiesce.scenarios.resolve.library import resolved

LATE = "no-dma-after-teardown"
BUGS = [
    "bug-b48-drained-and-posted",
    "bug-b49-shadow-address",
    "bug-b51-given-back-early",
    "bug-b58-early-unmap",
]


def some_choices() -> list[Choices]:
    return [Nominal(), Earliest(), Latest(), *map(Seeded, range(8))]


def of(trace: Trace, *kinds: type[TraceEvent]) -> list[tuple[int, int, Any]]:
    return [
        (index, record.at_ns, record.event)
        for index, record in enumerate(trace.records)
        if isinstance(record.event, kinds)
    ]


def verdicts(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


@pytest.mark.parametrize("name", BUGS)
def test_the_repair_that_was_made_holds_at_other_timings_as_well(name: str) -> None:
    plan = resolved(f"{name}-repaired").plan
    for choices in some_choices():
        found = verdicts(run(plan, choices))
        assert "violated" not in found.values(), {k: v for k, v in found.items() if v == "violated"}


def test_b48_completions_are_posted_after_the_reset_and_reads_land_in_the_rebooted_guest() -> None:
    """openvmm #3915: the reset reads as done, and the disk's reads are still under way."""
    trace = run(resolved("bug-b48-drained-and-posted").plan, Nominal())
    reset = next(i for i, _, one in of(trace, QuiesceStepEnded) if one.step == "reset")
    released = of(trace, FramesReleased)[0][0]
    posted = [one for i, _, one in of(trace, CpuWriteLanded) if reset < i < released]
    assert {"status", "used_element", "used_idx"} <= {one.content for one in posted}
    reborn = of(trace, VmStarted)[1][0]
    late = [one for i, _, one in of(trace, DmaLanded) if i > reborn and one.epoch == 1]
    assert late
    assert verdicts(trace)[LATE] == "violated"


def test_b49_the_doorbells_of_the_next_guest_write_where_the_dead_one_had_its_shadow() -> None:
    """NVMe 5.8: the lifetime of shadow doorbells ends with a controller level reset."""
    trace = run(resolved("bug-b49-shadow-address").plan, Nominal())
    released = of(trace, FramesReleased)[-1][0]
    late = [one for i, _, one in of(trace, DmaLanded) if i > released and one.epoch == 1]
    assert {(one.master, one.length, one.content) for one in late} == {("nvme0", 4, "completion")}
    assert [one.device for _, _, one in of(trace, StopConfirmed)][:1] == ["nvme0"]


def test_b51_the_disk_writes_memory_that_a_living_guest_has_taken_back() -> None:
    """virtio-win #1370: the host knows nothing of the reset when the requests are completed."""
    trace = run(resolved("bug-b51-given-back-early").plan, Nominal())
    freed = [(i, one) for i, _, one in of(trace, BufferFreed)][:4]
    seen = next(i for i, _, one in of(trace, StatusRead) if i > freed[-1][0] and one.value == 0)
    landed = [one for i, _, one in of(trace, DmaLanded) if freed[-1][0] < i < seen]
    assert sum(one.length for one in landed if one.content == "data") == 4 * 8192
    assert {one.epoch for one in landed if one.content == "data"} == {1}


def test_b51_repaired_takes_nothing_back_before_it_has_seen_the_reset() -> None:
    trace = run(resolved("bug-b51-given-back-early-repaired").plan, Nominal())
    freed = [i for i, _, _ in of(trace, BufferFreed)]
    resets = [i for i, _, one in of(trace, StatusRead) if one.value == 0]
    assert resets[0] < freed[0], "the first reset is that of the set-up"
    between = [one for i, _, one in of(trace, DmaLanded) if resets[0] < i < freed[0]]
    assert sum(one.length for one in between if one.content == "data") == 4 * 8192
    assert len(resets) >= 3, "set up, reset of the bus, shut down"


def test_b58_an_answer_that_comes_too_early_is_believed() -> None:
    """SPDK #2074: the acknowledgement has to wait until the controller has stopped."""
    trace = run(resolved("bug-b58-early-unmap").plan, Nominal())
    confirmed = of(trace, StopConfirmed)[0][0]
    late = [one for i, _, one in of(trace, CpuWriteLanded) if i > confirmed]
    assert {one.epoch for one in late} >= {1}
    assert verdicts(trace)["teardown-order"] == "holds", "the order was right, the answer was not"
    assert verdicts(trace)[LATE] == "violated"
