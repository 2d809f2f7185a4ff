"""`quiesce explain`: why a run went wrong, and the smallest change that would have saved it."""

from pathlib import Path

import msgspec

from ....model.base.errors import InputError, Place, Problem
from ....reports.explanation.explanation import Explanation
from ....reports.write import explanation_files
from ...explain.explaining import explain_run
from ...resolve import replay
from ...resolve.library import resolved
from ...run.result_files import write_results
from ...run.runner import ENDS, RunResult, choices_for, run_recording, run_scenario
from ..output.exit_status import OF_VERDICT
from ..output.terminal import say, say_json, show_progress

REPLAY = "replay.json"


class ExplainRequest(msgspec.Struct, frozen=True):
    """What the user asked for.

    Attributes:
        word: A folder, a replay file, or the word for a scenario.
        out: Folder for the results of a scenario.
        timing: `nominal`, `earliest`, `latest`, `ends`, or empty.
        seed: For random choices.
        plot: Whether to draw the graph of causes.
        json: Whether to write JSON.
    """

    word: str
    out: Path
    timing: str = ""
    seed: int | None = None
    plot: bool = True
    json: bool = False


def explain_command(request: ExplainRequest) -> int:
    """Explain the worst violation of a run.

    Raises:
        InputError: If anything that was given cannot be used.
    """
    result, folder = run_of(request.word, request.out, request.timing, request.seed)
    explanation = explain_run(result, progress=show_progress)
    files = () if explanation is None else _write(explanation, result, folder, request)
    status = OF_VERDICT[result.judgement.verdict]
    if request.json:
        paths = [str(file) for file in files]
        say_json({"exit_status": status, "explanation": explanation, "files": paths})
        return status
    if explanation is None:
        say(f"{result.plan.name}: nothing is violated, so there is nothing to explain")
        return status
    say(f"{result.plan.name}: {explanation.property} is violated ({explanation.severity})")
    say()
    for sentence in explanation.sentences:
        say(sentence)
    say()
    say(f"written to {folder}: {', '.join(file.name for file in files)}", hang=2)
    return status


def run_of(
    word: str, out: Path, timing: str = "", seed: int | None = None
) -> tuple[RunResult, Path]:
    """Return the run that a word means, and the folder where its reports go.

    Args:
        word: A folder with a `replay.json`, such a file, or the word for a scenario.
        out: Where the folders of scenarios are.
        timing: For a scenario: `nominal`, `earliest`, `latest`, or empty.
        seed: For a scenario: for random choices.

    Raises:
        InputError: If there is no such run, or the options do not go together.
    """
    path = Path(word)
    file = path / REPLAY if path.is_dir() else path
    if timing not in ("", ENDS) and seed is not None:
        message = f"--timing and --seed exclude each other; only --timing {ENDS} takes a seed"
        raise InputError([Problem(Place(word), message)])
    if path.is_dir() or path.suffix == ".json":
        if timing or seed is not None:
            message = "a replay fixes all choices; leave out --timing and --seed"
            raise InputError([Problem(Place(word), message)])
        return run_recording(replay.read(file)), file.parent
    result = run_scenario(resolved(word), *choices_for(timing or "nominal", seed))
    return result, out / result.plan.name


def _write(
    explanation: Explanation, result: RunResult, folder: Path, request: ExplainRequest
) -> tuple[Path, ...]:
    files = explanation_files(explanation, result.plan.name, plot=request.plot)
    files[REPLAY] = replay.encode(result.recording)
    return write_results(folder, files)
