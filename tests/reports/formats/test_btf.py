"""Best Trace Format, read line by line as Trace Compass does."""

import csv
import io
import itertools
from typing import NamedTuple

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Record, Trace
from quiesce.properties.check import judge
from quiesce.reports.formats.btf import write_btf
from quiesce.reports.formats.source import flags_of

TYPES = {"STI", "T", "ISR", "R", "IB", "I", "ECU", "P", "C", "SCHED", "SIG", "SEM", "SIM", "SYS"}
"""What Trace Compass knows; it skips a line of any other type without a word."""


class Line(NamedTuple):
    """The columns of a line by the names that the specification gives them."""

    time: int
    source: str
    source_instance: int
    type: str
    target: str
    target_instance: int
    event: str
    note: str


def read(text: str) -> tuple[dict[str, str], list[Line]]:
    """Return header and lines; everything that the format forbids is an error."""
    header: dict[str, str] = {}
    lines: list[Line] = []
    for raw in text.splitlines():
        if raw.startswith("#"):
            assert not lines, "the header comes first"
            key, _, value = raw.partition(" ")
            assert key not in header
            header[key] = value
            continue
        (columns,) = csv.reader(io.StringIO(raw), quoting=csv.QUOTE_NONE)
        assert 7 <= len(columns) <= 8, raw
        time, source, instance, kind, target, target_instance, event = columns[:7]
        assert kind in TYPES
        note = columns[7] if len(columns) == 8 else ""
        line = Line(
            int(time), source, int(instance), kind, target, int(target_instance), event, note
        )
        assert not lines or lines[-1].time <= line.time
        lines.append(line)
    return header, lines


def btf_of(trace: Trace) -> tuple[dict[str, str], list[Line]]:
    text = io.StringIO()
    write_btf(trace, flags_of(judge(trace)), text)
    return read(text.getvalue())


def test_the_header_has_scale_and_date_as_trace_compass_parses_them(late_writes: Trace) -> None:
    header, _ = btf_of(late_writes)
    assert header["#timeScale"] == "ns"
    assert header["#creationDate"] == "1970-01-01T00:00:00Z"
    assert header["#version"].startswith("2.")


def test_every_record_is_reported_once(late_writes: Trace) -> None:
    _, lines = btf_of(late_writes)
    tagged = [(line.time, line.note.split(" ")[0]) for line in lines if line.event == "tag"]
    assert tagged == [(each.at_ns, type(each.event).__name__) for each in late_writes.records]


def test_a_qvm_is_a_task_that_starts_and_terminates(late_writes: Trace) -> None:
    _, lines = btf_of(late_writes)
    life = [(line.event, line.target_instance) for line in lines if line.type == "T"]
    first = [("activate", 0), ("start", 0), ("terminate", 0)]
    assert life == [*first, ("activate", 1), ("start", 1)]


def test_an_activation_follows_its_stimulus(late_writes: Trace) -> None:
    _, lines = btf_of(late_writes)
    for before, line in itertools.pairwise(lines):
        if line.event == "activate":
            assert (before.type, before.event) == ("STI", "trigger")
            assert before.target == line.source
            assert before.target_instance == line.source_instance


def test_callbacks_and_steps_are_runnables(stopped_in_time: Trace) -> None:
    _, lines = btf_of(stopped_in_time)
    tagged = [(line.target, line.event) for line in lines if line.type == "R"]
    step, callback = "eth0.disable-receive", "quiesce-eth0.TERMINATE"
    assert tagged == [
        (callback, "start"),
        (step, "start"),
        (step, "terminate"),
        (callback, "terminate"),
    ]


def test_violations_are_errors_of_the_simulation(late_writes: Trace) -> None:
    _, lines = btf_of(late_writes)
    errors = [line for line in lines if line.event == "error"]
    assert errors
    late = [each.note for each in errors if each.note.startswith("no-dma-after-teardown: ")]
    assert late[0].startswith("no-dma-after-teardown: eth0 wrote 1024 bytes")


def test_a_comma_in_a_name_does_not_become_a_column() -> None:
    event = ev.IrqMasked(3, "a, b\nc")
    _, lines = btf_of(Trace(Header("x"), (Record(4, "gic, the #1", -1, event),)))
    assert [(line.source, line.note) for line in lines if line.event == "tag"] == [
        ("gic_the_1", "IrqMasked intid=3 reason=a; b c")
    ]
