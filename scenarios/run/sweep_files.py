"""The files of a sweep: one document for programs, replays, and the picture of unsafe windows."""

import contextlib
from pathlib import Path

import msgspec

from ...model.base.choices import ChoicePoint, Ordered
from ...model.base.clock import format_ns
from ...model.base.errors import BoundHit
from ...model.machine.system import run
from ...properties.core.verdict import Judgement
from ...properties.search.sweep import SweepTarget
from ...reports.pictures.windows import CauseRow, WindowPicture
from ...reports.verdict_file import document_of as verdict_document
from ..resolve import replay as replays
from ..resolve.replay import Recording
from ..resolve.resolve import ResolvedScenario
from .result_files import write_results
from .swept_cause import SweptCause

__all__ = ["causes_document", "write_sweep"]


def write_sweep(
    judgement: Judgement,
    scenario: ResolvedScenario,
    swept: list[SweptCause],
    folder: Path,
    *,
    plot: bool,
) -> tuple[Path, ...]:
    """Write every file of a sweep, each whole or not at all; returns the files.

    Raises:
        InputError: If the folder cannot be written.
    """
    files: dict[str, bytes] = {"sweep.json": _document(judgement, swept)}
    for each in swept:
        if each.part.first is not None:
            _, at_ns, log = each.part.first
            recording = _recording(scenario, each.target, at_ns, log)
            files[f"replay-{each.target.cause}.json"] = replays.encode(recording)
        if each.part.unfinished is not None:
            files[f"given-up-{each.target.cause}.json"] = _given_up(scenario, each)
    if plot:
        picture = _picture(judgement, swept)
        files |= {"windows.svg": picture.svg(), "windows.png": picture.png()}
    return write_results(folder, files)


def causes_document(swept: list[SweptCause]) -> dict[str, object]:
    """Return what came of each cause, by its name, for programs."""
    return {
        each.target.cause: {
            "points": each.part.points,
            "gaps": each.part.gaps,
            "orders": each.part.orders,
            "instants": each.instants,
            "empty_gaps": each.part.empty_gaps,
            "left_out": each.part.left_out,
            "is_whole": each.is_whole,
            "covered_ns": each.covered_ns,
            "unsafe": each.part.tally.violated,
            "unfinished": each.part.tally.unfinished,
            "windows": each.windows,
        }
        for each in swept
    }


def _recording(
    scenario: ResolvedScenario, target: SweepTarget, at_ns: int, log: tuple[ChoicePoint, ...]
) -> Recording:
    chosen = f"the crash point at {format_ns(at_ns)} of a sweep, nominal timing"
    return Recording(target.ending_at(at_ns), scenario.assumptions, chosen, log)


def _given_up(scenario: ResolvedScenario, swept: SweptCause) -> bytes:
    """Return the replay file of the first crash point whose run was given up."""
    point = swept.part.unfinished
    assert point is not None
    choices = Ordered(point.given)
    with contextlib.suppress(BoundHit):
        run(swept.target.ending_at(point.at_ns), choices)
    return replays.encode(_recording(scenario, swept.target, point.at_ns, tuple(choices.log)))


def _picture(judgement: Judgement, swept: list[SweptCause]) -> WindowPicture:
    rows = [
        CauseRow(
            each.target.cause,
            each.part.points,
            each.part.tally.violated,
            tuple((window.from_ns, window.to_ns, window.severity) for window in each.windows),
            each.covered_ns,
        )
        for each in swept
    ]
    title = f"{judgement.scenario}: for which instants of death it is unsafe"
    return WindowPicture(title, judgement.label, rows, swept[0].target.until_ns)


def _document(judgement: Judgement, swept: list[SweptCause]) -> bytes:
    content = verdict_document(judgement) | {"causes": causes_document(swept)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
