"""What stands in a form for whatever is more than a plain value.

Tokens are made once for each meaning and compared by identity, so that a form that is full of
records and code is hashed and compared as quickly as one of small numbers.
"""

import types
from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from operator import itemgetter
from typing import Any

import msgspec

from .form_kinds import declared

Form = Hashable

LEAVES = frozenset({int, str, bytes, type(None), type(Ellipsis)})
"""Types whose values stand in a form as they are; none is equal to one of another of them."""


class Token:
    """Stands in a form for what is more than a plain value; equal to itself alone.

    Attributes:
        head: What it is.
        count: How many items after it belong to it.
    """

    __slots__ = ("count", "head")

    def __init__(self, head: Hashable, count: int) -> None:
        self.head = head
        self.count = count

    def __repr__(self) -> str:
        """Tell what it stands for, in the same words for the same thing."""
        return f"<{self.head!r} {self.count}>"


Values = Callable[[Any], Sequence[Any]]
"""Gives the values of an object's attributes in the order of their names."""


class Tokens(dict[tuple[Any, int], Token]):
    """The tokens of all forms that are to be compared, by what they are and how many items follow.

    Attributes:
        frozen: Tokens of values that never change, by the identity of the first of its value.
        met: The token for what was met before, by its number.
        attributes: The token for an object, and what gives the values of its attributes in the
            order of their names; by its type, followed by these names.
        kinds: The types of all objects that were met, once each.
        methods: The tokens of methods, by the type of their object and their function.
        code: All code that was met, once each, with the module globals that it sees.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frozen: dict[int, Token] = {}
        self.met: list[Token] = []
        self.attributes = _Attributes(self)
        self.kinds: dict[type, None] = {}
        self.methods: dict[tuple[type, Any], Token] = {}
        self.code: dict[tuple[int, int], tuple[types.CodeType, dict[str, Any]]] = {}
        self._by_value: dict[Hashable, Token] = {}
        self._by_code: dict[tuple[Hashable, ...], Token] = {}
        self._bytes: dict[bytes, bytes] = {}

    def __missing__(self, key: tuple[Any, int]) -> Token:
        """Make the token that is asked for the first time."""
        head = key[0][0] if type(key[0]) is tuple and key[0] else key[0]
        if isinstance(head, type):
            self.kinds[head] = None
        found = self[key] = Token(*key)
        return found

    def of_value(self, thing: Any) -> Token | None:
        """Return the token for a value that never changes, or None if it may hold what does.

        Invariant: two values have one token only if they agree in the types and contents of all
        their parts; 1, 1.0 and True are equal, and different values.
        """
        known = self.frozen.get(id(thing))
        if known is not None:
            return known
        try:
            told = self._told(thing)
        except _NotPlain:
            return None
        found = self._by_value.get(told)
        if found is None:
            found = self._by_value[told] = Token(thing, 0)
            # It stays alive in its token, so that its identity is its own.
            self.frozen[id(thing)] = found
            self.kinds[type(thing)] = None
        return found

    def _told(self, thing: Any) -> Hashable:
        """Return the types and contents of a frozen value.

        Raises:
            _NotPlain: If a part of it may change.
        """
        kind = type(thing)
        if isinstance(thing, Enum):
            # Its members are one of a kind, and live as long as their class.
            return kind, id(thing)
        if kind is tuple:
            values = thing
        elif isinstance(thing, msgspec.Struct) and _is_frozen(kind):
            get = object.__getattribute__
            values = tuple([get(thing, name) for name in kind.__struct_fields__])
        else:
            raise _NotPlain
        kinds = tuple(map(type, values))
        if not _PLAIN.issuperset(kinds):
            values = tuple([self._part(each) for each in values])
        return kind, kinds, values

    def _part(self, thing: Any) -> Hashable:
        kind = type(thing)
        if kind in _PLAIN:
            # Of equal plain values of one type, one is as good as another.
            return thing  # type: ignore[no-any-return]
        if kind is float:
            return thing.hex()  # type: ignore[no-any-return]
        token = self._told(thing) if kind is tuple else self.of_value(thing)
        if token is None:
            raise _NotPlain
        return token

    def new_met(self, number: int) -> Token:
        """Return the token for what was met before, made if there is none yet of its number."""
        while len(self.met) <= number:
            self.met.append(Token(("met", len(self.met)), 0))
        return self.met[number]

    def of_code(
        self, code: types.CodeType, seen: dict[str, Any], *details: Hashable, count: int
    ) -> Token:
        """Return the token for a place in code, with so many items after it.

        Args:
            code: The code.
            seen: The module globals that it sees.
            details: What else tells one such place from another.
            count: How many items follow.
        """
        # To hash code takes long; it stays alive with its globals, so that their identities are
        # their own.
        key = (id(code), id(seen), *details, count)
        found = self._by_code.get(key)
        if found is None:
            found = self._by_code[key] = Token((code, *details), count)
            self.code[id(code), id(seen)] = (code, seen)
        return found

    def content(self, thing: bytearray) -> bytes:
        """Return the bytes of an array, once for all arrays with the same ones."""
        found = bytes(thing)
        return self._bytes.setdefault(found, found)


_PLAIN = frozenset({int, str, bytes, bool, type(None)})


class _NotPlain(Exception):
    """A value with a part that may change."""


def _is_frozen(kind: Any) -> bool:
    """Return whether records of a type are as they are made, and have fields alone."""
    return bool(kind.__struct_config__.frozen) and not kind.__dictoffset__


class _Attributes(dict[tuple[Any, ...], tuple[Token, Values]]):
    """How objects are read, by their types and the names of their attributes."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def __missing__(self, key: tuple[Any, ...]) -> tuple[Token, Values]:
        kind, *names = key
        base = declared(kind)
        if base is not kind:
            # The class of an observed component is made for it alone; its base is what counts.
            return self[base, *names]
        order = tuple(sorted(names))
        found = self[key] = (self._tokens[(kind, order), len(order)], _values_of(order))
        return found


def _values_of(order: tuple[str, ...]) -> Values:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda values: [values[name] for name in order]


def unfolded(form: Form) -> Hashable:
    """Return a form with the items of each token in a tuple, its head in front."""
    rest = iter(form)  # type: ignore[call-overload]

    def item() -> Hashable:
        found: Hashable = next(rest)
        if type(found) is not Token:
            return found
        items = [item() for _ in range(found.count)]
        if found.head is tuple:
            return tuple(items)
        return (found.head, *items) if items else found.head

    return item()
