"""`quiesce run`: one run of a scenario, judged, explained and written to files."""

import sys
from functools import partial

import msgspec

from ....reports.explanation.why import why
from ....reports.summary import print_judgement
from ....reports.write import verdict_json
from ...explain.explaining import explain_run
from ...run.one_run import OneRun, RunRequest, run_once
from ...run.run_notes import notes_of_run
from ...run.runner import RunResult
from ..output.exit_status import OF_VERDICT
from ..output.terminal import say, say_json, show_progress


def run_command(request: RunRequest, *, explain: bool, as_json: bool, verbose: bool) -> int:
    """Make a run, print what was found, and return the exit status.

    Args:
        request: What is to be run.
        explain: Whether to look for what would have saved the run.
        as_json: Whether to print one JSON document.
        verbose: Whether to print every bound and assumption.

    Raises:
        InputError: If anything that was given cannot be used.
    """
    explainer = partial(explain_run, is_quick=True, progress=show_progress) if explain else None
    run = run_once(request, explainer)
    status = OF_VERDICT[run.result.judgement.verdict]
    if as_json:
        _print_json(run, status)
        return status
    _print_text(run.result, run.replay_command, verbose=verbose)
    if run.explanation is not None:
        say()
        say(f"saved by: {run.explanation.sentences[-2]}", hang=2)
    say()
    say(f"written to {run.folder}: {', '.join(file.name for file in run.files)}", hang=2)
    return status


def _print_json(run: OneRun, status: int) -> None:
    verdict = msgspec.json.decode(verdict_json(run.result.trace, run.result.judgement))
    verdict["explanation"] = run.explanation
    paths = [str(file) for file in run.files]
    say_json(verdict | {"exit_status": status, "replay": run.replay_command, "files": paths})


def _print_text(result: RunResult, command: str, *, verbose: bool) -> None:
    """Print the verdicts with all that limits what they mean."""
    if result.plan.description:
        say(result.plan.description)
    reason = why(result.trace, result.judgement)
    print_judgement(result.judgement, why=reason, verbose=verbose)
    for note in notes_of_run(result):
        say(f"note: {note}", hang=2)
    if reason:
        # One line, however narrow the terminal, so that the user can copy it.
        sys.stdout.write(f"replay: {command}\n")
