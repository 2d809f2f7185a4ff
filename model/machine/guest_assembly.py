"""Builds the guest of a VM instance: its memory, its PCI server, and one driver for each device."""

from typing import Any, NamedTuple

from ..bus.memory import GuestRam, StageTwo
from ..guest.device_driver import GuestSite
from ..guest.driver_registry import driver_of_plan
from ..guest.drivers import vdev_drivers
from ..guest.guest import Drivers, Guest
from ..guest.layout import GuestAllocator
from ..guest.pci_server import PciServer
from ..guest.site import DriverSite
from ..guest.user_back_end_driver import UserBackEndDriver
from ..hardware.procedure import AnyDevice
from ..host.host import Host
from ..host.user_back_end import UserBackEnd
from ..plan.system_plan import VmPlan
from ..vdev.assembly import Vdevs
from ..vdev.site import VdevSite


class GuestParts(NamedTuple):
    """What a guest is built from.

    Attributes:
        plan: The VM.
        stage_two: Where its RAM lies in host memory.
        vdevs: The vdevs of this instance.
        devices: The devices that are passed through to it.
        back_ends: The back ends that map its memory.
    """

    plan: VmPlan
    stage_two: StageTwo
    vdevs: Vdevs
    devices: list[AnyDevice]
    back_ends: list[UserBackEnd]


def build_guest(
    host: Host, vdev_site: VdevSite, parts: GuestParts, *, starts: bool
) -> tuple[Guest, dict[str, tuple[int, int]]]:
    """Return the guest, and where the driver of each vdev has its memory in the host's.

    Args:
        host: What the VM runs on.
        vdev_site: Name, epoch and interrupt controller of the VM instance.
        parts: What the guest is built from.
        starts: Whether the guest ever runs.
    """
    plan, vdevs = parts.plan, parts.vdevs
    kernel, timing, name, epoch = vdev_site.kernel, vdev_site.timing, vdev_site.vm, vdev_site.epoch
    ram = GuestRam(host.memory, parts.stage_two)
    allocator = GuestAllocator.in_region(ram, host.memory, plan.ram[0])
    io = vdevs.io
    pci = PciServer(kernel, timing, name, epoch, io, plan.bus_scan_limit)
    site = DriverSite(
        kernel, timing, name, epoch, allocator, io, vdev_site.pic, pci, vdev_site.is_detailed
    )
    guest_site = GuestSite(kernel, timing, name, epoch, allocator)
    # Invariant: drivers of hardware take their memory here, those of vdevs when they run, from
    # ranges of their own.  So the addresses do not depend on which driver comes up first.
    device_drivers: list[Any] = [
        driver_of_plan(type(one.plan))(guest_site, one) for one in parts.devices
    ]
    back_end_drivers = [UserBackEndDriver(guest_site, one) for one in parts.back_ends]
    drivers = vdev_drivers(site, plan, _slots(plan, vdevs))
    guest = Guest(
        kernel,
        timing,
        name,
        epoch,
        pci if io.functions else None,
        Drivers(drivers, device_drivers, back_end_drivers),
        vdev_site.pic,
        shutdown_handlers=plan.shutdown_handlers,
        starts=starts,
    )
    return guest, {driver.name: driver.site.allocator.host_range() for driver in drivers}


def _slots(plan: VmPlan, vdevs: Vdevs) -> dict[str, int]:
    """Return the PCI device number of each vdev on PCI, by name."""
    return {
        one.name: slot
        for one in plan.vdevs
        for slot, vdev in vdevs.io.functions.items()
        if vdev is vdevs.by_name[one.name]
    }
