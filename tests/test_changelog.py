"""What users read: fragments of news, and the released versions of the changelog."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from quiesce import __version__

ROOT = Path(__file__).resolve().parents[1]
NEWS = ROOT / "news"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
KINDS = {kind["directory"] for kind in SETTINGS["type"]}
WORDS_MAX = 25


def flaws(path: Path) -> list[str]:
    """Return what is wrong with a fragment, in words."""
    found = []
    shape = re.fullmatch(r"\+[a-z0-9-]+\.([a-z]+)\.md", path.name)
    if shape is None:
        found.append("its name is not +WORDS.KIND.md")
    elif shape[1] not in KINDS:
        found.append(f"its kind is none of {', '.join(sorted(KINDS))}")
    text = path.read_text()
    if not text.strip():
        found.append("it is empty")
    longest = max(len(sentence.split()) for sentence in re.split(r"[.:;]\s", text))
    if longest > WORDS_MAX:
        found.append(f"a sentence has {longest} words")
    return found


@pytest.mark.parametrize(
    ("name", "text", "flaw"),
    [
        ("sweep.new.md", "The sweep ends.\n", "its name is not +WORDS.KIND.md"),
        ("+sweep.md", "The sweep ends.\n", "its name is not +WORDS.KIND.md"),
        (
            "+sweep.feature.md",
            "The sweep ends.\n",
            "its kind is none of breaking, change, fix, new",
        ),
        ("+sweep.new.md", "\n", "it is empty"),
        ("+sweep.new.md", "word " * 26, "a sentence has 26 words"),
    ],
)
def test_a_fragment_with_a_flaw_is_noticed(tmp_path: Path, name: str, text: str, flaw: str) -> None:
    fragment = tmp_path / name
    fragment.write_text(text)
    assert flaws(fragment) == [flaw]


def test_every_fragment_has_a_known_kind_and_short_sentences() -> None:
    fragments = [path for path in sorted(NEWS.iterdir()) if path.name != "README.md"]
    assert {path.name: flaws(path) for path in fragments if flaws(path)} == {}


def test_every_kind_is_explained_where_fragments_are_written() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", (NEWS / "README.md").read_text(), re.MULTILINE)
    assert set(explained) == KINDS


def test_the_changelog_has_this_version_with_its_date_and_room_for_the_next() -> None:
    text = (ROOT / SETTINGS["filename"]).read_text()
    assert SETTINGS["start_string"] in text
    releases = re.findall(r"^## (\S+) \(\d{4}-\d{2}-\d{2}\)$", text, re.MULTILINE)
    assert releases[0] == __version__
    assert "Unreleased" not in text


@pytest.mark.slow
def test_towncrier_puts_a_fragment_under_its_kind(tmp_path: Path) -> None:
    pytest.importorskip("towncrier")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "+sweep.new.md").write_text("The sweep ends.\n")
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert re.search(r"^## 9\.9 \(.*\)\s+### New\s+- The sweep ends\.$", done.stdout, re.MULTILINE)
