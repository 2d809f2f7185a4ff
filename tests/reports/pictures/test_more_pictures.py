"""Two runs in one picture, windows, margins and distributions: what stands in them, and where."""

import re
from collections.abc import Callable

import pytest

from quiesce.model.trace.events import Trace
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.draw import fonts
from quiesce.reports.draw.canvas import Words, png
from quiesce.reports.draw.fonts import MAIN, families_for
from quiesce.reports.draw.picture import Picture
from quiesce.reports.pictures.causal_graph import CausalPicture
from quiesce.reports.pictures.comparison import ComparedRun, ComparisonPicture
from quiesce.reports.pictures.distribution import Distribution, DistributionPicture
from quiesce.reports.pictures.margins import BoundedEnd, Spare, SparePicture
from quiesce.reports.pictures.timing import TimingPicture
from quiesce.reports.pictures.windows import CauseRow, WindowPicture, window_picture

from ..conftest import NicStory

Judge = Callable[[Trace], Judgement]

US = 1_000
MS = 1_000_000


def words_in(svg: bytes) -> str:
    return "\n".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode()))


@pytest.mark.slow
def test_two_runs_stand_on_one_axis_that_begins_at_their_terminations(judge: Judge) -> None:
    good = NicStory(is_stopped=True, restarts=False).trace()
    bad = NicStory(crash_ns=700_000).trace()
    picture = ComparisonPicture(
        (ComparedRun("good", good, judge(good)), ComparedRun("bad", bad, judge(bad)))
    )
    words = words_in(picture.svg())
    for expected in (
        "good and bad, aligned at the termination",
        "good: HOLDS",
        "bad: VIOLATED (corruption)",
        "eth0 writes frame",
        "time from the instant at which qvm begins to end",
    ):
        assert expected in words, expected
    # Both crash 15 us before their qvm ends, however late in their run that is.
    assert words.count("vm1 crashes, -15us") == 2
    assert "\n0\n" in words
    assert (
        picture.svg()
        == ComparisonPicture(
            (ComparedRun("good", good, judge(good)), ComparedRun("bad", bad, judge(bad)))
        ).svg()
    )


def test_a_run_without_any_end_can_be_compared_too(judge: Judge) -> None:
    story = NicStory()
    empty = Trace(story.trace().header, ())
    run = ComparedRun("empty", empty, judge(empty))
    assert ComparisonPicture((run, run)).png().startswith(b"\x89PNG")


def test_what_comes_closest_to_going_wrong_is_named_first_with_how_much_is_left() -> None:
    spares = [
        Spare("eth0", "release by vm", 312_400, MS),
        Spare("line 179 of eth0", "detach by vm", 650, 100 * US),
    ]
    ends = [BoundedEnd("vm", 2 * MS, 3 * MS, 10 * MS), BoundedEnd("late", 0, 11 * MS, 10 * MS)]
    words = words_in(SparePicture("spare", "proved(dense time)", spares, ends).svg())
    for expected in (
        "closest to going wrong: line 179 of eth0, 650ns before detach by vm",
        "label: proved(dense time)",
        "0: violated",
        "312.4us to 1ms",
        "7ms to spare, of 10ms",
        "1ms too long, of 10ms",
    ):
        assert expected in words, expected
    assert words.index("line 179 of eth0, before") < words.index("eth0, before release")


def test_no_time_left_is_a_violation() -> None:
    spares = [Spare("eth0", "release by vm", 0, 40)]
    words = words_in(SparePicture("spare", "proved(dense time)", spares).svg())
    assert "eth0 goes wrong: no time is left before release by vm" in words
    assert "none: violated, up to 40ns" in words


def test_one_unsafe_window_is_named_by_its_edges_on_an_axis_of_what_is_covered() -> None:
    windows = {"guest-crash": [(286_000, 294_799)], "sigkill": [(250_000, 250_000)]}
    picture = window_picture("proof", "proved(dense time)", windows, 330_000, from_ns=240_000)
    words = words_in(picture.svg())
    assert "286us to 294.799us" in words
    assert "unsafe at 250us" in words
    assert "240us" in words
    assert "200us" not in words
    left, right = picture._x(240_000), picture._x(330_000)
    assert picture._x(286_000) == pytest.approx(left + (right - left) * 46 / 90)
    assert 0 < left < right - 400


def test_windows_of_a_proof_need_no_crash_points() -> None:
    windows = {"guest-crash": [(0, 100_000), (300_000, 350_000)], "sigkill": []}
    words = words_in(window_picture("proof", "proved(dense time)", windows, MS).svg())
    assert "unsafe for 150us in all" in words
    assert "all safe" in words
    assert "crash points" not in words


def test_windows_of_a_sweep_count_their_crash_points_and_have_round_ticks() -> None:
    row = CauseRow("guest-crash", 10, 3, ((200, 500, "stray"),))
    words = words_in(WindowPicture("sweep", "swept(all crash points)", [row], 1_326_696).svg())
    assert "3 of 10, stray" in words
    assert "crash points: unsafe of all" in words
    assert "200us\n400us" in words


@pytest.mark.parametrize("bound_ns", [12 * MS, 10_000 * MS])
def test_a_distribution_names_its_median_its_longest_and_its_bound(bound_ns: int) -> None:
    counts = {(10 * MS, 11 * MS): 30, (11 * MS, 12 * MS): 60, (13 * MS, 14 * MS): 1}
    data = Distribution(counts, 10 * MS, 11 * MS, 12 * MS, 13_500_000, unended=2)
    words = words_in(DistributionPicture("teardowns", "sampled(91)", data, bound_ns).svg())
    assert "91 teardowns, from 10ms to 13.5ms" in words
    assert "2 more had not ended" in words
    assert "longest 13.5ms" in words
    assert ("1 longer than the bound" in words) == (bound_ns == 12 * MS)
    assert ("lies far to the right" in words) == (bound_ns != 12 * MS)


def test_letters_that_no_font_can_draw_are_named_in_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert families_for(["eth0 \u00e9\u00df", "plain"]) == ([MAIN], False)
    monkeypatch.setattr(fonts, "FALLBACKS", ())
    assert families_for(["\u7db2"]) == ([MAIN], True)
    alone = png([Words(5, 10, "a")], 400, 40)
    lacking = png([Words(5, 10, "\u7db2")], 400, 40)
    assert len(lacking) > len(alone) + 1_000, "the note takes room"


@pytest.mark.parametrize(
    "kind",
    [
        *(TimingPicture, ComparisonPicture, WindowPicture),
        *(SparePicture, DistributionPicture, CausalPicture),
    ],
)
def test_every_picture_writes_its_files_by_the_common_base(kind: type[Picture]) -> None:
    assert issubclass(kind, Picture)
    assert (kind.svg, kind.png) == (Picture.svg, Picture.png)
