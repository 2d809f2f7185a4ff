"""The order of a teardown, its duration and its time-outs, one story each."""

import pytest

from quiesce.model.trace.events import (
    AnyEvent,
    AtcInvalidationEnded,
    CallbackEnded,
    DmaIssued,
    FramesQuarantined,
    IommuMapped,
    IommuSynced,
    IommuUnmapped,
    QuiesceStepBegun,
    QuiesceStepEnded,
    QvmExited,
    StopConfirmed,
    TerminationBegun,
    WorkerEnded,
)
from quiesce.properties.teardown.ordering import deadline_of

from ..story import ADDR, FRAME, HEADER, Moment, at, granted, released, requested, verdict

ORDER = "teardown-order"
BOUNDED = "teardown-bounded"
TIMEOUT = "timeout-quarantines"

STOP = StopConfirmed("eth0", 1)
UNMAP = IommuUnmapped("eth0", 1)
SYNC = IommuSynced("eth0", 1)
BEGIN = QuiesceStepBegun("eth0", 1, "stop-dma")
REMAP = IommuMapped("eth0", 1, 0, ADDR, 0x2000)
DONE = QuiesceStepEnded("eth0", 1, "stop-dma", "done")
TIMED_OUT = QuiesceStepEnded("eth0", 1, "stop-dma", "timed_out")

FORGOTTEN = AtcInvalidationEnded("eth0", 1, "done")
UNANSWERED = AtcInvalidationEnded("eth0", 1, "timed_out")

BARE = at(0, granted(1, count=2), requested(1))
"""A device writes for a VM, and no IOMMU stands in between."""

MAPPED = at(0, granted(1, count=2), IommuMapped("eth0", 1, 0, ADDR, 0x2000), requested(1, addr=0))
"""The same behind an IOMMU."""


def one_after_another(*events: AnyEvent) -> list[Moment]:
    return [(10 + position, event) for position, event in enumerate(events)]


# teardown-order


def test_stop_unmap_sync_release_holds() -> None:
    found = verdict(ORDER, MAPPED, one_after_another(BEGIN, STOP, UNMAP, SYNC, released(1, 2)))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_stop_alone_holds_without_iommu() -> None:
    assert verdict(ORDER, BARE, one_after_another(STOP, released(1))).verdict == "holds"


def test_a_device_that_answers_late_but_before_the_sync_is_cut_off() -> None:
    events = one_after_another(UNMAP, UNANSWERED, FORGOTTEN, SYNC, released(1))
    assert verdict(ORDER, MAPPED, events).verdict == "holds"


def test_completed_invalidation_alone_holds_for_a_device_without_a_stop() -> None:
    assert verdict(ORDER, MAPPED, one_after_another(UNMAP, SYNC, released(1))).verdict == "holds"


@pytest.mark.parametrize(
    ("setting", "events", "words"),
    [
        (BARE, [released(1)], "never seen to stop and no IOMMU confines it"),
        (BARE, [released(1), STOP], "never seen to stop"),
        (BARE, [UNMAP, SYNC, released(1)], "no IOMMU confines it"),
        (MAPPED, [released(1)], "neither seen to stop nor cut off"),
        (MAPPED, [UNMAP, released(1), SYNC], "neither seen to stop nor cut off"),
        (MAPPED, [STOP, released(1), UNMAP, SYNC], "still had it mapped"),
        (MAPPED, [STOP, UNMAP, released(1), SYNC], "invalidation was not complete"),
        (MAPPED, [UNMAP, UNANSWERED, SYNC, released(1)], "had not answered that it has dropped"),
        (MAPPED, [STOP, SYNC, UNMAP, released(1)], "invalidation was not complete"),
        (MAPPED, [BEGIN, UNMAP, STOP, SYNC, released(1)], "before its stop was confirmed"),
        (MAPPED, [BEGIN, UNMAP, SYNC, released(1)], "before its stop was confirmed"),
        (MAPPED, [BEGIN, DONE, UNMAP, SYNC, released(1)], "before its stop was confirmed"),
        (MAPPED, [UNMAP, SYNC, REMAP, released(1)], "neither seen to stop nor cut off"),
        (BARE, [STOP, requested(1), released(1)], "never seen to stop"),
    ],
)
def test_missing_or_misplaced_step_is_found_without_any_late_write(
    setting: list[Moment], events: list[AnyEvent], words: str
) -> None:
    found = verdict(ORDER, setting, one_after_another(*events))
    assert (found.verdict, found.severity, found.violation_count) == ("violated", "exposed", 1)
    assert words in found.reason


def test_stop_that_timed_out_may_be_followed_by_the_unmap() -> None:
    found = verdict(ORDER, MAPPED, one_after_another(BEGIN, TIMED_OUT, UNMAP, SYNC, released(1)))
    assert found.verdict == "holds"


def test_frames_out_of_reach_may_be_released_at_any_time() -> None:
    moments = (BARE, one_after_another(released(1, 1, FRAME + 1)))
    assert verdict(ORDER, *moments).verdict == "vacuous"
    assert verdict(ORDER, *moments, at(90, released(1, 1, FRAME))).verdict == "violated"


def test_each_device_is_reported_once_however_many_frames_it_endangers() -> None:
    frames = [released(1, 1, FRAME), released(1, 1, FRAME + 1)]
    assert verdict(ORDER, MAPPED, one_after_another(*frames)).violation_count == 1


def test_thread_that_outlives_the_memory_is_found() -> None:
    ended = WorkerEnded("vm1", 1, "blk0", "joined")
    good = verdict(ORDER, at(0, granted(1)), one_after_another(ended, released(1)))
    assert (good.verdict, good.antecedents) == ("holds", 1)
    bad = verdict(ORDER, at(0, granted(1)), one_after_another(released(1), ended))
    assert "thread blk0 of vm1 (epoch 1) ended only after" in bad.reason


def test_vm_without_devices_and_threads_is_vacuous() -> None:
    assert verdict(ORDER, at(0, granted(1)), at(10, released(1))).verdict == "vacuous"


def test_at_one_instant_the_order_of_the_records_decides() -> None:
    assert verdict(ORDER, BARE, at(10, STOP, released(1))).verdict == "holds"
    assert verdict(ORDER, BARE, at(10, released(1), STOP)).verdict == "violated"


# teardown-bounded

BEGUN = TerminationBegun("vm1", 1, "guest-crash", orderly=True)
EXITED = QvmExited("vm1", 1, 0)


def test_exit_exactly_at_the_bound_is_in_time_and_one_later_is_not() -> None:
    assert verdict(BOUNDED, at(10, BEGUN), at(1_010, EXITED)).verdict == "holds"
    late = verdict(BOUNDED, at(10, BEGUN), at(1_011, EXITED))
    assert (late.verdict, late.severity) == ("violated", "starved")
    assert late.reason == "vm1 (epoch 1) took 1.001us to end; the bound is 1us"
    assert late.violations[0].data["late_by_ns"] == 1


def test_termination_without_exit_is_violated_once_its_bound_has_passed() -> None:
    assert verdict(BOUNDED, at(10, BEGUN), ends_ns=1_010).verdict == "inconclusive"
    assert verdict(BOUNDED, at(10, BEGUN), ends_ns=1_011).verdict == "violated"


def test_hang_is_seen_even_where_the_trace_is_cut_off() -> None:
    late = at(5_000, requested(1))
    assert verdict(BOUNDED, at(10, BEGUN), late, ends_ns=None).verdict == "violated"
    assert verdict(BOUNDED, at(10, BEGUN), ends_ns=None).verdict == "inconclusive"


def test_next_instance_has_a_clock_of_its_own() -> None:
    again = TerminationBegun("vm1", 2, "sigkill", orderly=False)
    found = verdict(
        BOUNDED,
        at(0, BEGUN),
        at(900, EXITED),
        at(5_000, again),
        at(5_900, QvmExited("vm1", 2, 137)),
    )
    assert (found.verdict, found.antecedents) == ("holds", 2)


def test_vm_that_goes_on_is_vacuous() -> None:
    assert verdict(BOUNDED, at(0, granted(1))).verdict == "vacuous"


def test_deadline_stands_as_data_for_engines_that_treat_time_exactly() -> None:
    assert deadline_of(HEADER) == (TerminationBegun, QvmExited, "epoch", HEADER.teardown_ns_max)


# timeout-quarantines


def test_quarantine_after_a_time_out_holds() -> None:
    kept = FramesQuarantined("vm1", 1, FRAME, 2)
    found = verdict(TIMEOUT, BARE, one_after_another(TIMED_OUT, kept))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_release_after_a_time_out_is_found() -> None:
    found = verdict(TIMEOUT, BARE, one_after_another(TIMED_OUT, released(1)))
    assert (found.verdict, found.severity) == ("violated", "exposed")
    assert found.reason == (
        "vm1 (epoch 1) released frame 0x80012 although quiescing eth0 had timed out and eth0 can "
        "still write it"
    )


def test_a_time_out_after_the_stop_was_seen_voids_what_was_seen() -> None:
    """A reset of a device that had stopped: its state is unknown again."""
    story = (BARE, at(5, STOP), at(10, TIMED_OUT))
    assert verdict(TIMEOUT, *story, at(20, released(1))).verdict == "violated"
    assert verdict(ORDER, *story, at(20, released(1))).verdict == "holds"
    assert verdict(TIMEOUT, *story, at(15, STOP), at(20, released(1))).verdict == "holds"


def test_release_after_the_callback_as_a_whole_timed_out_is_found() -> None:
    # The vdev's name does not show which device behind it goes on writing.
    callback = CallbackEnded("vm1", 1, "quiescer", "timed_out")
    assert verdict(TIMEOUT, BARE, one_after_another(callback, released(1))).verdict == "violated"
    assert verdict(TIMEOUT, BARE, one_after_another(callback, STOP, released(1))).verdict == "holds"


def test_release_is_allowed_once_the_device_is_cut_off_after_all() -> None:
    assert (
        verdict(TIMEOUT, BARE, one_after_another(TIMED_OUT, STOP, released(1))).verdict == "holds"
    )
    cut_off = one_after_another(TIMED_OUT, UNMAP, SYNC, released(1))
    assert verdict(TIMEOUT, MAPPED, cut_off).verdict == "holds"


def test_frames_out_of_the_devices_reach_may_be_released() -> None:
    found = verdict(TIMEOUT, BARE, one_after_another(TIMED_OUT, released(1, 1, FRAME + 1)))
    assert found.verdict == "holds"


def test_release_out_of_quarantine_is_found() -> None:
    kept = FramesQuarantined("vm1", 1, FRAME, 1)
    found = verdict(TIMEOUT, BARE, one_after_another(TIMED_OUT, kept, STOP, released(1)))
    assert "quarantine" in found.reason


def test_steps_that_end_in_time_are_vacuous() -> None:
    assert verdict(TIMEOUT, BARE, one_after_another(DONE, released(1))).verdict == "vacuous"


@pytest.mark.parametrize("order", [(TIMED_OUT, released(1)), (released(1), TIMED_OUT)])
def test_release_at_the_instant_of_the_time_out_counts_as_after_it(
    order: tuple[AnyEvent, ...],
) -> None:
    assert verdict(TIMEOUT, BARE, at(10, *order)).verdict == "violated"
    assert verdict(TIMEOUT, BARE, at(9, released(1)), at(10, TIMED_OUT)).verdict == "holds"


# Devices that do not answer an invalidation.


@pytest.mark.parametrize(
    ("events", "word"),
    [
        (at(10, UNMAP) + at(20, UNANSWERED, SYNC) + at(30, released(1)), "violated"),
        (at(10, UNMAP) + at(20, UNANSWERED, released(1)), "violated"),
        (at(10, UNMAP) + at(20, released(1), UNANSWERED), "violated"),
        (at(10, UNMAP, released(1)) + at(20, UNANSWERED), "holds"),
        (
            at(10, UNMAP) + at(20, UNANSWERED) + at(30, FramesQuarantined("vm", 1, FRAME, 2)),
            "holds",
        ),
        (at(10, UNMAP) + at(20, FORGOTTEN, SYNC) + at(30, released(1)), "vacuous"),
    ],
)
def test_memory_in_reach_of_a_device_that_has_not_answered_is_kept(
    events: list[Moment], word: str
) -> None:
    assert verdict(TIMEOUT, MAPPED, events).verdict == word


# Devices that write rings and status entries alone


def test_a_device_that_was_seen_writing_a_ring_can_write_it_although_no_driver_gave_it() -> None:
    """A recorded trace may not say which rings a driver has given; the writes do."""
    ring = DmaIssued("eth0", 1, ADDR, 16, "completion")
    start = at(0, granted(1, count=2), ring)
    assert verdict(ORDER, start, one_after_another(released(1))).verdict == "violated"
    found = verdict(ORDER, start, one_after_another(STOP, released(1)))
    assert (found.verdict, found.antecedents) == ("holds", 1)
    apart = one_after_another(released(1, first=FRAME + 1))
    assert verdict(ORDER, start, apart).verdict == "vacuous"


def test_a_message_reaches_no_memory_and_makes_no_device_one_that_can_write() -> None:
    start = at(0, granted(1), DmaIssued("eth0", 1, ADDR, 4, "message"))
    assert verdict(ORDER, start, one_after_another(released(1))).verdict == "vacuous"


def test_a_write_after_the_stop_was_seen_does_not_void_what_was_seen() -> None:
    """Whether it lands too late is another property's question; here the order counts."""
    late = DmaIssued("eth0", 1, ADDR, 16, "completion")
    assert verdict(ORDER, BARE, one_after_another(STOP, late, released(1))).verdict == "holds"


def test_memory_out_of_reach_of_a_ring_may_be_released_after_a_time_out() -> None:
    start = at(0, granted(1, count=2), DmaIssued("eth0", 1, ADDR, 16, "completion"))
    apart = one_after_another(TIMED_OUT, released(1, first=FRAME + 1))
    assert verdict(TIMEOUT, start, apart).verdict == "holds"
    within = one_after_another(TIMED_OUT, released(1))
    assert verdict(TIMEOUT, start, within).verdict == "violated"


def test_a_device_that_reaches_only_the_last_of_several_frames_endangers_them_all() -> None:
    last = ADDR + 2 * 0x1000
    story = [at(0, granted(1, count=3), requested(1, addr=last)), at(5, TIMED_OUT)]
    found = verdict(TIMEOUT, *story, at(9, released(1, count=3)))
    assert found.verdict == "violated"


def test_devices_and_threads_are_counted_one_by_one() -> None:
    thread = WorkerEnded("vm1", 1, "blk0", "joined")
    found = verdict(ORDER, *BARE_AND_STOPPED, at(8, thread), at(9, released(1, count=2)))
    assert (found.verdict, found.antecedents) == ("holds", 2)


BARE_AND_STOPPED = [BARE, at(5, BEGIN, DONE, STOP)]
