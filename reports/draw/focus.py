"""Chooses the part of a run that the picture shows."""

from collections.abc import Sequence

from .axis import TimeAxis, time_axis
from .chart import Chart

SHARE_MIN = 0.3
"""The least share of the paper for the decisive part; otherwise the rest is cropped."""

_MARGIN = 3
"""A third of the length of the decisive part is shown on each side of it."""


def focused_axis(
    chart: Chart, violations_ns: Sequence[int], *, left: float, right: float
) -> TimeAxis:
    """Return the axis on which the decisive part of the run can be read.

    The decisive part lasts from the end of a guest to the end of its teardown and to the first
    violations. If no guest ends, everything is decisive. The picture shows the
    whole run if the decisive part stays large enough. Otherwise the run is cropped before it, after
    it, or on both sides.

    Args:
        chart: What is to be drawn.
        violations_ns: Instants of the violations, the most important one first.
        left: Where the axis begins on paper, in points.
        right: Where it ends.
    """
    first_ns, last_ns = _decisive(chart, violations_ns)
    margin_ns = max((last_ns - first_ns) // _MARGIN, 1)
    early_ns = max(first_ns - margin_ns, chart.start_ns)
    late_ns = min(last_ns + margin_ns, chart.end_ns)
    windows = (
        (chart.start_ns, chart.end_ns),
        (early_ns, chart.end_ns),
        (chart.start_ns, late_ns),
    )
    for start_ns, end_ns in windows:
        axis = time_axis(chart.instants_ns, start_ns, end_ns, left=left, right=right)
        if axis.place(last_ns) - axis.place(first_ns) >= SHARE_MIN * (right - left):
            return axis
    return time_axis(chart.instants_ns, early_ns, late_ns, left=left, right=right)


def _decisive(chart: Chart, violations_ns: Sequence[int]) -> tuple[int, int]:
    ends = [moment.at_ns for moment in chart.moments if moment.kind == "end"]
    if not ends:
        return chart.start_ns, chart.end_ns
    if violations_ns:
        decisive_ns = violations_ns[0]
        before = [at_ns for at_ns in ends if at_ns <= decisive_ns]
        first_ns = before[-1] if before else chart.start_ns
    else:
        first_ns = decisive_ns = ends[0]
    later_ends = [at_ns for at_ns in ends if at_ns > decisive_ns]
    horizon_ns = min(later_ends, default=chart.end_ns)
    after = [
        moment.at_ns
        for moment in chart.moments
        if moment.kind != "end" and first_ns <= moment.at_ns <= horizon_ns
    ]
    last_ns = max([*after, decisive_ns])
    if first_ns == last_ns:
        return chart.start_ns, chart.end_ns
    near_ns = last_ns + (last_ns - first_ns) // 2
    return first_ns, max([at_ns for at_ns in violations_ns if at_ns <= near_ns] + [last_ns])
