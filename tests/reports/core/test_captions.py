"""Words find room beside each other."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from quiesce.reports.core.captions import Caption, placed, width_of

SIZE = 7.0


@given(
    st.lists(
        st.builds(
            Caption,
            x=st.floats(0, 500),
            text=st.text("abc", min_size=1, max_size=30),
            rank=st.integers(0, 2),
        ),
        max_size=25,
    )
)
def test_no_two_captions_overlap_and_none_leaves_the_paper(captions: list[Caption]) -> None:
    blocked = [(200.0, 226.0)]
    words = placed(captions, left=0, right=500, size=SIZE, lines=2, blocked=blocked)
    for line in (0, 1):
        spans = sorted(
            (word.x, word.x + width_of(word.text, SIZE)) for word in words if word.line == line
        )
        spans = sorted(spans + blocked)
        for (_, end), (begin, _) in pairwise(spans):
            assert end <= begin + 1e-6
        assert all(begin >= 0 and end <= 500 for begin, end in spans)


def test_a_caption_goes_one_line_up_when_its_place_is_taken() -> None:
    words = placed(
        [Caption(10, "may write"), Caption(12, "confirmed quiet", 0)],
        left=0,
        right=500,
        size=SIZE,
        lines=2,
    )
    assert [(word.text, word.line) for word in words] == [
        ("confirmed quiet", 0),
        ("may write", 1),
    ]


def test_a_caption_moves_away_from_a_cut_rather_than_losing_letters() -> None:
    (word,) = placed(
        [Caption(180, "disable-receive")],
        left=0,
        right=500,
        size=SIZE,
        lines=1,
        blocked=[(200, 226)],
    )
    assert word.text == "disable-receive"
    assert word.x + width_of(word.text, SIZE) <= 200


def test_a_caption_without_room_is_cut_or_left_out() -> None:
    long = Caption(0, "a caption that is far too long")
    (word,) = placed([long], left=0, right=60, size=SIZE, lines=1)
    assert word.text.endswith("…")
    assert placed([long], left=0, right=20, size=SIZE, lines=1) == []
