"""A chart as the page draws it: bars and marks of each track in groups that look alike.

Marks stand for records and are written as their indices; within a group bars begin in rising order
and marks happen in rising order, so that the browser finds what is visible by halving.
"""

from collections.abc import Sequence

from ..draw.chart import Bar, Chart, Lane, Level, Mark, Track
from .numbers import Json, WordTable, deltas, packed


def lane_table(chart: Chart) -> Json:
    """Return what there is to draw of a chart."""
    return {
        "start": packed(chart.start_ns),
        "end": packed(chart.end_ns),
        "moments": [
            {"at": packed(each.at_ns), "kind": each.kind, "epoch": each.epoch, "label": each.label}
            for each in chart.moments
        ],
        "lanes": [_lane(lane) for lane in chart.lanes],
    }


def _lane(lane: Lane) -> Json:
    return {
        "name": lane.name,
        "kind": lane.kind,
        "tracks": [_track(track) for track in lane.tracks],
    }


def _track(track: Track) -> Json:
    zone = track.zone
    return {
        "name": track.name,
        "bars": _bars(track.bars),
        "marks": _marks(track.marks),
        "levels": [_level(level) for level in track.levels],
        "zone": zone
        and {"first": packed(zone.first_ns), "last": packed(zone.last_ns), "what": zone.what},
    }


def _bars(bars: Sequence[Bar]) -> list[Json]:
    groups: dict[tuple[str, int], list[Bar]] = {}
    for bar in sorted(bars, key=lambda bar: (bar.start_ns, bar.end_ns)):
        groups.setdefault((bar.kind, bar.epoch), []).append(bar)
    return [
        {
            "kind": kind,
            "epoch": epoch,
            "start": deltas([bar.start_ns for bar in group]),
            "length": [packed(bar.end_ns - bar.start_ns) for bar in group],
            "open": [at for at, bar in enumerate(group) if bar.is_open],
            **_labels([bar.label for bar in group]),
        }
        for (kind, epoch), group in groups.items()
    ]


def _marks(marks: Sequence[Mark]) -> list[Json]:
    groups: dict[tuple[str, int], list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: (mark.at_ns, mark.index)):
        groups.setdefault((mark.kind, mark.epoch), []).append(mark)
    return [
        {
            "kind": kind,
            "epoch": epoch,
            "index": deltas([mark.index for mark in group]),
            **_labels([mark.label for mark in group]),
        }
        for (kind, epoch), group in groups.items()
    ]


def _labels(labels: Sequence[str]) -> dict[str, Json]:
    """Return the words in a list, and for each label that is not empty its place and its word."""
    words = WordTable()
    places = [(at, words.place(label)) for at, label in enumerate(labels) if label]
    return {"words": words.listed(), "labels": [list(place) for place in places]}


def _level(level: Level) -> Json:
    return {
        "at": deltas([at_ns for at_ns, _ in level.steps]),
        "count": [count for _, count in level.steps],
        "end": packed(level.end_ns),
        "epoch": level.epoch,
        "label": level.label,
    }
