"""Draws a sweep or a proof: the instants at which an end is unsafe, in a row for each cause.

Time runs from left to right. A strip marks the instants at which an end leads to a violation; its
colour is stronger the worse the violation is. The pale bed below it is the time that was covered.
An unsafe instant without width gets a visible strip; the numbers beside the row are exact.
"""

from collections.abc import Mapping, Sequence

import msgspec

from ...properties.core.verdict import SEVERITIES, Severity
from ..core.words import EXACT, about_ns, shortened
from ..draw.axis import round_up
from ..draw.canvas import Line, Rect, Words
from ..draw.palette import BAND, FAINT_INK, FORBIDDEN, GREEN, HAIRLINE, INK, mixed
from ..draw.picture import Picture

__all__ = ["CauseRow", "WindowPicture", "window_picture"]

WIDTH = 900.0
_EDGE = 16.0
_LEFT = 190.0
_RIGHT = 700.0
_ROW = 26.0
_TOP = 62.0
_STRIP_MIN = 1.2
"""The least width of a strip, in points; a narrower strip would be invisible."""

_TICKS = 8


class CauseRow(msgspec.Struct, frozen=True):
    """The result of a sweep or a proof for one cause.

    Attributes:
        cause: Name of the cause.
        points: How many crash points there were; 0 if all instants were covered at once.
        unsafe: How many of them violate a property.
        windows: The unsafe windows: first and last instant, and the worst severity.
        covered_ns: The last instant of this cause that was covered; None if all were.
    """

    cause: str
    points: int
    unsafe: int
    windows: tuple[tuple[int, int, Severity], ...]
    covered_ns: int | None = None


def window_picture(
    title: str,
    label: str,
    windows: Mapping[str, Sequence[tuple[int, int]]],
    until_ns: int,
    *,
    from_ns: int = 0,
) -> "WindowPicture":
    """Return the picture of unsafe windows that are known exactly, from a proof.

    Args:
        title: What was proved.
        label: Label of the judgement.
        windows: First and last unsafe instant of each window, by cause; none if the cause is safe.
        until_ns: The last instant that is covered.
        from_ns: The first instant that is covered.
    """
    rows = [
        CauseRow(cause, 0, 0, tuple((first, last, SEVERITIES[-1]) for first, last in each))
        for cause, each in windows.items()
    ]
    return WindowPicture(title, label, rows, until_ns, from_ns=from_ns)


class WindowPicture(Picture):
    """The picture of unsafe windows.

    Args:
        title: What was swept.
        label: Label of the judgement.
        rows: A row for each cause.
        until_ns: The last instant that was swept.
        from_ns: The first instant that was swept.
    """

    def __init__(
        self, title: str, label: str, rows: Sequence[CauseRow], until_ns: int, *, from_ns: int = 0
    ) -> None:
        super().__init__(WIDTH)
        # A single instant has no width: the axis then begins at 0.
        self._from_ns = from_ns if from_ns < until_ns else 0
        self._until_ns = max(1, until_ns)
        self._add_heading(_EDGE, title, label, 80)
        if any(row.points for row in rows):
            said = "crash points: unsafe of all"
            self._add(Words(WIDTH - _EDGE, 38, said, 9, FAINT_INK, align="right"))
        for number, row in enumerate(rows):
            self._row(row, _TOP + number * _ROW, shaded=number % 2 == 0)
        bottom = _TOP + len(rows) * _ROW
        self._axis(bottom)
        self.height = bottom + 46.0

    def _x(self, at_ns: int) -> float:
        share = (at_ns - self._from_ns) / (self._until_ns - self._from_ns)
        return _LEFT + (_RIGHT - _LEFT) * share

    def _row(self, row: CauseRow, top: float, *, shaded: bool) -> None:
        if shaded:
            self._add(Rect(_EDGE, top, WIDTH - _EDGE, top + _ROW, BAND, depth=0))
        middle = top + _ROW / 2 + 3
        self._add(Words(_EDGE + 4, middle, shortened(row.cause, 28), 9, INK, bold=True))
        bed = mixed(GREEN, 0.25)
        right = _RIGHT if row.covered_ns is None else max(self._x(row.covered_ns), _LEFT)
        if right > _LEFT:
            self._add(Rect(_LEFT, top + 7, right, top + _ROW - 7, bed, depth=1))
        for from_ns, to_ns, severity in row.windows:
            left, right = self._x(from_ns), self._x(to_ns)
            right = max(right, left + _STRIP_MIN)
            share = 0.35 + 0.65 * SEVERITIES.index(severity) / (len(SEVERITIES) - 1)
            self._add(Rect(left, top + 3, right, top + _ROW - 3, mixed(FORBIDDEN, share), depth=2))
        worst = max((window[2] for window in row.windows), key=SEVERITIES.index, default="none")
        if row.points:
            is_whole = row.covered_ns is None or row.covered_ns >= self._until_ns
            safe = ", all safe" if is_whole else ", rest open"
            said = f"{row.unsafe} of {row.points}" + (f", {worst}" if row.unsafe else safe)
        else:
            said = _in_words(row)
        ink = FORBIDDEN if row.windows else INK
        self._add(Words(WIDTH - _EDGE - 4, middle, said, 9, ink, align="right"))

    def _axis(self, bottom: float) -> None:
        step_ns = round_up((self._until_ns - self._from_ns) / _TICKS)
        for at_ns in range(-(-self._from_ns // step_ns) * step_ns, self._until_ns + 1, step_ns):
            x = self._x(at_ns)
            self._add(Line(((x, _TOP), (x, bottom + 4)), HAIRLINE))
            self._add(Words(x, bottom + 16, about_ns(at_ns), 8, FAINT_INK, align="center"))
        said = "instant at which the end begins"
        self._add_centred(_LEFT, _RIGHT, bottom + 32, said, 9)


def _in_words(row: CauseRow) -> str:
    if not row.windows:
        return "all safe"
    if len(row.windows) == 1:
        first_ns, last_ns, _ = row.windows[0]
        if first_ns == last_ns:
            return f"unsafe at {about_ns(first_ns, EXACT)}"
        return f"{about_ns(first_ns, EXACT)} to {about_ns(last_ns, EXACT)}"
    unsafe_ns = sum(last - first for first, last, _ in row.windows)
    return f"unsafe for {about_ns(unsafe_ns)} in all"
