"""Each format is opened by a program that is not ours and says what the trace says."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from sarif_pydantic import Sarif  # type: ignore[import-untyped]
from ub_needs_exchange import parse
from vcdvcd import VCDVCD  # type: ignore[import-untyped]

from quiesce.model.base.errors import Place
from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Record, Trace
from quiesce.properties.check import judge as judge_by_all
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.formats.junit import junit_xml
from quiesce.reports.formats.needs import needs_json
from quiesce.reports.formats.perfetto import write_perfetto
from quiesce.reports.formats.sarif import ReportedRun, place_to_blame, sarif_json
from quiesce.reports.formats.source import flags_of
from quiesce.reports.formats.vcd import write_vcd

Judge = Callable[[Trace], Judgement]
US = 1_000


# Waveforms.


def vcd_text(trace: Trace, judgement: Judgement | None = None) -> str:
    text = io.StringIO()
    write_vcd(trace, flags_of(judgement), text)
    return text.getvalue()


def vcd_of(trace: Trace, judgement: Judgement | None = None) -> VCDVCD:
    return VCDVCD(vcd_string=vcd_text(trace, judgement))


def words(dump: str, name: str) -> list[str]:
    """Return the values of a string variable, which the parser knows but does not read."""
    code = VCDVCD(vcd_string=dump).references_to_ids[name]
    lines = (line.split(" ") for line in dump.splitlines() if line.startswith("s"))
    return [line[0][1:] for line in lines if line[-1] == code]


def changes(dump: VCDVCD, name: str) -> list[tuple[int, str]]:
    return [(at, value) for at, value in dump[name].tv]


def test_a_waveform_shows_when_each_frame_of_the_guest_went(late_writes: Trace) -> None:
    frames = changes(vcd_of(late_writes), "memory.frames_of_vm1")
    owned = [(at, int(value, 2)) for at, value in frames]
    assert owned[0] == (0, 256)
    assert [value for _, value in owned[1:]] == [*range(240, -1, -16), 256]
    released = [r.at_ns for r in late_writes.records if isinstance(r.event, ev.FramesReleased)]
    assert [at for at, _ in owned[1:17]] == released


def test_a_waveform_shows_a_write_in_flight_from_issue_to_landing(late_writes: Trace) -> None:
    flights = changes(vcd_of(late_writes), "eth0.in_flight")
    events = [
        record.at_ns
        for record in late_writes.records
        if isinstance(record.event, ev.DmaIssued | ev.DmaLanded)
    ]
    assert [at for at, _ in flights[1:]] == events
    assert {int(value, 2) for _, value in flights} == {0, 1}


def test_a_waveform_marks_violations_at_their_instants(late_writes: Trace, judge: Judge) -> None:
    judgement = judge(late_writes)
    dump = vcd_text(late_writes, judgement)
    at_ns = [each.at_ns for verdict in judgement.verdicts for each in verdict.violations]
    assert [at for at, _ in changes(VCDVCD(vcd_string=dump), "verdict.violation")] == at_ns
    messages = words(dump, "verdict.message")
    assert messages[-1] == "no-dma-after-teardown:\\x20eth0\\x20wrote\\x20late"


def test_names_that_no_waveform_can_hold_stay_apart() -> None:
    records = (
        Record(0, "a b", -1, ev.FrameArrived("a b", 1)),
        Record(5, "a$end", -1, ev.FrameArrived("x", 1)),
        Record(9, "a_b", -1, ev.QuiesceStepBegun("a_b", 1, "two words")),
    )
    dump = vcd_text(Trace(Header("odd $end names"), records))
    names = set(VCDVCD(vcd_string=dump).references_to_ids)
    assert {"a_b.event", "a_b_2.event", "a$end.event"} <= names
    assert words(dump, "a_b_2.quiesce_step") == ["", "two\\x20words"]


# Timelines.

_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["ph", "pid"],
    "properties": {
        "ph": {"enum": ["X", "M", "s", "f", "b", "e", "C", "i"]},
        "ts": {"type": "number", "minimum": 0},
        "pid": {"type": "integer"},
        "tid": {"type": "integer"},
        "name": {"type": "string", "minLength": 1},
        "cat": {"type": "string"},
        "args": {"type": "object"},
    },
    "allOf": [
        {
            "if": {"properties": {"ph": {"const": "X"}}},
            "then": {"required": ["ts", "dur", "tid", "name"]},
        },
        {
            "if": {"properties": {"ph": {"enum": ["s", "f", "b", "e"]}}},
            "then": {"required": ["ts", "id", "cat", "name", "tid"]},
        },
        {"if": {"properties": {"ph": {"const": "f"}}}, "then": {"required": ["bp"]}},
        {
            "if": {"properties": {"ph": {"const": "C"}}},
            "then": {
                "properties": {"args": {"additionalProperties": {"type": "number"}}},
                "required": ["ts", "args", "name"],
            },
        },
    ],
}
_TIMELINE = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {"traceEvents": {"type": "array", "items": _EVENT}},
}


def timeline_of(trace: Trace, judgement: Judgement | None = None) -> list[dict[str, Any]]:
    data = io.BytesIO()
    write_perfetto(trace, flags_of(judgement), data)
    document = json.loads(data.getvalue(), parse_float=str)
    for event in document["traceEvents"]:
        if "ts" in event:
            # Exactly, in nanoseconds: a float would hide what was written.
            event["at_ns"] = int(event["ts"].replace(".", ""))
            event["ts"] = float(event["ts"])
    jsonschema.validate(document, _TIMELINE)
    events: list[dict[str, Any]] = document["traceEvents"]
    return events


def test_a_timeline_has_every_record_at_its_instant(late_writes: Trace) -> None:
    slices = [each for each in timeline_of(late_writes) if each["ph"] == "X"]
    assert [each["at_ns"] for each in slices] == [record.at_ns for record in late_writes.records]
    names = [type(record.event).__name__ for record in late_writes.records]
    assert [each["name"] for each in slices] == names


def test_a_timeline_has_an_arrow_from_each_cause_to_its_effect(late_writes: Trace) -> None:
    events = timeline_of(late_writes)
    slices = [each for each in events if each["ph"] == "X"]
    starts = {each["id"]: each for each in events if each["ph"] == "s"}
    ends = [each for each in events if each["ph"] == "f"]
    arrows = set()
    for end in ends:
        start = starts.pop(end["id"])
        arrows.add((_at(slices, start), _at(slices, end)))
    assert not starts, "no arrow leads nowhere"
    known = {
        (late_writes.records[record.cause].at_ns, record.at_ns)
        for record in late_writes.records
        if record.cause >= 0
    }
    assert arrows == known
    assert len(ends) == sum(record.cause >= 0 for record in late_writes.records)


def _at(slices: list[dict[str, Any]], arrow: dict[str, Any]) -> int:
    """Return the instant of the slice that an arrow binds to: there must be one."""
    instants = {(each["tid"], each["at_ns"]) for each in slices}
    assert (arrow["tid"], arrow["at_ns"]) in instants
    return int(arrow["at_ns"])


def test_what_begins_in_a_timeline_ends_in_it(stopped_in_time: Trace) -> None:
    lasting = [each for each in timeline_of(stopped_in_time) if each["ph"] in "be"]
    begun = [each["id"] for each in lasting if each["ph"] == "b"]
    ended = [each["id"] for each in lasting if each["ph"] == "e"]
    assert begun
    assert len(set(begun)) == len(begun)
    assert sorted(begun) == sorted(ended)
    assert "disable-receive" in {each["name"] for each in lasting}


def test_a_timeline_names_violations(late_writes: Trace, judge: Judge) -> None:
    judgement = judge(late_writes)
    marks = [each for each in timeline_of(late_writes, judgement) if each["ph"] == "i"]
    assert len(marks) == 20
    assert {each["name"] for each in marks} == {"VIOLATION of no-dma-after-teardown"}


# Results of tests.


def test_a_build_server_sees_violations_as_failures(late_writes: Trace, judge: Judge) -> None:
    suites = JUnitXml.fromstring(junit_xml([judge(late_writes)]))
    (suite,) = suites
    assert (suite.name, suite.tests, suite.failures, suite.skipped) == ("nic-guest-crash", 2, 1, 1)
    by_name = {case.name: case.result for case in suite}
    (failure,) = by_name["no-dma-after-teardown"]
    assert isinstance(failure, Failure)
    assert failure.type == "corruption"
    assert "eth0 wrote late" in failure.text
    assert [type(each) for each in by_name["no-irq-after-teardown"]] == [Skipped]
    rests_on = {each.name: each.value for each in suite.properties()}  # type: ignore[no-untyped-call]
    assert rests_on["label"] == "run"
    assert "assumed" in rests_on["assumes pcie_posted_write"]


def test_a_check_that_was_not_finished_is_an_error_and_not_a_pass() -> None:
    cut = Trace(Header("cut"), (Record(0, "m", -1, ev.TerminationBegun("vm", 1, "sigterm", True)),))
    suites = JUnitXml.fromstring(junit_xml([judge_by_all(cut)]))
    (suite,) = suites
    assert suite.errors > 0
    assert any(isinstance(each, Error) for case in suite for each in case.result)


def test_control_characters_in_a_name_leave_the_xml_readable(late_writes: Trace) -> None:
    header = Header("a\x1b[31m<b>&\x00")
    judgement = judge_by_all(Trace(header, late_writes.records))
    (suite,) = JUnitXml.fromstring(junit_xml([judgement]))
    assert suite.name == "a?[31m<b>&?"


# Findings in files.


def test_an_editor_is_led_to_the_line_that_gives_the_guest_the_device(late_writes: Trace) -> None:
    origins = {"": Place("crash.toml"), "eth0": Place("my guests/nic.qvmconf", 6, 3)}
    found = ReportedRun(late_writes, judge_by_all(late_writes), origins)
    log = Sarif.model_validate_json(sarif_json([found], "1.0"))
    (run,) = log.runs
    assert run.results
    result = next(each for each in run.results if each.rule_id == "no-dma-after-teardown")
    assert result.locations
    physical = result.locations[0].physical_location
    assert physical is not None
    assert physical.artifact_location is not None
    assert physical.artifact_location.uri == "my%20guests/nic.qvmconf"
    assert physical.region is not None
    assert (physical.region.start_line, physical.region.start_column) == (6, 3)
    assert str(getattr(result.level, "value", result.level)) == "error"


def test_a_finding_tells_the_way_to_it(late_writes: Trace) -> None:
    found = ReportedRun(late_writes, judge_by_all(late_writes), {})
    (run,) = json.loads(sarif_json([found], "1.0"))["runs"]
    result = run["results"][0]
    (flow,) = result["codeFlows"][0]["threadFlows"]
    texts = [step["location"]["message"]["text"].split(" ")[0] for step in flow["locations"]]
    assert texts == ["DmaFetched", "DmaIssued", "DmaLanded"]
    rules = run["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize(
    ("actor", "line"), [("eth0", 9), ("eth0.dma", 9), ("vm1.disk.driver", 4), ("gone", 1)]
)
def test_the_line_to_blame_is_the_nearest_one_that_there_is(actor: str, line: int) -> None:
    origins = {
        "": Place("s.toml", 1),
        "eth0": Place("c.qvmconf", 2),
        "eth0 quiesce": Place("s.toml", 9),
        "vm1.disk": Place("c.qvmconf", 4),
    }
    place = place_to_blame(origins, actor)
    assert place is not None
    assert place.line == line


# Requirements.


def test_requirements_tests_and_results_are_linked_both_ways(
    late_writes: Trace, judge: Judge
) -> None:
    document = parse(needs_json([judge(late_writes)], "1.0"))
    version = document.select_version(None)
    needs = {record.key: record.fields for record in version.records()}
    kinds = sorted(str(fields["type"]) for fields in needs.values())
    assert kinds == ["req", "req", "result", "result", "test"]
    results = [fields for fields in needs.values() if fields["type"] == "result"]
    for result in results:
        assert [needs[link]["type"] for link in result["links"]] == ["req", "test"]
    assert sorted(str(result["status"]) for result in results) == ["vacuous", "violated"]
    assert not version.diagnostics


def test_scenarios_whose_names_look_alike_stay_two(late_writes: Trace, judge: Judge) -> None:
    one, two = (
        judge(Trace(Header(name), late_writes.records)) for name in ("nic crash", "nic-crash")
    )
    version = parse(needs_json([one, two], "1.0")).select_version(None)
    tests = [record.key for record in version.records() if record.fields["type"] == "test"]
    assert len(tests) == 2
    assert all(key.replace("_", "").isalnum() and key.isupper() for key in tests)


def test_the_file_names_are_those_of_the_table(tmp_path: Path) -> None:
    from quiesce.reports.formats.table import RUN_FORMATS  # noqa: PLC0415

    assert {word: each.file for word, each in RUN_FORMATS.items()} == {
        "vcd": "trace.vcd",
        "perfetto": "trace.perfetto.json",
        "btf": "trace.btf",
    }
