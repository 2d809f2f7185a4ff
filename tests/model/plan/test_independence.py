"""Which devices of a system cannot influence each other, and when that is not certain."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.clock import exactly
from quiesce.model.plan.device_plans import CanPlan
from quiesce.model.plan.faults import Faults
from quiesce.model.plan.independence import HUB, IndependentGroups, independent_groups
from quiesce.model.plan.interrupt_plan import InterruptPlan
from quiesce.model.plan.system_plan import EndPlan, QuiescePlan, StepPlan, SystemPlan
from quiesce.model.plan.virtio_plan import BlockPlan, EntropyPlan
from quiesce.scenarios.resolve.library import resolved

PlanMaker = Callable[..., SystemPlan]
RNG = EntropyPlan(name="rng", transport="pci")


def names(plan: SystemPlan) -> list[str]:
    return [group.name for group in independent_groups(plan).groups]


def two_groups(nic_system: PlanMaker, **changes: object) -> SystemPlan:
    """Return a VM with a passed-through NIC and an entropy device."""
    plan = nic_system(vm={"restart": False, "entropies": (RNG,)})
    return replace(plan, **changes)


def with_vm(plan: SystemPlan, **changes: object) -> SystemPlan:
    return replace(plan, vms=(replace(plan.vms[0], **changes),))


def test_each_vdev_of_the_article_is_a_group_with_what_stands_behind_it() -> None:
    groups = independent_groups(resolved("article-pci").plan)
    assert not groups.why_one
    assert [set(group.parts) for group in groups.groups] == [
        {
            "qvm178.virtio-blk_qvm178",
            "qvm178.virtio-blk_qvm178.driver",
            "devb-ahci",
            "ahci0",
            "ahci0.dma",
        },
        {
            "qvm178.virtio-net_qvm178",
            "qvm178.virtio-net_qvm178.driver",
            "qvm178.virtio-net_qvm178.peer",
        },
        {
            "qvm178.virtio-console",
            "qvm178.virtio-console.driver",
            "qvm178.virtio-console.peer",
        },
        {"qvm178.shmem", "qvm178.shmem.driver"},
    ]
    assert {"qvm178", "qvm178.guest", "memory", "gic", "procnto"} <= set(groups.hubs)


@pytest.mark.parametrize(
    ("component", "number"),
    [
        ("ahci0.port", 0),
        ("qvm178.virtio-console.peer", 2),
        ("qvm178.vgic", HUB),
        ("run", HUB),
        ("unknown", None),
    ],
)
def test_a_component_belongs_where_its_name_begins(component: str, number: int | None) -> None:
    groups: IndependentGroups = independent_groups(resolved("article-pci").plan)
    assert groups.number_of(component) == number


def test_a_device_that_is_passed_through_is_a_group_beside_the_vdevs(
    nic_system: PlanMaker,
) -> None:
    assert names(two_groups(nic_system)) == ["qvm178.rng", "eth0"]


def test_all_that_is_passed_through_to_a_vm_is_one_group(nic_system: PlanMaker) -> None:
    plan = two_groups(nic_system, devices=(CanPlan("can0", 99),))
    assert names(plan) == ["qvm178.rng", "eth0", "can0"]
    assert names(with_vm(plan, devices=("can0",))) == ["qvm178.rng", "eth0"]


def test_devices_on_one_line_are_one_group(nic_system: PlanMaker) -> None:
    plan = two_groups(nic_system)
    shared = replace(plan, devices=(CanPlan("can0", plan.nics[0].intid),))
    assert names(shared) == ["qvm178.rng", "eth0"]


def test_vdevs_on_one_disk_are_one_group(block_system: PlanMaker) -> None:
    plan = block_system(vm={"restart": False})
    block = plan.vms[0].blocks[0]
    other = BlockPlan("other", "ahci0", loc=0x1C0F_0000, intr=50)
    assert len(names(with_vm(plan, blocks=(block, other)))) == 1
    assert len(names(with_vm(plan, entropies=(EntropyPlan(name="rng", intr=51),)))) == 2


def test_vdevs_with_the_same_interrupt_of_the_guest_are_one_group(
    block_system: PlanMaker,
) -> None:
    plan = block_system(vm={"restart": False})
    same = EntropyPlan(name="rng", intr=plan.vms[0].blocks[0].intr)
    assert len(names(with_vm(plan, entropies=(same,)))) == 1


HASTY = QuiescePlan("rng", "rng", (StepPlan("drain", 5),), on_timeout="release")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"restart": True}, "a VM starts again"),
        ({"end": EndPlan("guest-shutdown", exactly(1))}, "the guest stops its drivers"),
        ({"end": EndPlan("sigterm-x86", exactly(1))}, "the guest stops its drivers"),
        ({"end": EndPlan("host-shutdown", exactly(1))}, "the whole host goes down"),
        ({"end": EndPlan("server-stall", exactly(1))}, "a host driver stalls"),
        ({"then": (EndPlan("sigkill", exactly(1)),)}, "a VM meets more than one end"),
        ({"quiesce": (HASTY,)}, "memory is released after a time-out"),
    ],
)
def test_what_the_vm_goes_through_may_make_all_one_group(
    change: dict[str, object], why: str, nic_system: PlanMaker
) -> None:
    groups = independent_groups(with_vm(two_groups(nic_system), **change))
    assert len(groups.groups) == 1
    assert groups.why_one.startswith(why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"faults": Faults(unmask_after_detach=True)}, "faults of the host"),
        ({"iommu": True}, "an IOMMU stands before devices"),
        ({"interrupts": InterruptPlan(routes="its")}, "messages go through a table of routes"),
    ],
)
def test_what_the_host_has_may_make_all_one_group(
    change: dict[str, object], why: str, nic_system: PlanMaker
) -> None:
    groups = independent_groups(two_groups(nic_system, **change))
    assert len(groups.groups) == 1
    assert groups.why_one.startswith(why)
