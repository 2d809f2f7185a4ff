"""Fuzzed runs and crash points per second, beside bare runs of the same scenario.

    python benchmarks/fuzz_rate.py [--json] [--scenario NAME] [--seconds N]

One process.  A fuzzed run is drawn by Hypothesis, made, judged by every property and counted; a
crash point is run and judged; a bare run is `model.system.run` with fixed choices and nothing
else.  Rates are per second of processor time, so that a busy machine does not change the ratio.
"""

import argparse
import json
import time
from collections.abc import Callable

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.system import run, run_watched
from quiesce.model.plan.system_plan import AfterPlan, EndPlan, NicPlan, RamPlan, SystemPlan, VmPlan
from quiesce.properties.search.fuzz import FuzzTask, fuzz_chunk
from quiesce.properties.search.sweep import SweepPart, SweepTarget, crash_instants, sweep_part
from quiesce.scenarios.resolve.library import resolved

CHUNK = 50


def two_devices() -> SystemPlan:
    """Return a guest that crashes with two controllers at work, and an IOMMU that stops them."""
    nics = tuple(NicPlan(f"eth{n}", 40 + n, gap=Span(20_000, 60_000)) for n in range(2))
    return SystemPlan(
        "two-devices",
        (
            VmPlan(
                "vm",
                (RamPlan(0x8000_0000, 1 << 20),),
                nics=("eth0", "eth1"),
                end=EndPlan("guest-crash", Span(0, 40_000), AfterPlan("DmaLanded", count=4)),
            ),
        ),
        nics=nics,
        iommu=True,
        timing=resolved("nic-crash-iommu").plan.timing,
        pinned={"guest.crash-reaches-qvm": "at-once"},
        observe=exactly(100_000),
    )


def per_second(work: Callable[[], int], seconds: float) -> float:
    """Return how much is done in a second of processor time, the median of several rounds."""
    rates: list[float] = []
    end = time.process_time() + seconds
    while time.process_time() < end or len(rates) < 3:
        begin = time.process_time()
        done = work()
        rates.append(done / (time.process_time() - begin))
    return sorted(rates)[len(rates) // 2]


def measure(plan: SystemPlan, seconds: float) -> dict[str, float]:
    """Return the rates of one scenario."""
    search = FuzzTask(plan)
    numbers = iter(range(1_000_000))

    def bare() -> int:
        for _ in range(CHUNK):
            run(plan, Nominal())
        return CHUNK

    def fuzzed() -> int:
        return fuzz_chunk(search, run, next(numbers), examples=CHUNK).tally.runs

    vm = next(number for number, vm in enumerate(plan.vms) if vm.end)
    end = plan.vms[vm].end
    assert end is not None
    until_ns = run(plan, Nominal()).records[-1].at_ns
    target = SweepTarget(plan, vm, end.cause, until_ns)
    instants = crash_instants(target, run_watched)

    def swept() -> int:
        part = SweepPart()
        start = next(numbers) * CHUNK % max(1, len(instants) - CHUNK)
        sweep_part(target, instants[start : start + CHUNK], run_watched, part)
        return part.points

    bare_rate, fuzzed_rate, swept_rate = (per_second(w, seconds) for w in (bare, fuzzed, swept))
    return {
        "bare_runs_per_s": round(bare_rate),
        "fuzzed_runs_per_s": round(fuzzed_rate),
        "crash_points_per_s": round(swept_rate),
        "fuzz_ratio": round(fuzzed_rate / bare_rate, 3),
        "sweep_ratio": round(swept_rate / bare_rate, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--scenario", action="append", help="name or file; may be repeated")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each rate")
    options = parser.parse_args()
    names = options.scenario or ["nic-crash-bare", "nic-crash-quiesced", "blk-crash-drained"]
    plans = {"two-devices": two_devices()} | {name: resolved(name).plan for name in names}
    figures = {name: measure(plan, options.seconds) for name, plan in plans.items()}
    if options.json:
        print(json.dumps(figures["two-devices"] | {"scenarios": figures}))
        return
    columns = list(figures["two-devices"])
    print("scenario".ljust(24) + "".join(column.rjust(20) for column in columns))
    for name, row in figures.items():
        print(name.ljust(24) + "".join(f"{row[column]:>20,}" for column in columns))


if __name__ == "__main__":
    main()
