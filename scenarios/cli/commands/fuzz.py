"""`quiesce fuzz`: draw timings, choices and instants of death, and look for violations."""

import sys
from pathlib import Path

import msgspec

from ....model.base.choices import Biased
from ....model.machine.system import header_of
from ....model.trace.codec import write_whole
from ....properties.core.durations import Durations
from ....properties.core.verdict import Judgement
from ....properties.registry import PROPERTIES
from ....properties.search.fuzz import Campaign, Finding, Search, confidence
from ....properties.search.shrink import sizes
from ....reports.explanation.why import why
from ....reports.summary import print_judgement
from ....reports.verdict_file import document_of as verdict_document
from ...explain.counterexample import Counterexample, Written, made_small, write_counterexample
from ...resolve.library import resolved
from ...resolve.resolve import Resolved
from ...run.campaign import Effort, Outcome, carry_out
from ...run.given_up import GIVEN_UP, write_given_up
from ...run.run_notes import notes_of_run
from ...run.unwritable import unwritable
from ..output.distributions import durations_json, write_durations
from ..output.exit_status import INTERRUPTED, NOTHING_CHECKED, OF_VERDICT, VIOLATED
from ..output.terminal import say, say_json, show_progress

DATABASE = Path(".hypothesis") / "quiesce"
"""Where campaigns are remembered, next to what Hypothesis itself keeps."""

EXAMPLES = 1_000
"""Runs, if neither a number nor a time is given."""


class FuzzRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

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
        json: Whether to write JSON.
        verbose: Whether to show every assumption.
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
    json: bool = False
    verbose: bool = False


def fuzz_command(request: FuzzRequest) -> int:
    """Search, make the worst finding small, and tell what came out.

    Raises:
        InputError: If the scenario or the folder for the results cannot be used.
    """
    scenario = resolved(request.scenario)
    search = Search(scenario.plan, seed=request.seed, moves_end=not request.fixed_end)
    outcome = carry_out(search, _effort(request), _show)
    _clear()
    folder = request.out / scenario.plan.name / "fuzz"
    example = _example(outcome.campaign, scenario)
    written = Written((), "")
    if example is not None:
        written = write_counterexample(example, folder, plot=request.plot, tell=show_progress)
    if not outcome.campaign.tally.runs:
        return _nothing(outcome)
    judgement = _judgement(scenario, request, outcome)
    durations = outcome.campaign.durations
    made = [_write_campaign(judgement, durations, folder)]
    if request.plot and durations.count:
        made += write_durations(durations, judgement, scenario.plan.teardown_ns_max, folder)
    made += _write_unfinished(outcome.campaign, scenario, folder)
    written = msgspec.structs.replace(written, files=(*written.files, *made))
    status = _status(judgement, outcome)
    if request.json:
        _tell_json(judgement, outcome, example, written, status)
    else:
        _tell(judgement, outcome, example, written, verbose=request.verbose)
    return status


def _effort(request: FuzzRequest) -> Effort:
    examples = request.examples
    if examples is None:
        examples = 0 if request.seconds is not None else EXAMPLES
    database = None if request.forget else DATABASE
    return Effort(examples, request.seconds or 0, request.jobs, database)


def _example(campaign: Campaign, scenario: Resolved) -> Counterexample | None:
    """Make the finding that matters most small."""
    findings = list(campaign.findings.values())
    if not findings:
        return None
    order = list(PROPERTIES)

    def importance(finding: Finding) -> tuple[int, int]:
        return order.index(finding.properties[0]), len(finding.choices)

    worst = min(findings, key=importance)
    show_progress("making the counterexample small")
    example = made_small(worst.plan, worst.choices, worst.properties[0], scenario.assumptions)
    _clear()
    return example


def _judgement(scenario: Resolved, request: FuzzRequest, outcome: Outcome) -> Judgement:
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
    path = folder / "campaign.json"
    content = {
        **verdict_document(judgement),
        "teardown_durations": durations_json(durations),
    }
    try:
        write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    except OSError as error:
        raise unwritable(folder, error) from None
    return path


def _write_unfinished(campaign: Campaign, scenario: Resolved, folder: Path) -> list[Path]:
    """Write the replay file of the first run that was given up, if there is one.

    The run is made once more: its answers fill megabytes and do not stay in the campaign.
    """
    unfinished = campaign.unfinished
    if unfinished is None:
        return []
    show_progress("recording the run that was given up")
    chosen = f"found by drawing; given up: {unfinished.reason}"
    choices = Biased(unfinished.data)
    path = write_given_up(unfinished.plan, choices, scenario.assumptions, chosen, folder)
    _clear()
    return [path]


def _status(judgement: Judgement, outcome: Outcome) -> int:
    if judgement.verdict == "violated" or outcome.campaign.findings:
        return VIOLATED
    return INTERRUPTED if outcome.was_stopped else OF_VERDICT[judgement.verdict]


def _tell(
    judgement: Judgement,
    outcome: Outcome,
    example: Counterexample | None,
    written: Written,
    *,
    verbose: bool,
) -> None:
    tally = outcome.campaign.tally
    reason = why(example.result.trace, example.result.judgement) if example else ""
    print_judgement(judgement, why=reason, verbose=verbose)
    new = tally.runs - outcome.resumed
    rate = round(new / outcome.seconds) if outcome.seconds else 0
    say(f"{tally.violated} of {tally.runs} runs violate something; {rate} runs/s", hang=2)
    unfinished = outcome.campaign.unfinished
    if unfinished is not None:
        given_up = f"{tally.unfinished} of {tally.runs} runs were given up and show nothing"
        say(f"{given_up}; the first: {unfinished.reason} ({GIVEN_UP})", hang=2)
    if example:
        say(
            f"counterexample: {example.shrunk.property}, {'; '.join(sizes(example.shrunk))}", hang=2
        )
        for note in notes_of_run(example.result):
            say(f"note: {note}", hang=2)
        # One line whatever the width of the terminal, so that it can be copied.
        sys.stdout.write(f"again: {written.command}\n")
        if written.note:
            say(written.note, hang=2)
    names = ", ".join(file.name for file in written.files)
    say(f"written to {written.files[0].parent}: {names}", hang=2)


def _tell_json(
    judgement: Judgement,
    outcome: Outcome,
    example: Counterexample | None,
    written: Written,
    status: int,
) -> None:
    tally = outcome.campaign.tally
    document: dict[str, object] = {
        "exit_status": status,
        **verdict_document(judgement),
        "runs": tally.runs,
        "resumed": outcome.resumed,
        "violated": tally.violated,
        "unfinished": tally.unfinished,
        "first_unfinished": getattr(outcome.campaign.unfinished, "reason", None),
        "was_stopped": outcome.was_stopped,
        "files": [str(file) for file in written.files],
    }
    if example:
        shrunk = example.shrunk
        document["counterexample"] = {
            "property": shrunk.property,
            "is_minimal": shrunk.is_minimal,
            "events": shrunk.events,
            "events_from_last_submit": shrunk.events_to_read,
            "again": written.command,
            "note": written.note,
        }
    say_json(document)


def _nothing(outcome: Outcome) -> int:
    say("no run was finished, so nothing was checked")
    return INTERRUPTED if outcome.was_stopped else NOTHING_CHECKED


def _show(campaign: Campaign, seconds: float) -> None:
    runs, violated = campaign.tally.runs, campaign.tally.violated
    show_progress(f"{runs} runs, {violated} violated, {round(runs / max(seconds, 1e-9))} runs/s")


def _clear() -> None:
    show_progress("")
