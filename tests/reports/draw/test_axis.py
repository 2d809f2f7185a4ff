"""The time axis: exact about what it leaves out, and never running backwards."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.reports.draw.axis import CUT_WIDTH, CUTS_MAX, TimeAxis, time_axis

LEFT, RIGHT = 100.0, 900.0
INSTANTS = st.lists(st.integers(0, 10**10), min_size=1, max_size=80)


def axis_of(instants_ns: list[int]) -> TimeAxis:
    return time_axis(instants_ns, min(instants_ns), max(instants_ns), left=LEFT, right=RIGHT)


def clusters(*starts_ns: int) -> list[int]:
    return [start_ns + 100 * step for start_ns in starts_ns for step in range(20)]


@given(INSTANTS)
def test_no_instant_ever_lies_in_a_cut(instants_ns: list[int]) -> None:
    axis = axis_of(instants_ns)
    for cut in axis.cuts:
        assert cut.start_ns < cut.end_ns
        assert not any(cut.start_ns <= at_ns <= cut.end_ns for at_ns in instants_ns)
    assert len(axis.cuts) <= CUTS_MAX


@given(INSTANTS, st.lists(st.integers(0, 10**10), min_size=2, max_size=20))
def test_later_instants_never_lie_further_left(instants_ns: list[int], probes: list[int]) -> None:
    axis = axis_of(instants_ns)
    edges = [at_ns for piece in axis.pieces for at_ns in (piece.start_ns, piece.end_ns)]
    places = [axis.place(at_ns) for at_ns in sorted([*instants_ns, *probes, *edges])]
    assert places == sorted(places)
    assert LEFT <= places[0] <= places[-1] <= RIGHT


@pytest.mark.slow
@given(INSTANTS)
def test_pieces_adjoin_in_time_and_on_paper_and_end_where_the_paper_ends(
    instants_ns: list[int],
) -> None:
    axis = axis_of(instants_ns)
    for piece, following in pairwise(axis.pieces):
        assert piece.end_ns == following.start_ns
        assert piece.right == following.left
        assert piece.is_cut != following.is_cut
    assert (axis.start_ns, axis.end_ns) == (min(instants_ns), max(instants_ns))
    assert (axis.pieces[0].left, axis.pieces[-1].right) == (LEFT, RIGHT)


@given(INSTANTS)
def test_ticks_lie_in_drawn_time_only_and_keep_their_distance(instants_ns: list[int]) -> None:
    axis = axis_of(instants_ns)
    ticks = axis.ticks(60)
    assert ticks == sorted(set(ticks))
    for piece in axis.pieces:
        inside = [at_ns for at_ns in ticks if piece.start_ns < at_ns < piece.end_ns]
        assert not (piece.is_cut and inside)
        places = [axis.place(at_ns) for at_ns in inside]
        pairs = pairwise(places)
        assert all(later - earlier > 59.9 for earlier, later in pairs)


def test_two_bursts_a_second_apart_are_drawn_with_the_second_cut_out() -> None:
    # 20 instants over 1.9 us each; the rest is 3.8 us, of which 1/24 is kept on each side.
    axis = axis_of(clusters(0, 1_000_000_000))
    (cut,) = axis.cuts
    assert (cut.start_ns, cut.end_ns) == (1_900 + 158, 1_000_000_000 - 158)
    assert cut.right - cut.left == CUT_WIDTH


def test_three_bursts_far_apart_get_two_cuts() -> None:
    axis = axis_of(clusters(0, 50_000_000, 900_000_000))
    assert len(axis.cuts) == 2


def test_even_traffic_is_not_cut() -> None:
    assert axis_of(list(range(0, 1_000_000, 1_000))).cuts == ()


def test_a_few_instants_keep_their_distances() -> None:
    assert axis_of([0, 10, 20, 5_000_000]).cuts == ()


def test_equal_times_have_equal_lengths_on_both_sides_of_a_cut() -> None:
    axis = axis_of(clusters(0, 1_000_000_000))
    first = axis.place(1_000) - axis.place(0)
    second = axis.place(1_000_001_000) - axis.place(1_000_000_000)
    assert abs(first - second) < 1e-6


def test_one_instant_is_an_axis_too() -> None:
    axis = axis_of([7])
    assert axis.place(7) == LEFT
    assert axis.ticks(60) == [7]
