"""The attribute `u` of a passed-through line: qvm unmasks at once, in any state of the guest."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal, Seeded
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.interrupt_plan import InterruptPlan
from quiesce.model.plan.system_plan import EndPlan, RamPlan, SystemPlan, VmPlan
from quiesce.model.trace.events import IrqDetached, IrqTaken, IrqUnmasked, Trace
from quiesce.properties.check import check

PlanMaker = Callable[..., SystemPlan]

AT_ONCE = InterruptPlan(unmasked_at_once=("eth0",))
EDGE = {"trigger": "edge"}


def taken(trace: Trace) -> list[int]:
    return [record.at_ns for record in trace.records if isinstance(record.event, IrqTaken)]


def unmasked(trace: Trace, reason: str) -> list[int]:
    return [
        record.at_ns
        for record in trace.records
        if isinstance(record.event, IrqUnmasked) and record.event.reason == reason
    ]


def test_the_line_opens_at_the_instant_at_which_the_host_has_taken_it(
    nic_system: PlanMaker,
) -> None:
    trace = run(nic_system(nic=EDGE, interrupts=AT_ONCE), Nominal())
    assert taken(trace)
    assert unmasked(trace, "at once") == taken(trace)
    assert unmasked(trace, "handled") == []


def test_without_the_attribute_it_opens_when_the_guest_has_handled_it(
    nic_system: PlanMaker,
) -> None:
    trace = run(nic_system(nic=EDGE), Nominal())
    assert unmasked(trace, "at once") == []
    assert 0 < len(unmasked(trace, "handled")) <= len(taken(trace))
    assert not set(unmasked(trace, "handled")) & set(taken(trace))


@pytest.mark.parametrize("seed", range(8))
def test_a_guest_that_dies_handling_it_leaves_the_line_open_until_the_detach(
    nic_system: PlanMaker, seed: int
) -> None:
    """No owner has an unmask outstanding, so a dead guest's NIC goes on interrupting the host."""
    end = EndPlan("sigkill", exactly(250_000))
    trace = run(nic_system(vm={"end": end}, nic=EDGE, interrupts=AT_ONCE), Seeded(seed))
    detached_ns = next(r.at_ns for r in trace.records if isinstance(r.event, IrqDetached))
    assert [ns for ns in taken(trace) if 250_000 < ns <= detached_ns]
    verdicts = {verdict.property: verdict.verdict for verdict in check(trace)}
    assert verdicts["next-owner-gets-interrupts"] != "violated"


def test_an_owner_that_ends_interrupts_itself_ends_it_at_once_as_well(
    nic_system: PlanMaker,
) -> None:
    """Else the controller would hold it active, and it would never come again."""
    plan = InterruptPlan(deactivated_by="owner", unmasked_at_once=("eth0",))
    trace = run(nic_system(nic=EDGE, interrupts=plan), Nominal())
    assert len(taken(trace)) > 1


def test_a_neighbour_without_the_attribute_still_holds_the_shared_line(
    nic_system: PlanMaker,
) -> None:
    plan = nic_system(nic=EDGE, interrupts=AT_ONCE, vm={"restart": False})
    neighbour = VmPlan("neighbour", (RamPlan(0x9000_0000, 4 << 20),), nics=("eth1",))
    twin = replace(plan.nics[0], name="eth1")
    trace = run(replace(plan, vms=(*plan.vms, neighbour), nics=(*plan.nics, twin)), Nominal())
    dead_ns = plan.vms[0].end.delay.lo_ns  # type: ignore[union-attr]
    assert [ns for ns in unmasked(trace, "at once") if ns < dead_ns] == []
    assert [ns for ns in unmasked(trace, "handled") if ns < dead_ns]
