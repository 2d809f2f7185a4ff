"""What stands in a form for whatever is more than a plain value.

Tokens are made once for each meaning and compared by identity, so that a form that is full of
records and code is hashed and compared as quickly as one of small numbers.
"""

import types
from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import Any

Form = Hashable


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
    """

    def __init__(self) -> None:
        super().__init__()
        self.frozen: dict[int, Token] = {}
        self.met: list[Token] = []
        self.attributes = _Attributes(self)
        self._by_value: dict[Hashable, Token] = {}
        self._by_code: dict[tuple[Hashable, ...], Token] = {}
        self._bytes: dict[bytes, bytes] = {}

    def __missing__(self, key: tuple[Any, int]) -> Token:
        """Make the token that is asked for the first time."""
        found = self[key] = Token(*key)
        return found

    def of_value(self, thing: Any) -> Token | None:
        """Return the token for a value that never changes, or None if it cannot be hashed.

        Nobody can tell one of two equal frozen records from the other.
        """
        try:
            found = self._by_value.get(thing)
        except TypeError:
            return None
        if found is None:
            found = self._by_value[thing] = Token(thing, 0)
            # It stays alive in its token, so that its identity is its own.
            self.frozen[id(thing)] = found
        return found

    def new_met(self, number: int) -> Token:
        """Return the token for what was met before, made if there is none yet of its number."""
        while len(self.met) <= number:
            self.met.append(Token(("met", len(self.met)), 0))
        return self.met[number]

    def of_code(self, code: types.CodeType, *details: Hashable, count: int) -> Token:
        """Return the token for a place in code, with so many items after it."""
        # To hash code takes long; it stays alive in the token, so that its identity is its own.
        key = (id(code), *details, count)
        found = self._by_code.get(key)
        if found is None:
            found = self._by_code[key] = Token((code, *details), count)
        return found

    def content(self, thing: bytearray) -> bytes:
        """Return the bytes of an array, once for all arrays with the same ones."""
        found = bytes(thing)
        return self._bytes.setdefault(found, found)


class _Attributes(dict[tuple[Any, ...], tuple[Token, Values]]):
    """How objects are read, by their types and the names of their attributes."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens

    def __missing__(self, key: tuple[Any, ...]) -> tuple[Token, Values]:
        kind, *names = key
        base = getattr(kind, "observed", kind)
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
