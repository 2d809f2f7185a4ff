"""What a teardown owes: procedures carried through, memory given back, a VM started again."""

import pytest

from quiesce.model.trace.events import (
    UNKNOWN_EPOCH,
    AtcInvalidationEnded,
    CallbackBegun,
    CallbackEnded,
    FramesQuarantined,
    HostShutdownBegun,
    OutsideEnded,
    QuiesceStepBegun,
    QuiesceStepEnded,
    QvmExited,
    RestartGivenUp,
    RestartRequested,
    StillUnderWay,
    TerminationBegun,
    VmStarted,
)
from quiesce.properties.core.verdict import COSTS, Judgement, Verdict, is_cost
from quiesce.properties.registry import TEARDOWN

from ..story import FRAME, Moment, at, granted, released, requested, verdict

COMPLETED = "quiesce-completed"
RECLAIMED = "memory-reclaimed"
RESTARTED = "restart-happened"

BEGUN = TerminationBegun("vm1", 1, "guest-crash", orderly=True)
EXITED = QvmExited("vm1", 1, 0)
CALLED = CallbackBegun("vm1", 1, "quiesce-eth0")
RETURNED = CallbackEnded("vm1", 1, "quiesce-eth0", "done")
GAVE_UP = CallbackEnded("vm1", 1, "quiesce-eth0", "timed_out")
STEP = QuiesceStepBegun("eth0", 1, "await-idle")
DONE = QuiesceStepEnded("eth0", 1, "await-idle", "done")
TIMED_OUT = QuiesceStepEnded("eth0", 1, "await-idle", "timed_out")
WANTED = RestartRequested("vm1", 1)
AGAIN = VmStarted("vm1", 2)


# quiesce-completed


def test_callback_that_returns_with_all_its_steps_done_completes() -> None:
    found = verdict(COMPLETED, at(10, CALLED, STEP), at(20, DONE, RETURNED), at(30, EXITED))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_step_that_gives_up_is_reported_once_with_its_callback() -> None:
    found = verdict(COMPLETED, at(10, CALLED, STEP), at(20, TIMED_OUT, GAVE_UP), at(30, EXITED))
    assert (found.verdict, found.severity) == ("violated", "unfinished")
    assert found.violation_count == 1
    assert found.reason == "the step await-idle of eth0 for epoch 1 gave up waiting"


def test_callback_that_gives_up_counts_where_a_trace_tells_no_steps() -> None:
    found = verdict(COMPLETED, at(10, CALLED), at(20, GAVE_UP))
    assert (found.verdict, found.violations[0].at_ns) == ("violated", 20)


def test_every_step_that_gives_up_is_reported() -> None:
    second = QuiesceStepEnded("eth0", 1, "settle", "timed_out")
    found = verdict(COMPLETED, at(10, CALLED, STEP), at(20, TIMED_OUT, second, GAVE_UP))
    assert found.violation_count == 2


def test_no_callback_puts_nothing_to_the_test() -> None:
    assert verdict(COMPLETED, at(10, BEGUN), at(20, EXITED)).verdict == "vacuous"


def test_at_the_instant_of_the_exit_the_order_of_the_records_decides() -> None:
    in_time = verdict(COMPLETED, at(10, CALLED, STEP), at(30, DONE, RETURNED, EXITED))
    assert in_time.verdict == "holds"
    cut = verdict(COMPLETED, at(10, CALLED, STEP), at(30, EXITED, RETURNED))
    assert (cut.verdict, cut.severity) == ("violated", "unfinished")
    assert "was cut off in the step await-idle of eth0" in cut.reason


def test_callback_under_way_at_the_end_decides_nothing() -> None:
    found = verdict(COMPLETED, at(10, CALLED))
    assert (found.verdict, "has not returned when" in found.reason) == ("inconclusive", True)


# memory-reclaimed


def test_memory_that_is_released_before_the_exit_is_reclaimed() -> None:
    found = verdict(RECLAIMED, at(0, granted(1, 4)), at(10, BEGUN), at(20, released(1, 4), EXITED))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_memory_in_quarantine_is_withheld_and_reported_with_the_reason() -> None:
    kept = FramesQuarantined("vm1", 1, FRAME + 1, 2)
    found = verdict(
        RECLAIMED,
        at(0, granted(1, 3)),
        at(10, BEGUN),
        at(15, TIMED_OUT),
        at(20, released(1, 1), kept, EXITED),
    )
    assert (found.verdict, found.severity, found.violation_count) == ("violated", "withheld", 1)
    assert found.reason == (
        "vm1 (epoch 1) keeps frames from 0x80013 on in quarantine for good; it had not released "
        "2 frames (8 KiB) after the step await-idle of eth0 had timed out"
    )
    assert found.violations[0].data["device"] == "eth0"


def test_device_that_does_not_forget_its_translations_is_named_as_the_reason() -> None:
    kept = FramesQuarantined("vm1", 1, FRAME, 1)
    unanswered = AtcInvalidationEnded("eth0", 1, "timed_out")
    found = verdict(RECLAIMED, at(0, granted(1)), at(10, BEGUN, unanswered), at(20, kept))
    assert (
        "after the invalidation of the translations that eth0 keeps itself had timed out"
        in found.reason
    )


def test_memory_that_is_still_held_after_the_exit_is_lost() -> None:
    found = verdict(RECLAIMED, at(0, granted(1, 512)), at(10, BEGUN), at(20, EXITED))
    assert (found.verdict, found.severity) == ("violated", "withheld")
    assert found.reason == "vm1 (epoch 1) is gone and still holds 512 frames (2 MiB)"


def test_release_at_the_instant_of_the_exit_is_in_time_if_it_stands_first() -> None:
    story = (at(0, granted(1)), at(10, BEGUN))
    assert verdict(RECLAIMED, *story, at(20, released(1), EXITED)).verdict == "holds"
    assert verdict(RECLAIMED, *story, at(20, EXITED, released(1))).verdict == "violated"


def test_vm_that_lives_on_puts_no_memory_to_the_test() -> None:
    assert verdict(RECLAIMED, at(0, granted(1))).verdict == "vacuous"


def test_vm_that_is_still_ending_decides_nothing() -> None:
    found = verdict(RECLAIMED, at(0, granted(1)), at(10, BEGUN))
    assert (found.verdict, "still ending" in found.reason) == ("inconclusive", True)


def test_next_instance_on_the_same_frames_is_judged_by_itself() -> None:
    found = verdict(
        RECLAIMED,
        at(0, granted(1)),
        at(10, BEGUN),
        at(20, released(1), EXITED),
        at(30, granted(2)),
        at(40, TerminationBegun("vm2", 2, "sigkill", orderly=False)),
        at(50, QvmExited("vm2", 2, 137)),
    )
    assert (found.verdict, found.violations[0].data["epoch"]) == ("violated", 2)


def test_second_cause_of_an_end_does_not_open_it_again() -> None:
    killed = TerminationBegun("vm1", 1, "sigkill", orderly=False)
    found = verdict(
        RECLAIMED, at(0, granted(1)), at(10, BEGUN), at(12, killed), at(20, released(1), EXITED)
    )
    assert (found.verdict, found.antecedents) == ("holds", 1)


# restart-happened


def test_restart_that_comes_holds() -> None:
    found = verdict(RESTARTED, at(10, BEGUN, WANTED), at(20, EXITED), at(90, AGAIN))
    assert (found.verdict, found.antecedents) == ("holds", 1)


@pytest.mark.parametrize("reason", ["memory_withheld", "still_running"])
def test_restart_that_is_given_up_is_lost(reason: str) -> None:
    found = verdict(RESTARTED, at(10, WANTED), at(90, RestartGivenUp("vm1", 1, reason)))
    assert (found.verdict, found.severity) == ("violated", "withheld")
    words = reason.replace("_", " ")
    assert found.reason == f"vm1 (epoch 1) is never started again: {words}"


def test_no_restart_is_requested_so_nothing_is_tested() -> None:
    assert verdict(RESTARTED, at(10, BEGUN), at(20, EXITED)).verdict == "vacuous"
    given_up = at(30, RestartGivenUp("vm1", 1, "still_running"))
    assert verdict(RESTARTED, given_up).verdict == "vacuous"


def test_start_at_the_last_instant_counts_whichever_record_comes_first() -> None:
    assert verdict(RESTARTED, at(10, WANTED), at(50, AGAIN), ends_ns=50).verdict == "holds"
    late = verdict(RESTARTED, at(10, WANTED), ends_ns=50)
    assert (late.verdict, "has not been started again" in late.reason) == ("inconclusive", True)


@pytest.mark.parametrize("other", [VmStarted("vm2", 2), VmStarted("vm1", 1)])
def test_start_of_another_vm_or_the_first_one_is_no_restart(other: VmStarted) -> None:
    assert verdict(RESTARTED, at(10, WANTED), at(50, other)).verdict == "inconclusive"


def test_no_supervisor_is_left_to_restart_a_vm_when_the_host_goes_down() -> None:
    down = HostShutdownBegun("host-shutdown")
    assert verdict(RESTARTED, at(10, WANTED), at(20, down)).verdict == "vacuous"
    assert verdict(RESTARTED, at(10, down), at(20, WANTED)).verdict == "vacuous"


# Once all is quiet, what has not come never comes.

QUIET = at(90, OutsideEnded())
GIVEN_UP = at(95, StillUnderWay("eth0", UNKNOWN_EPOCH, "both", "the delay eth0.tx"))


@pytest.mark.parametrize(
    ("name", "moments", "severity", "since_ns"),
    [
        (COMPLETED, (at(10, CALLED),), "unfinished", 10),
        (RECLAIMED, (at(0, granted(1)), at(10, BEGUN)), "withheld", 10),
        (RESTARTED, (at(10, BEGUN, WANTED),), "withheld", 10),
    ],
)
def test_what_is_still_open_when_all_is_quiet_never_comes(
    name: str, moments: tuple[list[Moment], ...], severity: str, since_ns: int
) -> None:
    found = verdict(name, *moments, QUIET)
    assert (found.verdict, found.severity) == ("violated", severity)
    assert found.violations[0].at_ns == since_ns
    assert found.reason.endswith(", and nothing is under way any more")
    assert verdict(name, *moments, QUIET, GIVEN_UP).verdict == "inconclusive"
    assert verdict(name, *moments).verdict == "inconclusive"


# What only costs something.


@pytest.mark.parametrize("name", [COMPLETED, RECLAIMED, RESTARTED])
def test_costs_do_not_end_a_search(name: str) -> None:
    assert not TEARDOWN[name].ends_search


def test_trace_without_an_end_decides_nothing() -> None:
    for name in (COMPLETED, RECLAIMED, RESTARTED):
        found = verdict(name, at(0, granted(1)), at(10, BEGUN, requested(1)), ends_ns=None)
        assert found.verdict == "inconclusive"


KEPT = at(0, granted(1)), at(10, BEGUN), at(20, FramesQuarantined("vm1", 1, FRAME, 1), EXITED)
FINE = at(0, granted(1)), at(10, BEGUN), at(20, released(1), EXITED)


def judged(*parts: tuple[str, tuple[list[Moment], ...]]) -> Judgement:
    verdicts = tuple(verdict(name, *moments) for name, moments in parts)
    return Judgement(scenario="s", label="run", bounds=("one",), assumptions=(), verdicts=verdicts)


def test_run_that_only_loses_something_is_safe_at_a_cost() -> None:
    safe = judged((RECLAIMED, KEPT), ("teardown-bounded", FINE))
    assert (safe.is_safe_at_a_cost, safe.severity) == (True, "withheld")


def test_run_that_harms_a_living_part_or_is_undecided_is_not_safe_at_a_cost() -> None:
    assert not judged((RECLAIMED, FINE)).is_safe_at_a_cost
    late = (*FINE, at(2_000, requested(1)))
    slow = at(0, granted(1)), at(10, BEGUN), at(9_000, EXITED)
    assert not judged((RECLAIMED, KEPT), ("teardown-bounded", slow)).is_safe_at_a_cost
    open_end = at(0, granted(1)), at(990_000, BEGUN)
    assert not judged((RECLAIMED, KEPT), (RECLAIMED, open_end)).is_safe_at_a_cost
    assert judged((RECLAIMED, KEPT), (RECLAIMED, late)).is_safe_at_a_cost


def test_only_what_is_violated_can_be_a_cost() -> None:
    assert COSTS == ("unfinished", "withheld")
    holds: Verdict = verdict(RECLAIMED, *FINE)
    assert is_cost(verdict(RECLAIMED, *KEPT))
    assert not is_cost(holds)
