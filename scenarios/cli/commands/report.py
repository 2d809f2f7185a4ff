"""`quiesce report`: a run as one HTML file."""

import shlex
from pathlib import Path

import msgspec

from .... import __version__
from ....model.base.errors import InputError, Place, Problem, TraceFormatError
from ....model.plan.system_plan import SystemPlan
from ....model.trace import codec
from ....model.trace.events import Trace
from ....properties.core.verdict import Judgement
from ....reports import verdict_file
from ....reports.explanation.explanation import Explanation, explain
from ....reports.html.content import CrashStrip, HtmlReport
from ....reports.html.page import page
from ...explain.explaining import explain_run
from ...resolve import replay
from ...resolve.library import files_of, resolved
from ...run.crash_points import crash_strip, target_of
from ...run.runner import choices_for, run_scenario
from ..output.choice_rows import choice_rows
from ..output.exit_status import OK
from ..output.terminal import say, say_json, show_progress

_ANEW = "run `quiesce explain` on the folder"

POINTS_MAX = 200
RECORDS_MAX = 40_000
"""Bound on the records of all deaths that a page tries without --points."""


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        run: Folder of a run, or a word for a scenario.
        out: Folder for the file; None for the folder of the run itself, or `out`.
        points: At most so many instants of death; 0 for none, None for what takes about a second.
        json: Whether to write JSON.
    """

    run: str
    out: Path | None
    points: int | None
    json: bool


def report_command(request: ReportRequest) -> int:
    """Write the page.

    Raises:
        InputError: If the run or the folder for the file cannot be used.
    """
    folder = Path(request.run)
    report = _of_folder(folder, request) if folder.is_dir() else _of_scenario(request)
    path = _path(folder, report, request)
    try:
        codec.write_whole(path, page(report, __version__).encode())
    except OSError as error:
        message = f"the file cannot be written: {error.strerror or error}"
        problem = Problem(Place(str(path)), message, remedy="name another folder with --out")
        raise InputError([problem]) from None
    if request.json:
        say_json({"files": [str(path)]})
    else:
        say(str(path))
    return OK


def _path(folder: Path, report: HtmlReport, request: ReportRequest) -> Path:
    if request.out is None and folder.is_dir():
        return folder / "report.html"
    return (request.out or Path("out")) / report.trace.header.scenario / "report.html"


def _of_scenario(request: ReportRequest) -> HtmlReport:
    """Return the nominal run of a scenario."""
    result = run_scenario(resolved(request.run), *choices_for())
    crashes, no_crashes = _crashes(result.plan, _points(request, result.trace))
    return HtmlReport(
        trace=result.trace,
        judgement=result.judgement,
        choices=choice_rows(result.recording.choices),
        crashes=crashes,
        no_crashes=no_crashes,
        explanation=explain_run(result, is_quick=True, progress=show_progress),
        replay=f"quiesce run {shlex.join(files_of(request.run))}",
        files=_files(result.origins),
    )


def _of_folder(folder: Path, request: ReportRequest) -> HtmlReport:
    """Return the run in a folder; the page names the files that are missing."""
    for name in ("trace.jsonl", "verdict.json"):
        if not (folder / name).is_file():
            message = f"there is no {name} in it, so it is not the folder of a run"
            problem = Problem(Place(str(folder)), message, remedy="see `quiesce run --out`")
            raise InputError([problem])
    path = folder / "replay.json"
    recording = replay.read(path) if path.is_file() else None
    trace = codec.read(folder / "trace.jsonl")
    judgement = verdict_file.read(folder / "verdict.json")
    crashes = None
    no_crashes = "There is no replay file beside the trace, so the system is not known."
    if recording is not None:
        crashes, no_crashes = _crashes(recording.plan, _points(request, trace))
    return HtmlReport(
        trace=trace,
        judgement=judgement,
        explanation=_explanation(folder, trace, judgement),
        choices=choice_rows(recording.choices) if recording else (),
        crashes=crashes,
        no_crashes=no_crashes,
        replay=f"quiesce run --replay {shlex.quote(str(path))}" if recording else "",
        files=_files(verdict_file.read_origins(folder / "origins.json")),
        proof=_proof(folder),
    )


def _proof(folder: Path) -> list[tuple[str, bytes]]:
    """Return the pictures that a proof has left beside a run, or beside its counterexample."""
    inner = folder / "prove"
    captions = {
        "margins.svg": "How close each device comes to going wrong",
        "windows.svg": "For which instants of its end it is unsafe",
    }
    beside = inner if inner.is_dir() else folder
    files = [(caption, beside / name) for name, caption in captions.items()]
    return [(caption, file.read_bytes()) for caption, file in files if file.is_file()]


def _explanation(folder: Path, trace: Trace, judgement: Judgement) -> Explanation | None:
    """Return the explanation in the folder of a run, or else what the trace alone shows.

    Raises:
        TraceFormatError: If what is there is none, or is about another trace.
    """
    path = folder / "explanation.json"
    if not path.is_file():
        return explain(trace, judgement)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Explanation)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = Problem(Place(str(path)), f"not an explanation: {error}", remedy=_ANEW)
        raise TraceFormatError([problem]) from None
    if max(node.index for node in found.slice.nodes) >= len(trace.records):
        problem = Problem(Place(str(path)), "it explains another trace", remedy=_ANEW)
        raise TraceFormatError([problem])
    return found


def _points(request: ReportRequest, trace: Trace) -> int:
    """Return how many deaths to try; the same for the same run on any machine."""
    if request.points is not None:
        return request.points
    return max(min(POINTS_MAX, RECORDS_MAX // max(len(trace.records), 1)), 1)


def _crashes(plan: SystemPlan, points: int) -> tuple[CrashStrip | None, str]:
    """Return what comes of other instants of death, or why that was not tried."""
    if not points:
        return None, "No other instant was tried, as was asked for."
    target = target_of(plan)
    if target is None:
        return None, "The VM ends before its guest runs, so there is no other instant to try."
    return crash_strip(target, points), ""


def _files(origins: dict[str, Place]) -> list[tuple[str, str]]:
    return [(name, str(place)) for name, place in origins.items()]
