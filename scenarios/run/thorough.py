"""Checks the expectations of a scenario at the ends of its spans as well.

A nominal run misses a mistake that needs a fast write beside a slow read.  So a scenario also runs

- with every delay at its least,
- with every delay at its greatest, and
- with timings in which each delay has one end of its span (`model.choices.Ends`).

The size of the sample fixes its timings, so that each user gets the same result.

What is expected to hold must hold in each of these runs; `vacuous` is no breach, for another timing
need not bring the antecedent about.  A scenario that expects nothing alarming must show nothing
alarming in any of them.  A violation that is expected need not come about in each.
"""

from collections.abc import Iterator

import msgspec

from ...model.base.choices import Choices, Earliest, Ends, Latest
from ...model.base.errors import QuiesceError
from ...properties.core.verdict import Judgement, Verdict
from ..resolve.resolve import ResolvedScenario
from .runner import ENDS, run_scenario

__all__ = ["ALARMING", "ThoroughResult", "run_thoroughly"]

ALARMING = ("violated", "inconclusive")
"""Verdicts that `quiesce verify` reports unless the scenario expects them."""


class ThoroughResult(msgspec.Struct, frozen=True):
    """The result of running a scenario at the ends of its spans.

    Attributes:
        runs: How many timings were tried.
        differences: One sentence for each property that some timing broke, with the first of them.
    """

    runs: int = 0
    differences: tuple[str, ...] = ()


def run_thoroughly(scenario: ResolvedScenario, samples: int) -> ThoroughResult:
    """Run a scenario at the ends of its spans and return what breaks its expectations.

    A scenario that repeats a recorded run has no other timing, and one that expects nothing to hold
    has nothing to break; neither is run.

    Args:
        scenario: With its expectations.
        samples: Timings that are drawn, besides the least and the greatest of all.
    """
    if scenario.recorded is not None or "holds" not in scenario.expect.values():
        return ThoroughResult()
    first: dict[str, tuple[str, str]] = {}
    counts: dict[str, int] = {}
    runs = 0
    for option, choices in _timings(samples):
        runs += 1
        for name, what in _breaches(scenario, choices):
            first.setdefault(name, (option, what))
            counts[name] = counts.get(name, 0) + 1
    name_of_scenario = scenario.plan.name
    return ThoroughResult(
        runs,
        tuple(
            f"{name} {what}, in {counts[name]} of {runs} timings at the ends of spans; again: "
            f"quiesce run {name_of_scenario} {option}"
            for name, (option, what) in first.items()
        ),
    )


def _timings(samples: int) -> Iterator[tuple[str, Choices]]:
    """Give the choices of each timing, and the options that repeat it."""
    yield "--timing earliest", Earliest()
    yield "--timing latest", Latest()
    for seed in range(samples):
        yield f"--timing {ENDS} --seed {seed}", Ends(seed)


def _breaches(scenario: ResolvedScenario, choices: Choices) -> Iterator[tuple[str, str]]:
    """Give each property that breaks an expectation in one run, and how."""
    try:
        judgement: Judgement = run_scenario(scenario, choices, "an end of each span").judgement
    except QuiesceError as error:
        yield "the run", f"cannot be judged: {error}"
        return
    is_clean = not any(word in ALARMING for word in scenario.expect.values())
    for verdict in judgement.verdicts:
        if _is_breach(verdict, scenario.expect.get(verdict.property), is_clean=is_clean):
            expected = "should hold" if verdict.property in scenario.expect else "is not expected"
            yield verdict.property, f"{expected}, but is {verdict.verdict}: {verdict.reason}"


def _is_breach(verdict: Verdict, expected: str | None, *, is_clean: bool) -> bool:
    if verdict.verdict not in ALARMING:
        return False
    if expected is None:
        return is_clean
    return expected == "holds"
