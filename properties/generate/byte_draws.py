"""Reads small decisions from a few bytes, so that a whole system costs one draw.

Hypothesis draws one string of bytes; every decision follows from it. Zero bytes, and bytes that are
missing, give the plainest answer. Any change that makes the bytes smaller therefore makes the drawn
system plainer.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class ByteDraws:
    """Reads decisions from bytes, from front to back.

    Args:
        data: The bytes; once they are used up, every answer is the plainest.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def byte(self) -> int:
        """Return the next byte."""
        position = self._position
        self._position += 1
        return self._data[position] if position < len(self._data) else 0

    def below(self, bound: int) -> int:
        """Return a whole number from 0 to `bound - 1`, for bounds up to 65,536."""
        assert 1 <= bound <= 1 << 16, bound
        drawn = self.byte() if bound <= 64 else self.byte() << 8 | self.byte()
        return drawn * bound >> (8 if bound <= 64 else 16)

    def within(self, lo: int, hi: int) -> int:
        """Return a whole number of the closed interval; each end comes one time in eight."""
        side = self.below(8)
        if side == 0:
            return lo
        if side == 1:
            return hi
        return lo + ((self.byte() << 8 | self.byte()) * (hi - lo + 1) >> 16)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, of which the first is the plainest."""
        return options[self.below(len(options))]

    def happens(self, one_in: int = 2) -> bool:
        """Return True one time in `one_in`, and False for missing bytes."""
        return self.below(one_in) == one_in - 1

    def rest(self, length: int) -> bytes:
        """Return the next bytes, filled up with zeros."""
        taken = self._data[self._position : self._position + length]
        self._position += length
        return taken.ljust(length, b"\0")
