"""Known ways to go wrong are noticed, and designs that are right are left in peace."""

import json

import pytest

from quiesce.scenarios import exit_status
from quiesce.scenarios.cli import main
from quiesce.scenarios.mutants import (
    MUTANTS,
    Mutant,
    designs,
    score,
    timings,
    violated_properties,
)

SURVIVES = {"M15"}
"""A device that re-enters itself through its own registers is not modelled."""


@pytest.mark.parametrize("name", designs())
def test_a_correct_design_violates_nothing_whatever_the_timing(name: str) -> None:
    plan = designs()[name]
    for choices in timings(20):
        assert violated_properties(plan, choices) == set()


@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m.name not in SURVIVES], ids=lambda mutant: mutant.name
)
def test_a_mutant_is_noticed(mutant: Mutant) -> None:
    result = score(mutant, seeds=12)
    assert result.killed_by, mutant.pattern
    assert set(result.killed_in) | set(result.spared_in) == set(mutant.changes)


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.name in SURVIVES], ids=lambda m: m.name)
def test_known_gap_a_mutant_that_is_not_noticed(mutant: Mutant) -> None:
    """Right would be that some property notices it."""
    assert score(mutant, seeds=2).killed_by == ()


def test_the_names_are_m1_to_m18() -> None:
    assert [mutant.name for mutant in MUTANTS] == [f"M{n}" for n in range(1, 19)]
    assert {design for m in MUTANTS for design in m.changes} <= set(designs())


def test_the_score_is_json_with_killers_and_survivors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "M14", "--score", "--json"]) == exit_status.OK
    document = json.loads(capsys.readouterr().out)
    assert document["survivors"] == []
    assert document["mutants"]["M14"]["killed_by"] == ["teardown-bounded"]
    assert document["mutants"]["M14"]["runs"] > 50


def test_a_survivor_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "M15", "--score"]) == exit_status.VIOLATED
    assert "SURVIVES" in capsys.readouterr().out


def test_an_unknown_mutant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "M19"]) == exit_status.BAD_INPUT
    assert "mutant 'M19' is unknown" in capsys.readouterr().err
