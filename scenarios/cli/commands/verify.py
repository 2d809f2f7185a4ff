"""`quiesce verify`: run scenarios and compare what they show with what they expect."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from ....model.base.errors import QuiesceError
from ....properties.core.verdict import Judgement
from ....properties.core.worker_pool import results_in_order
from ...format.shipped import shipped_names
from ...resolve.library import resolved
from ...run.runner import run_scenario, usual_choices
from ...run.thorough import ALARMING, run_thoroughly
from ..output.exit_status import BAD_INPUT, NOTHING_CHECKED, OK, VIOLATED
from ..output.terminal import VERDICT_STYLES, say, say_json, say_rows, show_progress, styled

UNUSABLE = "unusable"
"""Stands in place of a verdict where a scenario could not be read or run."""


class VerifyRequest(msgspec.Struct, frozen=True):
    """What the user asked for.

    Attributes:
        words: Scenarios; all shipped ones if empty.
        samples: Timings that are drawn for each scenario, if it is to be tried thoroughly.
        jobs: Processes.
        thorough: Whether the ends of spans are tried as well.
        json: Whether to write JSON.
    """

    words: tuple[str, ...] = ()
    samples: int = 0
    jobs: int = 1
    thorough: bool = False
    json: bool = False


class Comparison(msgspec.Struct, frozen=True):
    """What a scenario showed, next to what it expects.

    Attributes:
        scenario: Its name.
        verdict: The word for all its properties, or `unusable`.
        severity: The worst.
        expected: How many expectations it has.
        differences: One sentence for each that did not come true, and for each alarming
            verdict that nothing expects.
        runs: How many timings were tried.
    """

    scenario: str
    verdict: str
    severity: str
    expected: int
    differences: tuple[str, ...]
    runs: int = 1


def verify_command(request: VerifyRequest) -> int:
    """Run the scenarios, all shipped ones if none is named, and compare."""
    words = list(request.words) or shipped_names()
    comparisons = []
    for number, comparison in enumerate(_comparisons(words, request), 1):
        show_progress(f"{number}/{len(words)} {comparison.scenario}")
        comparisons.append(comparison)
    show_progress("")
    status = _status(comparisons)
    if request.json:
        say_json({"exit_status": status, "scenarios": comparisons})
        return status
    if comparisons:
        rows = [(each.scenario, each.verdict, _in_words(each)) for each in comparisons]
        say_rows(rows, VERDICT_STYLES | {UNUSABLE: "red"})
        _print_differences(comparisons)
    wrong = sum(bool(each.differences) for each in comparisons)
    right = sum(bool(each.expected) and not each.differences for each in comparisons)
    summary = f"{right} of {len(comparisons)} as expected"
    say(styled(f"{summary}, {wrong} not" if wrong else summary, "bold"))
    if request.thorough:
        runs = sum(each.runs for each in comparisons)
        say(f"{runs} runs: the nominal timing and the ends of spans, {request.samples} drawn each")
    return status


def _comparisons(words: list[str], request: VerifyRequest) -> Iterator[Comparison]:
    """Give the comparison of each scenario, in their order."""
    samples = request.samples if request.thorough else -1
    yield from results_in_order(partial(_verified, samples), words, request.jobs)


def _verified(samples: int, word: str) -> Comparison:
    """Return the comparison for one scenario; one that cannot be used does not stop the others.

    Args:
        samples: Drawn timings at the ends of spans; -1 for the nominal timing alone.
        word: For the scenario.
    """
    try:
        scenario = resolved(word)
        result = run_scenario(scenario, *usual_choices(scenario))
    except QuiesceError as error:
        return Comparison(Path(word).stem, UNUSABLE, "none", 0, tuple(str(error).split("\n")))
    comparison = compared(result.judgement, scenario.expect)
    if samples < 0:
        return comparison
    tried = run_thoroughly(scenario, samples)
    return msgspec.structs.replace(
        comparison,
        differences=comparison.differences + tried.differences,
        runs=1 + tried.runs,
    )


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
        if verdict.verdict in ALARMING and name not in expect:
            differences.append(
                f"{name} is {verdict.verdict}, which nothing expects: {verdict.reason}"
            )
    return Comparison(
        scenario=judgement.scenario,
        verdict=judgement.headline,
        severity=judgement.severity,
        expected=len(expect),
        differences=tuple(differences),
    )


def _status(comparisons: Sequence[Comparison]) -> int:
    if any(each.verdict == UNUSABLE for each in comparisons):
        return BAD_INPUT
    if any(each.differences for each in comparisons):
        return VIOLATED
    return OK if any(each.expected for each in comparisons) else NOTHING_CHECKED


def _in_words(comparison: Comparison) -> str:
    if comparison.differences:
        return styled("not as expected", "red")
    if not comparison.expected:
        return "has no [expect]"
    severity = "" if comparison.severity == "none" else f" ({comparison.severity})"
    return f"as expected{severity}"


def _print_differences(comparisons: Sequence[Comparison]) -> None:
    for each in comparisons:
        if each.differences:
            say()
            say(styled(f"{each.scenario}:", "bold"))
        for difference in each.differences:
            say(f"- {difference}", indent=2, hang=2)
    say()
