"""What a search learns from the dense kernel about one event: plain data, free of the simulator.

A search explores a model in *parts*: its components, each with the pending delays of its own
processes, and the monitors that watch it.  Or it explores the whole model as one part.  The
`fingerprint` of a part is a small number that stands for its state; equal numbers mean equal
states.  A pending delay is known by its part and its position there.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple, Protocol

from ..trace.events import Record

EVERYTHING = "the model"
"""Name of the one part of a model explored as a whole."""


class Wait(NamedTuple):
    """A pending delay after an event.

    Attributes:
        source: Its position in the same part before the event, or -1 if it is new.
        lo_ns: Least length, of a new one.
        hi_ns: Greatest length, of a new one.
    """

    source: int
    lo_ns: int
    hi_ns: int


class PartAfter(NamedTuple):
    """A part that an event has entered, as the event leaves it."""

    part: int
    fingerprint: int
    waits: tuple[Wait, ...]


Pick = tuple[str, int, int]
"""An answer to a named question: label, bound and value."""


class Step:
    """One event of a path, linked to those before it.

    Args:
        parent: The step before, or None for the beginning of the run.
        part: Whose delay ended; -1 for the beginning.
        position: Which of its delays.
        picks: What was answered.
        at_once: Whether it ended at the same instant as the one before.

    Attributes:
        ended: Label and number of the delay that ended, once the path has been run.
        names: The delays that are pending after it, once that has been looked up.
    """

    __slots__ = ("at_once", "ended", "names", "parent", "part", "picks", "position")

    def __init__(
        self,
        parent: "Step | None",
        part: int,
        position: int,
        picks: tuple[Pick, ...],
        *,
        at_once: bool = False,
    ) -> None:
        self.parent = parent
        self.part = part
        self.position = position
        self.picks = picks
        self.at_once = at_once
        self.ended: DelayName | None = None
        self.names: tuple[DelayName, ...] | None = None


DelayName = tuple[str, int]
"""A delay of a run: its label, and how many of that label were begun before it."""


class Moment(NamedTuple):
    """One event of a path in terms of that very run.

    Attributes:
        ended: The delay that ended; None for the beginning of the run.
        begun: The delays that it began and that go on after it, with least and greatest length.
        entered: Parts that it entered.
        overtaken: Delays that had not ended although a part that it entered was waiting for them.
        let_go: Those among them for which no process waits any more.
        picks: The answers to its questions.
        at_once: Whether it came at the same instant as the one before.
    """

    ended: DelayName | None
    begun: tuple[tuple[DelayName, int, int], ...]
    entered: tuple[int, ...]
    overtaken: tuple[DelayName, ...]
    let_go: tuple[DelayName, ...]
    picks: tuple[Pick, ...]
    at_once: bool = False


class Watch(Protocol):
    """A monitor of one claim, as the search drives it.

    Attributes:
        name: Of the claim.
        fault: What was found against it, or an empty string.
    """

    name: str
    fault: str

    def reads(self, record: Record) -> bool:
        """Return whether the record matters to it; free of side effects and of its own state."""
        ...

    def step(self, index: int, record: Record) -> None:
        """Read a record that matters."""
        ...

    def settle(self) -> None:
        """Judge the event that is over."""
        ...

    def key(self) -> Hashable:
        """Return what later faults depend on, free of times."""
        ...


class Stopwatch(Protocol):
    """Measures the time from the latest start to a stop.

    Attributes:
        name: Of the distance.
        is_running: Whether it has started and not stopped.
    """

    name: str
    is_running: bool

    def mark(self, record: Record) -> str:
        """Read a record; returns `start`, `stop` or an empty string."""
        ...


MakeWatch = Callable[[], Watch]
MakeStopwatch = Callable[[], Stopwatch]


Mark = tuple[str | int, ...]
"""Something that has happened as a measure sees it: a word, and whom it concerns."""
