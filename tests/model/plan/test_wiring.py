"""Who can influence whom: the interrupt controller as a master of memory."""

import networkx
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.machine.system import header_of, run
from quiesce.model.plan.interrupt_plan import InterruptPlan
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.plan.wiring import wiring
from quiesce.properties.check import check

from ...conftest import PlanMaker

ITS = InterruptPlan("gicv3", "its", pending_table="guest")


def messages(plan: SystemPlan, interrupts: InterruptPlan) -> SystemPlan:
    """Return the plan with messages for the NIC, on another interrupt controller."""
    nics = (replace(plan.nics[0], trigger="message"),)
    return replace(plan, nics=nics, interrupts=interrupts)


def test_the_redistributor_is_wired_as_a_master_past_the_iommu(nic_system: PlanMaker) -> None:
    graph = wiring(messages(nic_system(iommu=True), ITS))
    assert networkx.has_path(graph, "eth0", "its")
    assert list(graph.predecessors("gicr")) == ["gic"]
    assert list(graph.successors("gicr.dma")) == ["memory"], "no IOMMU stands in its way"
    assert graph.nodes["gicr.dma"]["kind"] == "dma_engine"


def test_without_lpis_no_interrupt_controller_writes_memory(nic_system: PlanMaker) -> None:
    assert "gicr" not in wiring(nic_system())


def test_an_io_apic_has_its_own_name_and_remapping_before_it(nic_system: PlanMaker) -> None:
    graph = wiring(messages(nic_system(), InterruptPlan("apic", "remapping")))
    assert list(networkx.shortest_path(graph, "eth0", "procnto")) == [
        *("eth0", "irte", "ioapic", "procnto")
    ]


def test_every_part_that_tells_something_is_in_the_header(nic_system: PlanMaker) -> None:
    plan = messages(nic_system(), ITS)
    names = [part.name for part in header_of(plan).parts]
    sources = {record.source for record in run(plan, Nominal()).records} - {"run"}
    assert {"gicr", "its", "gic"} <= sources
    assert sources <= set(names)


def test_releasing_the_table_is_an_early_release_even_if_nothing_lands(
    nic_system: PlanMaker, documented_steps: tuple[tuple[str, int], ...]
) -> None:
    """The order shows it without luck: no software has seen the redistributor stop."""
    plan = messages(nic_system(documented_steps), ITS)
    (order,) = check(run(plan, Nominal()), ["teardown-order"])
    assert [violation.data["device"] for violation in order.violations] == ["gicr"]
