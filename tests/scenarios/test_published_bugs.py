"""The published bugs of the library: each failing and repaired, and counted right."""

import re
from pathlib import Path

from quiesce.scenarios.shipped import shipped_names

README = Path(__file__).resolve().parents[2] / "README.md"
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60}
ONES = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def number(word: str) -> int:
    tens, _, one = word.partition("-")
    return TENS[tens] + ONES.index(one)


def test_every_published_bug_has_its_repaired_form() -> None:
    failing = {name for name in shipped_names() if re.match(r"bug-b\d\d", name)}
    repaired = {name for name in failing if name.endswith("-repaired")}
    assert {f"{name}-repaired" for name in failing - repaired} == repaired


def test_the_readme_counts_the_published_bugs_right() -> None:
    bugs = {match[0] for name in shipped_names() if (match := re.match(r"bug-b\d\d", name))}
    said = re.search(r"(\S+) published bugs", README.read_text(encoding="utf-8"))
    assert said is not None
    assert number(said[1]) == len(bugs)
