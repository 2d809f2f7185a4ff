"""A guest finds its devices, sets them up and works; and it dies after every milestone."""

from collections.abc import Callable, Iterator

import pytest

from quiesce.model.base.choices import Choices, Latest, Nominal, Seeded
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, SystemPlan
from quiesce.model.trace.events import (
    MILESTONES,
    ControlMessageSent,
    GuestEnded,
    IrqInjected,
    MilestoneReached,
    QvmExited,
    RequestCompleted,
    RequestSubmitted,
    Trace,
)
from quiesce.model.trace.virtio_events import (
    FeaturesWritten,
    QueueEnableWritten,
    StatusWritten,
    VirtioEvent,
)
from quiesce.properties.check import check

PlanMaker = Callable[..., SystemPlan]
Steps = tuple[tuple[str, int], ...]

QUIESCE: Steps = (("stop-queue", 0), ("cancel", 0), ("drain", 30_000_000_000), ("join-worker", 0))
BLOCK = "qvm178.blk.driver"


def milestones(trace: Trace, source: str) -> list[str]:
    return [
        record.event.milestone
        for record in trace.records
        if isinstance(record.event, MilestoneReached) and record.source == source
    ]


def violated(trace: Trace) -> list[str]:
    return [verdict.property for verdict in check(trace) if verdict.verdict == "violated"]


def crashed(make: PlanMaker, after: AfterPlan, delay_ns: int = 0, steps: Steps = ()) -> Trace:
    end = EndPlan("guest-crash", exactly(delay_ns), after)
    plan = make(steps=steps, vm={"end": end}, observe=exactly(2_000_000))
    return run(plan, Nominal())


@pytest.mark.parametrize("transport", ["pci", "mmio"])
@pytest.mark.parametrize("choices", [Nominal(), Latest(), Seeded(2)])
def test_a_guest_comes_from_assembly_to_io_by_every_milestone(
    walk_system: PlanMaker, transport: str, choices: Choices
) -> None:
    """The article's steps: pci-server, devb-virtio, /dev/hd0, mount, I/O."""
    trace = run(walk_system(transport=transport), choices)
    assert milestones(trace, "qvm178") == ["assembled"]
    assert milestones(trace, "qvm178.guest") == (["pci-scanned"] if transport == "pci" else [])
    assert milestones(trace, BLOCK) == list(MILESTONES[2:])
    assert milestones(trace, "qvm178.shm.driver") == ["device-found", "driver-started"]
    for kind in (RequestSubmitted, RequestCompleted):
        made = [r.event for r in trace.records if isinstance(r.event, kind)]
        count = sum(event.vdev == "qvm178.blk" for event in made)
        assert count == 13, "identifier, four tables, eight requests"
    assert violated(trace) == []


@pytest.mark.parametrize(
    "offers",
    [
        {"format": "packed"},
        {"event_index": True, "indirect": True},
        {"in_order": True, "notification_data": True},
        {"format": "packed", "event_index": True, "in_order": True, "notification_data": True},
        {"msix": False},
        {"queue_size": 4},
        {"suspend": True, "ring_reset": True},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("transport", ["pci", "mmio"])
def test_whatever_is_negotiated_every_rule_of_the_standard_is_kept(
    walk_system: PlanMaker, transport: str, offers: dict[str, object]
) -> None:
    end = EndPlan("guest-shutdown", exactly(4_000_000))
    for pairs, operation in ((1, "read"), (2, "write")):
        plan = walk_system(
            transport=transport,
            offers=offers,
            net={"queue_pairs": pairs},
            block={"operation": operation, "flush_every": 3},
            vm={"end": end},
        )
        trace = run(plan, Nominal())
        assert milestones(trace, BLOCK)[-1] == "io-running"
        assert [v for v in violated(trace) if v.startswith("virtio-")] == []


@pytest.mark.parametrize("milestone", MILESTONES)
def test_a_crash_after_any_milestone_is_harmless_with_the_documented_callbacks(
    walk_system: PlanMaker, milestone: str
) -> None:
    trace = crashed(walk_system, AfterPlan("MilestoneReached", milestone=milestone), steps=QUIESCE)
    assert any(isinstance(record.event, QvmExited) for record in trace.records)
    assert violated(trace) == []


def moments() -> Iterator[tuple[AfterPlan, int]]:
    """Give instants inside enumeration and negotiation, burst by burst."""
    for delay_ns in range(0, 1_200_000, 40_000):
        yield AfterPlan("VmStarted"), delay_ns
    for count in range(1, 9):
        yield AfterPlan("StatusWritten", BLOCK, min(count, 5)), 700 * count
        yield AfterPlan("QueueFieldWritten", "", count), 300 * count


def test_a_crash_in_the_middle_of_enumeration_or_negotiation_is_harmless_as_well(
    walk_system: PlanMaker,
) -> None:
    reached = set()
    for after, delay_ns in moments():
        trace = crashed(walk_system, after, delay_ns, QUIESCE)
        assert violated(trace) == [], (after, delay_ns)
        events = [record.event for record in trace.records]
        dies = next(i for i, event in enumerate(events) if isinstance(event, GuestEnded))
        last = [event for event in events[:dies] if isinstance(event, StatusWritten)]
        reached.add(max((event.value for event in last), default=-1))
    assert {-1, 0, 3, 11, 15} <= reached, "the crashes came at every stage of the status"


@pytest.mark.parametrize("milestone", MILESTONES)
def test_without_callbacks_the_verdict_is_that_of_a_disk_at_work(
    walk_system: PlanMaker, milestone: str
) -> None:
    """Before the first read no claim can break; after it no stop of the disk is confirmed."""
    trace = crashed(walk_system, AfterPlan("MilestoneReached", milestone=milestone))
    is_at_work = milestone in {"file-system-mounted", "io-running"}
    assert ("teardown-order" in violated(trace)) == is_at_work
    assert [v for v in violated(trace) if v.startswith("virtio-")] == []


def test_negotiation_tells_the_queue_only_after_the_features(walk_system: PlanMaker) -> None:
    trace = run(walk_system(), Nominal())
    of_block = [
        record.event
        for record in trace.records
        if getattr(record.event, "vdev", "") == "qvm178.blk"
        and isinstance(record.event, FeaturesWritten | StatusWritten | QueueEnableWritten)
    ]
    steps = [
        event.value if isinstance(event, StatusWritten) else type(event).__name__
        for event in of_block
    ]
    assert steps == [0, 1, 3, "FeaturesWritten", 11, "QueueEnableWritten", 15]


def test_no_vdev_interrupts_before_its_driver_is_live(walk_system: PlanMaker) -> None:
    trace = run(walk_system(), Nominal())
    live: set[str] = set()
    for record in trace.records:
        event = record.event
        if isinstance(event, StatusWritten) and event.value & 4:
            live.add(event.vdev)
        if isinstance(event, IrqInjected) and event.source != "qvm178.shm":
            assert event.source in live


@pytest.mark.parametrize("choices", [Nominal, lambda: Seeded(6)])
def test_detail_changes_what_is_told_and_nothing_that_happens(
    walk_system: PlanMaker, choices: Callable[[], Choices]
) -> None:
    both = {}
    for detail in ("teardown", "virtio"):
        made = choices()
        trace = run(walk_system(detail=detail), made)
        records = [
            (record.at_ns, record.source, record.event)
            for record in trace.records
            if not isinstance(record.event, VirtioEvent | ControlMessageSent)
        ]
        both[detail] = (records, made.log)
    assert both["teardown"] == both["virtio"]
