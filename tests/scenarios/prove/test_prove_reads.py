"""Proofs about reads of released memory: the boundary, ties, and what single runs say."""

from typing import Any

import pytest
from msgspec.structs import asdict, replace

from quiesce.model.base.choices import Nominal, Seeded
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.model.trace.events import DmaRead, FramesReleased, Trace
from quiesce.properties.check import check
from quiesce.properties.prove.system_proof import Limits
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.proof import prove_plan

READ = "no-dma-read-after-teardown"
WRITE = {"operation": "write", "requests": 2, "depth": 2, "length": 512, "queue_size": 8}


def of_one_length(timing: Any) -> Any:
    """Return a timing table in which every delay has its shortest length."""
    spans = {name: exactly(span.lo_ns) for name, span in asdict(timing).items()}
    return replace(timing, **spans)


def writing(block_system: Any, end: Span) -> SystemPlan:
    """Return a system whose disk reads a guest's second buffer when it is done with the first."""
    plan: SystemPlan = block_system(
        block=WRITE, vm={"end": EndPlan("guest-crash", end), "restart": False}
    )
    disks = tuple(replace(disk, slots=1, service=exactly(400_000)) for disk in plan.disks)
    pinned = plan.pinned | {"procnto.release-order": "ascending"}
    timing = of_one_length(plan.timing)
    return replace(plan, disks=disks, timing=timing, pinned=pinned, observe=exactly(1_000_000))


def distance_ns(trace: Trace) -> int:
    """Return how long after its release the buffer read last is read; negative before it."""
    reads = [(each.at_ns, each.event) for each in trace.records if isinstance(each.event, DmaRead)]
    read_ns, read = reads[-1]
    assert read.content == "data"
    releases = [
        each.at_ns
        for each in trace.records
        if isinstance(each.event, FramesReleased)
        and 0 <= (read.addr >> 12) - each.event.first_frame < each.event.count
    ]
    assert len(releases) == 1
    return read_ns - releases[0]


def end_for_a_tie_ns(block_system: Any) -> int:
    """Return the instant of the crash with which the release falls on the very read."""
    first = 500_000
    return first + distance_ns(run(writing(block_system, exactly(first)), Nominal()))


def word_of(plan: SystemPlan) -> str:
    proof = prove_plan(plan, (TEARDOWN[READ],), Limits())
    return proof.findings[READ].word


@pytest.mark.parametrize(("later_ns", "word"), [(0, "violated"), (1, "holds"), (-1, "violated")])
def test_the_very_instant_of_the_release_is_late_and_a_nanosecond_before_is_not(
    block_system: Any, later_ns: int, word: str
) -> None:
    end = exactly(end_for_a_tie_ns(block_system) + later_ns)
    plan = writing(block_system, end)
    assert distance_ns(run(plan, Nominal())) == -later_ns
    assert word_of(plan) == word
    (found,) = check(run(plan, Nominal()), [READ])
    assert found.verdict == word


@pytest.mark.slow
def test_a_proof_over_many_timings_agrees_with_the_runs(block_system: Any) -> None:
    """An end that may come at any of a few instants is safe only if each of them is."""
    tie_ns = end_for_a_tie_ns(block_system)
    for first, last in ((1, 40_000), (0, 40_000), (-40_000, -1), (-40_000, 40_000)):
        plan = writing(block_system, Span(tie_ns + first, tie_ns + last))
        found = {
            verdict.verdict
            for seed in range(12)
            for verdict in check(run(plan, Seeded(seed)), [READ])
        }
        word = word_of(plan)
        assert word == ("holds" if first > 0 else "violated")
        assert word == "violated" or found == {"holds"}
