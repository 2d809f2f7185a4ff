"""Windows: closed intervals of instants, and their union."""

from collections.abc import Iterable
from typing import NamedTuple


class Window(NamedTuple):
    """A closed interval of instants, in nanoseconds from the beginning."""

    first_ns: int
    last_ns: int


def united(windows: Iterable[Window]) -> list[Window]:
    """Return the union of windows as disjoint ones, in order.

    Example:
        >>> united([Window(3, 4), Window(1, 2), Window(2, 2)])
        [Window(first_ns=1, last_ns=2), Window(first_ns=3, last_ns=4)]
    """
    union: list[Window] = []
    for window in sorted(windows):
        if union and window.first_ns <= union[-1].last_ns:
            union[-1] = Window(union[-1].first_ns, max(union[-1].last_ns, window.last_ns))
        else:
            union.append(window)
    return union
