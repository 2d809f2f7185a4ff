"""From a `qvm` configuration to the hardware that its guest can find.

A vdev with neither `loc` nor `intr` is a function of the guest's PCI bus, behind the host bridge
at 0:0.0.  A vdev with both is at a fixed place in the guest's memory.

Documented are the identifiers and classes of the bridge, of virtio-blk, -net, -console and of the
shared memory factory.  In the one documented example their device numbers follow the text.

Inferred, because no readable page says it:

- The numbers: `PCI_NUMBERING`.  A forced place is kept free; the others take the lowest free
  device numbers, vdevs before pass-through functions.
- Virtio functions have the capabilities of VIRTIO 1.2 and the fewest queues that the standard
  allows.  MSI-X has one vector for each queue and one for configuration changes.
- A `legacy` vdev has the identifiers of VIRTIO 1.2, 4.1.2.3, and one I/O BAR.
- The shared memory factory has one page of registers in BAR 0.
- BARs have no address yet, as after power-on.

Not known: the classes of other virtio types, and all that a configuration does not say about a
passed-through function.

Source:
    QNX 7.1 hypervisor guide, virtio guest and vdev_ref/options; QNX 7.0 hypervisor guide, vm/pass;
    QNX vdev API, struct vio_description (subsystem vendor 0x1C05); VIRTIO 1.2, 4.1.2 and 5.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from ...model.base.errors import ConfigError, Place, Problem
from ...model.base.pci_address import PciAddress
from ...model.pci.bus import DEVICES_PER_BUS, EVERYTHING, PciBus, PciSlot
from ...model.plan.open_questions import OpenQuestion
from ...model.virtio import block_format, console_format, entropy_format, net_format
from ...model.virtio.device_ids import VirtioDeviceId
from ...model.virtio.device_registers import DeviceRegisters
from ...model.virtio.features import VIRTIO_F_VERSION_1, feature_mask
from ...model.virtio.pci_function import (
    PCI_CLASS_PROG,
    QVM_HOST_BRIDGE,
    QVM_SHARED_MEMORY_FACTORY,
    Bar,
    PciFunction,
    PciIdentity,
)
from ...model.virtio.pci_transport import (
    QNX_SUBSYSTEM_VENDOR_ID,
    VIRTIO_PCI_VENDOR_ID,
    PciTransport,
)
from ..qvmconf.config import InterruptPin, PassWindow, PciIds, Space, VdevConfig, VmConfig
from ..qvmconf.vdev_types import VDEV_TYPES

Numbering = Literal["as-configured", "reversed"]

PCI_NUMBERING = OpenQuestion(
    label="qvm.pci-numbering",
    part="discovery",
    answers=("as-configured", "reversed"),
    meaning="the order in which PCI vdevs without a forced place get their device numbers",
    basis="not documented; the listing of the QNX 7.1 hypervisor guide (virtio guest) is in the "
    "order of its vdevs, but two virtio-net vdevs in a configuration in use were found in reverse",
)


class VirtioKind(msgspec.Struct, frozen=True):
    """The identifiers and sizes of a type of virtio vdev, as its guest sees them.

    Attributes:
        device_id: The virtio device type.
        class_code: 24 bits; `None` where it is not documented.
        config_size: Bytes of device-specific configuration.
        queues: The fewest that the standard allows.
        legacy_id: PCI device identifier before version 1; 0 if the type is younger.
    """

    device_id: VirtioDeviceId
    class_code: int | None
    config_size: int
    queues: int
    legacy_id: int = 0


VIRTIO_KINDS: dict[str, VirtioKind] = {
    "virtio-net": VirtioKind(VirtioDeviceId.NET, 0x028000, net_format.CONFIG_SIZE, 2, 0x1000),
    "virtio-blk": VirtioKind(VirtioDeviceId.BLOCK, 0x018000, block_format.CONFIG_SIZE, 1, 0x1001),
    "virtio-console": VirtioKind(
        VirtioDeviceId.CONSOLE, 0x078000, console_format.CONFIG_SIZE, 2, 0x1003
    ),
    "virtio-entropy": VirtioKind(VirtioDeviceId.RNG, None, entropy_format.CONFIG_SIZE, 1, 0x1005),
    "virtio-gpu": VirtioKind(VirtioDeviceId.GPU, None, 16, 2),
    "virtio-input": VirtioKind(VirtioDeviceId.INPUT, None, 136, 2),
}
"""By vdev type; sizes from VIRTIO 1.2, 5.1 to 5.8."""

SHARED_MEMORY_TYPE = "shmem"
_FACTORY_BAR = Bar(index=0, size=0x1000)
_QUEUE_SIZE_MAX = 256
_LEGACY_HEADER = 24  # VIRTIO 1.2, 4.1.4.10: 20 bytes and two vectors
_CLASS_BYTES = range(PCI_CLASS_PROG, PCI_CLASS_PROG + 3)


class DirectDevice(msgspec.Struct, frozen=True):
    """A vdev at a fixed place in the guest.

    Attributes:
        place: Where the configuration has it.
        type: Its vdev type.
        name: Its name; empty if it has none.
        space: Memory, or x86 I/O ports.
        address: First guest-physical address or port; `None` if the configuration's value could
            not be resolved.
        length: Bytes of registers.
        pins: Its interrupts, in text order.
    """

    place: Place
    type: str
    name: str
    space: Space
    address: int | None
    length: int
    pins: tuple[InterruptPin, ...]

    @property
    def label(self) -> str:
        """Type and name, in words."""
        return described(self.type, self.name)

    @property
    def irq(self) -> int | None:
        """The interrupt number for its driver: that of its first pin."""
        return self.pins[0].number if self.pins else None


class GuestHardware(msgspec.Struct, frozen=True):
    """What a guest can find.

    Attributes:
        bus: Its PCI bus.
        direct: Its direct-mapped vdevs, in text order.
        depends_on_numbering: Whether `PCI_NUMBERING` decides which of two like devices is first.
    """

    bus: PciBus
    direct: tuple[DirectDevice, ...]
    depends_on_numbering: bool


def assemble(config: VmConfig, numbering: Numbering = "as-configured") -> GuestHardware:
    """Return what the guest of a machine can find.

    Args:
        config: The machine.
        numbering: An answer to `PCI_NUMBERING`.

    Raises:
        ConfigError: If a place is taken twice, or no device number is left.
    """
    vdevs = [vdev for vdev in config.vdevs if vdev.transport == "pci"]
    windows = [window for item in config.passes for window in item.windows if window.space == "pci"]
    free = _FreeNumbers(vdevs, windows)
    automatic = [vdev for vdev in vdevs if _forced(vdev) is None]
    if numbering == "reversed":
        automatic.reverse()
    numbers = {vdev.place: free.take(vdev.place) for vdev in automatic}
    slots = [PciSlot.of_function(PciAddress(0, 0), "the host bridge", PciFunction(QVM_HOST_BRIDGE))]
    slots += [_vdev_slot(vdev, _forced(vdev) or numbers[vdev.place]) for vdev in vdevs]
    # Vdevs have their numbers by now: passed-through functions take what is left.
    for window in windows:
        slots.append(_passed_slot(window, window.pci_guest or free.take(window.place)))
    types = [vdev.type for vdev in automatic]
    return GuestHardware(PciBus(slots), direct_devices(config), len(types) > len(set(types)))


def described(vdev_type: str, name: str) -> str:
    """Return how a vdev is called: by its name, with its type unless the name tells that.

    Example:
        >>> described("shmem", ""), described("virtio-blk", "virtio-blk_1")
        ('vdev shmem', 'vdev virtio-blk_1')
        >>> described("virtio-blk", "disk0")
        'vdev virtio-blk disk0'
    """
    if name.startswith(vdev_type):
        return f"vdev {name}"
    return f"vdev {vdev_type} {name}".rstrip()


def direct_devices(config: VmConfig) -> tuple[DirectDevice, ...]:
    """Return the vdevs that are at a fixed place, in text order."""
    return tuple(_direct(config.vdevs))


def _direct(vdevs: Iterable[VdevConfig]) -> Iterator[DirectDevice]:
    for vdev in vdevs:
        kind = VDEV_TYPES.get(vdev.type)
        if vdev.transport != "mmio":
            continue
        if vdev.loc is not None:
            space, address = vdev.loc.space, vdev.loc.address
        elif kind is not None and kind.default_loc is not None:
            space, address = kind.space, kind.default_loc
        else:
            continue
        length = kind.extent if kind else 1
        yield DirectDevice(vdev.place, vdev.type, vdev.name, space, address, length, vdev.intr)


class _FreeNumbers:
    """Allocates the device numbers of bus 0 that no forced place claims."""

    def __init__(self, vdevs: Iterable[VdevConfig], windows: Iterable[PassWindow]) -> None:
        # Invariant: `taken` has the host bridge, every forced number of bus 0 and every number
        # given out, so that `take` gives each number once.
        self.taken = {0}
        forced = [(_forced(vdev), vdev.place) for vdev in vdevs]
        forced += [(window.pci_guest, window.place) for window in windows]
        used = {PciAddress(0, 0): Place("the host bridge")}
        for address, place in forced:
            if address is None:
                continue
            before = used.setdefault(address, place)
            if before is not place:
                message = f"{address} is taken already by {before}"
                remedy = "give one of them another device number"
                raise ConfigError([Problem(place, message, str(address), remedy)])
            if address.bus == 0:
                self.taken.add(address.device)

    def take(self, place: Place) -> PciAddress:
        number = next((n for n in range(DEVICES_PER_BUS) if n not in self.taken), None)
        if number is None:
            message = f"the {DEVICES_PER_BUS} device numbers of PCI bus 0 are used up"
            raise ConfigError([Problem(place, message, remedy="give it loc pci:bus:device")])
        self.taken.add(number)
        return PciAddress(0, number)


def _forced(vdev: VdevConfig) -> PciAddress | None:
    return vdev.loc.pci if vdev.loc is not None else None


def _vdev_slot(vdev: VdevConfig, address: PciAddress) -> PciSlot:
    origin = described(vdev.type, vdev.name)
    if vdev.type == SHARED_MEMORY_TYPE:
        identity = msgspec.structs.replace(QVM_SHARED_MEMORY_FACTORY, interrupt_pin=1)
        return PciSlot.of_function(address, origin, PciFunction(identity, (_FACTORY_BAR,)))
    kind = VIRTIO_KINDS.get(vdev.type)
    if kind is None or (vdev.option("legacy") and not kind.legacy_id):
        return PciSlot.of_function(address, origin, _blank(None), EVERYTHING)
    unknown = _CLASS_BYTES if kind.class_code is None else ()
    if vdev.option("legacy"):
        return PciSlot.of_function(address, origin, _legacy_function(kind), unknown)
    registers = DeviceRegisters(
        kind.device_id,
        feature_mask(VIRTIO_F_VERSION_1),
        [_QUEUE_SIZE_MAX] * kind.queues,
        config=bytes(kind.config_size),
    )
    transport = PciTransport(registers, kind.class_code or 0)
    return PciSlot.of_transport(address, origin, transport, unknown)


def _legacy_function(kind: VirtioKind) -> PciFunction:
    identity = PciIdentity(
        vendor_id=VIRTIO_PCI_VENDOR_ID,
        device_id=kind.legacy_id,
        class_code=kind.class_code or 0,
        subsystem_vendor_id=QNX_SUBSYSTEM_VENDOR_ID,
        subsystem_id=kind.device_id,
        interrupt_pin=1,
    )
    size = 1 << (_LEGACY_HEADER + kind.config_size - 1).bit_length()
    return PciFunction(identity, (Bar(index=0, size=size, is_io=True),))


def _passed_slot(window: PassWindow, address: PciAddress) -> PciSlot:
    host = window.pci_host or window.pci_ids or window.pci_guest
    origin = f"the host's {host}, passed through"
    ids = window.pci_ids
    unknown = EVERYTHING if ids is None else EVERYTHING[4:]
    return PciSlot.of_function(address, origin, _blank(ids), unknown)


def _blank(ids: PciIds | None) -> PciFunction:
    """Return a function of which at most the identifiers are known."""
    return PciFunction(PciIdentity(ids.vendor, ids.device, 0) if ids else PciIdentity(0, 0, 0))
