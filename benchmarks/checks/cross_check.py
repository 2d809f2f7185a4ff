"""Compares proofs with many runs, and with an oracle that shares no code with the properties.

    python benchmarks/checks/cross_check.py [--plans 100] [--runs 4000] [--jobs 2]

The systems are those of `tests/crosscheck`, drawn from their numbers.  Exit status 1 if anything
disagrees.
"""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.crosscheck.engines import Outcome, compared  # noqa: E402
from tests.crosscheck.tiny_plans import tiny  # noqa: E402


def of_number(number: int, runs: int) -> Outcome:
    """Compare the answers about the system with this number."""
    return compared(tiny(number), runs)


def main() -> int:
    """Compare all systems, and print how often each property is violated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plans", type=int, default=100)
    parser.add_argument("--runs", type=int, default=4_000)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    begun_s = time.monotonic()
    words: dict[str, Counter[str]] = {}
    found: Counter[str] = Counter()
    disagreements = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        work = partial(of_number, runs=options.runs)
        for number, outcome in enumerate(pool.map(work, range(options.plans))):
            for name, word in outcome.words.items():
                words.setdefault(name, Counter())[word] += 1
            found.update(outcome.found)
            disagreements += len(outcome.disagreements)
            for each in outcome.disagreements[:5]:
                print(f"tiny-{number}: {each}", flush=True)
    print(f"{options.plans} systems, {options.runs + 3} runs of each, "
          f"{time.monotonic() - begun_s:.0f} s, {disagreements} disagreements")  # fmt: skip
    print("| property | " + " | ".join(WORDS) + " | runs that break it |")
    print("| --- " * (len(WORDS) + 2) + "|")
    for name, counted in words.items():
        counts = " | ".join(str(counted[word]) for word in WORDS)
        print(f"| {name} | {counts} | {found[name]} |")
    return 1 if disagreements else 0


WORDS = ("holds", "violated", "vacuous", "inconclusive")

if __name__ == "__main__":
    sys.exit(main())
