"""Counterexamples that were found by a search: made small, repeated and written to files."""

from pathlib import Path

import msgspec

from ..model.choices import ChoicePoint
from ..model.errors import InputError, Place, Problem
from ..model.plan import SystemPlan
from ..model.system import run
from ..model.trace import Assumption
from ..properties.shrink import Shrunk, shrink, sizes
from ..reports.write import write
from . import replay
from .replay import Recording
from .runner import RunResult, run_recording

__all__ = ["Counterexample", "made_small", "write_counterexample"]


class Counterexample(msgspec.Struct, frozen=True):
    """A run that violates a property, small enough to read.

    Attributes:
        shrunk: What was left of the run.
        result: That run, judged.
    """

    shrunk: Shrunk
    result: RunResult


def made_small(
    plan: SystemPlan,
    choices: tuple[ChoicePoint, ...],
    name: str,
    assumptions: tuple[Assumption, ...],
) -> Counterexample:
    """Return the smallest run that can be found from one that violates a property."""
    shrunk = shrink(plan, choices, name, run)
    chosen = "; ".join((f"found by drawing and shrunk for {name}", *sizes(shrunk)))
    recording = Recording(shrunk.plan, assumptions, chosen, shrunk.choices)
    return Counterexample(shrunk, run_recording(recording))


def write_counterexample(example: Counterexample, folder: Path, *, plot: bool) -> tuple[Path, ...]:
    """Write the report of a counterexample; returns the files.

    Raises:
        InputError: If the folder cannot be written.
    """
    result = example.result
    data = replay.encode(result.recording)
    try:
        return write(folder, result.trace, result.judgement, replay=data, plot=plot)
    except OSError as error:
        message = f"the folder for the results cannot be written: {error.strerror or error}"
        remedy = "name another one with --out"
        raise InputError([Problem(Place(str(folder)), message, remedy=remedy)]) from None
