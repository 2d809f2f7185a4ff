"""A map from frames to values that stores runs of equal values, however many frames they span."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class Runs(Generic[V]):
    """A map from frames to values, kept as disjoint runs of equal values in ascending order."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.values: list[V] = []

    def __iter__(self) -> Iterator[tuple[int, int, V]]:
        """Give (first, end, value) of every run."""
        return iter(zip(self.starts, self.ends, self.values, strict=True))

    def at(self, frame: int) -> V | None:
        """Return the value of a frame, or None if it has none."""
        position = bisect_right(self.starts, frame) - 1
        if position >= 0 and frame < self.ends[position]:
            return self.values[position]
        return None

    def within(self, first: int, end: int) -> list[tuple[int, int, V]]:
        """Return the parts of runs that lie in a range."""
        low, high = self._touched(first, end)
        return [
            (max(first, self.starts[position]), min(end, self.ends[position]), self.values[position])
            for position in range(low, high)
        ]

    def meets(self, first: int, end: int) -> bool:
        """Return whether any frame of a range has a value."""
        low, high = self._touched(first, end)
        return high > low

    def change(self, first: int, end: int, change: Callable[[V | None], V]) -> None:
        """Give each frame of a range the value that `change` makes of its present one."""
        low, high = self._touched(first, end)
        pieces: list[tuple[int, int, V]] = []
        position = first
        for start, stop, value in zip(
            self.starts[low:high], self.ends[low:high], self.values[low:high], strict=True
        ):
            if start < first:
                pieces.append((start, first, value))
            elif start > position:
                pieces.append((position, start, change(None)))
            position = min(stop, end)
            pieces.append((max(start, first), position, change(value)))
            if stop > end:
                pieces.append((end, stop, value))
        if position < end:
            pieces.append((position, end, change(None)))
        self._replace(low, high, pieces)

    def _touched(self, first: int, end: int) -> tuple[int, int]:
        """Return the positions of the runs that meet a range, as a slice."""
        return bisect_right(self.ends, first), bisect_left(self.starts, end)

    def _replace(self, low: int, high: int, pieces: list[tuple[int, int, V]]) -> None:
        """Put pieces in the place of some runs, and join equal neighbours."""
        if low > 0 and self.ends[low - 1] == pieces[0][0] and self.values[low - 1] == pieces[0][2]:
            low -= 1
            pieces.insert(0, (self.starts[low], self.ends[low], self.values[low]))
        joined: list[tuple[int, int, V]] = []
        for start, end, value in pieces:
            if joined and joined[-1][1] == start and joined[-1][2] == value:
                joined[-1] = (joined[-1][0], end, value)
            else:
                joined.append((start, end, value))
        self.starts[low:high] = [piece[0] for piece in joined]
        self.ends[low:high] = [piece[1] for piece in joined]
        self.values[low:high] = [piece[2] for piece in joined]
