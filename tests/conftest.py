"""Small systems that many tests start from."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.procedures import NIC
from quiesce.model.plan.system_plan import (
    DiskPlan,
    EndPlan,
    NicPlan,
    QuiescePlan,
    RamPlan,
    StepPlan,
    SystemPlan,
    VmPlan,
)
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.virtio_plan import (
    BlockPlan,
    ConsolePlan,
    EntropyPlan,
    NetPlan,
    SharedMemoryPlan,
)

PlanMaker = Callable[..., SystemPlan]

_TIMING = Timing(
    process_exit_base=Span(50_000, 200_000),
    restart=Span(200_000, 400_000),
    guest_boot=Span(50_000, 150_000),
    release_skew=Span(0, 20_000),
)
_PINNED = {"guest.crash-reaches-qvm": "at-once"}
_RAM = (RamPlan(0x8000_0000, 4 << 20),)


@pytest.fixture
def nic_system() -> PlanMaker:
    """Make a system with one guest that owns a busy NIC and crashes at 300 us.

    Keyword `steps` gives the quiesce procedure, by default none; `vm` and `nic` replace fields of
    the VM and the NIC; all others replace fields of the plan.
    """

    def make(
        steps: tuple[tuple[str, int], ...] = (),
        vm: dict[str, Any] | None = None,
        nic: dict[str, Any] | None = None,
        **changes: Any,
    ) -> SystemPlan:
        quiesce: tuple[QuiescePlan, ...] = ()
        if steps:
            quiesce = (
                QuiescePlan("quiesce-eth0", "eth0", tuple(StepPlan(*step) for step in steps)),
            )
        plan = SystemPlan(
            "nic",
            (
                VmPlan(
                    "qvm178",
                    _RAM,
                    nics=("eth0",),
                    quiesce=quiesce,
                    end=EndPlan("guest-crash", exactly(300_000)),
                    restart=True,
                ),
            ),
            nics=(NicPlan("eth0", 40, frames=0, gap=Span(40_000, 80_000)),),
            timing=_TIMING,
            pinned=_PINNED,
        )
        plan = replace(
            plan,
            vms=(replace(plan.vms[0], **(vm or {})),),
            nics=(replace(plan.nics[0], **(nic or {})),),
        )
        return replace(plan, **changes)

    return make


@pytest.fixture
def documented_steps() -> tuple[tuple[str, int], ...]:
    """Give the documented quiesce procedure of the NIC."""
    return NIC.order


@pytest.fixture
def block_system() -> PlanMaker:
    """Make a system with one guest that reads from a slow disk and crashes at 300 us.

    Keyword `steps` gives what the vdev's callback does, by default nothing; `vm` and `block`
    replace fields of the VM and of the vdev; all others replace fields of the plan.
    """

    def make(
        steps: tuple[tuple[str, int], ...] = (),
        vm: dict[str, Any] | None = None,
        block: dict[str, Any] | None = None,
        **changes: Any,
    ) -> SystemPlan:
        name = "virtio-blk_qvm178"
        quiesce: tuple[QuiescePlan, ...] = ()
        if steps:
            quiesce = (QuiescePlan(name, name, tuple(StepPlan(*step) for step in steps)),)
        machine = VmPlan(
            "qvm178",
            _RAM,
            blocks=(replace(BlockPlan(name, "ahci0"), **(block or {})),),
            quiesce=quiesce,
            end=EndPlan("guest-crash", exactly(300_000)),
            restart=True,
        )
        plan = SystemPlan(
            "block",
            (replace(machine, **(vm or {})),),
            disks=(DiskPlan("ahci0", "devb-ahci", 33, service=Timing().sata_hdd_req),),
            timing=_TIMING,
            pinned=_PINNED,
            observe=exactly(30_000_000),
        )
        return replace(plan, **changes)

    return make


@pytest.fixture
def walk_system() -> PlanMaker:
    """Make a system whose guest has one vdev of each kind, finds them, mounts and works.

    Keyword `offers` gives fields of every virtio vdev, `transport` `pci` or `mmio`; `block` and
    `net` replace fields of one; `steps` is what the callback of each virtio vdev does; `vm`
    replaces fields of the VM; all others replace fields of the plan.
    """

    def make(
        *,
        transport: str = "pci",
        offers: dict[str, Any] | None = None,
        block: dict[str, Any] | None = None,
        net: dict[str, Any] | None = None,
        steps: tuple[tuple[str, int], ...] = (),
        vm: dict[str, Any] | None = None,
        **changes: Any,
    ) -> SystemPlan:
        def common(number: int) -> dict[str, Any]:
            place = {"loc": 0x1C00_0000 + 0x1000 * number, "intr": 40 + number}
            return {"transport": transport, **place, **(offers or {})}

        disk = BlockPlan("blk", "ahci0", mount=True, requests=8, length=8192, **common(0))
        wire = NetPlan("net", gap=Span(30_000, 60_000), **common(1))
        screen = ConsolePlan("con", gap=Span(100_000, 200_000), **common(2))
        shared = SharedMemoryPlan(
            "shm", transport=transport, loc=0x1C10_0000, intr=50, region="frames"
        )
        quiesce = tuple(
            QuiescePlan(name, name, tuple(StepPlan(*step) for step in steps))
            for name in ("blk", "net", "con", "rng")
            if steps
        )
        machine = VmPlan(
            "qvm178",
            _RAM,
            blocks=(replace(disk, **(block or {})),),
            nets=(replace(wire, **(net or {})),),
            consoles=(screen,),
            entropies=(EntropyPlan("rng", **common(3)),),
            factories=(shared,),
            bus_scan_limit=2,
            quiesce=quiesce,
        )
        plan = SystemPlan(
            "walk",
            (replace(machine, **(vm or {})),),
            disks=(DiskPlan("ahci0", "devb-ahci", 33),),
            timing=_TIMING,
            pinned=_PINNED,
            detail="virtio",
            observe=exactly(8_000_000),
        )
        return replace(plan, **changes)

    return make
