"""What happens to memory and to interrupts when a guest crashes with its hardware at work."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Earliest, Latest, Nominal, Seeded
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.system import build, run
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, ShutdownPlan, SystemPlan
from quiesce.model.plan.traits import Traits
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    BackendRequestEnded,
    CallbackEnded,
    CpuWriteLanded,
    DmaBlocked,
    DmaIssued,
    DmaLanded,
    FramesGranted,
    FramesQuarantined,
    FramesReleased,
    GuestEnded,
    IrqInjected,
    IrqTaken,
    ObservationEnded,
    QvmExited,
    Record,
    SignalSent,
    StopConfirmed,
    TerminationBegun,
    Trace,
    VmStarted,
    WorkerEnded,
)

PlanMaker = Callable[..., SystemPlan]
Steps = tuple[tuple[str, int], ...]
E = TypeVar("E", bound=TraceEvent)

BLOCK_STEPS: Steps = (("stop-queue", 0), ("drain", 30_000_000_000), ("join-worker", 0))


def of_records(records: Iterable[Record], kind: type[E]) -> list[tuple[int, E]]:
    return [(record.at_ns, record.event) for record in records if isinstance(record.event, kind)]


def of(trace: Trace, kind: type[E]) -> list[tuple[int, E]]:
    return of_records(trace.records, kind)


def released_ns(trace: Trace, epoch: int = 1) -> int:
    """Return the instant of the first release."""
    return min(at_ns for at_ns, event in of(trace, FramesReleased) if event.epoch == epoch)


def late_writes(trace: Trace) -> list[DmaLanded]:
    last = max(at_ns for at_ns, _ in of(trace, FramesReleased))
    return [event for at_ns, event in of(trace, DmaLanded) if event.epoch == 1 and at_ns > last]


@pytest.mark.parametrize("choices", [Nominal(), Earliest(), Latest(), Seeded(1)])
def test_a_nic_that_nobody_stops_writes_the_next_owners_memory(
    nic_system: PlanMaker, choices: Choices
) -> None:
    """Received frames are unsolicited, so a dead guest's ring goes on filling (bhyve PR 222937)."""
    trace = run(nic_system(), choices)
    late = late_writes(trace)
    assert late
    assert {event.content for event in late} == {"data", "completion"}
    assert isinstance(trace.records[-1].event, ObservationEnded)


def test_a_late_write_is_really_in_the_next_owners_memory(nic_system: PlanMaker) -> None:
    """Until the next guest resets the controller, its fresh memory is written behind its back."""
    plan = nic_system(observe=exactly(90_000))
    kernel = Kernel(Nominal(), plan.pinned)
    system = build(kernel, plan)
    kernel.execute(system.observed)
    memory = system.host.memory
    granted = max(at_ns for at_ns, e in of_records(kernel.records, FramesGranted) if e.epoch == 2)
    stale = [
        event
        for at_ns, event in of_records(kernel.records, DmaLanded)
        if event.epoch == 1 and event.content == "data" and at_ns >= granted
    ]
    assert stale
    for event in stale:
        assert memory.read(event.addr, event.length) == b"\xee" * event.length


@pytest.mark.parametrize("choices", [Nominal(), Earliest(), Latest(), Seeded(1)])
def test_a_nic_stopped_by_the_documented_procedure_writes_nothing_late(
    nic_system: PlanMaker, documented_steps: Steps, choices: Choices
) -> None:
    trace = run(nic_system(documented_steps), choices)
    confirmed = [at_ns for at_ns, event in of(trace, StopConfirmed) if event.epoch == 1]
    assert len(confirmed) == 1
    assert late_writes(trace) == []
    written = [at_ns for at_ns, event in of(trace, DmaLanded) if event.epoch == 1]
    assert max(written) <= confirmed[0] < released_ns(trace)


def test_behind_an_iommu_the_late_write_is_blocked_and_told(nic_system: PlanMaker) -> None:
    trace = run(nic_system(vm={"restart": False}, iommu=True), Nominal())
    assert late_writes(trace) == []
    blocked = of(trace, DmaBlocked)
    assert blocked
    assert all(event.master == "eth0" and event.record == "recorded" for _, event in blocked)


def test_an_iommu_lets_the_old_writes_in_again_when_it_maps_the_device_for_the_next_guest(
    nic_system: PlanMaker,
) -> None:
    """The controller still holds the old ring, and the new map has the same guest addresses."""
    trace = run(nic_system(iommu=True), Nominal())
    restarted = max(at_ns for at_ns, _ in of(trace, VmStarted))
    late = [at_ns for at_ns, e in of(trace, DmaLanded) if e.epoch == 1 and at_ns > restarted]
    assert late


def test_the_line_of_a_dead_guest_is_taken_as_soon_as_the_next_one_attaches(
    nic_system: PlanMaker,
) -> None:
    """The controller still asserts, the first attach unmasks, the new guest is interrupted."""
    trace = run(nic_system(), Nominal())
    stale = [event for _, event in of(trace, IrqInjected) if event.epoch == 2]
    assert stale[0].requested_epoch == 1


def test_an_iommu_without_translation_after_death_lets_the_write_through(
    nic_system: PlanMaker,
) -> None:
    """What smmuman does when its client dies is not documented; two of three answers harm."""
    killed = {"end": EndPlan("sigkill", exactly(300_000)), "restart": False}
    outcomes = {}
    for answer in ("deny", "stale", "unrestricted"):
        plan = nic_system(vm=killed, iommu=True, pinned={"smmuman.client-death": answer})
        outcomes[answer] = len(late_writes(run(plan, Nominal()))) > 0
    assert outcomes == {"deny": False, "stale": True, "unrestricted": True}


def test_zero_copy_reads_land_in_released_frames(block_system: PlanMaker) -> None:
    """The host driver outlives qvm and goes on with what it was asked for."""
    trace = run(block_system(), Nominal())
    late = late_writes(trace)
    assert late
    assert {event.master for event in late} == {"ahci0"}


def test_a_bounce_buffer_keeps_the_disk_away_from_guest_memory(block_system: PlanMaker) -> None:
    trace = run(block_system(block={"zero_copy": False}), Nominal())
    assert [event for _, event in of(trace, DmaLanded) if event.epoch != 0] == []
    copied = [event for _, event in of(trace, CpuWriteLanded) if event.epoch == 1]
    assert copied == [], "the worker dies before the disk has answered"


@pytest.mark.parametrize("choices", [Nominal(), Earliest(), Latest(), Seeded(5)])
def test_a_vdev_that_drains_its_host_driver_is_safe(
    block_system: PlanMaker, choices: Choices
) -> None:
    trace = run(block_system(BLOCK_STEPS), choices)
    assert late_writes(trace) == []
    assert [event.manner for _, event in of(trace, WorkerEnded)] == ["joined"]


def test_draining_without_stopping_the_queue_lets_new_requests_in(
    block_system: PlanMaker,
) -> None:
    """Chains that the guest made available before it died are still taken while draining."""
    block = {"depth": 12, "requests": 12}
    early = {
        "end": EndPlan("guest-crash", exactly(20_000), AfterPlan("RequestSubmitted", count=12))
    }
    with_stop = run(block_system(BLOCK_STEPS, block=block, vm=early), Nominal())
    without = run(block_system(BLOCK_STEPS[1:], block=block, vm=early), Nominal())
    begun = [len(of(trace, BackendRequestEnded)) for trace in (with_stop, without)]
    assert begun[0] < begun[1]


def test_a_drain_that_times_out_keeps_the_memory_for_good(block_system: PlanMaker) -> None:
    steps: Steps = (("stop-queue", 0), ("drain", 1_000_000), ("join-worker", 0))
    trace = run(block_system(steps), Latest())
    assert [event.outcome for _, event in of(trace, CallbackEnded)] == ["timed_out"]
    assert of(trace, FramesQuarantined)
    assert [event for _, event in of(trace, FramesReleased) if event.epoch == 1] == []
    grants = [event for _, event in of(trace, FramesGranted)]
    assert grants[1].first_frame != grants[0].first_frame, "the next instance gets other frames"


@pytest.mark.parametrize(
    ("cause", "status", "manner", "callback_runs"),
    [
        ("guest-shutdown", 0, "shut_down", True),
        ("guest-crash", 0, "crashed", True),
        ("sigterm-arm", 0, "stopped", True),
        ("sigquit", 3, "stopped", True),
        ("sigkill", 137, "stopped", False),
    ],
)
def test_each_cause_ends_in_its_own_way(
    nic_system: PlanMaker,
    documented_steps: Steps,
    *,
    cause: str,
    status: int,
    manner: str,
    callback_runs: bool,
) -> None:
    plan = nic_system(documented_steps, vm={"end": EndPlan(cause, exactly(300_000))})
    trace = run(plan, Nominal())
    assert [event.status for _, event in of(trace, QvmExited)] == [status]
    assert [event.manner for _, event in of(trace, GuestEnded)] == [manner]
    assert bool(of(trace, CallbackEnded)) == callback_runs
    assert [event.orderly for _, event in of(trace, TerminationBegun)] == [callback_runs]
    assert [event.epoch for _, event in of(trace, VmStarted)] == [1, 2]


@pytest.mark.parametrize(
    ("answer", "signals", "manner"), [("shuts-down", 1, "shut_down"), ("ignores", 2, "stopped")]
)
def test_sigterm_on_x86_asks_first_and_insists_the_second_time(
    nic_system: PlanMaker, answer: str, signals: int, manner: str
) -> None:
    plan = nic_system(
        vm={"end": EndPlan("sigterm-x86", exactly(300_000)), "restart": False},
        nic={"gap": Span(4_000_000, 8_000_000)},
        pinned={"guest.power-button": answer},
    )
    trace = run(plan, Nominal())
    assert len(of(trace, SignalSent)) == signals
    assert [event.manner for _, event in of(trace, GuestEnded)] == [manner]


def test_a_guest_that_shuts_down_with_a_handler_stops_its_own_nic(nic_system: PlanMaker) -> None:
    end = EndPlan("guest-shutdown", exactly(300_000))
    handlers = (ShutdownPlan("eth0", stops=True),)
    plan = nic_system(vm={"end": end, "shutdown_handlers": handlers})
    trace = run(plan, Nominal())
    assert late_writes(trace) == []
    assert of(trace, StopConfirmed)


def test_a_crash_that_never_reaches_qvm_ends_nothing(nic_system: PlanMaker) -> None:
    plan = nic_system(pinned={"guest.crash-reaches-qvm": "never"})
    trace = run(plan, Nominal())
    assert of(trace, FramesReleased) == []
    assert isinstance(trace.records[-1].event, ObservationEnded)


def test_memory_released_before_the_iommu_lets_go_is_written(nic_system: PlanMaker) -> None:
    plan = nic_system(
        iommu=True,
        nic={"gap": Span(4_000, 8_000)},
        pinned={"procnto.cleanup-order": "memory-before-iommu"},
    )
    trace = run(plan, Nominal())
    gone = {}
    late = 0
    for record in trace.records:
        event = record.event
        if isinstance(event, FramesReleased):
            gone.update(dict.fromkeys(range(event.first_frame, event.first_frame + event.count)))
        if isinstance(event, DmaLanded) and event.epoch == 1:
            late += (event.addr >> 12) in gone
    assert late > 0


def test_a_gate_that_only_looks_closed_stops_nothing(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    """Some devices keep writing although their bus-master bit reads 0 (Xen ea38867831da)."""
    steps = tuple(step for step in documented_steps if step[0] == "disable-bus-master")
    issued = {}
    for effective in (True, False):
        plan = nic_system(steps, nic={"traits": Traits(bus_master_gate_effective=effective)})
        trace = run(plan, Nominal())
        done = of(trace, CallbackEnded)[0][0]
        issued[effective] = [
            at_ns for at_ns, e in of(trace, DmaIssued) if at_ns > done + 10_000 and e.epoch == 1
        ]
    assert issued[True] == []
    assert issued[False]


def test_frames_are_released_one_by_one_at_their_own_instants(nic_system: PlanMaker) -> None:
    trace = run(nic_system(), Nominal())
    instants = [at_ns for at_ns, event in of(trace, FramesReleased) if event.epoch == 1]
    assert len(instants) > 10
    assert len(set(instants)) == len(instants)


def test_the_host_sees_an_interrupt_of_a_dead_epoch_when_two_guests_share_a_line(
    nic_system: PlanMaker,
) -> None:
    plan = nic_system()
    first = plan.vms[0]
    second = replace(
        first,
        name="qvm179",
        ram=(replace(first.ram[0], start=0x9000_0000),),
        nics=("eth1",),
        end=None,
        restart=False,
    )
    first = replace(first, restart=False)
    shared = replace(plan.nics[0], name="eth1")
    plan = replace(plan, vms=(first, second), nics=(plan.nics[0], shared))
    trace = run(plan, Nominal())
    gone = of(trace, QvmExited)[0][0]
    taken = [event for at_ns, event in of(trace, IrqTaken) if at_ns > gone]
    last_handled = trace.records[-1].at_ns
    assert taken == [], "the dead guest's mask is owed for ever, so even the survivor is deaf"
    assert last_handled > gone


def test_a_shutdown_rings_for_what_was_published_and_never_announced(
    block_system: PlanMaker,
) -> None:
    """Stopped between publishing and ringing, the driver would wait for ever."""
    for delay_ns in range(0, 20_000, 500):
        end = EndPlan("guest-shutdown", exactly(delay_ns), AfterPlan("RequestSubmitted"))
        plan = block_system(vm={"end": end, "restart": False})
        plan = replace(plan, timing=replace(plan.timing, guest_shutdown=exactly(0)))
        assert [event.status for _, event in of(run(plan, Nominal()), QvmExited)] == [0]
