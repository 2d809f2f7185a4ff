"""Devices made from dice, each with the procedure that makes it quiet and its work.

Each kind of device is one row of `DEVICE_KINDS`; a further kind is added there and nowhere else.
The procedures are the documented ones; the model carries them out, and tests hold them against
the orders that it documents.
"""

from collections.abc import Callable
from typing import NamedTuple

from ..model.clock import Span
from ..model.device_plans import AhciPlan, AnyDevicePlan, CanPlan, Pl330Plan
from ..model.plan import DiskPlan, NicPlan, QuiescePlan, StepPlan
from ..model.virtio_plan import BlockPlan
from .dice import Dice

__all__ = [
    "BLOCK_PROCEDURES",
    "DEVICE_KINDS",
    "NIC_PROCEDURES",
    "PROCEDURES",
    "DeviceKind",
    "Drawn",
    "Surroundings",
]

Steps = tuple[tuple[str, int], ...]

NIC_PROCEDURES: tuple[Steps, ...] = (
    (
        ("disable-receive", 0),
        ("mask-interrupts", 0),
        ("settle", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
        ("reset", 0),
        ("read-back", 0),
    ),
    (
        ("disable-receive", 0),
        ("mask-interrupts", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
        ("read-back", 0),
    ),
    (
        ("mask-interrupts", 0),
        ("disable-receive", 0),
        ("disable-bus-master", 0),
        ("await-idle", 80_000_000),
    ),
)
"""Ways to make an e1000-class controller quiet: that of Linux's e1000e first, then tighter ones."""

BLOCK_PROCEDURES: tuple[Steps, ...] = (
    (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 1_000_000_000)),
    (("stop-queue", 0), ("join-worker", 0), ("drain", 1_000_000_000)),
)
"""Ways to make a virtio-blk vdev quiet.

The worker is joined before the drain: until then it may have a chain in its hands that it took
before the queue was stopped, and submit it after the drain has seen nothing outstanding.
"""

PROCEDURES: dict[str, Steps] = {
    "ahci": (
        ("mask-interrupts", 0),
        ("stop-engine", 0),
        ("await-engine", 500_000_000),
        ("stop-fis-receive", 0),
        ("await-fis-receive", 1_000_000_000),
        ("confirm", 1_000_000),
    ),
    "nvme": (
        ("mask-interrupts", 0),
        ("disable", 0),
        ("await-disabled", 10_000_000_000),
        ("clear-bus-master", 0),
        ("confirm", 1_000_000),
    ),
    "xhci": (
        ("mask-interrupts", 0),
        ("stop-endpoint", 5_000_000_000),
        ("stop", 0),
        ("await-halted", 32_000_000),
        ("reset", 0),
        ("await-reset", 10_000_000_000),
        ("confirm", 1_000_000),
    ),
    "pl330": (
        ("disable-events", 0),
        ("await-debug-idle", 4_000_000),
        ("kill", 0),
        ("await-debug-idle", 4_000_000),
        ("await-stopped", 4_000_000),
        ("clear-events", 0),
        ("confirm", 1_000_000),
    ),
    "can": (
        ("disable-interrupts", 0),
        ("enter-initialization", 0),
        ("await-initialization", 10_000_000),
        ("clear-interrupts", 0),
        ("empty-buffer", 0),
        ("confirm", 1_000_000),
    ),
}
"""The documented procedures of the other kinds of devices that are passed through.

Of NVMe's the last part alone: its orderly half, deletion of the queues and shutdown notification,
is in vain on a controller that the guest has disabled already, and waits for all its bounds.
"""


class Drawn(NamedTuple):
    """A device that was drawn, with all that belongs to it.

    Attributes:
        nics: What it adds to the system.
        devices: What it adds to the system.
        disks: What it adds to the system.
        blocks: What it adds to the VM.
        quiesce: What its VM does about it.
    """

    nics: tuple[NicPlan, ...] = ()
    devices: tuple[AnyDevicePlan, ...] = ()
    disks: tuple[DiskPlan, ...] = ()
    blocks: tuple[BlockPlan, ...] = ()
    quiesce: tuple[QuiescePlan, ...] = ()


class Surroundings(NamedTuple):
    """What a device must know of the system that it is drawn for.

    Attributes:
        number: Its own, counted through the system.
        is_confined: Whether the IOMMU alone is to contain it, without any procedure.
        has_heir: Whether a next instance of its VM gets it.
    """

    number: int
    is_confined: bool = False
    has_heir: bool = False


Draw = Callable[[Dice, Surroundings], Drawn]


class DeviceKind(NamedTuple):
    """One kind of device that a drawn system may have.

    Attributes:
        name: Of the kind.
        draw: Gives a device from dice.
        iommu_is_enough: Whether an IOMMU alone contains it when its owner dies.
        events: Names of trace events that show it at work, for the instants of ends.
    """

    name: str
    draw: Draw
    iommu_is_enough: bool
    events: tuple[str, ...]


def _callback(vdev: str, device: str, steps: Steps) -> QuiescePlan:
    return QuiescePlan(vdev, device, tuple(StepPlan(*step) for step in steps))


def _nic(dice: Dice, place: Surroundings) -> Drawn:
    name = f"eth{place.number}"
    lo_ns = dice.pick((5_000, 10_000, 20_000, 2_000))
    nic = NicPlan(
        name,
        40 + place.number,
        trigger=_trigger(dice, place),
        ring_size=dice.pick((16, 32, 64)),
        prefetch=dice.pick((4, 1, 8)),
        frame_length=dice.pick((64, 1_500, 1_024)),
        gap=Span(lo_ns, lo_ns * dice.pick((2, 1, 4))),
        # Each is refused several times once an IOMMU alone stops it, and refusals are bounded.
        frames=8 + dice.below(8) if place.is_confined else 20 + dice.below(30),
    )
    quiesce = _callback(f"{name}-vdev", name, dice.pick(NIC_PROCEDURES))
    return Drawn(nics=(nic,), quiesce=() if place.is_confined else (quiesce,))


def _block(dice: Dice, place: Surroundings) -> Drawn:
    name, disk = f"blk{place.number}", f"ahci{place.number}"
    lo_ns = dice.pick((20_000, 5_000, 100_000))
    block = BlockPlan(
        name,
        disk,
        zero_copy=not dice.happens(),
        queue_size=dice.pick((16, 64)),
        requests=4 + dice.below(16),
        depth=1 + dice.below(4),
        operation=dice.pick(("read", "read", "write")),
        length=512 * (1 + dice.below(16)),
    )
    service = Span(lo_ns, lo_ns * dice.pick((2, 1, 10)))
    driver = DiskPlan(
        disk, f"devb-ahci{place.number}", 80 + place.number, 1 + dice.below(4), service
    )
    return Drawn(
        disks=(driver,),
        blocks=(block,),
        quiesce=(_callback(name, name, dice.pick(BLOCK_PROCEDURES)),),
    )


def _ahci(dice: Dice, place: Surroundings) -> Drawn:
    lo_ns = dice.pick((10_000, 50_000, 2_000))
    device = AhciPlan(
        f"dev{place.number}",
        40 + place.number,
        trigger=_trigger(dice, place),
        service=Span(lo_ns, lo_ns * dice.pick((2, 1, 10))),
        requests=4 + dice.below(12),
        operation=dice.pick(("read", "read", "write")),
        length=512 * (1 + dice.below(16)),
    )
    return _passed(device, PROCEDURES["ahci"], place)


def _soc_dma(dice: Dice, place: Surroundings) -> Drawn:
    lo_ns = dice.pick((20_000, 10_000))
    device = Pl330Plan(
        f"dev{place.number}",
        40 + place.number,
        bursts=dice.pick((16, 4)),
        buffer_bursts=dice.pick((4, 1)),
        pace=Span(lo_ns, lo_ns * dice.pick((2, 1))),
    )
    return _passed(device, PROCEDURES["pl330"], place)


def _can(dice: Dice, place: Surroundings) -> Drawn:
    frames = 8 + dice.below(16)
    device = CanPlan(f"dev{place.number}", 40 + place.number, frames=frames)
    return _passed(device, PROCEDURES["can"], place)


def _trigger(dice: Dice, place: Surroundings) -> str:
    # A message that came while its vector was masked stays pending in the controller, and no
    # procedure of the device takes it back: the next owner gets it.
    return "level" if place.has_heir else dice.pick(("level", "message"))


def _passed(device: AnyDevicePlan, steps: Steps, place: Surroundings) -> Drawn:
    quiesce = (_callback(f"{device.name}-vdev", device.name, steps),)
    return Drawn(devices=(device,), quiesce=() if place.is_confined else quiesce)


DEVICE_KINDS: tuple[DeviceKind, ...] = (
    DeviceKind("nic", _nic, True, ("DmaIssued", "DmaLanded", "FrameArrived", "IrqTaken")),
    DeviceKind("virtio-blk", _block, False, ("RequestSubmitted", "BackendRequestBegun")),
    DeviceKind("ahci", _ahci, True, ("DmaRequested", "DmaIssued")),
    DeviceKind("pl330", _soc_dma, False, ("DmaIssued", "DmaLanded")),
    DeviceKind("can", _can, True, ("IrqTaken",)),
)
"""Every kind of device that is drawn.

Those that go on by themselves are not left to an IOMMU alone: it would refuse them without end.
NVMe and xHCI are not among them: a guest that dies while its controller is being set up leaves one
that never says what the procedure waits for, and it waits for the documented bound, 5 or 10 s.
"""
