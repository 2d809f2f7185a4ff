"""SARIF: findings at lines of the user's files, as code hosts and editors show them.

A result is a violation. Its place is the line that made it possible: the line that quiesces the
device if the scenario has one, else the line that gives it to the guest. The run itself has no
lines. It becomes a code flow: the records that led to the violation, each at the line of its
component.

Source:
    OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0, sections 3.14 (run), 3.27
    (result), 3.36 (codeFlow).
"""

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from ...model.base.errors import Place
from ...model.trace import events
from ...model.trace.events import Trace
from ...properties.core.verdict import Judgement, Severity, Verdict, Violation
from ...properties.registry import PROPERTIES
from ..core.words import printable

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS: dict[Severity, str] = {
    "none": "none",
    "unadvised": "note",
    "unfinished": "note",
    "withheld": "warning",
    "contained": "note",
    "exposed": "warning",
    "spurious": "warning",
    "starved": "error",
    "disclosure": "error",
    "stray": "error",
    "corruption": "error",
}

_FLOW_MAX = 40
"""How many records before a violation the log contains, the last ones."""


class ReportedRun(NamedTuple):
    """A run to report on.

    Attributes:
        trace: The records of the run.
        judgement: The verdicts on it.
        origins: Where the user's files speak of each component; the empty key is the scenario.
    """

    trace: Trace
    judgement: Judgement
    origins: dict[str, Place]


def sarif_json(found: Sequence[ReportedRun], version: str) -> bytes:
    """Return the violations of some runs as one SARIF log.

    Args:
        found: The runs.
        version: The version of quiesce.
    """
    used = {verdict.property for each in found for verdict in each.judgement.verdicts}
    rules = [name for name in PROPERTIES if name in used]
    results = [
        _result(each, verdict, violation, rules)
        for each in found
        for verdict in each.judgement.verdicts
        for violation in verdict.violations
    ]
    driver = {"name": "quiesce", "version": version, "rules": [_rule(name) for name in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"scenarios": [_about(each.judgement) for each in found]},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n"


def _rule(name: str) -> dict[str, Any]:
    kind = PROPERTIES[name]
    return {
        "id": name,
        "shortDescription": {"text": kind.claim},
        "fullDescription": {"text": f"{kind.claim} Formally: {kind.formula}"},
        "help": {"text": f"Source: {kind.source}"},
    }


def _about(judgement: Judgement) -> dict[str, Any]:
    """Return what the verdicts of a scenario rest on; a finding has no meaning without it."""
    return {
        "scenario": judgement.scenario,
        "verdict": judgement.verdict,
        "label": judgement.label,
        "bounds": list(judgement.bounds),
        "assumptions": [f"{each.name} = {each.value}" for each in judgement.assumptions],
    }


def _result(
    found: ReportedRun, verdict: Verdict, violation: Violation, rules: Sequence[str]
) -> dict[str, Any]:
    actor = actor_of(found.trace, violation)
    scenario = found.judgement.scenario
    identity = f"{scenario}\n{verdict.property}\n{actor}\n{violation.message}"
    text = f"{violation.message} [{scenario}, {found.judgement.label}]"
    result: dict[str, Any] = {
        "ruleId": verdict.property,
        "ruleIndex": rules.index(verdict.property),
        "level": _LEVELS[violation.severity],
        "message": {"text": printable(text)},
        "locations": [_location(place_to_blame(found.origins, actor), actor)],
        "partialFingerprints": {
            "quiesce/v1": hashlib.sha256(identity.encode()).hexdigest(),
        },
        "properties": {
            "at_ns": violation.at_ns,
            "record": violation.index,
            "severity": violation.severity,
            "component": actor,
        },
    }
    if violation.index < len(found.trace.records):
        result["codeFlows"] = [{"threadFlows": [{"locations": _flow(found, violation)}]}]
    return result


def actor_of(trace: Trace, violation: Violation) -> str:
    """Return the component that did what a violation is about, as far as its record says."""
    if not 0 <= violation.index < len(trace.records):
        return ""
    record = trace.records[violation.index]
    event = record.event
    if isinstance(event, events.IrqTaken | events.IrqInjected):
        for index in trace.causes_of(violation.index):
            raised = trace.records[index].event
            if isinstance(raised, events.IrqAsserted):
                return raised.device
    for name in ("master", "writer", "reader", "device", "vdev", "vm"):
        value = getattr(event, name, "")
        if value:
            return str(value)
    return record.source


def place_to_blame(origins: dict[str, Place], actor: str) -> Place | None:
    """Return the line that made a violation possible, or the nearest line to it."""
    whole = actor
    while actor:
        for key in (f"{actor} quiesce", actor):
            if key in origins:
                return origins[key]
        actor = actor.rpartition(".")[0]
    # A vdev's device is named without its VM, and the other way round.
    for key, place in origins.items():
        if whole and key.split(" ")[0].endswith(f".{whole}"):
            return place
    return origins.get("")


def _location(place: Place | None, component: str) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if place is not None:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line:
            region = {"startLine": place.line}
            physical["region"] = region | ({"startColumn": place.column} if place.column else {})
        location["physicalLocation"] = physical
    if component:
        location["logicalLocations"] = [{"name": printable(component), "kind": "object"}]
    return location


def _uri(file: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - only here is it needed

    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _flow(found: ReportedRun, violation: Violation) -> list[dict[str, Any]]:
    """Return the records that led to a violation, in the order of the trace."""
    chain = [violation.index, *found.trace.causes_of(violation.index)][:_FLOW_MAX]
    steps: list[dict[str, Any]] = []
    for index in reversed(chain):
        record = found.trace.records[index]
        place = place_to_blame(found.origins, record.source)
        location = _location(place, record.source)
        kind = type(record.event).__name__
        location["message"] = {"text": printable(f"{kind} in {record.source}, {record.at_ns} ns")}
        steps.append({"location": location, "executionOrder": len(steps) + 1})
    return steps
