"""Margin bars: how much of the time that it is allowed each device leaves, one bar for each.

Each bar is drawn against its own allowed time, so that devices whose times differ by orders can
stand below each other; the numbers beside it are exact.
"""

from collections.abc import Sequence
from typing import NamedTuple

from .canvas import Line, Rect, Shape, Words, png, svg
from .palette import BAND, BLUE, FAINT_INK, FORBIDDEN, HAIRLINE, HOST_GREY, INK, mixed
from .words import EXACT, about_ns, shortened

__all__ = ["Margin", "MarginPicture"]

WIDTH = 900.0
_EDGE = 16.0
_LEFT = 190.0
_ALLOWED = 500.0
_RIGHT = 650.0
_ROW = 26.0
_TOP = 72.0


class Margin(NamedTuple):
    """What a device needs and may need.

    Attributes:
        device: Its name.
        margin_ns: Allowed time less the longest it takes; negative if it takes too long, None if
            that is not known.
        allowed_ns: What it is allowed, more than 0.
    """

    device: str
    margin_ns: int | None
    allowed_ns: int


class MarginPicture:
    """The picture of the margins.

    Args:
        title: What they are margins of.
        label: Of the judgement that they come from.
        margins: One for each device, in the order in which they are drawn.

    Attributes:
        height: In points; the width is `WIDTH`.
    """

    def __init__(self, title: str, label: str, margins: Sequence[Margin]) -> None:
        self._shapes: list[Shape] = [
            Words(_EDGE, 20, shortened(title, 80), 13, INK, bold=True),
            Words(_EDGE, 38, f"label: {label}", 9, FAINT_INK),
            Words(WIDTH - _EDGE, 38, "margin, of what is allowed", 9, FAINT_INK, align="right"),
        ]
        for number, margin in enumerate(margins):
            self._row(margin, _TOP + number * _ROW, shaded=number % 2 == 0)
        bottom = _TOP + len(margins) * _ROW
        self._scale(bottom)
        self.height = bottom + 34.0

    def svg(self) -> bytes:
        """Return the picture as an SVG file."""
        return svg(self._shapes, WIDTH, self.height)

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        return png(self._shapes, WIDTH, self.height)

    def _row(self, margin: Margin, top: float, *, shaded: bool) -> None:
        assert margin.allowed_ns > 0, margin
        if shaded:
            self._shapes.append(Rect(_EDGE, top, WIDTH - _EDGE, top + _ROW, BAND, depth=0))
        middle = top + _ROW / 2
        name = shortened(margin.device, 28)
        self._shapes.append(Words(_EDGE + 4, middle, name, 9, INK, bold=True))
        upper, lower = top + 6, top + _ROW - 6
        allowed = about_ns(margin.allowed_ns, EXACT)
        if margin.margin_ns is None:
            bed = Rect(_LEFT, upper, _ALLOWED, lower, "#FFFFFF", "////", HOST_GREY, depth=2)
            self._shapes.append(bed)
            text, ink = f"not known, of {allowed}", FAINT_INK
        else:
            text, ink = self._bar(margin.margin_ns, margin.allowed_ns, upper, lower)
            text = f"{text} of {allowed}"
        right = WIDTH - _EDGE - 4
        self._shapes.append(Words(right, middle, text, 9, ink, align="right"))

    def _bar(self, margin_ns: int, allowed_ns: int, upper: float, lower: float) -> tuple[str, str]:
        used = (allowed_ns - margin_ns) / allowed_ns
        self._shapes.append(Rect(_LEFT, upper, _ALLOWED, lower, mixed(BLUE, 0.16), depth=1))
        right = _LEFT + (_ALLOWED - _LEFT) * min(used, 1.0)
        self._shapes.append(Rect(_LEFT, upper, right, lower, mixed(BLUE, 0.7), depth=2))
        share = f"{abs(margin_ns) * 100 / allowed_ns:.1f}%"
        if margin_ns >= 0:
            return f"{about_ns(margin_ns, EXACT)} ({share})", INK
        over = min(_ALLOWED + (_ALLOWED - _LEFT) * (used - 1.0), _RIGHT)
        self._shapes.append(Rect(_ALLOWED, upper, over, lower, FORBIDDEN, depth=2))
        if over == _RIGHT:
            torn = ((over, upper - 2), (over - 4, (upper + lower) / 2), (over, lower + 2))
            self._shapes.append(Line(torn, "#FFFFFF", 2.5, depth=3))
        return f"{about_ns(-margin_ns, EXACT)} too long ({share})", FORBIDDEN

    def _scale(self, bottom: float) -> None:
        for share in (0.0, 0.25, 0.5, 0.75):
            x = _LEFT + (_ALLOWED - _LEFT) * share
            self._shapes.append(Line(((x, _TOP), (x, bottom)), HAIRLINE, 0.5, depth=1))
            text = f"{share:.0%}"
            self._shapes.append(Words(x, bottom + 12, text, 7.4, FAINT_INK, align="center"))
        self._shapes.append(Line(((_ALLOWED, _TOP - 6), (_ALLOWED, bottom + 4)), INK, 1.8, depth=6))
        top = Words(_ALLOWED, _TOP - 12, "allowed", 8, INK, align="center", bold=True)
        under = Words(_ALLOWED, bottom + 12, "100%", 7.4, INK, align="center")
        what = Words(_LEFT, _TOP - 12, "time taken, as a share of what is allowed", 8, FAINT_INK)
        self._shapes += [top, under, what]
