"""Real systems, small enough to be proved while a test waits."""

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Seeded
from quiesce.model.base.clock import Span, exactly
from quiesce.model.dense.transition import MakeMonitor
from quiesce.model.dense.transition_system import TransitionSystem
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import EndPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.component import Component
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import Header
from quiesce.properties.core.verdict import Violation
from quiesce.properties.prove.judging import marks_of
from quiesce.properties.prove.system_proof import Finding, Limits, SystemProof, Task, prove_system
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.attained_distances import attained_distances
from quiesce.scenarios.prove.proof import (
    ContradictionError,
    at_any_instant,
    confirm,
    counterexample,
    growing,
    prove_plan,
    sampled,
)
from quiesce.scenarios.prove.sliced_proof import prove_whole

from .one_frame import PlanMaker, one_frame, scenario

KINDS = tuple(TEARDOWN.values())
LONGEST_NS = 651_384
"""From the beginning of the end to the exit of the system that is stopped first."""
QUIET = (
    ("disable-receive", 0),
    ("disable-bus-master", 0),
    ("await-idle", 80_000_000),
    ("read-back", 0),
)


def words(proof: SystemProof) -> dict[str, str]:
    return {name: found.word for name, found in proof.findings.items() if found.word != "vacuous"}


@pytest.mark.slow
def test_a_nic_left_alone_is_found_with_a_run_that_shows_it(nic_system: PlanMaker) -> None:
    plan = one_frame(nic_system, gap=Span(280_000, 500_000))
    proof = prove_plan(plan, (TEARDOWN["no-dma-after-teardown"],), Limits())
    assert words(proof) == {"no-dma-after-teardown": "violated"}
    found = counterexample(scenario(plan), plan, proof, "no-dma-after-teardown")
    verdicts = {each.property: each for each in found.result.judgement.verdicts}
    violation: Violation = verdicts["no-dma-after-teardown"].violations[0]
    assert violation.data["writer"] == "eth0"
    assert 0 < found.events < 30


@pytest.mark.slow
def test_a_nic_that_is_stopped_first_is_safe_in_every_run(nic_system: PlanMaker) -> None:
    plan = replace(one_frame(nic_system, QUIET), teardown_ns_max=LONGEST_NS)
    proof = prove_plan(plan, KINDS, Limits())
    assert proof.is_whole
    assert words(proof) == {
        "no-dma-after-teardown": "holds",
        "no-irq-after-teardown": "holds",
        "no-dma-read-after-teardown": "holds",
        "irq-contained-after-teardown": "holds",
        "teardown-order": "holds",
        "teardown-bounded": "holds",
        "epochs-match": "holds",
        "quiesce-completed": "holds",
        "memory-reclaimed": "holds",
    }
    margins = {each.name.split(":")[0]: each for each in proof.distances}
    assert margins["eth0"].least.ns > 0
    # That the run has this very distance is checked where it is run.
    whole = prove_whole(scenario(plan), plan, KINDS, Limits())
    distances = attained_distances(scenario(plan), plan, whole)
    assert [each.name for each in distances] == [each.name for each in proof.distances]
    assert all(each.least and each.greatest for each in distances)
    teardown = next(each for each in proof.distances if "exit" in each.name)
    assert teardown.greatest.ns == LONGEST_NS
    for seed in range(30):
        records = run(plan, Seeded(seed)).records
        at_ns = {type(each.event).__name__: each.at_ns for each in records}
        took_ns = at_ns["QvmExited"] - at_ns["TerminationBegun"]
        assert teardown.least.ns <= took_ns <= teardown.greatest.ns


def test_a_search_that_is_cut_short_proves_nothing(nic_system: PlanMaker) -> None:
    proof = prove_plan(one_frame(nic_system, QUIET), KINDS, Limits(classes_max=20))
    assert not proof.is_whole
    assert set(words(proof).values()) == {"inconclusive"}
    assert proof.distances == ()


@pytest.mark.slow
def test_a_teardown_that_can_take_too_long_is_found_by_its_bound(nic_system: PlanMaker) -> None:
    late = replace(one_frame(nic_system, QUIET), teardown_ns_max=LONGEST_NS - 1)
    proof = prove_plan(late, (TEARDOWN["teardown-bounded"],), Limits())
    assert words(proof) == {"teardown-bounded": "violated"}
    found = counterexample(scenario(late), late, proof, "teardown-bounded")
    assert found.result.judgement.verdict == "violated"


def test_an_end_at_any_instant_lies_anywhere_before_the_horizon(nic_system: PlanMaker) -> None:
    plan = at_any_instant(one_frame(nic_system))
    assert plan.vms[0].end == EndPlan("guest-crash", Span(0, plan.horizon_ns))


@pytest.mark.slow
def test_a_guest_that_may_crash_at_any_instant_is_safe_if_its_nic_is_stopped(
    nic_system: PlanMaker,
) -> None:
    proof = prove_plan(at_any_instant(one_frame(nic_system, QUIET)), KINDS, Limits())
    assert proof.is_whole
    assert "violated" not in words(proof).values()


def test_a_run_that_violates_what_was_proved_is_an_internal_error(nic_system: PlanMaker) -> None:
    name = "no-dma-after-teardown"
    plan = one_frame(nic_system, gap=Span(20_000, 40_000))
    busy = replace(plan, nics=(replace(plan.nics[0], frames=0),))
    sample = sampled(scenario(busy), busy, KINDS)
    assert sample is not None
    assert sample[0] == name
    cut = prove_plan(busy, (TEARDOWN[name],), Limits(classes_max=5))
    confirm(cut, sample)
    wrong = cut._replace(findings={name: Finding("holds", "in every run")})
    with pytest.raises(ContradictionError, match="internal error"):
        confirm(wrong, sample)


class Counting(Component):
    """Counts its rounds, as no model may."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, "clock", Timing())
        self.rounds = 0
        self.is_on = False
        self.start(self._tick)

    def _tick(self) -> Steps:
        while True:
            yield self.kernel.delay(exactly(5), "clock.tick")
            self.rounds += 1
            self.is_on = not self.is_on


def test_an_attribute_that_grows_for_ever_is_named() -> None:
    def build(kernel: Kernel) -> None:
        Counting(kernel)

    def make_system(make_monitor: MakeMonitor) -> TransitionSystem:
        return TransitionSystem(build, [make_monitor], marks_of)

    task = Task(make_system, Header("clock"), KINDS, (), (), False)
    proof = prove_system(task, Limits(classes_max=40))
    assert not proof.is_whole
    assert growing(proof) == ["clock.rounds"]
