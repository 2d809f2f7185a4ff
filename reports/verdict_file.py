"""Reads back what `write` has written: the judgement of a run, and the places of its components."""

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


def read(path: Path) -> Judgement:
    """Return the judgement in the `verdict.json` of a run.

    Raises:
        TraceFormatError: If it is none, or does not agree with itself.
        OSError: If it cannot be read.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        verdicts = tuple(_verdict(name, each) for name, each in file.properties.items())
        return Judgement(
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


def _verdict(name: str, found: _Property) -> Verdict:
    fields: dict[str, Any] = {key: getattr(found, key) for key in found.__struct_fields__}
    return Verdict(property=name, **fields)
