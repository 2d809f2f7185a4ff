from hypothesis import given, settings
from hypothesis import strategies as st

from quiesce.properties.trackers.frame_map import FrameMap

FRAMES = 24

changes = st.lists(
    st.tuples(st.integers(0, FRAMES - 1), st.integers(1, FRAMES), st.integers(0, 3)), max_size=12
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(changes)
def test_runs_agree_with_one_value_for_each_frame(changes: list[tuple[int, int, int]]) -> None:
    runs: FrameMap[tuple[int, ...]] = FrameMap()
    plain: dict[int, tuple[int, ...]] = {}
    for first, count, mark in changes:
        end = min(first + count, FRAMES)
        runs.change(first, end, lambda old, mark=mark: (*(old or ()), mark))  # type: ignore[misc]
        for frame in range(first, end):
            plain[frame] = (*plain.get(frame, ()), mark)
    assert {frame: value for start, end, value in runs for frame in range(start, end)} == plain
    assert all(start < end for start, end, _ in runs)
    assert all(before <= after for before, after in zip(runs.ends, runs.starts[1:], strict=False))
    for frame in range(FRAMES):
        run = runs.run_at(frame)
        assert (None if run is None else run[2]) == plain.get(frame)
        assert runs.meets(frame, frame + 2) == (frame in plain or frame + 1 in plain)


def test_parts_of_runs_within_a_range_are_cut_at_its_ends() -> None:
    runs: FrameMap[str] = FrameMap()
    runs.change(0, 4, lambda _: "a")
    runs.change(6, 9, lambda _: "b")
    assert runs.within(2, 7) == [(2, 4, "a"), (6, 7, "b")]
    assert runs.within(4, 6) == []
