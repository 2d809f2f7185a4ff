"""A host server stops answering: the time-out, the pulse, and every possible reaction."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, SystemPlan
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    BackendRequestEnded,
    DmaLanded,
    IrqDetached,
    QvmExited,
    ServerDied,
    ServerStalled,
    StopConfirmed,
    TerminationBegun,
    Trace,
    UnblockPulseSent,
)
from quiesce.properties.check import check

PlanMaker = Callable[..., SystemPlan]

DRAIN = (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 30_000_000_000))
TIMEOUT_NS = 1_000_000


def stalls(make: PlanMaker, **pinned: str) -> Trace:
    """Run a guest whose disk driver stalls while it has three requests."""
    end = EndPlan("server-stall", exactly(200_000), AfterPlan("BackendRequestBegun", count=3))
    plan = make(DRAIN, vm={"end": end, "restart": False})
    timing = replace(plan.timing, message_block_timeout=exactly(TIMEOUT_NS))
    answers = {label.replace("_", ".", 1).replace("_", "-"): word for label, word in pinned.items()}
    return run(replace(plan, timing=timing, pinned=answers | plan.pinned), Nominal())


def of(trace: Trace, kind: type[TraceEvent]) -> list[tuple[int, TraceEvent]]:
    return [(r.at_ns, r.event) for r in trace.records if isinstance(r.event, kind)]


def verdict(trace: Trace, name: str) -> str:
    return {each.property: each.verdict for each in check(trace)}[name]


def test_the_pulse_comes_when_the_time_is_over(block_system: PlanMaker) -> None:
    trace = stalls(block_system)
    (stalled_ns, stalled), (pulse_ns, pulse) = (
        of(trace, ServerStalled)[0],
        of(trace, UnblockPulseSent)[0],
    )
    assert (stalled, pulse) == (
        ServerStalled("devb-ahci"),
        UnblockPulseSent("qvm178", 1, "devb-ahci"),
    )
    assert pulse_ns - stalled_ns == TIMEOUT_NS
    silent = [at for at, _ in of(trace, BackendRequestEnded) if stalled_ns <= at <= pulse_ns]
    assert silent == [], "a stalled server answers nothing"


@pytest.mark.parametrize(
    ("answer", "word"), [("replies-when-done", "holds"), ("replies-at-once", "violated")]
)
def test_a_server_that_lets_go_too_early_leaves_its_disk_at_work(
    block_system: PlanMaker, answer: str, word: str
) -> None:
    trace = stalls(block_system, server_unblock_pulse=answer)
    assert of(trace, TerminationBegun)[0][1] == TerminationBegun("qvm178", 1, "server-stall", True)
    assert of(trace, QvmExited)[0][1] == QvmExited("qvm178", 1, 7)
    assert verdict(trace, "no-dma-after-teardown") == word
    assert bool(of(trace, StopConfirmed)) == (word == "holds")


def test_a_server_that_is_killed_leaves_its_disk_at_work_and_its_line_masked(
    block_system: PlanMaker,
) -> None:
    trace = stalls(block_system, server_unblock_pulse="ignores", host_server_monitor="kills-server")
    died_ns = of(trace, ServerDied)[0][0]
    assert any(at_ns > died_ns for at_ns, _ in of(trace, DmaLanded))
    assert IrqDetached(33, "devb-ahci", 0, masked=True) in [
        event for _, event in of(trace, IrqDetached)
    ]
    assert verdict(trace, "no-dma-after-teardown") == "violated"


def test_a_server_that_ignores_the_pulse_ends_nobody(block_system: PlanMaker) -> None:
    trace = stalls(block_system, server_unblock_pulse="ignores", host_server_monitor="absent")
    assert of(trace, UnblockPulseSent) != []
    assert of(trace, QvmExited) == []


def test_a_qvm_that_goes_on_gives_its_guest_an_error(block_system: PlanMaker) -> None:
    trace = stalls(block_system, server_unblock_pulse="replies-at-once", qvm_server_error="goes-on")
    assert of(trace, QvmExited) == []
    outcomes = [event.outcome for _, event in of(trace, BackendRequestEnded)]  # type: ignore[attr-defined]
    failed = outcomes.index("failed")
    assert outcomes[failed:].count("done") > 0, "the server serves again"


def test_nobody_notices_a_stall_that_stalls_nobody(block_system: PlanMaker) -> None:
    """The guest has done all its requests, and asks nothing more."""
    end = EndPlan("server-stall", exactly(200_000), AfterPlan("RequestCompleted", count=3))
    plan = block_system(DRAIN, vm={"end": end}, block={"requests": 3})
    timing = replace(plan.timing, message_block_timeout=exactly(TIMEOUT_NS))
    trace = run(replace(plan, timing=timing), Nominal())
    assert of(trace, ServerStalled) != []
    assert of(trace, UnblockPulseSent) == []


def test_the_vm_has_a_bound_of_its_own(block_system: PlanMaker) -> None:
    end = EndPlan("server-stall", exactly(200_000), AfterPlan("BackendRequestBegun", count=3))
    plan = block_system(DRAIN, vm={"end": end, "block_timeout_ns": 250_000})
    trace = run(plan, Nominal())
    ((stalled_ns, _),) = of(trace, ServerStalled)
    ((pulse_ns, _),) = of(trace, UnblockPulseSent)
    assert pulse_ns - stalled_ns == 250_000


def test_without_a_bound_the_vm_waits_as_long_as_the_server_stalls(
    block_system: PlanMaker,
) -> None:
    end = EndPlan("server-stall", exactly(200_000), AfterPlan("BackendRequestBegun", count=3))
    trace = run(block_system(DRAIN, vm={"end": end, "block_timeout_ns": 0}), Nominal())
    assert of(trace, ServerStalled) != []
    assert of(trace, UnblockPulseSent) == of(trace, QvmExited) == []
