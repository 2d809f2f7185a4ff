"""How a guest's drivers find their devices, and what they do when a step fails."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.guest.block_driver import BlockDriver
from quiesce.model.guest.pci_server import BARS_START
from quiesce.model.guest.shared_memory_driver import SharedMemoryDriver
from quiesce.model.machine.system import System, build
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, SystemPlan
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import MilestoneReached, QvmExited, RequestSubmitted
from quiesce.model.trace.virtio_events import (
    InterruptAcknowledged,
    IsrRead,
    StatusRead,
    StatusWritten,
)
from quiesce.model.vdev.virtio_vdev import VirtioVdev
from quiesce.model.virtio.features import VIRTIO_F_ACCESS_PLATFORM

PlanMaker = Callable[..., SystemPlan]
E = TypeVar("E", bound=TraceEvent)


def built(plan: SystemPlan) -> tuple[Kernel, System]:
    kernel = Kernel(Nominal(), plan.pinned)
    return kernel, build(kernel, plan)


def of(kernel: Kernel, kind: type[E], source: str = "") -> list[E]:
    return [
        record.event
        for record in kernel.records
        if isinstance(record.event, kind) and source in ("", record.source)
    ]


def block_vdev(system: System) -> VirtioVdev:
    vdev = system.supervisors[0].qvm.vdevs.by_name["blk"]
    assert isinstance(vdev, VirtioVdev)
    return vdev


def block_driver(system: System) -> BlockDriver:
    driver = system.supervisors[0].qvm.guest.vdev_drivers[0]
    assert isinstance(driver, BlockDriver)
    return driver


def test_the_pci_server_finds_the_articles_functions_in_their_order(
    walk_system: PlanMaker,
) -> None:
    kernel, system = built(walk_system())
    kernel.execute(system.observed)
    pci = system.supervisors[0].qvm.guest.pci
    assert pci is not None
    found = [(one.address.device, one.vendor_id, one.device_id) for one in pci.found]
    assert found == [
        (0, 0x1C05, 0x0002),
        (1, 0x1AF4, 0x1042),
        (2, 0x1AF4, 0x1041),
        (3, 0x1AF4, 0x1043),
        (4, 0x1AF4, 0x1044),
        (5, 0x1C05, 0x0001),
    ]
    places = sorted(addr for one in pci.found for addr in one.bars.values())
    assert places[0] == BARS_START
    assert len(set(places)) == len(places) == 9


def test_a_forced_device_number_is_kept_free_for_its_vdev(walk_system: PlanMaker) -> None:
    kernel, system = built(walk_system(net={"slot": 3}))
    kernel.execute(system.observed)
    io = system.supervisors[0].qvm.vdevs.io
    vdevs = system.supervisors[0].qvm.vdevs.by_name
    order = [io.functions[number] for number in range(1, 6)]
    assert order == [vdevs[name] for name in ("blk", "con", "net", "rng", "shm")]


@pytest.mark.parametrize("loc", [0x1C00_8000, 0x1C00_1000])
def test_a_driver_with_a_wrong_address_finds_no_disk(walk_system: PlanMaker, loc: int) -> None:
    """Nothing checks that both sides agree; the device just never appears."""
    plan = walk_system(transport="mmio")
    kernel, system = built(plan)
    driver = block_driver(system)
    driver.common = replace(plan.vms[0].blocks[0], loc=loc)
    kernel.execute(system.observed)
    assert driver.has_failed
    assert of(kernel, MilestoneReached, "qvm178.blk.driver") == []
    assert of(kernel, RequestSubmitted, "qvm178.blk.driver") == []


def test_a_driver_that_is_told_a_wrong_interrupt_waits_for_its_first_answer(
    walk_system: PlanMaker,
) -> None:
    plan = walk_system(transport="mmio")
    kernel, system = built(plan)
    driver = block_driver(system)
    driver.common = replace(plan.vms[0].blocks[0], intr=99)
    kernel.execute(system.observed)
    assert len(driver.in_flight) == 1
    reached = [event.milestone for event in of(kernel, MilestoneReached, "qvm178.blk.driver")]
    assert reached[-1] == "driver-ok"


def test_a_driver_whose_features_are_refused_gives_up(walk_system: PlanMaker) -> None:
    """FEATURES_OK does not stay set; the driver says FAILED and asks for nothing."""
    kernel, system = built(walk_system())
    vdev = block_vdev(system)
    vdev.registers.machine.offered |= 1 << VIRTIO_F_ACCESS_PLATFORM
    kernel.execute(system.observed)
    written = [event.value for event in of(kernel, StatusWritten, "qvm178.blk.driver")]
    assert written == [0, 1, 3, 11, 3 | 128]
    assert of(kernel, RequestSubmitted, "qvm178.blk.driver") == []


@pytest.mark.parametrize("transport", ["pci", "mmio"])
def test_a_driver_resets_a_device_that_asks_for_it(walk_system: PlanMaker, transport: str) -> None:
    plan = walk_system(transport=transport)
    kernel, system = built(plan)
    kernel.execute(kernel.delay(exactly(1_500_000), "test"))
    driver = block_driver(system)
    assert driver.is_live
    block_vdev(system).fail()
    kernel.execute(system.observed)
    assert driver.has_failed
    assert not driver.is_live
    read = [event.value for event in of(kernel, StatusRead, "qvm178.blk.driver")]
    assert 15 | 64 in read
    assert read[-1] == 0


def test_a_line_is_looked_at_and_acknowledged_a_message_is_not(walk_system: PlanMaker) -> None:
    looks = {}
    cases = {"mmio": ("mmio", {}), "intx": ("pci", {"msix": False}), "msix": ("pci", {})}
    for name, (transport, offers) in cases.items():
        kernel, system = built(walk_system(transport=transport, offers=offers))
        kernel.execute(system.observed)
        looks[name] = (bool(of(kernel, IsrRead)), bool(of(kernel, InterruptAcknowledged)))
    assert looks == {"mmio": (True, True), "intx": (True, False), "msix": (False, False)}


def test_a_disk_whose_queue_cannot_hold_a_request_is_not_used(walk_system: PlanMaker) -> None:
    kernel, system = built(walk_system(block={"queue_size": 2}))
    kernel.execute(system.observed)
    assert block_driver(system).has_failed
    assert of(kernel, RequestSubmitted, "qvm178.blk.driver") == []


def test_the_driver_of_a_queue_resets_it_alone(walk_system: PlanMaker) -> None:
    kernel, system = built(walk_system(offers={"ring_reset": True}))
    kernel.execute(kernel.delay(exactly(4_000_000), "test"))
    driver = block_driver(system)
    queue = driver.queues[0]
    kernel.execute(kernel.process(driver.reset_queue(queue)))
    assert driver.queues == {}
    vdev = block_vdev(system)
    assert vdev.queues == {}
    assert vdev.is_active


def test_a_shutdown_at_any_instant_of_set_up_and_work_comes_to_its_end(
    walk_system: PlanMaker,
) -> None:
    """At any instant of the shutdown: the devices are reset, and no driver waits for ever."""
    for delay_ns in range(0, 2_000_000, 61_000):
        end = EndPlan("guest-shutdown", exactly(delay_ns), AfterPlan("VmStarted"))
        plan = walk_system(vm={"end": end}, observe=exactly(0))
        plan = replace(plan, pinned=plan.pinned | {"guest.shutdown-handler": "stops-device"})
        plan = replace(plan, timing=replace(plan.timing, guest_shutdown=exactly(0)))
        kernel, system = built(plan)
        vdevs = system.supervisors[0].qvm.vdevs.virtio
        kernel.execute(system.observed)
        assert [event.status for event in of(kernel, QvmExited)] == [0], delay_ns
        assert [int(vdev.registers.machine.status) for vdev in vdevs] == [0] * 4, delay_ns


def test_two_guests_notify_each_other_through_shared_memory(walk_system: PlanMaker) -> None:
    plan = walk_system()
    first = plan.vms[0]
    ram = replace(first.ram[0], start=0x9000_0000)
    second = replace(first, name="qvm179", ram=(ram,), blocks=(), end=None)
    end = EndPlan("guest-crash", exactly(2_000_000))
    kernel, system = built(replace(plan, vms=(replace(first, end=end), second)))
    last = [one.qvm.guest.vdev_drivers[-1] for one in system.supervisors]
    kernel.execute(system.observed)
    region = system.host.shared_memory.regions["frames"]
    drivers = [driver for driver in last if isinstance(driver, SharedMemoryDriver)]
    assert sorted(driver.index for driver in drivers) == [0, 1]
    seen = [driver.seen for driver in drivers]
    assert any(status >> 16 == 3 and status & 3 for status in seen), "one saw the other's bit"
    survivor = system.supervisors[1].qvm.vdevs.by_name["shm"]
    assert [client for client in region.clients if client is not None] == [survivor]
    epochs = [
        int.from_bytes(system.host.memory.read(region.host_addr + 4 * place, 4), "little")
        for place in range(2)
    ]
    assert sorted(epochs) == [1, 2]


def test_writes_reach_the_disk_and_survive_the_vm(walk_system: PlanMaker) -> None:
    block = {"operation": "write", "mount": False}
    end = EndPlan("guest-crash", exactly(4_000_000))
    plan = walk_system(block=block, vm={"end": end, "restart": True})
    kernel, system = built(plan)
    kernel.execute(system.observed)
    medium = system.host.servers["ahci0"].media["qvm178.blk"]
    assert medium.read(24, 1) == (~24 & (1 << 64) - 1).to_bytes(8, "little") * 64
