"""Campaigns: the same for the same seed, however they are cut; findings made small."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis.database import InMemoryExampleDatabase

from quiesce.model.base.choices import Biased, Choices, Replay
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import Trace
from quiesce.properties.check import check
from quiesce.properties.registry import TEARDOWN
from quiesce.properties.search.fuzz import (
    Campaign,
    FuzzTask,
    confidence,
    done_chunks,
    fuzz_chunk,
    instants_of,
    keep,
    replayed,
)
from quiesce.properties.search.shrink import shrink
from quiesce.properties.search.smaller_plans import cost, smaller
from quiesce.scenarios.mutants.mutants import BY_NAME, designs
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.campaign import Effort, carry_out

BARE = resolved("nic-crash-bare").plan
QUIET = resolved("nic-crash-quiesced").plan


def silent(campaign: Campaign, seconds: float) -> None:
    pass


def test_a_system_without_quiescing_is_found_out() -> None:
    campaign = fuzz_chunk(FuzzTask(BARE), run, 0, examples=20)
    assert campaign.tally.runs == 20
    (name,) = {finding.properties[0] for finding in campaign.findings.values()}
    assert name == "no-dma-after-teardown"


def test_the_same_seed_draws_the_same_runs_and_another_one_others() -> None:
    def logs(seed: int) -> list[Any]:
        seen = []

        def noted(plan: SystemPlan, choices: Choices) -> Trace:
            trace = run(plan, choices)
            seen.append((plan, tuple(choices.log)))
            return trace

        fuzz_chunk(FuzzTask(QUIET, seed=seed), noted, 3, examples=10)
        return seen

    assert logs(1) == logs(1)
    assert logs(1) != logs(2)


def test_instants_of_death_are_drawn_from_the_run_and_the_own_one_is_kept_in_half_of_them() -> None:
    ends = []

    def noted(plan: SystemPlan, choices: Choices) -> Trace:
        ends.append(plan.vms[0].end)
        return run(plan, choices)

    fuzz_chunk(FuzzTask(QUIET), noted, 0, examples=40)
    moved = [end for end in ends if end != QUIET.vms[0].end]
    assert 8 < len(moved) < 32
    assert len({end.after.event for end in moved if end and end.after}) > 3
    of_ends = {"TerminationBegun", "OutsideEnded", "StillUnderWay", "RestartRequested"}
    assert not of_ends & {name for name, _ in instants_of(QUIET, run)}


def test_a_choice_leans_to_the_ends_and_the_tail_of_its_span() -> None:
    """Each end and the tail have to come up at least once in ten draws."""
    low = high = tail = 0
    runs = 400
    for number in range(runs):
        data = bytes((number * 37 + place * 101) % 256 for place in range(Biased.SIZE))
        value = Biased(data).between(0, 999, "delay")
        low += value == 0
        high += value == 999
        tail += 900 <= value < 999
    assert low >= runs // 10
    assert high >= runs // 10
    assert tail >= runs // 10


def test_what_was_done_is_not_done_again_and_what_was_found_is_tried_first() -> None:
    database = InMemoryExampleDatabase()
    search = FuzzTask(BARE, seed=4)
    part = fuzz_chunk(search, run, 2, examples=10)
    keep(search, 2, part, database)
    assert list(done_chunks(search, database)) == [2]
    assert done_chunks(search, database)[2].tally.verdicts() == part.tally.verdicts()
    again = replayed(FuzzTask(BARE, seed=99), run, database)
    assert again.findings.keys() == part.findings.keys()
    assert done_chunks(FuzzTask(QUIET, seed=4), database) == {}


@pytest.mark.slow
def test_a_campaign_goes_on_where_it_was_left(tmp_path: Path) -> None:
    search = FuzzTask(QUIET)
    first = carry_out(search, Effort(100, database=tmp_path), silent)
    second = carry_out(search, Effort(200, database=tmp_path), silent)
    whole = carry_out(search, Effort(200), silent)
    assert (first.resumed, second.resumed, whole.resumed) == (0, 100, 0)
    assert second.campaign.tally.runs == 200
    assert second.campaign.tally.verdicts() == whole.campaign.tally.verdicts()


@pytest.mark.slow
def test_several_processes_find_what_one_finds() -> None:
    search = FuzzTask(BARE, seed=1)
    one = carry_out(search, Effort(200), silent)
    two = carry_out(search, Effort(200, jobs=2), silent)
    assert two.campaign.tally.runs == one.campaign.tally.runs == 200
    assert two.campaign.tally.violated == one.campaign.tally.violated
    assert two.campaign.findings.keys() == one.campaign.findings.keys()


def test_an_interrupt_leaves_a_verdict_on_the_runs_up_to_then() -> None:
    seen = []

    def impatient(campaign: Campaign, seconds: float) -> None:
        seen.append(campaign.tally.runs)
        os.kill(os.getpid(), signal.SIGINT)

    outcome = carry_out(FuzzTask(QUIET), Effort(1_000), impatient)
    assert outcome.was_stopped
    assert outcome.campaign.tally.runs == 100 == seen[0]
    assert len(outcome.campaign.tally.verdicts()) == len(TEARDOWN)


def test_a_run_that_is_interrupted_in_the_middle_is_not_counted() -> None:
    runs = 0

    def interrupted(plan: SystemPlan, choices: Choices) -> Trace:
        nonlocal runs
        runs += 1
        if runs == 8:
            raise KeyboardInterrupt
        return run(plan, choices)

    campaign = Campaign()
    with pytest.raises(KeyboardInterrupt):
        fuzz_chunk(FuzzTask(QUIET, moves_end=False), interrupted, 0, campaign=campaign)
    assert campaign.tally.runs == 7
    assert all(verdict.verdict in {"holds", "vacuous"} for verdict in campaign.tally.verdicts())


@pytest.mark.parametrize(
    ("runs", "said"), [(1, "nothing"), (300, "1 run in 100"), (3_000, "1 run in 1001")]
)
def test_clean_runs_bound_how_rare_a_violation_is(runs: int, said: str) -> None:
    assert said in confidence(runs)


@pytest.mark.slow
def test_a_found_run_shrinks_to_one_that_no_step_makes_smaller() -> None:
    design = designs()["nic/vdev/guest-crash"]
    plan = BY_NAME["M17"].changes["nic/vdev/guest-crash"](design)
    found = next(
        finding
        for number in range(20)
        for finding in fuzz_chunk(FuzzTask(plan), run, number, examples=50).findings.values()
    )
    name = found.properties[0]
    small = shrink(found.plan, found.choices, name, run)
    assert small.is_minimal
    assert cost(small.plan) <= cost(found.plan)
    assert small.events < len(run(found.plan, Replay(found.choices)).records)
    trace = run(small.plan, Replay(small.choices))
    assert {v.property for v in check(trace) if v.verdict == "violated"} >= {name}
    again = shrink(small.plan, small.choices, name, run)
    assert (again.plan, again.choices) == (small.plan, small.choices)


def test_a_shrinker_that_runs_out_of_attempts_says_so() -> None:
    found = next(iter(fuzz_chunk(FuzzTask(BARE), run, 0, examples=5).findings.values()))
    small = shrink(found.plan, found.choices, found.properties[0], run, attempts_max=3)
    assert not small.is_minimal
    assert small.attempts == 3


def test_a_run_that_violates_nothing_is_not_shrunk() -> None:
    with pytest.raises(AssertionError, match="does not violate"):
        shrink(QUIET, (), "no-dma-after-teardown", run)


def test_every_smaller_plan_can_be_run() -> None:
    plan = resolved("shared-line").plan
    plans = list(smaller(plan))
    assert len(plans) > 10
    assert any(len(each.vms) < len(plan.vms) for each in plans)
    assert any(len(each.nics) < len(plan.nics) for each in plans)
    for each in plans[:40]:
        run(each, Biased(bytes(Biased.SIZE)))
