"""The matrices against the shortest ways that Floyd and Warshall find, one bound at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.properties.prove.zones import Zone, fired, moved, origin, rebase_of, synchronised

spans = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair)))


def closed(zone: Zone) -> Zone | None:
    closure = zone.copy()
    for middle in range(len(zone)):
        closure = np.minimum(closure, closure[:, middle, None] + closure[None, middle, :])
    return None if (closure.diagonal() < 0).any() else closure


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
        zone = moved(found, rebase_of(instants, size))[0]
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
