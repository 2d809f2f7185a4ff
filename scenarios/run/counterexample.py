"""Counterexamples that were found by a search: made small, repeated and written to files.

Besides the report of the run there is an ordinary scenario of the small system, which names the
replay file beside it: it can be run, changed, and kept as a regression.
"""

import shlex
import textwrap
from pathlib import Path

import msgspec

from ...model.base.choices import ChoicePoint
from ...model.machine.system import run
from ...model.plan.system_plan import SystemPlan
from ...model.trace.codec import write_whole
from ...model.trace.events import Assumption
from ...properties.search.shrink import Shrunk, shrink, sizes
from ...reports.explanation.explanation import Explanation
from ...reports.explanation.why import why
from ...reports.write import write
from ..resolve import replay
from ..resolve.as_files import SCENARIO, NotWritten, scenario_files
from ..resolve.replay import Recording
from .result_files import unwritable
from .runner import RunResult, run_recording

__all__ = ["Counterexample", "CounterexampleFiles", "shrunk_counterexample", "write_counterexample"]

REPLAY = "replay.json"
"""What `reports.write` calls the replay file."""


class Counterexample(msgspec.Struct, frozen=True):
    """A run that violates a property, small enough to read.

    Attributes:
        shrunk: What was left of the run.
        result: That run, judged.
    """

    shrunk: Shrunk
    result: RunResult


def shrunk_counterexample(
    plan: SystemPlan,
    choices: tuple[ChoicePoint, ...],
    name: str,
    assumptions: tuple[Assumption, ...],
) -> Counterexample:
    """Return a run that violates a property, shrunk as far as the shrinker can."""
    shrunk = shrink(plan, choices, name, run)
    chosen = "; ".join((f"found by drawing and shrunk for {name}", *sizes(shrunk)))
    recording = Recording(shrunk.plan, assumptions, chosen, shrunk.choices)
    return Counterexample(shrunk, run_recording(recording))


class CounterexampleFiles(msgspec.Struct, frozen=True):
    """The files of a counterexample.

    Attributes:
        files: All of them.
        command: The command that runs it again.
        note: Why there is no scenario file; empty if there is one.
    """

    files: tuple[Path, ...]
    command: str
    note: str = ""


def write_counterexample(
    example: Counterexample, folder: Path, explanation: Explanation | None, *, plot: bool
) -> CounterexampleFiles:
    """Write scenario, replay file and report of a counterexample.

    Args:
        example: What was found.
        folder: Where to write it.
        explanation: Why its run violates the property; None to leave that out.
        plot: Whether to draw the pictures.

    Raises:
        InputError: If the folder cannot be written.
    """
    result = example.result
    data = replay.encode(result.recording)
    texts, note = _scenario_of(example)
    try:
        files = write(
            folder,
            result.trace,
            result.judgement,
            replay=data,
            plot=plot,
            explanation=explanation,
        )
        for name, text in texts.items():
            write_whole(folder / name, text.encode())
    except OSError as error:
        raise unwritable(folder, error) from None
    paths = (*(folder / name for name in texts), *files)
    if note:
        replayed = shlex.quote(str(folder / REPLAY))
        return CounterexampleFiles(paths, f"quiesce run --replay {replayed}", note)
    return CounterexampleFiles(paths, f"quiesce run {shlex.quote(str(folder / SCENARIO))}")


def _scenario_of(example: Counterexample) -> tuple[dict[str, str], str]:
    """Return the texts of the scenario and its configurations, or why there are none."""
    shrunk, result = example.shrunk, example.result
    expect = {
        verdict.property: verdict.verdict
        for verdict in result.judgement.verdicts
        if verdict.verdict in {"violated", "inconclusive"}
    }
    reason = why(result.trace, result.judgement)
    head = "\n".join(
        (
            f"A run that violates {shrunk.property}, found by a search and made small.",
            *(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sizes(shrunk)),
            *textwrap.wrap(reason, 96),
            "",
            f"    quiesce run {SCENARIO}        shows it",
            f"    quiesce verify {SCENARIO}     says whether it is still so",
            "",
            "To keep it as a regression, mend what is wrong in it and adapt [expect].",
        )
    )
    try:
        return scenario_files(shrunk.plan, head=head, replay=REPLAY, expect=expect), ""
    except NotWritten as error:
        return {}, str(error)
