"""Says for each type where its objects keep their attributes, and whether they keep anything else.

The encoder reads an object completely if its memory consists of three things:

- the table of attributes;
- the slots that its classes declare;
- the plain value, for subclasses of plain types.

Types written in C keep more, so their objects are larger.  `kind_of` compares the two sizes, so no
list of such types is needed.
"""

import types
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

Found = TypeVar("Found")

SOLID: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (str, str.__str__),
    (bytes, lambda thing: bytes.__getitem__(thing, slice(None))),
    (float, float.hex),
    (tuple, lambda thing: tuple(tuple.__iter__(thing))),
)
"""Plain types, and the function that gives the plain value of an object of a subclass."""

_WORD = object.__basicsize__ // 2
_IS_MADE_BY_CODE = 1 << 9
_HAS_ITS_DICT_OUTSIDE = 1 << 4
_HAS_ITS_WEAKREFS_OUTSIDE = 1 << 3


class KindOf(NamedTuple):
    """How to read the objects of a type.

    Attributes:
        table: Gives the table of attributes of an object; None if there is none.
        slots: Name and descriptor of each slot, those of base classes too.
        plain: Gives the plain value of an object; None if the type is no subclass of a plain one.
        hides: Whether its objects have memory that none of these shows.
    """

    table: Callable[[Any], dict[str, object]] | None
    slots: tuple[tuple[str, Any], ...]
    plain: Callable[[Any], Any] | None
    hides: bool

    def slot_values(self, thing: Any) -> list[tuple[str, object]]:
        """Return name and value of each slot of an object that has a value."""
        found = []
        for name, place in self.slots:
            try:
                found.append((name, place.__get__(thing)))
            except AttributeError:
                continue
        return found


def declared(kind: type) -> type:
    """Return the type that the model declares, of a type that was made to watch accesses."""
    found: type = vars(kind).get("__observed__", kind)
    return found


def kind_of(kind: type) -> KindOf:
    """Return how to read the objects of a type."""
    base: type = object
    plain = None
    for solid, value_of in SOLID:
        if issubclass(kind, solid):
            base, plain = solid, value_of
    if issubclass(kind, BaseException):
        base, plain = BaseException, _of_exception
    # Invariant: an object hides nothing if it is as large as its base, its slots and the words
    # for table and weak references.  CPython keeps these two outside of most objects.
    slots = tuple(_slots(kind))
    words = len(slots)
    if base is not BaseException:
        words += bool(kind.__dictoffset__) and not kind.__flags__ & _HAS_ITS_DICT_OUTSIDE
    words += bool(kind.__weakrefoffset__) and not kind.__flags__ & _HAS_ITS_WEAKREFS_OUTSIDE
    is_larger = kind.__basicsize__ != base.__basicsize__ + words * _WORD
    table = _table_of(kind)
    hides = is_larger or kind.__itemsize__ != base.__itemsize__
    # A sequence with named fields, as those of `os`, has more of them than items.
    hides = hides or hasattr(kind, "n_fields") or (table is None and bool(kind.__dictoffset__))
    return KindOf(table, slots, plain, hides)


def _of_exception(thing: BaseException) -> tuple[object, ...]:
    """Return the state of an exception without its traceback, which no code decides by."""
    place = BaseException.args.__get__(thing)  # type: ignore[attr-defined]
    return place, thing.__cause__, thing.__context__, thing.__suppress_context__


def _slots(kind: type) -> list[tuple[str, Any]]:
    # Two classes may declare a slot of the same name; the depth keeps the two apart.
    found = []
    for depth, each in enumerate(reversed(kind.__mro__)):
        if "__slots__" in vars(each) and each.__flags__ & _IS_MADE_BY_CODE:
            for name, place in vars(each).items():
                if type(place) is types.MemberDescriptorType and place.__objclass__ is each:
                    found.append((f"{depth}.{name}", place))
    return found


def _table_of(kind: type) -> Callable[[Any], dict[str, object]] | None:
    """Return the function that gives the attributes, even where the class overrides `__dict__`.

    Returns None if there are none, or if no class in the hierarchy has a true way to the table.
    """
    if not kind.__dictoffset__:
        return None
    for each in kind.__mro__:
        place = vars(each).get("__dict__")
        if type(place) is types.GetSetDescriptorType:
            return place.__get__
    return None


class ByType(dict[type, Found], Generic[Found]):
    """A value for each type, found when the first object of the type is met."""

    def __init__(
        self, find: Callable[[type], Found], known: dict[type, Found] | None = None
    ) -> None:
        super().__init__(known or {})
        self._find = find

    def __missing__(self, kind: type) -> Found:
        """Find the value of a new type."""
        base = declared(kind)
        if base is not kind:
            # The class of a watched component is made for one run, and must not be kept.
            return self[base]
        found = self[kind] = self._find(kind)
        return found


KINDS: ByType[KindOf] = ByType(kind_of)
"""How to read the objects of each type that was met so far."""
