"""Runs that harm no owner and have a cost: a wait in vain, memory kept for good, no restart.

A callback that resets the controller before it waits for it waits in vain, with any bound.
Memory in quarantine is safe and lost; where guests are unity-mapped, a VM whose memory is lost
cannot be started again.
"""

from collections.abc import Callable

from quiesce.model.base.choices import Nominal
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import RestartGivenUp, RestartRequested, Trace, VmStarted
from quiesce.properties.check import judge
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.explanation.why import why

PlanMaker = Callable[..., SystemPlan]

IN_VAIN = (("disable-receive", 0), ("reset", 0), ("await-idle", 80_000_000))


def judged(plan: SystemPlan) -> tuple[Trace, Judgement]:
    trace = run(plan, Nominal())
    return trace, judge(trace)


def words(judgement: Judgement, *names: str) -> list[str]:
    found = {each.property: each.verdict for each in judgement.verdicts}
    return [found[name] for name in names]


def test_wait_in_vain_loses_the_memory_and_the_restart_and_harms_nobody(
    nic_system: PlanMaker,
) -> None:
    trace, judgement = judged(nic_system(IN_VAIN))
    costs = words(judgement, "quiesce-completed", "memory-reclaimed", "restart-happened")
    assert costs == ["violated"] * 3
    assert words(judgement, "timeout-quarantines") == ["holds"]
    assert (judgement.is_safe_at_a_cost, judgement.severity) == (True, "withheld")
    given_up = [each.event for each in trace.records if isinstance(each.event, RestartGivenUp)]
    assert given_up == [RestartGivenUp("qvm178", 1, "memory_withheld")]
    assert "the step await-idle of eth0 had timed out" in why(trace, judgement)


def test_wait_in_vain_behind_an_iommu_costs_the_memory_and_not_the_restart(
    nic_system: PlanMaker,
) -> None:
    trace, judgement = judged(nic_system(IN_VAIN, iommu=True))
    found = words(judgement, "quiesce-completed", "memory-reclaimed", "restart-happened")
    assert found == ["violated", "violated", "holds"]
    assert VmStarted("qvm178", 2) in [each.event for each in trace.records]


def test_documented_procedure_costs_nothing(
    nic_system: PlanMaker, documented_steps: tuple[tuple[str, int], ...]
) -> None:
    _, judgement = judged(nic_system(documented_steps))
    found = words(judgement, "quiesce-completed", "memory-reclaimed", "restart-happened")
    assert found == ["holds"] * 3
    assert not judgement.is_safe_at_a_cost


def test_crash_that_nobody_sees_is_followed_by_no_restart(nic_system: PlanMaker) -> None:
    pinned = {"guest.crash-reaches-qvm": "never"}
    trace, judgement = judged(nic_system(pinned=pinned))
    assert words(judgement, "restart-happened", "memory-reclaimed") == ["violated", "vacuous"]
    events = [each.event for each in trace.records]
    assert events.index(RestartGivenUp("qvm178", 1, "still_running")) == 1 + events.index(
        RestartRequested("qvm178", 1)
    )


def test_vm_that_nobody_wants_back_asks_for_no_restart(nic_system: PlanMaker) -> None:
    trace, judgement = judged(nic_system(IN_VAIN, vm={"restart": False}))
    assert words(judgement, "restart-happened") == ["vacuous"]
    assert not any(isinstance(each.event, RestartRequested) for each in trace.records)
