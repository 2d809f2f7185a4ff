"""Reads values and collections into a fingerprint: everything that knows nothing of SimPy.

Every function here takes the encoder of a fingerprint (`encoder.Encoder`) and a thing.  It appends
what distinguishes this thing from every other one.  The encoder reads a type that stands in no
table here by its attributes (`object_layout`), or refuses it if it has memory beside them.

Invariant of all functions here: the token that a function appends says how many items follow it,
and the function appends exactly so many.
"""

import array
import datetime
import decimal
import functools
import gc
import itertools
import re
import sys
import types
import typing
import warnings
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from .interning import LEAVES
from .object_layout import KINDS, declared

if TYPE_CHECKING:
    from .encoder import Encoder

EncodeFunction = Callable[[Any, Any], None]
"""Appends the fingerprint of a thing to the fingerprint that a encoder is making."""


class UnreadableError(Exception):
    """The encoder has met a thing whose state it cannot read; see `FingerprintError`.

    Args:
        thing: The thing.
        remedy: What to do instead; empty for the general advice.
    """

    def __init__(self, thing: object, remedy: str = "") -> None:
        self.thing = thing
        self.remedy = remedy
        super().__init__(thing, remedy)


# Values without identity: the same at every place where they are met.


def encode_number(encoder: "Encoder", thing: float) -> None:
    """Read a float."""
    # Its text and not its value: 1.0 is equal to 1, and 0.0 to -0.0, but they act differently.
    encoder.fingerprint.append(encoder.tokens[(float, float.hex(thing)), 0])


def encode_described(encoder: "Encoder", thing: Any) -> None:
    """Read a thing by its `repr`."""
    # For types alone whose text contains their whole state.
    encoder.fingerprint.append(encoder.tokens[(type(thing), repr(thing)), 0])


def encode_moment(encoder: "Encoder", thing: Any) -> None:
    """Read a time of day, with or without a date."""
    # The zone may be an object of the model, so it is read as one.
    encoder.fingerprint.append(encoder.tokens[(type(thing), repr(thing.replace(tzinfo=None))), 1])
    encoder.each((thing.tzinfo,))


def encode_range(encoder: "Encoder", thing: Any) -> None:
    """Read a range or a slice."""
    # Python calls all empty ranges equal; their ends differ and can be read, so they are kept.
    encoder.fingerprint.append(encoder.tokens[type(thing), 3])
    encoder.each((thing.start, thing.stop, thing.step))


def encode_class(encoder: "Encoder", thing: type) -> None:
    """Read a class by its identity; `outside_state` checks that its attributes stay the same."""
    # The class of an observed component is made for one run; its base is the same for all runs.
    kind = declared(thing)
    encoder.tokens.kinds[kind] = None
    encoder.fingerprint.append(encoder.tokens[("type", kind), 0])


def encode_module(encoder: "Encoder", thing: types.ModuleType) -> None:
    """Read a module, which must be one of the standard library."""
    if thing is not sys.modules.get(thing.__name__) or thing.__name__ not in _MODULES:
        raise UnreadableError(thing, "import it where the code that uses it is")
    encoder.fingerprint.append(encoder.tokens[("module", thing.__name__), 0])


# Objects with identity: the encoder numbers them before it calls these functions.


def encode_fields(encoder: "Encoder", thing: Any) -> None:
    """Read a record by its fields."""
    kind = type(thing)
    names = kind.__struct_fields__
    table = KINDS[kind].table
    # A frozen record without a table cannot change: two parts may share it.
    if table is not None or not kind.__struct_config__.frozen:
        encoder.claim(thing)
    encoder.fingerprint.append(encoder.tokens[kind, len(names) + (table is not None)])
    # A class may override access to attributes; this reads what the object holds.
    get = object.__getattribute__
    encoder.each([get(thing, name) for name in names])
    if table is not None:
        encoder.attributes(table(thing))


def read_named_tuple(encoder: "Encoder", thing: Any) -> None:
    """Read an object of a subclass of `tuple` that has items alone."""
    encoder.fingerprint.append(encoder.tokens[type(thing), tuple.__len__(thing)])
    encoder.each(tuple.__iter__(thing))


def encode_solid(encoder: "Encoder", thing: Any) -> None:
    """Read an object of a subclass of a plain type, or an exception."""
    kind = type(thing)
    how = KINDS[kind]
    assert how.plain is not None
    if how.table is not None or how.slots:
        encoder.claim(thing)
    encoder.fingerprint.append(encoder.tokens[(kind, "plain"), 3])
    # Invariant: what is made here lives until the end of the reading.  Otherwise a later object
    # could get its identity and count as met.
    plain = how.plain(thing)
    encoder.made.append(plain)
    encoder.each((plain,))
    encoder.attributes({} if how.table is None else how.table(thing))
    encoder.attributes(dict(how.slot_values(thing)))


def encode_state(encoder: "Encoder", thing: Any) -> None:
    """Read an iterator by what its `__reduce__` gives."""
    # For types alone whose `__reduce__` contains their whole state and changes none of it.
    encoder.claim(thing)
    try:
        state = _reduced(thing)
    except (TypeError, RuntimeError):
        raise UnreadableError(thing) from None
    if type(thing) in _DICT_ITERATORS:
        # Its state is a copy of what is left.  The iterator goes on with the dictionary itself, so
        # two of them differ if they walk over different dictionaries.
        state += tuple(each for each in gc.get_referents(thing) if type(each) is dict)
    encoder.fingerprint.append(encoder.tokens[type(thing), len(state)])
    encoder.made.append(state)
    encoder.each(state)


def _reduced(thing: Any) -> tuple[Any, ...]:
    if type(thing) not in _ITERTOOLS:
        return thing.__reduce__()  # type: ignore[no-any-return]
    # Python 3.12 and 3.13 warn that a later version drops this; there the iterator is refused.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return thing.__reduce__()  # type: ignore[no-any-return]


def encode_partial(encoder: "Encoder", thing: Any) -> None:
    """Read a function with some of its arguments."""
    encoder.claim(thing)
    encoder.fingerprint.append(encoder.tokens[functools.partial, 4])
    encoder.each((thing.func, thing.args, thing.keywords))
    encoder.attributes(vars(thing))


def encode_array(encoder: "Encoder", thing: Any) -> None:
    """Read an array of numbers."""
    encoder.claim(thing)
    encoder.fingerprint.append(encoder.tokens[(array.array, thing.typecode), 1])
    encoder.fingerprint.append(thing.tobytes())


def encode_bytearray(encoder: "Encoder", thing: bytearray) -> None:
    """Read bytes that can change."""
    encoder.claim(thing)
    encoder.fingerprint.append(encoder.tokens.content(thing))


def refuse(encoder: "Encoder", thing: Any) -> None:  # noqa: ARG001 - as every way has it
    """Refuse an object with memory that no attribute shows."""
    raise UnreadableError(thing, _REMEDIES.get(type(thing).__name__, ""))


# Code and what belongs to it.


def encode_method(encoder: "Encoder", method: Any) -> None:
    """Read a method: its function and its object."""
    function = method.__func__
    owner = declared(type(method.__self__))
    key = (owner, function)
    token = encoder.tokens.methods.get(key)
    if token is None and _is_of_class(function, owner):
        # A function of the class is named by class and function.  What it remembers is state of
        # the class, which `outside_state` checks.
        encoder.tokens.kinds[owner] = None
        token = encoder.tokens.methods[key] = encoder.tokens[("method", key), 1]
    if token is not None:
        encoder.fingerprint.append(token)
    else:
        encoder.fingerprint.append(encoder.tokens["method of", 2])
        encoder.each((function,))
    encoder.each((method.__self__,))


def _is_of_class(function: Any, owner: type) -> bool:
    name = getattr(function, "__name__", "")
    return any(vars(each).get(name) is function for each in owner.__mro__)


def encode_function(encoder: "Encoder", function: Any) -> None:
    """Read a function with all that it remembers from call to call."""
    # Defaults and closure are read as objects below, and claim what can change themselves.
    cells = function.__closure__ or ()
    if function.__kwdefaults__ or function.__dict__:
        encoder.claim(function)
    code, seen = function.__code__, function.__globals__
    encoder.fingerprint.append(encoder.tokens.of_code(code, seen, "function", count=len(cells) + 5))
    encoder.each(cells)
    encoder.each((function.__defaults__, function.__kwdefaults__))
    encoder.each((function.__name__, function.__qualname__))
    encoder.attributes(function.__dict__)


def encode_builtin(encoder: "Encoder", thing: Any) -> None:
    """Read a function written in C, or a method of an object."""
    # The method may hold the last reference to its object, so the object is read as well.
    owner = thing.__self__
    if owner is None or isinstance(owner, types.ModuleType | type):
        name = getattr(owner, "__name__", "")
        encoder.fingerprint.append(encoder.tokens[("builtin", name, thing.__qualname__), 0])
        return
    encoder.fingerprint.append(encoder.tokens[("builtin", thing.__qualname__), 1])
    encoder.each((owner,))


def encode_cell(encoder: "Encoder", cell: Any) -> None:
    """Read a variable that inner functions share."""
    encoder.claim(cell)
    try:
        content = cell.cell_contents
    except ValueError:
        encoder.fingerprint.append(encoder.tokens["empty cell", 0])
        return
    encoder.fingerprint.append(encoder.tokens["cell", 1])
    encoder.each((content,))


# Collections.


def encode_items(encoder: "Encoder", things: Any) -> None:
    """Read a list or a deque."""
    encoder.claim(things)
    head = list if type(things) is list else (deque, things.maxlen)
    encoder.fingerprint.append(encoder.tokens[head, len(things)])
    # Plain values alone need no look at each item; the fingerprint is the same either way.
    if LEAVES.issuperset(map(type, things)):
        encoder.fingerprint += things
    else:
        encoder.each(things)


def encode_mapping(encoder: "Encoder", mapping: Any) -> None:
    """Read a dict; the order of its entries counts."""
    # Two shapes with tokens of their own: keys then values where all keys are plain, else pairs.
    # Which shape it is depends on the contents alone, so equal dicts have equal fingerprints.
    encoder.claim(mapping)
    put = encoder.fingerprint.append
    if LEAVES.issuperset(map(type, mapping)):
        put(encoder.tokens[dict, 2 * len(mapping)])
        encoder.fingerprint += mapping
        values = mapping.values()
        if LEAVES.issuperset(map(type, values)):
            encoder.fingerprint += values
        else:
            encoder.each(values)
        return
    put(encoder.tokens["pairs", 2 * len(mapping)])
    for pair in mapping.items():
        encoder.each(pair)


def encode_set(encoder: "Encoder", things: Any) -> None:
    """Read a set; the order in which it gives its items counts among whole numbers alone."""
    # A frozenset cannot change, so two parts may share it.
    if type(things) is set:
        encoder.claim(things)
    fingerprint = encoder.fingerprint
    fingerprint.append(encoder.tokens[type(things), len(things)])
    kinds = set(map(type, things))
    if kinds == {int}:
        # The order of whole numbers is the same in each process, but depends on how the set was
        # filled.  A loop over it can see the order, so the fingerprint keeps it.
        fingerprint += things
        return
    if LEAVES.issuperset(kinds):
        fingerprint += sorted(things, key=repr)
        return
    # Each item is read to the end of the fingerprint, taken off again, and put back in sorted
    # order. Invariant: between two items the fingerprint is as long as at `begin`.
    begin = len(fingerprint)
    items = []
    for thing in things:
        encoder.each((thing,))
        items.append(fingerprint[begin:])
        del fingerprint[begin:]
    for item in sorted(items, key=repr):
        fingerprint += item


def object_encoder_of(kind: type) -> EncodeFunction | None:
    """Return how to read objects of a type that stands in no table; None means by attributes."""
    if issubclass(kind, msgspec.Struct):
        return encode_fields
    how = KINDS[kind]
    # Invariant: an object with memory beside its attributes is refused, never read in part.
    if how.hides:
        return refuse
    if how.plain is None:
        return None
    has_items_alone = issubclass(kind, tuple) and how.table is None and not how.slots
    return read_named_tuple if has_items_alone else encode_solid


_MODULES = sys.stdlib_module_names
"""Modules that a model may hold; the encoder does not see what the model changes in them."""

_REMEDIES = {
    "Random": "ask `kernel.choices`, so that every answer is explored",
    "ndarray": "keep numbers in a list",
}
"""What to do instead, by the name of a type that cannot be read."""

_ITERTOOLS: tuple[type, ...] = (
    *(itertools.chain, itertools.count, itertools.cycle, itertools.repeat, itertools.islice),
)

_DICT_ITERATORS: tuple[type, ...] = (
    type(iter({})),
    type(iter({}.values())),
    type(iter({}.items())),
)

_ITERATORS: tuple[type, ...] = (
    *(type(iter([])), type(reversed([])), type(iter(())), type(iter("")), type(iter(b""))),
    *(type(iter(range(0))), type(iter(set())), type(iter(bytearray())), type(iter(int, 0))),
    *(enumerate, zip, map, filter, reversed, *_DICT_ITERATORS, *_ITERTOOLS),
)
"""Iterators whose `__reduce__` gives their whole state, as tests show."""

_ALIASES = tuple(
    {type(each) for each in (typing.List[int], typing.Callable[[], int], list[int], int | str)}  # noqa: UP006
)

VALUE_ENCODERS: dict[type, EncodeFunction] = {
    float: encode_number,
    datetime.datetime: encode_moment,
    datetime.time: encode_moment,
    range: encode_range,
    slice: encode_range,
    types.ModuleType: encode_module,
    **dict.fromkeys((complex, decimal.Decimal, re.Pattern, *_ALIASES), encode_described),
    **dict.fromkeys(
        (datetime.timedelta, datetime.date, datetime.timezone),
        encode_described,
    ),
}
"""How to read values without identity, by their exact types."""

OBJECT_ENCODERS: dict[type, EncodeFunction] = {
    list: encode_items,
    deque: encode_items,
    set: encode_set,
    frozenset: encode_set,
    dict: encode_mapping,
    bytearray: encode_bytearray,
    functools.partial: encode_partial,
    array.array: encode_array,
    types.MethodType: encode_method,
    types.FunctionType: encode_function,
    types.BuiltinFunctionType: encode_builtin,
    types.CellType: encode_cell,
    **dict.fromkeys(_ITERATORS, encode_state),
}
"""How to read objects with identity, by their exact types."""
