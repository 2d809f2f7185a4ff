"""Timeline for Perfetto and for every other viewer of the Chrome trace event format.

Each component is a thread.  Each event is a slice of one nanosecond in it, with its fields as
arguments, since the arrows of the format join slices and not instants; what lasts (callbacks,
steps, a line asserted) is a slice of its own in a track beside it, what is counted a counter.
From each cause an arrow leads to what it brought about.  A violation is a mark over all tracks.

Arrows are told by a number for each pair, so the trace is read twice: first to learn how many
effects each record has.  That takes four bytes a record; nothing else grows with the trace.

Source:
    Trace Event Format (Chromium project): complete, async, counter, flow, instant and metadata
    events; times in microseconds with decimals.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from ...model.trace import NO_CAUSE, Record
from .signals import Change, Signal, SignalReader, Value
from .source import Flag, TraceSource

_PROCESS = 1
_LINES_AT_ONCE = 4_096
_ARROW = '"cat":"cause","name":"cause","id":'

_text = msgspec.json.Encoder().encode


def write_perfetto(source: TraceSource, flags: Iterable[Flag], to: IO[bytes]) -> None:
    """Write a trace as JSON of the Chrome trace event format.

    Args:
        source: The trace.
        flags: Violations to mark.
        to: A binary file that is open for writing.
    """
    effects = _effect_counts(source.causes)
    scenario = source.header.scenario
    to.write(b'{"displayTimeUnit":"ns","otherData":')
    to.write(_text({"scenario": scenario, "description": source.header.description}))
    to.write(b',"traceEvents":[\n')
    to.write(_metadata("process_name", 0, {"name": f"quiesce: {scenario}"}))
    writer = _Writer(source, effects)
    lines: list[str] = []
    for record in source.records:
        writer.add(record, lines)
        if len(lines) >= _LINES_AT_ONCE:
            to.write("".join(lines).encode())
            lines.clear()
    writer.close(lines)
    lines += [_flag_line(flag) for flag in flags]
    to.write("".join(lines).encode())
    to.write(b"\n]}\n")


def _effect_counts(causes: Iterable[int]) -> "array[int]":
    counts = array("I")
    add = counts.append
    for cause in causes:
        add(0)
        if cause >= 0:
            counts[cause] += 1
    return counts


def _metadata(name: str, thread: int, arguments: dict[str, str | int]) -> bytes:
    event = {"ph": "M", "pid": _PROCESS, "tid": thread, "name": name, "args": arguments}
    return (b"" if name == "process_name" else b",\n") + _text(event)


def _us(at_ns: int) -> str:
    """Return an instant in microseconds, exactly."""
    return f"{at_ns // 1_000}.{at_ns % 1_000:03d}"


def _flag_line(flag: Flag) -> str:
    name = _text(f"VIOLATION of {flag.property}").decode()
    arguments = _text({"message": flag.message, "record": flag.record}).decode()
    return (
        f',\n{{"ph":"i","s":"g","pid":{_PROCESS},"tid":0,"ts":{_us(flag.at_ns)},'
        f'"cat":"verdict","name":{name},"args":{arguments}}}'
    )


class _Writer:
    """Turns records into lines of JSON."""

    def __init__(self, source: TraceSource, effects: "array[int]") -> None:
        self._effects = effects
        self._threads: dict[str, int] = {}
        self._new_threads: list[str] = []
        self._reader = SignalReader()
        self._open: dict[Signal, tuple[int, str]] = {}
        self._levels: dict[Signal, Value] = {}
        self._arrows_taken: dict[int, int] = {}
        self._index = 0
        self._end_ns = 0
        self._begun = 0
        for part in source.header.parts:
            self._thread(part.name)

    def add(self, record: Record, lines: list[str]) -> None:
        """Add the lines of a record."""
        index, self._index = self._index, self._index + 1
        self._end_ns = at_ns = record.at_ns
        at = f"{at_ns // 1_000}.{at_ns % 1_000:03d}"
        thread = self._threads.get(record.source) or self._thread(record.source)
        if self._new_threads:
            lines += self._new_threads
            self._new_threads.clear()
        event, cause = record.event, record.cause
        where = f'"pid":{_PROCESS},"tid":{thread},"ts":{at}'
        line = (
            f',\n{{"ph":"X",{where},"dur":0.001,"cat":"event","name":"{type(event).__name__}",'
            f'"args":{{"record":{index},"event":{_text(event).decode()}}}}}'
        )
        # An arrow binds to the slice that is open on its thread: the one just written.
        for number in range(self._effects[index]):
            line += f',\n{{"ph":"s",{where},{_ARROW}"{index}.{number}"}}'
        if cause != NO_CAUSE:
            number = self._taken(cause)
            line += f',\n{{"ph":"f","bp":"e",{where},{_ARROW}"{cause}.{number}"}}'
        lines.append(line)
        for change in self._reader.changes(record)[1:]:
            self._change(change, at, lines)

    def close(self, lines: list[str]) -> None:
        """End what has not ended with the trace."""
        at = _us(self._end_ns)
        for signal in list(self._open):
            self._end(signal, at, lines)

    def _taken(self, cause: int) -> int:
        """Return the number of the arrow from a cause that comes in next."""
        number = self._arrows_taken.get(cause, 0)
        if number + 1 == self._effects[cause]:
            # Its last one: what is behind us needs no memory.
            self._arrows_taken.pop(cause, None)
        else:
            self._arrows_taken[cause] = number + 1
        return number

    def _change(self, change: Change, at: str, lines: list[str]) -> None:
        signal, value = change
        if signal.kind == "pulse" or self._levels.get(signal) == value:
            return
        self._levels[signal] = value
        if signal.kind == "count":
            name = _text(f"{signal.scope} {signal.name}").decode()
            lines.append(
                f',\n{{"ph":"C","pid":{_PROCESS},"ts":{at},"name":{name},'
                f'"args":{{"value":{value}}}}}'
            )
            return
        self._end(signal, at, lines)
        if value:
            name = _text(str(value) if signal.kind == "text" else signal.name).decode()
            self._begin(signal, name, at, lines)

    def _begin(self, signal: Signal, name: str, at: str, lines: list[str]) -> None:
        self._begun += 1
        number = self._begun
        self._open[signal] = (number, name)
        lines.append(self._lasting("b", signal, number, name, at))

    def _end(self, signal: Signal, at: str, lines: list[str]) -> None:
        begun = self._open.pop(signal, None)
        if begun is not None:
            lines.append(self._lasting("e", signal, *begun, at))

    def _lasting(self, phase: str, signal: Signal, number: int, name: str, at: str) -> str:
        category = _text(f"{signal.scope} {signal.name}").decode()
        thread = self._threads.get(signal.scope, 0)
        return (
            f',\n{{"ph":"{phase}","pid":{_PROCESS},"tid":{thread},"ts":{at},'
            f'"cat":{category},"name":{name},"id":"{number}"}}'
        )

    def _thread(self, source: str) -> int:
        known = self._threads.get(source)
        if known is None:
            known = self._threads[source] = len(self._threads) + 1
            for name, arguments in _about_thread(source, known):
                self._new_threads.append(_metadata(name, known, arguments).decode())
        return known


def _about_thread(source: str, number: int) -> Iterator[tuple[str, dict[str, str | int]]]:
    yield "thread_name", {"name": source}
    yield "thread_sort_index", {"sort_index": number}
