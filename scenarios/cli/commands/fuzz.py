"""`quiesce fuzz`: draw timings, choices and instants of death, and look for violations."""

import sys
from functools import partial

from ....properties.core.verdict import Judgement
from ....properties.search.shrink import sizes
from ....reports.explanation.why import why
from ....reports.summary import print_judgement
from ....reports.verdict_file import document_of as verdict_document
from ...explain.explaining import explain_run
from ...run.campaign import CampaignResult
from ...run.fuzz_campaign import FuzzRequest, FuzzResult, fuzz_scenario
from ...run.given_up import GIVEN_UP
from ...run.run_notes import notes_of_run
from ..output.exit_status import INTERRUPTED, NOTHING_CHECKED, OF_VERDICT, VIOLATED
from ..output.terminal import say, say_json, show_progress


def fuzz_command(request: FuzzRequest, *, as_json: bool, verbose: bool) -> int:
    """Draw runs, print what was found, and return the exit status.

    Args:
        request: What is to be drawn.
        as_json: Whether to print one JSON document.
        verbose: Whether to print every bound and assumption.

    Raises:
        InputError: If the scenario or the folder for the results cannot be used.
    """
    explain = partial(explain_run, is_quick=True, progress=show_progress)
    result = fuzz_scenario(request, explain, show_progress)
    judgement = result.judgement
    if judgement is None:
        return _nothing(result.outcome)
    status = _status(judgement, result.outcome)
    if as_json:
        _print_json(result, judgement, status)
    else:
        _print_text(result, judgement, verbose=verbose)
    return status


def _status(judgement: Judgement, outcome: CampaignResult) -> int:
    if judgement.verdict == "violated" or outcome.campaign.findings:
        return VIOLATED
    return INTERRUPTED if outcome.was_stopped else OF_VERDICT[judgement.verdict]


def _print_text(result: FuzzResult, judgement: Judgement, *, verbose: bool) -> None:
    outcome, _, example, written = result
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
        # One line, however narrow the terminal, so that the user can copy it.
        sys.stdout.write(f"again: {written.command}\n")
        if written.note:
            say(written.note, hang=2)
    names = ", ".join(file.name for file in written.files)
    say(f"written to {written.files[0].parent}: {names}", hang=2)


def _print_json(result: FuzzResult, judgement: Judgement, status: int) -> None:
    outcome, _, example, written = result
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


def _nothing(outcome: CampaignResult) -> int:
    say("no run was finished, so nothing was checked")
    return INTERRUPTED if outcome.was_stopped else NOTHING_CHECKED
