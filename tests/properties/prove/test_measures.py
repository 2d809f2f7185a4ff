"""What is measured along a run: which landings and which releases a distance is taken between."""

from quiesce.model.dense.step import Mark
from quiesce.model.trace.events import AnyEvent, CpuWriteLanded, DmaLanded, FramesReleased, Record
from quiesce.properties.prove.judging import readings_of
from quiesce.properties.prove.measures import IDLE, OVER, Between, FirstParting, ToOwnRelease, Turn


def records(*told: tuple[int, AnyEvent]) -> list[Record]:
    return [Record(at_ns, "story", -1, event) for at_ns, event in told]


def landing(frame: int, writer: str = "eth0", epoch: int = 1) -> DmaLanded:
    return DmaLanded(writer, epoch, frame << 12, 8, "data")


def release(first: int, count: int = 1, epoch: int = 1) -> FramesReleased:
    return FramesReleased("vm", epoch, first, count)


SPARE = ToOwnRelease("spare", "eth0", 1)


def test_each_landing_is_followed_to_the_release_of_its_own_frame() -> None:
    """One is taken as the beginning of the measure, and left alone for those that come later."""
    told = records((10, landing(4)), (30, landing(7)), (50, release(7)), (90, release(4)))
    assert readings_of(SPARE, told) == {20, 80}


def test_the_last_landing_in_a_frame_counts() -> None:
    told = records((10, landing(4)), (30, landing(4)), (90, release(4)))
    assert readings_of(SPARE, told) == {60}


def test_a_write_of_a_cpu_is_a_landing_like_any_other() -> None:
    """Workers of vdevs write guest memory too, and late ones are as bad."""
    told = records((10, CpuWriteLanded("vm.blk", 1, 4 << 12, 8, "data")), (35, release(4)))
    assert readings_of(ToOwnRelease("spare", "vm.blk", 1), told) == {25}


def test_landings_of_others_and_releases_of_other_frames_are_not_measured() -> None:
    told = records(
        (10, landing(4, writer="eth1")), (20, landing(4, epoch=2)), (30, landing(6)),
        (40, release(4)), (50, release(7, 3)), (60, release(6, epoch=2)),
    )  # fmt: skip
    assert readings_of(SPARE, told) == set()


def test_a_release_of_many_frames_is_one_of_its_first_and_of_its_last() -> None:
    for frame in (4, 5, 6):
        assert readings_of(SPARE, records((10, landing(frame)), (15, release(4, 3)))) == {5}
    assert readings_of(SPARE, records((10, landing(7)), (15, release(4, 3)))) == set()


def test_a_landing_at_the_instant_of_its_release_has_no_time_to_spare() -> None:
    assert readings_of(SPARE, records((10, landing(4)), (10, release(4)))) == {0}


def test_a_distance_that_was_read_is_not_begun_again_at_the_same_event() -> None:
    landed: Mark = ("landed", "eth0", 1, 4)
    marks: list[Mark] = [landed, ("released", 1, 4, 5), landed]
    turns = list(SPARE.turns(IDLE, marks))
    assert Turn(OVER, is_read=True, is_read_at_once=True) in turns
    assert Turn(OVER, is_started=True) not in turns
    assert Turn(4, is_started=True) in turns


def test_between_starts_once_or_with_the_latest_start() -> None:
    begin, end = ("begin",), ("end",)
    once = Between("once", begin, end)
    assert list(once.turns(IDLE, [begin])) == [Turn("running", is_started=True)]
    assert list(once.turns("running", [begin])) == [Turn("running")]
    assert list(once.turns("running", [end])) == [Turn(OVER, is_read=True)]
    latest = Between("latest", begin, end, restarts=True)
    assert list(latest.turns("running", [begin])) == [Turn("running", is_started=True)]
    assert list(latest.turns("running", [end])) == [Turn(IDLE, is_read=True)]
    every = Between("every", begin, end, goes_on=True)
    assert list(every.turns("running", [end])) == [Turn("running", is_read=True)]


def test_between_that_starts_and_stops_at_one_event_is_read_at_once() -> None:
    begin, end = ("begin",), ("end",)
    found = list(Between("d", begin, end).turns(IDLE, [begin, end]))
    assert found == [Turn(OVER, is_read=True, is_read_at_once=True)]
    assert list(Between("d", begin, end).turns(IDLE, [end, begin])) == [
        Turn("running", is_started=True)
    ]


def test_the_first_parting_is_that_of_the_end_which_is_followed() -> None:
    ending, parted, other = ("ending", 1), ("parted", 1), ("parted", 2)
    measure = FirstParting()
    assert list(measure.turns(IDLE, [ending])) == [Turn(IDLE), Turn(1, is_started=True)]
    assert list(measure.turns(1, [other])) == [Turn(1)]
    assert list(measure.turns(1, [parted])) == [Turn(OVER, is_read=True)]
    assert Turn(OVER, is_read=True, is_read_at_once=True) in measure.turns(IDLE, [ending, parted])
