"""Rules about the text of the code itself; each is one that this file really enforces."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("model", "scenarios", "properties", "reports")

FILE_LINES_MAX = 500
TEST_LINES_MAX = 700
EVENT_LISTS = {"events.py", "virtio_events.py"}
"""Lists of event types, which are read as one list each."""

FUNCTION_LINES_MAX = 70

BARE_NAMES = {"Device", "Driver", "Host"}
"""Words that mean different things to VIRTIO, QNX and everybody else."""

ALLOWED_BARE = {("model/host/host.py", "Host")}

MISSPELT_TIME = re.compile(r"\b\w*_(us|ms|sec|secs|seconds|nsec|nanos)\b\s*:\s*int")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and ".src/quiesce/" not in str(path)]


SOURCES = [
    path for path in sorted(ROOT.glob("*/**/*.py")) if path.relative_to(ROOT).parts[0] in FOLDERS
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES_MAX or path.name in EVENT_LISTS
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_classes_have_unambiguous_names(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and node.name in BARE_NAMES:
            assert (name_of(path), node.name) in ALLOWED_BARE


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_times_are_whole_nanoseconds(path: Path) -> None:
    text = path.read_text()
    assert not MISSPELT_TIME.search(text)
    if path.is_relative_to(ROOT / "model") and path.name != "errors.py":  # a spelling distance
        for node in ast.walk(ast.parse(text)):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            assert not is_float, f"line {getattr(node, 'lineno', 0)}: a float in the model"


def test_test_files_are_short_enough() -> None:
    for path in ROOT.glob("tests/**/*.py"):
        assert len(path.read_text().splitlines()) <= TEST_LINES_MAX, name_of(path)


def test_no_machine_and_no_index_is_named() -> None:
    here = re.compile(r"(?<![\w.])/(work|root|farm|tmp/v)/|https?://\S*(/simple/|\.whl)")
    for path in tracked("*.py", "*.md", "*.toml", "*.txt", "Makefile", ".ci/run"):
        if path == Path(__file__):
            continue
        found = here.search(path.read_text())
        assert found is None, f"{name_of(path)}: {found}"


def test_constraints_pin_every_version_exactly() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!]+", line) for line in pins)


def test_no_todo_is_left_without_an_owner() -> None:
    word = "TO" + "DO"
    for path in tracked("*.py"):
        assert word not in path.read_text(), name_of(path)
