"""Draws the distribution of teardown durations: a histogram over logarithmic time."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from ..core.captions import Caption, placed
from ..core.words import about_ns
from ..draw.axis import round_up
from ..draw.canvas import Line, Rect, Words
from ..draw.palette import BLUE, FAINT_INK, FORBIDDEN, HAIRLINE, INK, PAPER, mixed
from ..draw.picture import Picture

__all__ = ["Distribution", "DistributionPicture"]

WIDTH = 900.0
_EDGE = 16.0
_LEFT = 70.0
_RIGHT = WIDTH - 30.0
_TOP = 112.0
_BOTTOM = 330.0


class Distribution(NamedTuple):
    """Counted durations.

    Attributes:
        counts: How many durations lie between two ends, in nanoseconds; the later end is excluded.
        least_ns: The shortest.
        median_ns: At least half of the durations are at most about this long.
        p99_ns: 99 of 100 durations are at most about this long.
        most_ns: The longest.
        unended: Teardowns that had not ended when their run did.
    """

    counts: Mapping[tuple[int, int], int]
    least_ns: int
    median_ns: int
    p99_ns: int
    most_ns: int
    unended: int = 0


class DistributionPicture(Picture):
    """The picture of a distribution.

    Args:
        title: What was measured.
        label: Label of the judgement.
        data: The durations; at least one.
        bound_ns: The longest duration that is allowed.

    Attributes:
        height: In points; the width is `WIDTH`.
    """

    def __init__(self, title: str, label: str, data: Distribution, bound_ns: int) -> None:
        assert data.counts, "a distribution of something"
        super().__init__(WIDTH, _BOTTOM + 50.0)
        self._bound_ns = bound_ns
        # A far bound would press the bars into a corner: it is then named and not drawn.
        self._shows_bound = bound_ns <= 30 * max(data.most_ns, 1)
        self._first_ns = max(min(start for start, _ in data.counts), 1)
        last_ns = max(end for _, end in data.counts)
        self._last_ns = max(last_ns, bound_ns * 5 // 4 if self._shows_bound else 0)
        # Some room on both sides keeps the first and the last bar off the ends.
        self._first_ns = max(self._first_ns * 15 // 16, 1)
        self._last_ns = max(self._last_ns * 17 // 16, self._first_ns * 9 // 8 + 1)
        total = sum(data.counts.values())
        over = sum(n for (start, _), n in data.counts.items() if start > bound_ns)
        self._add_heading(_EDGE, title, label)
        self._say(data, total, over)
        self._bars(data)
        self._axes(max(data.counts.values()))
        self._lines(data)

    def _x(self, at_ns: int) -> float:
        from math import log  # noqa: PLC0415 - on paper only

        whole = log(self._last_ns / self._first_ns)
        done = log(max(at_ns, self._first_ns) / self._first_ns) / whole
        return _LEFT + (_RIGHT - _LEFT) * min(done, 1.0)

    def _say(self, data: Distribution, total: int, over: int) -> None:
        said = f"{total} teardowns, from {about_ns(data.least_ns)} to {about_ns(data.most_ns)}"
        if over:
            said += f"; {over} longer than the bound"
        if data.unended:
            said += f"; {data.unended} more had not ended when their run did"
        ink = FORBIDDEN if over or data.unended else INK
        self._add(Words(_EDGE, 54, said, 9, ink))
        if not self._shows_bound:
            bound = f"the bound of {about_ns(self._bound_ns)} lies far to the right"
            self._add(Words(_EDGE, 68, bound, 9, FAINT_INK))

    def _bars(self, data: Distribution) -> None:
        highest = max(data.counts.values())
        for (start_ns, end_ns), count in sorted(data.counts.items()):
            left, right = self._x(start_ns), max(self._x(end_ns), self._x(start_ns) + 1.0)
            top = _BOTTOM - (_BOTTOM - _TOP) * count / highest
            fill = FORBIDDEN if start_ns > self._bound_ns else mixed(BLUE, 0.7)
            bar = Rect(left, top, right, _BOTTOM, fill, edge=PAPER, border=0.4, depth=3)
            self._add(bar)

    def _axes(self, highest: int) -> None:
        self._add(Line(((_LEFT, _BOTTOM), (_RIGHT, _BOTTOM)), INK, 0.9, depth=5))
        for share in (0.5, 1.0):
            count = round(highest * share)
            y = _BOTTOM - (_BOTTOM - _TOP) * share
            self._add(Line(((_LEFT, y), (_RIGHT, y)), HAIRLINE, 0.5, depth=1))
            self._add(Words(_LEFT - 6, y, str(count), 7.4, FAINT_INK, align="right"))
        used = -1e9
        for at_ns in self._ticks():
            x = self._x(at_ns)
            if x - used > 52:
                self._add(Line(((x, _BOTTOM), (x, _BOTTOM + 4)), INK, 0.9))
                text = about_ns(at_ns)
                self._add(Words(x, _BOTTOM + 13, text, 7.6, align="center"))
                used = x
        said = "duration of the teardown, from the beginning of qvm's end to its exit (logarithmic)"
        self._add_centred(_LEFT, _RIGHT, _BOTTOM + 32, said, 8.4)
        self._add(Words(_LEFT - 6, _TOP - 12, "teardowns", 7.4, FAINT_INK, align="right"))

    def _ticks(self) -> list[int]:
        """Return round instants: multiples of a step in a narrow range, 1, 2, 5 of each decade."""
        if self._last_ns < 8 * self._first_ns:
            step_ns = round_up((self._last_ns - self._first_ns) / 10)
            first_ns = -(-self._first_ns // step_ns) * step_ns
            return list(range(first_ns, self._last_ns + 1, step_ns))
        up_to = takewhile(lambda at_ns: at_ns <= self._last_ns, _rounds())
        return [at_ns for at_ns in up_to if at_ns >= self._first_ns]

    def _lines(self, data: Distribution) -> None:
        marks = [
            (data.median_ns, f"median about {about_ns(data.median_ns, 3)}", INK),
            (data.p99_ns, f"99% about {about_ns(data.p99_ns, 3)}", INK),
            (data.most_ns, f"longest {about_ns(data.most_ns)}", INK),
        ]
        if self._shows_bound:
            marks.append((self._bound_ns, f"bound {about_ns(self._bound_ns)}", FORBIDDEN))
        captions = [
            Caption(self._x(at_ns) + 3, text, 0 if ink == FORBIDDEN else 1, ink)
            for at_ns, text, ink in marks
        ]
        for word in placed(captions, left=_LEFT, right=_RIGHT, size=8, lines=3):
            y = _TOP - 8 - word.line * 10
            ink = word.caption.colour
            self._add(Words(word.x, y, word.text, 7.4, ink, ground=PAPER))
            x = word.caption.x - 3
            style = "-" if ink == FORBIDDEN else ":"
            self._add(Line(((x, y + 4), (x, _BOTTOM)), ink, 1.1, style, depth=4))


def _rounds() -> Iterator[int]:
    """Give 1, 2, 5, 10, 20 and so on."""
    scale = 1
    while True:
        yield from (scale, 2 * scale, 5 * scale)
        scale *= 10
