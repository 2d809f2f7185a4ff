"""What a process or a component is at one moment, as a value that can be compared.

Two moments have equal forms if the same code, run from either, does the same: forms keep code
position, locals and evaluation stack of every generator, and the attributes of every object; they
leave out object identity, order of creation, times and causes.  Equal objects met twice are told
from one object met twice by numbering objects in the order in which they are met.

A form is one flat tuple: plain values, and between them a `Token` for whatever is more than a plain
value, which says what it is and how many items follow that belong to it.  So a form can be read in
one way only.

Chosen: the evaluation stack is read through `gc.get_referents`, for a `for` loop keeps its
iterator there and nowhere else: two rounds of a loop over equal items differ in nothing but that.
Rejected: locals alone, which would take such rounds for the same moment and prove too much.
Not tried: the pickler of the standard library with a `persistent_id`.  Its callbacks alone would
cost a tenth to a third of a reading; what they would have to do was not measured.

Left out: module globals and class attributes, which model code does not change.
"""

import functools
import gc
import types
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec
import simpy
from simpy.events import PENDING, Event, Process

from .errors import QuiesceError
from .form_tokens import Form, Token, Tokens
from .kernel import Delay, Mailbox
from .liveness import without_dead

_LEAVES = frozenset({int, str, bytes, float, type(None), type(Ellipsis), type})
_FRAME_OWN = frozenset({types.CodeType, types.FrameType})


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
        tokens: Those of all forms with which these are to be compared.

    Attributes:
        delays: The pending delays met in the part that is being read, in order.
    """

    def __init__(self, owners: dict[int, str], processes: dict[int, Form], tokens: Tokens) -> None:
        self._tokens = tokens
        # What is read for itself elsewhere; to have met it here must not cut that short.
        self._named = {key: tokens[("process", name), 0] for key, name in processes.items()}
        self._named |= {key: tokens[("part", name), 0] for key, name in owners.items()}
        self._homes: dict[int, str] | None = {} if owners else None
        self._known: dict[int, Token] = {}
        self._form: list[Hashable] = []
        self._made: list[object] = []
        self._part = ""
        self.delays: list[Delay] = []

    def read(self, part: str, things: Sequence[object]) -> Form:
        """Return the form of one part: of these things and all that they lead to."""
        self._part = part
        self._known = self._named.copy()
        self._form = [self._tokens[tuple, len(things)]]
        self._made = []
        self.delays = []
        for thing in things:
            self._root(thing)
        return tuple(self._form)

    def _root(self, thing: Any) -> None:
        kind = type(thing)
        if kind in _LEAVES:
            self._form.append(thing)
            return
        way = _WAYS[kind]
        if way is not Reader._met_or_new:
            way(self, thing)
            return
        known = self._known
        if id(thing) not in known:
            known[id(thing)] = self._tokens.new_met(len(known))
        if isinstance(thing, Process):
            self._process(thing)
        elif _BODIES[kind] is _read_instance:
            self._instance(thing, kind, is_root=True)
        else:
            _BODIES[kind](self, thing)

    def _each(self, things: Iterable[Any]) -> None:
        put = self._form.append
        for thing in things:
            kind = type(thing)
            if kind in _LEAVES:
                put(thing)
            else:
                _WAYS[kind](self, thing)

    # What is the same wherever it is met.

    def _bool(self, thing: bool) -> None:
        # True is equal to 1.
        self._form.append(_TRUE if thing else _FALSE)

    def _tuple(self, things: tuple[Any, ...]) -> None:
        self._form.append(self._tokens[tuple, len(things)])
        self._each(things)

    def _the_kernel(self, _: object) -> None:
        self._form.append(_THE_KERNEL)

    def _frozen(self, thing: Any) -> None:
        token = self._tokens.frozen.get(id(thing)) or self._tokens.of_value(thing)
        if token is None:
            self._met_or_new(thing)
        else:
            self._form.append(token)

    # What can be met again.

    def _met_or_new(self, thing: Any) -> None:
        known = self._known
        token = known.get(id(thing))
        if token is not None:
            self._form.append(token)
            return
        try:
            known[id(thing)] = self._tokens.met[len(known)]
        except IndexError:
            known[id(thing)] = self._tokens.new_met(len(known))
        _BODIES[type(thing)](self, thing)

    def _claim(self, thing: object) -> None:
        """Note that what can change is met in this part, and insist that it is in no other."""
        if self._homes is None:
            return
        home = self._homes.setdefault(id(thing), self._part)
        if home != self._part:
            raise SharedStateError(type(thing).__name__, home, self._part)

    def _fields(self, thing: Any) -> None:
        kind = type(thing)
        names = kind.__struct_fields__
        self._form.append(self._tokens[kind, len(names)])
        self._each([getattr(thing, name) for name in names])

    def _named_tuple(self, thing: Any) -> None:
        self._form.append(self._tokens[type(thing), len(thing)])
        self._each(thing)

    def _iterator(self, thing: Any) -> None:
        self._claim(thing)
        _, *state = thing.__reduce__()
        self._form.append(self._tokens[type(thing), len(state)])
        self._made.append(state)
        self._each(state)

    def _instance(self, thing: Any, kind: type, *, is_root: bool) -> None:
        attributes: dict[str, object] | None
        try:
            attributes = object.__getattribute__(thing, "__dict__")
        except AttributeError:
            attributes = None
        slots = _SLOTS[kind]
        if attributes is None and not slots:
            if kind.__module__ == "builtins" and kind is not object:
                raise FormError(kind.__name__, self._part)
            self._form.append(self._tokens[kind, 0])
            return
        if not is_root:
            self._claim(thing)
        if slots:
            present = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
            attributes = present if attributes is None else present | attributes
        assert attributes is not None
        token, values_of = self._tokens.attributes[kind, *attributes]
        put = self._form.append
        put(token)
        for value in values_of(attributes):
            value_kind = type(value)
            if value_kind in _LEAVES:
                put(value)
            else:
                _WAYS[value_kind](self, value)

    def _unreadable(self, thing: Any) -> None:
        raise FormError(type(thing).__name__, self._part)

    # Processes and what they wait for.

    def _process(self, process: Process) -> None:
        self._each((process.target,))
        self._generator(process._generator)
        self._waiters(process)

    def _event(self, event: Event) -> None:
        put, tokens = self._form.append, self._tokens
        callbacks = event.callbacks
        if isinstance(event, Process):
            put(tokens["ended", 1])
            self._each((event._value,))
            return
        if isinstance(event, Delay):
            if callbacks is None:
                put(_PAST_DELAY)
                return
            self._claim(event)
            self.delays.append(event)
            put(tokens[("delay", event.label), 1])
            self._waiters(event)
            return
        is_triggered = event._value is not PENDING
        if not is_triggered and not callbacks:
            # Nothing but its identity tells it from another one.
            self._claim(event)
        events = getattr(event, "_events", ())
        head = (type(event), is_triggered, callbacks is None, len(events))
        put(tokens[head, is_triggered + len(events) + 1])
        if is_triggered:
            self._each((event._value,))
        self._each(events)
        self._waiters(event)

    def _waiters(self, event: Event) -> None:
        callbacks = event.callbacks
        if not callbacks:
            self._form.append(_NO_WAITERS)
            return
        self._form.append(self._tokens["waiters", len(callbacks)])
        for callback in callbacks:
            race = getattr(callback, "__self__", None)
            if isinstance(race, Event) and hasattr(race, "_events"):
                # The race belongs to whoever waits for it, and is told there with all its events.
                self._form.append(self._tokens[("race", race._events.index(event)), 1])
                self._waiters(race)
            else:
                self._each((callback,))

    def _generator(self, body: Any) -> None:
        frame = body.gi_frame
        if frame is None:
            self._form.append(self._tokens["ended", 0])
            return
        own_locals = frame.f_locals
        code = body.gi_code
        found = [
            each
            for each in gc.get_referents(body)
            if (kind := type(each)) in _LEAVES
            or not (
                kind in _FRAME_OWN
                or each is own_locals
                or (kind is types.FunctionType and each.__code__ is code)
            )
        ]
        held = without_dead(body, own_locals, found)
        # An exception that was raised and handled somewhere below leaves a None at the end, which
        # means nothing.  Another None there is dropped in vain, but safely: at one place in the
        # code there are always equally many values, so that no two states come to look the same.
        if held and held[-1] is None:
            held.pop()
        # The dictionary is one and the same for all readings, and grows from one to the next.
        local_names = tuple(sorted(own_locals))
        token = self._tokens.of_code(code, frame.f_lasti, local_names, count=len(held))
        self._form.append(token)
        self._each(held)

    def _method(self, method: Any) -> None:
        self._form.append(self._tokens[("method", method.__func__.__qualname__), 1])
        self._each((method.__self__,))

    def _function(self, function: Any) -> None:
        cells = function.__closure__ or ()
        self._form.append(self._tokens.of_code(function.__code__, count=len(cells) + 1))
        self._each(cells)
        self._each((function.__defaults__,))

    def _cell(self, cell: Any) -> None:
        self._claim(cell)
        try:
            content = cell.cell_contents
        except ValueError:
            self._form.append(self._tokens["empty cell", 0])
            return
        self._form.append(self._tokens["cell", 1])
        self._each((content,))

    # Collections.

    def _items(self, things: Any) -> None:
        self._claim(things)
        self._form.append(self._tokens[type(things), len(things)])
        if _LEAVES.issuperset(map(type, things)):
            self._form += things
        else:
            self._each(things)

    def _mapping(self, mapping: Any) -> None:
        self._claim(mapping)
        put = self._form.append
        if _LEAVES.issuperset(map(type, mapping)):
            put(self._tokens[dict, 2 * len(mapping)])
            self._form += mapping
            values = mapping.values()
            if _LEAVES.issuperset(map(type, values)):
                self._form += values
            else:
                self._each(values)
            return
        put(self._tokens["pairs", 2 * len(mapping)])
        for pair in mapping.items():
            self._each(pair)

    def _set(self, things: Any) -> None:
        if type(things) is set:
            self._claim(things)
        form = self._form
        form.append(self._tokens[set, len(things)])
        if _LEAVES.issuperset(map(type, things)):
            form += sorted(things, key=repr)
            return
        begin = len(form)
        items = []
        for thing in things:
            self._each((thing,))
            items.append(form[begin:])
            del form[begin:]
        for item in sorted(items, key=repr):
            form += item

    def _mailbox(self, mailbox: Any) -> None:
        self._claim(mailbox)
        items = mailbox._items
        self._form.append(self._tokens[Mailbox, len(items) + 1])
        # What led to an item is a position in the trace and decides nothing.
        self._each([item for item, _ in items])
        self._each((mailbox._arrived,))

    def _bytearray(self, thing: bytearray) -> None:
        self._claim(thing)
        self._form.append(self._tokens.content(thing))

    def _range(self, thing: range) -> None:
        self._form.append(self._tokens.of_value(thing))

    def _builtin(self, thing: Any) -> None:
        self._form.append(thing.__qualname__)


_TRUE, _FALSE = Token(True, 0), Token(False, 0)
_THE_KERNEL, _PAST_DELAY = Token("the kernel", 0), Token("past delay", 0)
_NO_WAITERS = Token("no waiters", 0)

Way = Callable[[Reader, Any], None]
"""Adds the form of a thing to that which is being read."""


def _read_instance(reader: Reader, thing: Any) -> None:
    reader._instance(thing, type(thing), is_root=False)


def _read_generator(reader: Reader, thing: Any) -> None:
    reader._claim(thing)
    reader._generator(thing)


class _ByType(dict[type, Any]):
    """What is the same for all objects of a type, found when the first of them is met."""

    def __init__(self, find: Callable[[type], Any], known: dict[type, Any] | None = None) -> None:
        super().__init__(known or {})
        self._find = find

    def __missing__(self, kind: type) -> Any:
        # The class of an observed component is made for one run, and must not be kept.
        base: type | None = getattr(kind, "observed", None)
        if base is not None:
            return self[base]
        found = self[kind] = self._find(kind)
        return found


def _way_of(kind: type) -> Way:
    if kind is bool:
        return Reader._bool
    if kind is tuple:
        return Reader._tuple
    if issubclass(kind, simpy.Environment):
        return Reader._the_kernel
    if issubclass(kind, Enum):
        return Reader._frozen
    if issubclass(kind, msgspec.Struct) and kind.__struct_config__.frozen:
        return Reader._frozen
    return Reader._met_or_new


def _body_of(kind: type) -> Way:
    if issubclass(kind, Event):
        return Reader._event
    if issubclass(kind, tuple):
        return Reader._named_tuple
    if issubclass(kind, msgspec.Struct):
        return Reader._fields
    if hasattr(kind, "__next__"):
        return Reader._iterator
    if issubclass(kind, _HOLDS_MORE):
        return Reader._unreadable
    return _read_instance


def _slots_of(kind: type) -> tuple[str, ...]:
    return tuple(name for each in kind.__mro__ for name in getattr(each, "__slots__", ()))


_HOLDS_MORE = (dict, list, set, frozenset, deque, bytearray, functools.partial)
"""What has contents beside its attributes; kinds of these that are not known have no form."""

_WAYS = _ByType(_way_of)
_BODIES = _ByType(
    _body_of,
    {
        list: Reader._items,
        deque: Reader._items,
        set: Reader._set,
        frozenset: Reader._set,
        dict: Reader._mapping,
        bytearray: Reader._bytearray,
        range: Reader._range,
        Mailbox: Reader._mailbox,
        types.GeneratorType: _read_generator,
        types.MethodType: Reader._method,
        types.FunctionType: Reader._function,
        types.BuiltinFunctionType: Reader._builtin,
        types.CellType: Reader._cell,
    },
)
_SLOTS = _ByType(_slots_of)
