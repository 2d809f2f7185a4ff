"""Disks of the host: what is written is what stood in memory before the disk began to work."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.guest.block_driver import DATA_SECTOR, written_content
from quiesce.model.machine.system import build
from quiesce.model.plan.system_plan import DiskPlan, SystemPlan
from quiesce.model.sim.kernel import Kernel

PlanMaker = Callable[..., SystemPlan]
PAGE = 4096


def is_at_work(controller: Any) -> bool:
    """Return whether the disk itself works and reads nothing from memory any more."""
    if controller.port.reads_pending:
        return False
    card = getattr(controller, "card", None)
    return bool(controller.running) if card is None else bool(card.is_programming)


@pytest.mark.parametrize("kind", ["ahci", "nvme", "sdmmc"])
@pytest.mark.parametrize("zero_copy", [True, False])
def test_memory_that_is_used_otherwise_while_the_disk_works_does_not_reach_the_disk(
    block_system: PlanMaker, kind: str, zero_copy: bool
) -> None:
    disk = DiskPlan("disk0", "devb", 33, slots=1, service=exactly(5_000_000), kind=kind)
    block = {"disk": "disk0", "requests": 1, "depth": 1, "operation": "write", "length": PAGE}
    block |= {"zero_copy": zero_copy, "write_cache": "write-through"}
    plan = block_system(block=block, disks=(disk,))
    alive = replace(plan.vms[0], end=None, restart=False)
    plan = replace(plan, vms=(alive,), observe=exactly(20_000_000))
    kernel = Kernel(Nominal(), plan.pinned)
    system = build(kernel, plan)
    server = system.host.servers["disk0"]
    while not (server.in_slots and is_at_work(server.controller)):
        kernel.execute(kernel.delay(exactly(1_000), "test.wait"))
    for addr, length in server.in_slots[0].pieces:
        system.host.memory.write(addr, bytes(length))
    kernel.execute(system.observed)
    (medium,) = server.media.values()
    found = b"".join(medium.committed[DATA_SECTOR + n] for n in range(PAGE // 512))
    assert found == written_content(DATA_SECTOR, PAGE)
