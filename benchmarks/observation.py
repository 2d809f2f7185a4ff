"""Checks that no verdict depends on the length of the observation.

    python benchmarks/observation.py [--systems N] [--phases N] [--seed N] [--library]

The systems are drawn ones or those of the library.  Each runs once for each length, with the same
times and answers by label; a property that holds for one length and is violated for another is
shown.
"""

import argparse
import time

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from quiesce.model.plan.system_plan import SystemPlan
from quiesce.properties.generate import strategies
from quiesce.properties.suite.phases import contradictions, lengths_ns
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.resolve.library import resolved


def drawn(systems: int, phases: int, number: int) -> int:
    """Return how many drawn systems contradict themselves; shows each."""
    found = 0

    @seed(number)
    @settings(
        max_examples=systems,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(strategies.systems(), strategies.mutants()), st.integers(0, 1 << 20))
    def judged(plan: SystemPlan, choices: int) -> None:
        nonlocal found
        bad = contradictions(plan, choices, lengths_ns(plan.observe.hi_ns, phases))
        if bad:
            found += 1
            print(f"{choices}: {bad}\n{plan}")

    judged()
    return found


def shipped(phases: int) -> int:
    """Return how many shipped scenarios contradict themselves; shows each."""
    found = 0
    for name in shipped_names():
        plan = resolved(name).plan
        bad = contradictions(plan, 0, lengths_ns(plan.observe.hi_ns, phases))
        if bad:
            found += 1
            print(f"{name}: {bad}")
    return found


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", type=int, default=200)
    parser.add_argument("--phases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--library", action="store_true")
    options = parser.parse_args()
    began_s = time.perf_counter()
    found = drawn(options.systems, options.phases, options.seed)
    print(f"{options.systems} drawn systems, {options.phases} lengths each: {found} contradictions")
    if options.library:
        print(f"library, {options.phases} lengths each: {shipped(options.phases)} contradictions")
    print(f"{time.perf_counter() - began_s:.1f} s")


if __name__ == "__main__":
    main()
