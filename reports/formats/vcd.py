"""Value change dump: the waveform format of GTKWave, Surfer and every logic analyser's viewer.

Components are scopes, their signals are variables (`signals`), and each has a text variable that
names its latest event.  Counts are 64-bit integers, texts are the string variables that GTKWave
and Surfer know.  A violation is a pulse in the scope `verdict`, with its message beside it.

The declarations of a dump stand before its first change, so the trace is read twice. Only one
record of it is in memory at a time.

Source:
    IEEE 1364-2005, section 18 (four-state VCD); string variables as GTKWave has them.
"""

import re
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import IO, TYPE_CHECKING, Any

from ...model.trace.event_base import TraceEvent
from ...model.trace.events import Record
from .signals import Kind, Signal, SignalReader
from .source import Flag, TraceSource

if TYPE_CHECKING:
    from vcd import VCDWriter
    from vcd.writer import Variable

_KINDS: dict[Kind, tuple[str, int | None, int | str | None]] = {
    "wire": ("wire", 1, 0),
    "count": ("integer", 64, 0),
    "text": ("string", None, ""),
    "pulse": ("event", None, None),
}
"""For each kind of signal the type, width and first value of its variable."""

_VIOLATION = Signal("verdict", "violation", "pulse")
_MESSAGE = Signal("verdict", "message", "text")

_UNFIT = re.compile(r"[^A-Za-z0-9_$\-]")


def write_vcd(source: TraceSource, flags: Iterable[Flag], to: IO[str]) -> None:
    """Write a trace as a value change dump.

    Args:
        source: The trace.
        flags: Violations to mark, in the order of time.
        to: A text file that is open for writing.
    """
    from vcd import VCDWriter  # noqa: PLC0415 - only here is it needed

    names = _Names()
    with VCDWriter(
        to,
        timescale="1 ns",
        date="",
        comment=_printable(source.header.scenario),
        check_values=False,
    ) as dump:
        variables = {
            signal: dump.register_var(
                names.scope(signal.scope), names.name(signal), *_KINDS[signal.kind]
            )
            for signal in [*_signals_of(source.records), _VIOLATION, _MESSAGE]
        }
        reader = SignalReader()
        waiting = list(flags)[::-1]
        change = dump.change
        for record in source.records:
            at_ns = record.at_ns
            while waiting and waiting[-1].at_ns < at_ns:
                _mark(dump, variables, waiting.pop())
            for signal, value in reader.changes(record):
                change(variables[signal], at_ns, value)
        while waiting:
            _mark(dump, variables, waiting.pop())


def _mark(dump: "VCDWriter", variables: "dict[Signal, Variable[Any]]", flag: Flag) -> None:
    dump.change(variables[_VIOLATION], flag.at_ns, 1)
    dump.change(variables[_MESSAGE], flag.at_ns, f"{flag.property}: {flag.message}")


def _signals_of(records: Iterable[Record]) -> list[Signal]:
    """Return every signal of a trace, by scope and name."""
    reader = SignalReader()
    found: set[Signal] = set()
    seen: set[tuple[object, ...]] = set()
    for record in records:
        # Invariant: the signals that an event changes depend on its names and words, never on its
        # numbers, except that of an interrupt.
        event = record.event
        key = (record.source, type(event), *_words_of(event))
        if key not in seen:
            seen.add(key)
            found.update(signal for signal, _ in reader.changes(record))
    return sorted(found)


_NUMBERS = frozenset({"epoch", "addr", "host_addr", "length", "head", "first_frame", "count"})
_names_of: dict[type, Callable[[object], tuple[object, ...]]] = {}


def _words_of(event: TraceEvent) -> tuple[object, ...]:
    """Return the fields of an event that are more than numbers."""
    kind = type(event)
    getter = _names_of.get(kind)
    if getter is None:
        fields = [name for name in kind.__struct_fields__ if name not in _NUMBERS]
        # A second copy of a name makes the result a tuple even for a single name; it changes
        # nothing.
        getter = _names_of[kind] = attrgetter(*(fields * 2)) if fields else _nothing
    return getter(event)


def _nothing(_: object) -> tuple[object, ...]:
    return ()


class _Names:
    """Gives each scope and signal a distinct name that the format accepts."""

    def __init__(self) -> None:
        self._scopes: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}

    def scope(self, scope: str) -> str:
        if scope not in self._scopes:
            wanted = ".".join(_UNFIT.sub("_", word) or "_" for word in scope.split("."))
            self._scopes[scope] = _free(wanted, set(self._scopes.values()))
        return self._scopes[scope]

    def name(self, signal: Signal) -> str:
        key = (signal.scope, signal.name)
        if key not in self._names:
            taken = {name for (scope, _), name in self._names.items() if scope == signal.scope}
            self._names[key] = _free(_UNFIT.sub("_", signal.name), taken)
        return self._names[key]


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text).replace("$", "?")
