"""Mutation testing of one module with cosmic-ray: lists the small changes that no test notices.

    python benchmarks/checks/mutation.py MODULE [--tests "FILES"] [--most N] [--seed N]

The tree is copied, so that nothing here changes.  Each mutant is judged by the tests that belong to
the module (`TESTS`), not by the whole suite.  With `--most` a sample is drawn.  Survivors are
printed with their change; `docs/evidence/mutation.md` says which of them change nothing.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.checks.known_changes import copied, passes  # noqa: E402

DENSE = "tests/dense/test_engine.py tests/dense/test_zones.py tests/dense/test_long_spans.py"
INTERRUPTS = "tests/model/interrupts/test_interrupt_controller.py tests/model/test_small_rules.py"
FABRIC = "tests/model/bus tests/model/test_small_rules.py"
TRACKERS = "tests/properties/core tests/properties/trackers tests/properties/teardown"
FINGERPRINTS = (
    "tests/dense/test_fingerprint_counts.py tests/dense/test_counters.py "
    "tests/dense/test_fingerprints.py"
)

TESTS = {
    "properties/teardown/dma.py": TRACKERS,
    "properties/trackers/ownership.py": TRACKERS,
    "properties/trackers/interrupt_lines.py": TRACKERS,
    "properties/trackers/bus_masters.py": TRACKERS,
    "properties/teardown/ordering.py": TRACKERS,
    "properties/teardown/interrupts.py": TRACKERS,
    "properties/core/monitor.py": TRACKERS,
    "properties/prove/measures.py": "tests/properties/prove/test_measures.py",
    "properties/prove/zones.py": DENSE,
    "properties/prove/zone_search.py": "tests/dense/test_zone_search.py " + TRACKERS,
    "model/dense/encoder.py": FINGERPRINTS,
    "model/dense/value_encoders.py": FINGERPRINTS,
    "model/dense/object_layout.py": FINGERPRINTS,
    "model/dense/outside_state.py": "tests/dense/test_counters.py",
    "model/dense/liveness.py": "tests/model/dense/test_liveness.py tests/dense/test_counters.py",
    "model/dense/slice_kernel.py": "tests/model/dense/test_slice_kernel.py",
    "model/bus/memory.py": "tests/model/bus/test_memory.py",
    "model/bus/fabric.py": FABRIC,
    "model/bus/iommu.py": "tests/model/bus/test_iommu.py tests/model/test_small_rules.py",
    "model/interrupts/interrupt_controller.py": INTERRUPTS,
    "model/host/procnto.py": INTERRUPTS,
    "model/machine/qvm.py": "tests/stories",
}

CONFIGURATION = """
[cosmic-ray]
module-path = "{module}"
timeout = {seconds}.0
excluded-modules = []
test-command = "{python} -m pytest -q -x -n 0 -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"

[cosmic-ray.filters.operators-filter]
exclude-operators = [
    "core/ReplaceBinaryOperator_BitOr_.*",
    "core/ReplaceComparisonOperator_(Eq|NotEq|Is|IsNot)_(Lt|LtE|Gt|GtE|Is|IsNot)",
]
"""
"""The operator `|` stands in annotations, where another one changes nothing; equality, mostly of
words and numbers that are never negative, is replaced by its opposite alone."""


def main() -> int:
    """Make the mutants, run the tests on each, and print which survive."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module")
    parser.add_argument("--tests", default="")
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=120, help="for one mutant")
    options = parser.parse_args()
    tests = options.tests or TESTS[options.module]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        copied(tree)
        assert passes(tests, tree), "the tests fail without any mutant"
        found = survivors(options.module, tests, tree, options)
    counts = Counter(outcome for outcome, _, _ in found)
    for outcome, what, change in found:
        if outcome == "survived":
            print(f"\n{what}\n{change}")
    killed = len(found) - counts["survived"]
    share = 100 * killed // max(len(found), 1)
    print(f"{options.module}: {killed} of {len(found)} mutants are noticed ({share} %)")
    return 1 if counts["survived"] else 0


def survivors(
    module: str, tests: str, tree: Path, options: argparse.Namespace
) -> list[tuple[str, str, str]]:
    """Return outcome, operator and change of each mutant."""
    text = CONFIGURATION.format(
        module=module, tests=tests, python=sys.executable, seconds=options.seconds
    )
    (tree / "cosmic-ray.toml").write_text(text)
    session = ["cosmic-ray.toml", "session.sqlite"]
    _carry_out(tree, "cosmic_ray.cli", "init", *session)
    _carry_out(tree, "cosmic_ray.tools.filters.operators_filter", "session.sqlite",
               "cosmic-ray.toml")  # fmt: skip
    if options.most:
        _keep_some(tree, options.most, options.seed)
    _carry_out(tree, "cosmic_ray.cli", "exec", *session)
    dumped = _carry_out(tree, "cosmic_ray.cli", "dump", "session.sqlite")
    found = []
    for line in dumped.splitlines():
        item, result = json.loads(line)
        if result is None or result["worker_outcome"] == "skipped":
            continue
        mutation = item["mutations"][0]
        place = f"{module}:{mutation['start_pos'][0]} {mutation['operator_name']}"
        found.append((result["test_outcome"] or "killed", place, result["diff"] or ""))
    return found


def _keep_some(tree: Path, most: int, seed: int) -> None:
    """Leave so many mutants to be tried, drawn at random."""
    with sqlite3.connect(tree / "session.sqlite") as database:
        done = {row[0] for row in database.execute("select job_id from work_results")}
        every = sorted(row[0] for row in database.execute("select job_id from work_items"))
        waiting = [each for each in every if each not in done]
        kept = set(random.Random(seed).sample(waiting, min(most, len(waiting))))
        for job in waiting:
            if job not in kept:
                database.execute("delete from mutation_specs where job_id = ?", (job,))
                database.execute("delete from work_items where job_id = ?", (job,))


def _carry_out(tree: Path, module: str, *words: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / ".src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, f"{module} {words}: {found.stdout[-2000:]}{found.stderr[-2000:]}"
    return found.stdout


if __name__ == "__main__":
    sys.exit(main())
