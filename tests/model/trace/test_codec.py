"""Trace files: lossless, versioned, and clear about what is wrong with a damaged one."""

from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.base.errors import TraceFormatError
from quiesce.model.trace import codec
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import AnyEvent, Header, IrqTaken, Part, Record, Trace

EVENT_TYPES: tuple[type[TraceEvent], ...] = get_args(AnyEvent)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    if get_origin(kind) is tuple:
        inner = [values_of(part) for part in get_args(kind) if part is not ...]
        if ... in get_args(kind):
            return st.lists(inner[0], max_size=2).map(tuple)
        return st.tuples(*inner)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(-(2**53), 2**53),
        str: st.text(max_size=8),
        bool: st.booleans(),
    }
    return plain[kind]


def events() -> st.SearchStrategy[TraceEvent]:
    def of(kind: type[TraceEvent]) -> st.SearchStrategy[TraceEvent]:
        fields = msgspec.structs.fields(kind)
        return st.builds(kind, **{field.name: values_of(field.type) for field in fields})

    return st.sampled_from(EVENT_TYPES).flatmap(of)


@given(st.lists(events(), max_size=10), st.text(max_size=10))
def test_any_trace_comes_back_equal(kinds: list[TraceEvent], name: str) -> None:
    records = tuple(Record(i * 5, name, i - 1, event) for i, event in enumerate(kinds))  # type: ignore[arg-type]
    trace = Trace(Header(name, parts=(Part(name, "memory"),)), records)
    assert codec.decode(codec.encode(trace)) == trace


def test_every_event_type_is_in_the_union() -> None:
    assert set(TraceEvent.__subclasses__()) == set(EVENT_TYPES)


def some_trace() -> Trace:
    return Trace(Header("x"), tuple(Record(i, "gic", i - 1, IrqTaken(1, 2)) for i in range(3)))


def test_a_trace_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "trace.jsonl"
    codec.write(some_trace(), path)
    assert codec.read(path) == some_trace()
    assert [entry.name for entry in path.parent.iterdir()] == ["trace.jsonl"]


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"old")

    def fails(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("os.replace", fails)
    with pytest.raises(OSError, match="no space"):
        codec.write(some_trace(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def lines_of(trace: Trace) -> list[bytes]:
    return codec.encode(trace).splitlines(keepends=True)


@pytest.mark.parametrize(
    ("damage", "line", "words"),
    [
        (lambda lines: lines[1:], 1, "not the first line of a quiesce trace"),
        (lambda lines: [b"\x00\xff\n", *lines[1:]], 1, "not the first line"),
        (lambda lines: [], 1, "not the first line"),
        (lambda lines: [lines[0].replace(b'trace":1', b'trace":9'), *lines[1:]], 1, "version 9"),
        (lambda lines: [*lines[:-1], lines[-1][:-9]], 4, "cut off"),
        (lambda lines: [*lines[:2], b"{}\n", *lines[3:]], 3, "not a record"),
        (lambda lines: [lines[0], lines[2], lines[1]], 2, "cause 0 is not an earlier record"),
        (lambda lines: [lines[0], lines[1], lines[3], lines[2]], 3, "cause 1"),
        (
            lambda lines: [lines[0], lines[1].replace(b'at_ns":0', b'at_ns":9'), *lines[2:]],
            3,
            "time runs backwards",
        ),
        (lambda lines: [lines[0], lines[1].replace(b"IrqTaken", b"IrqEaten")], 2, "not a record"),
    ],
)
def test_a_damaged_trace_names_the_line(damage, line: int, words: str) -> None:  # type: ignore[no-untyped-def]
    data = b"".join(damage(lines_of(some_trace())))
    with pytest.raises(TraceFormatError) as caught:
        codec.decode(data, "t.jsonl")
    assert str(caught.value).startswith(f"t.jsonl:{line}: ")
    assert words in str(caught.value)


# Traces that stay in their files.


RECORDS = tuple(Record(at, "gic", at - 1, IrqTaken(at, 1)) for at in range(4))


def test_a_trace_in_its_file_says_the_same_as_one_in_memory(tmp_path: Path) -> None:
    trace = Trace(Header("four"), RECORDS)
    codec.write(trace, tmp_path / "t.jsonl")
    file = codec.TraceFile(tmp_path / "t.jsonl")
    assert file.header == trace.header
    assert tuple(file.records) == RECORDS == tuple(file.records)
    assert list(file.causes) == list(trace.causes) == [-1, 0, 1, 2]


@pytest.mark.parametrize("cut", [1, 9])
def test_a_trace_whose_file_is_cut_off_is_refused_when_its_end_is_reached(
    cut: int, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(codec.encode(Trace(Header("four"), RECORDS))[:-cut])
    file = codec.TraceFile(path)
    with pytest.raises(TraceFormatError, match=r"t\.jsonl:5"):
        list(file.records)
    with pytest.raises(TraceFormatError, match=r"t\.jsonl:5"):
        list(file.causes)
