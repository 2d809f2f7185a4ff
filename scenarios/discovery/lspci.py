"""What `lspci` shows in a Linux guest: its text, and the hex dump that `lspci -F` reads.

The listing is that of `lspci -nnv`, the dump that of `lspci -xxx`; both were compared with
pciutils 3.9.  They show the functions as they are after power-on, before a guest has placed
BARs or enabled anything.

A dump can hold only bytes that are known.  A function of which more is unknown than known is
left out of it, with a comment that says so; the program skips comments.

Source:
    PCI Local Bus 3.0, 6.2 and 6.8.2; VIRTIO 1.2, 4.1.4; pciutils 3.9, lspci(8).
"""

from collections.abc import Iterable, Iterator

from ...model.base.pci_address import PciAddress
from ...model.pci.pci_ids import lspci_class, lspci_ids
from ...model.pci.walk import FoundCapability, FoundFunction
from ...model.virtio.msix import MSIX_ENABLE, MSIX_MASKALL, PCI_CAP_ID_MSIX
from ...model.virtio.pci_function import (
    BAR_COUNT,
    CONFIG_SPACE_SIZE,
    PCI_BASE_ADDRESS_0,
    PCI_BASE_ADDRESS_MEM_PREFETCH,
    PCI_BASE_ADDRESS_MEM_TYPE_64,
    PCI_BASE_ADDRESS_SPACE_IO,
)
from ...model.virtio.pci_transport import (
    PCI_CAP_ID_VNDR,
    VIRTIO_PCI_CAP_COMMON_CFG,
    VIRTIO_PCI_CAP_DEVICE_CFG,
    VIRTIO_PCI_CAP_ISR_CFG,
    VIRTIO_PCI_CAP_NOTIFY_CFG,
)

_VIRTIO_STRUCTURES = {
    VIRTIO_PCI_CAP_COMMON_CFG: "CommonCfg",
    VIRTIO_PCI_CAP_NOTIFY_CFG: "Notify",
    VIRTIO_PCI_CAP_ISR_CFG: "ISR",
    VIRTIO_PCI_CAP_DEVICE_CFG: "DeviceCfg",
}
"""Those that the program knows; it calls the window of PCI_CFG unknown."""


def lspci_listing(found: Iterable[FoundFunction]) -> str:
    """Return the text of `lspci -nnv`."""
    return "".join("".join(f"{line}\n" for line in _verbose(each)) + "\n" for each in found)


def lspci_dump(found: Iterable[FoundFunction]) -> str:
    """Return the text of `lspci -xxx`, which is the input of `lspci -F`."""
    return "".join("".join(f"{line}\n" for line in _dumped(each)) + "\n" for each in found)


def slot_name(address: PciAddress) -> str:
    """Return bus, device and function as `lspci` writes them."""
    return f"{address.bus:02x}:{address.device:02x}.{address.function:x}"


def summary_line(function: FoundFunction, *, with_numbers: bool = True) -> str:
    """Return the one line that `lspci`, or `lspci -nn`, shows of a function."""
    where = slot_name(function.address)
    if function.class_code is None:
        what = "Class [????]" if with_numbers else "Class ????"
    else:
        what = lspci_class(function.class_code, with_numbers=with_numbers)
    if function.vendor_id is None or function.device_id is None:
        ids = "Device [????:????]" if with_numbers else "Device ????:????"
    else:
        ids = lspci_ids(function.vendor_id, function.device_id, with_numbers=with_numbers)
    revision = f" (rev {function.revision:02x})" if function.revision else ""
    return f"{where} {what}: {ids}{revision}"


def _verbose(function: FoundFunction) -> Iterator[str]:
    yield summary_line(function)
    vendor, device = function.subsystem_vendor_id, function.subsystem_id
    if vendor is None or device is None:
        yield "\t(the rest of its configuration space only the hardware knows)"
        return
    if vendor not in (0, 0xFFFF):
        yield f"\tSubsystem: {_subsystem(vendor, device)}"
    yield "\tFlags: fast devsel"
    if function.space:
        yield from _regions(function.space)
    for capability in function.capabilities:
        yield f"\tCapabilities: [{capability.offset:02x}] {_capability(function, capability)}"


def _subsystem(vendor: int, device: int) -> str:
    return f"{lspci_ids(vendor, device, with_numbers=True)}"


def _regions(space: bytes) -> Iterator[str]:
    """Yield the lines of the BARs; a dump shows a BAR that reads as 0 like a missing one."""
    index = 0
    while index < BAR_COUNT:
        start = PCI_BASE_ADDRESS_0 + 4 * index
        value = int.from_bytes(space[start : start + 4], "little")
        is_io = bool(value & PCI_BASE_ADDRESS_SPACE_IO)
        is_64bit = not is_io and bool(value & PCI_BASE_ADDRESS_MEM_TYPE_64)
        if is_io:
            yield "\tI/O ports at <unassigned> [disabled]"
        elif value:
            width = "64-bit" if is_64bit else "32-bit"
            is_prefetchable = bool(value & PCI_BASE_ADDRESS_MEM_PREFETCH)
            kind = "prefetchable" if is_prefetchable else "non-prefetchable"
            yield f"\tMemory at <unassigned> ({width}, {kind}) [disabled]"
        index += 2 if is_64bit else 1


def _capability(function: FoundFunction, capability: FoundCapability) -> str:
    data = capability.data
    if capability.capability_id == PCI_CAP_ID_MSIX:
        control = int.from_bytes(data[2:4], "little")
        enable = "+" if control & MSIX_ENABLE else "-"
        masked = "+" if control & MSIX_MASKALL else "-"
        return f"MSI-X: Enable{enable} Count={(control & 0x7FF) + 1} Masked{masked}"
    if capability.capability_id == PCI_CAP_ID_VNDR and function.virtio_id is not None:
        structure = _VIRTIO_STRUCTURES.get(data[3], "<unknown>")
        return f"Vendor Specific Information: VirtIO: {structure}"
    return f"Capability ID {capability.capability_id:#04x} [{data[2]:04x}]"


def _dumped(function: FoundFunction) -> Iterator[str]:
    summary = summary_line(function, with_numbers=False)
    if not function.space:
        yield f"# {summary} is left out: part of its configuration space only the hardware knows"
        return
    yield summary
    for start in range(0, CONFIG_SPACE_SIZE, 16):
        row = function.space[start : start + 16]
        yield f"{start:02x}: {' '.join(f'{byte:02x}' for byte in row)}"
