"""Reading locations, interrupt pins and pass-through windows.

Source:
    QNX 7.0 and 8.0 hypervisor guides, vm/pass; QNX 7.1 hypervisor safety guide, vm/pass,
    for the interrupt flags; QNX 7.1 hypervisor guide, vdev_ref/options, for `loc` and
    `intr` of a vdev.
"""

import re

from ...model.base.errors import Place
from ...model.base.pci_address import PciAddress
from .arguments import Arguments
from .config import InterruptPin, Location, PassInterrupt, PassWindow, PciIds, Space
from .numbers import shown
from .options import ATTRIBUTES
from .tokens import Token

MAX_PIN = 1 << 16
_SPACES: dict[str, Space] = {"mem": "mem", "io": "io", "pci": "pci"}
_PCI = re.compile(r"(?P<bus>\w+):(?P<device>\w+)(?:\.(?P<function>\w+))?")
_ATTRIBUTE_TEXT = re.compile(r"[+-]?[a-z][a-z+-]*", re.IGNORECASE)
_MAX_IDENTIFIER = 0xFFFF
_OLD_FORM = "which was valid before QNX 7.0 (Hypervisor 2.0) only"
"""How messages name the release of a form; that 7.0 dropped it follows from its guide's pages."""


class Locations:
    """Turns the arguments of `loc` and `intr` into places for devices and lines.

    Args:
        arguments: Reads the numbers in them.
    """

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._collector = arguments.collector

    def location(self, word: Token, default: Space, *, may_be_pci: bool) -> Location | None:
        """Return where a vdev is; `None` if that is not a location.

        Args:
            word: The argument of `loc`.
            default: The space of a number without a prefix.
            may_be_pci: Without a prefix, `bus:device` is a PCI location.
        """
        space, rest = split_space(word.text)
        if space is None and may_be_pci and ":" in rest:
            space = "pci"
        space = space or default
        if space == "pci":
            pci = self._pci(rest, word.place)
            return None if pci is None else Location(word.place, "pci", pci=pci)
        if ":" in rest:
            self._refuse_space(word)
            return None
        if "," in rest:
            message = f"loc: {shown(word.text)} has a length, {_OLD_FORM}"
            remedy = f"write loc {word.text.partition(',')[0]}; the vdev knows its length"
            self._collector.error(word.place, message, word=word.text, remedy=remedy)
            return None
        errors = len(self._collector.errors)
        address = self._arguments.address(rest, word.place, "loc")
        if len(self._collector.errors) > errors:
            return None
        return Location(word.place, space, address)

    def pins(self, word: Token) -> tuple[InterruptPin, ...]:
        """Return the pins that the argument of a vdev's `intr` names."""
        pins = []
        for part in word.text.split(","):
            pic, colon, number = part.rpartition(":")
            if pic == "cpu" and not number.isdigit():
                message = f"intr: {shown(part)} names an input of the processor, {_OLD_FORM}"
                remedy = "write intr apic; an 8259 has no intr since then"
                self._collector.error(word.place, message, word=part, remedy=remedy)
                continue
            pin = self._pin(word, pic, number) if colon else self._bare_pin(word, part)
            if pin is not None:
                pins.append(pin)
        return tuple(pins)

    def interrupt(self, word: Token) -> PassInterrupt | None:
        """Return the line that the argument of a pass-through `intr` names."""
        left, equals, vector_text = word.text.partition("=")
        target, *flags = left.split(",")
        pic, colon, number = target.rpartition(":")
        pin = self._pin(word, pic, number) if colon else self._bare_pin(word, target)
        if pin is None:
            return None
        letters = "".join(flags)
        strange = [flag for flag in flags if flag not in ("t", "u")]
        if strange:
            message = f"intr: unknown flag {shown(strange[0])}"
            remedy = "write t to deliver through a thread or u to unmask at once"
            self._collector.error(word.place, message, word=word.text, remedy=remedy)
            return None
        vector = None
        if equals:
            vector = self._arguments.integer(vector_text, word.place, "intr: host vector", MAX_PIN)
        return PassInterrupt(word.place, pin.pic, pin.number, vector, letters)

    def window(self, word: Token) -> PassWindow | None:
        """Return the window that the argument of a pass-through `loc` names."""
        space, rest = split_space(word.text)
        if space == "pci":
            return self._pci_window(word, rest)
        guest_text, equals, host_text = rest.partition("=")
        host_space, host_rest = split_space(host_text)
        if ":" in guest_text or ":" in host_rest or host_space not in (None, space or "mem"):
            self._refuse_space(word)
            return None
        errors = len(self._collector.errors)
        address, length, attributes, removed = self._window_parts(word, guest_text)
        host = address
        if equals:
            host = self._arguments.address(host_rest, word.place, "pass: host address")
        if len(self._collector.errors) > errors:
            return None
        return PassWindow(
            word.place,
            word.text,
            space or "mem",
            guest=address,
            length=length,
            host=host,
            attributes=attributes,
            removed=removed,
        )

    def span(
        self, word: Token, what: str, *, start_needed: bool = False
    ) -> tuple[int | None, int | None]:
        """Return start and length of `[start,]length`; `None` for what is left out or wrong."""
        parts = word.text.split(",")
        if len(parts) > 2 or (len(parts) == 1 and start_needed):
            message = f"{what}: {shown(word.text)} is not a start and a length"
            remedy = f"write {what} start,length"
            self._collector.error(word.place, message, word=word.text, remedy=remedy)
            return None, None
        start = None
        if len(parts) == 2:
            start = self._arguments.address(parts[0], word.place, f"{what} start")
        return start, self._arguments.address(parts[-1], word.place, f"{what} length")

    def _window_parts(self, word: Token, text: str) -> tuple[int | None, int | None, str, str]:
        parts = text.split(",")
        address = self._arguments.address(parts[0], word.place, "pass: address")
        rest = parts[1:]
        length: int | None = None
        if rest and not _ATTRIBUTE_TEXT.fullmatch(rest[0]):
            length = self._arguments.address(rest[0], word.place, "pass: length")
            rest = rest[1:]
        attributes, removed = self._attributes(word, rest[0]) if rest else ("", "")
        if rest[1:]:
            message = f"pass: {shown(rest[1])} stands behind the attributes"
            remedy = "write address,length,attributes=host"
            self._collector.error(word.place, message, word=rest[1], remedy=remedy)
        return address, length, attributes, removed

    def _attributes(self, word: Token, text: str) -> tuple[str, str]:
        """Return the letters that are set and those that are removed.

        A letter behind `+` is added, one behind `-` removed, the last mention counting.
        """
        given, sign = {}, "+"
        for letter in text.lower():
            if letter in "+-":
                sign = letter
            elif letter in ATTRIBUTES:
                given[letter] = sign
            else:
                message = f"pass: unknown attribute {shown(letter)} in {shown(text)}"
                remedy = f"the attributes are {', '.join(ATTRIBUTES)}, and + and - before them"
                self._collector.error(word.place, message, word=text, remedy=remedy)
                return "", ""
        added = "".join(letter for letter in ATTRIBUTES if given.get(letter) == "+")
        return added, "".join(letter for letter in ATTRIBUTES if given.get(letter) == "-")

    def _pci_window(self, word: Token, text: str) -> PassWindow | None:
        left, equals, right = text.partition("=")
        left, *rest = left.split(",")
        attributes, removed = self._attributes(word, rest[-1]) if rest else ("", "")
        if rest:
            message = "attribute letters do not belong to a PCI function; they have no effect"
            remedy = "leave them out; a PCI function is taken to write memory"
            self._collector.note(word.place, message, word=word.text, remedy=remedy)
        right_space, right = split_space(right)
        host_text = right if equals else left
        errors = len(self._collector.errors)
        guest = self._pci(left, word.place) if equals or "/" not in left else None
        host = ids = None
        if "/" in host_text:
            ids = self._pci_ids(host_text, word.place)
        else:
            host = self._pci(host_text, word.place) if equals else guest
        if right_space not in (None, "pci"):
            self._refuse_space(word)
        if len(self._collector.errors) > errors:
            return None
        return PassWindow(
            word.place,
            word.text,
            "pci",
            attributes=attributes,
            removed=removed,
            pci_guest=guest,
            pci_host=host,
            pci_ids=ids,
        )

    def _pci(self, text: str, place: Place) -> PciAddress | None:
        match = _PCI.fullmatch(text)
        if match is None:
            message = f"{shown(text)} is no PCI location"
            self._collector.error(
                place, message, word=text, remedy="write pci:bus:device or pci:bus:device.function"
            )
            return None
        bus = self._arguments.integer(match["bus"], place, "PCI bus", 255)
        device = self._arguments.integer(match["device"], place, "PCI device", 31)
        function = self._arguments.integer(match["function"] or "0", place, "PCI function", 7)
        if bus is None or device is None or function is None:
            return None
        return PciAddress(bus, device, function)

    def _pci_ids(self, text: str, place: Place) -> PciIds | None:
        parts = text.split("/")
        if len(parts) > 3:
            message = f"{shown(text)} has more than vendor/device/index"
            remedy = "write vendor/device or vendor/device/index"
            self._collector.error(place, message, word=text, remedy=remedy)
            return None
        names = ("PCI vendor", "PCI device", "PCI index")
        values = []
        for part, name in zip(parts, names, strict=False):
            value = self._arguments.integer(part, place, name, _MAX_IDENTIFIER)
            if value is None:
                return None
            values.append(value)
        return PciIds(*values)

    def _pin(self, word: Token, pic: str, number_text: str) -> InterruptPin | None:
        number = self._arguments.integer(number_text, word.place, "intr: pin", MAX_PIN)
        if number is None:
            return None
        return InterruptPin(word.place, pic, number)

    def _bare_pin(self, word: Token, part: str) -> InterruptPin | None:
        if part.isidentifier() or part.replace("-", "_").isidentifier():
            return InterruptPin(word.place, part)
        message = f"intr: {shown(part)} does not say which controller"
        remedy = f"write controller:pin, such as gic:{part}" if part.isdigit() else ""
        self._collector.error(word.place, message, word=part, remedy=remedy)
        return None

    def _refuse_space(self, word: Token) -> None:
        message = f"{shown(word.text)} names no space that fits here"
        remedy = "the spaces are mem:, io: and pci:"
        self._collector.error(word.place, message, word=word.text, remedy=remedy)


def split_space(text: str) -> tuple[Space | None, str]:
    """Return the space that a location begins with, if any, and what follows it.

    Example:
        >>> split_space("io:0x3f8"), split_space("0:1.0")
        (('io', '0x3f8'), (None, '0:1.0'))
    """
    prefix, colon, rest = text.partition(":")
    space = _SPACES.get(prefix.lower()) if colon else None
    return (None, text) if space is None else (space, rest)
