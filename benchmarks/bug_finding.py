"""Examples until each mutant's violation is found: drawn choices against uniformly random ones.

    python benchmarks/bug_finding.py [--json] [--seeds N] [--limit N] [--mutant NAME] [--shrink]

Both samplers run the same plan: the first design in which the mutant applies.  The clean-up of a
process has its documented span; `--tight` leaves it short, as `quiesce mutants` has it.  `uniform`
takes every delay uniformly from its span and every option with equal chance.

Only violations that need a hit count.  The properties `teardown-order` and `timeout-quarantines`
are left out, since a wrong order violates them in every run.

A mutant needs a coincidence if uniform sampling does not find it at once, in the median.  A mutant
that is not found within the limit counts as one more than the limit.

Where drawing finds no hit within the limit, the benchmark tries the mutant again with every
property, in the tight design; `judged_by` then says `all`.
"""

import argparse
import json
import random
import statistics
from typing import Any

from msgspec.structs import replace

from quiesce.model.base.choices import Choices
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.plan.timing import Timing
from quiesce.properties.check import check
from quiesce.properties.registry import TEARDOWN
from quiesce.properties.search.fuzz import CHUNK, Campaign, FuzzTask, fuzz_chunk
from quiesce.properties.search.shrink import shrink
from quiesce.scenarios.mutants.mutants import BY_NAME, MUTANTS, designs

LIMIT = 2_000

HITS = tuple(name for name in TEARDOWN if name not in {"teardown-order", "timeout-quarantines"})
"""The properties that are violated only if a late write or interrupt hits something."""


def wide(plan: SystemPlan) -> SystemPlan:
    """Return the plan with the documented spans of a process's clean-up, shorter ends included."""
    documented = Timing()
    timing = replace(
        plan.timing,
        process_exit_base=Span(0, documented.process_exit_base.hi_ns),
        process_exit_per_mib=Span(100, documented.process_exit_per_mib.hi_ns),
        release_skew=documented.release_skew,
    )
    observe = exactly(max(plan.observe.hi_ns, 1_000_000))
    horizon_ns = plan.horizon_ns + 60_000_000
    return replace(
        plan, timing=timing, observe=observe, horizon_ns=horizon_ns, teardown_ns_max=40_000_000
    )


class Uniform(Choices):
    """Takes every answer uniformly."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)

    def _option(self, bound: int, label: str) -> int:  # noqa: ARG002
        return self._random.randrange(bound)

    def _offset(self, bound: int, label: str) -> int:  # noqa: ARG002
        return self._random.randrange(bound)


Names = tuple[str, ...] | None
"""Of the properties that are judged by; None for all."""


def until_drawn(
    plan: SystemPlan, seed: int, limit: int, names: Names = HITS
) -> tuple[int, Campaign]:
    """Return how many drawn runs it takes; more than the limit if it is not found."""
    search = FuzzTask(plan, seed=seed, moves_end=False, properties=names)
    campaign = Campaign()
    for number in range(-(-limit // CHUNK)):
        fuzz_chunk(search, run, number, stop_at_first=True, campaign=campaign)
        if campaign.findings:
            return campaign.tally.runs, campaign
    return limit + 1, campaign


def until_uniform(plan: SystemPlan, seed: int, limit: int, names: Names = HITS) -> int:
    """Return how many uniformly random runs it takes; more than the limit if it is not found."""
    for number in range(limit):
        trace = run(plan, Uniform(seed * 1_000_003 + number))
        if any(verdict.verdict == "violated" for verdict in check(trace, names)):
            return number + 1
    return limit + 1


def measure(
    name: str, seeds: int, limits: tuple[int, int], *, shrinks: bool, is_tight: bool
) -> dict[str, Any]:
    """Return the figures of one mutant."""
    design, change = next(iter(BY_NAME[name].changes.items()))
    plan = change(designs()[design])
    figures = counted(plan if is_tight else wide(plan), seeds, limits, HITS, shrinks=shrinks)
    if figures["drawn_median"] > limits[0]:
        figures = counted(plan, seeds, limits, None, shrinks=shrinks)
    return {"design": design} | figures


def counted(
    plan: SystemPlan, seeds: int, limits: tuple[int, int], names: Names, *, shrinks: bool
) -> dict[str, Any]:
    """Return how many runs of a plan it takes until one of the properties is violated."""
    limit, uniform_limit = limits
    drawn, uniform, events = [], [], []
    for seed in range(seeds):
        count, campaign = until_drawn(plan, seed, limit, names)
        drawn.append(count)
        uniform.append(until_uniform(plan, seed, uniform_limit, names))
        if shrinks and campaign.findings:
            found = next(iter(campaign.findings.values()))
            small = shrink(found.plan, found.choices, found.properties[0], run)
            events.append(small.events_to_read)
    figures: dict[str, Any] = {
        "judged_by": "hits" if names else "all",
        "drawn_median": statistics.median(drawn),
        "uniform_median": statistics.median(uniform),
        "unfound": sum(count > limit for count in drawn),
    }
    figures["ratio"] = round(figures["uniform_median"] / figures["drawn_median"], 2)
    if events:
        figures["shrunk_events_median"] = statistics.median(events)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--limit", type=int, default=LIMIT)
    parser.add_argument("--uniform-limit", type=int, default=0, help="0 for the same")
    parser.add_argument("--mutant", action="append", help="M1 to M18; may be repeated")
    parser.add_argument("--shrink", action="store_true", help="make each finding small as well")
    parser.add_argument("--tight", action="store_true", help="short clean-up of processes")
    options = parser.parse_args()
    names = options.mutant or [mutant.name for mutant in MUTANTS]
    figures = {}
    for name in names:
        figures[name] = measure(
            name,
            options.seeds,
            (options.limit, options.uniform_limit or options.limit),
            shrinks=options.shrink,
            is_tight=options.tight,
        )
        if not options.json:
            print(name.ljust(5), figures[name], flush=True)
    rare = {
        name: row
        for name, row in figures.items()
        if row["uniform_median"] > 1 and row["drawn_median"] <= options.limit
    }
    mean = statistics.geometric_mean([row["ratio"] for row in rare.values()]) if rare else 0.0
    result = {
        "mutants": figures,
        "need_coincidence": sorted(rare),
        "geometric_mean_ratio": round(mean, 2),
    }
    print(
        json.dumps(result) if options.json else f"geometric mean ratio {mean:.2f} over {list(rare)}"
    )


if __name__ == "__main__":
    main()
