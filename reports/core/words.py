"""Functions for text that all reports share."""

from ...model.base.clock import MS, NS, SECOND, US

_UNITS = (("s", SECOND), ("ms", MS), ("us", US), ("ns", NS))


EXACT = 19
"""As many digits as any number of nanoseconds in a trace has."""


def printable(text: str) -> str:
    """Return the text with every character that cannot be printed replaced by `?`.

    Names come from users' files; an escape sequence in one must not reach a terminal, and a
    control character would make an SVG file unreadable.
    """
    return "".join(character if character.isprintable() else "?" for character in text)


def shortened(text: str, length: int) -> str:
    """Return the text, printable, cut to at most `length` characters with an ellipsis.

    Example:
        >>> shortened("quiesce-eth0", 8)
        'quiesce…'
    """
    text = printable(text)
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


def squeezed(text: str, length: int) -> str:
    """Return the text, printable, cut in its middle to at most `length` characters.

    Names that begin and end alike differ in this form more often than in that of `shortened`.

    Example:
        >>> squeezed("qvm178.virtio-net_qvm178.driver", 20)
        'qvm178.vir…78.driver'
    """
    text = printable(text)
    if len(text) <= length:
        return text
    head = length // 2
    tail = max(length - head - 1, 0)
    return f"{text[:head]}…{text[len(text) - tail :]}"


def about_ns(value_ns: int, digits: int = 4) -> str:
    """Return a duration or instant in its largest unit, rounded down to so many digits.

    Example:
        >>> about_ns(1_234_567), about_ns(1_234_567, 7), about_ns(312_000)
        ('1.234ms', '1.234567ms', '312us')
    """
    unit, scale = next(pair for pair in _UNITS if value_ns >= pair[1] or pair[1] == 1)
    keep = 10 ** max(len(str(value_ns)) - digits, 0)
    whole, rest = divmod(value_ns // keep * keep, scale)
    decimals = f".{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}{decimals}{unit}"
