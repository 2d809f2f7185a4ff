"""Each published bug in the library fails as described and holds when repaired."""

import re
from pathlib import Path

from quiesce.scenarios.format.shipped import shipped_names

README = Path(__file__).resolve().parents[2] / "README.md"


def test_every_published_bug_has_its_repaired_form() -> None:
    failing = {name for name in shipped_names() if re.match(r"bug-b\d\d", name)}
    repaired = {name for name in failing if name.endswith("-repaired")}
    assert {f"{name}-repaired" for name in failing - repaired} == repaired


def test_the_readme_counts_the_published_bugs_right() -> None:
    bugs = {match[0] for name in shipped_names() if (match := re.match(r"bug-b\d\d", name))}
    said = re.search(r"(\d+) published bugs", README.read_text(encoding="utf-8"))
    assert said is not None
    assert int(said[1]) == len(bugs)
