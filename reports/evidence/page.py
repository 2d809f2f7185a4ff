"""The page of an evidence pack: one HTML file that prints, with every number of the data in it."""

from pathlib import Path
from typing import Any

from ...model.base.clock import format_ns
from ...properties.registry import PROPERTIES
from ..core.words import printable
from .pack import Pack, ScenarioEvidence, cell, status

_TEMPLATE = Path(__file__).parent / "page.html"


def page(pack: Pack) -> bytes:
    """Return the page of a pack."""
    import jinja2  # noqa: PLC0415 - heavy

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["time"] = format_ns
    environment.filters["plain"] = printable
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(
        pack=pack,
        properties=_properties(pack),
        rows=[_row(pack, each) for each in pack.scenarios],
        traces=[_trace(pack, index) for index in range(len(pack.requirements))],
        assumptions=_assumptions(pack),
    )
    return text.encode()


def _properties(pack: Pack) -> list[str]:
    """Return the properties that some method judged, in their usual order."""
    asked = {
        verdict.property
        for scenario in pack.scenarios
        for method in scenario.methods
        for verdict in method.judgement.verdicts
    }
    return [name for name in PROPERTIES if name in asked]


def _row(pack: Pack, scenario: ScenarioEvidence) -> dict[str, Any]:
    return {
        "scenario": scenario,
        "cells": [cell(scenario, name) for name in _properties(pack)],
        "serves": [
            (requirement.id, status(scenario, requirement)) for requirement in pack.requirements
        ],
    }


def _trace(pack: Pack, index: int) -> dict[str, Any]:
    requirement = pack.requirements[index]
    by = [(scenario.name, status(scenario, requirement)) for scenario in pack.scenarios]
    return {"requirement": requirement, "by": by}


def _assumptions(pack: Pack) -> list[tuple[str, str, str, list[str]]]:
    """Return each assumption with its value, its basis and the scenarios that rest on it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for scenario in pack.scenarios:
        for method in scenario.methods:
            for each in method.judgement.assumptions:
                names = found.setdefault((each.name, each.value, each.basis), [])
                if scenario.name not in names:
                    names.append(scenario.name)
    return [(*key, names) for key, names in sorted(found.items())]
