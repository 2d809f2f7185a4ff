"""What the resolver reads from a `pass` entry: its line, and the words that name it."""

from ..format.diagnostics import Diagnostics
from ..qvmconf.config import InterruptPin, PassConfig, PassInterrupt
from ..qvmconf.locations import split_space
from ..qvmconf.numbers import NumberError, parse_address
from ..qvmconf.pass_groups import JOINED
from .guests import GuestEntry


def note_joined(guests: tuple[GuestEntry, ...], diagnostics: Diagnostics) -> None:
    """Note each line that stands in a `pass` of its own and is taken to belong to windows."""
    for guest in guests:
        for note in guest.config.notes:
            if note.word == JOINED:
                basis = f"assumed: {note.message} (line {note.place.line})"
                diagnostics.assume(f"{guest.name}.pass", "joined", basis)


def used_line(passed: PassConfig) -> PassInterrupt | None:
    """Return which `intr` of a `pass` entry its device uses: the first whose vector is known."""
    known = [line for line in passed.interrupts if line.host_vector is not None]
    return next(iter(known or passed.interrupts), None)


def host_vector(passed: PassConfig) -> int | None:
    """Return the first host vector of a `pass` entry that is known from it alone."""
    line = used_line(passed)
    return None if line is None else line.host_vector


def left_out(entry: PassConfig) -> str:
    """Return why no device of the platform stands for an entry that writes no memory."""
    pins = ", ".join(
        str(InterruptPin(line.place, line.pic, line.number)) for line in entry.interrupts
    )
    where = f"line {entry.place.line}"
    if not entry.windows:
        return f"the platform has no device for {pins} ({where}); the line is left out"
    also = f"; the platform has no device for {pins}, which is left out as well" if pins else ""
    return f"its windows are marked n ({where}){also}"


def is_meant(passed: PassConfig, word: str | int) -> bool:
    """Return whether a platform device names this `pass` entry with the word."""
    number = _number(word)
    if number is None and isinstance(word, str) and passed.kind in ("memory", "io"):
        space, text = split_space(word)
        host = _number(text)
        if host is not None:
            # Numbers are compared, not their spelling.
            return any(
                window.host == host and space in (None, window.space) for window in passed.windows
            )
    if number is not None:
        hosts = [window.host for window in passed.windows]
        return number in hosts or number in [line.host_vector for line in passed.interrupts]
    spellings = {passed.label}
    for window in passed.windows:
        spellings |= {window.label, window.text}
        spellings |= {str(spot) for spot in (window.pci_guest, window.pci_host, window.pci_ids)}
    return word in spellings


def _number(word: str | int) -> int | None:
    if isinstance(word, int):
        return word
    try:
        return parse_address(word, None).value
    except NumberError:
        return None
