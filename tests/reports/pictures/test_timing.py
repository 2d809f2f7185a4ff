"""The picture itself: what stands in it, that it is whole, and that it is the same every time."""

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Part, Record, Trace
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.pictures.lane_picture import WIDTH
from quiesce.reports.pictures.timing import TimingPicture

Judge = Callable[[Trace], Judgement]


def words_in(svg: bytes) -> str:
    root = ET.fromstring(svg)
    return "\n".join(text.strip() for text in root.itertext() if text.strip())


def picture_of(trace: Trace, judge: Judge) -> TimingPicture:
    return TimingPicture(trace, judge(trace))


def test_the_picture_of_a_late_write_names_who_when_where_and_what_was_missing(
    late_writes: Trace, judge: Judge
) -> None:
    words = words_in(picture_of(late_writes, judge).svg())
    for expected in (
        "nic-guest-crash: VIOLATED (corruption)",
        "label: run",
        "no-dma-after-teardown: violated",
        "no-irq-after-teardown: vacuous",
        "eth0 writes frame 0x1f2 of epoch 2, 160.7us late, at 935.7us (and 22 more)",
        "eth0 was never asked to stop",
        "no IOMMU stood in its way",
        "may write for epoch 1, never seen to be quiet",
        "no write allowed",
        "vm1 crashes, 500us",
        "TEARDOWN of vm1: first frame returned, 625us",
        "vm1: last frame returned, 775us",
        "owned by epoch 2",
        "bounds: one run",
        "2 assumptions, 2 of them undocumented",
    ):
        assert expected in words, expected


def test_the_picture_of_a_quiet_device_names_the_step_and_its_confirmation(
    stopped_in_time: Trace, judge: Judge
) -> None:
    words = words_in(picture_of(stopped_in_time, judge).svg())
    for expected in ("HOLDS", "disable-receive", "confirmed quiet", "TERMINATE"):
        assert expected in words, expected
    assert "late" not in words
    assert "violation" not in words


def test_a_refused_write_is_explained_in_the_picture(blocked_writes: Trace, judge: Judge) -> None:
    words = words_in(picture_of(blocked_writes, judge).svg())
    assert "access refused by the IOMMU" in words
    assert "invalidating" in words


@pytest.mark.slow
def test_equal_runs_give_equal_bytes(late_writes: Trace, judge: Judge) -> None:
    first, second = picture_of(late_writes, judge), picture_of(late_writes, judge)
    assert first.svg() == second.svg()
    assert first.png() == second.png()
    assert not re.search(rb"<dc:date>|20\d\d-\d\d-\d\d", first.svg())


def test_the_png_has_two_dots_to_the_point(late_writes: Trace, judge: Judge) -> None:
    picture = picture_of(late_writes, judge)
    png = picture.png()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert width == 2 * WIDTH
    assert abs(height - 2 * picture.height) <= 1
    assert png.endswith(b"IEND\xaeB`\x82")


def test_a_name_with_dollars_and_markup_is_drawn_as_it_is(judge: Judge) -> None:
    name = "eth$_{0}$ <b>&amp;"
    records = (
        Record(0, name, -1, ev.DmaIssued(name, 1, 0x1000, 64, "data")),
        Record(9, "memory", 0, ev.DmaLanded(name, 1, 0x1000, 64, "data")),
    )
    header = Header("a$b_c$ <i> & \x00\x1b[31m 漢", parts=(Part(name, "hardware"),))
    picture = picture_of(Trace(header, records), judge)
    words = words_in(picture.svg())
    assert name in words
    assert "a$b_c$ <i> & ??[31m 漢: NOT EXERCISED" in words
    assert picture.png()


def test_a_run_without_end_and_an_empty_one_are_pictures_too(judge: Judge) -> None:
    header = Header("nothing", parts=(Part("eth0", "hardware"),))
    assert "no event" in words_in(picture_of(Trace(header, ()), judge).svg())
    one = Trace(header, (Record(5, "vm1", -1, ev.VmStarted("vm1", 1)),))
    assert "runs (epoch 1)" in words_in(picture_of(one, judge).svg())


def test_forty_lanes_with_long_names_fit(judge: Judge) -> None:
    parts = tuple(Part(f"some.component.with.a.long.name.{at}", "hardware") for at in range(40))
    records = tuple(
        Record(1000 * at, "x", -1, ev.DmaLanded(parts[at % 40].name, 1, 0x1000, 64, "data"))
        for at in range(400)
    )
    picture = picture_of(Trace(Header("wide", parts=parts), records), judge)
    words = words_in(picture.svg())
    assert all(part.name in words for part in parts)
    assert picture.height < 2000


def test_dense_traffic_is_counted_and_does_not_make_the_file_grow(judge: Judge) -> None:
    crash = (
        Record(5_000_000, "g", -1, ev.GuestEnded("vm1", 1, "crashed")),
        Record(5_100_000, "m", -1, ev.FramesReleased("vm1", 1, 16, 1)),
    )
    writes = tuple(
        Record(700 * at, "m", -1, ev.DmaLanded("eth0", 1, 0x9000, 64, "data"))
        for at in range(8_000)
    )
    grant = (Record(0, "m", -1, ev.FramesGranted("vm1", 1, 16, 1)),)
    records = sorted(grant + writes + crash, key=lambda record: record.at_ns)
    picture = picture_of(Trace(Header("dense"), tuple(records)), judge)
    svg = picture.svg()
    assert len(svg) < 100_000
    assert re.search(r"^\d{2,4}×$", words_in(svg), re.MULTILINE)


def test_a_long_idle_time_is_cut_and_the_cut_is_reported_exactly(judge: Judge) -> None:
    early = [Record(100 * at, "q", -1, ev.IrqTaken(5, 1)) for at in range(20)]
    late = [Record(10**9 + 100 * at, "q", -1, ev.IrqTaken(5, 1)) for at in range(20)]
    picture = picture_of(Trace(Header("idle"), (*early, *late)), judge)
    (cut,) = picture.axis.cuts
    assert (cut.start_ns, cut.end_ns) == (2_058, 999_999_842)
    words = words_in(picture.svg())
    assert "left out of the time axis, without any event: 2.058us to 999.999842ms" in words
    assert "999.9ms cut" in words


@pytest.mark.parametrize("frames", [500, 5_000])
def test_a_long_run_is_cropped_to_its_teardown_and_says_so(frames: int, judge: Judge) -> None:
    end_ns = 50_000 * frames
    records = [
        Record(50_000 * at, "m", -1, ev.DmaLanded("eth0", 1, 0x9000, 64, "data"))
        for at in range(frames)
    ]
    records += [
        Record(end_ns, "g", -1, ev.GuestEnded("vm1", 1, "crashed")),
        Record(end_ns + 300_000, "m", -1, ev.FramesReleased("vm1", 1, 16, 1)),
        Record(end_ns + 400_000, "r", -1, ev.ObservationEnded()),
    ]
    picture = picture_of(Trace(Header("long"), tuple(records)), judge)
    assert end_ns - 300_000 < picture.axis.start_ns < end_ns
    assert "earlier instants, from 0ns" in words_in(picture.svg())
