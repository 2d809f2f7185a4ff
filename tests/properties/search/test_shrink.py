"""A counterexample is made small the same way every time."""

from quiesce.model.base.choices import Replay
from quiesce.model.machine.system import run
from quiesce.properties.check import check
from quiesce.properties.search.fuzz import FuzzTask, FuzzViolation, fuzz_chunk
from quiesce.properties.search.shrink import shrink
from quiesce.properties.search.smaller_plans import cost
from quiesce.scenarios.resolve.library import resolved

NAME = "no-dma-after-teardown"


def found() -> FuzzViolation:
    search = FuzzTask(resolved("nic-crash-bare").plan, properties=(NAME,))
    campaign = fuzz_chunk(search, run, 0, examples=20, stop_at_first=True)
    return campaign.findings[NAME]


def test_the_same_finding_shrinks_to_the_same_run() -> None:
    finding = found()
    first = shrink(finding.plan, finding.choices, NAME, run)
    assert shrink(finding.plan, finding.choices, NAME, run) == first
    assert cost(first.plan) < cost(finding.plan)


def test_the_small_run_replays_and_violates_the_same_property() -> None:
    finding = found()
    small = shrink(finding.plan, finding.choices, NAME, run)
    (verdict,) = check(run(small.plan, Replay(small.choices)), (NAME,))
    assert verdict.verdict == "violated"
    assert verdict.violations[0].index + 1 == small.events
