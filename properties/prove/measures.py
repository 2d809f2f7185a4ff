"""What is measured along the runs of a proof: the time from one happening to another.

A measure is a small automaton over the marks of the monitor (`judging`).  In each of its modes it
has been started or not; what happens can start it anew, stop it, or leave both open: then the
search follows both ways, which is how "the least over all landings" is found with a single clock.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ...model.dense.step import Mark

IDLE: Hashable = None
"""The mode of a measure that is not running."""

OVER: Hashable = "over"
"""The mode of a measure that will not run again: what follows does not matter to it."""


class Turn(NamedTuple):
    """One way to go on after an event.

    Attributes:
        mode: Of the measure after it.
        is_started: Whether the clock was set to zero at this event.
        is_read: Whether the time since the start counts at this event.
        is_read_at_once: Whether start and reading fell on this very event.
    """

    mode: Hashable
    is_started: bool = False
    is_read: bool = False
    is_read_at_once: bool = False


class Measure(Protocol):
    """A distance that is measured.

    Attributes:
        name: Of the distance.
        bound_ns: Reading or running beyond it is against the claim; None if there is none.
    """

    name: str
    bound_ns: int | None

    def reads(self, mark: Mark) -> bool:
        """Return whether a mark matters to it."""
        ...

    def turns(self, mode: Hashable, marks: Sequence[Mark]) -> Iterable[Turn]:
        """Return the ways to go on after what an event has brought."""
        ...


class Between:
    """The time from a mark of one kind to a mark of another kind after it.

    Args:
        name: Of the distance.
        start: The mark that starts it.
        stop: The mark that is waited for.
        bound_ns: What it may be at most, or None.
        restarts: Whether a further start counts instead of the one before.
        goes_on: Whether it runs on after a stop, so that later ones are read as well.

    Attributes:
        restarts: As given: it is the time that is left after the last start.
    """

    def __init__(
        self,
        name: str,
        start: Mark,
        stop: Mark,
        *,
        bound_ns: int | None = None,
        restarts: bool = False,
        goes_on: bool = False,
    ) -> None:
        self.name = name
        self.bound_ns = bound_ns
        self.start = start
        self.stop = stop
        self.restarts = restarts
        self._goes_on = goes_on

    def reads(self, mark: Mark) -> bool:
        """Return whether a mark is a start or a stop."""
        return mark in (self.start, self.stop)

    def turns(self, mode: Hashable, marks: Sequence[Mark]) -> Iterable[Turn]:
        """Start at the first start, or the latest one; read at the first stop, or at each."""
        is_started = is_read = is_read_at_once = False
        for mark in marks:
            if mark == self.start and (mode == IDLE or (self.restarts and mode == "running")):
                mode, is_started = "running", True
            elif mark == self.stop and mode == "running":
                is_read, is_read_at_once = True, is_started
                if not self._goes_on:
                    mode, is_started = IDLE if self.restarts else OVER, False
        return (Turn(mode, is_started, is_read, is_read_at_once),)


class FirstParting:
    """The time from the beginning of an end until that VM parts with anything."""

    name = "to the first change of hands"
    bound_ns: int | None = None

    def reads(self, mark: Mark) -> bool:
        """Return whether a mark is the beginning of an end, or a change of hands."""
        return mark[0] in {"ending", "parted"}

    def turns(self, mode: Hashable, marks: Sequence[Mark]) -> Iterable[Turn]:
        """Follow one end at a time, whichever it is."""
        turns = [Turn(mode)]
        for word, epoch, *_ in filter(self.reads, marks):
            found: list[Turn] = []
            for turn in turns:
                if word == "ending" and turn.mode is IDLE:
                    found += [turn, Turn(epoch, is_started=True)]
                elif word == "parted" and turn.mode == epoch:
                    found.append(Turn(OVER, is_read=True, is_read_at_once=turn.is_started))
                else:
                    found.append(turn)
            turns = found
        return turns


class ToOwnRelease:
    """The time from the last landing of a writer in a frame to the release of that frame.

    One landing is followed at a time; which one is left open, so that every frame is measured.

    Args:
        name: Of the distance.
        writer: Whose landings.
        epoch: For which VM instance they are made.
    """

    bound_ns: int | None = None

    def __init__(self, name: str, writer: str, epoch: int) -> None:
        self.name = name
        self.writer = writer
        self.epoch = epoch

    def reads(self, mark: Mark) -> bool:
        """Return whether a mark is a landing of the writer, or a release."""
        return mark[:3] == ("landed", self.writer, self.epoch) or (
            mark[:2] == ("released", self.epoch)
        )

    def turns(self, mode: Hashable, marks: Sequence[Mark]) -> Iterable[Turn]:
        """Follow the landing that is followed, or begin to follow a new one."""
        turns = [Turn(mode)]
        for mark in marks:
            match mark:
                case ("landed", self.writer, self.epoch, frame):
                    turns = [next_one for turn in turns for next_one in _landed(turn, frame)]
                case ("released", self.epoch, int(first), int(end)):
                    turns = [_released(turn, first, end) for turn in turns]
        return turns


def _landed(turn: Turn, frame: Hashable) -> list[Turn]:
    if turn.mode == frame:
        return [Turn(frame, is_started=True)]
    if turn.mode is IDLE and not turn.is_read:
        return [turn, Turn(frame, is_started=True)]
    return [turn]


def _released(turn: Turn, first: int, end: int) -> Turn:
    if isinstance(turn.mode, int) and first <= turn.mode < end:
        return Turn(OVER, is_read=True, is_read_at_once=turn.is_started)
    return turn
