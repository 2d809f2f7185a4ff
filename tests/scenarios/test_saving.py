"""The change that an explanation names does save the run: told by running again."""

from typing import NamedTuple

import pytest

from quiesce.model.choices import ChoicePoint, Choices, Retold
from quiesce.model.plan import SystemPlan
from quiesce.model.system import run
from quiesce.model.trace import QvmExited, Trace
from quiesce.model.what_if import Act, run_with
from quiesce.properties.check import check, judge
from quiesce.reports.culprit import Culprit, culprit_of, main_finding
from quiesce.scenarios.mutant_scores import timings
from quiesce.scenarios.mutants import BY_NAME, MUTANTS, designs
from quiesce.scenarios.no_return import point_of_no_return
from quiesce.scenarios.saving import Search, search
from quiesce.scenarios.single_changes import Change, Size, Stretch, changes_of

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
    return {each.property for each in check(trace) if each.verdict == "violated"}


def searched(found: Violation, *, wants_sturdy: bool = False) -> Search:
    plan, log, trace, culprit = found
    return search(
        plan,
        log,
        trace,
        culprit.property,
        culprit.vm,
        culprit.actor,
        wants_sturdy=wants_sturdy,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [mutant.name for mutant in MUTANTS])
def test_the_change_that_is_named_saves_the_run_of_every_mutant(name: str) -> None:
    found = violating_run(name)
    if found is None:
        pytest.skip("no property notices this mutant")
    saved = searched(found).smallest
    if saved is None:
        pytest.skip("no single change saves it")
    again = run(saved.change.plan, Retold(found.log))
    troubles = violated(again)
    assert found.culprit.property not in troubles, saved.change.text
    assert troubles <= violated(found.trace)
    assert saved.is_entire == (not troubles)
    assert any(isinstance(record.event, QvmExited) for record in again.records)


def test_the_longer_wait_is_longer_by_not_a_nanosecond_more_than_needed() -> None:
    found = violating_run("M17", "block")
    assert found is not None
    saved = searched(found).smallest
    assert saved is not None
    change = saved.change
    assert change.size is Size.BOUND
    assert 0 < change.amount_ns < 1_000_000
    waits = [step.bound_ns for step in change.plan.vms[0].quiesce[0].steps if step.bound_ns]
    stretch = next(
        each
        for each in changes_of(found.plan, "vm", found.culprit.actor)
        if isinstance(each, Stretch)
    )
    almost = stretch.at(change.amount_ns - 1)
    assert waits == [20_000 + change.amount_ns]
    assert violated(run(almost.plan, Retold(found.log)))


def test_a_change_that_is_mere_luck_is_followed_by_one_that_is_not() -> None:
    found = violating_run("M17", "block")
    assert found is not None
    result = searched(found, wants_sturdy=True)
    assert result.smallest is not None
    assert result.sturdy is not None
    assert not result.smallest.is_sturdy
    assert "quarantine guest memory" in result.sturdy.change.text
    for choices in timings(5):
        assert not violated(run(result.sturdy.change.plan, choices))


def test_the_answer_to_an_open_question_is_no_change() -> None:
    found = violating_run("M11", "sigkill")
    assert found is not None
    plans = [
        each.plan if isinstance(each, Change) else each.at(1).plan
        for each in changes_of(found.plan, "vm", "eth0")
    ]
    assert len(plans) > 10
    assert all(plan.pinned == found.plan.pinned for plan in plans)
    assert all(plan != found.plan for plan in plans)


def test_changes_come_in_the_order_of_their_size() -> None:
    found = violating_run("M3")
    assert found is not None
    sizes = [each.size for each in changes_of(found.plan, "vm", "eth0")]
    assert sizes == sorted(sizes)
    assert {Size.STEP, Size.ORDER, Size.PROCEDURE, Size.IOMMU} <= set(sizes)


def test_a_search_that_stops_at_its_bound_says_so() -> None:
    found = violating_run("M9")
    assert found is not None
    plan, log, trace, culprit = found
    result = search(plan, log, trace, culprit.property, culprit.vm, culprit.actor, runs_max=3)
    assert result.was_cut
    assert result.smallest is None


def test_before_the_point_of_no_return_an_act_helps_and_after_it_none_does() -> None:
    found = violating_run("M1", "nic")
    assert found is not None
    plan, log, trace, culprit = found
    no_return = point_of_no_return(plan, log, trace, culprit)
    assert no_return is not None
    assert {chance.act for chance in no_return.chances} == {"silence", "withhold"}
    assert no_return.at_ns <= culprit.violation.at_ns
    severity = culprit.violation.severity

    def is_prevented(act: Act) -> bool:
        (verdict,) = check(run_with(plan, Retold(log), act), (culprit.property,))
        return all(each.severity != severity for each in verdict.violations)

    for chance in no_return.chances:
        assert is_prevented(Act(chance.act, chance.target, chance.tried_ns)), chance
        if not no_return.is_exit:
            assert not is_prevented(Act(chance.act, chance.target, chance.too_late_ns)), chance


def test_maps_that_are_removed_and_synced_in_time_prevent_a_late_write() -> None:
    found = violating_run("M9")
    assert found is not None
    plan, log, trace, culprit = found
    no_return = point_of_no_return(plan, log, trace, culprit)
    assert no_return is not None
    chances = {chance.act: chance.too_late_ns for chance in no_return.chances}
    # The later an act works on the way of a write, the longer there is time for it.
    assert chances["silence"] < chances["cut"] <= no_return.at_ns
    assert run_with(plan, Retold(log), Act("cut", "eth0", 0)).records != trace.records


def test_nothing_helps_against_a_reference_that_is_kept() -> None:
    found = violating_run("M14", "block/vdev/guest-crash")
    assert found is not None
    plan, log, trace, culprit = found
    assert point_of_no_return(plan, log, trace, culprit) is None
