"""Reads the command lines of a QNX guest's virtio drivers.

        devb-virtio [blk OPTIONS] [cam OPTIONS] [virtio OPTIONS] [FS OPTIONS]
        devc-virtio [-OPTIONS] [LOCATION,IRQ]
        io-pkt-v4-hc | io-pkt-v6-hc  -d virtio [OPTIONS] ...

QNX does not document how the drivers read a number that begins with 0 (octal in C).  The check
reports such a number as a problem.

Source:
    QNX 7.1 utilities reference, devb-virtio, devc-virtio, devc-ser* and devnp-virtio.so.
"""

import re
import shlex
from collections.abc import Sequence

import msgspec

from ...model.base.errors import InputError, Place, Problem, nearest
from .driver_lines import DRIVERS, GuestDriverKind

COMMAND_LINE = Place("the driver line")

_GROUP_OPTIONS = ("smem", "irq", "pci", "qsize")
_NET_OPTIONS = ("smem", "irq", "pci", "mac", "name")
_TAKES_ARGUMENT = frozenset("bcnoutCIOST")
"""Serial driver options that are followed by a value."""

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|0|[1-9][0-9]*")
_LOCATION = re.compile(r"[0-9]\w*(,\w*)?")


class Attachment(msgspec.Struct, frozen=True):
    """Where an option makes a driver look for a device; all `None`: it looks for PCI functions.

    Attributes:
        address: Where its registers are.
        irq: Its interrupt.
        instance: Which PCI function of its kind, from 0.
    """

    address: int | None = None
    irq: int | None = None
    instance: int | None = None


def parse_driver_line(line: str) -> tuple[GuestDriverKind, list[Attachment], list[str]]:
    """Return the driver that a line starts, what it attaches to, and what is wrong in itself.

    Raises:
        InputError: If it is no command line of a known driver.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise _refused(f"cannot be split into words: {error}", line) from None
    if words and words[-1] == "&":
        words.pop()
    if not words:
        raise _refused("is empty", line, "give one such as devb-virtio virtio smem=0x...,irq=...")
    program = words[0].rsplit("/", 1)[-1]
    for driver in DRIVERS:
        if program in driver.programs:
            attachments, problems = _PARSERS[driver.syntax](words[1:])
            return driver, attachments, problems
    known = [name for driver in DRIVERS for name in driver.programs]
    close = nearest(program, known)
    remedy = f"did you mean {close}?" if close else f"the known ones are {', '.join(known)}"
    raise _refused(f"starts {program!r}, which is no driver known here", program, remedy)


def _refused(message: str, word: str, remedy: str = "") -> InputError:
    return InputError([Problem(COMMAND_LINE, message, word, remedy)])


def _group(words: Sequence[str]) -> tuple[list[Attachment], list[str]]:
    """Read `keyword options` pairs, of which those of `virtio` matter."""
    attachments: list[Attachment] = []
    problems: list[str] = []
    rest = list(words)
    while rest:
        keyword = rest.pop(0)
        if keyword.split("=")[0] in _GROUP_OPTIONS:
            problems.append(f"{keyword} does not stand behind the word virtio")
            continue
        options = rest.pop(0) if rest else ""
        if keyword != "virtio":
            continue
        if not options:
            problems.append("no option follows the word virtio")
            continue
        attachments += _options(options, _GROUP_OPTIONS, problems)
    return attachments or ([] if problems else [Attachment()]), problems


def _positional(words: Sequence[str]) -> tuple[list[Attachment], list[str]]:
    """Read options as getopt does, then `location,irq`."""
    problems: list[str] = []
    attachments: list[Attachment] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and len(word) > 1:
            if _wants_next(word) and rest:
                rest.pop(0)
            continue
        if not _LOCATION.fullmatch(word):
            problems.append(f"{word!r} is neither an option nor location,irq")
            continue
        location, _, irq = word.partition(",")
        address = _number("location", location, problems)
        number = _number("irq", irq, problems) if irq else None
        if address is not None and (number is not None or not irq):
            attachments.append(Attachment(address, number))
    return attachments or ([] if problems else [Attachment()]), problems


def _wants_next(word: str) -> bool:
    """Return whether an option word takes the next word as its value."""
    for place, letter in enumerate(word[1:], start=1):
        if letter in _TAKES_ARGUMENT:
            return place == len(word) - 1
    return False


def _io_pkt(words: Sequence[str]) -> tuple[list[Attachment], list[str]]:
    """Read every `-d virtio` with the options behind it."""
    problems: list[str] = []
    attachments: list[Attachment] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-d"):
            continue
        name = word[2:] or (rest.pop(0) if rest else "")
        options = rest.pop(0) if rest and not rest[0].startswith("-") else ""
        stem = name.rsplit("/", 1)[-1].removeprefix("devnp-").removesuffix(".so")
        if stem == "virtio":
            attachments += _options(options, _NET_OPTIONS, problems)
    if not attachments and not problems:
        problems.append("there is no -d virtio in it")
    return attachments, problems


def _options(text: str, known: Sequence[str], problems: list[str]) -> list[Attachment]:
    """Read `name=value,...`; options that cannot be read are reported and attach to nothing."""
    values: dict[str, int | None] = {}
    before = len(problems)
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if name not in known:
            close = nearest(name, known)
            hint = f"; did you mean {close}=?" if close else ""
            problems.append(f"{name!r} is no option of the driver{hint}")
        elif name in values:
            problems.append(f"{name}= is given twice")
        elif name in {"mac", "name"}:
            continue
        elif not equals or not value:
            problems.append(f"{name} has no value")
        else:
            values[name] = _number(name, value, problems)
    is_readable = len(problems) == before
    size = values.get("qsize")
    if size is not None and (size == 0 or size & (size - 1)):
        problems.append(f"qsize={size} is no power of 2")
    attachment = Attachment(values.get("smem"), values.get("irq"), values.get("pci"))
    return [attachment] if is_readable else []


def _number(name: str, text: str, problems: list[str]) -> int | None:
    if _NUMBER.fullmatch(text):
        return int(text, 0)
    if text.isdigit():
        why = "begins with 0, and may be read as octal"
    else:
        why = "is no number; a hexadecimal one begins with 0x"
    problems.append(f"{name}: {text!r} {why}")
    return None


_PARSERS = {"group": _group, "positional": _positional, "io-pkt": _io_pkt}
