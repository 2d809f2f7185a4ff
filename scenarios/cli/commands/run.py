"""`quiesce run`: one run of a scenario, judged, explained and written to files."""

import shlex
import sys
from pathlib import Path

import msgspec

from ....model.base.errors import InputError, Place, Problem
from ....reports.explanation.explanation import Explanation
from ....reports.explanation.why import why
from ....reports.summary import print_judgement
from ....reports.write import verdict_json, write
from ...explain.explaining import explained
from ...resolve import replay
from ...resolve.library import resolved
from ...run.run_notes import notes_of_run
from ...run.runner import ENDS, RunResult, choices_for, run_recording, run_scenario, usual_choices
from ...run.unwritable import unwritable
from ..output.exit_status import OF_VERDICT
from ..output.terminal import say, say_json, show_progress


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        scenario: The word for it; empty with a replay.
        out: Folder for the results.
        timing: `nominal`, `earliest`, `latest`, or empty.
        seed: For random choices.
        replay: A replay file.
        plot: Whether to draw the timing diagram.
        explain: Whether to look for what would have saved the run.
        json: Whether to write JSON.
        verbose: Whether to show every assumption.
    """

    scenario: str
    out: Path
    timing: str
    seed: int | None
    replay: Path | None
    plot: bool
    json: bool
    verbose: bool
    explain: bool = True


class UsageProblem(InputError):
    """Options that do not go together."""


def run_command(request: RunRequest) -> int:
    """Run, write the files, and tell what was found.

    Raises:
        InputError: If anything that was given cannot be used.
    """
    _check_options(request)
    result = _run(request)
    folder = request.out / result.plan.name
    explanation = explained(result, is_quick=True, tell=show_progress) if request.explain else None
    files = _write(result, folder, explanation, plot=request.plot)
    status = OF_VERDICT[result.judgement.verdict]
    command = f"quiesce run --replay {shlex.quote(str(folder / 'replay.json'))}"
    if request.json:
        verdict = msgspec.json.decode(verdict_json(result.trace, result.judgement))
        verdict["explanation"] = explanation
        paths = [str(file) for file in files]
        say_json(verdict | {"exit_status": status, "replay": command, "files": paths})
    else:
        _tell(result, command, verbose=request.verbose)
        if explanation is not None:
            say()
            say(f"saved by: {explanation.sentences[-2]}", hang=2)
        say()
        say(f"written to {folder}: {', '.join(file.name for file in files)}", hang=2)
    return status


def _check_options(request: RunRequest) -> None:
    """Refuse options that contradict each other."""
    message = ""
    if request.replay is not None:
        if request.scenario:
            message = "a replay brings its own scenario; leave the scenario or --replay out"
        elif request.timing or request.seed is not None:
            message = "a replay has its choices made; leave out --timing and --seed"
    elif not request.scenario:
        message = "no scenario is named; see `quiesce scenarios`"
    elif request.timing not in ("", ENDS) and request.seed is not None:
        message = f"--timing and --seed exclude each other, but for --timing {ENDS}"
    if message:
        raise UsageProblem([Problem(Place("quiesce run"), message)])


def _run(request: RunRequest) -> RunResult:
    if request.replay is not None:
        return run_recording(replay.read(request.replay))
    scenario = resolved(request.scenario)
    if request.timing or request.seed is not None:
        return run_scenario(scenario, *choices_for(request.timing or "nominal", request.seed))
    return run_scenario(scenario, *usual_choices(scenario))


def _write(
    result: RunResult, folder: Path, explanation: Explanation | None, *, plot: bool
) -> tuple[Path, ...]:
    """Write every file of a run; what is there is whole."""
    recording = replay.encode(result.recording)
    try:
        return write(
            folder,
            result.trace,
            result.judgement,
            replay=recording,
            plot=plot,
            origins=result.origins,
            explanation=explanation,
        )
    except OSError as error:
        raise unwritable(folder, error) from None


def _tell(result: RunResult, command: str, *, verbose: bool) -> None:
    """Print the verdicts with all that limits what they mean."""
    if result.plan.description:
        say(result.plan.description)
    reason = why(result.trace, result.judgement)
    print_judgement(result.judgement, why=reason, verbose=verbose)
    for note in notes_of_run(result):
        say(f"note: {note}", hang=2)
    if reason:
        # One line whatever the width of the terminal, so that it can be copied.
        sys.stdout.write(f"replay: {command}\n")
