"""The end of a VM with two quiescing vdevs: their order, their time-outs, and ends on top of it."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.machine.qvm import QvmState
from quiesce.model.machine.system import build, run
from quiesce.model.plan.system_plan import QuiescePlan, StepPlan, SystemPlan
from quiesce.model.plan.termination import BY_NAME
from quiesce.model.plan.traits import Traits
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.events import (
    CallbackBegun,
    CallbackEnded,
    FramesQuarantined,
    FramesReleased,
    QuiesceStepEnded,
    QvmExited,
    TerminationBegun,
)
from quiesce.properties.check import check

PlanMaker = Callable[..., SystemPlan]

DONE = (StepPlan("mask-interrupts", 0),)
IN_VAIN = (StepPlan("disable-bus-master", 0), StepPlan("await-idle", 50_000))


def callback(number: int, steps: tuple[StepPlan, ...], on_timeout: str = "release") -> QuiescePlan:
    return QuiescePlan(f"quiesce-eth{number}", f"eth{number}", steps, on_timeout)


def two_nics(
    nic_system: PlanMaker, *callbacks: QuiescePlan, order: str = "as-configured"
) -> SystemPlan:
    """Return a system whose guest owns two NICs that never say that they are idle."""
    plan = nic_system()
    nic = replace(plan.nics[0], traits=Traits(never_idle=True))
    vm = replace(plan.vms[0], nics=("eth0", "eth1"), quiesce=callbacks, restart=False)
    return replace(
        plan,
        vms=(vm,),
        nics=(nic, replace(nic, name="eth1", intid=44)),
        pinned=plan.pinned | {"qvm.callback-order": order},
    )


@pytest.mark.parametrize("order", ["as-configured", "reversed"])
def test_vdevs_are_called_in_the_order_that_was_chosen(nic_system: PlanMaker, order: str) -> None:
    plan = two_nics(nic_system, callback(0, DONE), callback(1, DONE), order=order)
    trace = run(plan, Nominal())
    called = [e for e in (r.event for r in trace.records)
            if isinstance(e, CallbackBegun | CallbackEnded | QuiesceStepEnded)]  # fmt: skip
    names = [getattr(each, "vdev", "") or getattr(each, "device", "") for each in called]
    first, second = ("eth0", "eth1") if order == "as-configured" else ("eth1", "eth0")
    assert names == [
        *(f"quiesce-{first}", first, f"quiesce-{first}"),
        *(f"quiesce-{second}", second, f"quiesce-{second}"),
    ]


@pytest.mark.parametrize("order", ["as-configured", "reversed"])
@pytest.mark.parametrize(
    ("first", "second"), [("quarantine", "release"), ("release", "quarantine")]
)
def test_one_time_out_that_keeps_memory_back_is_enough(
    nic_system: PlanMaker, order: str, first: str, second: str
) -> None:
    """Two devices do not stop; what the last one asks for must not undo what another one did."""
    plan = two_nics(
        nic_system, callback(0, IN_VAIN, first), callback(1, IN_VAIN, second), order=order
    )
    trace = run(plan, Nominal())
    ended = [r.event for r in trace.records if isinstance(r.event, CallbackEnded)]
    assert [each.outcome for each in ended] == ["timed_out", "timed_out"]
    assert any(isinstance(r.event, FramesQuarantined) for r in trace.records)
    assert not any(isinstance(r.event, FramesReleased) for r in trace.records)
    found = {each.property: each.verdict for each in check(trace)}
    assert found["timeout-quarantines"] == "holds"


def test_two_time_outs_that_keep_nothing_back_release_memory_and_are_found(
    nic_system: PlanMaker,
) -> None:
    plan = two_nics(nic_system, callback(0, IN_VAIN), callback(1, IN_VAIN))
    trace = run(plan, Nominal())
    assert any(isinstance(r.event, FramesReleased) for r in trace.records)
    found = {each.property: each.verdict for each in check(trace)}
    assert found["timeout-quarantines"] == "violated"


@pytest.mark.parametrize("cause", ["sigkill", "sigterm-arm", "sigsegv"])
def test_an_end_that_comes_during_the_clean_up_changes_nothing(
    nic_system: PlanMaker, cause: str
) -> None:
    """The process manager is at work: no vdev is called, and no resource is released twice."""
    plan = two_nics(nic_system, callback(0, DONE))
    kernel = Kernel(Nominal(), plan.pinned)
    system = build(kernel, plan)
    qvm = system.supervisors[0].qvm
    while qvm.state is not QvmState.RELEASING:
        kernel.step()
    qvm.end(BY_NAME[cause])
    kernel.execute(system.observed)
    begun = [r.event for r in kernel.records if isinstance(r.event, TerminationBegun)]
    exited = [r.event for r in kernel.records if isinstance(r.event, QvmExited)]
    assert [each.cause for each in begun] == ["guest-crash"]
    assert len(exited) == 1
    assert exited[0].status == BY_NAME["guest-crash"].exit_status
    released = [r.event for r in kernel.records if isinstance(r.event, FramesReleased)]
    frames = [
        frame
        for each in released
        for frame in range(each.first_frame, each.first_frame + each.count)
    ]
    assert len(frames) == len(set(frames))
