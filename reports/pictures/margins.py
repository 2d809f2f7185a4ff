"""Draws the time to spare: how close each writer and line comes to a violation, over all runs.

Each bar lasts from the least to the greatest time that is left before the release or the detach.
The axis begins at zero, which is a violation. The row with the least time comes first, and a line
below the title names it. Ends that have a bound stand below, each against its own bound.
"""

from collections.abc import Sequence

import msgspec

from ..core.words import EXACT, about_ns, shortened
from ..draw.axis import round_up
from ..draw.canvas import Line, Rect, Words
from ..draw.palette import BAND, BLUE, FAINT_INK, FORBIDDEN, HAIRLINE, INK, mixed
from ..draw.picture import Picture

__all__ = ["BoundedEnd", "Spare", "SparePicture"]

WIDTH = 900.0
_EDGE = 16.0
_LEFT = 250.0
_RIGHT = 660.0
_ROW = 26.0
_TOP = 84.0
_BAR_MIN = 2.0
_TICKS = 6


class Spare(msgspec.Struct, frozen=True):
    """The time from the last event of a component to the limit that it must not pass.

    Attributes:
        who: The component that could do harm.
        before: The release or detach that comes after.
        least_ns: The shortest time over all runs; 0 is a violation.
        greatest_ns: The longest time.
    """

    who: str
    before: str
    least_ns: int
    greatest_ns: int


class BoundedEnd(msgspec.Struct, frozen=True):
    """The duration of an end that has a bound.

    Attributes:
        who: The VM or process that ends.
        least_ns: The shortest duration over all runs.
        greatest_ns: The longest duration.
        bound_ns: The longest duration that is allowed, more than 0.
    """

    who: str
    least_ns: int
    greatest_ns: int
    bound_ns: int


class SparePicture(Picture):
    """The picture of the time to spare.

    Args:
        title: What was proved.
        label: Label of the judgement.
        spares: The times to spare, in any order.
        ends: The ends with a bound, in the order in which they are drawn.

    Attributes:
        height: In points; the width is `WIDTH`.
    """

    def __init__(
        self, title: str, label: str, spares: Sequence[Spare], ends: Sequence[BoundedEnd] = ()
    ) -> None:
        super().__init__(WIDTH)
        rows = sorted(spares, key=lambda each: (each.least_ns, each.who, each.before))
        self._most_ns = max([1, *(each.greatest_ns for each in rows)])
        self._add_heading(_EDGE, title, label)
        top = _TOP
        if rows:
            self._add(Words(_EDGE, 56, _closest(rows[0]), 9, INK))
            for number, each in enumerate(rows):
                self._spare(each, top + number * _ROW, number)
            bottom = top + len(rows) * _ROW
            self._axis(top, bottom)
            top = bottom + 64.0
        for number, end in enumerate(ends):
            self._end(end, top + number * _ROW, number)
        if ends:
            said = "share of its bound that an end takes, least to greatest"
            self._add(Words(_LEFT, top - 12, said, 8, FAINT_INK))
            bottom = top + len(ends) * _ROW
            self._mark(_RIGHT, top, bottom, "bound", INK)
            top = bottom + 8.0
        self.height = top + 8.0

    def _row(
        self, name: str, said: str, ink: str, top: float, number: int, *, bold: bool = False
    ) -> None:
        if number % 2 == 0:
            self._add(Rect(_EDGE, top, WIDTH - _EDGE, top + _ROW, BAND, depth=0))
        middle = top + _ROW / 2
        self._add(
            Words(_EDGE + 4, middle, shortened(name, 40), 9, INK, bold=bold),
            Words(WIDTH - _EDGE - 4, middle, said, 9, ink, align="right", bold=bold),
        )

    def _spare(self, spare: Spare, top: float, number: int) -> None:
        is_safe = spare.least_ns > 0
        said = f"{_exactly(spare.least_ns)} to {_exactly(spare.greatest_ns)}"
        if not is_safe:
            said = f"none: violated, up to {_exactly(spare.greatest_ns)}"
        name = f"{spare.who}, before {spare.before}"
        self._row(name, said, INK if is_safe else FORBIDDEN, top, number, bold=number == 0)
        left, right = self._x(spare.least_ns), self._x(spare.greatest_ns)
        reach = Rect(left, top + 8, max(right, left + _BAR_MIN), top + _ROW - 8, mixed(BLUE, 0.4))
        edge = Rect(left, top + 4, left + 3, top + _ROW - 4, BLUE if is_safe else FORBIDDEN)
        # The time that is left in every run.
        sure = Rect(_LEFT, top + 11, left, top + _ROW - 11, mixed(BLUE, 0.16), depth=1)
        self._add(reach, edge, *([sure] if is_safe else []))

    def _x(self, ns: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * ns / self._most_ns

    def _end(self, end: BoundedEnd, top: float, number: int) -> None:
        assert end.bound_ns > 0, end
        left, right = (
            _LEFT + (_RIGHT - _LEFT) * min(ns / end.bound_ns, 1.04)
            for ns in (end.least_ns, end.greatest_ns)
        )
        is_late = end.greatest_ns > end.bound_ns
        over_ns = abs(end.bound_ns - end.greatest_ns)
        word = "too long" if is_late else "to spare"
        said = f"{_exactly(over_ns)} {word}, of {_exactly(end.bound_ns)}"
        self._row(f"{end.who} ends", said, FORBIDDEN if is_late else INK, top, number)
        colour = FORBIDDEN if is_late else mixed(BLUE, 0.7)
        span = Rect(left, top + 6, max(right, left + _BAR_MIN), top + _ROW - 6, colour, depth=2)
        bed = Rect(_LEFT, top + 9, _RIGHT, top + _ROW - 9, mixed(BLUE, 0.1), depth=1)
        self._add(bed, span)

    def _mark(self, x: float, top: float, bottom: float, word: str, ink: str) -> None:
        self._add(Line(((x, top - 6), (x, bottom + 4)), ink, 1.8, depth=6))
        self._add(Words(x, top - 12, word, 8, ink, align="center", bold=True))

    def _axis(self, top: float, bottom: float) -> None:
        self._mark(_LEFT, top, bottom, "0: violated", FORBIDDEN)
        for at_ns in range(0, self._most_ns + 1, round_up(self._most_ns / _TICKS)):
            x = self._x(at_ns)
            self._add(Line(((x, top), (x, bottom + 4)), HAIRLINE, 0.5, depth=1))
            text = about_ns(at_ns)
            self._add(Words(x, bottom + 14, text, 8, FAINT_INK, align="center"))
        said = "time to spare, over all runs: the dark edge is the least, which some run attains"
        self._add_centred(_LEFT, _RIGHT, bottom + 28, said, 8.5)


def _closest(spare: Spare) -> str:
    if spare.least_ns == 0:
        return f"{spare.who} goes wrong: no time is left before {spare.before}"
    least = _exactly(spare.least_ns)
    return f"closest to going wrong: {spare.who}, {least} before {spare.before}"


def _exactly(ns: int) -> str:
    return about_ns(ns, EXACT)
