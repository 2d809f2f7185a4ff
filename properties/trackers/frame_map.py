"""A map from frames to values that stores each run of equal values once."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class FrameMap(Generic[V]):
    """A map from frames to values, kept as disjoint runs in ascending order.

    The map does not join neighbours with equal values. It therefore has at most as many runs as
    there are places at which a change began or ended.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.values: list[V] = []

    def __iter__(self) -> Iterator[tuple[int, int, V]]:
        """Give (first, end, value) of every run."""
        return iter(zip(self.starts, self.ends, self.values, strict=True))

    def run_at(self, frame: int) -> tuple[int, int, V] | None:
        """Return (first, end, value) of the run that holds a frame, or None."""
        position = bisect_right(self.starts, frame) - 1
        if position < 0 or frame >= self.ends[position]:
            return None
        return self.starts[position], self.ends[position], self.values[position]

    def within(self, first: int, end: int) -> list[tuple[int, int, V]]:
        """Return the parts of runs that lie in a range, cut to the range."""
        low, high = self._touched(first, end)
        parts = zip(self.starts[low:high], self.ends[low:high], self.values[low:high], strict=True)
        return [(max(first, start), min(end, stop), value) for start, stop, value in parts]

    def meets(self, first: int, end: int) -> bool:
        """Return whether any frame of a range has a value."""
        low, high = self._touched(first, end)
        return high > low

    def change(self, first: int, end: int, change: Callable[[V | None], V]) -> None:
        """Give each frame of a range the value that `change` makes of its present value."""
        # Invariant: `low` to `high` are exactly the runs that meet the range.
        # Invariant: `starts` and `ends` rise strictly, and no two runs overlap.
        low, high = self._touched(first, end)
        starts: list[int] = []
        values: list[V] = []
        position = first
        stop = end
        for each in range(low, high):
            start, stop, value = self.starts[each], self.ends[each], self.values[each]
            if start < first:
                starts.append(start)
                values.append(value)
            elif start > position:
                starts.append(position)
                values.append(change(None))
            starts.append(max(start, first))
            values.append(change(value))
            position = stop
        if position < end:
            starts.append(position)
            values.append(change(None))
        elif position > end:
            starts.append(end)
            values.append(self.values[high - 1])
        # Invariant: the new pieces have no gap between them: each ends where the next begins.
        self.starts[low:high] = starts
        self.ends[low:high] = [*starts[1:], max(stop, end)]
        self.values[low:high] = values

    def _touched(self, first: int, end: int) -> tuple[int, int]:
        """Return the positions of the runs that meet a range, as a slice."""
        return bisect_right(self.ends, first), bisect_left(self.starts, end)
