"""Timeline for Perfetto and for every other viewer of the Chrome trace event format.

Each component is a thread. Each event is a slice of one nanosecond in it, with its fields as
arguments: the arrows of the format join slices, not instants. Intervals (callbacks,
steps, a line asserted) are slices in a track beside it; counts are counters. From each cause an
arrow leads to its effect. A violation is a mark over all tracks.

Each pair of cause and effect has a number, so the trace is read twice: first to learn how many
effects each record has. That takes four bytes a record; nothing else grows with the trace.

Source:
    Trace Event Format (Chromium project): complete, async, counter, flow, instant and metadata
    events; times in microseconds with decimals.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from ...model.trace.events import NO_CAUSE, Record
from .signals import Change, Signal, SignalReader, Value
from .source import Flag, TraceSource

_PROCESS = 1
_LINES_AT_ONCE = 4_096

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
        self._at_ns, self._at = 0, "0.000"
        self._where: dict[str, tuple[str, str, str]] = {}
        self._begun = 0
        for part in source.header.parts:
            self._thread(part.name)

    def add(self, record: Record, lines: list[str]) -> None:
        """Add the lines of a record."""
        index = self._index
        self._index = index + 1
        at_ns, source, cause, event = record.at_ns, record.source, record.cause, record.event
        if at_ns != self._at_ns:
            self._at_ns = at_ns
            self._at = f"{at_ns // 1_000}.{at_ns % 1_000:03d}"
        at = self._at
        where = self._where.get(source) or self._place(source, lines)
        line = (
            f'{where[0]}{at},"dur":0.001,"cat":"event","name":"{event.__class__.__name__}",'
            f'"args":{{"record":{index},"event":{_text(event).decode()}}}}}'
        )
        # Invariant: an arrow binds to the slice that is open on its thread, which is the one just
        # written.
        effects = self._effects[index]
        if effects == 1:
            line += f'{where[1]}{at},"id":"{index}.0"}}'
        elif effects:
            line += "".join([f'{where[1]}{at},"id":"{index}.{n}"}}' for n in range(effects)])
        if cause != NO_CAUSE:
            number = 0 if self._effects[cause] == 1 else self._taken(cause)
            line += f'{where[2]}{at},"id":"{cause}.{number}"}}'
        lines.append(line)
        if self._reader.has_signals(event):
            for change in self._reader.changes(record)[1:]:
                self._change(change, at, lines)

    def _place(self, source: str, lines: list[str]) -> tuple[str, str, str]:
        """Return the beginnings of the lines of a component: slice, arrow out, arrow in."""
        thread = self._thread(source)
        lines += self._new_threads
        self._new_threads.clear()
        rest = f'"pid":{_PROCESS},"tid":{thread},'
        arrow = f'{rest}"cat":"cause","name":"cause","ts":'
        place = self._where[source] = (
            f',\n{{"ph":"X",{rest}"ts":',
            f',\n{{"ph":"s",{arrow}',
            f',\n{{"ph":"f","bp":"e",{arrow}',
        )
        return place

    def close(self, lines: list[str]) -> None:
        """End what has not ended with the trace."""
        for signal in list(self._open):
            self._end(signal, self._at, lines)

    def _taken(self, cause: int) -> int:
        """Return the number of the arrow from a cause that comes in next."""
        number = self._arrows_taken.get(cause, 0)
        if number + 1 == self._effects[cause]:
            # Invariant: records come in order, so a cause needs no memory after its last effect.
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
