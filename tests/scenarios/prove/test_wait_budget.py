"""How long a wait of a real system may take: exact, and by which event it is limited."""

from functools import reduce

import pytest
from msgspec.structs import replace

from quiesce.model.base.errors import ScenarioError
from quiesce.model.dense.dense_kernel import DenseKernel
from quiesce.model.machine.system import builder
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.properties.prove.system_proof import Limits
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.proof import prove_plan
from quiesce.scenarios.prove.wait_budget import budget_of_wait
from quiesce.scenarios.prove.waits import OpenStates, waits_named, waits_of
from quiesce.scenarios.resolve.library import resolved

from .one_frame import PlanMaker, one_frame, scenario

NAME = "no-dma-after-teardown"
KINDS = (TEARDOWN[NAME],)
QUIET = (
    ("disable-receive", 0),
    ("disable-bus-master", 0),
    ("await-idle", 80_000_000),
    ("read-back", 0),
)


@pytest.fixture
def plan(nic_system: PlanMaker) -> SystemPlan:
    """Return a NIC that is never stopped, whose last frame comes just before the release."""
    return one_frame(nic_system, observe_ns=300_000)


@pytest.mark.slow
def test_a_write_may_take_just_less_than_the_release(plan: SystemPlan) -> None:
    wait = waits_named(plan, "pcie_posted_write")[0]
    budget = budget_of_wait(scenario(plan), KINDS, wait, Limits())
    assert budget.verdict == "bounded"
    assert budget.safe_ns is not None
    assert budget.unsafe_ns == budget.safe_ns + 1
    for ns, word in ((budget.safe_ns, "holds"), (budget.unsafe_ns, "violated")):
        assert prove_plan(wait.stretched(plan, ns), KINDS, Limits()).findings[NAME].word == word
    assert budget.found is not None
    violated = {each.property: each for each in budget.found.result.judgement.verdicts}[NAME]
    record = budget.found.result.trace.records[violated.violations[0].index]
    assert type(record.event).__name__ == "DmaLanded"


def test_a_proof_that_is_cut_short_names_no_value_as_safe(plan: SystemPlan) -> None:
    wait = waits_named(plan, "pcie_posted_write")[0]
    budget = budget_of_wait(scenario(plan), KINDS, wait, Limits(classes_max=5))
    assert budget.verdict == "inconclusive"
    assert budget.safe_ns is None


def test_waits_are_spans_that_runs_come_to_and_waiting_steps(nic_system: PlanMaker) -> None:
    names = [wait.name for wait in waits_of(nic_system(QUIET))]
    assert "pcie_posted_write" in names
    assert "sata_ssd_req" not in names
    assert "eth0.await-idle" in names
    assert "eth0.read-back" not in names


def test_a_step_waits_as_long_as_told_and_no_other_does(nic_system: PlanMaker) -> None:
    plan = nic_system(QUIET)
    wait = waits_named(plan, "eth0.await-idle")[0]
    steps = wait.stretched(plan, 7).vms[0].quiesce[0].steps
    assert [step.bound_ns for step in steps] == [0, 0, 7, 0]
    assert replace(steps[2], bound_ns=80_000_000) == plan.vms[0].quiesce[0].steps[2]


def test_a_wait_that_does_not_exist_is_an_error_with_the_nearest_one(plan: SystemPlan) -> None:
    with pytest.raises(ScenarioError, match="pcie_posted_write"):
        waits_named(plan, "pcie_posted_writ")


@pytest.mark.slow
def test_states_that_values_share_give_each_of_them_its_own_proof(nic_system: PlanMaker) -> None:
    quiet = one_frame(nic_system, QUIET, observe_ns=300_000)
    waits = [
        wait
        for name in ("pcie_posted_write", "process_exit_per_mib", "eth0.await-idle")
        for wait in waits_named(quiet, name)
    ]
    states = OpenStates(waits)
    kinds = (TEARDOWN["no-dma-after-teardown"], TEARDOWN["teardown-bounded"])
    for wait, times in ((waits[0], 20), (waits[1], 3), (waits[2], 7)):
        stretched = wait.stretched(quiet, times * wait.declared_ns)
        alone = prove_plan(stretched, kinds, Limits())
        shared = prove_plan(stretched, kinds, Limits(), states=states)
        assert shared.search.classes == alone.search.classes
        assert [(name, found.word) for name, found in shared.findings.items()] == [
            (name, found.word) for name, found in alone.findings.items()
        ]
        assert [(each.name, each.least.ns, each.greatest.ns) for each in shared.distances] == [
            (each.name, each.least.ns, each.greatest.ns) for each in alone.distances
        ]
        assert wait.is_span or wait.name in shared.system.met  # type: ignore[attr-defined]


def test_what_a_model_asks_of_its_lengths_has_one_answer_for_all_values() -> None:
    """Every wait of each scenario is left open, and some run is gone through without any clock."""
    for name in ("nic-crash-quiesced", "blk-crash-drained", "nvme-crash-quiesced", "article-walk"):
        plan = resolved(name).plan
        opened = reduce(lambda plan, wait: wait.opened(plan), waits_of(plan), plan)
        kernel = DenseKernel(pinned=opened.pinned)
        done = builder(opened)(kernel)
        kernel.settle()
        ended = 0
        while done.callbacks is not None and kernel.pending and ended < 400:
            kernel.fire(next(iter(kernel.pending.values())))
            ended += 1
        assert ended > 30
