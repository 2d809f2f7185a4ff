"""Reading the arguments of options by their kinds.

Source:
    QNX 8.0 hypervisor guide, vm/set (types) and vm/cpu (scheduling); QNX 7.1 hypervisor
    guide, the vdev_ref pages named in `vdev_types`.
"""

import re
from collections.abc import Callable, Mapping

from ...model.base.errors import Place, nearest
from .collector import Collector
from .config import HostEndpoint, OptionValue
from .numbers import (
    LARGEST,
    AsinfoRange,
    Number,
    NumberError,
    parse_address,
    parse_number,
    parse_truth,
    shown,
)
from .options import LOG_FILTERS, ArgumentKind, OptionSpec
from .tokens import Token

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_PRIORITY = re.compile(r"(?P<priority>\d{1,3})[rfo]?", re.ASCII)
_SPORADIC = re.compile(r"\d{1,3},\d{1,3},\d+,\d+,\d+s", re.ASCII)
_HIGHEST_PRIORITY = 255
_CLONE = re.compile(r"pci:\w+:\w+(\.\w+)?")


class Arguments:
    """Turns words into values and reports those that are none.

    Args:
        collector: Gets the problems.
        asinfo: Entries of the system page; `None` if they are not known.
    """

    def __init__(self, collector: Collector, asinfo: Mapping[str, AsinfoRange] | None) -> None:
        self.collector = collector
        self._asinfo = asinfo

    def option(self, name: Token, spec: OptionSpec, words: list[Token]) -> OptionValue:
        """Return an option with its arguments, each checked against its kind."""
        numbers: list[int] = []
        for kind, word in zip(spec.arguments, words, strict=True):
            try:
                numbers.extend(_READERS[kind](self, word, spec))
            except NumberError as error:
                message = f"{spec.name}: {error.message}"
                self.collector.error(word.place, message, word=word.text, remedy=error.remedy)
        if spec.advice:
            self.collector.note(name.place, spec.advice, word=name.text)
        texts = tuple(word.text for word in words)
        return OptionValue(spec.name, name.place, texts, tuple(numbers))

    def address(self, text: str, place: Place, what: str) -> int | None:
        """Return an address or a length; `None` if it is wrong or cannot be resolved."""
        try:
            return self.resolved(text, place)
        except NumberError as error:
            self.collector.error(place, f"{what}: {error.message}", word=text, remedy=error.remedy)
            return None

    def resolved(self, text: str, place: Place) -> int | None:
        """Return an address or a length; `None` if it cannot be resolved.

        Raises:
            NumberError: If it is neither.
        """
        number = parse_address(text, self._asinfo)
        self._mention(number, text, place)
        return number.value

    def integer(self, text: str, place: Place, what: str, highest: int) -> int | None:
        """Return a number from 0 to `highest`; `None` if it is wrong."""
        try:
            return _bounded(text, 0, highest)
        except NumberError as error:
            self.collector.error(place, f"{what}: {error.message}", word=text, remedy=error.remedy)
            return None

    def endpoint(self, word: Token) -> HostEndpoint:
        """Return a host end point: a path with `<` for reading or `>` for writing only."""
        marks = {"<": "read", ">": "write"}
        mode = marks.get(word.text[:1], "both")
        path = word.text if mode == "both" else word.text[1:]
        if not path:
            message = f"hostdev: {shown(word.text)} names nothing in the host"
            self.collector.error(word.place, message, word=word.text, remedy="write a path")
        if mode == "read":
            return HostEndpoint(word.place, path, "read")
        return HostEndpoint(word.place, path, "write" if mode == "write" else "both")

    def _mention(self, number: Number, text: str, place: Place) -> None:
        if number.value is None:
            reason = "no system page was given to look it up in"
            self.collector.not_modelled(place, text, reason)
        elif number.bare:
            self.collector.note(
                place,
                f"{text} has no prefix where an address or length stands; it is read as decimal",
                word=text,
                remedy=f"write {number.value:#x} or 0d{text}, or 0x{text} if that was meant",
            )


def _bounded(text: str, lowest: int, highest: int) -> int:
    value = parse_number(text).value
    assert value is not None, "only a system-page name has no value"
    if not lowest <= value <= highest:
        raise NumberError(f"{shown(text)} is not in {lowest}..{highest}")
    return value


def _number(_: Arguments, word: Token, spec: OptionSpec) -> tuple[int, ...]:
    return (_bounded(word.text, spec.lowest, spec.highest),)


def _numbers(_: Arguments, word: Token, spec: OptionSpec) -> tuple[int, ...]:
    return tuple(_bounded(part, 0, spec.highest) for part in word.text.split(","))


def _mask(_: Arguments, word: Token, spec: OptionSpec) -> tuple[int, ...]:
    """A number, or a change of the default: `+` sets its bits and `-` clears them."""
    return (_bounded(word.text.removeprefix("+").removeprefix("-"), 0, spec.highest),)


def _address(arguments: Arguments, word: Token, _: OptionSpec) -> tuple[int, ...]:
    value = arguments.resolved(word.text, word.place)
    return () if value is None else (value,)


def _text(_: Arguments, __: Token, ___: OptionSpec) -> tuple[int, ...]:
    return ()


def _boolean(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    value = parse_truth(word.text)
    assert value is not None
    return (value,)


def _tristate(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    value = parse_truth(word.text, tristate=True)
    return () if value is None else (value,)


def _word(_: Arguments, word: Token, spec: OptionSpec) -> tuple[int, ...]:
    require_word(word.text, spec.words)
    return ()


def _filters(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    for part in word.text.split(","):
        require_word(part, LOG_FILTERS)
    return ()


def _action(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    """QNX 8.0 hypervisor guide, vdev_wdt-sp805: `[dump,]terminate` or `fiq`."""
    require_word(word.text, ("terminate", "dump,terminate", "fiq"))
    return ()


def _delay(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    """Seconds; 0 tries once, and `forever` has no number."""
    if word.text == "forever":
        return ()
    try:
        return (_bounded(word.text, 0, LARGEST),)
    except NumberError:
        raise NumberError(f"{shown(word.text)} is no delay", "write seconds, or forever") from None


def _mac(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    if not _MAC.fullmatch(word.text):
        raise NumberError(
            f"{shown(word.text)} is no MAC address", "write six bytes such as aa:bb:cc:00:11:22"
        )
    return (int(word.text.replace(":", ""), 16),)


def _clone(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    if not _CLONE.fullmatch(word.text):
        raise NumberError(f"{shown(word.text)} is no PCI location", "write pci:bus:device.function")
    return ()


def _region(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    """QNX 8.0 hypervisor guide, share/share_mem_config: `create name,bytes`."""
    name, comma, length = word.text.rpartition(",")
    if not name or not comma:
        raise NumberError(f"{shown(word.text)} is no region", "write name,bytes")
    return (_bounded(length, 1, LARGEST),)


def _schedule(_: Arguments, word: Token, __: OptionSpec) -> tuple[int, ...]:
    """QNX 7.1 hypervisor guide, vm/cpu: `priority[r|f|o]`, or five sporadic parts and `s`."""
    if _SPORADIC.fullmatch(word.text):
        return tuple(int(part) for part in word.text[:-1].split(",") if len(part) < 20)
    match = _PRIORITY.fullmatch(word.text)
    if match is None or int(match["priority"]) > _HIGHEST_PRIORITY:
        raise NumberError(
            f"{shown(word.text)} is no scheduling",
            "write a priority with r, f or o, or high,low,replenishments,period,budget and s",
        )
    return (int(match["priority"]),)


def require_word(text: str, allowed: tuple[str, ...]) -> None:
    """Check that a word is one of those allowed.

    Raises:
        NumberError: If it is not; names the nearest, or all of them.
    """
    if text not in allowed:
        close = nearest(text, allowed)
        remedy = f"did you mean {close}?" if close else f"write one of {', '.join(allowed)}"
        raise NumberError(f"unknown word {shown(text)}", remedy)


_READERS: dict[ArgumentKind, Callable[[Arguments, Token, OptionSpec], tuple[int, ...]]] = {
    "text": _text,
    "pattern": _text,
    "clone": _clone,
    "location": _text,
    "pins": _text,
    "span": _text,
    "number": _number,
    "numbers": _numbers,
    "address": _address,
    "boolean": _boolean,
    "tristate": _tristate,
    "word": _word,
    "filters": _filters,
    "action": _action,
    "delay": _delay,
    "mac": _mac,
    "mask": _mask,
    "region": _region,
    "schedule": _schedule,
}
"""How each kind of argument is read; places are read by `locations`."""
