"""Events per second of the model beside a bare SimPy loop, and runs per second of scenarios.

Both loops run in turn, in one process and on the same machine, so that the ratio holds where
absolute figures do not.  The bare loop has as many processes as the model and processes as
many events; it does nothing at each.

    python benchmarks/throughput.py [--json] [--scenario NAME] [--seconds N]
"""

import argparse
import json
import time
from collections.abc import Callable

import simpy

from quiesce.model.base.choices import Nominal
from quiesce.model.machine.system import build, run
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.properties.check import check
from quiesce.scenarios.resolve.library import resolved


class CountingKernel(Kernel):
    """A kernel that counts the processes that are started in it."""

    processes = 0

    def process(self, generator: Steps) -> simpy.events.Process:
        """Start a process and count it."""
        self.processes += 1
        return simpy.events.Process(self, generator)


def bare_loop(processes: int, events: int) -> None:
    """Let SimPy process as many time-outs as the model has events."""
    environment = simpy.Environment()
    # Each process costs two further events: its start and its end.
    waits = max(1, events // processes - 2)

    def body() -> simpy.events.ProcessGenerator:
        for _ in range(waits):
            yield environment.timeout(5)

    for _ in range(processes):
        environment.process(body())
    environment.run()


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def measure(scenario: str, seconds: float) -> dict[str, float]:
    """Return the figures of one scenario; each is the median of many paired rounds."""
    plan = resolved(scenario).plan
    kernel = CountingKernel(Nominal(), plan.pinned)
    system = build(kernel, plan)
    kernel.execute(system.observed)
    events, processes = kernel.events_run, kernel.processes

    rounds: list[tuple[float, float, float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        model_s = seconds_of(lambda: run(plan, Nominal()))
        bare_s = seconds_of(lambda: bare_loop(processes, events))
        judged_s = seconds_of(lambda: check(run(plan, Nominal())))
        rounds.append((model_s, bare_s, judged_s))
    middle = len(rounds) // 2
    model_s, bare_s, judged_s = (sorted(column)[middle] for column in zip(*rounds, strict=True))
    ratios = sorted(bare_s / model_s for model_s, bare_s, _ in rounds)
    return {
        "events": events,
        "processes": processes,
        "records": len(kernel.records),
        "model_events_per_s": round(events / model_s),
        "bare_events_per_s": round(events / bare_s),
        "ratio": round(ratios[middle], 3),
        "runs_per_s": round(1 / model_s),
        "judged_runs_per_s": round(1 / judged_s),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--scenario", action="append", help="name or file; may be repeated")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each scenario")
    options = parser.parse_args()
    names = options.scenario or ["nic-crash-bare", "nic-crash-restart", "blk-crash-zero-copy"]
    figures = {name: measure(name, options.seconds) for name in names}
    first = figures[names[0]]
    keys = ("model_events_per_s", "bare_events_per_s", "ratio", "runs_per_s")
    if options.json:
        print(json.dumps({key: first[key] for key in keys} | {"scenarios": figures}))
        return
    columns = list(first)
    print("scenario".ljust(24) + "".join(column.rjust(20) for column in columns))
    for name, row in figures.items():
        print(name.ljust(24) + "".join(f"{row[column]:>20,}" for column in columns))
    print("\nEach figure is a median over paired rounds; ratio is model to bare events per second.")


if __name__ == "__main__":
    main()
