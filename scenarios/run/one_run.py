"""Makes one run of a scenario or of a replay file, judges it, and writes its files."""

import shlex
from collections.abc import Callable
from pathlib import Path

import msgspec

from ...model.base.errors import InputError, Place, Problem
from ...reports.explanation.explanation import Explanation
from ...reports.write import write
from ..resolve import replay
from ..resolve.library import resolved
from .result_files import unwritable
from .runner import ENDS, RunResult, choices_for, run_recording, run_scenario, usual_choices

__all__ = ["Explain", "OneRun", "RunRequest", "UsageProblem", "run_once"]

Explain = Callable[[RunResult], Explanation | None]
"""Returns why the worst violation of a run came about; None if nothing is violated."""


class RunRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run, and where the results go.

    Attributes:
        scenario: The word for it; empty with a replay.
        out: Folder for the results.
        timing: `nominal`, `earliest`, `latest`, or empty.
        seed: For random choices.
        replay: A replay file.
        plot: Whether to draw the timing diagram.
    """

    scenario: str
    out: Path
    timing: str = ""
    seed: int | None = None
    replay: Path | None = None
    plot: bool = True


class OneRun(msgspec.Struct, frozen=True):
    """A run with its explanation and its files.

    Attributes:
        result: The run, judged.
        explanation: Why the worst violation came about; None without violation or explainer.
        folder: Where its files are.
        files: That were written.
    """

    result: RunResult
    explanation: Explanation | None
    folder: Path
    files: tuple[Path, ...]

    @property
    def replay_command(self) -> str:
        """The command that makes the same run again."""
        return f"quiesce run --replay {shlex.quote(str(self.folder / 'replay.json'))}"


class UsageProblem(InputError):
    """Options that do not go together."""


def run_once(request: RunRequest, explain: Explain | None = None) -> OneRun:
    """Make a run, write its files and return it.

    Args:
        request: What is to be run.
        explain: Explains the run; None to leave it unexplained.

    Raises:
        InputError: If anything that was given cannot be used.
    """
    _check_options(request)
    result = _run(request)
    folder = request.out / result.plan.name
    explanation = None if explain is None else explain(result)
    files = _write(result, folder, explanation, plot=request.plot)
    return OneRun(result, explanation, folder, files)


def _check_options(request: RunRequest) -> None:
    """Raise an error for options that contradict each other."""
    message = ""
    if request.replay is not None:
        if request.scenario:
            message = "a replay brings its own scenario; leave the scenario or --replay out"
        elif request.timing or request.seed is not None:
            message = "a replay fixes all choices; leave out --timing and --seed"
    elif not request.scenario:
        message = "no scenario is named; see `quiesce scenarios`"
    elif request.timing not in ("", ENDS) and request.seed is not None:
        message = f"--timing and --seed exclude each other; only --timing {ENDS} takes a seed"
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
    """Write every file of a run, each whole or not at all."""
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
