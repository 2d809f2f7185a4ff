"""Numbers, truth values and system-page names as `qvm` configurations write them.

Source:
    QNX 8.0 hypervisor guide, vm/set (types of values), vm/ram (multiples) and vm/pass
    (`$asinfo_start`, `$asinfo_length`).
"""

import re
from collections.abc import Mapping

import msgspec

from ...model.base.errors import QuiesceError, nearest

MULTIPLES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
LARGEST = (1 << 64) - 1
_LONGEST = 40
_NUMBER = re.compile(
    r"(?:0x(?P<hex>[0-9a-f]+)|0d(?P<forced>\d+)|(?P<bare>\d+))(?P<unit>[kmg]?)", re.ASCII
)
_ASINFO = re.compile(r"\$asinfo_(?P<end>start|length)\{(?P<name>[^{}]*)\}")
_HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)

TRUTH = {
    "on": 1,
    "1": 1,
    "yes": 1,
    "true": 1,
    "off": 0,
    "0": 0,
    "no": 0,
    "false": 0,
}
"""Every way to write a truth value."""

AsinfoRange = tuple[int, int]
"""Start and length in bytes of an entry of the system page's address space information."""


class NumberError(QuiesceError):
    """A word that is not the number it should be.

    Args:
        message: What is wrong with it, as a clause.
        remedy: What to write instead; may be empty.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(message, remedy)

    def __str__(self) -> str:
        """Give the message and the remedy."""
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class Number(msgspec.Struct, frozen=True):
    """A number and how sure its reading is.

    Attributes:
        value: The number; `None` if it names the system page and none was given.
        bare: It is decimal without a prefix or a multiple, and above 9.
    """

    value: int | None
    bare: bool = False


def parse_number(text: str, *, forced_decimal: bool = False) -> Number:
    """Return the number that a word means.

    Args:
        text: Such as `0x1c0d0000`, `512M` or `41`.
        forced_decimal: The prefix `0d` is allowed, as it is for addresses.

    Raises:
        NumberError: If it is not a number or needs more than 64 bits.

    Example:
        >>> parse_number("0x10").value, parse_number("64k").value
        (16, 65536)
    """
    match = _NUMBER.fullmatch(text.lower()) if len(text) <= _LONGEST else None
    if match is None or (match["forced"] and not forced_decimal):
        raise NumberError(f"{shown(text)} is not a number", _hint(text))
    digits = match["hex"] or match["forced"] or match["bare"]
    value = int(digits, 16 if match["hex"] else 10) * MULTIPLES.get(match["unit"], 1)
    if value > LARGEST:
        raise NumberError(f"{shown(text)} needs more than 64 bits")
    bare = match["bare"] is not None and not match["unit"] and value > 9
    return Number(value, bare)


def parse_address(text: str, asinfo: Mapping[str, AsinfoRange] | None) -> Number:
    """Return the address or length that a word means, system-page names looked up.

    Args:
        text: A number, or `$asinfo_start{name}` or `$asinfo_length{name}`.
        asinfo: The system page's entries; `None` if they are not known.

    Raises:
        NumberError: If it is not a number or names an entry that does not exist.
    """
    match = _ASINFO.fullmatch(text)
    if match is None:
        if text.startswith("$"):
            raise NumberError(
                f"{shown(text)} is not a substitution",
                "write $asinfo_start{name} or $asinfo_length{name}",
            )
        return parse_number(text, forced_decimal=True)
    if asinfo is None:
        return Number(None)
    entry = asinfo.get(match["name"])
    if entry is None:
        raise NumberError(
            f"the system page has no entry {shown(match['name'])}", _known(match, asinfo)
        )
    return Number(entry[0 if match["end"] == "start" else 1])


def parse_truth(text: str, *, tristate: bool = False) -> int | None:
    """Return 1 or 0, or `None` for the `auto` of a tristate.

    Raises:
        NumberError: If the word is no truth value.
    """
    if tristate and text == "auto":
        return None
    if text not in TRUTH:
        words = "on, off, yes, no, true, false, 1, 0" + (", auto" if tristate else "")
        raise NumberError(f"{shown(text)} is neither true nor false", f"write one of {words}")
    return TRUTH[text]


def shown(text: str) -> str:
    """Return a word as an error message shows it: quoted, printable and not too long.

    Example:
        >>> shown("virtio-blck")
        "'virtio-blck'"
    """
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _known(match: re.Match[str], asinfo: Mapping[str, AsinfoRange]) -> str:
    close = nearest(match["name"], asinfo)
    if close:
        return f"did you mean {shown(close)}?"
    names = ", ".join(sorted(asinfo)[:8])
    return f"it has {names}" if names else "it has no entries"


def _hint(text: str) -> str:
    lowered = text.lower()
    if _HEX.fullmatch(text) and len(text) <= 16:
        return f"write 0x{lowered} for a hexadecimal number"
    if lowered.startswith("0d"):
        return "the prefix 0d is for addresses only"
    if re.fullmatch(r"\d+[a-z]+", lowered):
        return "the multiples are K, M and G"
    return ""
