"""What led to a violation, and nothing else, as data and in the languages of other tools."""

import re
from collections.abc import Callable

import msgspec
import pytest

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Header, Part, Record, Trace
from quiesce.properties.check import judge as really_judge
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.explanation.causal_slice import CausalSlice, slice_of
from quiesce.reports.formats.causal_formats import dot, mermaid
from quiesce.reports.pictures.causal_graph import CausalPicture, graph_of

Judge = Callable[[Trace], Judgement]


def sliced(trace: Trace, judge: Judge) -> CausalSlice:
    graph = slice_of(trace, judge(trace))
    assert graph is not None
    return graph


def texts(graph: CausalSlice, role: str) -> list[str]:
    return [node.text for node in graph.nodes if node.role == role]


def test_the_slice_has_the_write_the_release_and_nothing_of_other_writes(
    late_writes: Trace, judge: Judge
) -> None:
    graph = sliced(late_writes, judge)
    assert texts(graph, "violation") == ["write lands in frame 0x1f2 (data, 1024 bytes, epoch 1)"]
    assert texts(graph, "limit") == ["frames 0x1f0..0x1ff returned by vm1 (epoch 1)"]
    assert texts(graph, "deed") == [
        "buffer given to eth0: 2048 bytes at 0x1f2800 (epoch 1)",
        "descriptor read: 2048 bytes at 0x1f2800 (epoch 1)",
        "write leaves the device (data, 1024 bytes, epoch 1)",
    ]
    assert len(graph.nodes) < 10 < len(late_writes.records)
    assert graph.late_by_ns == 160_700


def test_the_critical_path_is_the_chain_of_causes_that_ends_in_the_violation(
    late_writes: Trace, judge: Judge
) -> None:
    graph = sliced(late_writes, judge)
    words = {node.index: node.text.split(" ")[0] for node in graph.nodes}
    assert [words[index] for index in graph.critical] == ["descriptor", "write", "write"]
    made = graph_of(graph)
    assert made.nodes[graph.critical[-1]]["role"] == "violation"
    assert all(made.edges[link.cause, link.effect]["wait_ns"] >= 0 for link in graph.links)


def test_what_was_done_to_stop_a_device_stands_in_the_slice() -> None:
    """A device is asked to stop, is seen to be quiet, and writes after the release all the same."""
    records = (
        Record(0, "memory", -1, ev.FramesGranted("vm", 1, 0x100, 1)),
        Record(0, "qvm", -1, ev.VmStarted("vm", 1)),
        Record(5, "vm.guest", -1, ev.GuestEnded("vm", 1, "crashed")),
        Record(6, "vm", 2, ev.TerminationBegun("vm", 1, "guest-crash", orderly=True)),
        Record(7, "vm", 3, ev.QuiesceStepBegun("eth0", 1, "reset")),
        Record(8, "vm", 4, ev.QuiesceStepEnded("eth0", 1, "reset", "done")),
        Record(9, "memory", 5, ev.FramesReleased("vm", 1, 0x100, 1)),
        Record(10, "eth0", -1, ev.DmaIssued("eth0", 1, 0x100000, 8, "data")),
        Record(12, "memory", 7, ev.DmaLanded("eth0", 1, 0x100000, 8, "data")),
    )
    trace = Trace(Header("story", parts=(Part("eth0", "hardware"),)), records)
    graph = slice_of(trace, really_judge(trace))
    assert graph is not None
    assert [node.index for node in graph.nodes] == [2, 3, 4, 5, 6, 7, 8]
    assert graph.late_by_ns == 3
    kinds = {(link.cause, link.effect): link.kind for link in graph.links}
    assert kinds[6, 8] == "late"
    assert kinds[5, 6] == "cause"


def test_a_run_without_violation_has_no_slice(stopped_in_time: Trace, judge: Judge) -> None:
    assert slice_of(stopped_in_time, judge(stopped_in_time)) is None


HOSTILE = '<script>"]; rm\\ \n#|end`'


def _renamed(event: ev.AnyEvent) -> ev.AnyEvent:
    is_by_device = isinstance(event, ev.DmaRequested | ev.DmaFetched | ev.DmaIssued | ev.DmaLanded)
    return msgspec.structs.replace(event, master=HOSTILE) if is_by_device else event


def _hostile(trace: Trace) -> Trace:
    """Return the trace with its device called something that means something to a parser."""

    records = tuple(
        Record(r.at_ns, HOSTILE if r.source == "eth0" else r.source, r.cause, _renamed(r.event))
        for r in trace.records
    )
    return Trace(trace.header, records)


def test_a_hostile_name_stays_inside_its_quotes_in_dot(late_writes: Trace, judge: Judge) -> None:
    text = dot(sliced(_hostile(late_writes), judge), HOSTILE)
    assert '<script>\\"]; rm\\\\ ?#|end`' in text
    # Without its quoted strings a DOT file has only what we have written ourselves.
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert '"' not in bare.replace('""', "")
    assert "script" not in bare
    assert bare.count("{") == bare.count("}")


def test_a_hostile_name_is_spelt_in_codes_in_mermaid(late_writes: Trace, judge: Judge) -> None:
    text = mermaid(sliced(_hostile(late_writes), judge))
    assert "#60;script#62;#34;#93;#59; rm#92; #63;#35;#124;end#96;" in text
    for line in text.splitlines():
        assert line.count('"') in (0, 2), line
    assert text.splitlines()[0] == "flowchart LR"


@pytest.mark.slow
def test_the_picture_names_time_components_and_how_late_it_was(
    late_writes: Trace, judge: Judge
) -> None:
    picture = CausalPicture(sliced(late_writes, judge), "a late write")
    words = picture.svg().decode()
    for expected in ("a late write", "160.7us too late", "935.7us", "memory", "critical path"):
        assert expected in words, expected
    assert picture.svg() == CausalPicture(sliced(late_writes, judge), "a late write").svg()
