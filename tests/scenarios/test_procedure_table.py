"""The table of quiesce procedures is what the runs say."""

from pathlib import Path

import pytest

from quiesce.model.hardware.registry import kinds
from quiesce.scenarios.procedure_table import document, outcome, variations

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "quiesce-procedures.md"


@pytest.mark.parametrize("name", kinds())
def test_the_documented_procedure_harms_nobody(name: str) -> None:
    kind = kinds()[name]
    documented = next(iter(variations(kind.procedure)))
    found = outcome(kind, documented)
    assert (found.violated, found.timed_out) == (0, 0)


@pytest.mark.parametrize("name", kinds())
def test_some_way_to_cut_a_procedure_short_is_noticed(name: str) -> None:
    kind = kinds()[name]
    ways = list(variations(kind.procedure))[1:]
    assert any(outcome(kind, way, seeds=0).violated for way in ways)


@pytest.mark.slow
def test_the_document_is_made_from_the_runs() -> None:
    assert DOCUMENT.read_text() == document()
