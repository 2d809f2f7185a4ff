"""How values and collections are read into a form: everything that knows nothing of SimPy.

Every function here takes the reader of a form (`canonical.Reader`) and a thing, and appends what
tells this thing from every other one.  A type that stands in no table here is read by its
attributes (`form_kinds`), or refused if it has memory beside them.
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
"""Adds the form of a thing to that which a reader is reading."""


class UnreadableError(Exception):
    """Something was met whose state cannot be read; the reader names it as a `FormError`.

    Args:
        thing: What.
        remedy: What to do instead; empty for the general advice.
    """

    def __init__(self, thing: object, remedy: str = "") -> None:
        self.thing = thing
        self.remedy = remedy
        super().__init__(thing, remedy)


# What is the same wherever it is met.


def read_number(reader: "Reader", thing: float) -> None:
    """Read a float: 1.0 is equal to 1, and 0.0 to -0.0."""
    reader.form.append(reader.tokens[(float, float.hex(thing)), 0])


def read_described(reader: "Reader", thing: Any) -> None:
    """Read what its text tells completely."""
    reader.form.append(reader.tokens[(type(thing), repr(thing)), 0])


def read_moment(reader: "Reader", thing: Any) -> None:
    """Read a time of day, with or without a date."""
    reader.form.append(reader.tokens[(type(thing), repr(thing.replace(tzinfo=None))), 1])
    reader.each((thing.tzinfo,))


def read_range(reader: "Reader", thing: Any) -> None:
    """Read a range or a slice; empty ranges are equal, whatever their ends are."""
    reader.form.append(reader.tokens[type(thing), 3])
    reader.each((thing.start, thing.stop, thing.step))


def read_class(reader: "Reader", thing: type) -> None:
    """Read a class; what its attributes are is looked after elsewhere (`outside_state`)."""
    kind = declared(thing)
    reader.tokens.kinds[kind] = None
    reader.form.append(reader.tokens[("type", kind), 0])


def read_module(reader: "Reader", thing: types.ModuleType) -> None:
    """Read a module, which must be one of the standard library."""
    if thing is not sys.modules.get(thing.__name__) or thing.__name__ not in _MODULES:
        raise UnreadableError(thing, "import it where the code that uses it is")
    reader.form.append(reader.tokens[("module", thing.__name__), 0])


# What can be met again.


def read_fields(reader: "Reader", thing: Any) -> None:
    """Read a record by its fields."""
    kind = type(thing)
    names = kind.__struct_fields__
    table = KINDS[kind].table
    if table is not None or not kind.__struct_config__.frozen:
        reader.claim(thing)
    reader.form.append(reader.tokens[kind, len(names) + (table is not None)])
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
    plain = how.plain(thing)
    reader.made.append(plain)
    reader.each((plain,))
    reader.attributes({} if how.table is None else how.table(thing))
    reader.attributes(dict(how.slot_values(thing)))


def read_state(reader: "Reader", thing: Any) -> None:
    """Read what tells of itself, completely, how it is made."""
    reader.claim(thing)
    try:
        state = _reduced(thing)
    except (TypeError, RuntimeError):
        raise UnreadableError(thing) from None
    if type(thing) in _DICT_ITERATORS:
        # It goes on with a dictionary of which its state is a copy.
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
    """Refuse what has memory that nothing tells of."""
    raise UnreadableError(thing, _REMEDIES.get(type(thing).__name__, ""))


# Code and what belongs to it.


def read_method(reader: "Reader", method: Any) -> None:
    """Read a method: its function and its object."""
    function = method.__func__
    owner = declared(type(method.__self__))
    key = (owner, function)
    token = reader.tokens.methods.get(key)
    if token is None and _is_of_class(function, owner):
        # What belongs to the function belongs to its class.
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
    """Read a function written in C, or a method of an object that it may be the last to hold."""
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
    if LEAVES.issuperset(map(type, things)):
        reader.form += things
    else:
        reader.each(things)


def read_mapping(reader: "Reader", mapping: Any) -> None:
    """Read a dict; the order of its entries counts."""
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
    if type(things) is set:
        reader.claim(things)
    form = reader.form
    form.append(reader.tokens[type(things), len(things)])
    kinds = set(map(type, things))
    if kinds == {int}:
        # Numbers come in an order that depends on how the set was filled, and on nothing else.
        form += things
        return
    if LEAVES.issuperset(kinds):
        form += sorted(things, key=repr)
        return
    begin = len(form)
    items = []
    for thing in things:
        reader.each((thing,))
        items.append(form[begin:])
        del form[begin:]
    for item in sorted(items, key=repr):
        form += item


def body_of(kind: type) -> Way | None:
    """Return the way to read objects of a type that has none of its own; None by attributes."""
    if issubclass(kind, msgspec.Struct):
        return read_fields
    how = KINDS[kind]
    if how.hides:
        return refuse
    if how.plain is None:
        return None
    has_items_alone = issubclass(kind, tuple) and how.table is None and not how.slots
    return read_named_tuple if has_items_alone else read_solid


_MODULES = sys.stdlib_module_names
"""Those that a model may hold; what it changes in them is not seen."""

_REMEDIES = {
    "Random": "ask `kernel.choices`, so that every answer is explored",
    "ndarray": "keep numbers in a list",
}
"""What to do instead of what cannot be read, by the name of its type."""

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
"""Iterators of which it is known that what they tell of themselves is all that there is."""

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
"""How values are read that are as good as others with the same contents, by their exact types."""

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
"""How objects are read that may be met again, by their exact types."""
