"""A symbolic duration: a length of time that has no value while a model runs.

A model passes the ends of its spans on to the kernel and does not look at them.  So a plan may have
symbolic durations in their place.  What the model does then holds for all their values at once,
and a search fills the values in afterwards.  It is an error if code asks such a duration for
anything that differs between its values, because the run would then depend on the value.
"""

from typing import Never

import msgspec

from .errors import QuiesceError


class SymbolicDurationError(QuiesceError):
    """Model code uses a symbolic duration in a way whose result depends on its value.

    Args:
        name: The name of the duration.
        use: What the code did with it.
    """

    def __init__(self, name: str, use: str) -> None:
        self.name = name
        self.use = use
        super().__init__(name, use)

    def __str__(self) -> str:
        """Name both and say what is allowed."""
        return (
            f"what the model does depends on the length of {self.name}, which is {self.use}; make "
            "the decision a race between delays (kernel.first)"
        )


class SymbolicDuration(msgspec.Struct, frozen=True):
    """A number of nanoseconds that may have any whole value of a range.

    It stands for `value * factor // divisor * count`, where the quotient may be rounded up instead
    of down.

    Attributes:
        name: The name of the value; equal names have equal values.
        least_ns: The least value.
        greatest_ns: The greatest value.
        factor: At least 0.
        divisor: At least 1.
        count: At least 0.
        rounds_up: Whether the quotient is rounded up.
    """

    name: str
    least_ns: int
    greatest_ns: int
    factor: int = 1
    divisor: int = 1
    count: int = 1
    rounds_up: bool = False

    def at(self, value_ns: int) -> int:
        """Return the number of nanoseconds for one value.

        Example:
            >>> (SymbolicDuration("vm_exit", 200, 9_000) * 3).at(500)
            1500
        """
        assert self.least_ns <= value_ns <= self.greatest_ns, (self, value_ns)
        product = value_ns * self.factor
        quotient = -(-product // self.divisor) if self.rounds_up else product // self.divisor
        return quotient * self.count

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest number of nanoseconds for which it stands."""
        # Invariant: the result never falls as the value grows, so the ends give the ends.
        return self.at(self.least_ns), self.at(self.greatest_ns)

    def __mul__(self, count: int) -> "SymbolicDuration":
        if not isinstance(count, int) or count < 0:
            self._unusable("multiplied by something else than a count")
        # Rounding comes before `count`: n parts of a divided duration are n times the rounded part.
        if self.divisor != 1:
            return msgspec.structs.replace(self, count=self.count * count)
        return msgspec.structs.replace(self, factor=self.factor * count)

    __rmul__ = __mul__

    def __floordiv__(self, count: int) -> "SymbolicDuration":
        if not isinstance(count, int) or count <= 0 or self.count != 1:
            self._unusable("divided by something else than a count")
        return msgspec.structs.replace(self, divisor=self.divisor * count)

    # A comparison has an answer only if it is the same for all values.

    def __le__(self, other: object) -> bool:
        return self._never(other, above=True)

    def __gt__(self, other: object) -> bool:
        return not self._never(other, above=True)

    def __ge__(self, other: object) -> bool:
        return self._never(other, above=False)

    def __lt__(self, other: object) -> bool:
        return not self._never(other, above=False)

    def _never(self, other: object, *, above: bool) -> bool:
        """Return whether it is never above the other (or below it); else it must always be."""
        if self == other:
            return True
        if not isinstance(other, SymbolicDuration | int):
            self._unusable("compared with something else than a number")
        # Two different names vary independently, so only their ranges are compared.
        low, high = self.range
        other_low, other_high = (
            other.range if isinstance(other, SymbolicDuration) else (other, other)
        )
        if not above:
            low, high, other_low, other_high = -high, -low, -other_high, -other_low
        if other_low < high and low <= other_high:
            self._unusable("compared with a number among its values")
        return high <= other_low

    def __bool__(self) -> bool:
        return self > 0

    def _used(self, *_: object) -> Never:
        self._unusable("used as a number")

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = __mod__ = __neg__ = _used
    __int__ = __index__ = __float__ = __round__ = _used

    def _unusable(self, use: str) -> Never:
        raise SymbolicDurationError(self.name, use)


def divided_up(number: int, parts: int) -> int:
    """Return one of so many equal parts of a number that may be symbolic, rounded up.

    Example:
        >>> divided_up(9, 4)
        3
    """
    if isinstance(number, SymbolicDuration):
        return msgspec.structs.replace(number // parts, rounds_up=True)
    return -(-number // parts)


def name_of(number: object) -> str:
    """Return the name of a symbolic duration, or an empty string for a number."""
    return number.name if isinstance(number, SymbolicDuration) else ""


def settled(number: int | SymbolicDuration, values_ns: dict[str, int]) -> int:
    """Return the number for given values, by name; a plain number is returned as it is."""
    return number.at(values_ns[number.name]) if isinstance(number, SymbolicDuration) else number
