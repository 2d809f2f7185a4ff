"""Monitors: how a property reads events one by one, and which verdict it gives at the end.

A `Listener` declares the event types that it reads, each with the method that reads it. There are
two kinds:

- *trackers* derive state from the events, such as the owner of each frame;
- *properties* judge.

Properties share trackers: a `Judge` makes each tracker once, and calls a listener only for the
types that it declares.

Within an instant the order of records decides nothing. A write that lands at the instant of a
release counts as landing after it, even if its record comes first. A tracker therefore judges the
events of an instant when that instant is over, against the state at its end. `at_ns` need only be
ordered as the instants are. A search through dense time may number its instants; equal numbers mean
the same instant.

A listener keeps all it remembers in plain attributes: `copy.deepcopy` of a `Judge` gives an equal,
independent judge. `key` returns what later verdicts depend on, without times; a search compares
keys to find states that it has visited. Call it between two instants.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MethodType
from typing import Any, ClassVar, NamedTuple, TypeVar

from ...model.trace.event_base import TraceEvent
from ...model.trace.events import (
    UNKNOWN_EPOCH,
    AnyEvent,
    Header,
    ObservationEnded,
    Record,
    StillUnderWay,
)
from .verdict import SEVERITIES, VIOLATIONS_KEPT, Severity, Verdict, Violation, Word

Handler = Callable[[Any, int, int, Any], None]
"""The method that reads an event; takes the listener, the index, the instant and the event."""

Reads = Mapping[type[TraceEvent], Handler]
"""The event types that a listener reads, each with its method."""

Trackers = dict[type["Listener"], "Listener"]
"""The trackers that several properties share, by kind."""

B = TypeVar("B", bound="Listener")


class Listener:
    """Reads events of the types that it declares.

    Attributes:
        reads: The method for each event type.
    """

    reads: ClassVar[Reads] = {}

    def settle(self) -> None:
        """Judge what waits for the end of its instant, after the last event of that instant."""

    def key(self) -> Hashable:
        """Return what later verdicts depend on, without times; call between two instants."""
        raise NotImplementedError

    def waiting(self) -> Hashable:
        """Return what waits for the end of the present instant, without times; falsy if nothing."""
        return ()


class Observation(Listener):
    """The tracker of the run: whether the trace announces its end, and what that leaves open.

    Attributes:
        ended_ns: When the observation ended, or -1 while it goes on.
        weighers: Called with each `StillUnderWay` of a known VM, with the state at that moment.
        unfinished: What was still under way and may concern any VM.
    """

    def __init__(self) -> None:
        self.ended_ns = -1
        self.weighers: list[Callable[[StillUnderWay], None]] = []
        self.unfinished: list[str] = []

    @property
    def doubt(self) -> str:
        """Why nothing is decided: something still under way may concern every VM."""
        if not self.unfinished:
            return ""
        more = f" and {len(self.unfinished) - 1} more" if len(self.unfinished) > 1 else ""
        return f"{self.unfinished[0]}{more} had not ended when the wait for quiet was given up"

    def _weigh(self, index: int, at_ns: int, event: StillUnderWay) -> None:  # noqa: ARG002
        if event.epoch == UNKNOWN_EPOCH:
            self.unfinished.append(event.what)
            return
        for weigher in self.weighers:
            weigher(event)

    def _end(self, index: int, at_ns: int, event: ObservationEnded) -> None:  # noqa: ARG002
        self.ended_ns = at_ns

    def key(self) -> Hashable:
        """Return whether the observation has ended, and what was left."""
        return self.ended_ns >= 0, tuple(self.unfinished)

    reads: ClassVar[Reads] = {ObservationEnded: _end, StillUnderWay: _weigh}


class Closing(NamedTuple):
    """What the end of a trace adds to a property.

    Attributes:
        antecedents: How often it was put to the test.
        violations: Violations that only the end of the trace shows.
        doubt: Why the property is not decided, or an empty string.
    """

    antecedents: int
    violations: tuple[Violation, ...] = ()
    doubt: str = ""


class Property(Listener):
    """The base of all properties: a claim about traces and the monitor that judges it.

    Subclasses declare what they read, and implement `close`. A property that stands alone makes its
    own trackers, and `step` drives it. Under a `Judge` it shares the judge's trackers.

    Args:
        header: Header of the trace to be judged.
        trackers: The trackers of the judge, or None to stand alone.

    Attributes:
        name: Stable identifier, as it appears in reports and on the command line.
        claim: What must hold, in one sentence.
        formula: The claim in temporal form: G always, F at some time, U until.
        antecedent: What counts as putting the claim to the test, in the plural; without any, the
            verdict is `vacuous`.
        boundary: What happens exactly at the decisive instant.
        source: The document, or the choice of this project, that the claim comes from.
        observation: Whether the run has ended, and what its end leaves undecided.
        owed: What would have gone on against the claim if the observation had; empty if nothing
            would.
        ends_search: Whether a violation ends a search through dense time. A violation that is only
            a cost does not end it, so that the search still finds harm.
        compares_times: Whether it compares instants, rather than the order of records alone.  A
            search through dense time then judges it by the distances that it measures.
    """

    name: ClassVar[str]
    claim: ClassVar[str]
    formula: ClassVar[str]
    antecedent: ClassVar[str]
    boundary: ClassVar[str]
    source: ClassVar[str]
    ends_search: ClassVar[bool] = True
    compares_times: ClassVar[bool] = False

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        self.header = header
        self.violations: list[Violation] = []
        self.violation_count = 0
        self._worst: Severity = "none"
        self._trackers: Trackers = {} if trackers is None else trackers
        self._is_alone = trackers is None
        self.observation = self.tracker(Observation)
        self.observation.weighers.append(self._weigh)
        self.owed = ""

    def tracker(self, kind: type[B]) -> B:
        """Return the tracker of a kind; make it on the first request."""
        found = self._trackers.get(kind)
        if found is None:
            found = self._trackers[kind] = kind()
        assert isinstance(found, kind)
        return found

    def step(self, index: int, record: Record) -> None:
        """Read a record; for a property that stands alone."""
        assert self._is_alone, "the judge drives the trackers of this property"
        event = record.event
        # Invariant: trackers read a record before the property does, as under a `Judge`.
        for listener in (*self._trackers.values(), self):
            handler = listener.reads.get(type(event))
            if handler is not None:
                handler(listener, index, record.at_ns, event)

    def close(self, last_ns: int) -> Closing:
        """Return what the end of the trace at `last_ns` adds; changes nothing."""
        raise NotImplementedError

    def finish(self, last_ns: int = 0) -> Verdict:
        """Return the verdict on the records read so far; the property can read more afterwards.

        Args:
            last_ns: Instant of the last record, for a trace that does not announce its end.
        """
        # Invariant: no record of the last instant follows, so what waits for its end is judged now.
        if self._is_alone:
            for tracker in self._trackers.values():
                tracker.settle()
        self.settle()
        ended_ns = self.observation.ended_ns
        closing = self.close(last_ns if ended_ns < 0 else ended_ns)
        # Invariant: `close` changes nothing, so `finish` may be called more than once.
        kept = sorted([*self.violations, *closing.violations], key=lambda each: each.index)
        count = self.violation_count + len(closing.violations)
        word, reason = self._word(closing, kept, count, ended_ns >= 0)
        severities = [self._worst, *(each.severity for each in closing.violations)]
        return Verdict(
            property=self.name,
            verdict=word,
            severity=max(severities, key=SEVERITIES.index),
            antecedents=closing.antecedents,
            reason=reason,
            violations=tuple(kept[:VIOLATIONS_KEPT]),
            violation_count=count,
        )

    def _word(
        self, closing: Closing, kept: list[Violation], count: int, is_whole: bool
    ) -> tuple[Word, str]:
        """Return the word of the verdict and its reason."""
        if count:
            more = f" (and {count - 1} more)" if count > 1 else ""
            return "violated", f"{kept[0].message}{more}"
        if not is_whole:
            return "inconclusive", "the trace is cut off before the end of the observation"
        if doubt := self.doubt_of(closing):
            return "inconclusive", doubt
        if not closing.antecedents:
            return "vacuous", f"never put to the test: there were no {self.antecedent}"
        return "holds", f"put to the test by {closing.antecedents} {self.antecedent}"

    def weigh(self, rest: StillUnderWay) -> str:  # noqa: ARG002 - most claims are decided by then
        """Return what would go on against the claim if the observation did, or an empty string."""
        return ""

    def _weigh(self, rest: StillUnderWay) -> None:
        # Invariant: weighed with the state at this record, which later records may change.
        self.owed = self.owed or self.weigh(rest)

    def doubt_of(self, closing: Closing) -> str:
        """Return why the end of the trace leaves the property undecided, or an empty string."""
        return closing.doubt or self.owed or self.observation.doubt

    def violate(
        self, index: int, at_ns: int, severity: Severity, message: str, **data: str | int
    ) -> None:
        """Note a violation; the property keeps only the first few in full."""
        self.violation_count += 1
        # Invariant: `_worst` and `violation_count` cover all violations, `violations` only the
        # first.
        if SEVERITIES.index(severity) > SEVERITIES.index(self._worst):
            self._worst = severity
        if len(self.violations) < VIOLATIONS_KEPT:
            self.violations.append(Violation(index, at_ns, message, severity, data))

    def key(self) -> Hashable:
        """Return the verdict so far, and all else that later verdicts depend on."""
        # Invariant: keys hold no times; whether a count is 0 matters to the verdict, its size does
        # not.
        is_tested = self.close(0).antecedents > 0
        return (self._worst, is_tested, self.owed, self.state())

    def state(self) -> Hashable:
        """Return what this property itself remembers, without times."""
        return ()


class Judge:
    """Judges a trace by several properties, record by record.

    Args:
        header: Of the trace.
        properties: The kinds of property, in the order of their verdicts.
    """

    def __init__(self, header: Header, properties: Iterable[type[Property]]) -> None:
        trackers: Trackers = {}
        self.properties = tuple(kind(header, trackers) for kind in properties)
        # Invariant: the properties have made every tracker that they share; none is added later.
        self.trackers = tuple(trackers.values())
        table: dict[type[TraceEvent], list[Callable[[int, int, AnyEvent], None]]] = {}
        # Invariant: trackers stand before properties, so a property reads them after they have read
        # the same record.
        for listener in (*self.trackers, *self.properties):
            for event_type, handler in listener.reads.items():
                table.setdefault(event_type, []).append(MethodType(handler, listener))
        self._table = table
        self._last_ns = 0

    def step(self, index: int, record: Record) -> None:
        """Give a record to the trackers and properties that read its type."""
        event = record.event
        self._last_ns = record.at_ns
        for handler in self._table.get(type(event), ()):
            handler(index, record.at_ns, event)

    def read(self, records: Iterable[Record], first_index: int = 0) -> None:
        """Give many records to the trackers and properties."""
        get = self._table.get
        at_ns = self._last_ns
        for index, record in enumerate(records, first_index):
            event = record.event
            at_ns = record.at_ns
            for handler in get(type(event), ()):
                handler(index, at_ns, event)
        self._last_ns = at_ns

    def settle(self) -> None:
        """Judge the instant that has just ended."""
        for listener in (*self.trackers, *self.properties):
            listener.settle()

    def finish(self) -> tuple[Verdict, ...]:
        """Return the verdicts on the records read so far; the judge can read more afterwards."""
        self.settle()
        return tuple(each.finish(self._last_ns) for each in self.properties)

    def key(self) -> Hashable:
        """Return what later verdicts depend on, without times; call between two instants."""
        return tuple(listener.key() for listener in (*self.trackers, *self.properties))

    def open_key(self) -> tuple[Hashable, ...]:
        """Return what each listener keeps for the end of the present instant."""
        return tuple(listener.waiting() for listener in (*self.trackers, *self.properties))
