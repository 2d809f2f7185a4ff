"""Draws many runs of a scenario, shrinks the worst violation, and writes the results."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from ...model.base.choices import Biased
from ...model.machine.system import header_of
from ...properties.core.durations import Durations
from ...properties.core.verdict import Judgement
from ...properties.registry import PROPERTIES
from ...properties.search.fuzz import Campaign, FuzzTask, FuzzViolation, confidence
from ...reports.verdict_file import document_of as verdict_document
from ..resolve.library import resolved
from ..resolve.resolve import ResolvedScenario
from .campaign import CampaignResult, Effort, carry_out
from .counterexample import (
    Counterexample,
    CounterexampleFiles,
    shrunk_counterexample,
    write_counterexample,
)
from .duration_files import durations_json, write_durations
from .given_up import write_given_up
from .one_run import Explain
from .progress import ReportProgress
from .result_files import write_results

__all__ = ["FuzzRequest", "FuzzResult", "fuzz_scenario"]

DATABASE = Path(".hypothesis") / "quiesce"
"""Folder of the database of campaigns, next to the one of Hypothesis."""

EXAMPLES = 1_000
"""Runs, if neither a number nor a time is given."""


class FuzzRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be drawn, how often, and where the results go.

    Attributes:
        scenario: The word for it.
        out: Folder for the results.
        examples: How many runs, or None.
        seconds: How long, or None.
        seed: Of the campaign.
        jobs: Processes.
        fixed_end: Whether the instant of death stays as the scenario has it.
        forget: Whether to neither use nor keep what earlier campaigns found.
        plot: Whether to draw the counterexample.
    """

    scenario: str
    out: Path
    examples: int | None = None
    seconds: int | None = None
    seed: int = 0
    jobs: int = 1
    fixed_end: bool = False
    forget: bool = False
    plot: bool = True


class FuzzResult(NamedTuple):
    """A campaign, its judgement and its files.

    Attributes:
        outcome: The campaign, with its counts and its effort.
        judgement: What the properties say of the drawn runs; None if no run was finished.
        example: The worst finding, made small; None if nothing was violated.
        written: The files, and how to run the counterexample again.
    """

    outcome: CampaignResult
    judgement: Judgement | None
    example: Counterexample | None
    written: CounterexampleFiles


def fuzz_scenario(request: FuzzRequest, explain: Explain, progress: ReportProgress) -> FuzzResult:
    """Draw runs until the request is met, write the files and return what was found.

    Args:
        request: What is to be drawn.
        explain: Explains the run of the counterexample.
        progress: Called with a line about how far the search has come; an empty line at its end.

    Raises:
        InputError: If the scenario or the folder for the results cannot be used.
    """
    scenario = resolved(request.scenario)
    search = FuzzTask(scenario.plan, seed=request.seed, moves_end=not request.fixed_end)

    def show(campaign: Campaign, seconds: float) -> None:
        progress(_progress_in_words(campaign, seconds))

    outcome = carry_out(search, _effort(request), show)
    progress("")
    folder = request.out / scenario.plan.name / "fuzz"
    example = _example(outcome.campaign, scenario, progress)
    written = CounterexampleFiles((), "")
    if example is not None:
        explanation = explain(example.result)
        written = write_counterexample(example, folder, explanation, plot=request.plot)
    if not outcome.campaign.tally.runs:
        return FuzzResult(outcome, None, example, written)
    judgement = _judgement(scenario, request, outcome)
    durations = outcome.campaign.durations
    made = [_write_campaign(judgement, durations, folder)]
    if request.plot and durations.count:
        made += write_durations(durations, judgement, scenario.plan.teardown_ns_max, folder)
    made += _write_unfinished(outcome.campaign, scenario, folder, progress)
    written = msgspec.structs.replace(written, files=(*written.files, *made))
    return FuzzResult(outcome, judgement, example, written)


def _effort(request: FuzzRequest) -> Effort:
    examples = request.examples
    if examples is None:
        examples = 0 if request.seconds is not None else EXAMPLES
    database = None if request.forget else DATABASE
    return Effort(examples, request.seconds or 0, request.jobs, database)


def _example(
    campaign: Campaign, scenario: ResolvedScenario, progress: ReportProgress
) -> Counterexample | None:
    """Shrink the most important violation and return it; None if there is none."""
    findings = list(campaign.findings.values())
    if not findings:
        return None
    order = list(PROPERTIES)

    def importance(finding: FuzzViolation) -> tuple[int, int]:
        return order.index(finding.properties[0]), len(finding.choices)

    worst = min(findings, key=importance)
    progress("making the counterexample small")
    example = shrunk_counterexample(
        worst.plan, worst.choices, worst.properties[0], scenario.assumptions
    )
    progress("")
    return example


def _judgement(
    scenario: ResolvedScenario, request: FuzzRequest, outcome: CampaignResult
) -> Judgement:
    tally = outcome.campaign.tally
    end = "as the scenario has it" if request.fixed_end else "drawn in one half of the runs"
    first = (
        f"{tally.runs} runs with drawn delays and open questions, seed {request.seed}; the "
        f"instant of the first end is {end}"
    )
    bounds = [first]
    if not tally.violated:
        bounds.append(confidence(tally.runs))
    if outcome.resumed:
        bounds.append(f"{outcome.resumed} of them were made by an earlier campaign")
    if outcome.was_stopped:
        bounds.append("stopped by the user; the verdict is on the runs up to then")
    return Judgement(
        scenario=scenario.plan.name,
        label=f"sampled({tally.runs})",
        bounds=tuple(bounds),
        assumptions=scenario.assumptions + header_of(scenario.plan).assumptions,
        verdicts=tally.verdicts(),
        exercises=tally.exercises,
    )


def _write_campaign(judgement: Judgement, durations: Durations, folder: Path) -> Path:
    content = {
        **verdict_document(judgement),
        "teardown_durations": durations_json(durations),
    }
    data = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
    (path,) = write_results(folder, {"campaign.json": data})
    return path


def _write_unfinished(
    campaign: Campaign, scenario: ResolvedScenario, folder: Path, progress: ReportProgress
) -> list[Path]:
    """Write the replay file of the first run that was given up, if there is one.

    The run is made once more: its answers fill megabytes and do not stay in the campaign.
    """
    unfinished = campaign.unfinished
    if unfinished is None:
        return []
    progress("recording the run that was given up")
    chosen = f"found by drawing; given up: {unfinished.reason}"
    choices = Biased(unfinished.data)
    path = write_given_up(unfinished.plan, choices, scenario.assumptions, chosen, folder)
    progress("")
    return [path]


def _progress_in_words(campaign: Campaign, seconds: float) -> str:
    runs, violated = campaign.tally.runs, campaign.tally.violated
    return f"{runs} runs, {violated} violated, {round(runs / max(seconds, 1e-9))} runs/s"
