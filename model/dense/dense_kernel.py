"""The kernel in which a delay is an interval: it runs the model's code, and others count time.

Where the ordinary kernel asks `choices` how long a delay takes, this one keeps the delay pending
until a search says that it ends.  What can happen next does not depend on time but on the set of
pending delays alone.  So code runs here exactly as there, one instant at a time.  The chosen delay
ends, and all that it causes without delay runs to completion in SimPy's order.  Which delay *can*
be next is a question to the difference-bound matrix of the search (`properties/prove/zones`).

`footprint` collects the components that an event enters, in a model explored in parts.  A
component is entered when one of its attributes is read or set, or one of its processes resumed.
Chosen: a class made for each component whose attribute access takes note.  Rejected: wrapping
methods, which would overlook an attribute read from outside.
"""

import functools
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, NoReturn

from simpy.events import Event, Process

from ..base.choices import ChoicePoint, Choices
from ..base.clock import Span
from ..base.errors import BoundHit, QuiesceError
from ..sim.kernel import Delay, Kernel, _raise_unless_defused
from ..sim.runaway import WATCHED_EVENTS, Watch
from ..trace.events import NO_CAUSE, AnyEvent, Record
from .no_number import NO_INDEX, NO_TIME, TimeReadError
from .state_errors import FingerprintError, HistoryReadError

STEPS_MAX = 100_000
"""Zero-delay events after one another, from which an instant is taken to have no end."""

_CONSTANT = frozenset({"name", "kernel", "timing", "__class__", "__dict__", "start", "emit"})
"""Attributes of a component that never change, so that reading them enters nothing."""


class LateComponentError(QuiesceError):
    """A component comes into being while the model runs, which exploring in parts cannot follow.

    Args:
        component: Its name.
    """

    def __init__(self, component: str) -> None:
        self.component = component
        super().__init__(component)

    def __str__(self) -> str:
        """Name it and say what to do."""
        return f"{self.component} is made while the model runs; explore this model as a whole"


class LeftOutError(QuiesceError):
    """A component that was left out of a slice influences one that is in it.

    Args:
        component: The one left out.
        use: What was done with it.
    """

    def __init__(self, component: str, use: str) -> None:
        self.component = component
        self.use = use
        super().__init__(component, use)

    def __str__(self) -> str:
        """Say which edge the graph lacks."""
        return (
            f"{self.component} was left out of the slice, but {self.use}; the wiring graph lacks "
            "this influence"
        )


class Scripted(Choices):
    """Answers named questions from a list, and then with the plainest answer."""

    def __init__(self) -> None:
        super().__init__()
        self._script: list[int] = []

    def begin(self, script: Iterable[int]) -> None:
        """Start an empty log, with these answers to give."""
        self._script = list(script)
        self.log = []

    def taken(self) -> tuple[ChoicePoint, ...]:
        """Return the answers given since `begin`."""
        return tuple(self.log)

    def other_scripts(self) -> list[tuple[int, ...]]:
        """Return the scripts that differ from this one first behind its end, one for each answer.

        Followed for each script in turn, they lead to every set of answers once.
        """
        values = tuple(value for _, _, value in self.log)
        return [
            (*values[:at], other)
            for at in range(len(self._script), len(self.log))
            for other in range(1, self.log[at][1])
        ]

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        position = len(self.log)
        return self._script[position] if position < len(self._script) else 0


class Asking:
    """Asks named questions, and hides the earlier questions and answers.

    Args:
        choices: Gives the answers.
    """

    def __init__(self, choices: Choices) -> None:
        self.below = choices.below
        self.pick = choices.pick
        self.happens = choices.happens
        self.between = choices.between

    @property
    def log(self) -> NoReturn:
        """The answers so far, which only observers may know.

        Raises:
            HistoryReadError: Always.
        """
        raise HistoryReadError("the answers given so far")


class Pending(Delay):
    """A delay that has not ended.

    Attributes:
        span: How long it may take.
        serial: How many delays of its label were begun before it.
        led_by: Index of the record that led to it.
    """

    def __init__(self, kernel: Kernel, label: str, span: Span, serial: int, led_by: int) -> None:
        super().__init__(kernel, label)
        self.span = span
        self.serial = serial
        self.led_by = led_by


class DenseKernel(Kernel):
    """Runs model code event by event, with no numbers for time.

    Args:
        in_parts: Whether components are explored as parts of their own.
        left_out: Names of components whose processes do not run.
        pinned: Answers to open questions that are fixed, by label.
        counts_events: Whether the number of delays that have ended stands for the time in records,
            so that those of one instant are known; otherwise they have none.

    Attributes:
        pending: Delays begun and not ended by label and serial number, oldest first; some may be
            awaited no longer.
        enrolled: All components, in the order in which they came into being.
        components: Those of them that are parts, but for those left out.
        absent: Components left out.
        processes: Those started, with the component whose they are, if any.
        footprint: Names of the components entered since it was last cleared.
        records_count: How many records were emitted.
    """

    def __init__(
        self,
        *,
        in_parts: bool = False,
        left_out: frozenset[str] = frozenset(),
        pinned: Mapping[str, str] | None = None,
        counts_events: bool = True,
    ) -> None:
        self.script = Scripted()
        self.records_count = 0
        self.counts_events = counts_events
        super().__init__(self.script, pinned)
        self.choices = Asking(self.script)  # type: ignore[assignment]  # all that model code uses
        self.in_parts = in_parts
        self.left_out = left_out
        self.pending: dict[tuple[str, int], Pending] = {}
        self.enrolled: list[Any] = []
        self.components: list[Any] = []
        self.processes: list[tuple[Process, str | None]] = []
        self.footprint: set[str] = set()
        self.absent: list[Any] = []
        self._owner_of: dict[Process, str] = {}
        self._begun: dict[str, int] = {}
        self._is_sealed = False
        self._silence: Event | None = None
        self._own_names: frozenset[str] = frozenset()

    # What the model calls.

    @property
    def now(self) -> NoReturn:
        """There is no one time.

        Raises:
            TimeReadError: Always, with the line that asked.
        """
        caller = sys._getframe(1)
        raise TimeReadError(f"{caller.f_code.co_filename}:{caller.f_lineno}")

    @property
    def records(self) -> NoReturn:
        """The records so far, which only observers receive.

        Raises:
            HistoryReadError: Always.
        """
        raise HistoryReadError("the records of the kernel")

    @records.setter
    def records(self, _: object) -> None:
        """Keep none."""

    @property
    def events_run(self) -> NoReturn:
        """It is not counted.

        Raises:
            HistoryReadError: Always.
        """
        raise HistoryReadError("how many events the kernel has processed")

    @events_run.setter
    def events_run(self, _: object) -> None:
        """Keep none."""

    def emit(self, source: str, event: AnyEvent) -> int:
        """Hand an event to the observers; the caller must not use the returned index."""
        index = self.records_count
        self.records_count = index + 1
        at_ns = self._now if self.counts_events else NO_TIME
        record = Record(at_ns, source, self._cause, event)
        self._cause = index
        for observer in self._observers:
            observer(record)
        return NO_INDEX

    def delay(self, span: Span, label: str) -> Delay:
        """Return an event that fires after some duration inside the span."""
        serial = self._begun.get(label, 0)
        self._begun[label] = serial + 1
        pending = Pending(self, label, span, serial, self._cause)
        self.pending[label, serial] = pending
        return pending

    def horizon(self, at_ns: int, label: str) -> Event:  # noqa: ARG002 - as every kernel has it
        """Return an event that never comes: a search follows runs however long they are.

        A cut at a fixed instant would be a clock.  States reached at different times would then
        never be equal.
        """
        return self.event()

    def quiet(self, within_ns: int) -> Event:  # noqa: ARG002 - as every kernel has it
        """Return an event that fires when no delay is pending; a search gives up no wait."""
        self._silence = Event(self)
        return self._silence

    def enrol(self, component: Any) -> None:
        """Take note of a component.

        Raises:
            LateComponentError: If it comes too late to be a part of its own.
        """
        self.enrolled.append(component)
        if self.in_parts:
            if self._is_sealed:
                raise LateComponentError(component.name)
            self.components.append(component)

    def seal(self) -> None:
        """Watch the components from here on: the model is built."""
        self._is_sealed = True
        enrolled, self.components = self.components, []
        for component in enrolled:
            name = component.name
            if name in self.left_out:
                component.__class__ = _left_out(type(component), name)  # type: ignore[arg-type]  # a type can be hashed
                self.absent.append(component)
            else:
                component.__class__ = _observed(type(component), name, self.footprint)
                self.components.append(component)

    def process(self, generator: Generator[Event, Any, Any]) -> Process:
        """Start a process; one of a component that is left out never takes a step."""
        owner = generator.gi_frame.f_locals.get("self")  # type: ignore[attr-defined]
        name = getattr(owner, "name", None) if self.in_parts else None
        if name in self.left_out:
            generator = _never(self)
        process = super().process(generator)
        if name not in self.left_out:
            self.processes.append((process, name))
            if name is not None:
                self._owner_of[process] = name
        return process

    # What the search calls.

    def note_own_names(self) -> None:
        """Take note of the kernel's own attributes: what is more comes from a model."""
        self._own_names = frozenset(vars(self)) | {"delay"}

    def insist_on_own_names(self) -> None:
        """Insist that the model keeps nothing in an attribute of the kernel.

        Raises:
            FingerprintError: If it does.
        """
        more = sorted(vars(self).keys() - self._own_names)
        if more:
            kind = type(vars(self)[more[0]]).__qualname__
            remedy = "keep it in an attribute of a component"
            raise FingerprintError(kind, f"the kernel's attribute {more[0]}", remedy)

    def settle(self) -> None:
        """Run all that is due without delay.

        Raises:
            BoundHit: If there is no end of it.
        """
        steps_left = STEPS_MAX
        while self._urgent or self._due or self._is_quiet():
            if steps_left == WATCHED_EVENTS:
                self._settle_watched()
                break
            event, self._cause = (self._urgent or self._due).popleft()
            self._process(event)
            steps_left -= 1
        self.processes = [each for each in self.processes if each[0].is_alive]

    def _settle_watched(self) -> None:
        """Run the last events before the bound, and note which processes they resume."""
        watch = Watch()
        for _ in range(WATCHED_EVENTS):
            if not (self._urgent or self._due):
                return
            event, self._cause = (self._urgent or self._due).popleft()
            watch.note(event)
            self._process(event)
        bound = "zero-delay events in one instant"
        raise BoundHit(bound, STEPS_MAX, "let it wait with a delay", watch.sentence())

    def _is_quiet(self) -> bool:
        """Fire the event of `quiet` if a process waits for it and no delay is awaited."""
        if self._silence is None or any(each.callbacks for each in self.pending.values()):
            return False
        silence, self._silence = self._silence, None
        self._cause = NO_CAUSE
        silence.succeed(())
        return True

    def fire(self, delay: Pending, *, at_once: bool = False) -> None:
        """Let a delay end, and run all that follows without delay.

        Args:
            delay: Pending.
            at_once: Whether it ends at the same instant as the one before.
        """
        del self.pending[delay.label, delay.serial]
        if not at_once:
            self._now += 1
        self._cause = delay.led_by
        self._process(delay)
        self.settle()

    def keep_pending(self, delays: Iterable[Delay]) -> None:
        """Forget all pending delays but these."""
        kept = set(map(id, delays))
        self.pending = {name: each for name, each in self.pending.items() if id(each) in kept}

    def _process(self, event: Event) -> None:
        callbacks = event.callbacks
        event.callbacks = None  # type: ignore[assignment]  # SimPy's mark: processed
        for callback in callbacks:
            if self.in_parts:
                owner = self._owner_of.get(getattr(callback, "__self__", None))  # type: ignore[arg-type]
                if owner is not None:
                    self.footprint.add(owner)
            callback(event)
        if not event._ok:
            _raise_unless_defused(event)


def _never(kernel: Kernel) -> Generator[Event, Any, Any]:
    yield kernel.event()


def _observed(kind: type, name: str, footprint: set[str]) -> type:
    """Return a class like `kind` whose attribute access adds `name` to the footprint."""
    add = footprint.add

    class Observed(kind):  # type: ignore[misc]
        __observed__ = kind

        def __getattribute__(self, attribute: str) -> Any:
            if attribute not in _CONSTANT:
                add(name)
            return object.__getattribute__(self, attribute)

        def __setattr__(self, attribute: str, value: object) -> None:
            add(name)
            object.__setattr__(self, attribute, value)

    return Observed


@functools.cache
def _left_out(kind: type, name: str) -> type:
    """Return a class like `kind` whose methods do nothing and whose attributes are unknown."""

    class LeftOut(kind):  # type: ignore[misc]
        def __init__(self, *args: object, **settings: object) -> None:
            pass

        def __getattribute__(self, attribute: str) -> Any:
            if attribute in _CONSTANT:
                return object.__getattribute__(self, attribute)
            found = getattr(kind, attribute, None)
            if callable(found):
                return lambda *_args, **_settings: Unknown(name, f"the result of {attribute}()")
            return Unknown(name, f"its attribute {attribute}")

        def __setattr__(self, attribute: str, value: object) -> None:
            object.__setattr__(self, attribute, value)

    return LeftOut


class Unknown:
    """Stands for what a component that was left out would have given; using it is an error."""

    def __init__(self, component: str, what: str) -> None:
        self._component = component
        self._what = what

    def _used(self, *_: object) -> NoReturn:
        raise LeftOutError(self._component, f"{self._what} is used")

    def __getattr__(self, attribute: str) -> NoReturn:
        self._used()

    __bool__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = _used
    __hash__ = __len__ = __iter__ = __getitem__ = __contains__ = _used
    __call__ = __index__ = __int__ = __str__ = __repr__ = _used
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _used


Build = Callable[[Kernel], Event | None]
"""Builds a model in a kernel; gives the event with which the run ends, if there is one."""
