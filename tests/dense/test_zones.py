"""The matrices against the shortest ways that Floyd and Warshall find, one bound at a time."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quiesce.properties.prove.zones import (
    PRESENT,
    Zone,
    at_least,
    before_next,
    closed,
    convex_union,
    fired,
    fired_first,
    rebase_of,
    rebased,
    synchronised,
    time_passed,
)

spans = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair)))


def origin(spans_after: list[tuple[int, int]]) -> Zone:
    """Return the zone of instants that are each so long after one beginning."""
    rebase = rebase_of([(0, lo, hi) for lo, hi in spans_after], 1)
    zone: Zone = rebased(np.zeros((1, 1, 1), dtype=np.int64), rebase)[0]
    return zone


def same(one: Zone | None, other: Zone | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(spans, min_size=3, max_size=6), st.lists(spans, min_size=1, max_size=3), st.data())
def test_every_zone_on_a_path_is_closed_and_exact(
    first: list[tuple[int, int]], new: list[tuple[int, int]], data: st.DataObject
) -> None:
    zone = origin(first)
    for _ in range(3):
        size = len(zone)
        indices = st.lists(st.integers(0, size - 1), unique=True, max_size=size)
        now = data.draw(st.integers(0, size - 1))
        earlier = np.array(data.draw(indices), dtype=np.int64)
        later = np.array(data.draw(indices), dtype=np.int64)
        bounded = zone.copy()
        bounded[earlier, now] = np.minimum(bounded[earlier, now], 0)
        bounded[now, later] = np.minimum(bounded[now, later], 0)
        np.fill_diagonal(bounded, 0)
        found = fired(zone[None], now, earlier, later)[1]
        assert same(found[0] if len(found) else None, closed(bounded))
        if not len(found):
            return
        instants = [(i, 0, 0) for i in range(size)] + [(now, *s) for s in new]
        zone = rebased(found, rebase_of(instants, size))[0]
        assert same(zone, closed(zone))
        new = new[:1]


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(spans, min_size=4, max_size=6))
def test_synchronised_moments_lie_between_what_is_past_and_what_is_to_come(
    instants: list[tuple[int, int]],
) -> None:
    zone = origin(instants)
    size = len(zone)
    touches = np.array([0, 1])
    wide = np.full((size + 1, size + 1), 1_000, dtype=np.int64)
    wide[1:, 1:] = zone
    wide[1 + touches, 0] = 0
    wide[0, 3:] = 0
    np.fill_diagonal(wide, 0)
    expected = closed(wide)
    kept = np.array([2, 3])
    found = synchronised(zone[None], 2, kept)[1]
    chosen = np.array([0, 3, 4])
    assert same(
        found[0] if len(found) else None,
        None if expected is None else expected[np.ix_(chosen, chosen)],
    )


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(spans, min_size=2, max_size=5))
def test_time_passes_up_to_the_next_instant_as_if_all_parts_were_synchronised(
    waits: list[tuple[int, int]],
) -> None:
    zone = origin([(0, 0), *waits])
    kept = np.arange(1, len(zone))
    assert same(time_passed(zone, 1), synchronised(zone[None], 1, kept)[1][0])


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(spans, min_size=2, max_size=5), st.data())
def test_a_delay_ends_first_of_all_as_if_it_were_ordered_before_all_others(
    waits: list[tuple[int, int]], data: st.DataObject
) -> None:
    zone = time_passed(origin([(0, 0), *waits]), 1)
    now = data.draw(st.integers(1, len(waits)))
    at_once = data.draw(st.booleans())
    others = [each for each in range(0 if at_once else 1, len(zone)) if each != now]
    expected = fired(zone[None], now, np.array([PRESENT]), np.array(others))[1]
    found = fired_first(zone, now, 1, at_once=at_once)
    assert same(found, expected[0] if len(expected) else None)


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(spans, min_size=3, max_size=5), st.integers(-8, 8))
def test_a_demand_of_a_least_distance_leaves_the_closed_zone_or_none(
    instants: list[tuple[int, int]], ns: int
) -> None:
    zone = origin(instants)
    bounded = zone.copy()
    bounded[2, 1] = min(bounded[2, 1], -ns)
    assert same(at_least(zone, 1, 2, ns), closed(bounded))


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(st.lists(spans, min_size=2, max_size=5))
def test_what_comes_strictly_before_the_next_instant_comes_a_nanosecond_before(
    waits: list[tuple[int, int]],
) -> None:
    zone = origin([(0, 0), *waits])
    bounded = zone.copy()
    bounded[PRESENT, 1:] = np.minimum(bounded[PRESENT, 1:], -1)
    assert same(before_next(zone, 1), closed(bounded))


@st.composite
def boxes(draw: st.DrawFn) -> Zone:
    """Give closed zones over three instants, none empty."""
    bounds = draw(st.lists(st.integers(-1, 3), min_size=9, max_size=9))
    zone = np.array(bounds, dtype=np.int64).reshape(3, 3)
    np.fill_diagonal(zone, 0)
    for middle in range(3):
        zone = np.minimum(zone, zone[:, middle, None] + zone[None, middle, :])
    assume(not (np.diagonal(zone) < 0).any())
    return zone


def points_of(zone: Zone) -> set[tuple[int, int]]:
    """Return all instants in halves, the first being 0."""
    halves = range(-8, 9)

    def is_inside(*at: int) -> bool:
        pairs = [(row, column) for row in range(3) for column in range(3)]
        return all(at[row] - at[column] <= 2 * zone[row, column] for row, column in pairs)

    return {(one, two) for one in halves for two in halves if is_inside(0, one, two)}


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(boxes(), boxes())
def test_a_union_adds_nothing_and_is_found_where_there_is_one(one: Zone, other: Zone) -> None:
    both = points_of(one) | points_of(other)
    union = convex_union(one, other)
    hull = points_of(np.maximum(one, other))
    if union is None:
        # Halves show what lies between two closed zones with whole bounds.
        assert hull != both
    else:
        assert points_of(union) == both
