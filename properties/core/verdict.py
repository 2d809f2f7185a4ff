"""Verdicts: violations, the verdict on one property, and the judgement of a whole run.

A verdict is a value and never an exception.  Four words are possible:

- `holds`: the property's antecedent occurred, and nothing went against the claim;
- `violated`: some record went against it; the verdict names its index in the trace;
- `vacuous`: the antecedent never occurred, so nothing was tested;
- `inconclusive`: something that could still decide the claim was under way at the end of the trace.

A verdict alone does not say how far it reaches. Reports show it only as part of a `Judgement`,
which names its label, its bounds and its assumptions.

The headline of a judgement says more than its worst verdict. It is *holds* only if each device that
can write or interrupt put each central property to the test. If a device stood idle, the headline
is *not exercised*. If only memory or a restart was lost, it is *safe by losing the memory*.
"""

import re
from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from ...model.base.clock import format_ns
from ...model.trace.events import Assumption
from .exercise import CENTRAL, Exercise

Word = Literal["holds", "violated", "vacuous", "inconclusive"]

Headline = Literal["holds", "violated", "withheld", "inconclusive", "not exercised"]
"""What a judgement says in one word; see `Judgement.headline`."""

Severity = Literal[
    "none",
    "unadvised",
    "unfinished",
    "withheld",
    "contained",
    "exposed",
    "spurious",
    "starved",
    "disclosure",
    "stray",
    "corruption",
]

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""How bad a violation is, from harmless to worst.

- `none`: nothing happened;
- `unadvised`: a standard advises against it (SHOULD), and nothing follows from that alone;
- `unfinished`: a quiesce procedure was not carried through, and nothing follows from that alone;
- `withheld`: memory or a restart is lost, and no living part is harmed: the price of safety;
- `contained`: it happened, and the host caught it before it had an effect;
- `exposed`: no write hit anything, but nothing prevented a hit under another timing;
- `spurious`: an interrupt reached a process or VM that it did not belong to;
- `starved`: a living part waits too long, or for ever, for what belongs to it;
- `disclosure`: a device read memory for a VM that had given it up. It is worse than a wait, since
  it cannot be undone. It is better than a write, since it changes nothing that lives;
- `stray`: memory, or a register, that had no owner was changed;
- `corruption`: memory, or a register, of another owner was changed.
"""

COSTS: tuple[Severity, ...] = ("unfinished", "withheld")
"""Severities of violations that lose something and harm no living part: the price of safety."""

HEADLINES: dict[Headline, str] = {
    "holds": "holds",
    "violated": "violated",
    "withheld": "safe by losing the memory",
    "inconclusive": "inconclusive",
    "not exercised": "not exercised",
}
"""Headlines as people read them."""

VIOLATIONS_KEPT = 20
"""How many violations a verdict carries in full; the rest are counted."""

_LABELS = re.compile(r"run|(sampled|swept|searched|counterexample|proved|monitored)\([^()]+\)")
_WORD_OF: dict[Headline, Word] = {
    "holds": "holds",
    "violated": "violated",
    "withheld": "violated",
    "inconclusive": "inconclusive",
    "not exercised": "vacuous",
}
_ORDER: tuple[Word, ...] = ("violated", "inconclusive", "holds", "vacuous")


class Violation(msgspec.Struct, frozen=True):
    """An event that went against a claim.

    Attributes:
        index: Index of the record in the trace that shows it.
        at_ns: Instant of that record.
        message: A sentence for an engineer, without a full stop.
        severity: One of `SEVERITIES`.
        data: The numbers and names in the message, for programs.
    """

    index: int
    at_ns: int
    message: str
    severity: Severity
    data: dict[str, str | int] = {}


class Verdict(msgspec.Struct, frozen=True):
    """What a property says of a trace.

    Attributes:
        property: Name of the property.
        verdict: One of the four words.
        severity: The worst severity of all violations; `none` without any.
        antecedents: How often the property was put to the test.
        reason: Why the verdict has this word, in one sentence.
        violations: The first `VIOLATIONS_KEPT`, in the order of the trace.
        violation_count: How many violations there were.
    """

    property: str
    verdict: Word
    severity: Severity
    antecedents: int
    reason: str
    violations: tuple[Violation, ...] = ()
    violation_count: int = 0

    def __post_init__(self) -> None:
        assert (self.verdict == "violated") == (self.violation_count > 0)
        assert len(self.violations) == min(self.violation_count, VIOLATIONS_KEPT)
        assert self.verdict != "holds" or self.antecedents > 0, "never triggered is vacuous"

    def __str__(self) -> str:
        """Give the name alone; only a `Judgement` may show the word, with what it rests on."""
        return f"verdict on {self.property} (shown by its judgement only)"


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The verdicts on a scenario, with all that limits their meaning.

    Attributes:
        scenario: Name of the scenario.
        label: `run`, `sampled(n)`, `swept(...)`, `monitored(recorded trace)`, or of a search for a
            proof `proved(dense time)`, `counterexample(...)` or `searched(dense time)`.
        bounds: How far the run, search or proof looked, one sentence each; at least one.
        assumptions: What all verdicts take for granted; may be empty only for a recorded trace.
        verdicts: One for each property that was judged; at least one.
        exercises: What each device that can write or interrupt did; empty if that is not known.
    """

    scenario: str
    label: str
    bounds: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    verdicts: tuple[Verdict, ...]
    exercises: tuple[Exercise, ...] = ()

    def __post_init__(self) -> None:
        assert _LABELS.fullmatch(self.label), self.label
        assert self.bounds, "a judgement says how far was looked"
        assert self.verdicts, "a judgement is about at least one property"
        is_proved = self.label.startswith("proved")
        assert not is_proved or self.verdict == "holds", "what is not shown is not called proved"

    @property
    def headline(self) -> Headline:
        """The word for the whole judgement.

        - `violated`: some property is violated, and the loss is more than memory or a restart;
        - `inconclusive`: some property is undecided;
        - `withheld`: nothing but memory or a restart is lost: safe by losing the memory;
        - `not exercised`: some device did not put a central property to the test, or nothing did;
        - `holds`: everything else.
        """
        words = {each.verdict for each in self.verdicts}
        if any(each.verdict == "violated" and not is_cost(each) for each in self.verdicts):
            return "violated"
        if "inconclusive" in words:
            return "inconclusive"
        if self.is_safe_at_a_cost:
            return "withheld" if self.severity == "withheld" else "violated"
        central = {each.verdict for each in self.verdicts if each.property in CENTRAL} or words
        return "not exercised" if central == {"vacuous"} or self.idle else "holds"

    @property
    def verdict(self) -> Word:
        """The word of all verdicts; a violation, an open property or an idle device decides it."""
        return _WORD_OF[self.headline]

    @property
    def idle(self) -> tuple[Exercise, ...]:
        """The devices that did not put to the test a central property that was judged."""
        judged = {verdict.property for verdict in self.verdicts}
        return tuple(each for each in self.exercises if not judged.isdisjoint(each.untested))

    @property
    def is_safe_at_a_cost(self) -> bool:
        """Whether only costs are violated, and nothing is undecided.

        With severity `withheld` the run is *safe by losing* memory or a restart. With `unfinished`
        it is safe although the host did not complete a quiesce procedure.
        """
        violated = [each for each in self.verdicts if each.verdict == "violated"]
        is_open = any(each.verdict == "inconclusive" for each in self.verdicts)
        return bool(violated) and all(map(is_cost, violated)) and not is_open

    @property
    def idle_reasons(self) -> tuple[str, ...]:
        """Why devices did not put a central property to the test, one sentence for each reason."""
        devices: dict[str, list[str]] = {}
        for each in self.idle:
            devices.setdefault(each.reason, []).append(each.device)
        return tuple(f"{', '.join(names)}: {reason}" for reason, names in devices.items())

    @property
    def severity(self) -> Severity:
        """The worst severity of all verdicts."""
        return worst(verdict.severity for verdict in self.verdicts)

    def __str__(self) -> str:
        """Give the whole judgement as plain text: verdicts first, then what they rest on."""
        lines = [f"{self.scenario}: {HEADLINES[self.headline]} [{self.label}]"]
        for verdict in self.verdicts:
            lines.append(f"  {verdict.property}: {verdict.verdict} - {verdict.reason}")
            lines += [f"    #{each.index} {each.message}" for each in verdict.violations]
            left_out = verdict.violation_count - len(verdict.violations)
            if left_out:
                lines.append(f"    and {left_out} more")
        lines += [f"  not exercised: {reason}" for reason in self.idle_reasons]
        lines += [f"  bound: {bound}" for bound in self.bounds]
        lines += [
            f"  assumes: {each.name} = {each.value} ({each.basis})" for each in self.assumptions
        ]
        if not self.assumptions:
            lines.append("  assumes: nothing but the trace")
        return "\n".join(lines)


def is_cost(verdict: Verdict) -> bool:
    """Return whether a verdict is violated and harms no living part: something is lost, no more."""
    return verdict.verdict == "violated" and verdict.severity in COSTS


def worst(severities: Iterable[Severity]) -> Severity:
    """Return the worst of the severities; `none` without any.

    Example:
        >>> worst(["spurious", "stray", "contained"])
        'stray'
    """
    return max(severities, key=SEVERITIES.index, default="none")


def most_alarming(words: Iterable[Word]) -> Word:
    """Return the word that stands for all: `violated`, else `inconclusive`, else `holds`.

    Example:
        >>> most_alarming(["holds", "vacuous", "inconclusive"])
        'inconclusive'
    """
    return min(words, key=_ORDER.index, default="vacuous")


def combined(verdicts: Iterable[Verdict]) -> Verdict:
    """Return one verdict on a property from its verdicts on several traces.

    Antecedents and violations add up. A trace on which the property was vacuous does not weaken the
    others. The index of a violation counts in its own trace.
    """
    parts = tuple(verdicts)
    assert parts, "there is at least one verdict to combine"
    assert len({part.property for part in parts}) == 1, "one property at a time"
    word = most_alarming(part.verdict for part in parts)
    alike = [part for part in parts if part.verdict == word]
    violations = [violation for part in parts for violation in part.violations]
    return Verdict(
        property=parts[0].property,
        verdict=word,
        severity=worst(part.severity for part in parts),
        antecedents=sum(part.antecedents for part in parts),
        reason=f"{word} in {len(alike)} of {len(parts)} runs; first: {alike[0].reason}",
        violations=tuple(violations[:VIOLATIONS_KEPT]),
        violation_count=sum(part.violation_count for part in parts),
    )


def how_late(late_by_ns: int) -> str:
    """Return a distance after an event in words, to be followed by a clause.

    Example:
        >>> how_late(312_400), how_late(0)
        ('312.4us after', 'at the very instant at which')
    """
    return f"{format_ns(late_by_ns)} after" if late_by_ns else "at the very instant at which"
