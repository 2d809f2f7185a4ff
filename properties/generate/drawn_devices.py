"""Makes passed-through devices from draws, each with its quiesce procedure and its work.

Each kind of device is one row of `DEVICE_KINDS`; add a further kind there and nowhere else.
"""

from msgspec.structs import replace

from ...model.base.clock import Span
from ...model.plan.device_plans import (
    AhciPlan,
    AnyDevicePlan,
    CanPlan,
    EduPlan,
    GenericPlan,
    NvmePlan,
    Pl330Plan,
    XhciPlan,
)
from ...model.plan.procedures import Order
from ...model.plan.system_plan import NicPlan
from ...model.plan.traits import Traits
from .byte_draws import ByteDraws
from .drawn_parts import DeviceKind, Drawn, Surroundings
from .drawn_procedures import NIC_PROCEDURES, PROCEDURES, callback
from .drawn_vdevs import VDEV_KINDS

__all__ = ["DEVICE_KINDS"]


def _nic(draws: ByteDraws, place: Surroundings) -> Drawn:
    name = f"eth{place.number}"
    # If only an IOMMU stops the NIC, frames still arrive after the last release: few enough for the
    # bound.
    usual, slow = (5_000, 10_000, 20_000, 2_000), (100_000, 200_000, 50_000)
    lo_ns = draws.pick(slow if place.is_confined else usual)
    nic = NicPlan(
        name,
        40 + place.number,
        trigger=_trigger(draws, place),
        ring_size=draws.pick((16, 32, 64)),
        prefetch=draws.pick((4, 1, 8)),
        frame_length=draws.pick((64, 1_500, 1_024)),
        gap=Span(lo_ns, lo_ns * draws.pick((2, 1, 4))),
        # If only an IOMMU stops them, each is refused several times, and refusals are bounded.
        # A device that hangs costs only its memory.
        traits=Traits(never_idle=not place.is_confined and draws.happens(4)),
        frames=12 + draws.below(4) if place.is_confined else 20 + draws.below(30),
    )
    quiesce = callback(f"{name}-vdev", name, draws.pick(NIC_PROCEDURES))
    return Drawn(nics=(nic,), quiesce=() if place.is_confined else (quiesce,))


def _ahci(draws: ByteDraws, place: Surroundings) -> Drawn:
    lo_ns = draws.pick((10_000, 50_000, 2_000))
    device = AhciPlan(
        f"dev{place.number}",
        40 + place.number,
        trigger=_trigger(draws, place),
        service=Span(lo_ns, lo_ns * draws.pick((2, 1, 10))),
        requests=4 + draws.below(12),
        operation=draws.pick(("read", "read", "write")),
        length=512 * (1 + draws.below(16)),
    )
    return _passed(draws, device, PROCEDURES["ahci"], place)


def _soc_dma(draws: ByteDraws, place: Surroundings) -> Drawn:
    lo_ns = draws.pick((20_000, 10_000))
    device = Pl330Plan(
        f"dev{place.number}",
        40 + place.number,
        bursts=draws.pick((16, 4)),
        buffer_bursts=draws.pick((4, 1)),
        pace=Span(lo_ns, lo_ns * draws.pick((2, 1))),
    )
    return _passed(draws, device, PROCEDURES["pl330"], place)


def _nvme(draws: ByteDraws, place: Surroundings) -> Drawn:
    lo_ns = draws.pick((10_000, 50_000, 2_000))
    device = NvmePlan(
        f"dev{place.number}",
        40 + place.number,
        trigger=_trigger(draws, place),
        service=Span(lo_ns, lo_ns * draws.pick((2, 1, 10))),
        depth=1 + draws.below(8),
        requests=4 + draws.below(12),
        in_flight=1 + draws.below(4),
        operation=draws.pick(("read", "read", "write")),
        length=512 * (1 + draws.below(16)),
        events=draws.pick((None, None, Span(20_000, 80_000))),
        shadow_doorbells=draws.happens(),
    )
    return _passed(draws, device, PROCEDURES["nvme"], place)


def _xhci(draws: ByteDraws, place: Surroundings) -> Drawn:
    lo_ns = draws.pick((125_000, 50_000))
    device = XhciPlan(
        f"dev{place.number}",
        40 + place.number,
        trigger=_trigger(draws, place),
        interval=Span(lo_ns, lo_ns * draws.pick((2, 1, 4))),
        report_length=draws.pick((64, 8)),
        prefetch=1 + draws.below(4),
        port_events=draws.pick((None, None, Span(100_000, 400_000))),
    )
    return _passed(draws, device, PROCEDURES["xhci"], place)


def _edu(draws: ByteDraws, place: Surroundings) -> Drawn:
    lo_ns = draws.pick((20_000, 100_000, 5_000))
    device = EduPlan(
        f"dev{place.number}",
        40 + place.number,
        trigger=_trigger(draws, place),
        dma_delay=Span(lo_ns, lo_ns * draws.pick((2, 1))),
        length=draws.pick((1_024, 64, 4_096)),
    )
    return _passed(draws, device, PROCEDURES["edu"], place)


def _generic(draws: ByteDraws, place: Surroundings) -> Drawn:
    lo_ns = draws.pick((1_000, 10_000))
    trigger = _trigger(draws, place)
    device = GenericPlan(
        f"dev{place.number}",
        40 + place.number,
        trigger=trigger,
        service=Span(lo_ns, lo_ns * draws.pick((2, 1, 10))),
        lengths=draws.pick(((512,), (64, 1_024), ())),
        reads=draws.pick((0, 64)),
        completion_length=draws.pick((16, 0)),
        depth=1 + draws.below(4),
        jobs=8 + draws.below(16),
        in_flight=1 + draws.below(4),
        stop=draws.pick(("after-current", "after-queued", "at-once")),
        is_pcie=trigger == "message" or not draws.happens(),
    )
    return _passed(draws, device, PROCEDURES["policy"], place)


def _can(draws: ByteDraws, place: Surroundings) -> Drawn:
    frames = 8 + draws.below(16)
    device = CanPlan(f"dev{place.number}", 40 + place.number, frames=frames)
    return _passed(draws, device, PROCEDURES["can"], place)


def _trigger(draws: ByteDraws, place: Surroundings) -> str:
    # A message that came while its vector was masked stays pending in the controller. No procedure
    # of the device takes it back: the next owner gets it.
    return "level" if place.has_heir else draws.pick(("level", "message"))


def _passed(draws: ByteDraws, device: AnyDevicePlan, steps: Order, place: Surroundings) -> Drawn:
    # QEMU's teaching device has no bit that could hang.
    if not isinstance(device, EduPlan) and not place.is_confined and draws.happens(8):
        device = replace(device, traits=replace(device.traits, never_idle=True))
    quiesce = (callback(f"{device.name}-vdev", device.name, steps),)
    return Drawn(devices=(device,), quiesce=() if place.is_confined else quiesce)


DEVICE_KINDS: tuple[DeviceKind, ...] = (
    DeviceKind("nic", _nic, True, ("DmaIssued", "DmaLanded", "FrameArrived", "IrqTaken")),
    VDEV_KINDS[0],
    DeviceKind("ahci", _ahci, True, ("DmaRequested", "DmaIssued")),
    DeviceKind("pl330", _soc_dma, False, ("DmaIssued", "DmaLanded")),
    DeviceKind("can", _can, True, ("IrqTaken",)),
    DeviceKind("nvme", _nvme, True, ("DmaRequested", "DmaIssued", "IrqTaken")),
    DeviceKind("xhci", _xhci, False, ("DmaLanded", "IrqTaken")),
    DeviceKind("policy", _generic, True, ("DmaIssued", "DmaLanded", "IrqTaken")),
    *VDEV_KINDS[1:],
    DeviceKind("edu", _edu, True, ("DmaRequested", "DmaLanded", "IrqTaken")),
)
"""Every kind of device that is drawn.

Devices that go on by themselves are not left to an IOMMU alone: it would refuse them without end.
"""
