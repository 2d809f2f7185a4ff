"""A dead guest's request whose buffer is a device's register window (CVE-2021-3929, late)."""

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.model.trace.events import FramesReleased, RegistersHit
from quiesce.properties.check import check
from quiesce.scenarios.mutants.changes import both, device, no_quiesce, traits
from quiesce.scenarios.mutants.designs import designs

AFTER = "no-dma-after-teardown"


def aimed(design: str, *, takes: bool) -> SystemPlan:
    """Return a system without callbacks, with requests that write the device's own registers."""
    change = both(
        no_quiesce,
        device(own_registers_at=5, service=exactly(400_000)),
        traits(takes_bus_writes=takes),
    )
    plan = change(designs()[design])
    end = EndPlan("guest-crash", exactly(700_000))
    vms = tuple(replace(vm, restart=False, end=end) for vm in plan.vms)
    return replace(plan, vms=vms, observe=exactly(1_000_000))


@pytest.mark.parametrize(
    ("takes", "severity", "fate"),
    [(True, "stray", "works for no other VM"), (False, "contained", "refused it")],
)
def test_a_request_that_outlives_its_guest_hits_registers(
    takes: bool, severity: str, fate: str
) -> None:
    trace = run(aimed("ahci/vdev/guest-crash", takes=takes), Nominal())
    last_release = max(
        index for index, each in enumerate(trace.records) if isinstance(each.event, FramesReleased)
    )
    late = [
        index
        for index, each in enumerate(trace.records)
        if isinstance(each.event, RegistersHit) and index > last_release
    ]
    assert late
    (found,) = check(trace, [AFTER])
    hits = [each for each in found.violations if each.index in late]
    assert [each.index for each in hits] == late
    assert {each.severity for each in hits} == {severity}
    assert all(each.message.endswith(f"dev {fate}") for each in hits)
