"""Makes virtio vdevs from draws, with what is behind them and what their guests do."""

from typing import Any

from ...model.base.clock import Span
from ...model.plan.system_plan import DiskPlan, QuiescePlan
from ...model.plan.virtio_plan import RESET_POLICIES, BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from .byte_draws import ByteDraws
from .drawn_parts import DeviceKind, Drawn, Surroundings
from .drawn_procedures import VDEV_PROCEDURES, callback

__all__ = ["VDEV_KINDS"]


def _offers(draws: ByteDraws, place: Surroundings) -> dict[str, Any]:
    """Return the plan's fields that every virtio vdev has."""
    return {
        "transport": draws.pick(("mmio", "pci")),
        "loc": 0x1C0D_0000 + 0x1000 * place.number,
        "intr": 141 + place.number,
        "format": draws.pick(("split", "packed")),
        "event_index": draws.happens(),
        "queue_size": draws.pick((16, 64)),
        "reset_policy": draws.pick(tuple(RESET_POLICIES)),
    }


def _quiesce(draws: ByteDraws, place: Surroundings, name: str) -> tuple[QuiescePlan, ...]:
    if place.is_confined:
        return ()
    return (callback(name, name, draws.pick(VDEV_PROCEDURES)),)


def _block(draws: ByteDraws, place: Surroundings) -> Drawn:
    name, disk = f"blk{place.number}", f"ahci{place.number}"
    lo_ns = draws.pick((20_000, 5_000, 100_000))
    block = BlockPlan(
        name=name,
        disk=disk,
        zero_copy=not draws.happens(),
        requests=4 + draws.below(16),
        depth=1 + draws.below(4),
        operation=draws.pick(("read", "read", "write")),
        length=512 * (1 + draws.below(16)),
        **_offers(draws, place),
    )
    service = Span(lo_ns, lo_ns * draws.pick((2, 1, 10)))
    driver = DiskPlan(
        disk, f"devb-ahci{place.number}", 80 + place.number, 1 + draws.below(4), service
    )
    return Drawn(disks=(driver,), blocks=(block,), quiesce=_quiesce(draws, place, name))


def _net(draws: ByteDraws, place: Surroundings) -> Drawn:
    name = f"net{place.number}"
    lo_ns = draws.pick((10_000, 5_000, 40_000))
    net = NetPlan(
        name=name,
        buffers=draws.pick((8, 4, 16)),
        frames=10 + draws.below(20),
        frame_length=draws.pick((64, 1_500, 1_024)),
        gap=Span(lo_ns, lo_ns * draws.pick((2, 1, 4))),
        sends=draws.below(8),
        **_offers(draws, place),
    )
    return Drawn(nets=(net,), quiesce=_quiesce(draws, place, name))


def _console(draws: ByteDraws, place: Surroundings) -> Drawn:
    name = f"con{place.number}"
    lo_ns = draws.pick((20_000, 10_000, 100_000))
    console = ConsolePlan(
        name=name,
        inputs=4 + draws.below(12),
        input_length=draws.pick((16, 1, 64)),
        gap=Span(lo_ns, lo_ns * draws.pick((2, 1))),
        prints=draws.below(4),
        **_offers(draws, place),
    )
    return Drawn(consoles=(console,), quiesce=_quiesce(draws, place, name))


def _entropy(draws: ByteDraws, place: Surroundings) -> Drawn:
    name = f"rng{place.number}"
    entropy = EntropyPlan(
        name=name,
        requests=2 + draws.below(8),
        length=draws.pick((64, 16, 256)),
        **_offers(draws, place),
    )
    return Drawn(entropies=(entropy,), quiesce=_quiesce(draws, place, name))


VDEV_KINDS: tuple[DeviceKind, ...] = (
    DeviceKind("virtio-blk", _block, False, ("RequestSubmitted", "BackendRequestBegun")),
    DeviceKind("virtio-net", _net, True, ("FrameArrived", "CpuWriteLanded"), False),
    DeviceKind("virtio-console", _console, True, ("FrameArrived", "CpuWriteLanded"), False),
    DeviceKind("virtio-entropy", _entropy, True, ("RequestSubmitted", "CpuWriteLanded"), False),
)
"""Every kind of vdev that is drawn.

Threads of qvm alone write for every kind but virtio-blk; they end with qvm. The disk behind a
virtio-blk vdev goes on.
"""
