"""Best Trace Format: scheduling traces as Trace Compass and timing tools of the car industry read.

Every record of the trace is one `SIM` line, with its type and numbers in the last column. Events
that the format knows get further lines, so that its viewers draw them:

- a qvm is a task;
- a callback, a quiesce step and a request to a host driver are runnables;
- an interrupt is a service routine that is activated, starts and terminates;
- a frame from the wire is a stimulus;
- a write to memory is a signal that is written.

A trace names no processors; one `Core` stands for all.

A run has no calendar. The creation date is the epoch of Unix, to which Trace Compass adds the
times. The format cannot quote commas, so names and notes have none.

Source:
    BTF specification 2.2.1: sections 2.2 (parameters) and 2.3 (events); org.eclipse.tracecompass.
    btf.core for the types that Trace Compass knows.
"""

import re
from collections.abc import Callable, Iterable
from typing import IO, Any, NamedTuple

from ...model.trace import events as ev
from ...model.trace.event_base import TraceEvent
from ...model.trace.events import Record
from .source import Flag, TraceSource

_HEADER = """\
#version 2.2.1
#creator quiesce
#creationDate 1970-01-01T00:00:00Z
#timeScale ns
"""

_LINES_AT_ONCE = 4_096
_CORE = "Core"
_UNFIT = re.compile(r"[,\s#\x00-\x1f]+")


class _Line(NamedTuple):
    """A line, without its time.

    Attributes:
        type: Type of the target.
        source: The source; its instance is that of the target of the same name, or 0.
        target: The target.
        event: The event.
        note: The last column; left out if empty.
    """

    type: str
    source: str
    target: str
    event: str
    note: str = ""


def write_btf(source: TraceSource, flags: Iterable[Flag], to: IO[str]) -> None:
    """Write a trace in the Best Trace Format.

    Args:
        source: The trace.
        flags: Violations, written as errors of the simulation, in the order of time.
        to: A text file that is open for writing.
    """
    to.write(_HEADER)
    writer = _Writer()
    waiting = list(flags)[::-1]
    lines: list[str] = []
    for record in source.records:
        while waiting and waiting[-1].at_ns < record.at_ns:
            lines.append(_flag_line(waiting.pop()))
        writer.add(record, lines)
        if len(lines) >= _LINES_AT_ONCE:
            to.write("".join(lines))
            lines.clear()
    lines += [_flag_line(flag) for flag in reversed(waiting)]
    to.write("".join(lines))


def _note(text: str) -> str:
    return " ".join(text.replace(",", ";").split())


def _flag_line(flag: Flag) -> str:
    message = _note(f"{flag.property}: {flag.message}")
    return f"{flag.at_ns},quiesce,0,SIM,quiesce,0,error,{message}\n"


class _Writer:
    """Turns records into lines, counting the instances of what begins and ends."""

    def __init__(self) -> None:
        self._instances: dict[str, int] = {}
        self._words: dict[str, str] = {}

    def add(self, record: Record, lines: list[str]) -> None:
        """Add the lines of a record."""
        event, at_ns = record.event, record.at_ns
        source = self._word(record.source)
        lines.append(f"{at_ns},{source},0,SIM,{source},0,tag,{_fields(event)}\n")
        rule = _RULES.get(type(event))
        if rule is not None:
            lines += [self._line(at_ns, each) for each in rule(event)]

    def _line(self, at_ns: int, line: _Line) -> str:
        target = self._word(line.target)
        if (line.type, line.event) in _BEGINNINGS:
            self._instances[target] = self._instances.get(target, -1) + 1
        source = self._word(line.source)
        numbers = self._instances.get(source, 0), self._instances.get(target, 0)
        note = f",{line.note}" if line.note else ""
        return (
            f"{at_ns},{source},{numbers[0]},{line.type},{target},{numbers[1]},{line.event}{note}\n"
        )

    def _word(self, text: str) -> str:
        """Return a name as a column can hold it, the same for the same name."""
        known = self._words.get(text)
        if known is None:
            known = self._words[text] = _UNFIT.sub("_", text) or "_"
        return known


_BEGINNINGS = frozenset({("T", "activate"), ("I", "activate"), ("R", "start"), ("STI", "trigger")})


def _fields(event: TraceEvent) -> str:
    """Return the type and the fields of an event in one column."""
    kind = type(event)
    text = " ".join([f"{name}={getattr(event, name)}" for name in kind.__struct_fields__])
    return _note(f"{kind.__name__} {text}")


def _trigger(stimulus: str) -> _Line:
    return _Line("STI", stimulus, stimulus, "trigger")


def _vm_started(event: ev.VmStarted) -> list[_Line]:
    stimulus = f"start of {event.vm}"
    return [
        _trigger(stimulus),
        _Line("T", stimulus, event.vm, "activate"),
        _Line("T", _CORE, event.vm, "start"),
    ]


def _irq_asserted(event: ev.IrqAsserted) -> list[_Line]:
    stimulus = f"{event.device}.irq{event.intid}"
    return [_trigger(stimulus), _Line("I", stimulus, f"irq{event.intid}", "activate")]


def _runnable(of: str, name: str, event: str) -> list[_Line]:
    return [_Line("R", of, f"{of}.{name}", event)]


def _read(by: str, addr: int) -> list[_Line]:
    return [_Line("SIG", by, f"memory of {by}", "read", str(addr))]


def _written(by: str, addr: int) -> list[_Line]:
    return [_Line("SIG", by, f"memory of {by}", "write", str(addr))]


Rule = Callable[[Any], list[_Line]]

_RULES: dict[type[TraceEvent], Rule] = {
    ev.VmStarted: _vm_started,
    ev.QvmExited: lambda event: [_Line("T", _CORE, event.vm, "terminate")],
    ev.CallbackBegun: lambda event: _runnable(event.vdev, "TERMINATE", "start"),
    ev.CallbackEnded: lambda event: _runnable(event.vdev, "TERMINATE", "terminate"),
    ev.QuiesceStepBegun: lambda event: _runnable(event.device, event.step, "start"),
    ev.QuiesceStepEnded: lambda event: _runnable(event.device, event.step, "terminate"),
    ev.BackendRequestBegun: lambda event: _runnable(event.server, "request", "start"),
    ev.BackendRequestEnded: lambda event: _runnable(event.server, "request", "terminate"),
    ev.IrqAsserted: _irq_asserted,
    ev.IrqTaken: lambda event: [_Line("I", _CORE, f"irq{event.intid}", "start")],
    ev.IrqHandled: lambda event: [_Line("I", _CORE, f"irq{event.intid}", "terminate")],
    ev.FrameArrived: lambda event: [_trigger(f"{event.device}.wire")],
    ev.DmaLanded: lambda event: _written(event.master, event.addr),
    ev.CpuWriteLanded: lambda event: _written(event.writer, event.addr),
    ev.DmaRead: lambda event: _read(event.master, event.addr),
    ev.CpuRead: lambda event: _read(event.reader, event.addr),
}
