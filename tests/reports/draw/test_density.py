"""Crowds become bands, but never across a moment that matters."""

from quiesce.reports.draw.axis import TimeAxis, time_axis
from quiesce.reports.draw.chart import Bar, Mark
from quiesce.reports.draw.density import crowds, merged_bars

AXIS: TimeAxis = time_axis((), 0, 1_000_000, left=0, right=1000)
"""1,000 ns to the point, without cuts."""


def marks(*instants_ns: int) -> list[Mark]:
    return [Mark(at_ns, "landed", 1, index) for index, at_ns in enumerate(instants_ns)]


def test_a_thousand_writes_become_one_band_with_their_number() -> None:
    single, bands = crowds(marks(*range(100_000, 200_000, 100)), AXIS, [])
    assert single == []
    (band,) = bands
    assert (band.left, round(band.right, 6), band.count) == (100, 199.9, 1000)


def test_the_last_before_the_release_and_the_first_after_it_stay_apart() -> None:
    release_ns = 150_050
    _, bands = crowds(marks(*range(100_000, 200_000, 100)), AXIS, [release_ns])
    before, after = bands
    assert (before.count, after.count) == (501, 499)
    assert before.right < AXIS.place(release_ns) < after.left


def test_a_write_at_the_instant_of_the_release_counts_as_after_it() -> None:
    _, bands = crowds(marks(*range(0, 20_000, 1_000)), AXIS, [10_000])
    assert [band.count for band in bands] == [10, 10]


def test_few_writes_and_spaced_ones_are_drawn_one_by_one() -> None:
    few = marks(100_000, 100_100, 100_200)
    assert crowds(few, AXIS, []) == (few, [])
    spaced = marks(*range(0, 1_000_000, 50_000))
    assert crowds(spaced, AXIS, []) == (spaced, [])


def test_nothing_outside_the_axis_is_drawn() -> None:
    zoomed = time_axis((), 500_000, 600_000, left=0, right=1000)
    single, bands = crowds(marks(499_999, 500_000, 600_000, 600_001), zoomed, [])
    assert [mark.at_ns for mark in single] == [500_000, 600_000]
    assert bands == []


def test_marks_of_different_epochs_do_not_mix() -> None:
    mixed = [Mark(at, "landed", 1 + at % 2, at) for at in range(2_000)]
    _, bands = crowds(mixed, AXIS, [])
    assert sorted((band.epoch, band.count) for band in bands) == [(1, 1000), (2, 1000)]


def test_bars_in_flight_merge_and_named_bars_do_not() -> None:
    flights = [Bar(at, at + 700, "in_flight", 1) for at in range(0, 50_000, 1_000)]
    steps = [Bar(at, at + 700, "step", 1, "stop") for at in range(0, 3_000, 1_000)]
    bands = merged_bars(flights + steps, AXIS, [])
    assert [band.count for band in bands if band.kind == "in_flight"] == [50]
    assert [band.count for band in bands if band.kind == "step"] == [1, 1, 1]
