"""One sentence on what went wrong, made of nothing but events."""

from collections.abc import Callable

import pytest

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Part, Record, Trace
from quiesce.properties.core.verdict import Judgement, Verdict, Violation
from quiesce.reports.core.findings import findings_of
from quiesce.reports.explanation.why import clauses_of, why

from .clause_checker import faults_of

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


def test_a_device_that_no_step_asked_to_stop_is_named_with_both_ends_of_the_silence() -> None:
    assert why_of(run_with()) == (
        "eth0 was never asked to stop: no quiesce step ran for it between the end of the guest at "
        "100ns and the release of frame 0x10 at 700ns; its write for epoch 1 left the device at "
        "800ns and landed in frame 0x10 at 900ns, 200ns after the release of that frame; the frame "
        "was free then; no IOMMU stood in its way."
    )


def test_a_step_for_another_device_is_reported_but_does_not_count_for_this_one() -> None:
    sentence = why_of(run_with(ev.QuiesceStepBegun("eth1", 1, "stop")))
    assert "eth0 was never asked to stop" in sentence
    assert "at 700ns, but only for eth1;" in sentence


def test_a_drain_of_the_vdev_that_timed_out_is_reported_when_the_hardware_writes_late() -> None:
    begun = ev.QuiesceStepBegun("blk0", 1, "drain")
    trace = run_with(begun, ev.QuiesceStepEnded("blk0", 1, "drain", "timed_out"))
    assert "and the step drain of blk0 timed out at 210ns" in why_of(trace)


def test_a_step_for_another_epoch_is_not_reported() -> None:
    sentence = why_of(run_with(ev.QuiesceStepBegun("eth0", 2, "stop")))
    assert "eth0 was never asked to stop" in sentence
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
        "its write for epoch 1 was for a frame that arrived at 20ns, used a descriptor that was "
        "read at 40ns, left the device at 50ns, passed the IOMMU at 60ns and landed in frame 0x10 "
        "at 70ns"
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
            "eth0 was asked to stop (stop), but its stop was not confirmed before the release",
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
    ids=["asked", "timed out", "confirmed"],
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
            "the frame was free then.",
        ),
        (
            (
                ev.IommuMapped("eth0", 1, 0x10000, 0x10000, 4096),
                ev.IommuUnmapped("eth0", 1),
                ev.IommuMapped("eth0", 2, 0x10000, 0x10000, 4096),
            ),
            "the IOMMU let eth0 reach the memory of epoch 2.",
        ),
        (
            (
                ev.IommuMapped("eth0", 1, 0x10000, 0x10000, 4096),
                ev.IommuUnmapped("eth0", 1),
                ev.IommuMapped("eth0", 2, 0x20000, 0x20000, 4096),
            ),
            "the frame was free then.",
        ),
    ],
    ids=["still mapped", "unmapped", "mapped again", "mapped elsewhere"],
)
def test_the_iommu_is_blamed_only_as_far_as_the_trace_goes(
    between: tuple[ev.AnyEvent, ...], words: str
) -> None:
    assert why_of(run_with(*between, parts=(Part("smmu", "iommu"),))).endswith(words)


def test_the_worst_violation_is_explained_and_not_the_first(
    late_writes: Trace, judge: Judge
) -> None:
    sentence = why(late_writes, judge(late_writes))
    assert "the frame belonged to epoch 2 then" in sentence
    assert "at 935.7us, 160.7us after the release of that frame" in sentence


def test_a_late_interrupt_is_traced_to_the_device_that_raised_it() -> None:
    events: list[tuple[int, int, ev.AnyEvent]] = [
        (100, -1, ev.GuestEnded("vm1", 1, "crashed")),
        (150, -1, ev.IrqDetached(33, "vm1", 1, masked=True)),
        (160, -1, ev.IrqAsserted(33, "eth0", 1, "level")),
        (400, 2, ev.IrqTaken(33, 1)),
    ]
    trace = Trace(Header("s"), tuple(Record(at, "x", cause, each) for at, cause, each in events))
    assert why_of(trace) == (
        "eth0 was never asked to stop: no quiesce step ran for it between the end of the guest at "
        "100ns and the detach from irq 33 at 150ns; eth0 raised irq 33 for epoch 1 at 160ns; irq "
        "33 of epoch 1 was taken at 400ns, 250ns after the detach."
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
        ((), "the IOMMU was never programmed for eth0."),
        ((MAP,), "the IOMMU still let eth0 reach the memory of epoch 1."),
        ((MAP, ev.IommuReset("bypass")), "the IOMMU was reset at 210ns and let everything pass."),
        ((MAP, UNMAP, UNANSWERED, SYNC), "eth0 had not answered by 220ns"),
        (
            (MAP, UNMAP, SYNC, ev.IommuMapped("eth0", 2, 0, 0x10000, 0x1000)),
            "the memory of epoch 2.",
        ),
    ],
)
def test_the_sentence_ends_with_what_the_iommu_was_programmed_with(
    between: tuple[ev.AnyEvent, ...], words: str
) -> None:
    assert words in why_of(run_with(*between, parts=IOMMU))


def test_a_reset_that_refuses_everything_is_no_reason() -> None:
    sentence = why_of(run_with(MAP, ev.IommuReset("abort"), parts=IOMMU))
    assert "was reset" not in sentence


def told_by(*events: tuple[int, int, ev.AnyEvent], parts: tuple[Part, ...] = ()) -> str:
    """Return the sentence about the last of some records, each clause of which is checked.

    Args:
        events: Instant, cause and event of each record.
        parts: Of the header.
    """
    records = tuple(Record(at_ns, "by hand", cause, event) for at_ns, cause, event in events)
    trace = Trace(Header("by hand", parts=parts), records)
    judgement = judged(trace)
    (violation,) = judgement.verdicts[0].violations
    for clause in clauses_of(trace, violation):
        assert faults_of(trace, violation, clause) == []
    return why(trace, judgement)


GRANTED = ev.FramesGranted("vm1", 1, 16, 1)
ENDED = ev.GuestEnded("vm1", 1, "crashed")
RELEASED = ev.FramesReleased("vm1", 1, 16, 1)
PASSED = ev.DmaTranslated("eth0", 1, 0, 0x10000, 64)
QUIET = ev.StopConfirmed("eth0", 1)


def begun(step: str) -> ev.QuiesceStepBegun:
    return ev.QuiesceStepBegun("eth0", 1, step)


def test_a_write_that_passed_before_its_map_went_was_not_waited_for() -> None:
    sentence = told_by(
        (0, -1, GRANTED),
        (1, -1, MAP),
        (100, -1, ENDED),
        (200, -1, ISSUED),
        (210, 3, PASSED),
        (220, -1, UNMAP),
        (230, -1, RELEASED),
        (240, 4, LANDED),
        parts=IOMMU,
    )
    assert "the IOMMU still let eth0 reach the memory of epoch 1; its removal at 220ns" in sentence
    assert "was not waited for, and this write had passed before." in sentence


def test_a_sync_that_does_not_wait_is_distinguished_from_one_that_never_came() -> None:
    sentence = told_by(
        (0, -1, GRANTED),
        (1, -1, MAP),
        (100, -1, ENDED),
        (200, -1, ISSUED),
        (210, 3, PASSED),
        (220, -1, UNMAP),
        (225, -1, SYNC),
        (230, -1, RELEASED),
        (240, 4, LANDED),
        parts=IOMMU,
    )
    assert "its removal at 220ns was called complete at 225ns, with this write still" in sentence


def test_a_write_past_a_reported_removal_is_not_said_to_have_used_a_copy() -> None:
    # No record distinguishes a kept copy from a removal that stopped half-way.
    sentence = told_by(
        (0, -1, GRANTED),
        (1, -1, MAP),
        (100, -1, ENDED),
        (200, -1, UNMAP),
        (210, -1, SYNC),
        (220, -1, RELEASED),
        (230, -1, ISSUED),
        (240, 6, PASSED),
        (250, 7, LANDED),
        parts=IOMMU,
    )
    assert "although the removal of its translations was reported at 200ns" in sentence
    assert sentence.endswith("a copy of the translation was kept, or not all was removed.")


def test_where_all_addresses_are_alike_a_third_way_is_left_open() -> None:
    sentence = told_by(
        (0, -1, GRANTED),
        (1, -1, ev.IommuMapped("eth0", 1, 0x10000, 0x10000, 0x1000)),
        (200, -1, UNMAP),
        (220, -1, RELEASED),
        (230, -1, ISSUED),
        (240, 4, ev.DmaTranslated("eth0", 1, 0x10000, 0x10000, 64)),
        (250, 5, LANDED),
        parts=IOMMU,
    )
    assert sentence.endswith("a copy was kept, not all was removed, or all was let through.")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ((RELEASED, LANDED), "release, then write"),
        ((LANDED, RELEASED), "write, then release"),
    ],
    ids=["release first", "write first"],
)
def test_a_tie_is_said_to_count_as_after_the_release(
    order: tuple[ev.AnyEvent, ...], words: str
) -> None:
    in_order: list[tuple[int, ev.AnyEvent]] = [(0, GRANTED), (100, ENDED)]
    in_order += [(700, event) for event in order]
    records = tuple(Record(at_ns, "by hand", -1, event) for at_ns, event in in_order)
    trace = Trace(Header("by hand"), records)
    index = 2 + order.index(LANDED)
    judgement = judged(trace, index=index)
    (violation,) = judgement.verdicts[0].violations
    assert [
        fault
        for clause in clauses_of(trace, violation)
        for fault in faults_of(trace, violation, clause)
    ] == []
    sentence = why(trace, judgement)
    assert "at the very instant at which vm1 released that frame" in sentence
    assert f"a tie counts as after the release (in the record: {words})" in sentence
    assert "the frame was free then" in sentence
    assert "belonged to epoch 1" not in sentence
    label = findings_of(trace, judgement)[0].label
    assert label == "eth0 writes frame 0x10 that no VM owns, 0ns late"


def test_a_tie_of_interrupt_and_detach_counts_as_after_it() -> None:
    sentence = told_by(
        (100, -1, ENDED),
        (150, -1, ev.IrqAsserted(33, "eth0", 1, "level")),
        (200, -1, ev.IrqDetached(33, "vm1", 1, masked=True)),
        (200, 1, ev.IrqTaken(33, 1)),
    )
    assert "at the very instant of its detach, and a tie counts as after the detach" in sentence
    assert "(in the record: detach, then interrupt)" in sentence


def test_a_step_for_a_vdev_counts_for_its_thread() -> None:
    sentence = told_by(
        (0, -1, GRANTED),
        (100, -1, ENDED),
        (110, -1, ev.QuiesceStepBegun("blk0", 1, "stop-queue")),
        (150, -1, RELEASED),
        (160, -1, ev.CpuWriteLanded("vm1.blk0", 1, 0x10000, 64, "data")),
    )
    assert sentence.startswith("vm1.blk0 was asked to stop (stop-queue), but its stop was not")


def test_a_device_that_was_only_looked_at_was_not_asked_to_stop() -> None:
    sentence = told_by(
        (0, -1, GRANTED),
        (100, -1, ENDED),
        (110, -1, begun("confirm")),
        (120, -1, QUIET),
        (130, -1, ev.FrameArrived("eth0", 64)),
        (140, 4, ISSUED),
        (150, -1, RELEASED),
        (160, 5, LANDED),
    )
    assert sentence.startswith(
        "No step asked eth0 to stop, since confirm only looked or waited and saw it idle at 120ns, "
        "and yet it took in a frame that arrived at 130ns; its write"
    )


def test_a_write_that_had_left_before_the_confirmation_is_not_said_to_have_gone_on() -> None:
    sentence = told_by(
        (0, -1, GRANTED),
        (100, -1, ENDED),
        (110, -1, begun("stop")),
        (115, -1, ISSUED),
        (120, -1, QUIET),
        (150, -1, RELEASED),
        (160, 3, LANDED),
    )
    assert "had let this write out at 115ns, and the write was still on its way then" in sentence
    assert "yet" not in sentence


def test_a_line_that_was_left_asserted_is_distinguished_from_a_device_that_goes_on() -> None:
    sentence = told_by(
        (100, -1, ENDED),
        (110, -1, begun("stop")),
        (120, -1, ev.IrqAsserted(33, "eth0", 1, "level")),
        (121, 2, ev.IrqTaken(33, 1)),
        (121, 3, ev.IrqMasked(33, "assertion")),
        (130, -1, QUIET),
        (150, -1, ev.IrqDetached(33, "vm1", 1, masked=True)),
        (300, -1, ev.IrqAttached(33, "vm1", 2)),
        (300, 7, ev.IrqUnmasked(33, "first attach")),
        (310, 8, ev.IrqTaken(33, 1)),
    )
    assert sentence == (
        "eth0 was confirmed quiet at 130ns, before the detach from irq 33 at 150ns, and did "
        "nothing of its own afterwards; eth0 raised irq 33 for epoch 1 at 120ns and its line was "
        "left asserted: no step masked its interrupts (stop); the line was masked, and unmasked at "
        "300ns when epoch 2 of vm1 attached to it; irq 33 of epoch 1 was taken at 310ns, 160ns "
        "after the detach."
    )


def test_a_message_that_stayed_latched_was_let_out_by_the_next_owner() -> None:
    sentence = told_by(
        (100, -1, ENDED),
        (105, -1, ev.IrqMasked(33, "assertion")),
        (110, -1, begun("mask-messages")),
        (120, -1, ev.IrqAsserted(33, "eth0", 1, "message")),
        (130, -1, QUIET),
        (150, -1, ev.IrqDetached(33, "vm1", 1, masked=True)),
        (300, -1, ev.IrqAttached(33, "vm1", 2)),
        (300, 6, ev.IrqUnmasked(33, "first attach")),
        (310, 7, ev.IrqTaken(33, 1)),
    )
    assert "eth0 raised irq 33 for epoch 1 at 120ns and it stayed latched; the line was" in sentence
    assert "no step masked" not in sentence
    assert "went on" not in sentence


def test_the_message_that_is_taken_is_reported_and_not_an_earlier_one() -> None:
    sentence = told_by(
        (10, -1, ev.IrqRouteMapped(33, "eth0", 1)),
        (100, -1, ENDED),
        (120, -1, ev.IrqAsserted(33, "eth0", 1, "message")),
        (130, 2, ev.IrqTaken(33, 1)),
        (140, -1, ev.IrqRouteRemoved(33, "eth0", 1)),
        (150, -1, ev.IrqDetached(33, "vm1", 1, masked=False)),
        (160, -1, ev.IrqAsserted(33, "eth0", 1, "message")),
        (170, 3, ev.IrqTaken(33, 1)),
    )
    assert "eth0 raised irq 33 for epoch 1 at 160ns; irq 33" in sentence
    assert "the removal of its route to irq 33 at 140ns was not synced by then." in sentence


def test_a_violation_of_which_nothing_is_known_is_reported_in_its_own_words() -> None:
    trace = Trace(Header("s"), (Record(5, "x", -1, ev.ServerDied("devb-ahci")),))
    assert why_of(trace) == "It went wrong."
