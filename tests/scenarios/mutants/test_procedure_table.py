"""The document with the table of quiesce procedures agrees with the runs."""

from collections import Counter
from pathlib import Path

import pytest

from quiesce.model.plan.system_plan import StepPlan
from quiesce.scenarios.mutants.procedure_table import document, run_variation, subjects, variations

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "quiesce-procedures.md"


@pytest.mark.parametrize("name", subjects())
def test_the_documented_procedure_harms_nobody(name: str) -> None:
    subject = subjects()[name]
    documented = next(iter(variations(subject.documented)))
    found = run_variation(subject, documented)
    assert (found.violated, found.timed_out) == (0, 0)


@pytest.mark.parametrize("name", subjects())
def test_some_way_to_cut_a_procedure_short_is_noticed(name: str) -> None:
    subject = subjects()[name]
    ways = list(variations(subject.documented))[1:]
    assert any(run_variation(subject, way, seeds=0).violated for way in ways)


@pytest.mark.parametrize("name", subjects())
def test_a_wait_that_times_out_costs_memory_and_harms_nobody(name: str) -> None:
    subject = subjects()[name]
    timed_out = [way for way in variations(subject.documented) if way.kind == "timed-out"]
    assert timed_out
    found = [run_variation(subject, way, seeds=0) for way in timed_out]
    assert any(each.timed_out for each in found)
    assert {each.violated for each in found} == {0}
    for each in found:
        assert ("quiesce-completed" in each.costs) == bool(each.timed_out)
        assert ("memory-reclaimed" in each.costs) == bool(each.timed_out)


def test_every_step_is_left_out_swapped_not_awaited_and_let_time_out() -> None:
    steps = (StepPlan("mask"), StepPlan("stop"), StepPlan("await", 500), StepPlan("confirm", 70))
    ways = list(variations(steps))
    assert Counter(way.kind for way in ways) == {
        "documented": 1,
        "left-out": 4,
        "swapped": 3,
        "not-awaited": 3,
        "timed-out": 2,
    }
    names = {way.name: way for way in ways}
    assert [step.bound_ns for step in names["3 await times out"].steps] == [0, 0, 1, 70]
    assert not names["3 await times out"].releases
    assert names["3 await is not awaited, memory is released"].releases
    assert [step.bound_ns for step in ways[10].steps] == [0, 0, 1, 1]
    assert [step.name for step in names["2 stop before 1 mask"].steps][:2] == ["stop", "mask"]


@pytest.mark.slow
def test_the_document_is_made_from_the_runs() -> None:
    assert DOCUMENT.read_text() == document()
