"""Properties that stand for a cost: a violation ends no search, and the search reports it."""

import pytest

from quiesce.model.plan.system_plan import SystemPlan
from quiesce.properties.prove.judging import going_on
from quiesce.properties.prove.observers import UnsafeWindows
from quiesce.properties.prove.system_proof import Limits, SystemProof
from quiesce.properties.prove.zone_search import ZoneSearch
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.proof import prove_plan, sampled, windows_of_plan
from quiesce.scenarios.prove.sliced_proof import prove_whole

from .one_frame import PlanMaker, one_frame, scenario

KINDS = tuple(TEARDOWN.values())
COSTS = tuple(kind for kind in KINDS if not kind.ends_search)
IN_VAIN = (("disable-receive", 0), ("reset", 0), ("await-idle", 200_000))


def small(nic_system: PlanMaker) -> SystemPlan:
    """Return the small system with a vdev that waits in vain."""
    return one_frame(nic_system, IN_VAIN)


def end_windows(proof: SystemProof, passed_over: frozenset[str]) -> UnsafeWindows:
    """Return the windows of the end over the states of a proof, some claims being passed over."""
    moments = {"qvm178.end": "the end"}
    windows = UnsafeWindows(
        moments.values(), lambda each: moments.get(each.label, ""), passed_over=passed_over
    )
    search = ZoneSearch(proof.system, windows, stop_at_fault=False)
    search.run(9_999)
    assert not search.frontier
    return windows


@pytest.mark.slow
def test_a_proof_finds_out_whether_anybody_is_harmed_although_memory_is_lost(
    nic_system: PlanMaker,
) -> None:
    plan = small(nic_system)
    proof = prove_whole(scenario(plan), plan, KINDS, Limits())
    words = {name: shown.word for name, shown in proof.findings.items()}
    assert proof.is_whole
    assert [words[name] for name in ("quiesce-completed", "memory-reclaimed")] == ["violated"] * 2
    rest = {word for name, word in words.items() if TEARDOWN[name].ends_search}
    assert rest == {"holds", "vacuous"}
    assert words["timeout-quarantines"] == "holds"
    assert set(proof.examples) == {"quiesce-completed", "memory-reclaimed"}
    for name, found in proof.examples.items():
        judged = {each.property: each for each in found.result.judgement.verdicts}
        assert judged[name].verdict == "violated"


@pytest.mark.slow
def test_no_instant_of_an_end_is_unsafe_because_memory_is_lost(nic_system: PlanMaker) -> None:
    plan = small(nic_system)
    proof = prove_plan(plan, KINDS, Limits())
    windows = windows_of_plan(plan, KINDS, proof, Limits())
    assert (windows.is_whole, [*windows.found.values()]) == (True, [[]])
    passed_over = end_windows(proof, going_on(KINDS))
    assert passed_over.found == {"the end": []}
    assert [len(each) for each in end_windows(proof, frozenset()).found.values()] == [1]
    alone = (TEARDOWN["memory-reclaimed"],)
    found = windows_of_plan(plan, alone, prove_plan(plan, alone, Limits()), Limits())
    assert [len(each) for each in found.found.values()] == [1]


@pytest.mark.slow
def test_costs_asked_for_alone_end_the_search_at_the_first(nic_system: PlanMaker) -> None:
    proof = prove_plan(small(nic_system), COSTS, Limits())
    assert not proof.is_whole
    assert proof.findings["quiesce-completed"].word == "violated"


def test_a_sample_tells_of_harm_before_it_tells_of_costs(nic_system: PlanMaker) -> None:
    plan = small(nic_system)
    found = sampled(scenario(plan), plan, KINDS)
    assert found is not None
    assert found[0] in {kind.name for kind in COSTS}
    bare = nic_system()
    harm = sampled(scenario(bare), bare, KINDS)
    assert harm is not None
    assert TEARDOWN[harm[0]].ends_search
