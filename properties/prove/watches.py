"""Small monitors for the search through dense time: of order and of distances.

They depend on the order of records alone, never on their times: two records at the same instant
come in every order that the model allows, and one of these orders is the unsafe one.
"""

from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy

from ...model.dense.step import Watch
from ...model.trace.events import Record

Test = Callable[[Record], bool]
"""Whether a record is of some kind; looks at its source and event alone."""


class NeverAfter:
    """The claim that nothing of one kind follows something of another kind.

    Args:
        name: Of the claim.
        forbidden: What must not follow.
        end: What it must not follow.
    """

    def __init__(self, name: str, forbidden: Test, end: Test) -> None:
        self.name = name
        self.fault = ""
        self._forbidden = forbidden
        self._end = end
        self._is_over = False

    def reads(self, record: Record) -> bool:
        """Return whether the record is of either kind."""
        return self._forbidden(record) or self._end(record)

    def step(self, index: int, record: Record) -> None:
        """Read a record."""
        if self._is_over and self._forbidden(record):
            self.fault = f"record {index} of {record.source} comes after the end"
        self._is_over |= self._end(record)

    def settle(self) -> None:
        """Nothing waits for the end of an instant."""

    def key(self) -> Hashable:
        """Return whether the end has come."""
        return (self._is_over, bool(self.fault))

    def margin(self) -> "Distance":
        """Return the stopwatch from the last record of the forbidden kind to the end."""
        return Distance(f"margin: {self.name}", self._forbidden, self._end)


class Distance:
    """A stopwatch from the latest record of one kind to the first of another kind after it.

    Args:
        name: Of the distance.
        start: From what.
        stop: To what.
    """

    def __init__(self, name: str, start: Test, stop: Test) -> None:
        self.name = name
        self.is_running = False
        self._start = start
        self._stop = stop

    def mark(self, record: Record) -> str:
        """Read a record; returns `start`, `stop` or an empty string."""
        if self._start(record):
            self.is_running = True
            return "start"
        if self._stop(record):
            self.is_running = False
            return "stop"
        return ""


def source_is(*names: str) -> Test:
    """Return the test whether a record comes from one of these components."""
    wanted = frozenset(names)
    return lambda record: record.source in wanted


def event_is(*kinds: type, sources: Iterable[str] = ()) -> Test:
    """Return the test whether a record has an event of these types, from one of these sources.

    Args:
        kinds: The event types.
        sources: Names of components; none for any.
    """
    wanted = frozenset(sources)
    return lambda record: (
        isinstance(record.event, kinds) and (not wanted or record.source in wanted)
    )


class WatchMonitor:
    """Judges a run by one watch; tells each claim that is broken once.

    Args:
        watch: That has read nothing yet.
    """

    def __init__(self, watch: Watch) -> None:
        self.name = watch.name
        self.reads = watch.reads
        self.step = watch.step
        self.settle = watch.settle
        self.key = watch.key
        self._watch = watch
        self._was_broken = False

    def open_key(self) -> None:
        """Nothing waits for the end of an instant: a watch reads the order of records alone."""

    def broken(self) -> tuple[tuple[str, str], ...]:
        """Return the claim and what was found against it, when it is first broken."""
        if self._was_broken or not self._watch.fault:
            return ()
        self._was_broken = True
        return ((self.name, self._watch.fault),)

    def tested(self) -> frozenset[str]:
        """Return nothing: whether a run puts a watch to the test is not kept."""
        return frozenset()

    def copy(self) -> "WatchMonitor":
        """Return an equal one that goes its own way."""
        return deepcopy(self)

    def endings(self) -> tuple[tuple[str, str, str], ...]:
        """Return nothing: the end of a run breaks no watch."""
        return ()
