"""Designs that follow the procedures violate nothing; each known way to go wrong is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.base.choices import Biased
from quiesce.model.hardware.registry import procedures
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import (
    AnyEvent,
    FramesQuarantined,
    QuiesceStepEnded,
    RestartGivenUp,
    Trace,
)
from quiesce.properties.check import check
from quiesce.properties.generate import strategies
from quiesce.properties.generate.drawn_procedures import NIC_PROCEDURES, PROCEDURES
from quiesce.properties.search.fuzz import CHUNK, Campaign, FuzzTask, fuzz_chunk
from quiesce.properties.search.shrink import shrink
from quiesce.scenarios.mutants.designs import CRASH
from quiesce.scenarios.mutants.mutants import MUTANTS, Mutant, designs

EXAMPLES_MAX = 2_000


def violated(trace: Trace) -> set[str]:
    verdicts = check(trace)
    return {verdict.property for verdict in verdicts if verdict.verdict == "violated"}


def costs_shown(trace: Trace) -> set[str]:
    """Return what holding has cost by the events alone: waits in vain, and what follows of them."""
    events = [record.event for record in trace.records]
    costs = {
        "quiesce-completed": any(_gives_up(event) for event in events),
        "memory-reclaimed": any(isinstance(event, FramesQuarantined) for event in events),
        "restart-happened": any(isinstance(event, RestartGivenUp) for event in events),
    }
    return {name for name, is_paid in costs.items() if is_paid}


def _gives_up(event: AnyEvent) -> bool:
    return isinstance(event, QuiesceStepEnded) and event.outcome == "timed_out"


def search(plan: SystemPlan, seed: int = 0) -> Campaign:
    """Draw runs until one violates something."""
    target = FuzzTask(plan, seed=seed, moves_end=False)
    campaign = Campaign()
    for number in range(EXAMPLES_MAX // CHUNK):
        fuzz_chunk(target, run, number, stop_at_first=True, campaign=campaign)
        if campaign.findings:
            break
    return campaign


@pytest.mark.slow
@given(strategies.runs())
def test_a_system_that_follows_the_procedures_harms_nobody_and_loses_what_waits_in_vain_cost(
    drawn: tuple[SystemPlan, Biased],
) -> None:
    trace = run(*drawn)
    assert violated(trace) == costs_shown(trace)


@pytest.mark.parametrize("design", [name for name in designs() if name.endswith(CRASH)])
def test_a_correct_design_withstands_a_campaign(design: str) -> None:
    campaign = fuzz_chunk(FuzzTask(designs()[design]), run, 0, examples=30)
    assert campaign.tally.runs == 30
    assert campaign.findings == {}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_drawing_finds_a_mutant_and_makes_it_small(mutant: Mutant) -> None:
    design, change = next(iter(mutant.changes.items()))
    campaign = search(change(designs()[design]))
    assert campaign.findings, f"{EXAMPLES_MAX} runs of {design} show nothing of it"
    found = next(iter(campaign.findings.values()))
    small = shrink(found.plan, found.choices, found.properties[0], run)
    assert small.is_minimal
    assert small.events_to_read <= small.events < 120


def test_the_procedures_that_are_drawn_are_the_documented_ones() -> None:
    documented = {name: procedure.documented for name, procedure in procedures().items()}
    assert PROCEDURES | {"nic": NIC_PROCEDURES[0]} == documented


@pytest.mark.slow
@given(strategies.mutants(), strategies.choices())
def test_a_spoiled_system_still_runs_to_its_end(plan: SystemPlan, choices: Biased) -> None:
    trace = run(plan, choices)
    assert type(trace.records[-1].event).__name__ == "ObservationEnded"


@given(st.data())
def test_small_systems_are_as_small_as_asked_for(data: st.DataObject) -> None:
    plan = data.draw(strategies.systems(devices_max=2, vms_max=1))
    devices = len(plan.passable) + sum(len(vm.vdevs) for vm in plan.vms)
    assert len(plan.vms) == 1
    assert 1 <= devices <= 2
