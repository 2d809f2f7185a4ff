"""The base of the two pictures with lanes: the timing plot of one run, and two runs compared."""

from collections.abc import Callable, Sequence

from ..core.captions import Caption, letters_in, placed, width_of
from ..core.findings import Finding
from ..core.words import EXACT, about_ns, shortened
from ..draw.axis import Piece, TimeAxis
from ..draw.canvas import Line, Sign, Words
from ..draw.chart import Lane, Moment
from ..draw.drawing import Frame, Pen
from ..draw.palette import FAINT_INK, FORBIDDEN, HAIRLINE, INK, MOMENT_LINES, PAPER
from ..draw.picture import Picture

WIDTH = 972.0
"""Of a picture with lanes, in points."""

EDGE = 22.0
TRACK_LETTERS = 18
_TICK_SPACING = 62.0

MomentLine = tuple[Moment, float]
"""A moment, and where the vertical line through it begins below its caption."""


class LanePicture(Picture):
    """A picture of lanes over one time axis, with named moments and violations.

    Attributes:
        axis: Which time is shown, and which is left out.
    """

    axis: TimeAxis

    def __init__(self) -> None:
        super().__init__(WIDTH)

    def _flag_finding(self, at_ns: int, y: float, said: str, names: str = "") -> None:
        """Draw a diamond at an instant and what is wrong beside it, on the roomier side.

        Args:
            at_ns: The instant.
            y: In points.
            said: What is wrong; cut short if it does not fit.
            names: Follows it if there is room for all of both.
        """
        x = self.axis.place(at_ns)
        on_the_left = x - EDGE > WIDTH - EDGE - x
        room = letters_in((x - EDGE if on_the_left else WIDTH - EDGE - x) - 12, 9.4)
        text = said + names if len(said + names) <= room else shortened(said, room)
        self._add(Sign(x, y, "D", FORBIDDEN, 8.0, INK, depth=9))
        at, align = (x - 8, "right") if on_the_left else (x + 8, "left")
        self._add(Words(at, y, text, 8, FORBIDDEN, align=align, bold=True, ground=PAPER))

    def _name_moments(
        self,
        moments: Sequence[Moment],
        frame: Frame,
        top: float,
        instant_in_words: Callable[[int], str],
    ) -> tuple[float, list[MomentLine]]:
        """Write the captions of moments; returns where they end, and where their lines begin."""
        shown = [moment for moment in moments if self.axis.shows(moment.at_ns)]
        captions = [
            Caption(
                self.axis.place(each.at_ns) + 2, f"{each.label}, {instant_in_words(each.at_ns)}"
            )
            for each in shown
        ]
        words = placed(captions, left=frame.left, right=frame.right, size=8.2, lines=4)
        bottom = top + 10.0 * (1 + max((word.line for word in words), default=-1)) + 2
        tops: dict[Caption, float] = {}
        for word in words:
            y = bottom - 10.0 * (word.line + 0.5)
            bold = word.caption.text.startswith("TEARDOWN")
            self._add(Words(word.x, y, word.text, 7.2, bold=bold, ground=PAPER))
            tops[word.caption] = y - 4
        tops_of_all = [tops.get(caption, bottom) for caption in captions]
        return bottom, list(zip(shown, tops_of_all, strict=True))

    def _draw_lanes(self, lanes: Sequence[Lane], silent: Sequence[Lane], pen: Pen) -> None:
        """Draw lanes one below the other, and name the silent ones in a line below them."""
        for count, lane in enumerate(lanes):
            pen.lane(lane, shaded=count % 2 == 0)
        if silent:
            pen.silent(silent)
        self._add(*pen.shapes)

    def _draw_moment_lines(self, lines: Sequence[MomentLine], bottom: float) -> None:
        for moment, top in lines:
            colour, width, style = MOMENT_LINES[moment.kind]
            x = self.axis.place(moment.at_ns)
            self._add(Line(((x, top), (x, bottom)), colour, width, style, depth=5))

    def _draw_violation_lines(
        self, found: Sequence[Finding], shift_ns: int, top: float, lanes: float, pen: Pen
    ) -> None:
        """Draw a line from the flag of each finding down to its mark, or to the first lane."""
        for count, finding in enumerate(found, start=1):
            x = self.axis.place(finding.first.at_ns + shift_ns)
            low = pen.spots.get(finding.first.index, lanes)
            self._add(Line(((x, top + 12 * count), (x, low)), FORBIDDEN, 0.9, depth=6))

    def _draw_ticks(
        self,
        panels: Sequence[tuple[float, float]],
        bottom: float,
        text_y: float,
        instant_in_words: Callable[[int, int], str],
        origin_ns: int = -1,
    ) -> None:
        """Draw a fine line through all panels at each tick, and write the instants below.

        Args:
            panels: Top and bottom of each.
            bottom: Where the axis lies.
            text_y: Where the instants are written.
            instant_in_words: Of an instant, with so many digits.
            origin_ns: The instant whose line is drawn in full ink; -1 for none.
        """
        used = -1e9
        for at_ns in self.axis.ticks(_TICK_SPACING):
            x = self.axis.place(at_ns)
            ink, wide = (INK, 1.2) if at_ns == origin_ns else (HAIRLINE, 0.5)
            for top, low in panels:
                self._add(Line(((x, top), (x, low)), ink, wide, depth=1))
            self._add(Line(((x, bottom), (x, bottom + 3)), INK, 0.9))
            text = instant_in_words(at_ns, EXACT)
            if x - used > width_of(text, 7) + 4:
                self._add(Words(x, text_y, text, 7, align="center"))
                used = x

    def _name_cut(self, cut: Piece, y: float) -> None:
        """Write below a cut in the axis how much time it leaves out."""
        text = f"{about_ns(cut.end_ns - cut.start_ns)} cut"
        self._add(Words((cut.left + cut.right) / 2, y, text, 6.2, FAINT_INK, align="center"))


class NameColumns:
    """The two columns left of the time axis: names of components, and names of tracks.

    Args:
        lanes: Whose names are written.
        letters_max: Letters of a component's name; a longer one is cut short.

    Attributes:
        names: Letters of the longest name of a component.
        tracks: Letters of the longest name of a track.
        track_left: Where the names of tracks begin, in points.
        axis_left: Where the time axis begins, in points.
    """

    def __init__(self, lanes: Sequence[Lane], letters_max: int) -> None:
        names = max((len(lane.name) for lane in lanes), default=0)
        tracks = max((len(track.name) for lane in lanes for track in lane.tracks), default=0)
        self.names = min(names, letters_max)
        self.tracks = min(tracks, TRACK_LETTERS)
        self.track_left = EDGE + max(width_of("x" * self.names, 8.8), 40) + 12
        self.axis_left = self.track_left + width_of("x" * self.tracks, 7.6) + 12

    def frame(
        self,
        axis: TimeAxis,
        bounds_ns: Sequence[int],
        violating: frozenset[int],
        named: frozenset[int],
    ) -> Frame:
        """Return the frame of lanes that stand beside these columns; see `Frame`."""
        return Frame(
            axis, EDGE, self.track_left, self.names, self.tracks, bounds_ns, violating, named
        )


def more_of(finding: Finding) -> str:
    """Return how many more violations a finding has, as the end of a sentence; often empty."""
    return f" (and {finding.more} more)" if finding.more else ""
