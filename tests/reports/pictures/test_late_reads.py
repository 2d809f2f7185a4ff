"""A late read in sentences, pictures and exports."""

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Part, Record, Trace
from quiesce.properties.check import judge
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.core.culprit import culprit_of, main_finding
from quiesce.reports.core.event_words import in_words
from quiesce.reports.draw.chart import Mark
from quiesce.reports.draw.palette import MARKS, NAMES
from quiesce.reports.explanation.causal_slice import slice_of
from quiesce.reports.explanation.explanation import explain
from quiesce.reports.explanation.why import why
from quiesce.reports.formats import sarif
from quiesce.reports.formats.signals import SignalReader
from quiesce.reports.lanes.lanes import chart_of

FRAME = 0x80012
REQUEST = 2
"""Record of the request in every story."""

PARTS = (
    Part("vm1.guest", "guest"),
    Part("vm1", "qvm"),
    Part("devb-ahci", "host_driver"),
    Part("ahci0", "hardware"),
    Part("memory", "memory"),
)


def read(epoch: int = 1) -> ev.DmaRead:
    return ev.DmaRead("ahci0", epoch, FRAME << 12, 512, "data")


def story(*moments: tuple[int, ev.AnyEvent], ends_ns: int = 9_000) -> Trace:
    sequence: list[tuple[int, ev.AnyEvent]] = [
        (0, ev.FramesGranted("vm1", 1, FRAME, 1)),
        (0, ev.VmStarted("vm1", 1)),
        (10, ev.BackendRequestBegun("devb-ahci", 1, "write", 512)),
        *moments,
        (ends_ns, ev.ObservationEnded()),
    ]
    records = []
    for index, (at_ns, event) in enumerate(sequence):
        # The request brings about what is read; all else follows from what stands before it.
        cause = REQUEST if isinstance(event, ev.DmaRead | ev.CpuRead) else index - 1
        records.append(Record(at_ns, "story", cause, event))
    return Trace(Header("a late read", parts=PARTS), tuple(records))


LATE = story(
    (20, read()),
    (50, ev.GuestEnded("vm1", 1, "crashed")),
    (60, ev.TerminationBegun("vm1", 1, "guest-crash", orderly=True)),
    (100, ev.FramesReleased("vm1", 1, FRAME, 1)),
    (120, ev.FramesGranted("vm2", 2, FRAME, 1)),
    (350, read()),
)


def judged(trace: Trace) -> Judgement:
    return judge(trace, ["no-dma-read-after-teardown"])


def test_the_sentence_names_reader_bytes_lateness_and_owner() -> None:
    assert why(LATE, judged(LATE)) == (
        "ahci0 was never asked to stop: no quiesce step ran for it between the end of the guest at "
        "50ns and the release of frame 0x80012 at 100ns; its read for epoch 1 was part of a write "
        "that devb-ahci accepted at 10ns and took 512 bytes from frame 0x80012 at 350ns, 250ns "
        "after the release of that frame; the frame belonged to epoch 2 then; no IOMMU stood in "
        "its way."
    )


def test_a_tie_is_reported_with_the_order_in_the_record() -> None:
    trace = story((100, read()), (100, ev.FramesReleased("vm1", 1, FRAME, 1)))
    assert "(in the record: read, then release)" in why(trace, judged(trace))


def test_a_device_that_reads_after_it_was_seen_to_be_quiet_went_on() -> None:
    trace = story(
        (60, ev.QuiesceStepBegun("ahci0", 1, "stop-engine")),
        (70, ev.StopConfirmed("ahci0", 1)),
        (100, ev.FramesReleased("vm1", 1, FRAME, 1)),
        (350, read()),
    )
    assert "ahci0 was confirmed quiet at 70ns" in why(trace, judged(trace))
    assert "and yet it read memory at 350ns" in why(trace, judged(trace))


def test_the_finding_and_the_culprit_name_the_frame_and_its_release() -> None:
    finding = main_finding(LATE, judged(LATE))
    assert finding is not None
    assert finding.label == "ahci0 reads frame 0x80012 of epoch 2, 250ns late"
    culprit = culprit_of(LATE, finding)
    assert (culprit.actor, culprit.epoch, culprit.frame) == ("ahci0", 1, FRAME)
    assert isinstance(LATE.records[culprit.limit].event, ev.FramesReleased)


def test_the_graph_of_causes_begins_with_the_request_and_knows_the_release() -> None:
    graph = slice_of(LATE, judged(LATE))
    assert graph is not None
    assert graph.late_by_ns == 250
    roles = {node.text: node.role for node in graph.nodes}
    assert roles["devb-ahci accepts a write of 512 bytes (epoch 1)"] == "deed"
    assert roles["frame 0x80012 returned by vm1 (epoch 1)"] == "limit"
    assert roles["frame 0x80012 is read (data, 512 bytes, epoch 1)"] == "violation"


def test_the_explanation_speaks_of_a_read() -> None:
    found = explain(LATE, judged(LATE))
    assert found is not None
    sequence = " ".join(found.sentences)
    assert "The read came about like this" in sequence
    assert "write landed" not in sequence


def read_marks(trace: Trace, lane: str) -> list[Mark]:
    (found,) = (each for each in chart_of(trace).lanes if each.name == lane)
    return [mark for track in found.tracks for mark in track.marks if mark.kind == "read"]


def test_a_late_read_is_marked_with_its_reader_and_with_memory_and_one_in_time_is_not() -> None:
    for lane in ("ahci0", "memory"):
        assert [mark.at_ns for mark in read_marks(LATE, lane)] == [350]
    assert MARKS["read"] != MARKS["landed"]
    assert NAMES["read"] == "released memory read"


def test_a_read_at_the_instant_of_release_is_marked_whichever_record_comes_first() -> None:
    for events in (
        (read(), ev.FramesReleased("vm1", 1, FRAME, 1)),
        (ev.FramesReleased("vm1", 1, FRAME, 1), read()),
    ):
        trace = story(*((100, event) for event in events))
        assert [mark.at_ns for mark in read_marks(trace, "ahci0")] == [100]


def test_a_thread_of_the_host_that_reads_late_is_marked_in_its_own_lane() -> None:
    copied = ev.CpuRead("devb-ahci", 1, FRAME << 12, 64, "data")
    trace = story((100, ev.FramesReleased("vm1", 1, FRAME, 1)), (200, copied))
    assert [mark.at_ns for mark in read_marks(trace, "devb-ahci")] == [200]
    assert in_words(copied) == "frame 0x80012 is read (data, 64 bytes, epoch 1)"


def test_the_reader_is_to_blame_in_findings_for_other_programs() -> None:
    copied = ev.CpuRead("devb-ahci", 1, FRAME << 12, 64, "data")
    trace = story((100, ev.FramesReleased("vm1", 1, FRAME, 1)), (200, copied))
    (verdict,) = judged(trace).verdicts
    assert sarif.actor_of(trace, verdict.violations[0]) == "devb-ahci"


def test_reads_are_pulses_for_viewers_of_waveforms() -> None:
    reader = SignalReader()
    (_, (signal, _)) = reader.changes(Record(1, "memory", -1, read()))
    assert (signal.scope, signal.name, signal.kind) == ("ahci0", "read", "pulse")


def test_a_write_at_registers_after_the_end_is_named_by_its_device() -> None:
    hit = ev.RegistersHit("dev1", 1, 0xF000_0000, 8, "dev1", "taken")
    trace = story((100, ev.FramesReleased("vm1", 1, FRAME, 1)), (200, hit))
    judgement = judge(trace, ["no-dma-after-teardown"])
    finding = main_finding(trace, judgement)
    assert finding is not None
    assert finding.label == "dev1 writes registers of dev1 for epoch 1"
    assert in_words(hit) == "write arrives at registers of dev1, taken (epoch 1)"
    assert "dev1 wrote 8 bytes at registers of dev1" in why(trace, judgement)
