"""No number without a source or the word *assumed*, and no open question without its reason."""

import re
from pathlib import Path

import msgspec
import pytest

from quiesce.model.machine.assumptions import assumptions_of, parts_used
from quiesce.model.plan.open_questions import QUESTIONS, OpenQuestion
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.plan.timing import EVIDENCE, Timing
from quiesce.scenarios.format.shipped import shipped_files
from quiesce.scenarios.resolve.library import resolved

CITES = re.compile(
    r"\b(?:guide|reference|manual|specification|SIGCOMM|arXiv|lkml|lmbench|Linux|Xen|FreeBSD|QNX|"
    r"PCI Express|AHCI|AnandTech|SATA|NVM Express|arithmetic|seek and rotation)\b"
)
"""What a source names: a document, a program whose text was read, or a calculation."""

GIVEN = ("given by the scenario", "pinned by the scenario", "the configuration")
OPEN = "left open: "


@pytest.mark.parametrize("key", [field.name for field in msgspec.structs.fields(Timing)])
def test_every_span_says_where_it_comes_from(key: str) -> None:
    evidence = EVIDENCE[key]
    assert evidence.grade in {"verified", "recalled", "assumed"}
    assert evidence.meaning
    if evidence.grade == "assumed":
        assert evidence.source, "an assumption has a reason"
    else:
        assert CITES.search(evidence.source), evidence.source


def test_no_evidence_is_left_of_a_span_that_is_gone() -> None:
    assert set(EVIDENCE) == {field.name for field in msgspec.structs.fields(Timing)}


@pytest.mark.parametrize("key", [key for key, one in EVIDENCE.items() if one.bound_ns])
def test_every_bound_says_whose_it_is(key: str) -> None:
    assert "bound" in EVIDENCE[key].source, "after how long who gives up?"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.label)
def test_every_question_names_a_source_or_says_that_there_is_none(question: OpenQuestion) -> None:
    assert len(question.answers) > 1
    assert "not documented" in question.basis or CITES.search(question.basis)


@pytest.mark.slow
def test_every_part_that_evidence_names_can_be_used() -> None:
    """Else its span is in the model and in no assumption."""
    known: set[str] = {"catalogue"}
    for path in shipped_files():
        known |= parts_used(plan_of(path))
    asked = {one.part for one in EVIDENCE.values()} | {one.part for one in QUESTIONS}
    assert asked - known == set()


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: path.stem)
def test_no_number_of_a_scenario_is_without_a_source(path: Path) -> None:
    scenario = resolved(str(path))
    for each in (*scenario.assumptions, *assumptions_of(scenario.plan)):
        if each.basis.startswith(GIVEN):
            continue
        basis = each.basis.removeprefix(OPEN)
        is_told = basis.startswith(("not modelled", "no effect"))
        is_assumed = is_told or "assumed" in basis.split(" ", 1)[0] or "not documented" in basis
        assert is_assumed or CITES.search(basis) or each.value == "left out", each


def plan_of(path: Path) -> SystemPlan:
    return resolved(str(path)).plan
