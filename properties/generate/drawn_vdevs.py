"""Virtio vdevs made from dice, with what is behind them and what their guests do."""

from typing import Any

from ...model.base.clock import Span
from ...model.plan.system_plan import DiskPlan, QuiescePlan
from ...model.plan.virtio_plan import RESET_POLICIES, BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from .byte_draws import Dice
from .drawn_parts import DeviceKind, Drawn, Surroundings
from .drawn_procedures import VDEV_PROCEDURES, callback

__all__ = ["VDEV_KINDS"]


def _offers(dice: Dice, place: Surroundings) -> dict[str, Any]:
    """Return what every virtio vdev has."""
    return {
        "transport": dice.pick(("mmio", "pci")),
        "loc": 0x1C0D_0000 + 0x1000 * place.number,
        "intr": 141 + place.number,
        "format": dice.pick(("split", "packed")),
        "event_index": dice.happens(),
        "queue_size": dice.pick((16, 64)),
        "reset_policy": dice.pick(tuple(RESET_POLICIES)),
    }


def _quiesce(dice: Dice, place: Surroundings, name: str) -> tuple[QuiescePlan, ...]:
    if place.is_confined:
        return ()
    return (callback(name, name, dice.pick(VDEV_PROCEDURES)),)


def _block(dice: Dice, place: Surroundings) -> Drawn:
    name, disk = f"blk{place.number}", f"ahci{place.number}"
    lo_ns = dice.pick((20_000, 5_000, 100_000))
    block = BlockPlan(
        name=name,
        disk=disk,
        zero_copy=not dice.happens(),
        requests=4 + dice.below(16),
        depth=1 + dice.below(4),
        operation=dice.pick(("read", "read", "write")),
        length=512 * (1 + dice.below(16)),
        **_offers(dice, place),
    )
    service = Span(lo_ns, lo_ns * dice.pick((2, 1, 10)))
    driver = DiskPlan(
        disk, f"devb-ahci{place.number}", 80 + place.number, 1 + dice.below(4), service
    )
    return Drawn(disks=(driver,), blocks=(block,), quiesce=_quiesce(dice, place, name))


def _net(dice: Dice, place: Surroundings) -> Drawn:
    name = f"net{place.number}"
    lo_ns = dice.pick((10_000, 5_000, 40_000))
    net = NetPlan(
        name=name,
        buffers=dice.pick((8, 4, 16)),
        frames=10 + dice.below(20),
        frame_length=dice.pick((64, 1_500, 1_024)),
        gap=Span(lo_ns, lo_ns * dice.pick((2, 1, 4))),
        sends=dice.below(8),
        **_offers(dice, place),
    )
    return Drawn(nets=(net,), quiesce=_quiesce(dice, place, name))


def _console(dice: Dice, place: Surroundings) -> Drawn:
    name = f"con{place.number}"
    lo_ns = dice.pick((20_000, 10_000, 100_000))
    console = ConsolePlan(
        name=name,
        inputs=4 + dice.below(12),
        input_length=dice.pick((16, 1, 64)),
        gap=Span(lo_ns, lo_ns * dice.pick((2, 1))),
        prints=dice.below(4),
        **_offers(dice, place),
    )
    return Drawn(consoles=(console,), quiesce=_quiesce(dice, place, name))


def _entropy(dice: Dice, place: Surroundings) -> Drawn:
    name = f"rng{place.number}"
    entropy = EntropyPlan(
        name=name,
        requests=2 + dice.below(8),
        length=dice.pick((64, 16, 256)),
        **_offers(dice, place),
    )
    return Drawn(entropies=(entropy,), quiesce=_quiesce(dice, place, name))


VDEV_KINDS: tuple[DeviceKind, ...] = (
    DeviceKind("virtio-blk", _block, False, ("RequestSubmitted", "BackendRequestBegun")),
    DeviceKind("virtio-net", _net, True, ("FrameArrived", "CpuWriteLanded"), False),
    DeviceKind("virtio-console", _console, True, ("FrameArrived", "CpuWriteLanded"), False),
    DeviceKind("virtio-entropy", _entropy, True, ("RequestSubmitted", "CpuWriteLanded"), False),
)
"""Every kind of vdev that is drawn.

All but virtio-blk are written by threads of qvm alone, which end with it; the disk behind a
virtio-blk vdev goes on.
"""
