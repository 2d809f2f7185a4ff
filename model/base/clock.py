"""Time as whole nanoseconds: closed intervals of it, and how people write it.

A `Span` is all that the model knows of a duration: its two ends.  The run's `Choices` take a value
inside it, never the model.  Both ends belong to the span.
"""

import re

import msgspec

from .errors import QuiesceError

NS = 1
US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000

LONGEST_NS = 1 << 56
"""The greatest end of a span, some two years; the sum of eight is still below `UNBOUNDED_NS`."""

UNBOUNDED_NS = 1 << 60
"""Stands for the greatest end of a span that has none."""

_UNITS: dict[str, int] = {"ns": NS, "us": US, "µs": US, "μs": US, "ms": MS, "s": SECOND}
_QUANTITY = re.compile(r"(\d+)(?:\.(\d+))?\s*([a-zµμ]+)")


class TimeFormatError(QuiesceError):
    """A duration that is not written the way quiesce reads it.

    Args:
        text: The words as written.
        reason: What is wrong with them.
    """

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason
        super().__init__(text, reason)

    def __str__(self) -> str:
        """Give the words, the reason and an example of the right form."""
        return f'{self.text!r}: {self.reason}; write it like "250ns", "1.5us" or "2ms"'


class SpanError(QuiesceError):
    """Two numbers that are no span of durations.

    Args:
        lo_ns: The least end as given.
        hi_ns: The greatest end as given.
        reason: What is wrong with them.
    """

    def __init__(self, lo_ns: object, hi_ns: object, reason: str) -> None:
        self.lo_ns = lo_ns
        self.hi_ns = hi_ns
        self.reason = reason
        super().__init__(lo_ns, hi_ns, reason)

    def __str__(self) -> str:
        """Give both ends and what is wrong with them."""
        return f"a span from {self.lo_ns!r} to {self.hi_ns!r} ns: {self.reason}"


class Span(msgspec.Struct, frozen=True):
    """A closed interval of durations in nanoseconds, `0 <= lo_ns <= hi_ns`.

    The greatest end is `LONGEST_NS` at most, or `UNBOUNDED_NS`, which means that there is none.

    Raises:
        SpanError: If the ends are not whole numbers, or are too great to be computed with.
    """

    lo_ns: int
    hi_ns: int

    def __post_init__(self) -> None:
        lo_ns, hi_ns = self.lo_ns, self.hi_ns
        if type(lo_ns) is not int or type(hi_ns) is not int:
            self._insist_on_numbers()
        assert 0 <= lo_ns <= hi_ns, (lo_ns, hi_ns)
        if type(hi_ns) is int and hi_ns > LONGEST_NS:
            self._insist_on_length()

    def _insist_on_numbers(self) -> None:
        # A symbolic length is no int and checks its own range.
        if not all(
            type(each) is int or hasattr(each, "range") for each in (self.lo_ns, self.hi_ns)
        ):
            raise SpanError(self.lo_ns, self.hi_ns, "both ends must be of type int")

    def _insist_on_length(self) -> None:
        if self.lo_ns > LONGEST_NS or self.hi_ns != UNBOUNDED_NS:
            reason = (
                f"no end may be greater than {LONGEST_NS} (two years); write {UNBOUNDED_NS} as "
                "the greatest end if there is none"
            )
            raise SpanError(self.lo_ns, self.hi_ns, reason)

    @property
    def nominal_ns(self) -> int:
        """The middle of the span, rounded down: the value of a nominal run."""
        return (self.lo_ns + self.hi_ns) // 2

    def __str__(self) -> str:
        """Give the span as it would be written in a scenario file."""
        if self.lo_ns == self.hi_ns:
            return format_ns(self.lo_ns)
        return f"{format_ns(self.lo_ns)}..{format_ns(self.hi_ns)}"


def exactly(value_ns: int) -> Span:
    """Return the span that holds one value only."""
    return Span(value_ns, value_ns)


def parse_ns(text: str) -> int:
    """Return the nanoseconds that a text such as `"1.5us"` means.

    Raises:
        TimeFormatError: If there is no unit, the unit is unknown, or the value is not a
            whole number of nanoseconds, or is longer than two years.

    Example:
        >>> parse_ns("1.5us"), parse_ns("40 ms")
        (1500, 40000000)
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        reason = "a unit is missing" if text.strip().isdigit() else "not a duration"
        raise TimeFormatError(text, reason)
    whole, fraction, unit = match.group(1), match.group(2) or "", match.group(3)
    scale = _UNITS.get(unit)
    if scale is None:
        raise TimeFormatError(text, f"{unit!r} is not one of ns, us, ms, s")
    value, rest = divmod(int(whole + fraction) * scale, int(10 ** len(fraction)))
    if rest:
        raise TimeFormatError(text, "not a whole number of nanoseconds")
    if value > LONGEST_NS:
        raise TimeFormatError(text, "longer than two years")
    return value


def parse_span(text: str) -> Span:
    """Return the span that a text such as `"100ns..1us"` means; one value gives a point.

    Raises:
        TimeFormatError: If an end is not a duration or the ends are in the wrong order.

    Example:
        >>> parse_span("100ns..1us")
        Span(lo_ns=100, hi_ns=1000)
    """
    parts = text.split("..")
    if len(parts) > 2:
        raise TimeFormatError(text, "a span has two ends")
    ends = [parse_ns(part) for part in parts]
    if ends[0] > ends[-1]:
        raise TimeFormatError(text, "the first end is later than the second")
    return Span(ends[0], ends[-1])


def format_ns(value_ns: int) -> str:
    """Return the duration with the largest unit that needs at most three decimals.

    The text is exact: `parse_ns` gives the value back.

    Example:
        >>> format_ns(1500), format_ns(999), format_ns(1_234_567)
        ('1.5us', '999ns', '1234.567us')
    """
    for unit, scale in (("s", SECOND), ("ms", MS), ("us", US)):
        if value_ns >= scale and value_ns % (scale // 1000) == 0:
            whole, thousandths = divmod(value_ns // (scale // 1000), 1000)
            decimals = f".{thousandths:03d}".rstrip("0") if thousandths else ""
            return f"{whole}{decimals}{unit}"
    return f"{value_ns}ns"
