"""Draws the lanes of a chart: geometry in points, no matplotlib."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ..core.captions import Caption, Placed, letters_in, placed, width_of
from ..core.words import about_ns, shortened, squeezed
from .axis import TimeAxis
from .canvas import Line, Rect, Shape, Sign, Words
from .chart import Bar, Lane, Level, Mark, Track
from .density import Band, crowds, merged_bars
from .palette import (
    BAND,
    BARS,
    FAINT_INK,
    FORBIDDEN,
    FORBIDDEN_TINT,
    HAIRLINE,
    INK,
    MARKS,
    PAPER,
    WINDOW_TINT,
    epoch_colour,
    epoch_hatch,
    mixed,
)

BAR_HEIGHT = 13.0
LINE_HEIGHT = 8.5
CAPTION_SIZE = 6.6

_NAME_SIZE = 8.2
_NAME_SIZE_MIN = 6.2
_EMPTY_HEIGHT = 12.0
_NAMED_HEIGHT = 19.0
_GAP = 3.0
_CAPTION_LINES = 3
_CAPTIONS_MAX = 12
"""How many of the longest bars of a track have their names written."""

_BAR_MIN = 0.7
"""The least width of a bar, in points; a narrower bar would be invisible."""

_UNNAMED = ("in_flight", "request", "asserted")


class Frame(NamedTuple):
    """What all lanes of a picture have in common.

    Attributes:
        axis: The time axis.
        name_left: Where the names of the components begin.
        track_left: Where the names of the tracks begin.
        names_max: Letters of a component's name that fit.
        tracks_max: Letters of a track's name that fit.
        bounds_ns: Rising instants across which nothing is merged.
        violating: Indices of the records that are violations.
        named: Indices of the violations that are named in the picture.
    """

    axis: TimeAxis
    name_left: float
    track_left: float
    names_max: int
    tracks_max: int
    bounds_ns: Sequence[int]
    violating: frozenset[int]
    named: frozenset[int]

    @property
    def left(self) -> float:
        """Where the time axis begins."""
        return self.axis.pieces[0].left

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.axis.pieces[-1].right


class Pen:
    """Draws lanes one below the other.

    Args:
        frame: What the lanes have in common.
        top: Where the first lane begins.

    Attributes:
        shapes: The shapes drawn so far.
        y: How far down the lanes reach.
        spots: Where each violation was marked last, by record.
    """

    def __init__(self, frame: Frame, top: float) -> None:
        self.frame = frame
        self.shapes: list[Shape] = []
        self.y = top
        self.spots: dict[int, float] = {}
        self._ground = PAPER

    def lane(self, lane: Lane, *, shaded: bool) -> None:
        """Draw a lane below those drawn so far."""
        frame, top = self.frame, self.y
        self.y += _GAP
        self._ground = BAND if shaded else PAPER
        for track in lane.tracks:
            self._track(track)
        if not lane.tracks:
            middle = self.y + _EMPTY_HEIGHT / 2
            text = "no event"
            self._add(Words(frame.left + 4, middle, text, CAPTION_SIZE, FAINT_INK))
            self.y += _EMPTY_HEIGHT
        else:
            self.y = max(self.y, top + _GAP + _NAMED_HEIGHT)
        self.y += _GAP
        if shaded:
            # Invariant: depth 0 lies below everything, so the ground may be added last.
            self._add(Rect(frame.name_left - 6, top, frame.right, self.y, BAND, depth=0))
        self._add(Line(((frame.name_left - 6, self.y), (frame.right, self.y)), HAIRLINE, 0.5))
        # A long name gets smaller letters before it is cut.
        size = max(_NAME_SIZE * min(1.0, frame.names_max / max(len(lane.name), 1)), _NAME_SIZE_MIN)
        name = squeezed(lane.name, int(frame.names_max * _NAME_SIZE / size))
        middle = top + _GAP + (BAR_HEIGHT / 2 if lane.tracks else _EMPTY_HEIGHT / 2)
        self._add(Words(frame.name_left, middle, name, size, bold=True))
        kind = lane.kind.replace("_", " ")
        if lane.tracks and kind != lane.name:
            self._add(Words(frame.name_left, middle + 9, kind, 6.4, FAINT_INK))

    def silent(self, lanes: Sequence[Lane]) -> None:
        """Name the lanes in which nothing happened, in a line below those drawn so far."""
        middle = self.y + _EMPTY_HEIGHT / 2 + 1
        room = letters_in(self.frame.right - self.frame.name_left, CAPTION_SIZE)
        text = shortened(f"no event: {', '.join(lane.name for lane in lanes)}", room)
        self._add(Words(self.frame.name_left, middle, text, CAPTION_SIZE, FAINT_INK))
        self.y += _EMPTY_HEIGHT + 3

    def _add(self, shape: Shape) -> None:
        self.shapes.append(shape)

    def _track(self, track: Track) -> None:
        words = self._captions(track)
        lines = 1 + max((word.line for word in words), default=-1)
        top = self.y + lines * LINE_HEIGHT + 1
        bottom = top + BAR_HEIGHT
        self._zone(track, self.y, bottom)
        for level in track.levels:
            self._level(level, max(other.count_max for other in track.levels), top, bottom)
        for band in merged_bars(track.bars, self.frame.axis, self.frame.bounds_ns):
            self._bar(band, top)
        self._marks(track, top)
        for word in words:
            y = top - 1 - (word.line + 0.5) * LINE_HEIGHT
            colour = word.caption.colour
            ground = WINDOW_TINT if colour == FORBIDDEN else self._ground
            self._add(Words(word.x, y, word.text, CAPTION_SIZE, colour, ground=ground))
        name = shortened(track.name, self.frame.tracks_max)
        self._add(Words(self.frame.track_left, top + BAR_HEIGHT / 2, name, 6.8, FAINT_INK))
        self.y = bottom + 2

    def _captions(self, track: Track) -> list[Placed]:
        frame, axis = self.frame, self.frame.axis
        captions = [
            Caption(axis.place(mark.at_ns) + 2, mark.label, 0)
            for mark in track.marks
            if mark.label and axis.shows(mark.at_ns)
        ]
        for bar in self._worth_naming(track):
            text = bar.label + self._never_quiet(bar, track)
            captions.append(Caption(self._caption_x(bar, text), text, _rank_of(bar)))
        captions += [
            Caption(axis.place(level.steps[0][0]) + 2, level.label)
            for level in track.levels
            if level.steps[0][0] <= axis.end_ns and level.end_ns >= axis.start_ns
        ]
        if track.zone is not None and track.zone.first_ns < axis.end_ns:
            x = axis.place(track.zone.first_ns) + 2
            captions.append(Caption(x, track.zone.what, 2, FORBIDDEN))
        return placed(
            captions,
            left=frame.left,
            right=frame.right,
            size=CAPTION_SIZE,
            lines=_CAPTION_LINES,
            blocked=[(cut.left, cut.right) for cut in axis.cuts],
        )

    def _caption_x(self, bar: Bar, text: str) -> float:
        """Return where the name of a bar stands: in the first stretch between cuts with room."""
        axis = self.frame.axis
        begin, end = axis.place(bar.start_ns), axis.place(bar.end_ns)
        for piece in axis.pieces:
            left, right = max(piece.left, begin), min(piece.right, end)
            if not piece.is_cut and right - left > width_of(text, CAPTION_SIZE):
                return left + 2
        return begin + 2

    def _worth_naming(self, track: Track) -> list[Bar]:
        """Return the longest bars; if all have the same name, only those that have room for it."""
        named = [bar for bar in track.bars if bar.label and self._width(bar) > 0]
        often = Counter(bar.label for bar in named)
        first = {bar.label: bar for bar in reversed(named)}
        roomy = [
            bar
            for bar in named
            if often[bar.label] == 1
            or bar is first[bar.label]
            or self._width(bar) > width_of(bar.label, CAPTION_SIZE)
        ]
        return sorted(roomy, key=self._width, reverse=True)[:_CAPTIONS_MAX]

    def _width(self, bar: Bar) -> float:
        axis = self.frame.axis
        if bar.end_ns < axis.start_ns or bar.start_ns > axis.end_ns:
            return 0
        return max(axis.place(bar.end_ns) - axis.place(bar.start_ns), _BAR_MIN)

    def _never_quiet(self, bar: Bar, track: Track) -> str:
        forbidden = track.zone is not None and bar.kind == "may_write" and bar.is_open
        return ", never seen to be quiet" if forbidden else ""

    def _zone(self, track: Track, top: float, bottom: float) -> None:
        zone, frame = track.zone, self.frame
        if zone is None or zone.first_ns >= frame.axis.end_ns:
            return
        left, full = frame.axis.place(zone.first_ns), frame.axis.place(zone.last_ns)
        self._add(Rect(left, top, full, bottom, WINDOW_TINT, depth=1))
        self._add(Rect(full, top, frame.right, bottom, FORBIDDEN_TINT, depth=1))
        edge = ((left, top), (left, bottom))
        self._add(Line(edge, FORBIDDEN, 1.2))

    def _level(self, level: Level, count_max: int, top: float, bottom: float) -> None:
        axis = self.frame.axis
        fill, hatch = mixed(epoch_colour(level.epoch), 0.3), epoch_hatch(level.epoch)
        edge = mixed(epoch_colour(level.epoch), 0.6)
        ends = [at_ns for at_ns, _ in level.steps[1:]] + [level.end_ns]
        left = axis.place(level.steps[0][0])
        for (_, count), end_ns in zip(level.steps, ends, strict=True):
            right = axis.place(end_ns)
            if right - left < _BAR_MIN and end_ns != level.end_ns:
                continue
            height = (bottom - top) * count / count_max
            if height and end_ns >= axis.start_ns:
                self._add(Rect(left, bottom - height, right, bottom, fill, hatch, edge))
            left = right

    def _bar(self, band: Band, top: float) -> None:
        style = BARS[band.kind]
        colour = epoch_colour(band.epoch)
        height = BAR_HEIGHT * style.height
        middle = top + BAR_HEIGHT / 2
        right = max(band.right, band.left + _BAR_MIN)
        hatch = style.hatch or ("" if band.kind in _UNNAMED else epoch_hatch(band.epoch))
        edge = mixed(colour, 0.8)
        low, high = middle - height / 2, middle + height / 2
        fill, border = mixed(colour, style.fill), 0.6 if style.hatch else 0.0
        self._add(Rect(band.left, low, right, high, fill, hatch, edge, border))

    def _marks(self, track: Track, top: float) -> None:
        frame = self.frame
        middle = top + BAR_HEIGHT / 2
        plain = [mark for mark in track.marks if mark.index not in frame.violating]
        single, bands = crowds(plain, frame.axis, frame.bounds_ns)
        for band in bands:
            self._crowd(band, middle, late=_is_late(track, band.kind, band.left, frame.axis))
        for mark in single:
            x = frame.axis.place(mark.at_ns)
            self._mark(mark, middle, late=_is_late(track, mark.kind, x, frame.axis))
        for mark in track.marks:
            if mark.index in frame.violating and frame.axis.shows(mark.at_ns):
                x = frame.axis.place(mark.at_ns)
                size = 8.0 if mark.index in frame.named else 4.5
                self._add(Sign(x, middle, "D", FORBIDDEN, size, INK, depth=9))
                self.spots[mark.index] = middle

    def _crowd(self, band: Band, middle: float, *, late: bool) -> None:
        colour = epoch_colour(band.epoch)
        half = BAR_HEIGHT * 0.36
        fill = mixed(colour, 0.45)
        right = max(band.right, band.left + 2)
        edge = FORBIDDEN if late else mixed(colour, 0.9)
        self._add(
            Rect(band.left, middle - half, right, middle + half, fill, "||||", edge, 0.6, depth=3)
        )
        text = f"{band.count}×"
        if right - band.left > 6 * len(text):
            at = (band.left + right) / 2
            ground = mixed(colour, 0.12)
            self._add(Words(at, middle, text, 6.2, align="center", ground=ground))

    def _mark(self, mark: Mark, middle: float, *, late: bool) -> None:
        x = self.frame.axis.place(mark.at_ns)
        shape = MARKS[mark.kind]
        colour = FORBIDDEN if late else epoch_colour(mark.epoch)
        if shape == "|":
            half = BAR_HEIGHT * 0.42
            self._add(Line(((x, middle - half), (x, middle + half)), colour, 1.1, depth=3))
        elif mark.kind == "blocked":
            self._add(Sign(x, middle, shape, INK, 6.5, "#FFFFFF", depth=6))
        elif mark.kind == "dropped":
            self._add(Sign(x, middle, shape, PAPER, 5.0, colour))
        else:
            self._add(Sign(x, middle, shape, colour, 5.5, INK))


def _is_late(track: Track, kind: str, x: float, axis: TimeAxis) -> bool:
    """Return whether a mark lies where events of its kind are forbidden."""
    forbidden = track.zone is not None and kind in ("landed", "read", "taken")
    return forbidden and track.zone is not None and x >= axis.place(track.zone.last_ns)


def _rank_of(bar: Bar) -> int:
    return 0 if bar.kind in ("timed_out", "ends") else 1


def bounds_of(instants_ns: Sequence[int]) -> list[int]:
    """Return the instants in rising order, each once: nothing is merged across them."""
    return sorted(set(instants_ns))


def hidden_before_and_after(instants_ns: Sequence[int], axis: TimeAxis) -> tuple[str, str]:
    """Return how many instants before and after the axis are not shown, in words; empty if none."""
    before = bisect_right(instants_ns, axis.start_ns - 1)
    after = len(instants_ns) - bisect_right(instants_ns, axis.end_ns)
    first = f"◂ {before} earlier instants, from {about_ns(instants_ns[0])}" if before else ""
    last = f"{after} later instants, to {about_ns(instants_ns[-1])} ▸" if after else ""
    return first, last
