"""Which QNX driver a guest starts for a device, and with which options.

The driver of a direct-mapped device gets address and interrupt as options.  The driver of a PCI
function looks for it.  If there are several of its kind, an option says which one it gets, counted
from 0.

Source:
    QNX 7.1 utilities reference, devb-virtio, devc-virtio and devnp-virtio.so; the last is for
    the io-pkt of QNX 7.  For other types no readable page gives a driver line.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from ...model.pci.walk import FoundFunction
from ...model.virtio.device_ids import VirtioDeviceId
from .assembly import SHARED_MEMORY_TYPE, DirectDevice

Syntax = Literal["group", "positional", "io-pkt"]


class GuestDriverKind(msgspec.Struct, frozen=True):
    """A driver program of a QNX guest.

    Attributes:
        programs: What it is called on a command line; the first is the one proposed.
        vdev: The vdev type that it drives.
        virtio_id: The same as a virtio device type.
        syntax: How it takes address and interrupt.
        line: Its line for a direct-mapped device, with `{address}` and `{irq}`.
        plain: Its line without options, which looks for PCI functions.
        indexed: Its line for one of several PCI functions, with `{instance}`; empty if it has none.
        creates: What appears in the guest, with `{number}`.
        source: The page.
    """

    programs: tuple[str, ...]
    vdev: str
    virtio_id: VirtioDeviceId
    syntax: Syntax
    line: str
    plain: str
    indexed: str
    creates: str
    source: str


BLOCK_DRIVER = GuestDriverKind(
    ("devb-virtio",),
    "virtio-blk",
    VirtioDeviceId.BLOCK,
    "group",
    "devb-virtio virtio smem={address:#x},irq={irq}",
    "devb-virtio",
    "devb-virtio virtio pci={instance}",
    "/dev/hd{number}",
    "QNX 7.1 utilities reference, devb-virtio",
)
CONSOLE_DRIVER = GuestDriverKind(
    ("devc-virtio",),
    "virtio-console",
    VirtioDeviceId.CONSOLE,
    "positional",
    "devc-virtio {address:#x},{irq}",
    "devc-virtio",
    "",
    "a console below /dev",
    "QNX 7.1 utilities reference, devc-virtio",
)
NET_DRIVER = GuestDriverKind(
    ("io-pkt-v6-hc", "io-pkt-v4-hc"),
    "virtio-net",
    VirtioDeviceId.NET,
    "io-pkt",
    "io-pkt-v6-hc -d virtio smem={address:#x},irq={irq}",
    "io-pkt-v6-hc -d virtio",
    "io-pkt-v6-hc -d virtio pci={instance}",
    "interface vt{number}",
    "QNX 7.1 utilities reference, devnp-virtio.so",
)
DRIVERS = (BLOCK_DRIVER, CONSOLE_DRIVER, NET_DRIVER)

NOT_DOCUMENTED = "no driver line for this type is documented"
CLIENTS_ATTACH = "no driver: clients of the shared memory find the factory themselves"


class DriverLine(msgspec.Struct, frozen=True):
    """What to start for one device.

    Attributes:
        command: The command line; empty if there is none.
        remark: Why there is none, or what is uncertain about it; empty if nothing is.
        driver: The driver, if one is known.
    """

    command: str
    remark: str = ""
    driver: GuestDriverKind | None = None


def driver_of(vdev_type: str) -> GuestDriverKind | None:
    """Return the driver of a vdev type, if one is known."""
    return next((driver for driver in DRIVERS if driver.vdev == vdev_type), None)


def direct_line(device: DirectDevice) -> DriverLine:
    """Return what to start for a direct-mapped device."""
    driver = driver_of(device.type)
    if driver is None:
        factory = device.type == SHARED_MEMORY_TYPE
        return DriverLine("", CLIENTS_ATTACH if factory else NOT_DOCUMENTED)
    if device.address is None:
        return DriverLine("", "its loc could not be resolved", driver)
    if device.space != "mem":
        return DriverLine("", "its loc is no memory, and the driver takes an address there", driver)
    if device.irq is None:
        return DriverLine("", "its intr has no number", driver)
    command = driver.line.format(address=device.address, irq=device.irq)
    is_gic = device.pins[0].pic == "gic"
    remark = "" if is_gic else "that the guest numbers the interrupt as the pin is not documented"
    return DriverLine(command, remark, driver)


def function_line(function: FoundFunction, found: Sequence[FoundFunction]) -> DriverLine:
    """Return what to start for a PCI function that was found among others."""
    driver = next((each for each in DRIVERS if each.virtio_id == function.virtio_id), None)
    if driver is None:
        return DriverLine("", _reason(function))
    alike = instances(driver, found)
    if len(alike) == 1:
        return DriverLine(driver.plain, "", driver)
    if not driver.indexed:
        remark = "which option selects one of several PCI functions is not documented"
        return DriverLine(driver.plain, remark, driver)
    return DriverLine(driver.indexed.format(instance=alike.index(function)), "", driver)


def instances(driver: GuestDriverKind, found: Sequence[FoundFunction]) -> list[FoundFunction]:
    """Return the PCI functions that a driver may get, in the order in which it counts them."""
    return [function for function in found if function.virtio_id == driver.virtio_id]


def _reason(function: FoundFunction) -> str:
    ids = (function.vendor_id, function.device_id)
    if ids == (0x1C05, 0x0002):
        return ""
    if ids == (0x1C05, 0x0001):
        return CLIENTS_ATTACH
    if function.virtio_id is not None:
        return NOT_DOCUMENTED
    return "the driver of the hardware that is passed through"
