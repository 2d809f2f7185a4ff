"""What a process or a component is at one moment, as a value that can be compared.

Two moments have equal forms if the same code, run from either, does the same: forms keep code
position, locals and evaluation stack of every generator, and the attributes of every object; they
leave out object identity, order of creation, times and causes.  Equal objects met twice are told
from one object met twice by numbering objects in the order in which they are met.

Chosen: the evaluation stack is read through `gc.get_referents`, for a `for` loop keeps its
iterator there and nowhere else: two rounds of a loop over equal items differ in nothing but that.
Rejected: locals alone, which would take such rounds for the same moment and prove too much.

Left out: module globals and class attributes, which model code does not change.
"""

import gc
import types
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from functools import lru_cache
from typing import Any

import msgspec
import simpy
from simpy.events import Event, Process

from .errors import QuiesceError
from .kernel import Delay, First, Mailbox
from .liveness import dead_locals

Form = Hashable

_LEAVES = frozenset({int, str, bytes, float, type(None), type(Ellipsis), type})
_TRUE, _FALSE = (bool, True), (bool, False)
_AS_IT_IS, _THE_KERNEL, _FROZEN, _BY_ITS_PARTS = "as it is", "kernel", "frozen", "by its parts"
_FRAME_OWN = (types.CodeType, types.FrameType)
_DEAD = "dead"


class SharedStateError(QuiesceError):
    """Something that can change is held by two parts of a model that is explored in parts.

    Args:
        kind: The type of the thing.
        first: The part that was found to hold it.
        second: The other one.
    """

    def __init__(self, kind: str, first: str, second: str) -> None:
        self.kind = kind
        self.first = first
        self.second = second
        super().__init__(kind, first, second)

    def __str__(self) -> str:
        """Name both and say what to do."""
        return (
            f"{self.first} and {self.second} share a {self.kind}; let one of them own it and the "
            "other call a method, or explore the model as a whole"
        )


class FormError(QuiesceError):
    """An object that has no form: nothing is known of what it remembers.

    Args:
        kind: Its type.
        part: The part of the model that holds it.
    """

    def __init__(self, kind: str, part: str) -> None:
        self.kind = kind
        self.part = part
        super().__init__(kind, part)

    def __str__(self) -> str:
        """Name the type and its holder."""
        return f"{self.part} holds a {self.kind}, whose state cannot be read for comparison"


class Reader:
    """Reads the forms of all parts of one moment.

    Args:
        owners: Part of each component that is a part of its own, by identity of the component.
        processes: Name of each live process, by identity; equal for equal moments.

    Attributes:
        delays: The pending delays met in the part that is being read, in order.
    """

    def __init__(self, owners: dict[int, str], processes: dict[int, Form]) -> None:
        self._owners = owners
        self._processes = processes
        self._homes: dict[int, str] = {}
        self._numbers: dict[int, int] = {}
        self._part = ""
        self.delays: list[Delay] = []

    def read(self, part: str, things: Iterable[object]) -> Form:
        """Return the form of one part: of these things and all that they lead to."""
        self._part = part
        self._numbers = {}
        self.delays = []
        return tuple([self._any(thing, is_root=True) for thing in things])

    def _any(self, thing: Any, *, is_root: bool = False) -> Form:
        kind = type(thing)
        if kind in _LEAVES:
            return thing  # type: ignore[no-any-return]
        if kind is bool:
            return _TRUE if thing else _FALSE
        if kind is tuple:
            return tuple([self._any(each) for each in thing])
        reading = _reading_of(kind)  # type: ignore[arg-type]  # a type can be hashed
        if reading == _AS_IT_IS or (reading == _FROZEN and _can_be_hashed(thing)):
            # Nobody can tell one of two equal frozen records from the other.
            return thing  # type: ignore[no-any-return]
        if reading == _THE_KERNEL:
            return "the kernel"
        return self._object(thing, kind, is_root=is_root)

    def _object(self, thing: Any, kind: type, *, is_root: bool) -> Form:
        if not is_root:
            owner = self._owners.get(id(thing))
            if owner is not None:
                return ("part", owner)
            name = self._processes.get(id(thing))
            if name is not None:
                # Its own form is read for itself; to have met it here must not cut that short.
                return ("process", name)
            number = self._numbers.get(id(thing))
            if number is not None:
                return ("met", number)
        self._numbers[id(thing)] = len(self._numbers)
        return self._new(thing, kind, is_root=is_root)

    def _new(self, thing: Any, kind: type, *, is_root: bool) -> Form:
        if isinstance(thing, Event):
            return self._event(thing, is_root=is_root)
        special = _SPECIAL.get(kind)
        if special is not None:
            if kind not in _STATELESS:
                self._claim(thing)
            return special(self, thing)
        if isinstance(thing, tuple):
            return (kind, *[self._any(each) for each in thing])
        if isinstance(thing, msgspec.Struct):
            return (kind, *[self._any(getattr(thing, name)) for name in kind.__struct_fields__])  # type: ignore[attr-defined]
        if hasattr(kind, "__next__"):
            self._claim(thing)
            return (kind, self._any(thing.__reduce__()[1:]))
        return self._instance(thing, kind, is_root=is_root)

    def _instance(self, thing: Any, kind: type, *, is_root: bool) -> Form:
        attributes: dict[str, object] | None
        try:
            attributes = object.__getattribute__(thing, "__dict__")
        except AttributeError:
            attributes = None
        slots = _slots_of(kind)
        if attributes is None and not slots:
            if kind.__module__ == "builtins" and kind is not object:
                raise FormError(kind.__name__, self._part)
            return kind
        if not is_root:
            self._claim(thing)
        values = attributes or {}
        order = _in_order(tuple(values))
        named = [self._any(values[name]) for name in order]
        named += [(name, self._any(getattr(thing, name))) for name in slots if hasattr(thing, name)]
        # The class of an observed component is made for it alone; its first base is what counts.
        return (getattr(kind, "observed", kind), order, *named)

    def _claim(self, thing: object) -> None:
        """Note that what can change is met in this part, and insist that it is in no other."""
        home = self._homes.setdefault(id(thing), self._part)
        if home != self._part:
            raise SharedStateError(type(thing).__name__, home, self._part)

    def _event(self, event: Event, *, is_root: bool) -> Form:
        if isinstance(event, Process):
            if is_root:
                awaited = self._any(event.target)
                return (self._generator(event._generator), awaited, self._waiters(event))
            return ("ended", self._any(event._value))
        if isinstance(event, Delay):
            if event.callbacks is None:
                return "past delay"
            self._claim(event)
            self.delays.append(event)
            return ("delay", event.label, self._waiters(event))
        if not event.triggered and not event.callbacks:
            # Nothing but its identity tells it from another one.
            self._claim(event)
        value = self._any(event._value) if event.triggered else None
        events: Form = ()
        if isinstance(event, First) or hasattr(event, "_events"):
            events = tuple([self._any(each) for each in event._events])
        return (type(event), event.triggered, event.callbacks is None, value, events,
                self._waiters(event))  # fmt: skip

    def _waiters(self, event: Event) -> Form:
        return tuple([self._waiter(event, callback) for callback in event.callbacks or ()])

    def _waiter(self, event: Event, callback: Any) -> Form:
        race = getattr(callback, "__self__", None)
        if isinstance(race, Event) and hasattr(race, "_events"):
            # The race belongs to whoever waits for it, and is told there with all its events.
            return ("race", race._events.index(event), self._waiters(race))
        return self._any(callback)

    def _generator(self, body: Any) -> Form:
        frame = body.gi_frame
        if frame is None:
            return "ended"
        local_names = tuple(frame.f_locals)
        own_locals = frame.f_locals
        found = [
            each
            for each in gc.get_referents(body)
            if not isinstance(each, _FRAME_OWN)
            and each is not own_locals
            and getattr(each, "__code__", None) is not body.gi_code
        ]
        held = [self._any(each) for each in _without_dead(body, own_locals, found)]
        # An exception that was raised and handled somewhere below leaves a None at the end, which
        # means nothing.  Another None there is dropped in vain, but safely: at one place in the
        # code there are always equally many values, so that no two states come to look the same.
        if held and held[-1] is None:
            held.pop()
        return (body.gi_code, frame.f_lasti, local_names, *held)

    def _method(self, method: Any) -> Form:
        return ("method", method.__func__.__qualname__, self._any(method.__self__))

    def _function(self, function: Any) -> Form:
        cells = [self._any(cell) for cell in function.__closure__ or ()]
        return (function.__code__, *cells, self._any(function.__defaults__))

    def _cell(self, cell: Any) -> Form:
        try:
            return ("cell", self._any(cell.cell_contents))
        except ValueError:
            return "empty cell"

    def _items(self, things: Any) -> Form:
        if _LEAVES.issuperset(map(type, things)):
            return (type(things), *things)
        return (type(things), *[self._any(each) for each in things])

    def _mapping(self, mapping: Any) -> Form:
        if _LEAVES.issuperset(map(type, mapping)):
            values = mapping.values()
            if _LEAVES.issuperset(map(type, values)):
                return (dict, *mapping, None, *values)
            return (dict, *mapping, None, *[self._any(value) for value in values])
        return (dict, *[(self._any(key), self._any(value)) for key, value in mapping.items()])

    def _set(self, things: Any) -> Form:
        return (set, *sorted((self._any(each) for each in things), key=repr))

    def _mailbox(self, mailbox: Any) -> Form:
        # What led to an item is a position in the trace and decides nothing.
        items = tuple([self._any(item) for item, _ in mailbox._items])
        return (Mailbox, items, self._any(mailbox._arrived))


def _without_dead(body: Any, own_locals: dict[str, object], held: list[Any]) -> list[Any]:
    """Return what a generator holds, with a mark for each local that nothing will read.

    What it holds is its name, its qualified name, the bound locals in the order of their names,
    and then the rest.  Where that is not so, nothing is left out.
    """
    code = body.gi_code
    dead = dead_locals(code, body.gi_frame.f_lasti)
    bound = [name for name in code.co_varnames if name in own_locals]
    if dead.isdisjoint(bound) or len(held) < 2 + len(bound):
        return held
    if held[0] is not body.__name__ or held[1] is not body.__qualname__:
        return held
    cells = code.co_cellvars
    for each, name in zip(held[2:], bound, strict=False):
        if each is not own_locals[name] and name not in cells:
            return held
    marked = [_DEAD if name in dead else each for each, name in zip(held[2:], bound, strict=False)]
    return [*held[:2], *marked, *held[2 + len(bound) :]]


@lru_cache(maxsize=4096)
def _reading_of(kind: type) -> str:
    if issubclass(kind, Enum):
        return _AS_IT_IS
    if issubclass(kind, simpy.Environment):
        return _THE_KERNEL
    if issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen:
        return _FROZEN
    return _BY_ITS_PARTS


@lru_cache(maxsize=4096)
def _slots_of(kind: type) -> tuple[str, ...]:
    return tuple(name for each in kind.__mro__ for name in getattr(each, "__slots__", ()))


@lru_cache(maxsize=4096)
def _in_order(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _can_be_hashed(thing: object) -> bool:
    try:
        hash(thing)
    except TypeError:
        return False
    return True


_SPECIAL: dict[type, Callable[[Reader, Any], Form]] = {
    list: Reader._items,
    deque: Reader._items,
    set: Reader._set,
    frozenset: Reader._set,
    dict: Reader._mapping,
    bytearray: lambda _, thing: bytes(thing),
    range: lambda _, thing: thing,
    Mailbox: Reader._mailbox,
    types.GeneratorType: Reader._generator,
    types.MethodType: Reader._method,
    types.FunctionType: Reader._function,
    types.BuiltinFunctionType: lambda _, thing: thing.__qualname__,
    types.CellType: Reader._cell,
}
_STATELESS = frozenset(
    {frozenset, range, types.MethodType, types.FunctionType, types.BuiltinFunctionType}
)
