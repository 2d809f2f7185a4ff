"""The contents of a page, as plain data; the command that has the run collects them."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from ...model.trace.events import Trace
from ...properties.core.verdict import Judgement, Severity, Word
from ..explanation.explanation import Explanation

__all__ = ["ChoiceRow", "CrashPoint", "CrashStrip", "HtmlReport"]


class ChoiceRow(msgspec.Struct, frozen=True):
    """The answers of a run to the choices of one label.

    Attributes:
        label: Label of the choice.
        kind: `delay` (nanoseconds above the least of its span) or `option`.
        asked: How often.
        answers: What was answered, in words.
    """

    label: str
    kind: Literal["delay", "option"]
    asked: int
    answers: str


class CrashPoint(msgspec.Struct, frozen=True):
    """The result of a death inside a gap.

    Attributes:
        from_ns: Instant before the gap.
        to_ns: Instant after it.
        at_ns: The instant of death that was tried, in the middle of the gap.
        verdict: The word for all properties.
        severity: The worst severity.
        properties: Names of the violated properties.
        first_ns: Instant of the first violation of the worst severity; -1 without any.
        first: The message of that violation; empty without any.
    """

    from_ns: int
    to_ns: int
    at_ns: int
    verdict: Word
    severity: Severity
    properties: tuple[str, ...] = ()
    first_ns: int = -1
    first: str = ""


class CrashStrip(msgspec.Struct, frozen=True):
    """Deaths by one cause, tried over a run at nominal timing.

    Attributes:
        vm: Name of the VM that dies.
        cause: Name of the termination cause.
        until_ns: The last instant at which the end may begin.
        gaps: How many gaps there are in which a death could be tried.
        points: Those that were tried, in the order of time.
    """

    vm: str
    cause: str
    until_ns: int
    gaps: int
    points: tuple[CrashPoint, ...]


class HtmlReport(msgspec.Struct, frozen=True, kw_only=True):
    """A run and what there is to say about it.

    Attributes:
        trace: What happened.
        judgement: What was found in it.
        choices: What the run chose, label by label; empty if that is not known.
        crashes: What comes of other instants of death; None if that was not tried.
        no_crashes: Why not, in a sentence; empty if it was.
        explanation: Why the worst violation came about, if something is violated.
        replay: What to type to see the run again; empty if there is no such thing.
        files: Where the user's files speak of components: name and place.
        proof: Pictures of a proof of the same scenario, as SVG files, each with what it shows.
    """

    trace: Trace
    judgement: Judgement
    choices: Sequence[ChoiceRow] = ()
    crashes: CrashStrip | None = None
    no_crashes: str = ""
    explanation: Explanation | None = None
    replay: str = ""
    files: Sequence[tuple[str, str]] = ()
    proof: Sequence[tuple[str, bytes]] = ()
