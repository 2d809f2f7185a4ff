"""Each change that `make mutation` makes on purpose still fits the code."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "checks" / "known_changes.py"


def test_every_known_change_fits_one_place_and_names_tests_that_exist() -> None:
    changes = runpy.run_path(str(SCRIPT))["CHANGES"]
    assert changes
    for change in changes:
        assert (ROOT / change.file).read_text().count(change.right) == 1, change.name
        assert (ROOT / change.tests).is_file(), change.name
