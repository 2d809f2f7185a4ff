"""What becomes of requests in flight when a vdev is reset, by each of its policies."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Latest, Nominal, Seeded
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import build, run
from quiesce.model.plan.system_plan import AfterPlan, DiskPlan, EndPlan, SystemPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    BackendRequestEnded,
    DmaLanded,
    FramesReleased,
    IrqInjected,
    Record,
    RequestCompleted,
    StopConfirmed,
    Trace,
)
from quiesce.model.trace.virtio_events import BufferFreed, ResetCompleted, StatusRead, UsedPublished
from quiesce.model.vdev.virtio_vdev import VirtioVdev
from quiesce.properties.check import check

PlanMaker = Callable[..., SystemPlan]

_STOPPING = {"guest.shutdown-handler": "stops-device"}

E = TypeVar("E", bound=TraceEvent)

BLOCK = "qvm178.blk"
SLOW = DiskPlan("ahci0", "devb-ahci", 33, slots=2, service=Timing().sata_hdd_req)
RESET = (("reset", 30_000_000_000), ("join-worker", 0))


def resets(make: PlanMaker, policy: str, choices: Choices, **block: object) -> Trace:
    """Run a guest that crashes with reads in flight, and whose vdev is reset by its callback."""
    end = EndPlan("guest-crash", exactly(200_000), AfterPlan("BackendRequestBegun", count=3))
    plan = make(
        offers={"reset_policy": policy},
        block={"mount": False, "depth": 4, **block},
        steps=RESET,
        vm={"end": end},
        disks=(SLOW,),
        observe=exactly(60_000_000),
    )
    return run(plan, choices)


def of(trace: Trace, kind: type[TraceEvent]) -> list[Record]:
    return [record for record in trace.records if isinstance(record.event, kind)]


def events(records: Iterable[Record], kind: type[E]) -> list[E]:
    return [record.event for record in records if isinstance(record.event, kind)]


def reset_at(trace: Trace) -> int:
    """Return the index of the block vdev's second reset; the first is its driver's own."""
    found = [
        index
        for index, record in enumerate(trace.records)
        if isinstance(record.event, ResetCompleted) and record.source == BLOCK
    ]
    assert len(found) == 2
    return found[1]


def verdicts(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


@pytest.mark.parametrize("choices", [Nominal(), Latest(), Seeded(4)])
def test_draining_and_posting_gives_everything_back_before_0_can_be_read(
    walk_system: PlanMaker, choices: Choices
) -> None:
    """The guest is gone, and its rings are still written: harmless as long as it is in time."""
    trace = resets(walk_system, "drain-and-post", choices)
    done = reset_at(trace)
    posted = events(trace.records[:done], RequestCompleted)
    assert sum(event.vdev == BLOCK for event in posted) >= 3
    late = [
        r for r in trace.records[done:] if isinstance(r.event, RequestCompleted | UsedPublished)
    ]
    assert [r for r in late if r.source == BLOCK] == []
    found = verdicts(trace)
    assert (found["no-dma-after-teardown"], found["teardown-order"]) == ("holds", "holds")
    assert found["virtio-n09-silence-after-reset"] == "holds"


@pytest.mark.parametrize("choices", [Nominal(), Latest(), Seeded(4)])
@pytest.mark.parametrize("policy", ["drain-and-drop", "cancel"])
def test_dropping_gives_nothing_back_and_is_as_safe(
    walk_system: PlanMaker, policy: str, choices: Choices
) -> None:
    trace = resets(walk_system, policy, choices)
    posted = [r for r in of(trace, UsedPublished) if r.source == BLOCK]
    assert posted == []
    landed = [
        record.at_ns
        for record in trace.records
        if isinstance(record.event, DmaLanded) and record.event.epoch == 1
    ]
    assert landed
    assert max(landed) <= trace.records[reset_at(trace)].at_ns
    outcomes = {event.outcome for event in events(trace.records, BackendRequestEnded)}
    assert ("cancelled" in outcomes) == (policy == "cancel")
    found = verdicts(trace)
    assert (found["no-dma-after-teardown"], found["teardown-order"]) == ("holds", "holds")


def test_cancelling_is_faster_than_waiting(walk_system: PlanMaker) -> None:
    ends = {
        policy: resets(walk_system, policy, Nominal()) for policy in ("drain-and-drop", "cancel")
    }
    took = {policy: trace.records[reset_at(trace)].at_ns for policy, trace in ends.items()}
    assert took["cancel"] < took["drain-and-drop"]


@pytest.mark.parametrize("choices", [Nominal(), Seeded(4)])
def test_a_reset_that_waits_for_nothing_lets_the_disk_write_released_memory(
    walk_system: PlanMaker, choices: Choices
) -> None:
    """Firecracker had to make its block reset wait for io_uring (0c575186abc8)."""
    trace = resets(walk_system, "nothing", choices)
    assert of(trace, StopConfirmed) == []
    released = min(r.at_ns for r in of(trace, FramesReleased))
    assert any(r.at_ns > released for r in of(trace, DmaLanded))
    found = verdicts(trace)
    assert (found["no-dma-after-teardown"], found["teardown-order"]) == ("violated", "violated")


def test_a_completion_posted_after_0_was_readable_breaks_the_silence(
    walk_system: PlanMaker,
) -> None:
    """A reset that drains and then posts writes a ring that has no owner (openvmm 3915)."""
    end = EndPlan("guest-crash", exactly(200_000), AfterPlan("BackendRequestBegun", count=3))
    plan = walk_system(
        offers={"reset_policy": "nothing"},
        block={"mount": False, "depth": 4},
        vm={"end": end},
        disks=(SLOW,),
    )
    stay = (("reset", 0), ("drain", 30_000_000_000), ("join-worker", 0))
    machine = plan.vms[0]
    callback = walk_system(steps=stay).vms[0].quiesce[0]
    plan = replace(plan, vms=(replace(machine, quiesce=(callback,)),))
    trace = run(plan, Nominal())
    late = [
        r
        for r in trace.records[reset_at(trace) :]
        if r.source == BLOCK and isinstance(r.event, UsedPublished | IrqInjected)
    ]
    assert late
    found = verdicts(trace)
    assert found["virtio-n09-silence-after-reset"] == "violated"
    assert found["no-dma-after-teardown"] == "holds", "the callback has waited all the same"


def test_an_orderly_driver_frees_memory_only_after_it_has_read_0(walk_system: PlanMaker) -> None:
    plan = walk_system(vm={"end": EndPlan("guest-shutdown", exactly(3_000_000))}, pinned=_STOPPING)
    trace = run(plan, Nominal())
    freed = of(trace, BufferFreed)
    assert {r.source for r in freed} == {f"qvm178.{n}.driver" for n in ("blk", "net", "con", "rng")}
    for source in {r.source for r in freed}:
        first = min(i for i, r in enumerate(trace.records) if r in freed and r.source == source)
        reads = [
            r.event.value
            for r in trace.records[:first]
            if isinstance(r.event, StatusRead) and r.source == source
        ]
        assert reads[-1] == 0
    assert verdicts(trace)["virtio-n13-memory-kept-until-reset-seen"] == "holds"


def test_receive_buffers_are_taken_back_by_the_reset_of_a_shutdown(walk_system: PlanMaker) -> None:
    """Without the reset the device keeps them: they wait for frames that may never come."""
    plan = walk_system(vm={"end": EndPlan("guest-shutdown", exactly(3_000_000))}, pinned=_STOPPING)
    kernel = Kernel(Nominal(), plan.pinned)
    system = build(kernel, plan)
    net = system.supervisors[0].qvm.vdevs.by_name["net"]
    assert isinstance(net, VirtioVdev)
    kernel.execute(system.observed)
    assert net.queues == {}
    assert int(net.registers.machine.status) == 0
