"""Draws the timing plot of a run: a lane for each component, with the violations marked.

The plot depends on the trace, the judgement and the explanation alone; equal ones give equal bytes.
"""

import textwrap
from collections.abc import Sequence

import msgspec

from ...model.trace.events import Trace
from ...properties.core.verdict import HEADLINES, Judgement, Verdict
from ..core.assumption_lines import is_undocumented
from ..core.captions import letters_in, width_of
from ..core.findings import Finding, findings_of
from ..core.words import EXACT, about_ns, printable, shortened
from ..draw.axis import TimeAxis
from ..draw.canvas import Line, Rect, Sign, Words
from ..draw.chart import Chart, Lane, Moment
from ..draw.drawing import Frame, Pen, bounds_of, hidden_before_and_after
from ..draw.focus import focused_axis
from ..draw.palette import (
    FAINT_INK,
    FORBIDDEN,
    HOST_GREY,
    INK,
    MARKS,
    NAMES,
    PAPER,
)
from ..explanation.explanation import Explanation
from ..explanation.why import why
from ..lanes.lanes import chart_of
from ..summary import in_words
from .lane_picture import EDGE, WIDTH, LanePicture, NameColumns, more_of

_FINDINGS_MAX = 4
_CENTRAL = 2
"""How many verdicts stand first and large: those about the teardown point."""

_NAME_LETTERS = 26
_BOLD = 1.12
"""How much wider bold letters are."""


class TimingPicture(LanePicture):
    """A timing plot that is ready to be written as a file.

    Args:
        trace: The records of the run.
        judgement: The verdicts on it.
        explanation: What would have saved it; None without a violation or if not wanted.

    Attributes:
        axis: Which time is shown, and which is left out.
        height: In points; the width is `WIDTH`.
    """

    def __init__(
        self, trace: Trace, judgement: Judgement, explanation: Explanation | None = None
    ) -> None:
        super().__init__()
        self._judgement = judgement
        self._explanation = explanation
        self._found = findings_of(trace, judgement)
        chart = chart_of(trace)
        frame = _frame_for(chart, self._found)
        self.axis = frame.axis
        self._digits = _digits_of(frame.axis)
        y = self._title(why(trace, judgement))
        findings_top = y
        y = self._name_findings(frame, y)
        moments = _with_no_return(chart.moments, explanation)
        y, lines = self._name_moments(moments, frame, y, self._about)
        pen = Pen(frame, y)
        shown = [lane for lane in chart.lanes if not _is_drawn_elsewhere(lane, trace)]
        silent = [lane for lane in shown if lane.is_silent]
        if len(silent) > 1:
            shown = [lane for lane in shown if not lane.is_silent]
        self._draw_lanes(shown, silent if len(silent) > 1 else (), pen)
        self._draw_moment_lines(lines, pen.y)
        self._draw_violation_lines(self._found[:_FINDINGS_MAX], 0, findings_top, y, pen)
        self._cuts(y, pen.y)
        y = self._axis(chart, frame, y, pen.y)
        y = self._key(chart, frame, y)
        self.height = self._footnote(trace, y)

    def _about(self, at_ns: int) -> str:
        """Return an instant with as many digits as its neighbours on paper need."""
        return about_ns(at_ns, self._digits)

    def _title(self, reason: str) -> float:
        judgement = self._judgement
        headline = judgement.headline
        worst = f" ({judgement.severity})" if headline == "violated" else ""
        title = f"{shortened(judgement.scenario, 60)}: {HEADLINES[headline].upper()}{worst}"
        colour = FORBIDDEN if headline == "violated" else INK
        self._add(Words(EDGE, 20, title, 13, colour, bold=True))
        label = f"label: {judgement.label}"
        self._add(Words(WIDTH - EDGE, 20, label, 9, FAINT_INK, align="right"))
        x, y = EDGE, 37.0
        for verdict in judgement.verdicts[:_CENTRAL]:
            text = f"{printable(verdict.property)}: {verdict.verdict}"
            ink = FORBIDDEN if verdict.verdict == "violated" else INK
            self._add(Words(x, y, text, 9, ink, bold=True))
            x += width_of(text, 11) + 18
        y += 12
        for line in _wrapped(_in_words(judgement.verdicts[_CENTRAL:]), 7.4)[:2]:
            self._add(Words(EDGE, y, line, 7.4, FAINT_INK))
            y += 10
        tested = "; ".join(in_words(each) for each in judgement.exercises)
        idle = " ".join(f"Not exercised: {printable(each)}." for each in judgement.idle_reasons)
        for line in _wrapped(tested, 7.4)[:2]:
            self._add(Words(EDGE, y, line, 7.4, FAINT_INK))
            y += 10
        for line in _wrapped(idle, 8.6, bold=True)[:2]:
            self._add(Words(EDGE, y + 2, line, 8.2, bold=True))
            y += 11.5
        for line in _wrapped(reason, 8.6)[:5]:
            self._add(Words(EDGE, y + 2, line, 8.6))
            y += 11.5
        return self._say_what_saves(y) + 4

    def _say_what_saves(self, y: float) -> float:
        """Write the change that would have saved the run, and the point of no return."""
        explanation = self._explanation
        if explanation is None:
            return y
        saving, no_return = explanation.saving, explanation.no_return
        said = []
        if saving is not None:
            whole = "This" if saving.is_entire else f"For {explanation.property}, this"
            said.append(
                f"{whole} would have saved the run (tried over {saving.timings} timings): "
                f"{saving.text}."
            )
        if no_return is not None:
            said.append(f"Point of no return: {self._about(no_return.at_ns)}.")
        for line in _wrapped(" ".join(said), 8.6, bold=True)[:3]:
            self._add(Words(EDGE, y + 2, line, 8.2, bold=True))
            y += 11.5
        return y

    def _name_findings(self, frame: Frame, top: float) -> float:
        y = top
        for finding in self._found[:_FINDINGS_MAX]:
            y += 12
            said = f"{finding.label}, at {self._about(finding.first.at_ns)}{more_of(finding)}"
            self._flag_finding(finding.first.at_ns, y, said, f"  [{', '.join(finding.names)}]")
        left_out = len(self._found) - _FINDINGS_MAX
        if left_out > 0:
            y += 11
            text = f"and {left_out} more, see the verdict"
            self._add(Words(frame.left, y, text, 7.4, FORBIDDEN))
        return y + (6 if self._found else 0)

    def _cuts(self, top: float, bottom: float) -> None:
        for cut in self.axis.cuts:
            inset = (cut.right - cut.left) * 0.2
            left, right = cut.left + inset, cut.right - inset
            self._add(Rect(left, top, right, bottom + 3, PAPER, depth=10))
            self._add(_zigzag(left, top, bottom + 3), _zigzag(right, top, bottom + 3))

    def _axis(self, chart: Chart, frame: Frame, top: float, bottom: float) -> float:
        for piece in self.axis.pieces:
            if not piece.is_cut:
                self._add(Line(((piece.left, bottom), (piece.right, bottom)), INK, 0.9))
        self._draw_ticks([(top, bottom)], bottom, bottom + 10, about_ns)
        y = bottom + 20
        for cut in self.axis.cuts:
            self._name_cut(cut, y)
        if self.axis.cuts:
            y += 9
        before, after = hidden_before_and_after(chart.instants_ns, self.axis)
        self._add(Words(frame.left, y, before, 7, FAINT_INK))
        self._add(Words(frame.right, y, after, 7, FAINT_INK, align="right"))
        self._add_centred(frame.left, frame.right, y, "time from the start of the run", 7.4)
        return y + 14

    def _key(self, chart: Chart, frame: Frame, y: float) -> float:
        present = {
            mark.kind for lane in chart.lanes for track in lane.tracks for mark in track.marks
        }
        entries = [
            (Sign(0, 0, MARKS[kind], PAPER if kind == "dropped" else INK, 5.5, INK), name)
            for kind, name in NAMES.items()
            if kind in present
        ]
        if self._found:
            entries.append((Sign(0, 0, "D", FORBIDDEN, 6.5, INK), "violation"))
        if len({moment.epoch for moment in chart.moments}) > 1:
            entries.append((Sign(0, 0, "s", HOST_GREY, 5.5), "colour and hatching: the epoch"))
        x = frame.left
        for sign, name in entries:
            wide = width_of(name, 6.8) + 22
            if x + wide > WIDTH:
                x, y = frame.left, y + 11
            self._add(msgspec.structs.replace(sign, x=x, y=y))
            self._add(Words(x + 7, y, name, 6.8, FAINT_INK))
            x += wide
        return y + 14 if entries else y

    def _footnote(self, trace: Trace, y: float) -> float:
        notes = [f"bounds: {'; '.join(self._judgement.bounds)}", _assumptions(self._judgement)]
        if self.axis.cuts:
            cuts = ", ".join(
                f"{about_ns(cut.start_ns, EXACT)} to {about_ns(cut.end_ns, EXACT)}"
                for cut in self.axis.cuts
            )
            notes.append(f"left out of the time axis, without any event: {cuts}")
        if trace.header.replay_sha256:
            notes.append(f"replay {trace.header.replay_sha256[:16]}")
        for line in _wrapped(".  ".join(notes) + ".", 6.8):
            self._add(Words(EDGE, y, line, 6.8, FAINT_INK))
            y += 9.5
        return y + 6


def _with_no_return(moments: Sequence[Moment], explanation: Explanation | None) -> Sequence[Moment]:
    if explanation is None or explanation.no_return is None:
        return moments
    label = "point of no return"
    moment = Moment(explanation.no_return.at_ns, "no-return", explanation.epoch, label)
    return sorted([*moments, moment], key=lambda each: each.at_ns)


def _is_drawn_elsewhere(lane: Lane, trace: Trace) -> bool:
    """Return whether a lane is empty only because its events are drawn in other lanes."""
    return lane.is_silent and any(record.source == lane.name for record in trace.records)


def _frame_for(chart: Chart, found: Sequence[Finding]) -> Frame:
    columns = NameColumns(chart.lanes, _NAME_LETTERS)
    violations = [each for finding in found for each in finding.violations]
    decisive = [finding.first.at_ns for finding in found]
    all_ns = decisive + [each.at_ns for each in violations]
    axis = focused_axis(chart, all_ns, left=columns.axis_left, right=WIDTH - EDGE)
    bounds = bounds_of([moment.at_ns for moment in chart.moments] + all_ns)
    violating = frozenset(each.index for each in violations)
    named = frozenset(finding.first.index for finding in found[:_FINDINGS_MAX])
    return columns.frame(axis, bounds, violating, named)


def _digits_of(axis: TimeAxis) -> int:
    """Return how many digits an instant needs to differ from its neighbours on paper."""
    drawn_ns = sum(piece.end_ns - piece.start_ns for piece in axis.pieces if not piece.is_cut)
    return 4 + max(len(str(axis.end_ns)) - len(str(drawn_ns)), 0)


def _wrapped(text: str, size: float, *, bold: bool = False) -> list[str]:
    room = letters_in(WIDTH - 2 * EDGE, size * (_BOLD if bold else 1))
    return textwrap.wrap(printable(text), room, break_on_hyphens=False)


def _zigzag(x: float, top: float, bottom: float) -> Line:
    count = max(int((bottom - top) / 7), 2)
    step = (bottom - top) / count
    points = [(x + (2 if at % 2 else -2), top + at * step) for at in range(count + 1)]
    return Line(tuple(points), FAINT_INK, 0.7, depth=11)


def _in_words(verdicts: Sequence[Verdict]) -> str:
    words: dict[str, list[str]] = {}
    for verdict in verdicts:
        words.setdefault(verdict.verdict, []).append(printable(verdict.property))
    order = ("violated", "inconclusive", "holds", "vacuous")
    return ";  ".join(f"{word}: {', '.join(words[word])}" for word in order if word in words)


def _assumptions(judgement: Judgement) -> str:
    count = len(judgement.assumptions)
    if not count:
        return "no assumptions but the trace"
    loose = sum(is_undocumented(each) for each in judgement.assumptions)
    return f"{count} assumptions, {loose} of them undocumented"
