"""Replay files of runs that hit their bound: they are given up, and must be found again."""

import contextlib
from pathlib import Path

from ...model.base.choices import Choices
from ...model.base.errors import BoundHit
from ...model.machine.system import run
from ...model.plan.system_plan import SystemPlan
from ...model.trace.events import Assumption
from ..resolve import replay
from ..resolve.replay import Recording
from .result_files import write_results

__all__ = ["GIVEN_UP", "write_given_up"]

GIVEN_UP = "given-up.json"
"""The replay file of the first run of a search that hit its bound."""


def write_given_up(
    plan: SystemPlan,
    choices: Choices,
    assumptions: tuple[Assumption, ...],
    chosen: str,
    folder: Path,
) -> Path:
    """Make a run that hits its bound once more, write its replay file and return the path.

    Args:
        plan: What was run.
        choices: Decides as it did then.
        assumptions: What was assumed when the scenario was resolved.
        chosen: How the choices were made, in words.
        folder: For the file.

    Raises:
        InputError: If the folder cannot be written.
    """
    with contextlib.suppress(BoundHit):
        run(plan, choices)
    recording = Recording(plan, assumptions, chosen, tuple(choices.log))
    (path,) = write_results(folder, {GIVEN_UP: replay.encode(recording)})
    return path
