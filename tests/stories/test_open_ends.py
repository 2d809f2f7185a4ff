"""Open questions about the end of a VM: every answer is tried, and shows in the trace."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Nominal, Seeded
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.assumptions import assumptions_of, parts_used
from quiesce.model.machine.system import run
from quiesce.model.plan.open_questions import CALLBACKS_AFTER
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, ShutdownPlan, SystemPlan
from quiesce.model.plan.termination import BY_NAME, CAUSES
from quiesce.model.plan.traits import Traits
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    CallbackBegun,
    CallbackEnded,
    DmaRequested,
    EndNotObeyed,
    GuestEnded,
    QvmExited,
    StopConfirmed,
    TerminationBegun,
    Trace,
)
from quiesce.model.trace.virtio_events import StatusWritten
from quiesce.properties.check import check
from quiesce.scenarios.mutants.designs import designs

PlanMaker = Callable[..., SystemPlan]
Steps = tuple[tuple[str, int], ...]

AT_WORK = exactly(300_000)
SHUTDOWNS = ("guest-shutdown", "guest-reboot", "sigterm-x86")


def of(trace: Trace, *kinds: type[TraceEvent]) -> list[TraceEvent]:
    return [record.event for record in trace.records if isinstance(record.event, kinds)]


def at(trace: Trace, *kinds: type[TraceEvent]) -> list[int]:
    return [record.at_ns for record in trace.records if isinstance(record.event, kinds)]


def verdicts(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


def answering(plan: SystemPlan, choices: Choices | None = None, **answers: str) -> Trace:
    """Run a plan with answers to open questions; `__` stands for a point, `_` for a hyphen."""
    named = {
        label.replace("__", ".").replace("_", "-"): answer for label, answer in answers.items()
    }
    return run(replace(plan, pinned=plan.pinned | named), choices or Nominal())


def short(plan: SystemPlan) -> SystemPlan:
    timing = replace(
        plan.timing,
        second_signal=exactly(500_000),
        guest_shutdown=exactly(200_000),
        watchdog_period=exactly(300_000),
        guest_dump=exactly(300_000),
        message_block_timeout=exactly(1_000_000),
    )
    return replace(plan, timing=timing)


# A guest that shuts down in order.


@pytest.mark.parametrize("cause", SHUTDOWNS)
def test_a_driver_of_which_nothing_is_said_leaves_its_device_on(
    nic_system: PlanMaker, cause: str
) -> None:
    """The host must not rely on a guest's own quiescing (hypervisor guide, quiescing)."""
    trace = answering(short(nic_system(vm={"end": EndPlan(cause, AT_WORK)})))
    assert [event.manner for event in of(trace, GuestEnded)] == ["shut_down"]  # type: ignore[attr-defined]
    assert of(trace, StopConfirmed) == []
    assert verdicts(trace)["no-dma-after-teardown"] == "violated"


@pytest.mark.parametrize("cause", SHUTDOWNS)
def test_a_driver_with_a_shutdown_handler_stops_its_device(
    nic_system: PlanMaker, cause: str
) -> None:
    plan = short(nic_system(vm={"end": EndPlan(cause, AT_WORK)}))
    trace = answering(plan, guest__shutdown_handler="stops-device")
    assert verdicts(trace)["no-dma-after-teardown"] == "holds"


def test_what_is_said_of_a_driver_is_not_asked(nic_system: PlanMaker) -> None:
    end = EndPlan("guest-shutdown", AT_WORK)
    for stops, expected in ((True, "holds"), (False, "violated")):
        vm = {"end": end, "shutdown_handlers": (ShutdownPlan("eth0", stops=stops),)}
        plan = short(nic_system(vm=vm))
        answer = "absent" if stops else "stops-device"
        trace = answering(plan, guest__shutdown_handler=answer)
        assert verdicts(trace)["no-dma-after-teardown"] == expected
        assert "shutdown-handler" not in parts_used(plan)


def test_a_vdev_is_reset_by_a_driver_with_a_handler_alone(walk_system: PlanMaker) -> None:
    handlers = (ShutdownPlan("net", stops=True), ShutdownPlan("blk", stops=False))
    vm = {"end": EndPlan("guest-shutdown", exactly(3_000_000)), "shutdown_handlers": handlers}
    trace = answering(walk_system(vm=vm), guest__shutdown_handler="absent")
    begun_ns = at(trace, GuestEnded)[0] - 100_000_000
    reset = {
        record.event.vdev
        for record in trace.records
        if isinstance(record.event, StatusWritten)
        and record.event.value == 0
        and record.at_ns > max(begun_ns, 3_000_000)
    }
    assert reset == {"qvm178.net"}


# Callbacks after a cause for which no page says it.


def test_it_is_asked_of_every_cause_that_no_page_speaks_of() -> None:
    inferred = {
        cause.name
        for cause in CAUSES
        if cause.orderly and cause.reaches_qvm and cause.basis == "inferred"
    }
    assert set(CALLBACKS_AFTER) == inferred
    assert {"guest-crash", "guest-shutdown", "guest-reboot"} & inferred == set()


@pytest.mark.parametrize("cause", CALLBACKS_AFTER)
def test_callbacks_that_are_skipped_protect_nothing(
    nic_system: PlanMaker, documented_steps: Steps, cause: str
) -> None:
    plan = short(nic_system(documented_steps, vm={"end": EndPlan(cause, AT_WORK)}))
    label = CALLBACKS_AFTER[cause].label
    ignoring = plan.pinned | {"guest.power-button": "ignores"}
    asked = replace(plan, pinned=ignoring | {label: "skipped"})
    trace = run(asked, Nominal())
    assert of(trace, CallbackBegun) == []
    assert len(of(trace, QvmExited)) == 1
    if BY_NAME[cause].guest != "never-starts":
        assert verdicts(trace)["no-dma-after-teardown"] == "violated"
    assert of(run(replace(plan, pinned=plan.pinned | {label: "run"}), Nominal()), CallbackBegun)


# Virtual CPUs while the callbacks run.


def test_a_running_guest_ends_when_the_callbacks_have_returned(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    plan = nic_system(documented_steps, vm={"end": EndPlan("sigquit", AT_WORK), "restart": False})
    running = answering(plan, qvm__vcpus_at_callbacks="running")
    assert at(running, GuestEnded)[0] >= at(running, CallbackEnded)[-1]
    stopped = answering(plan, qvm__vcpus_at_callbacks="stopped")
    assert at(stopped, GuestEnded)[0] <= at(stopped, CallbackBegun)[0]


def test_a_driver_at_work_undoes_what_the_callback_did() -> None:
    """The callback stops the controller, and the driver, in the middle of its work, starts it."""
    design = designs()["ahci/vdev/sigterm-arm"]
    vm = replace(design.vms[0], end=EndPlan("sigterm-arm", Span(0, 120_000)), restart=False)
    plan = replace(design, vms=(vm,))
    found: dict[str, set[str]] = {"running": set(), "stopped": set()}
    for answer, words in found.items():
        for seed in range(60):
            trace = answering(plan, Seeded(seed), qvm__vcpus_at_callbacks=answer)
            words.add(verdicts(trace)["no-dma-after-teardown"])
    assert "violated" in found["running"]
    assert "violated" not in found["stopped"]


def test_a_guest_that_has_crashed_executes_nothing_during_the_callbacks(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    trace = answering(nic_system(documented_steps), qvm__vcpus_at_callbacks="running")
    called_ns = at(trace, CallbackBegun)[0]
    assert at(trace, GuestEnded)[0] < called_ns
    restarted_ns = at(trace, QvmExited)[0]
    assert not [ns for ns in at(trace, DmaRequested) if called_ns <= ns <= restarted_ns]


# Exit statuses.


@pytest.mark.parametrize(
    ("cause", "label", "answers"),
    [
        ("watchdog", "qvm.watchdog-status", ("4", "3")),
        ("watchdog-dump", "qvm.watchdog-status", ("4", "3")),
        ("sigterm-arm", "qvm.second-signal-status", ("0", "3")),
        ("sigterm-x86", "qvm.second-signal-status", ("0", "3")),
    ],
)
def test_a_status_that_is_not_settled_is_asked(
    nic_system: PlanMaker, cause: str, label: str, answers: tuple[str, ...]
) -> None:
    vm = {"end": EndPlan(cause, AT_WORK), "restart": False}
    plan = short(nic_system(vm=vm))
    pinned = plan.pinned | {"guest.power-button": "ignores"}
    for answer in answers:
        trace = run(replace(plan, pinned=pinned | {label: answer}), Nominal())
        assert [event.status for event in of(trace, QvmExited)] == [int(answer)]  # type: ignore[attr-defined]


def test_a_guest_that_obeys_the_power_button_ends_with_0_whatever_a_second_signal_gives(
    nic_system: PlanMaker,
) -> None:
    plan = short(nic_system(vm={"end": EndPlan("sigterm-x86", AT_WORK), "restart": False}))
    trace = answering(plan, guest__power_button="shuts-down", qvm__second_signal_status="3")
    assert [event.status for event in of(trace, QvmExited)] == [0]  # type: ignore[attr-defined]


# A second cause while callbacks run.


def hung(
    nic_system: PlanMaker, steps: Steps, *, then: str, first: str = "sigterm-arm"
) -> SystemPlan:
    """Return a system whose callback waits for a NIC that never gets idle, with another cause."""
    second = EndPlan(then, exactly(200_000), AfterPlan("CallbackBegun"))
    vm = {"end": EndPlan(first, AT_WORK), "then": (second,), "restart": False}
    return nic_system(steps, vm=vm, nic={"traits": Traits(never_idle=True)})


def test_sigquit_cuts_off_a_callback_that_hangs(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    trace = answering(hung(nic_system, documented_steps, then="sigquit"))
    begun = [event.cause for event in of(trace, TerminationBegun)]  # type: ignore[attr-defined]
    assert begun == ["sigterm-arm", "sigquit"]
    assert of(trace, CallbackEnded) == []
    assert [event.status for event in of(trace, QvmExited)] == [3]  # type: ignore[attr-defined]
    assert of(trace, EndNotObeyed) == []
    assert verdicts(trace)["teardown-order"] == "violated"


def test_a_callback_that_is_cut_off_is_not_called_again(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    trace = answering(hung(nic_system, documented_steps, then="sigquit"))
    assert len(of(trace, CallbackBegun)) == 1


def test_sigquit_that_waits_for_the_callback_is_told_as_not_obeyed(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    plan = hung(nic_system, documented_steps, then="sigquit")
    trace = answering(plan, qvm__signal_during_callbacks="waits")
    assert of(trace, EndNotObeyed) == [EndNotObeyed("qvm178", 1, "sigquit", "SIGQUIT")]
    assert [event.outcome for event in of(trace, CallbackEnded)] == ["timed_out"]  # type: ignore[attr-defined]
    assert [event.status for event in of(trace, QvmExited)] == [0]  # type: ignore[attr-defined]


def test_a_cause_that_is_no_signal_changes_nothing_and_says_so(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    trace = answering(hung(nic_system, documented_steps, then="vdev-error"))
    assert of(trace, EndNotObeyed) == [EndNotObeyed("qvm178", 1, "vdev-error", "")]
    assert len(of(trace, CallbackEnded)) == 1


def test_a_process_that_was_killed_obeys_no_further_signal(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    """It is dead already: nothing is cut off, and nothing is left to obey."""
    first, second = EndPlan("sigkill", AT_WORK), EndPlan("sigquit", exactly(350_000))
    plan = nic_system(documented_steps, vm={"end": first, "then": (second,), "restart": False})
    timing = replace(plan.timing, cleanup_at_low_priority=exactly(400_000))
    trace = answering(replace(plan, timing=timing), procnto__cleanup_priority="low")
    assert [event.cause for event in of(trace, TerminationBegun)] == ["sigkill"]  # type: ignore[attr-defined]
    assert of(trace, EndNotObeyed) == []


# What is not asked is said.


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ("vdev-error", ("qvm178.exit-status-after-vdev-error", "6")),
        ("sigsegv", ("qvm178.callbacks-after-sigsegv", "not run")),
        ("guest-shutdown", ("qvm178.eth0.shutdown-handler", "absent")),
    ],
)
def test_what_is_inferred_or_given_of_an_end_is_an_assumption(
    nic_system: PlanMaker, documented_steps: Steps, cause: str, said: tuple[str, str]
) -> None:
    handlers = (ShutdownPlan("eth0", stops=False),)
    vm = {"end": EndPlan(cause, AT_WORK), "shutdown_handlers": handlers}
    plan = nic_system(documented_steps, vm=vm)
    assert said in {(each.name, each.value) for each in assumptions_of(plan)}
    crash = nic_system(documented_steps, vm={"shutdown_handlers": handlers})
    assert said not in {(each.name, each.value) for each in assumptions_of(crash)}


def test_a_question_is_listed_where_its_end_can_come_upon_it(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    second = (EndPlan("sigquit", AT_WORK),)
    plan = nic_system(documented_steps, vm={"end": EndPlan("watchdog", AT_WORK), "then": second})
    expected = {
        "callbacks-after-watchdog",
        "callbacks-after-sigquit",
        "vcpus-at-callbacks",
        "signal-during-callbacks",
        "watchdog-status",
    }
    assert expected <= parts_used(plan)
    assert not (expected | {"shutdown-handler", "signal-status"}) & parts_used(nic_system())


def test_a_guest_that_obeys_the_power_button_has_shut_down_in_order_and_callbacks_run(
    nic_system: PlanMaker, documented_steps: Steps
) -> None:
    """No inference is needed: the guide says so of a guest that shuts itself down."""
    plan = short(nic_system(documented_steps, vm={"end": EndPlan("sigterm-x86", AT_WORK)}))
    skipped = {"qvm.callbacks-after-sigterm-x86": "skipped"}
    plan = replace(plan, pinned=plan.pinned | skipped)
    assert of(answering(plan, guest__power_button="shuts-down"), CallbackBegun)
    assert of(answering(plan, guest__power_button="ignores"), CallbackBegun) == []
