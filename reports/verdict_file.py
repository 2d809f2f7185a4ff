"""The shape in which verdicts are written for programs, and how run folders are read back."""

from pathlib import Path

import msgspec

from ..model.base.errors import Place, Problem, TraceFormatError
from ..model.trace.events import Assumption
from ..properties.core.exercise import Exercise
from ..properties.core.verdict import Headline, Judgement, Severity, Verdict, Violation, Word

VERDICT_VERSION = 2
"""Of the shape of `VerdictDocument`; a program that reads it compares this first."""


class PropertyDocument(msgspec.Struct, frozen=True):
    """The verdict on one property, as programs read it.

    Attributes:
        verdict: `holds`, `violated`, `vacuous` or `inconclusive`.
        severity: The worst of its violations; `none` without any.
        antecedents: How often it was put to the test.
        reason: Why this verdict, in one sentence.
        violation_count: How many violations there were.
        exercised_by: The devices that put a central property to the test; empty for any other.
        violations: The first of them, at most 20.
    """

    verdict: Word
    severity: Severity
    antecedents: int
    reason: str
    violation_count: int
    exercised_by: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()


class VerdictDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement, as every command writes it for programs; a command adds keys of its own.

    Attributes:
        quiesce_verdict: Version of this shape.
        scenario: Name of the scenario.
        verdict: The headline: `holds`, `violated`, `withheld` (safe by losing the memory),
            `inconclusive` or `not exercised`.
        severity: The worst severity of all properties.
        label: How far it was looked: `run`, `sampled(n)`, `proved(dense time)` and so on.
        bounds: What limits the verdicts, one sentence each.
        properties: The verdict on each property, by its name.
        devices: What each device that can write or interrupt did for a VM that ended.
        assumptions: All that the verdicts take for granted.
    """

    quiesce_verdict: int
    scenario: str
    verdict: Headline
    severity: Severity
    label: str
    bounds: tuple[str, ...]
    properties: dict[str, PropertyDocument]
    devices: tuple[Exercise, ...] = ()
    assumptions: tuple[Assumption, ...] = ()

    @property
    def judgement(self) -> Judgement:
        """The judgement that the document describes.

        Raises:
            AssertionError: If it contradicts itself.
        """
        return Judgement(
            scenario=self.scenario,
            label=self.label,
            bounds=self.bounds,
            assumptions=self.assumptions,
            verdicts=tuple(_verdict(name, each) for name, each in self.properties.items()),
            exercises=self.devices,
        )


def document_of(judgement: Judgement) -> dict[str, object]:
    """Return a judgement as the keys of a JSON object; see `VerdictDocument`."""
    document = VerdictDocument(
        quiesce_verdict=VERDICT_VERSION,
        scenario=judgement.scenario,
        verdict=judgement.headline,
        severity=judgement.severity,
        label=judgement.label,
        bounds=judgement.bounds,
        properties={
            verdict.property: _property(verdict, judgement) for verdict in judgement.verdicts
        },
        devices=judgement.exercises,
        assumptions=judgement.assumptions,
    )
    return msgspec.structs.asdict(document)


def verdict_schema() -> dict[str, object]:
    """Return the JSON Schema of what every command writes about verdicts."""
    schema = msgspec.json.schema(VerdictDocument)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Verdicts of quiesce",
        **schema,
    }


def _property(verdict: Verdict, judgement: Judgement) -> PropertyDocument:
    name = verdict.property
    tested = [each for each in judgement.exercises if name in each.tested]
    return PropertyDocument(
        verdict=verdict.verdict,
        severity=verdict.severity,
        antecedents=verdict.antecedents,
        reason=verdict.reason,
        violation_count=verdict.violation_count,
        exercised_by=tuple(each.device for each in tested),
        violations=verdict.violations,
    )


def read(path: Path) -> Judgement:
    """Return the judgement in the `verdict.json` of a run.

    Raises:
        TraceFormatError: If it is none, or does not agree with itself.
        OSError: If it cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=VerdictDocument).judgement
    except (msgspec.DecodeError, UnicodeDecodeError, AssertionError) as error:
        message = f"not the verdict file of a run: {str(error) or 'it contradicts itself'}"
        problem = Problem(Place(str(path)), message, remedy="run the scenario again")
        raise TraceFormatError([problem]) from None


def encode_origins(origins: dict[str, Place]) -> bytes:
    """Return the bytes of an `origins.json`."""
    return msgspec.json.format(msgspec.json.encode(origins), indent=2) + b"\n"


def read_origins(path: Path) -> dict[str, Place]:
    """Return where the user's files speak of each component; empty if there is no such file.

    Raises:
        TraceFormatError: If it is no `origins.json`.
        OSError: If it cannot be read.
    """
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Place])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = Problem(Place(str(path)), f"not the places of a run: {error}", remedy="delete it")
        raise TraceFormatError([problem]) from None


def _verdict(name: str, found: PropertyDocument) -> Verdict:
    return Verdict(
        property=name,
        verdict=found.verdict,
        severity=found.severity,
        antecedents=found.antecedents,
        reason=found.reason,
        violations=found.violations,
        violation_count=found.violation_count,
    )
