"""`quiesce verify`: run scenarios and compare what they show with what they expect."""

import sys
from collections.abc import Sequence

import msgspec

from ...properties.verdict import Judgement
from ..exit_status import NOTHING_CHECKED, OK, VIOLATED
from ..library import resolved
from ..runner import choices_for, run_scenario
from ..shipped import shipped_names
from ..terminal import VERDICT_STYLES, say, say_json, say_rows, styled


class Comparison(msgspec.Struct, frozen=True):
    """What a scenario showed, next to what it expects.

    Attributes:
        scenario: Its name.
        verdict: The word for all its properties.
        severity: The worst.
        expected: How many expectations it has.
        differences: One sentence for each that did not come true, and for each violation
            that nothing expects.
    """

    scenario: str
    verdict: str
    severity: str
    expected: int
    differences: tuple[str, ...]


def verify_command(words: Sequence[str], *, as_json: bool) -> int:
    """Run the scenarios, all shipped ones if none is named, and compare."""
    words = list(words) or shipped_names()
    comparisons = []
    for number, word in enumerate(words, 1):
        _progress(f"{number}/{len(words)} {word}")
        scenario = resolved(word)
        choices, bound = choices_for()
        result = run_scenario(scenario, choices, bound)
        comparisons.append(compared(result.judgement, scenario.expect))
    _progress("")
    status = _status(comparisons)
    if as_json:
        say_json({"exit_status": status, "scenarios": comparisons})
        return status
    if comparisons:
        rows = [(each.scenario, each.verdict, _in_words(each)) for each in comparisons]
        say_rows(rows, VERDICT_STYLES)
    wrong = sum(bool(each.differences) for each in comparisons)
    right = sum(bool(each.expected) and not each.differences for each in comparisons)
    summary = f"{right} of {len(comparisons)} as expected"
    say(styled(f"{summary}, {wrong} not" if wrong else summary, "bold"))
    return status


def compared(judgement: Judgement, expect: dict[str, str]) -> Comparison:
    """Return the differences between a judgement and what is expected of it."""
    differences = []
    found = {verdict.property: verdict for verdict in judgement.verdicts}
    for name, word in expect.items():
        verdict = found.get(name)
        if verdict is None:
            differences.append(f"{name} should be {word}, but was not judged")
        elif verdict.verdict != word:
            differences.append(
                f"{name} should be {word}, but is {verdict.verdict}: {verdict.reason}"
            )
    for name, verdict in found.items():
        if verdict.verdict == "violated" and name not in expect:
            differences.append(f"{name} is violated, which nothing expects: {verdict.reason}")
    return Comparison(
        scenario=judgement.scenario,
        verdict=judgement.verdict,
        severity=judgement.severity,
        expected=len(expect),
        differences=tuple(differences),
    )


def _status(comparisons: Sequence[Comparison]) -> int:
    if any(each.differences for each in comparisons):
        return VIOLATED
    return OK if any(each.expected for each in comparisons) else NOTHING_CHECKED


def _in_words(comparison: Comparison) -> str:
    if comparison.differences:
        return "; ".join(comparison.differences)
    if not comparison.expected:
        return "has no [expect]"
    severity = "" if comparison.severity == "none" else f" ({comparison.severity})"
    return f"as expected{severity}"


def _progress(text: str) -> None:
    """Show on a terminal how far it has come; an empty text clears the line."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text[:38]}")
        sys.stderr.flush()
