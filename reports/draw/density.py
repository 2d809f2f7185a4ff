"""Keeps a crowded track legible: marks or bars too close together become a band with a count.

Nothing is merged across a moment that matters, such as the release of the first frame or a
violation. Before and after therefore stay apart, however dense the traffic is.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from .axis import TimeAxis
from .chart import Bar, Mark

CLOSE = 2.6
"""Two marks nearer than this, in points, blur into each other."""

CROWD = 4
"""This many marks in a row, each close to the next, are a crowd."""

_MERGING = ("in_flight", "request", "asserted")
"""Kinds of bars of which there may be thousands, none with a label of its own."""


class Band(msgspec.Struct, frozen=True):
    """Bars or marks of one kind and epoch that are drawn as one shape.

    Attributes:
        left: Where the first bar or mark begins, in points.
        right: Where the last one ends.
        kind: Their kind.
        epoch: Their epoch.
        count: How many there are.
    """

    left: float
    right: float
    kind: str
    epoch: int
    count: int


def merged_bars(bars: Iterable[Bar], axis: TimeAxis, bounds_ns: Sequence[int]) -> list[Band]:
    """Return bars as bands on paper: those of a merging kind that touch or nearly touch as one.

    Args:
        bars: The bars of a track; those outside the axis are left out.
        axis: The axis that gives their places.
        bounds_ns: Rising instants across which nothing is merged.
    """
    bands: list[Band] = []
    last: dict[tuple[str, int, int], int] = {}
    for bar in sorted(bars, key=lambda bar: (bar.start_ns, bar.end_ns)):
        if bar.end_ns < axis.start_ns or bar.start_ns > axis.end_ns:
            continue
        left, right = axis.place(bar.start_ns), axis.place(bar.end_ns)
        # Invariant: bars of one key lie between the same two bounds, so none is merged across a
        # bound.
        key = (bar.kind, bar.epoch, bisect_right(bounds_ns, bar.start_ns))
        known = last.get(key)
        near = known is not None and left - bands[known].right < CLOSE / 2
        if bar.kind in _MERGING and known is not None and near:
            band = bands[known]
            right = max(band.right, right)
            bands[known] = Band(band.left, right, bar.kind, bar.epoch, band.count + 1)
        else:
            last[key] = len(bands)
            bands.append(Band(left, right, bar.kind, bar.epoch, 1))
    return bands


def crowds(
    marks: Iterable[Mark], axis: TimeAxis, bounds_ns: Sequence[int]
) -> tuple[list[Mark], list[Band]]:
    """Return the marks that can be drawn one by one, and bands for those that cannot.

    Args:
        marks: The marks of a track; those outside the axis are left out.
        axis: The axis that gives their places.
        bounds_ns: Rising instants across which nothing is merged.
    """
    rows: dict[tuple[str, int, int], list[Mark]] = {}
    single: list[Mark] = []
    for mark in marks:
        if not axis.shows(mark.at_ns):
            continue
        if mark.label:
            single.append(mark)
        else:
            key = (mark.kind, mark.epoch, bisect_right(bounds_ns, mark.at_ns))
            rows.setdefault(key, []).append(mark)
    bands: list[Band] = []
    for row in rows.values():
        for run in _runs(row, axis):
            if len(run) < CROWD:
                single.extend(run)
            else:
                left, right = axis.place(run[0].at_ns), axis.place(run[-1].at_ns)
                bands.append(Band(left, right, run[0].kind, run[0].epoch, len(run)))
    return single, bands


def _runs(marks: list[Mark], axis: TimeAxis) -> list[list[Mark]]:
    runs: list[list[Mark]] = []
    last = 0.0
    for mark in marks:
        at = axis.place(mark.at_ns)
        if runs and at - last < CLOSE:
            runs[-1].append(mark)
        else:
            runs.append([mark])
        # Invariant: marks come in the order of time, and places never fall.
        last = at
    return runs
