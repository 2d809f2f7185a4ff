"""Reads back what `write` has written: the judgement in a `verdict.json`."""

from pathlib import Path
from typing import Any

import msgspec

from ..model.errors import Place, Problem, TraceFormatError
from ..model.trace import Assumption
from ..properties.verdict import Judgement, Severity, Verdict, Violation, Word


class _Property(msgspec.Struct, frozen=True):
    verdict: Word
    severity: Severity
    antecedents: int
    reason: str
    violation_count: int
    violations: tuple[Violation, ...]


class _File(msgspec.Struct, frozen=True):
    quiesce_verdict: int
    scenario: str
    label: str
    bounds: tuple[str, ...]
    properties: dict[str, _Property]
    assumptions: tuple[Assumption, ...]
    origins: dict[str, Place] = {}


class VerdictFile(msgspec.Struct, frozen=True):
    """What a `verdict.json` says.

    Attributes:
        judgement: The verdicts and all that limits what they mean.
        origins: Where the user's files speak of each component, if that was known.
    """

    judgement: Judgement
    origins: dict[str, Place]


def read(path: Path) -> VerdictFile:
    """Return what is in the `verdict.json` of a run.

    Raises:
        TraceFormatError: If it is none, or does not agree with itself.
        OSError: If it cannot be read.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        verdicts = tuple(_verdict(name, each) for name, each in file.properties.items())
        judgement = Judgement(
            scenario=file.scenario,
            label=file.label,
            bounds=file.bounds,
            assumptions=file.assumptions,
            verdicts=verdicts,
        )
    except (msgspec.DecodeError, UnicodeDecodeError, AssertionError) as error:
        message = f"not the verdict file of a run: {str(error) or 'it contradicts itself'}"
        problem = Problem(Place(str(path)), message, remedy="run the scenario again")
        raise TraceFormatError([problem]) from None
    return VerdictFile(judgement, file.origins)


def _verdict(name: str, found: _Property) -> Verdict:
    fields: dict[str, Any] = {key: getattr(found, key) for key in found.__struct_fields__}
    return Verdict(property=name, **fields)
