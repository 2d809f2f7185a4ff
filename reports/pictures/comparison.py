"""Draws two runs, usually a good and a bad one, on one time axis, aligned at the termination.

The runs stand one above the other, so that equal distances from the termination lie on one vertical
line. Instant 0 is when the first qvm of each run begins to end. If none does, it is when the first
guest ends, and else the start of the run.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ...model.trace import events
from ...model.trace.events import Trace
from ...properties.core.verdict import Judgement
from ..core.captions import letters_in, width_of
from ..core.findings import Finding, findings_of
from ..core.words import about_ns, printable, shortened
from ..draw.axis import TimeAxis
from ..draw.canvas import Line, Rect, Words
from ..draw.chart import Chart, Lane, Track
from ..draw.drawing import Frame, Pen, bounds_of
from ..draw.focus import focused_axis
from ..draw.palette import FAINT_INK, FORBIDDEN, GREEN, INK, PAPER
from ..lanes.lanes import chart_of
from .lane_picture import EDGE, WIDTH, LanePicture, NameColumns, more_of

__all__ = ["ComparedRun", "ComparisonPicture"]

_NAME_LETTERS = 22
_ROUND_NS = 1_000_000_000_000
"""Both terminations are moved to this instant, which is a multiple of every step of ticks."""


class ComparedRun(NamedTuple):
    """A run to compare.

    Attributes:
        name: Name of the run, as the user called it.
        trace: The records of the run.
        judgement: The verdicts on it.
    """

    name: str
    trace: Trace
    judgement: Judgement


class _Moved(NamedTuple):
    """A run on the common time axis."""

    run: ComparedRun
    chart: Chart
    found: list[Finding]
    shift_ns: int


class ComparisonPicture(LanePicture):
    """The picture of two runs.

    Args:
        runs: The two runs; the first stands above.

    Attributes:
        height: In points; the width is `WIDTH`.
    """

    def __init__(self, runs: tuple[ComparedRun, ComparedRun]) -> None:
        super().__init__()
        moved = [_moved(run) for run in runs]
        frames = _frames(moved)
        self.axis = frames[0].axis
        y = self._title(runs)
        panels = []
        for one, frame in zip(moved, frames, strict=True):
            top, bottom = self._panel(one, frame, y)
            panels.append((top, bottom))
            y = bottom + 12
        self.height = self._times(frames[0], panels)

    def _title(self, runs: tuple[ComparedRun, ComparedRun]) -> float:
        title = " and ".join(shortened(run.name, 40) for run in runs)
        self._add(Words(EDGE, 20, f"{title}, aligned at the termination", 12, bold=True))
        labels = " / ".join(dict.fromkeys(run.judgement.label for run in runs))
        self._add(Words(WIDTH - EDGE, 20, f"label: {labels}", 9, FAINT_INK, align="right"))
        return 36.0

    def _panel(self, moved: _Moved, frame: Frame, top: float) -> tuple[float, float]:
        """Draw a run; returns where its lanes begin and end."""
        y = self._verdict(moved, top)
        findings_top = y
        for finding in moved.found[:3]:
            y += 12
            self._flag_finding(
                finding.first.at_ns + moved.shift_ns, y, f"{finding.label}{more_of(finding)}"
            )
        lanes, lines = self._name_moments(
            moved.chart.moments, frame, y + (6 if moved.found else 0), _relative
        )
        pen = Pen(frame, lanes)
        shown = [lane for lane in moved.chart.lanes if not lane.is_silent]
        self._draw_lanes(shown, (), pen)
        self._draw_moment_lines(lines, pen.y)
        self._draw_violation_lines(moved.found[:3], moved.shift_ns, findings_top, lanes, pen)
        return lanes, pen.y

    def _verdict(self, moved: _Moved, top: float) -> float:
        judgement = moved.run.judgement
        word = judgement.verdict
        ink = FORBIDDEN if word == "violated" else GREEN if word == "holds" else INK
        worst = f" ({judgement.severity})" if judgement.severity != "none" else ""
        text = f"{shortened(moved.run.name, 60)}: {word.upper()}{worst}"
        self._add(Words(EDGE, top + 10, text, 10.5, ink, bold=True))
        violated = [v.property for v in judgement.verdicts if v.verdict == "violated"]
        if violated:
            x = EDGE + width_of(text, 12.5) + 10
            names = shortened(", ".join(violated), letters_in(WIDTH - EDGE - x, 8))
            self._add(Words(x, top + 10, printable(names), 7.6, FORBIDDEN))
        return top + 16

    def _cuts(self, top: float, bottom: float) -> None:
        for cut in self.axis.cuts:
            self._add(Rect(cut.left + 5, top, cut.right - 5, bottom, PAPER, depth=10))
            for x in (cut.left + 5, cut.right - 5):
                self._add(Line(((x, top), (x, bottom)), FAINT_INK, 0.7, ":", depth=11))

    def _times(self, frame: Frame, panels: Sequence[tuple[float, float]]) -> float:
        bottom = panels[-1][1] + 2
        for low, high in panels:
            self._cuts(low, high)
        for cut in self.axis.cuts:
            self._name_cut(cut, bottom + 22)
        self._add(Line(((frame.left, bottom), (frame.right, bottom)), INK, 0.9))
        self._draw_ticks(panels, bottom, bottom + 11, _relative, _ROUND_NS)
        said = "time from the instant at which qvm begins to end"
        self._add_centred(frame.left, frame.right, bottom + 32, said, 7.4)
        return bottom + 46


def _relative(at_ns: int, digits: int = 4) -> str:
    """Return an instant of the common axis as a distance from the termination."""
    distance_ns = at_ns - _ROUND_NS
    if not distance_ns:
        return "0"
    return f"{'-' if distance_ns < 0 else '+'}{about_ns(abs(distance_ns), digits)}"


def _moved(run: ComparedRun) -> _Moved:
    shift_ns = _ROUND_NS - _termination(run.trace)
    found = findings_of(run.trace, run.judgement)
    return _Moved(run, _shifted(chart_of(run.trace), shift_ns), found, shift_ns)


def _termination(trace: Trace) -> int:
    for kind in (events.TerminationBegun, events.GuestEnded):
        for record in trace.records:
            if isinstance(record.event, kind):
                return record.at_ns
    return trace.records[0].at_ns if trace.records else 0


def _shifted(chart: Chart, by_ns: int) -> Chart:
    return Chart(
        tuple(_shifted_lane(lane, by_ns) for lane in chart.lanes),
        tuple(replace(each, at_ns=each.at_ns + by_ns) for each in chart.moments),
        chart.start_ns + by_ns,
        chart.end_ns + by_ns,
        tuple(at_ns + by_ns for at_ns in chart.instants_ns),
    )


def _shifted_lane(lane: Lane, by_ns: int) -> Lane:
    return replace(lane, tracks=tuple(_shifted_track(track, by_ns) for track in lane.tracks))


def _shifted_track(track: Track, by_ns: int) -> Track:
    zone = track.zone
    if zone is not None:
        zone = replace(zone, first_ns=zone.first_ns + by_ns, last_ns=zone.last_ns + by_ns)
    return Track(
        track.name,
        tuple(
            replace(bar, start_ns=bar.start_ns + by_ns, end_ns=bar.end_ns + by_ns)
            for bar in track.bars
        ),
        tuple(
            replace(
                level,
                steps=tuple((at_ns + by_ns, count) for at_ns, count in level.steps),
                end_ns=level.end_ns + by_ns,
            )
            for level in track.levels
        ),
        tuple(replace(mark, at_ns=mark.at_ns + by_ns) for mark in track.marks),
        zone,
    )


def _frames(moved: Sequence[_Moved]) -> list[Frame]:
    """Return the frames of both runs, which have one axis."""
    charts = [one.chart for one in moved]
    lanes = [lane for chart in charts for lane in chart.lanes if not lane.is_silent]
    columns = NameColumns(lanes, _NAME_LETTERS)
    axis = _axis_of(moved, columns.axis_left)
    return [_frame(one, axis, columns) for one in moved]


def _axis_of(moved: Sequence[_Moved], left: float) -> TimeAxis:
    charts = [one.chart for one in moved]
    both = Chart(
        (),
        tuple(
            sorted(
                (moment for chart in charts for moment in chart.moments),
                key=lambda moment: moment.at_ns,
            )
        ),
        min(chart.start_ns for chart in charts),
        max(chart.end_ns for chart in charts),
        tuple(sorted({at_ns for chart in charts for at_ns in chart.instants_ns})),
    )
    firsts = [f.first.at_ns + one.shift_ns for one in moved for f in one.found]
    return focused_axis(both, firsts, left=left, right=WIDTH - EDGE)


def _frame(one: _Moved, axis: TimeAxis, columns: NameColumns) -> Frame:
    violations = [each for finding in one.found for each in finding.violations]
    instants = [each.at_ns + one.shift_ns for each in violations]
    bounds = bounds_of([moment.at_ns for moment in one.chart.moments] + instants)
    violating = frozenset(each.index for each in violations)
    named = frozenset(finding.first.index for finding in one.found[:3])
    return columns.frame(axis, bounds, violating, named)
