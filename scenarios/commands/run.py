"""`quiesce run`: one run of a scenario, judged, explained and written to files."""

import shlex
from pathlib import Path

import msgspec

from ...model import trace_codec
from ...model.errors import InputError, Place, Problem
from ...model.open_questions import QUESTIONS
from ...model.timing import EVIDENCE
from ...model.trace import Assumption
from ...properties.verdict import Verdict
from ...reports.timing import Picture
from ...reports.why import why
from .. import replay
from ..exit_status import OF_VERDICT
from ..library import resolved
from ..runner import RunResult, choices_for, run_recording, run_scenario
from ..terminal import VERDICT_STYLES, say, say_json, say_rows, styled
from .show import is_set

_DEFAULTS = {*EVIDENCE, *(question.label for question in QUESTIONS)}
"""The names of what every run assumes."""


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        scenario: The word for it; empty with a replay.
        out: Folder for the results.
        timing: `nominal`, `earliest`, `latest`, or empty.
        seed: For random choices.
        replay: A replay file.
        plot: Whether to draw the timing diagram.
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
    files = _write(result, folder, request)
    status = OF_VERDICT[result.judgement.verdict]
    reason = why(result.trace, result.judgement)
    command = f"quiesce run --replay {shlex.quote(str(folder / 'replay.json'))}"
    if request.json:
        say_json(
            {
                "scenario": result.plan.name,
                "exit_status": status,
                "judgement": result.judgement,
                "why": reason,
                "replay": command,
                "replay_sha256": result.trace.header.replay_sha256,
                "files": [str(file) for file in files],
            }
        )
        return status
    _tell(result, verbose=request.verbose)
    if reason:
        say()
        say(f"{styled('why:', 'bold')} {reason}", hang=2)
        # One line whatever the width, to be copied.
        print(f"replay: {command}")
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
    elif request.timing and request.seed is not None:
        message = "--timing and --seed exclude each other"
    if message:
        raise UsageProblem([Problem(Place("quiesce run"), message)])


def _run(request: RunRequest) -> RunResult:
    if request.replay is not None:
        return run_recording(replay.read(request.replay))
    choices, bound = choices_for(request.timing or "nominal", request.seed)
    return run_scenario(resolved(request.scenario), choices, bound)


def _write(result: RunResult, folder: Path, request: RunRequest) -> list[Path]:
    """Write every file of a run; what is there is whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_files(result, folder, plot=request.plot)
    except OSError as error:
        message = f"the folder for the results cannot be written: {error.strerror or error}"
        remedy = "name another one with --out"
        raise InputError([Problem(Place(str(folder)), message, remedy=remedy)]) from None


def _write_files(result: RunResult, folder: Path, *, plot: bool) -> list[Path]:
    trace_codec.write(result.trace, folder / "trace.jsonl")
    replay.write(result.recording, folder / "replay.json")
    verdict = msgspec.json.format(msgspec.json.encode(result.judgement), indent=2)
    trace_codec.write_whole(folder / "verdict.json", verdict + b"\n")
    files = [folder / name for name in ("trace.jsonl", "verdict.json", "replay.json")]
    if plot:
        picture = Picture(result.trace, result.judgement)
        for name, data in (("timing.svg", picture.svg()), ("timing.png", picture.png())):
            trace_codec.write_whole(folder / name, data)
            files.append(folder / name)
    return files


def _tell(result: RunResult, *, verbose: bool) -> None:
    """Print the verdicts with all that limits what they mean."""
    judgement = result.judgement
    say(f"{styled(judgement.scenario, 'bold')}: {result.plan.description}".rstrip(": "))
    word = styled(judgement.verdict, VERDICT_STYLES[judgement.verdict])
    worst = "" if judgement.severity == "none" else f", {judgement.severity}"
    say(f"{word}{worst} [{judgement.label}]")
    say()
    rows = [(each.verdict, each.property, _reason(each)) for each in judgement.verdicts]
    say_rows(rows, VERDICT_STYLES)
    say()
    for bound in judgement.bounds:
        say(f"bound: {bound}", hang=2)
    shown = [each for each in judgement.assumptions if verbose or _is_own(each)]
    for each in shown:
        say(f"assumes: {each.name} = {each.value} ({each.basis})", hang=2)
    hidden = len(judgement.assumptions) - len(shown)
    if hidden:
        say(f"assumes: {hidden} default spans and open questions; --verbose lists them", hang=2)


def _reason(verdict: Verdict) -> str:
    if verdict.violation_count:
        return f"{verdict.violation_count}x {verdict.severity}: {verdict.reason}"
    return verdict.reason


def _is_own(assumption: Assumption) -> bool:
    """Return whether an assumption is of this scenario, not a default of quiesce."""
    return bool(is_set(assumption)) or assumption.name not in _DEFAULTS
