"""Proves the shipped scenarios, each in a process of its own, and prints verdicts and costs.

    python benchmarks/library_proofs.py [--json] [--seconds N] [--match PATTERN] [--jobs N]

Prints for each scenario the verdict, how large it is, the processor time that it took, and, where
it was cut short, why.  PATTERN is of the shell's kind: `bug-*-repaired`, `article-*`.  The last
lines count the verdicts; exit status 1 if a scenario that is meant to be violated is not.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import resource
import subprocess
import sys
import tempfile
from typing import Any

from quiesce.model.base.errors import QuiesceError
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.resolve.library import resolved

WHY = ("cut short", "why so large", "still taking new values")


def proof_of(name: str, seconds: int) -> dict[str, Any]:
    """Return verdict, size and processor time of one proof."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "quiesce.scenarios", "prove", name]
        command += ["--seconds", str(seconds), "--no-plot", "--json", "--out", folder]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if not ran.stdout:
        return {"scenario": name, "verdict": "error", "why": [ran.stderr.strip()[-200:]]}
    document = json.loads(ran.stdout)
    bounds = document["bounds"]
    is_whole = document["is_whole"]
    return {
        "scenario": name,
        "verdict": document["verdict"],
        "is_whole": is_whole,
        "classes": document["classes"],
        "states": document["states"],
        "seconds": document["seconds"],
        "why": [] if is_whole else [one for one in bounds if one.startswith(WHY)],
    }


def is_meant_to_be_violated(name: str) -> bool:
    """Return whether a scenario says that some property is violated in it."""
    return "violated" in resolved(name).expect.values()


def main() -> int:
    """Prove the scenarios and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--match", default="*")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    chosen = [name for name in shipped_names() if fnmatch.fnmatch(name, options.match)]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as team:
        found = list(team.map(lambda name: proof_of(name, options.seconds), chosen))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    missed = []
    for one in found:
        try:
            is_missed = one["verdict"] != "violated" and is_meant_to_be_violated(one["scenario"])
        except QuiesceError:
            is_missed = False
        if is_missed:
            missed.append(one["scenario"])
    if options.json:
        sys.stdout.write(json.dumps({"scenarios": found, "missed": missed}, indent=2) + "\n")
        return int(bool(missed))
    for one in found:
        size = f"{one.get('classes', 0):>8} {one.get('states', 0):>7} {one.get('seconds', 0):>7.1f}"
        print(f"{one['scenario']:<44} {one['verdict']:<13} {size}")
        for reason in one["why"]:
            print(f"    {reason}")
    for verdict in sorted({one["verdict"] for one in found}):
        print(f"{sum(one['verdict'] == verdict for one in found):>4} {verdict}")
    print(f"processor time of all: {children.ru_utime + children.ru_stime:.0f} s")
    for name in missed:
        print(f"meant to be violated, and is not: {name}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
