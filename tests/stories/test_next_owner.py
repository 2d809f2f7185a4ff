"""What a restarted guest finds: devices that work, or a device that keeps it waiting for ever.

A device can be silent and still be lost to its next owner: its messages stay switched off, or its
command hangs for good.  No memory is overwritten, and yet the guest does not work again.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Earliest, Latest, Nominal
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.system import header_of, run
from quiesce.model.plan.device_plans import AhciPlan
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import Service
from quiesce.properties.check import check
from quiesce.properties.core.verdict import Verdict
from quiesce.scenarios.mutants.mutants import designs

PlanMaker = Callable[..., SystemPlan]


def judged(plan: SystemPlan, choices: Choices | None = None) -> Verdict:
    (only,) = check(run(plan, choices or Nominal()), ["next-owner-works"])
    return only


@pytest.mark.parametrize("choices", [Nominal, Earliest, Latest])
def test_quiesced_nic_works_for_the_next_guest(
    nic_system: PlanMaker,
    documented_steps: tuple[tuple[str, int], ...],
    choices: type[Nominal],
) -> None:
    found = judged(nic_system(documented_steps, observe=exactly(2_000_000)), choices())
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_nic_whose_line_stays_switched_off_never_works_again(nic_system: PlanMaker) -> None:
    """No reset by register touches INTX_DISABLE, and the next driver does not know of it."""
    steps = (("disable-line", 0), ("disable-receive", 0), ("settle", 0))
    plan = nic_system(steps, observe=exactly(2_000_000))
    found = judged(plan)
    assert (found.verdict, found.severity) == ("violated", "starved")
    assert found.violations[0].data["device"] == "eth0"


def test_nic_whose_messages_were_switched_off_gets_them_back_from_its_next_driver(
    nic_system: PlanMaker,
) -> None:
    steps = (("disable-messages", 0), ("disable-receive", 0), ("settle", 0))
    plan = nic_system(steps, nic={"trigger": "message"}, observe=exactly(2_000_000))
    assert judged(plan).verdict == "holds"


def test_outside_that_stops_before_the_first_frame_leaves_it_open(nic_system: PlanMaker) -> None:
    found = judged(nic_system(observe=exactly(1_000)))
    assert (found.verdict, "has not yet worked" in found.reason) == ("inconclusive", True)


def test_disk_that_hangs_at_the_next_guests_first_command_never_works_for_it() -> None:
    plan = designs()["ahci/vdev/guest-crash"]
    (device,) = plan.devices
    assert isinstance(device, AhciPlan)
    alone = replace(device, slots=1, depth=1, hang_ends_with="hba-reset")
    fifth, sixth = (replace(plan, devices=(replace(alone, hangs_at=at),)) for at in (5, 6))
    found = judged(fifth)
    assert (found.verdict, found.severity) == ("violated", "starved")
    assert found.violations[0].data["device"] == "dev"
    assert judged(sixth).verdict == "holds", "one command was answered before"


def test_header_names_what_has_work_for_every_instance(nic_system: PlanMaker) -> None:
    endless = nic_system()
    assert header_of(endless).services == (Service("qvm178", "eth0", "handled", 40, "landed"),)
    counted: dict[str, Any] = {"frames": 3, "gap": Span(1_000, 2_000)}
    assert header_of(nic_system(nic=counted)).services == ()
    assert header_of(nic_system(vm={"restart": False})).services == ()


@pytest.mark.parametrize(
    ("design", "answer", "begins"),
    [
        ("nvme", "handled", "asked"),
        ("xhci", "handled", ""),
        ("can", "handled", ""),
        ("block", "completed", "asked"),
        ("sensor", "handled", "landed"),
        ("accelerator", "handled", "asked"),
    ],
)
def test_each_class_of_device_tells_its_work_in_its_own_way(
    design: str, answer: str, begins: str
) -> None:
    (service,) = header_of(designs()[f"{design}/vdev/guest-crash"]).services
    assert (service.answer, service.begins) == (answer, begins)
