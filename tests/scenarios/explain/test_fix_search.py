"""The change that an explanation names does save the run, and survives other timings."""

from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import AdaptedReplay, Biased, ChoicePoint, Choices, Seeded
from quiesce.model.machine.interventions import Intervention, run_bounded, run_with_intervention
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import QuiescePlan, StepPlan, SystemPlan
from quiesce.model.trace.events import FramesQuarantined, QvmExited, Trace
from quiesce.properties.check import check, judge
from quiesce.reports.core.culprit import Culprit, culprit_of, main_finding
from quiesce.reports.explanation.explanation import RerunResults, explain
from quiesce.scenarios.explain.explaining import RunExplanation
from quiesce.scenarios.explain.fix_search import FixSearchResult, Thoroughness, find_fix
from quiesce.scenarios.explain.no_return import point_of_no_return
from quiesce.scenarios.explain.single_changes import Change, Size, changes_of
from quiesce.scenarios.explain.trial import COSTS, Grade
from quiesce.scenarios.mutants.mutant_scores import timings
from quiesce.scenarios.mutants.mutants import BY_NAME, MUTANTS, designs
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.runner import RunResult, choices_for, run_scenario

SEEDS = 12


class Violation(NamedTuple):
    """A run of a mutant that violates something."""

    plan: SystemPlan
    log: tuple[ChoicePoint, ...]
    trace: Trace
    culprit: Culprit


def violating_run(name: str, design: str = "") -> Violation | None:
    """Return the first run of a mutant that violates anything."""
    mutant, correct = BY_NAME[name], designs()
    for each, change in mutant.changes.items():
        if design not in each:
            continue
        plan = change(correct[each])
        for choices in timings(SEEDS):
            found = _violation(plan, choices)
            if found is not None:
                return found
    return None


def _violation(plan: SystemPlan, choices: Choices) -> Violation | None:
    trace = run(plan, choices)
    finding = main_finding(trace, judge(trace))
    if finding is None:
        return None
    return Violation(plan, tuple(choices.log), trace, culprit_of(trace, finding))


def violated(trace: Trace) -> set[str]:
    return {
        each.property
        for each in check(trace)
        if each.verdict == "violated" and each.property not in COSTS
    }


SOME = Thoroughness(timings=60, runs=1_500)


def searched(found: Violation, how: Thoroughness = SOME) -> FixSearchResult:
    plan, log, trace, culprit = found
    return find_fix(plan, log, trace, culprit.property, culprit.vm, culprit.actor, thoroughness=how)


def shipped(name: str, timing: str = "nominal") -> RunResult:
    return run_scenario(resolved(name), *choices_for(timing))


def refuted_by_other_timings(plan: SystemPlan, name: str = "") -> list[int]:
    """Return which of 60 timings that no search has tried violate a property, or any."""
    refuting = []
    for number in range(60):
        choices = Seeded(5_000 + number) if number % 2 else Biased(bytes([number * 37 % 256] * 40))
        trace = run_bounded(plan, choices, 40_000)
        broken = set() if trace is None else violated(trace)
        if name in broken if name else broken:
            refuting.append(number)
    return refuting


@pytest.mark.slow
@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_the_change_that_is_named_saves_every_mutant_in_other_timings_too(name: str) -> None:
    found = violating_run(name)
    if found is None:
        pytest.skip("no property notices this mutant")
    fix = searched(found).best
    if fix is None:
        pytest.skip("no change saves it")
    again = run(fix.change.plan, AdaptedReplay(found.log))
    troubles = violated(again)
    assert found.culprit.property not in troubles, fix.change.text
    assert troubles <= violated(found.trace)
    assert any(isinstance(record.event, QvmExited) for record in again.records)
    only = found.culprit.property if fix.grade is Grade.PARTLY else ""
    assert refuted_by_other_timings(fix.change.plan, only) == [], fix.change.text


@pytest.mark.slow
def test_a_bare_configuration_is_not_advised_to_look_and_stop_nothing(tmp_path: Path) -> None:
    # A device that is seen idle between two frames takes the next one all the same.
    file = tmp_path / "guest.qvmconf"
    file.write_text(
        "system guest1\nsafety required\nram 0x80000000,4M\ncpu\nload guest1.ifs\n"
        "pass loc mem:0x2d100000,0x1000,rw\npass intr gic:100\n"
    )
    found = RunExplanation.of(shipped(str(file)), is_quick=True)
    assert found is not None
    saving = found.explanation.saving
    assert saving is not None
    assert "follow the documented procedure" in saving.text
    assert found.saved_plan is not None
    assert refuted_by_other_timings(found.saved_plan) == []
    said = " ".join(found.explanation.sentences)
    assert f"It was tried over {saving.timings} other timings, none violated." in said
    assert saving.timings >= 60


@pytest.mark.parametrize("steps", [(), ("read-back",), ("settle", "await-idle")])
def test_no_callback_that_merely_looks_is_among_the_changes(steps: tuple[str, ...]) -> None:
    found = violating_run("M1", "nic/vdev/guest-crash")
    assert found is not None
    plan = changed_steps(found.plan, steps) if steps else found.plan
    looking = ("await", "confirm", "read-back", "settle")
    for each in changes_of(plan, "vm", "eth0"):
        if isinstance(each, Change) and each.size in {Size.STEP, Size.CALLBACK, Size.PROCEDURE}:
            names = [step.name for step in each.plan.vms[0].quiesce[0].steps]
            assert any(not name.startswith(looking) for name in names), each.text


def changed_steps(plan: SystemPlan, steps: tuple[str, ...]) -> SystemPlan:
    """Return the plan with a callback for its NIC that does these steps."""
    callback = QuiescePlan("q0", "eth0", tuple(StepPlan(step, 1_000_000) for step in steps))
    return replace(plan, vms=(replace(plan.vms[0], quiesce=(callback,)), *plan.vms[1:]))


@pytest.mark.slow
def test_the_documented_procedure_is_told_beside_a_smaller_change() -> None:
    found = RunExplanation.of(shipped("blk-reset-at-once"), is_quick=True)
    assert found is not None
    saving, documented = found.explanation.saving, found.explanation.documented
    assert saving is not None
    assert documented is not None
    assert (saving.kind, documented.kind) == ("step", "procedure")
    said = " ".join(found.explanation.sentences)
    assert f"was tried first and saves {documented.timings} as well: let the callback" in said


@pytest.mark.slow
def test_the_documented_procedure_that_is_not_enough_is_told_with_what_refutes_it() -> None:
    found = RunExplanation.of(shipped("its-discard-not-synced"), is_quick=True)
    assert found is not None
    refuted = found.explanation.refuted
    saving = found.explanation.saving
    assert refuted is not None
    assert saving is not None
    assert saving.text.startswith(
        "let the kernel wait until the removal of a route has taken effect"
    )
    said = " ".join(found.explanation.sentences)
    assert "The documented procedure was tried first and saves this run" in said
    assert f"With another timing it does not: {' and '.join(refuted.violated)}" in said
    assert " and irq-contained-after-teardown are violated" in said


@pytest.mark.slow
def test_a_longer_wait_is_the_usual_one_and_not_the_least_that_was_enough() -> None:
    found = violating_run("M17", "block")
    assert found is not None
    fix = searched(found).best
    assert fix is not None
    change = fix.change
    assert change.size is Size.BOUND
    waits = [step.bound_ns for step in change.plan.vms[0].quiesce[0].steps if step.bound_ns]
    assert waits == [100_000_000]
    assert refuted_by_other_timings(change.plan) == []


@pytest.mark.slow
def test_a_pause_that_is_enough_for_the_run_alone_is_not_named() -> None:
    # The device goes on for ever, so that no pause before the release is long enough.
    found = violating_run("M1", "nic/vdev/guest-crash")
    assert found is not None
    changes = [each for each in changes_of(found.plan, "vm", "eth0") if each.size is Size.PAUSE]
    assert changes
    result = searched(found)
    assert result.best is not None
    assert result.best.change.size is Size.PROCEDURE


@pytest.mark.slow
def test_memory_that_is_kept_for_good_is_said_to_be_a_cost() -> None:
    found = RunExplanation.of(shipped("bug-b23-unstoppable"), is_quick=True)
    assert found is not None
    saving = found.explanation.saving
    assert saving is not None
    assert saving.kind == "timeout"
    assert saving.keeps_memory
    said = " ".join(found.explanation.sentences)
    assert "saves the run, at a cost" in said
    assert "(guest memory is then kept for good)" in said
    assert found.saved_plan is not None
    again = run(found.saved_plan, Seeded(1))
    assert any(isinstance(record.event, FramesQuarantined) for record in again.records)


def test_an_answer_of_the_environment_is_tried_and_said_to_be_one() -> None:
    found = violating_run("M11", "sigkill")
    assert found is not None
    answered = [
        each
        for each in changes_of(found.plan, "vm", "eth0", asked=found.log)
        if each.size is Size.ENVIRONMENT and isinstance(each, Change)
    ]
    denied = next(each for each in answered if "smmuman.client-death is deny" in each.text)
    assert denied.plan.pinned["smmuman.client-death"] == "deny"
    assert "(the environment decides this: what smmuman does" in denied.text
    restarts = [each for each in answered if "not start" in each.text]
    assert [each.plan.vms[0].restart for each in restarts] == [False] * len(restarts)


@pytest.mark.slow
def test_a_change_after_which_nothing_is_tested_saves_nothing() -> None:
    # If a crash never reaches qvm nothing is torn down, and nothing can be late.
    result = shipped("nic-crash-bare")
    found = RunExplanation.of(result, is_quick=True)
    assert found is not None
    silent = replace(result.plan, pinned=result.plan.pinned | {"guest.crash-reaches-qvm": "never"})
    assert not violated(run(silent, AdaptedReplay(result.recording.choices)))
    saving = found.explanation.saving
    assert saving is not None
    assert "crash-reaches-qvm" not in saving.text


@pytest.mark.slow
def test_what_takes_a_change_and_an_answer_is_told_as_both() -> None:
    found = RunExplanation.of(shipped("sigkill-iommu-stale"), is_quick=True)
    assert found is not None
    saving = found.explanation.saving
    assert saving is not None
    assert "; and make sure that procnto.cleanup-order is iommu-before-memory" in saving.text
    assert found.saved_plan is not None
    assert refuted_by_other_timings(found.saved_plan) == []


@pytest.mark.slow
def test_a_back_end_is_advised_its_own_steps_and_not_those_of_a_vdev() -> None:
    found = RunExplanation.of(shipped("back-end-answers-early"), is_quick=True)
    assert found is not None
    saving = found.explanation.saving
    assert saving is not None
    assert "await-worker" in saving.text


@pytest.mark.slow
def test_the_same_run_gets_the_same_advice() -> None:
    found = violating_run("M9")
    assert found is not None
    one, other = searched(found), searched(found)
    assert one == other
    assert one.best is not None


def test_changes_come_in_the_order_of_their_size() -> None:
    found = violating_run("M3")
    assert found is not None
    sizes = [each.size for each in changes_of(found.plan, "vm", "eth0")]
    assert sizes == sorted(sizes)
    assert {Size.STEP, Size.ORDER, Size.PROCEDURE, Size.IOMMU} <= set(sizes)
    assert Size.PROCEDURE < Size.CALLBACK, "a new callback does what is documented first"


def test_a_search_that_stops_at_its_bound_says_so() -> None:
    found = violating_run("M9")
    assert found is not None
    result = searched(found, Thoroughness(60, 3))
    assert result.was_cut
    assert result.best is None
    assert result.runs == 3
    short = searched(found, Thoroughness(60, 1_500, records=3 * len(found.trace.records)))
    assert short.was_cut
    assert short.runs < 10


def test_before_the_point_of_no_return_an_act_helps_and_after_it_none_does() -> None:
    found = violating_run("M1", "nic")
    assert found is not None
    plan, log, trace, culprit = found
    no_return = point_of_no_return(plan, log, trace, culprit)
    assert no_return is not None
    assert {chance.act for chance in no_return.chances} == {"silence", "withhold"}
    assert no_return.at_ns <= culprit.violation.at_ns
    severity = culprit.violation.severity

    def is_prevented(act: Intervention) -> bool:
        (verdict,) = check(
            run_with_intervention(plan, AdaptedReplay(log), act), (culprit.property,)
        )
        return all(each.severity != severity for each in verdict.violations)

    for chance in no_return.chances:
        assert is_prevented(Intervention(chance.act, chance.target, chance.tried_ns)), chance
        if not no_return.is_exit:
            assert not is_prevented(Intervention(chance.act, chance.target, chance.too_late_ns)), (
                chance
            )


def test_maps_that_are_removed_and_synced_in_time_prevent_a_late_write() -> None:
    found = violating_run("M9")
    assert found is not None
    plan, log, trace, culprit = found
    no_return = point_of_no_return(plan, log, trace, culprit)
    assert no_return is not None
    chances = {chance.act: chance.too_late_ns for chance in no_return.chances}
    # The later an act works on the way of a write, the longer there is time for it.
    assert chances["silence"] < chances["cut"] <= no_return.at_ns
    assert (
        run_with_intervention(plan, AdaptedReplay(log), Intervention("cut", "eth0", 0)).records
        != trace.records
    )


@pytest.mark.slow
def test_memory_is_not_withheld_against_an_interrupt_that_is_latched() -> None:
    # It would help only because no next instance could start and unmask the line.
    found = RunExplanation.of(shipped("gic-edge-latched"), is_quick=True)
    assert found is not None
    assert found.explanation.no_return is None
    assert found.explanation.sentences[-1].startswith("Nothing that was tried during the teardown")


def test_nothing_helps_against_a_reference_that_is_kept() -> None:
    found = violating_run("M14", "block/vdev/guest-crash")
    assert found is not None
    plan, log, trace, culprit = found
    assert point_of_no_return(plan, log, trace, culprit) is None


def test_where_no_change_saves_other_timings_as_well_that_is_said() -> None:
    result = run_scenario(resolved("nic-crash-bare"), *choices_for())
    explanation = explain(result.trace, result.judgement, RerunResults(tried=16, runs=90))
    assert explanation is not None
    said = " ".join(explanation.sentences)
    assert (
        "No change was found that saves the run and other timings as well (16 changes were tried "
        "in 90 runs)" in said
    )
