"""What an interrupt controller keeps for an owner that has exited, by the shipped scenarios."""

import pytest

from quiesce.model.base.choices import Earliest, Latest, Nominal
from quiesce.model.machine.system import run
from quiesce.model.trace.events import IrqInjected, IrqMessageRefused, QuiesceStepEnded
from quiesce.properties.check import check
from quiesce.properties.core.verdict import is_cost
from quiesce.scenarios.resolve.library import resolved

PAIRS = {
    "irq-rwp-not-awaited": "no-irq-after-teardown",
    "ioapic-late-unmask": "no-irq-after-teardown",
    "gic-edge-latched": "irq-contained-after-teardown",
    "gic-active-left": "next-owner-gets-interrupts",
    "ioapic-remote-irr-left": "next-owner-gets-interrupts",
    "bug-b18-list-register": "irq-contained-after-teardown",
    "bug-b46-remapping-entry": "irq-contained-after-teardown",
    "bug-b16-cached-translation": "irq-contained-after-teardown",
    "its-discard-not-synced": "no-irq-after-teardown",
    "its-pending-not-discarded": "irq-contained-after-teardown",
    "bug-b19-pending-table": "no-dma-after-teardown",
    "bug-b19-lpis-stay-enabled": "timeout-quarantines",
    "bug-b17-lpis-disabled-cache": "no-dma-after-teardown",
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_failing_form_fails_by_what_its_bug_implies(name: str) -> None:
    trace = run(resolved(name).plan, Nominal())
    (verdict,) = check(trace, [PAIRS[name]])
    assert verdict.verdict == "violated"


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("choices", [Nominal, Earliest, Latest])
def test_the_repaired_form_violates_nothing_at_the_corners_of_its_timing(
    name: str, choices: type[Nominal]
) -> None:
    verdicts = check(run(resolved(f"{name}-repaired").plan, choices()))
    harms = [each for each in verdicts if each.verdict == "violated" and not is_cost(each)]
    assert harms == []


def test_an_interrupt_left_in_a_list_register_is_the_next_guests_first_one() -> None:
    trace = run(resolved("bug-b18-list-register").plan, Nominal())
    injected = [each.event for each in trace.records if isinstance(each.event, IrqInjected)]
    first = next(event for event in injected if event.epoch == 2)
    assert first.requested_epoch == 1


def test_messages_of_the_dead_are_refused_once_their_route_is_gone() -> None:
    trace = run(resolved("bug-b46-remapping-entry-repaired").plan, Nominal())
    refused = [each.event for each in trace.records if isinstance(each.event, IrqMessageRefused)]
    assert {(event.device, event.epoch, event.reason) for event in refused} == {
        ("dev0", 1, "unmapped")
    }


def test_a_redistributor_that_cannot_be_stopped_times_out_and_costs_the_memory() -> None:
    trace = run(resolved("bug-b19-lpis-stay-enabled-repaired").plan, Nominal())
    ended = [each.event for each in trace.records if isinstance(each.event, QuiesceStepEnded)]
    assert ("gicr", "confirm", "timed_out") in [
        (event.device, event.step, event.outcome) for event in ended
    ]
