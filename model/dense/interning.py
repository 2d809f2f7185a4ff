"""The tokens of fingerprints: each stands for something that is more than a plain value.

Tokens are interned: there is one for each meaning, and they are compared by identity.  So Python
hashes and compares a fingerprint full of records and code as quickly as one of small numbers.
"""

import types
from collections.abc import Callable, Hashable, Sequence
from enum import Enum
from operator import itemgetter
from typing import Any

import msgspec

from .object_layout import declared

Fingerprint = Hashable

LEAVES = frozenset({int, str, bytes, type(None), type(Ellipsis)})
"""Types whose values stand in a fingerprint as they are.

Invariant: values of two different ones of these types are never equal.
"""


class Token:
    """Stands in a fingerprint for something that is more than a plain value; equal to itself alone.

    Attributes:
        head: What it is.
        count: How many items after it belong to it.
    """

    __slots__ = ("count", "head")

    def __init__(self, head: Hashable, count: int) -> None:
        self.head = head
        self.count = count

    def __repr__(self) -> str:
        """Return what it stands for, in the same words for the same thing."""
        return f"<{self.head!r} {self.count}>"


Values = Callable[[Any], Sequence[Any]]
"""Gives the values of an object's attributes in the order of their names."""


class Tokens(dict[tuple[Any, int], Token]):
    """The tokens of all fingerprints of a search, by head and number of items that follow.

    Attributes:
        frozen: Tokens of values that never change, by the identity of the first object with that
            value.
        met: The token for an object that was met before, by its number.
        attributes: The token for an object, and the function that gives the values of its
            attributes in the order of their names.  The key is its type, followed by these names.
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
        """Make the token of a key that is new."""
        # Invariant: every type in a head stands in `kinds`, so `outside_state` looks at it.
        head = key[0][0] if type(key[0]) is tuple and key[0] else key[0]
        if isinstance(head, type):
            self.kinds[head] = None
        found = self[key] = Token(*key)
        return found

    def of_value(self, thing: Any) -> Token | None:
        """Return the token for a value that never changes, or None if a part of it can change.

        Invariant: two values have one token only if they agree in the types and contents of all
        their parts; 1, 1.0 and True are equal, and different values.
        """
        known = self.frozen.get(id(thing))
        if known is not None:
            return known
        try:
            content = self._content_of(thing)
        except _NotPlain:
            return None
        found = self._by_value.get(content)
        if found is None:
            found = self._by_value[content] = Token(thing, 0)
            # Invariant: an object in `frozen` stays alive in its token, so no other object gets
            # its identity.  Later objects of the same value are not entered.
            self.frozen[id(thing)] = found
            self.kinds[type(thing)] = None
        return found

    def _content_of(self, thing: Any) -> Hashable:
        """Return the types and contents of a frozen value.

        Raises:
            _NotPlain: If a part of it may change.
        """
        kind = type(thing)
        if isinstance(thing, Enum):
            # A member exists once and lives as long as its class, so its identity stands for it.
            return kind, id(thing)
        if kind is tuple:
            values = thing
        elif isinstance(thing, msgspec.Struct) and _is_frozen(kind):
            get = object.__getattribute__
            values = tuple([get(thing, name) for name in kind.__struct_fields__])
        else:
            raise _NotPlain
        # The types of the parts are part of the key: `1`, `1.0` and `True` are equal keys.
        kinds = tuple(map(type, values))
        if not _PLAIN.issuperset(kinds):
            values = tuple([self._part(each) for each in values])
        return kind, kinds, values

    def _part(self, thing: Any) -> Hashable:
        kind = type(thing)
        if kind in _PLAIN:
            # Equal plain values of one type are interchangeable.
            return thing  # type: ignore[no-any-return]
        if kind is float:
            return thing.hex()  # type: ignore[no-any-return]
        token = self._content_of(thing) if kind is tuple else self.of_value(thing)
        if token is None:
            raise _NotPlain
        return token

    def new_met(self, number: int) -> Token:
        """Return the token for the met object of a number; makes it if it is new."""
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
            details: What else distinguishes such places.
            count: How many items follow.
        """
        # Hashing code is slow, so the key holds identities.  Invariant: code and globals of each
        # key stay alive in `self.code`, so no other object gets their identities.
        key = (id(code), id(seen), *details, count)
        found = self._by_code.get(key)
        if found is None:
            found = self._by_code[key] = Token((code, *details), count)
            self.code[id(code), id(seen)] = (code, seen)
        return found

    def content(self, thing: bytearray) -> bytes:
        """Return the bytes of an array; arrays with equal bytes get the same object."""
        found = bytes(thing)
        return self._bytes.setdefault(found, found)


_PLAIN = frozenset({int, str, bytes, bool, type(None)})


class _NotPlain(Exception):
    """A value with a part that may change."""


def _is_frozen(kind: Any) -> bool:
    """Return whether records of a type never change, and have fields alone."""
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
            # The class of an observed component is made for one run; its base counts.
            return self[base, *names]
        order = tuple(sorted(names))
        found = self[key] = (self._tokens[(kind, order), len(order)], _values_of(order))
        return found


def _values_of(order: tuple[str, ...]) -> Values:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda values: [values[name] for name in order]


def unfolded(fingerprint: Fingerprint) -> Hashable:
    """Return a fingerprint with the items of each token in a tuple, its head in front."""
    # Invariant: `rest` stands at the first item that belongs to no token read so far.
    rest = iter(fingerprint)  # type: ignore[call-overload]

    def item() -> Hashable:
        found: Hashable = next(rest)
        if type(found) is not Token:
            return found
        items = [item() for _ in range(found.count)]
        if found.head is tuple:
            return tuple(items)
        return (found.head, *items) if items else found.head

    return item()
