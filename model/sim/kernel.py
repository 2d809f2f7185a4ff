"""SimPy with integer time, and with every decision of a run in one place.

Chosen: a subclass of `simpy.Environment` with its own schedule.  Things that happen *now* wait
in a first-in-first-out queue and always run before time moves on; things that happen *later*
are `Delay`s in a heap.  In each instant the kernel first runs all due events, then fires the next
delay.  Where several delays end at the same instant, their order is a choice (`kernel.tie`).  The
order of zero-delay events is SimPy's and no choice.  Rejected: to ask at every tie, zero-delay
events included.  That multiplies runs and adds no distinguishable outcome, since the start and
the end of each process tie as well.

Causes need no book-keeping in the model.  The kernel knows the last event that was emitted on
the way to what runs now.  All that is scheduled or emitted from there inherits it as its cause.

Model code must run unchanged where delays are intervals and not numbers.  It therefore never
reads `now`, never compares or adds times, and makes a time-out a race (`first`).
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping
from heapq import heappop, heappush
from typing import Any, Generic, Protocol, TypeVar

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL, URGENT, Event, Process

from ..base.choices import TIE, Choices
from ..base.clock import Span, exactly
from ..base.errors import BoundHit
from ..plan.open_questions import OpenQuestion
from ..trace.events import NO_CAUSE, AnyEvent, Record
from .outside import Outside
from .runaway import WATCHED_EVENTS, Watch

Steps = Generator[Event, Any, Any]
"""The body of a SimPy process."""

T = TypeVar("T")

_Pending = tuple[int, int, Event, int]
"""A delay under way: when it ends, its serial number, its event, and what led to it."""

QUIET_EVENTS_MAX = 10_000
"""Delays that may end between the end of the observation and quiet; see `Kernel.quiet`."""

EVENTS_MAX = 2_000_000
"""Scheduled events after which the kernel gives a run up: some process does not end."""


class Delay(Event):
    """A wait whose length lies inside a span; it succeeds with no value when its time comes.

    Attributes:
        label: Which component waits for what, dotted: `eth0.rx_gap`.
    """

    # A delay is triggered from the start, as SimPy's own Timeout is.  Attributes that never
    # differ stand in the class, because a run makes more delays than anything else.
    _ok = True
    _value = None

    def __init__(self, kernel: "Kernel", label: str) -> None:
        self.env = kernel
        self.callbacks = []
        self.label = label


class First(Event):
    """Fires with the first of several events; its value is the position of that event.

    It then stops waiting for the others, so that a lost time-out does not linger.
    """

    def __init__(self, kernel: "Kernel", events: tuple[Event, ...]) -> None:
        super().__init__(kernel)
        self._events = events
        for position, event in enumerate(events):
            if event.callbacks is None:
                self.succeed(position)
                return
        for event in events:
            assert event.callbacks is not None
            event.callbacks.append(self._on_event)

    def _on_event(self, event: Event) -> None:
        # Invariant: no event calls back after the first one has, so this succeeds once.
        position = self._events.index(event)
        self.let_go()
        self.succeed(position)

    def let_go(self) -> None:
        """Stop waiting for all of the events."""
        for event in self._events:
            if event.callbacks and self._on_event in event.callbacks:
                event.callbacks.remove(self._on_event)


class Signal:
    """Wakes the processes that wait for a condition to change; it holds no state of its own.

    The waiting side re-checks its condition in a loop, as with a condition variable::

        while not self.requests:
            yield self.arrived.wait()
    """

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._next: Event | None = None

    def wait(self) -> Event:
        """Return the event that the next `notify` fires."""
        if self._next is None:
            self._next = Event(self._kernel)
        return self._next

    def notify(self) -> None:
        """Wake all processes that wait now."""
        # The event is dropped first: a process that waits again gets the event of the next call.
        event = self._next
        if event is not None:
            self._next = None
            event.succeed()


class Mailbox(Generic[T]):
    """A queue between processes that keeps the cause of each item with it.

    Taking an item makes its cause the cause of what follows.  So a message keeps its story, even
    after a long wait behind others.
    """

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._items: deque[tuple[T, int]] = deque()
        self._arrived = Signal(kernel)

    def __len__(self) -> int:
        """Give the number of waiting items."""
        return len(self._items)

    def put(self, item: T) -> None:
        """Append an item and wake the taker."""
        self._items.append((item, self._kernel._cause))
        self._arrived.notify()

    def take(self) -> T:
        """Remove and return the oldest item; there must be one."""
        item, self._kernel._cause = self._items.popleft()
        return item

    def wait(self) -> Event:
        """Return the event of the next `put`."""
        return self._arrived.wait()

    def clear(self) -> list[T]:
        """Remove and return all items."""
        items = [item for item, _ in self._items]
        self._items.clear()
        return items


class Observer(Protocol):
    """Receives each record at the moment it is emitted."""

    def __call__(self, record: Record) -> None:
        """Take note of the record; must not emit."""


class Kernel(simpy.Environment):
    """A simulation environment that asks `choices` for all that the model leaves open.

    Args:
        choices: Decides delays, named options and ties.
        pinned: Answers to open questions that are fixed for this run, by label.

    Attributes:
        records: What has been emitted so far, in order.
        events_run: How many scheduled events have been processed.
        outside: What reaches the system from outside.
    """

    _now: int

    def __init__(self, choices: Choices, pinned: Mapping[str, str] | None = None) -> None:
        super().__init__(0)
        self.choices = choices
        self.records: list[Record] = []
        self.events_run = 0
        self._cause = NO_CAUSE
        self._serial = 0
        self._urgent: deque[tuple[Event, int]] = deque()
        self._due: deque[tuple[Event, int]] = deque()
        self._delays: list[_Pending] = []
        self._observers: list[Observer] = []
        self._pinned = dict(pinned or {})
        self.outside = Outside(self)
        self._quiet: _Quiet | None = None

    # What the model calls.

    def delay(self, span: Span, label: str) -> Delay:
        """Return an event that fires after some duration inside the span."""
        ends_ns = self._now + self.choices.between(span.lo_ns, span.hi_ns, label)
        delay = Delay(self, label)
        # Invariant: serial numbers ascend.  So two entries of the heap never compare their events,
        # and tied delays stand in the order in which they were begun.
        self._serial += 1
        heappush(self._delays, (ends_ns, self._serial, delay, self._cause))
        return delay

    def choose(self, question: OpenQuestion) -> str:
        """Return an answer to an open question: the pinned one, or what `choices` say."""
        pinned = self._pinned.get(question.label)
        if pinned is not None:
            assert pinned in question.answers, (question.label, pinned)
            return pinned
        return self.choices.pick(question.answers, question.label)

    def first(self, *events: Event) -> First:
        """Return an event that fires with the first of the events, with its position."""
        return First(self, events)

    def emit(self, source: str, event: AnyEvent) -> int:
        """Append an event to the trace, at this instant and with what led here as its cause.

        Args:
            source: Dotted name of the component in which it happens.
            event: What happens.

        Returns:
            The index of the new record.
        """
        index = len(self.records)
        record = Record(self._now, source, self._cause, event)
        self.records.append(record)
        self._cause = index
        for observer in self._observers:
            observer(record)
        return index

    def enrol(self, component: object) -> None:
        """Take note of a new component; only a kernel that explores does anything with it."""

    def horizon(self, at_ns: int, label: str) -> Event:
        """Return the event that cuts the run at an instant, in every state of the system."""
        return self.delay(exactly(at_ns), label)

    def quiet(self, within_ns: int) -> Event:
        """Return an event that fires once no delay is awaited any more.

        Its value is a tuple of labels, empty if all is quiet.  If the kernel has given the wait up,
        these are the labels of the delays still under way, in the order in which they end.

        Args:
            within_ns: Simulated time after which the kernel gives the wait up.
        """
        event = Event(self)
        self._quiet = _Quiet(event, self._now + within_ns, QUIET_EVENTS_MAX)
        return event

    def begin_story(self) -> None:
        """Drop the cause of what follows in this process: it comes from outside the system."""
        self._cause = NO_CAUSE

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Call the observer for each record from here on; returns how to stop that."""
        # A new list each time: an observer may stop itself while `emit` walks over the old one.
        self._observers = [*self._observers, observer]

        def stop() -> None:
            self._observers = [other for other in self._observers if other is not observer]

        return stop

    def kill(self, process: Process) -> None:
        """End a process where it stands, as the death of a thread does.

        Its clean-up clauses run, and processes that wait for its end go on.  Killing a process
        that has ended does nothing.
        """
        if process.triggered:
            return
        assert process is not self.active_process, "a process ends itself by returning"
        # Invariant: a killed process is never resumed, and no event keeps it as a waiter.  A delay
        # that no process waits for any more does not count as awaited (`_break_tie`, `quiet`).
        target = process.target
        if target is not None and target.callbacks is not None:
            target.callbacks.remove(process._resume)
            if isinstance(target, First) and not target.callbacks:
                target.let_go()
        process._generator.close()
        if target is not None and target.callbacks is None:
            # The event that it waits for fires right now and is about to resume it as well.
            process._generator = _Ended(self)
        process.succeed()

    # What the runner calls.

    def execute(self, done: Event, events_max: int | None = None) -> None:
        """Run until `done` has been processed or nothing is left to happen.

        Args:
            done: The event at which the run ends.
            events_max: Scheduled events after which the kernel gives the run up; None for
                `EVENTS_MAX`.

        Raises:
            BoundHit: If the run needs more.
        """
        if events_max is None:
            events_max = EVENTS_MAX
        # All but the last events run in the fast loop; only the last ones are watched.
        watched = min(events_max, WATCHED_EVENTS)
        events_left = watched + self._run_until(done, events_max - watched)
        if events_left == watched:
            events_left = self._watch_until(done, watched, events_max)
        self.events_run += events_max - events_left
        self.choices.finish()

    def _run_until(self, done: Event, events: int) -> int:
        """Process up to `events` events, or until `done`; gives how many are left.

        Where 0 are left, `done` may have been the last of them.
        """
        # Invariant: this loop does what `_take_event` and `_run_callbacks` do, written out.
        urgent, due, delays = self._urgent, self._due, self._delays
        while events and done.callbacks is not None:
            # The likeliest first; the order of precedence is that of `step`.
            if due and not urgent:
                event, self._cause = due.popleft()
            elif urgent:
                event, self._cause = urgent.popleft()
            elif self._quiet is not None and self._fire_quiet_if_over(self._quiet):
                continue
            elif delays:
                event = self._fire_delay()
            else:
                break
            callbacks = event.callbacks
            event.callbacks = None  # type: ignore[assignment]  # SimPy's mark: processed
            for callback in callbacks:
                callback(event)
            if not event._ok:
                _raise_unless_defused(event)
            events -= 1
        return events

    def _watch_until(self, done: Event, events: int, events_max: int) -> int:
        """Process the last events before the bound, and count the processes that they resume.

        Raises:
            BoundHit: If `done` is not among them.
        """
        watch = Watch()
        while done.callbacks is not None:
            if not (self._urgent or self._due or self._delays or self._quiet):
                break
            event = self._take_event()
            watch.note(event)
            self._run_callbacks(event)
            events -= 1
            if events == 0 and done.callbacks is not None:
                remedy = "shorten the workload, or let a guest end"
                raise BoundHit("events", events_max, remedy, watch.sentence())
        return events

    # What SimPy calls.

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """Queue an event of SimPy's own for this instant."""
        assert delay == 0, "model code waits with kernel.delay, never with a timeout"
        queue = self._urgent if priority == URGENT else self._due
        queue.append((event, self._cause))

    def peek(self) -> int:
        """Return the time of the next event.

        Raises:
            EmptySchedule: If there is none.
        """
        if self._urgent or self._due:
            return self._now
        if not self._delays:
            raise EmptySchedule
        return self._delays[0][0]

    def step(self) -> None:
        """Process the next event.

        Raises:
            EmptySchedule: If there is none.
        """
        event = self._take_event()
        self.events_run += 1
        self._run_callbacks(event)

    def _take_event(self) -> Event:
        """Remove and return the event that is next."""
        if self._urgent:
            event, self._cause = self._urgent.popleft()
        elif self._due or (self._quiet is not None and self._fire_quiet_if_over(self._quiet)):
            event, self._cause = self._due.popleft()
        elif self._delays:
            event = self._fire_delay()
        else:
            raise EmptySchedule
        return event

    def _run_callbacks(self, event: Event) -> None:
        callbacks = event.callbacks
        event.callbacks = None  # type: ignore[assignment]  # SimPy's mark: processed
        for callback in callbacks:
            callback(event)
        if not event._ok:
            _raise_unless_defused(event)

    def _fire_quiet_if_over(self, quiet: "_Quiet") -> bool:
        """Fire the event of `quiet` if all is quiet or the wait is given up; gives whether so."""
        # Called only when nothing is due at this instant, so quiet means: no delay is awaited.
        # A delay without callbacks has lost its race or its process; it keeps nothing going.
        delays = self._delays
        while delays and not delays[0][2].callbacks:
            heappop(delays)
        quiet.delays_left -= 1
        if delays and delays[0][0] <= quiet.ends_ns and quiet.delays_left > 0:
            return False
        under_way = sorted(entry[:3] for entry in delays if entry[2].callbacks)
        if under_way and under_way[0][0] > quiet.ends_ns:
            self._now = quiet.ends_ns
        self._quiet = None
        self._cause = NO_CAUSE
        quiet.event.succeed(tuple(getattr(event, "label", "") for _, _, event in under_way))
        return True

    def _fire_delay(self) -> Event:
        entry = heappop(self._delays)
        if self._delays and self._delays[0][0] == entry[0]:
            entry = self._break_tie(entry)
        self._now, _, event, self._cause = entry
        return event

    def _break_tie(self, entry: _Pending) -> _Pending:
        """Choose among all delays of this instant that are awaited."""
        tied = [entry]
        while self._delays and self._delays[0][0] == entry[0]:
            tied.append(heappop(self._delays))
        # Invariant: `tied` ascends in serial numbers, so the same choice names the same delay in
        # each replay.  Delays that are not awaited fire first or later, without a choice.
        awaited = [candidate for candidate in tied if candidate[2].callbacks]
        if awaited:
            entry = awaited[self.choices.below(len(awaited), TIE)]
        for other in tied:
            if other is not entry:
                heappush(self._delays, other)
        return entry


class _Quiet:
    """A wait for quiet.

    Attributes:
        event: Fires when the wait is over.
        ends_ns: Instant at which the kernel gives it up.
        delays_left: Delays that may still end before the kernel gives it up.
    """

    def __init__(self, event: Event, ends_ns: int, delays_max: int) -> None:
        self.event = event
        self.ends_ns = ends_ns
        self.delays_left = delays_max


class _Ended:
    """Stands for the body of a process that was killed at the moment it was to be resumed.

    The resumption cannot be taken back; this lets it wait for what never comes.  To run into the
    end of the body instead would end the process a second time.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def send(self, value: object) -> Event:  # noqa: ARG002 - as a generator has it
        """Wait for what never comes."""
        return Event(self._kernel)


def _raise_unless_defused(event: Event) -> None:
    """Let a failure that no process handles end the run, as SimPy does."""
    if not event.defused:
        assert isinstance(event._value, BaseException)
        raise event._value
