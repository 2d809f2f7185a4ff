"""One sentence on what went wrong, made of nothing but events."""

from collections.abc import Callable

import pytest

from quiesce.model import trace as ev
from quiesce.model.trace import Header, Part, Record, Trace
from quiesce.properties.verdict import Judgement, Verdict, Violation
from quiesce.reports.why import why

Judge = Callable[[Trace], Judgement]

ISSUED = ev.DmaIssued("eth0", 1, 0x10000, 64, "data")
LANDED = ev.DmaLanded("eth0", 1, 0x10000, 64, "data")


def run_with(*between: ev.AnyEvent, parts: tuple[Part, ...] = ()) -> Trace:
    """Give a run in which eth0 writes at 900 ns into a frame that went back at 700 ns."""
    events: list[tuple[int, ev.AnyEvent]] = [
        (0, ev.FramesGranted("vm1", 1, 16, 1)),
        (100, ev.GuestEnded("vm1", 1, "crashed")),
        *((200 + 10 * at, event) for at, event in enumerate(between)),
        (700, ev.FramesReleased("vm1", 1, 16, 1)),
        (800, ISSUED),
    ]
    records = [Record(at_ns, "by hand", -1, event) for at_ns, event in events]
    records.append(Record(900, "by hand", len(records) - 1, LANDED))
    return Trace(Header("by hand", parts=parts), tuple(records))


def judged(trace: Trace, *, index: int = -1, message: str = "it went wrong") -> Judgement:
    index = index % len(trace.records)
    violation = Violation(index, trace.records[index].at_ns, message, "stray")
    verdict = Verdict("p", "violated", "stray", 1, message, (violation,), 1)
    return Judgement(
        scenario="s", label="run", bounds=("one run",), assumptions=(), verdicts=(verdict,)
    )


def why_of(trace: Trace) -> str:
    return why(trace, judged(trace))


def test_a_device_that_nobody_told_to_stop_is_named_with_both_ends_of_the_silence() -> None:
    assert why_of(run_with()) == (
        "eth0 was never told to stop: no quiesce step ran for it between the end of the guest at "
        "100ns and the release of frame 0x10 at 700ns; its write for epoch 1 (it left the device "
        "at 800ns) landed at 900ns, 200ns late, in frame 0x10, which then belonged to nobody; no "
        "IOMMU stood in its way."
    )


def test_a_step_for_another_device_is_told_but_does_not_count_for_this_one() -> None:
    sentence = why_of(run_with(ev.QuiesceStepBegun("eth1", 1, "stop")))
    assert "eth0 was never told to stop" in sentence
    assert "at 700ns, but only for eth1;" in sentence


def test_a_drain_of_the_vdev_that_timed_out_is_told_when_the_hardware_writes_late() -> None:
    begun = ev.QuiesceStepBegun("blk0", 1, "drain")
    trace = run_with(begun, ev.QuiesceStepEnded("blk0", 1, "drain", "timed_out"))
    assert "and the step drain of blk0 timed out at 210ns" in why_of(trace)


def test_a_step_for_another_epoch_is_not_told() -> None:
    sentence = why_of(run_with(ev.QuiesceStepBegun("eth0", 2, "stop")))
    assert "eth0 was never told to stop" in sentence
    assert "at 700ns; its write" in sentence


def test_a_write_is_followed_back_to_the_frame_that_came_from_the_wire() -> None:
    events: list[tuple[int, int, ev.AnyEvent]] = [
        (0, -1, ev.FramesGranted("vm1", 1, 16, 1)),
        (10, -1, ev.FramesReleased("vm1", 1, 16, 1)),
        (20, -1, ev.FrameArrived("eth0", 64)),
        (30, 2, ev.DmaFetched("eth0", 1, 0x10000, 64)),
        (40, 3, ev.DmaFetched("eth0", 1, 0x10000, 64)),
        (50, 4, ISSUED),
        (60, 5, ev.DmaTranslated("eth0", 1, 0x10000, 0x10000, 64)),
        (70, 6, LANDED),
    ]
    trace = Trace(Header("s"), tuple(Record(at, "x", cause, each) for at, cause, each in events))
    origin = (
        "(for a frame that arrived at 20ns, its descriptor was read at 40ns, it left the device "
        "at 50ns, it passed the IOMMU at 60ns)"
    )
    assert origin in why_of(trace)


def test_a_step_after_the_release_does_not_count_either() -> None:
    trace = run_with()
    late = Record(750, "by hand", -1, ev.QuiesceStepBegun("eth0", 1, "stop"))
    records = (*trace.records[:3], late, *trace.records[3:])
    moved = records[-1]
    last = Record(moved.at_ns, moved.source, len(records) - 2, moved.event)
    assert "no quiesce step ran" in why_of(Trace(trace.header, (*records[:-1], last)))


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            (
                ev.QuiesceStepBegun("eth0", 1, "stop"),
                ev.QuiesceStepEnded("eth0", 1, "stop", "done"),
            ),
            "eth0 was told to stop (stop), but nobody saw it stop before the release",
        ),
        (
            (
                ev.QuiesceStepBegun("eth0", 1, "drain"),
                ev.QuiesceStepEnded("eth0", 1, "drain", "timed_out"),
            ),
            "the quiesce step drain of eth0 timed out at 210ns",
        ),
        (
            (ev.StopConfirmed("eth0", 1),),
            "eth0 was confirmed quiet at 200ns, before the release of frame 0x10 at 700ns",
        ),
    ],
    ids=["told", "timed out", "confirmed"],
)
def test_the_confirmation_that_was_missing_is_said(
    steps: tuple[ev.AnyEvent, ...], words: str
) -> None:
    assert words.lower() in why_of(run_with(*steps)).lower()


@pytest.mark.parametrize(
    ("between", "words"),
    [
        (
            (ev.IommuMapped("eth0", 1, 0x10000, 0x10000, 4096),),
            "the IOMMU still let eth0 reach the memory of epoch 1.",
        ),
        (
            (
                ev.IommuMapped("eth0", 1, 0x10000, 0x10000, 4096),
                ev.IommuUnmapped("eth0", 1),
            ),
            "belonged to nobody.",
        ),
        (
            (
                ev.IommuMapped("eth0", 1, 0x10000, 0x10000, 4096),
                ev.IommuUnmapped("eth0", 1),
                ev.IommuMapped("eth0", 2, 0x10000, 0x10000, 4096),
            ),
            "the IOMMU let eth0 reach the memory of epoch 2 by then.",
        ),
    ],
    ids=["still mapped", "unmapped", "mapped anew"],
)
def test_the_iommu_is_blamed_only_as_far_as_the_trace_goes(
    between: tuple[ev.AnyEvent, ...], words: str
) -> None:
    assert why_of(run_with(*between, parts=(Part("smmu", "iommu"),))).endswith(words)


def test_the_worst_violation_is_explained_and_not_the_first(
    late_writes: Trace, judge: Judge
) -> None:
    sentence = why(late_writes, judge(late_writes))
    assert "which then belonged to epoch 2" in sentence
    assert "landed at 935.7us, 160.7us late" in sentence


def test_a_late_interrupt_is_traced_to_the_device_that_raised_it() -> None:
    events: list[tuple[int, int, ev.AnyEvent]] = [
        (100, -1, ev.GuestEnded("vm1", 1, "crashed")),
        (150, -1, ev.IrqDetached(33, "vm1", 1, masked=True)),
        (160, -1, ev.IrqAsserted(33, "eth0", 1, "level")),
        (400, 2, ev.IrqTaken(33, 1)),
    ]
    trace = Trace(Header("s"), tuple(Record(at, "x", cause, each) for at, cause, each in events))
    assert why_of(trace) == (
        "eth0 was never told to stop: no quiesce step ran for it between the end of the guest at "
        "100ns and the detach of irq 33 at 150ns; irq 33 of epoch 1, raised by eth0 at 160ns, was "
        "taken at 400ns, 250ns after the detach of irq 33."
    )


def test_a_teardown_that_does_not_end_is_explained_by_the_step_that_runs() -> None:
    trace = run_with(ev.QuiesceStepBegun("eth0", 1, "drain"))
    sentence = why(trace, judged(trace, index=3, message="the teardown takes too long"))
    assert sentence == (
        "The teardown takes too long; the quiesce step drain of eth0 had been running since 200ns."
    )


def test_without_violation_there_is_nothing_to_explain(
    stopped_in_time: Trace, judge: Judge
) -> None:
    assert why(stopped_in_time, judge(stopped_in_time)) == ""


# Why no IOMMU has stopped it.

IOMMU = (Part("iommu", "iommu"),)
MAP = ev.IommuMapped("eth0", 1, 0, 0x10000, 0x1000)
UNMAP = ev.IommuUnmapped("eth0", 1)
SYNC = ev.IommuSynced("eth0", 1)
UNANSWERED = ev.AtcInvalidationEnded("eth0", 1, "timed_out")


@pytest.mark.parametrize(
    ("between", "words"),
    [
        ((), "the IOMMU was never told about eth0."),
        ((MAP,), "the IOMMU still let eth0 reach the memory of epoch 1."),
        ((MAP, ev.IommuReset("bypass")), "the IOMMU was reset at 210ns and let everything pass."),
        ((MAP, UNMAP, UNANSWERED, SYNC), "eth0 had not answered by 220ns"),
        ((MAP, UNMAP, SYNC, ev.IommuMapped("eth0", 2, 0, 0, 0x1000)), "the memory of epoch 2 by"),
    ],
)
def test_the_sentence_ends_with_what_the_iommu_was_told(
    between: tuple[ev.AnyEvent, ...], words: str
) -> None:
    assert words in why_of(run_with(*between, parts=IOMMU))


def test_a_reset_that_refuses_everything_is_no_reason() -> None:
    sentence = why_of(run_with(MAP, ev.IommuReset("abort"), parts=IOMMU))
    assert "was reset" not in sentence


@pytest.mark.parametrize(
    ("translated_ns", "words"),
    [
        (205, "removed at 210ns, but nothing waited for what had passed the IOMMU before."),
        (750, "removed at 210ns, but eth0 or the IOMMU still had a copy of it."),
    ],
)
def test_a_write_past_its_removed_map_was_early_or_had_a_copy(
    translated_ns: int, words: str
) -> None:
    told = list(run_with(MAP, UNMAP, SYNC, parts=IOMMU).records)
    translated = ev.DmaTranslated("eth0", 1, 0, 0x10000, 64)
    told.insert(-1, Record(translated_ns, "by hand", len(told) - 2, translated))
    told[-1] = Record(900, "by hand", len(told) - 2, LANDED)
    trace = Trace(Header("by hand", parts=IOMMU), tuple(told))
    assert words in why_of(trace)
