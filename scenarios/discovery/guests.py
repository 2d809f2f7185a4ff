"""Which drivers a QNX or a Linux guest starts for the devices it finds, and what then appears.

A QNX guest starts its drivers by hand, in the steps of the guide; a Linux kernel binds them by
itself.  Documented are `/dev/hd0` for the one disk of the example, and `/dev/vda` for the first
virtio-blk function that Linux lists.  Names of further devices count on from there in the order
shown; that is inferred.

Source:
    QNX 7.1 hypervisor guide, virtio guest; Linux drivers virtio_blk, virtio_net, virtio_console,
    virtio-rng, virtio-gpu and virtio_input for their names.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ...model.pci.walk import FoundFunction
from ...model.virtio.device_ids import VirtioDeviceId
from .assembly import SHARED_MEMORY_TYPE, VIRTIO_KINDS, DirectDevice, GuestHardware
from .driver_lines import BLOCK_DRIVER, DriverLine, direct_line, function_line
from .lspci import slot_name

GuestName = Literal["qnx", "linux"]

BUS_SCAN_LIMIT = 8
"""The bus-scan limit of the PCI server in the guide's example."""


class GuestDevice(msgspec.Struct, frozen=True):
    """One device as a guest uses it.

    Attributes:
        where: Bus, device and function, or address and interrupt, as that guest writes them.
        origin: The entry of the configuration that it comes from.
        driver: A command line in QNX, a module in Linux; empty if there is none.
        appears: What the driver creates; empty if nothing or not known.
        remark: What is uncertain, or why there is no driver; empty if nothing is.
    """

    where: str
    origin: str
    driver: str
    appears: str = ""
    remark: str = ""


_LINUX_DRIVERS = {
    VirtioDeviceId.NET: ("virtio_net", "a network interface"),
    VirtioDeviceId.BLOCK: ("virtio_blk", ""),
    VirtioDeviceId.CONSOLE: ("virtio_console", "/dev/hvc{number}"),
    VirtioDeviceId.RNG: ("virtio-rng", "/dev/hwrng"),
    VirtioDeviceId.GPU: ("virtio-gpu", "/dev/dri/card{number}"),
    VirtioDeviceId.INPUT: ("virtio_input", "/dev/input/event{number}"),
}


def guest_devices(
    guest: GuestName, hardware: GuestHardware, found: Sequence[FoundFunction]
) -> tuple[GuestDevice, ...]:
    """Return every device that a guest can use, PCI functions first."""
    devices = _qnx_devices if guest == "qnx" else _linux_devices
    return tuple(devices(hardware, found))


def disk_name(number: int) -> str:
    """Return the name of a Linux virtio disk; they count from 0.

    Example:
        >>> disk_name(0), disk_name(25), disk_name(26), disk_name(702)
        ('/dev/vda', '/dev/vdz', '/dev/vdaa', '/dev/vdaaa')
    """
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"/dev/vd{letters}"


def first_disk(devices: Sequence[GuestDevice]) -> str:
    """Return the first block device of a QNX guest, or an empty string."""
    return next((each.appears for each in devices if each.appears.startswith("/dev/hd")), "")


def _qnx_devices(hardware: GuestHardware, found: Sequence[FoundFunction]) -> Iterator[GuestDevice]:
    counts: dict[str, int] = {}
    for function in found:
        at = function.address
        where = f"B{at.bus:03}:D{at.device:02}:F{at.function:02}"
        origin = hardware.bus.slots[at].origin
        yield _qnx_device(where, origin, function_line(function, found), counts)
    for device in hardware.direct:
        yield _qnx_device(_place(device), device.label, direct_line(device), counts)


def _qnx_device(where: str, origin: str, line: DriverLine, counts: dict[str, int]) -> GuestDevice:
    driver = line.driver
    if driver is None or not line.command:
        return GuestDevice(where, origin, line.command, remark=line.remark)
    number = counts.get(driver.vdev, 0)
    counts[driver.vdev] = number + 1
    remark = line.remark
    if not remark and number and driver is BLOCK_DRIVER:
        remark = "its number if the drivers are started in this order"
    return GuestDevice(where, origin, line.command, driver.creates.format(number=number), remark)


def _linux_devices(
    hardware: GuestHardware, found: Sequence[FoundFunction]
) -> Iterator[GuestDevice]:
    counts: dict[int, int] = {}
    kinds = [VIRTIO_KINDS.get(device.type) for device in hardware.direct]
    on_pci = {function.virtio_id for function in found}
    in_both = {kind.device_id for kind in kinds if kind is not None} & on_pci
    for function in found:
        origin = hardware.bus.slots[function.address].origin
        where = slot_name(function.address)
        virtio_id = function.virtio_id
        if virtio_id in _LINUX_DRIVERS:
            yield _linux_device(where, origin, VirtioDeviceId(virtio_id), counts, in_both)
        else:
            yield GuestDevice(where, origin, "", remark=_why_no_driver(function))
    for device, kind in zip(hardware.direct, kinds, strict=True):
        where, origin = _place(device), device.label
        if kind is not None:
            yield _linux_device(where, origin, kind.device_id, counts, in_both)
        elif device.type == SHARED_MEMORY_TYPE:
            yield GuestDevice(where, origin, "", remark=_NO_FACTORY_DRIVER)
        else:
            yield GuestDevice(where, origin, "", remark="no virtio device")


_NO_FACTORY_DRIVER = "no driver in the kernel itself; the module of QNX claims it"


def _why_no_driver(function: FoundFunction) -> str:
    ids = (function.vendor_id, function.device_id)
    if ids == (0x1C05, 0x0002):
        return ""
    if ids == (0x1C05, 0x0001):
        return _NO_FACTORY_DRIVER
    return "the driver of the hardware that is passed through"


def _linux_device(
    where: str,
    origin: str,
    virtio_id: VirtioDeviceId,
    counts: dict[int, int],
    in_both: set[VirtioDeviceId],
) -> GuestDevice:
    driver, appears = _LINUX_DRIVERS[virtio_id]
    number = counts.get(virtio_id, 0)
    counts[virtio_id] = number + 1
    if virtio_id == VirtioDeviceId.BLOCK:
        appears = disk_name(number)
    remark = ""
    if virtio_id in in_both:
        remark = "PCI and direct-mapped devices of one kind: which come first is not determined"
    return GuestDevice(where, origin, driver, appears.format(number=number), remark)


def _place(device: DirectDevice) -> str:
    where = "?" if device.address is None else f"{device.address:#x}"
    pins = ",".join(str(pin) for pin in device.pins)
    return f"{where} {pins}".rstrip()
