"""A time axis that leaves out long stretches in which nothing happens.

Time stays in integer nanoseconds up to the last step, where an instant becomes a place on paper. A
cut lies strictly between two neighbouring instants. No event is therefore inside a cut, and the
length of each cut is known exactly.

Which gaps to cut: each cut makes the rest larger, and costs the reader a leap. Cutting the `k`
longest gaps is worth it while each cut doubles the rest on average: `k` minimises `rest(k) * 2**k`.
A run of few instants gets few cuts, because distances are all that it shows.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise

import msgspec

CUTS_MAX = 8
"""The most cuts that a reader can follow."""

CUT_WIDTH = 26.0
"""Paper width of a cut, in points."""

INSTANTS_PER_CUT = 10
"""The fewest instants for which a cut is made."""

_MARGIN = 24
"""A cut leaves 1/24 of the drawn time on each of its sides."""


class Piece(msgspec.Struct, frozen=True):
    """A stretch of time and its place on paper.

    Attributes:
        start_ns: First instant.
        end_ns: Last instant, never before the first.
        left: Place of the first instant, in points.
        right: Place of the last instant, in points.
        is_cut: Whether it is left out; its width then has no meaning.
    """

    start_ns: int
    end_ns: int
    left: float
    right: float
    is_cut: bool = False

    def place(self, at_ns: int) -> float:
        """Return the place of an instant inside the piece, in points."""
        if self.end_ns == self.start_ns:
            return self.left
        done = (at_ns - self.start_ns) / (self.end_ns - self.start_ns)
        return min(self.left + (self.right - self.left) * done, self.right)


class TimeAxis:
    """Turns instants into places on paper; later instants never lie further left.

    Args:
        pieces: Adjoining stretches, drawn and cut in turn; the first and last are drawn.
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = tuple(pieces)
        self._starts_ns = [piece.start_ns for piece in self.pieces]

    @property
    def start_ns(self) -> int:
        """The first instant that is drawn."""
        return self.pieces[0].start_ns

    @property
    def end_ns(self) -> int:
        """The last instant that is drawn."""
        return self.pieces[-1].end_ns

    @property
    def cuts(self) -> tuple[Piece, ...]:
        """The stretches that are left out."""
        return tuple(piece for piece in self.pieces if piece.is_cut)

    def place(self, at_ns: int) -> float:
        """Return the place of an instant in points; an instant outside gets the nearer end."""
        # Invariant: pieces adjoin and rise, so the last that begins by then holds the instant.
        inside_ns = min(max(at_ns, self.start_ns), self.end_ns)
        return self.pieces[bisect_right(self._starts_ns, inside_ns) - 1].place(inside_ns)

    def shows(self, at_ns: int) -> bool:
        """Return whether the instant lies between the ends of the axis."""
        return self.start_ns <= at_ns <= self.end_ns

    def ticks(self, spacing: float) -> list[int]:
        """Return instants for ticks: round ones, at least `spacing` points apart in a piece.

        A piece too short for a round instant has none.  All pieces share one step, so
        that equal distances on paper mean equal times wherever the axis is not cut.
        """
        drawn = [piece for piece in self.pieces if not piece.is_cut]
        paper = sum(piece.right - piece.left for piece in drawn)
        time_ns = sum(piece.end_ns - piece.start_ns for piece in drawn)
        if not paper or not time_ns:
            return [self.start_ns]
        step_ns = round_up(time_ns * spacing / paper)
        return [
            at_ns
            for piece in drawn
            for at_ns in range(-(-piece.start_ns // step_ns) * step_ns, piece.end_ns + 1, step_ns)
        ]


def time_axis(
    instants_ns: Iterable[int], start_ns: int, end_ns: int, *, left: float, right: float
) -> TimeAxis:
    """Return the axis from `start_ns` to `end_ns` on the paper from `left` to `right`.

    Args:
        instants_ns: When events happen, in any order; those outside the axis are ignored.
        start_ns: First instant to draw.
        end_ns: Last instant to draw, not before the first.
        left: Place of the first instant, in points.
        right: Place of the last instant, in points; further right than `left`.
    """
    assert start_ns <= end_ns, (start_ns, end_ns)
    assert left < right, (left, right)
    inside = {at_ns for at_ns in instants_ns if start_ns <= at_ns <= end_ns}
    busy_ns = sorted(inside | {start_ns, end_ns})
    # Invariant: a gap has no instant strictly inside it, so a cut leaves out no event.
    gaps = list(pairwise(busy_ns))
    cuts = _with_margins(_worth_cutting(gaps, end_ns - start_ns), end_ns - start_ns)
    return TimeAxis(_laid_out(cuts, start_ns, end_ns, left, right))


def _worth_cutting(gaps: list[tuple[int, int]], whole_ns: int) -> list[tuple[int, int]]:
    longest = sorted(gaps, key=lambda gap: (gap[0] - gap[1], gap[0]))
    cuts_max = min(CUTS_MAX, (len(gaps) + 1) // INSTANTS_PER_CUT)
    best, best_cost = 0, whole_ns
    rest_ns = whole_ns
    for count, (earlier, later) in enumerate(longest[:cuts_max], start=1):
        rest_ns -= later - earlier
        # Integers only: `cost` is rest(k) * 2**k of the module's docstring.
        cost = rest_ns << count
        if 0 < cost < best_cost:
            best, best_cost = count, cost
    return sorted(longest[:best])


def _with_margins(gaps: list[tuple[int, int]], whole_ns: int) -> list[tuple[int, int]]:
    rest_ns = whole_ns - sum(later - earlier for earlier, later in gaps)
    cuts = []
    for earlier, later in gaps:
        margin_ns = min(max(rest_ns // _MARGIN, 1), (later - earlier) // 4)
        # Invariant: a cut lies strictly inside its gap, at least 1 ns from both instants.
        if margin_ns:
            cuts.append((earlier + margin_ns, later - margin_ns))
    return cuts


def _laid_out(
    cuts: list[tuple[int, int]], start_ns: int, end_ns: int, left: float, right: float
) -> list[Piece]:
    width = min(CUT_WIDTH, (right - left) / (2 * len(cuts) + 1))
    drawn_ns = end_ns - start_ns - sum(stop - begin for begin, stop in cuts)
    per_ns = (right - left - width * len(cuts)) / max(drawn_ns, 1)
    pieces = []
    at_ns, at = start_ns, left
    for begin_ns, stop_ns in cuts:
        edge = at + (begin_ns - at_ns) * per_ns
        pieces.append(Piece(at_ns, begin_ns, at, edge))
        pieces.append(Piece(begin_ns, stop_ns, edge, edge + width, is_cut=True))
        at_ns, at = stop_ns, edge + width
    # Invariant: the last piece ends exactly at `right`; rounding errors stay inside it.
    pieces.append(Piece(at_ns, end_ns, at, right))
    return pieces


def round_up(value: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, ... that is not below the value: a step for ticks."""
    scale = 1
    while True:
        for digit in (1, 2, 5):
            if digit * scale >= value:
                return digit * scale
        scale *= 10
