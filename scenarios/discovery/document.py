"""Everything about the discovery of a machine's devices as one document for programs.

Addresses, identifiers and sizes come twice: as a number and as text in hexadecimal.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from ...model.base.errors import ConfigError
from ...model.pci.pci_ids import pci_tool_class, pci_tool_ids
from ...model.pci.walk import FoundCapability, FoundFunction
from ...model.virtio.msix import PCI_CAP_ID_MSIX
from ...model.virtio.pci_transport import PCI_CAP_ID_VNDR
from ..qvmconf.config import VmConfig
from .assembly import PCI_NUMBERING, DirectDevice, GuestHardware
from .driver_lines import direct_line, function_line
from .fdt import interrupt_cells
from .guests import GuestName, guest_devices
from .remarks import remarks_on

Document = dict[str, Any]


def discovery_document(
    config: VmConfig,
    hardware: GuestHardware,
    found: Sequence[FoundFunction],
    *,
    bus_scan_limit: int,
    guests: Sequence[GuestName],
) -> Document:
    """Return the document; it encodes to JSON.

    Args:
        config: The machine.
        hardware: What its guest can find.
        found: What the guest's PCI server has found.
        bus_scan_limit: Up to which bus it looked.
        guests: Whose view is included.
    """
    return {
        "system": config.name,
        "bus_scan_limit": bus_scan_limit,
        "pci": [_function(each, hardware, found) for each in found],
        "direct": [_direct(each) for each in hardware.direct],
        "guests": {
            guest: [msgspec.to_builtins(each) for each in guest_devices(guest, hardware, found)]
            for guest in guests
        },
        "remarks": list(remarks_on(hardware, found, bus_scan_limit)),
        "open_questions": [msgspec.to_builtins(PCI_NUMBERING)],
    }


def number(value: int | None, digits: int = 0) -> Document | None:
    """Return a number with its hexadecimal text; `None` stays `None`."""
    if value is None:
        return None
    return {"value": value, "hex": f"0x{value:0{digits}x}"}


def _function(
    function: FoundFunction, hardware: GuestHardware, found: Sequence[FoundFunction]
) -> Document:
    at = function.address
    vendor, device, code = function.vendor_id, function.device_id, function.class_code
    line = function_line(function, found)
    return {
        "index": function.index,
        "bus": at.bus,
        "device": at.device,
        "function": at.function,
        "origin": hardware.bus.slots[at].origin,
        "vendor_id": number(vendor, 4),
        "device_id": number(device, 4),
        "names": None if vendor is None or device is None else pci_tool_ids(vendor, device),
        "class_code": number(code, 6),
        "class_name": None if code is None else pci_tool_class(code),
        "revision": function.revision,
        "subsystem_vendor_id": number(function.subsystem_vendor_id, 4),
        "subsystem_id": number(function.subsystem_id, 4),
        "virtio_device_type": function.virtio_id,
        "interrupt_pin": function.interrupt_pin,
        "bars": [
            {
                "index": bar.index,
                "size": number(bar.size),
                "address": number(bar.address) if bar.address else None,
                "io": bar.is_io,
                "64bit": bar.is_64bit,
                "prefetchable": bar.is_prefetchable,
            }
            for bar in function.bars
        ],
        "capabilities": [_capability(each) for each in function.capabilities],
        "qnx_driver_line": line.command or None,
        "remark": line.remark,
    }


def _capability(capability: FoundCapability) -> Document:
    data = capability.data
    document: Document = {
        "id": number(capability.capability_id, 2),
        "offset": number(capability.offset, 2),
    }
    if capability.capability_id == PCI_CAP_ID_MSIX:
        table, pending = _word(data, 4), _word(data, 8)
        document["msix"] = {
            "vectors": (int.from_bytes(data[2:4], "little") & 0x7FF) + 1,
            "table": {"bar": table & 7, "offset": number(table & ~7)},
            "pending_bits": {"bar": pending & 7, "offset": number(pending & ~7)},
        }
    elif capability.capability_id == PCI_CAP_ID_VNDR and len(data) >= 16:
        document["virtio"] = {
            "type": data[3],
            "bar": data[4],
            "offset": number(_word(data, 8)),
            "length": number(_word(data, 12)),
        }
    return document


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _direct(device: DirectDevice) -> Document:
    line = direct_line(device)
    return {
        "type": device.type,
        "name": device.name,
        "place": str(device.place),
        "space": device.space,
        "address": number(device.address),
        "length": number(device.length),
        "interrupts": [{"controller": pin.pic, "number": pin.number} for pin in device.pins],
        "device_tree_interrupts": _tree_interrupts(device),
        "qnx_driver_line": line.command or None,
        "remark": line.remark,
    }


def _tree_interrupts(device: DirectDevice) -> list[int] | None:
    """Return the cells of the `interrupts` property, or `None` if a tree cannot have them."""
    try:
        return [cell for pin in device.pins for cell in interrupt_cells(pin)]
    except ConfigError:
        return None
