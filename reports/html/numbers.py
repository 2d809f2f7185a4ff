"""Packs numbers and words in a form that a browser can hold.

A number in JavaScript is exact up to 2**53 - 1. A greater number becomes a list with its decimal
digits as one string. No address of a real board is so great, but a user may write one.
"""

from collections.abc import Sequence
from typing import Any

EXACT_MAX = (1 << 53) - 1
"""The greatest whole number that JavaScript holds exactly."""

Json = Any
"""What `json` can write: None, bool, int, str, lists and dicts of them."""


def packed(value: object) -> Json:
    """Return a field of an event: lists for tuples, digits for numbers that are too great.

    Example:
        >>> packed((1, 1 << 60)), packed(True)
        ([1, ['1152921504606846976']], True)
    """
    if isinstance(value, tuple | list):
        return [packed(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_MAX:
        return [str(value)]
    return value


def unpacked(value: Json) -> object:
    """Return the field that `packed` has packed, with tuples as lists."""
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], str):
            return int(value[0])
        return [unpacked(each) for each in value]
    return value


def deltas(values: Sequence[int]) -> list[Json]:
    """Return the first value, and then how much each is greater than the one before.

    Example:
        >>> deltas([100, 130, 130])
        [100, 30, 0]
    """
    before = 0
    steps = []
    for value in values:
        steps.append(packed(value - before))
        before = value
    return steps


def summed(steps: Sequence[Json]) -> list[int]:
    """Return the values from the steps that `deltas` made of them."""
    values = []
    value = 0
    for step in steps:
        number = unpacked(step)
        assert isinstance(number, int)
        value += number
        values.append(value)
    return values


class WordTable:
    """A list of different words, each with its place."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, word: str) -> int:
        """Return the place of a word, which is added if it is new."""
        return self._places.setdefault(word, len(self._places))

    def listed(self) -> list[str]:
        """Return the words in the order of their places."""
        return list(self._places)


def column(values: Sequence[object]) -> Json:
    """Return a column of fields in the shortest of three forms.

    `{"same": value, "count": n}` if all are equal, `{"words": [...], "at": [...]}` for strings, a
    plain list otherwise.
    """
    if len(values) > 1 and all(type(v) is type(values[0]) and v == values[0] for v in values):
        return {"same": packed(values[0]), "count": len(values)}
    if all(isinstance(value, str) for value in values):
        words = WordTable()
        places = [words.place(str(value)) for value in values]
        return {"words": words.listed(), "at": places}
    return [packed(value) for value in values]


def of_column(packed_column: Json) -> list[object]:
    """Return the fields from which `column` made a column."""
    if isinstance(packed_column, list):
        return [unpacked(value) for value in packed_column]
    if "same" in packed_column:
        return [unpacked(packed_column["same"])] * packed_column["count"]
    return [packed_column["words"][at] for at in packed_column["at"]]
