"""Reads values and collections into a form: everything that knows nothing of SimPy.

Every function here takes the reader of a form (`canonical.Reader`) and a thing.  It appends what
distinguishes this thing from every other one.  The reader reads a type that stands in no table here
by its attributes (`form_kinds`), or refuses it if it has memory beside them.

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

from .form_kinds import KINDS, declared
from .form_tokens import LEAVES

if TYPE_CHECKING:
    from .canonical import Reader

Way = Callable[[Any, Any], None]
"""Appends the form of a thing to the form that a reader is making."""


class UnreadableError(Exception):
    """The reader has met a thing whose state it cannot read; it reports it as a `FormError`.

    Args:
        thing: The thing.
        remedy: What to do instead; empty for the general advice.
    """

    def __init__(self, thing: object, remedy: str = "") -> None:
        self.thing = thing
        self.remedy = remedy
        super().__init__(thing, remedy)


# Values without identity: the same at every place where they are met.


def read_number(reader: "Reader", thing: float) -> None:
    """Read a float."""
    # Its text and not its value: 1.0 is equal to 1, and 0.0 to -0.0, but they act differently.
    reader.form.append(reader.tokens[(float, float.hex(thing)), 0])


def read_described(reader: "Reader", thing: Any) -> None:
    """Read a thing by its `repr`."""
    # For types alone whose text contains their whole state.
    reader.form.append(reader.tokens[(type(thing), repr(thing)), 0])


def read_moment(reader: "Reader", thing: Any) -> None:
    """Read a time of day, with or without a date."""
    # The zone may be an object of the model, so it is read as one.
    reader.form.append(reader.tokens[(type(thing), repr(thing.replace(tzinfo=None))), 1])
    reader.each((thing.tzinfo,))


def read_range(reader: "Reader", thing: Any) -> None:
    """Read a range or a slice."""
    # Python calls all empty ranges equal; their ends differ and can be read, so they are kept.
    reader.form.append(reader.tokens[type(thing), 3])
    reader.each((thing.start, thing.stop, thing.step))


def read_class(reader: "Reader", thing: type) -> None:
    """Read a class by its identity; `outside_state` checks that its attributes stay the same."""
    # The class of an observed component is made for one run; its base is the same for all runs.
    kind = declared(thing)
    reader.tokens.kinds[kind] = None
    reader.form.append(reader.tokens[("type", kind), 0])


def read_module(reader: "Reader", thing: types.ModuleType) -> None:
    """Read a module, which must be one of the standard library."""
    if thing is not sys.modules.get(thing.__name__) or thing.__name__ not in _MODULES:
        raise UnreadableError(thing, "import it where the code that uses it is")
    reader.form.append(reader.tokens[("module", thing.__name__), 0])


# Objects with identity: the reader numbers them before it calls these functions.


def read_fields(reader: "Reader", thing: Any) -> None:
    """Read a record by its fields."""
    kind = type(thing)
    names = kind.__struct_fields__
    table = KINDS[kind].table
    # A frozen record without a table cannot change: two parts may share it.
    if table is not None or not kind.__struct_config__.frozen:
        reader.claim(thing)
    reader.form.append(reader.tokens[kind, len(names) + (table is not None)])
    # A class may override access to attributes; this reads what the object holds.
    get = object.__getattribute__
    reader.each([get(thing, name) for name in names])
    if table is not None:
        reader.attributes(table(thing))


def read_named_tuple(reader: "Reader", thing: Any) -> None:
    """Read an object of a subclass of `tuple` that has items alone."""
    reader.form.append(reader.tokens[type(thing), tuple.__len__(thing)])
    reader.each(tuple.__iter__(thing))


def read_solid(reader: "Reader", thing: Any) -> None:
    """Read an object of a subclass of a plain type, or an exception."""
    kind = type(thing)
    how = KINDS[kind]
    assert how.plain is not None
    if how.table is not None or how.slots:
        reader.claim(thing)
    reader.form.append(reader.tokens[(kind, "plain"), 3])
    # Invariant: what is made here lives until the end of the reading.  Otherwise a later object
    # could get its identity and count as met.
    plain = how.plain(thing)
    reader.made.append(plain)
    reader.each((plain,))
    reader.attributes({} if how.table is None else how.table(thing))
    reader.attributes(dict(how.slot_values(thing)))


def read_state(reader: "Reader", thing: Any) -> None:
    """Read an iterator by what its `__reduce__` gives."""
    # For types alone whose `__reduce__` contains their whole state and changes none of it.
    reader.claim(thing)
    try:
        state = _reduced(thing)
    except (TypeError, RuntimeError):
        raise UnreadableError(thing) from None
    if type(thing) in _DICT_ITERATORS:
        # Its state is a copy of what is left.  The iterator goes on with the dictionary itself, so
        # two of them differ if they walk over different dictionaries.
        state += tuple(each for each in gc.get_referents(thing) if type(each) is dict)
    reader.form.append(reader.tokens[type(thing), len(state)])
    reader.made.append(state)
    reader.each(state)


def _reduced(thing: Any) -> tuple[Any, ...]:
    if type(thing) not in _ITERTOOLS:
        return thing.__reduce__()  # type: ignore[no-any-return]
    # Python 3.12 and 3.13 warn that a later version drops this; there the iterator is refused.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return thing.__reduce__()  # type: ignore[no-any-return]


def read_partial(reader: "Reader", thing: Any) -> None:
    """Read a function with some of its arguments."""
    reader.claim(thing)
    reader.form.append(reader.tokens[functools.partial, 4])
    reader.each((thing.func, thing.args, thing.keywords))
    reader.attributes(vars(thing))


def read_array(reader: "Reader", thing: Any) -> None:
    """Read an array of numbers."""
    reader.claim(thing)
    reader.form.append(reader.tokens[(array.array, thing.typecode), 1])
    reader.form.append(thing.tobytes())


def read_bytearray(reader: "Reader", thing: bytearray) -> None:
    """Read bytes that can change."""
    reader.claim(thing)
    reader.form.append(reader.tokens.content(thing))


def refuse(reader: "Reader", thing: Any) -> None:  # noqa: ARG001 - as every way has it
    """Refuse an object with memory that no attribute shows."""
    raise UnreadableError(thing, _REMEDIES.get(type(thing).__name__, ""))


# Code and what belongs to it.


def read_method(reader: "Reader", method: Any) -> None:
    """Read a method: its function and its object."""
    function = method.__func__
    owner = declared(type(method.__self__))
    key = (owner, function)
    token = reader.tokens.methods.get(key)
    if token is None and _is_of_class(function, owner):
        # A function of the class is named by class and function.  What it remembers is state of
        # the class, which `outside_state` checks.
        reader.tokens.kinds[owner] = None
        token = reader.tokens.methods[key] = reader.tokens[("method", key), 1]
    if token is not None:
        reader.form.append(token)
    else:
        reader.form.append(reader.tokens["method of", 2])
        reader.each((function,))
    reader.each((method.__self__,))


def _is_of_class(function: Any, owner: type) -> bool:
    name = getattr(function, "__name__", "")
    return any(vars(each).get(name) is function for each in owner.__mro__)


def read_function(reader: "Reader", function: Any) -> None:
    """Read a function with all that it remembers from call to call."""
    # Defaults and closure are read as objects below, and claim what can change themselves.
    cells = function.__closure__ or ()
    if function.__kwdefaults__ or function.__dict__:
        reader.claim(function)
    code, seen = function.__code__, function.__globals__
    reader.form.append(reader.tokens.of_code(code, seen, "function", count=len(cells) + 5))
    reader.each(cells)
    reader.each((function.__defaults__, function.__kwdefaults__))
    reader.each((function.__name__, function.__qualname__))
    reader.attributes(function.__dict__)


def read_builtin(reader: "Reader", thing: Any) -> None:
    """Read a function written in C, or a method of an object."""
    # The method may hold the last reference to its object, so the object is read as well.
    owner = thing.__self__
    if owner is None or isinstance(owner, types.ModuleType | type):
        name = getattr(owner, "__name__", "")
        reader.form.append(reader.tokens[("builtin", name, thing.__qualname__), 0])
        return
    reader.form.append(reader.tokens[("builtin", thing.__qualname__), 1])
    reader.each((owner,))


def read_cell(reader: "Reader", cell: Any) -> None:
    """Read a variable that inner functions share."""
    reader.claim(cell)
    try:
        content = cell.cell_contents
    except ValueError:
        reader.form.append(reader.tokens["empty cell", 0])
        return
    reader.form.append(reader.tokens["cell", 1])
    reader.each((content,))


# Collections.


def read_items(reader: "Reader", things: Any) -> None:
    """Read a list or a deque."""
    reader.claim(things)
    head = list if type(things) is list else (deque, things.maxlen)
    reader.form.append(reader.tokens[head, len(things)])
    # Plain values alone need no look at each item; the form is the same either way.
    if LEAVES.issuperset(map(type, things)):
        reader.form += things
    else:
        reader.each(things)


def read_mapping(reader: "Reader", mapping: Any) -> None:
    """Read a dict; the order of its entries counts."""
    # Two shapes with tokens of their own: keys then values where all keys are plain, else pairs.
    # Which shape it is depends on the contents alone, so equal dicts have equal forms.
    reader.claim(mapping)
    put = reader.form.append
    if LEAVES.issuperset(map(type, mapping)):
        put(reader.tokens[dict, 2 * len(mapping)])
        reader.form += mapping
        values = mapping.values()
        if LEAVES.issuperset(map(type, values)):
            reader.form += values
        else:
            reader.each(values)
        return
    put(reader.tokens["pairs", 2 * len(mapping)])
    for pair in mapping.items():
        reader.each(pair)


def read_set(reader: "Reader", things: Any) -> None:
    """Read a set; the order in which it gives its items counts among whole numbers alone."""
    # A frozenset cannot change, so two parts may share it.
    if type(things) is set:
        reader.claim(things)
    form = reader.form
    form.append(reader.tokens[type(things), len(things)])
    kinds = set(map(type, things))
    if kinds == {int}:
        # The order of whole numbers is the same in each process, but depends on how the set was
        # filled.  A loop over it can see the order, so the form keeps it.
        form += things
        return
    if LEAVES.issuperset(kinds):
        form += sorted(things, key=repr)
        return
    # Each item is read to the end of the form, taken off again, and put back in sorted order.
    # Invariant: between two items the form is as long as at `begin`.
    begin = len(form)
    items = []
    for thing in things:
        reader.each((thing,))
        items.append(form[begin:])
        del form[begin:]
    for item in sorted(items, key=repr):
        form += item


def body_of(kind: type) -> Way | None:
    """Return how to read objects of a type that stands in no table; None means by attributes."""
    if issubclass(kind, msgspec.Struct):
        return read_fields
    how = KINDS[kind]
    # Invariant: an object with memory beside its attributes is refused, never read in part.
    if how.hides:
        return refuse
    if how.plain is None:
        return None
    has_items_alone = issubclass(kind, tuple) and how.table is None and not how.slots
    return read_named_tuple if has_items_alone else read_solid


_MODULES = sys.stdlib_module_names
"""Modules that a model may hold; the reader does not see what the model changes in them."""

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

WAYS: dict[type, Way] = {
    float: read_number,
    datetime.datetime: read_moment,
    datetime.time: read_moment,
    range: read_range,
    slice: read_range,
    types.ModuleType: read_module,
    **dict.fromkeys((complex, decimal.Decimal, re.Pattern, *_ALIASES), read_described),
    **dict.fromkeys(
        (datetime.timedelta, datetime.date, datetime.timezone),
        read_described,
    ),
}
"""How to read values without identity, by their exact types."""

BODIES: dict[type, Way] = {
    list: read_items,
    deque: read_items,
    set: read_set,
    frozenset: read_set,
    dict: read_mapping,
    bytearray: read_bytearray,
    functools.partial: read_partial,
    array.array: read_array,
    types.MethodType: read_method,
    types.FunctionType: read_function,
    types.BuiltinFunctionType: read_builtin,
    types.CellType: read_cell,
    **dict.fromkeys(_ITERATORS, read_state),
}
"""How to read objects with identity, by their exact types."""
