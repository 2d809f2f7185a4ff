"""Runs drawn systems that follow the procedures, and reports every violation as a false alarm.

    python benchmarks/false_alarms.py [--systems N] [--seed N] [--jobs N] [--json]

Each run has a system of its own, 1 to 6 devices and 1 to 3 guests, and choices of its own.  A
violation is a false alarm, or shows that a procedure is wrong.  The benchmark shrinks and prints
it.
"""

import argparse
import collections
import json
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings

from quiesce.model.base.choices import Biased, ChoicePoint
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.properties.check import check
from quiesce.properties.generate import strategies
from quiesce.properties.search.shrink import shrink

CHUNK = 500


class ChunkCounts(msgspec.Struct):
    """The counts of a chunk of runs, and its violations."""

    systems: int = 0
    words: dict[str, dict[str, int]] = {}
    shapes: dict[str, int] = {}
    causes: dict[str, int] = {}
    alarms: dict[str, tuple[SystemPlan, tuple[ChoicePoint, ...]]] = {}
    violated: dict[str, int] = {}


def chunk(number: int, systems: int) -> ChunkCounts:
    """Draw, run and judge the systems of one chunk."""
    found = ChunkCounts()

    @seed(number)
    @settings(
        max_examples=systems,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategies.runs())
    def judged(drawn: tuple[SystemPlan, Biased]) -> None:
        plan, choices = drawn
        found.systems += 1
        devices = len(plan.passable) + sum(len(vm.vdevs) for vm in plan.vms)
        shape = f"{len(plan.vms)} guests, {devices} devices"
        found.shapes[shape] = found.shapes.get(shape, 0) + 1
        for vm in plan.vms:
            for end in vm.ends:
                found.causes[end.cause] = found.causes.get(end.cause, 0) + 1
        for verdict in check(run(plan, choices)):
            words = found.words.setdefault(verdict.property, {})
            words[verdict.verdict] = words.get(verdict.verdict, 0) + 1
            if verdict.verdict == "violated":
                found.violated[verdict.property] = found.violated.get(verdict.property, 0) + 1
                found.alarms.setdefault(verdict.property, (plan, tuple(choices.log)))

    judged()
    return found


def merged(parts: list[ChunkCounts]) -> dict[str, Any]:
    """Return the counts of all chunks."""
    total: dict[str, Any] = {"systems": sum(part.systems for part in parts)}
    for field in ("shapes", "causes", "violated"):
        counter: collections.Counter[str] = collections.Counter()
        for part in parts:
            counter.update(getattr(part, field))
        total[field] = dict(sorted(counter.items()))
    words: dict[str, collections.Counter[str]] = {}
    for part in parts:
        for name, counts in part.words.items():
            words.setdefault(name, collections.Counter()).update(counts)
    total["verdicts"] = {name: dict(sorted(counts.items())) for name, counts in words.items()}
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--systems", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begun = time.monotonic()
    numbers = range(-(-options.systems // CHUNK))
    with ProcessPoolExecutor(options.jobs) as pool:
        parts = list(
            pool.map(
                chunk,
                [options.seed * 1_000_000 + number for number in numbers],
                [min(CHUNK, options.systems - number * CHUNK) for number in numbers],
            )
        )
    total = merged(parts)
    total["seconds"] = round(time.monotonic() - begun)
    total["alarms"] = {}
    for part in parts:
        for name, (plan, log) in part.alarms.items():
            if name not in total["alarms"]:
                small = shrink(plan, log, name, run)
                total["alarms"][name] = msgspec.to_builtins(small)
    print(json.dumps(total, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
