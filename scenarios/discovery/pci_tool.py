"""The listing of `pci-tool -v` in a QNX guest.

Source:
    QNX 7.1 hypervisor guide, virtio guest: wording, order and indents.  How the program would
    show what is not known here is not documented; question marks are ours.
"""

from collections.abc import Iterable

from ...model.pci.pci_ids import pci_tool_class, pci_tool_ids
from ...model.pci.walk import FoundFunction

_LABEL = " " * 8
_TEXT = " " * 16
_HARDWARE = "<only the hardware knows>"


def pci_tool_listing(found: Iterable[FoundFunction]) -> str:
    """Return the listing, with a blank line between functions."""
    return "\n".join(_entry(function) for function in found)


def _entry(function: FoundFunction) -> str:
    at = function.address
    lines = [
        f"B{at.bus:03}:D{at.device:02}:F{at.function:02} @ idx {function.index}",
        f"{_LABEL}vid/did: {_hex(function.vendor_id)}/{_hex(function.device_id)}",
        f"{_TEXT}{_names(function)}",
        f"{_LABEL}class/subclass/reg: {_class(function.class_code)}",
        f"{_TEXT}{_class_name(function.class_code)}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _hex(value: int | None) -> str:
    return "????" if value is None else f"{value:04x}"


def _names(function: FoundFunction) -> str:
    if function.vendor_id is None or function.device_id is None:
        return _HARDWARE
    return pci_tool_ids(function.vendor_id, function.device_id)


def _class(class_code: int | None) -> str:
    if class_code is None:
        return "??/??/??"
    return "/".join(f"{byte:02x}" for byte in class_code.to_bytes(3, "big"))


def _class_name(class_code: int | None) -> str:
    return _HARDWARE if class_code is None else pci_tool_class(class_code)
