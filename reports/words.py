"""Small matters of text that all reports share."""

from ..model.clock import MS, SECOND, US, format_ns

_DIGITS = 4


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


def about_ns(value_ns: int) -> str:
    """Return a duration or instant in at most four digits, rounded down; exact if it is short.

    Example:
        >>> about_ns(1_234_567), about_ns(312_000)
        ('1.234ms', '312us')
    """
    exact = format_ns(value_ns)
    if sum(character.isdigit() for character in exact) <= _DIGITS:
        return exact
    scale = next(unit for unit in (SECOND, MS, US, 1) if value_ns >= unit)
    keep = 10 ** max(len(str(value_ns)) - _DIGITS, 0)
    rounded = value_ns // keep * keep
    whole, rest = divmod(rounded, scale)
    decimals = f"{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else ""
    unit = {SECOND: "s", MS: "ms", US: "us", 1: "ns"}[scale]
    return f"{whole}.{decimals}{unit}" if decimals else f"{whole}{unit}"
