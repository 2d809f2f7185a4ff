"""Every cause of a VM's end, and deaths that come in the middle of something."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal, Seeded
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, ShutdownPlan, SystemPlan
from quiesce.model.plan.termination import BY_NAME, CAUSES, TerminationCause
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    CallbackBegun,
    CallbackEnded,
    DmaLanded,
    FramesReleased,
    GuestEnded,
    ObservationEnded,
    QvmExited,
    SignalSent,
    StopConfirmed,
    TerminationBegun,
    Trace,
    VmStarted,
)
from quiesce.properties.check import check
from quiesce.scenarios.format.shipped import shipped_files

PlanMaker = Callable[..., SystemPlan]
Steps = tuple[tuple[str, int], ...]

ENDING = [cause for cause in CAUSES if cause.reaches_qvm and not cause.ends_host]


def of(trace: Trace, *kinds: type[TraceEvent]) -> list[tuple[int, TraceEvent]]:
    return [(r.at_ns, r.event) for r in trace.records if isinstance(r.event, kinds)]


def short(plan: SystemPlan) -> SystemPlan:
    """Return the plan with the long waits of some causes cut down."""
    timing = replace(
        plan.timing,
        message_block_timeout=exactly(1_000_000),
        second_signal=exactly(500_000),
        guest_shutdown=exactly(200_000),
        watchdog_period=exactly(300_000),
        guest_dump=exactly(300_000),
        cleanup_at_low_priority=exactly(400_000),
    )
    return replace(plan, timing=timing)


def verdicts(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


def test_every_cause_has_a_shipped_scenario() -> None:
    """A row that no scenario shows is an unchecked claim."""
    texts = "".join(path.read_text(encoding="utf-8") for path in shipped_files())
    assert [cause.name for cause in CAUSES if f'cause = "{cause.name}"' not in texts] == []


@pytest.mark.parametrize("cause", ENDING, ids=lambda cause: cause.name)
def test_every_cause_ends_the_vm_with_its_own_status(
    nic_system: PlanMaker, documented_steps: Steps, cause: TerminationCause
) -> None:
    plan = nic_system(documented_steps, vm={"end": EndPlan(cause.name, exactly(300_000))})
    trace = run(short(plan), Nominal())
    assert [event for _, event in of(trace, QvmExited)] == [
        QvmExited("qvm178", 1, cause.exit_status)
    ]
    called = [event for _, event in of(trace, CallbackBegun)]
    assert bool(called) == cause.orderly
    begun = [event for _, event in of(trace, TerminationBegun)]
    assert begun == [TerminationBegun("qvm178", 1, cause.name, cause.orderly)]
    assert of(trace, VmStarted)[-1][1] == VmStarted("qvm178", 2), "the next instance comes up"
    assert isinstance(trace.records[-1].event, ObservationEnded)


@pytest.mark.parametrize("cause", ENDING, ids=lambda cause: cause.name)
def test_a_correct_vdev_protects_wherever_callbacks_run_and_nowhere_else(
    nic_system: PlanMaker, documented_steps: Steps, cause: TerminationCause
) -> None:
    plan = nic_system(documented_steps, vm={"end": EndPlan(cause.name, exactly(300_000))})
    found = verdicts(run(short(plan), Nominal()))
    if cause.name == "safety-required":  # the guest never ran, so nothing was set up
        assert found["no-dma-after-teardown"] == "vacuous"
    elif cause.orderly:
        assert found["no-dma-after-teardown"] in {"holds", "vacuous"}
        assert "violated" not in found.values()
    else:
        assert found["no-dma-after-teardown"] == "violated"


def test_a_suspended_guest_ends_nothing_but_its_device_writes_on(nic_system: PlanMaker) -> None:
    """A suspended guest keeps its memory, so its NIC may fill it."""
    end = EndPlan("guest-suspend", exactly(300_000))
    trace = run(nic_system(vm={"end": end}), Nominal())
    suspended = of(trace, GuestEnded)[0]
    assert suspended[1] == GuestEnded("qvm178", 1, "suspended")
    assert of(trace, FramesReleased) == []
    assert any(at_ns > suspended[0] for at_ns, _ in of(trace, DmaLanded))
    assert verdicts(trace)["no-dma-after-teardown"] == "vacuous"


def test_a_suspended_guest_that_is_killed_is_as_dangerous_as_a_running_one(
    nic_system: PlanMaker,
) -> None:
    vm = {
        "end": EndPlan("guest-suspend", exactly(300_000)),
        "then": (EndPlan("sigquit", exactly(100_000), AfterPlan("GuestEnded")),),
    }
    trace = run(nic_system(vm=vm), Nominal())
    assert [event.manner for _, event in of(trace, GuestEnded)] == ["suspended"]  # type: ignore[attr-defined]
    assert verdicts(trace)["no-dma-after-teardown"] == "violated"


def test_a_crash_during_shutdown_leaves_the_nic_where_it_was(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    vm = {
        "end": EndPlan("guest-shutdown", exactly(300_000)),
        "then": (EndPlan("guest-crash", exactly(310_000)),),
    }
    alone = run(short(nic_system(vm=vm)), Nominal())
    assert [event.manner for _, event in of(alone, GuestEnded)] == ["crashed"]  # type: ignore[attr-defined]
    assert verdicts(alone)["no-dma-after-teardown"] == "violated"
    looked_after = run(short(nic_system(documented_steps, vm=vm)), Nominal())
    assert verdicts(looked_after)["no-dma-after-teardown"] == "holds"


def test_a_kill_during_the_callback_undoes_what_the_callback_was_for(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    """A supervisor that loses patience and kills gets the worst of both (T13 after T4)."""
    vm = {
        "end": EndPlan("sigterm-arm", exactly(300_000)),
        "then": (EndPlan("sigkill", exactly(50_000), AfterPlan("CallbackBegun")),),
        "restart": False,
    }
    # The first step has not yet been posted when the kill comes.
    steps = (("settle", 0), *documented_steps)
    trace = run(short(nic_system(steps, vm=vm)), Nominal())
    assert of(trace, CallbackEnded) == []
    assert [event.status for _, event in of(trace, QvmExited)] == [137]  # type: ignore[attr-defined]
    assert [event.signal for _, event in of(trace, SignalSent)] == ["SIGTERM", "SIGKILL"]  # type: ignore[attr-defined]
    assert verdicts(trace)["no-dma-after-teardown"] == "violated"


def test_a_cause_that_comes_after_the_end_is_nobodys(nic_system: PlanMaker) -> None:
    vm = {
        "end": EndPlan("guest-crash", exactly(300_000)),
        "then": (EndPlan("sigkill", exactly(1_000), AfterPlan("QvmExited")),),
    }
    trace = run(nic_system(vm=vm), Nominal())
    assert of(trace, SignalSent) == []
    assert len(of(trace, VmStarted)) == 2


def test_an_end_before_the_guest_runs_takes_back_what_was_granted(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    plan = nic_system(documented_steps, vm={"end": EndPlan("fatal-before-start", exactly(0))})
    trace = run(plan, Nominal())
    assert of(trace, VmStarted) == [(of(trace, VmStarted)[0][0], VmStarted("qvm178", 2))]
    first = [event for _, event in of(trace, FramesReleased) if event.epoch == 1]  # type: ignore[attr-defined]
    assert sum(event.count for event in first) == 1024  # type: ignore[attr-defined]
    assert "violated" not in verdicts(trace).values()


def test_a_killed_qvm_is_cleaned_up_later_at_a_low_priority(nic_system: PlanMaker) -> None:
    """The clean-up runs at the killer's priority, so the window depends on who killed it."""
    instants = {}
    for answer in ("high", "low"):
        plan = nic_system(
            vm={"end": EndPlan("sigkill", exactly(300_000))},
            pinned={"procnto.cleanup-priority": answer},
        )
        instants[answer] = of(run(short(plan), Nominal()), FramesReleased)[0][0]
    assert instants["low"] == instants["high"] + 400_000


def test_a_watchdog_bites_at_twice_its_period(nic_system: PlanMaker) -> None:
    plan = short(nic_system(vm={"end": EndPlan("watchdog", exactly(300_000))}))
    trace = run(plan, Nominal())
    (hung_ns, _), (bite_ns, bite) = of(trace, GuestEnded)[0], of(trace, SignalSent)[0]
    assert isinstance(bite, SignalSent)
    assert bite.signal == "SIGQUIT"
    assert bite_ns - hung_ns == 2 * 300_000


def test_a_vm_can_die_at_any_time_and_is_still_judged(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    """Before the guest has booted, in the middle of set-up, and long after."""
    for at_ns in range(0, 400_000, 7_919):
        plan = nic_system(documented_steps, vm={"end": EndPlan("guest-crash", exactly(at_ns))})
        trace = run(plan, Seeded(at_ns))
        assert "violated" not in verdicts(trace).values(), at_ns


def test_the_guest_that_stopped_its_nic_itself_is_seen_to_have_done_so(
    nic_system: PlanMaker,
) -> None:
    handlers = (ShutdownPlan("eth0", stops=True),)
    vm = {"end": EndPlan("guest-reboot", exactly(300_000)), "shutdown_handlers": handlers}
    plan = short(nic_system(vm=vm))
    trace = run(plan, Nominal())
    assert of(trace, StopConfirmed)[0][1] == StopConfirmed("eth0", 1)
    assert BY_NAME["guest-reboot"].exit_status == BY_NAME["guest-shutdown"].exit_status
