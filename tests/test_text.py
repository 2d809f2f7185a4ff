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
    assert len(text.splitlines()) <= FILE_LINES_MAX
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


# Plain English: words and long sentences may only become fewer.

VAGUE = re.compile(r"\b(nobody|whoever|whatever|told|anew|confessed)\b", re.IGNORECASE)
"""Words that hide who acts, or stand for a plainer one."""

VAGUE_MAX: dict[str, dict[str, int]] = {
    ".": {},
    "benchmarks": {},
    "docs": {"anew": 1},
    "model": {"told": 1},
    "news": {},
    "properties": {"anew": 2, "told": 1, "whatever": 1, "whoever": 1},
    "reports": {},
    "scenarios": {"nobody": 1, "told": 15, "whatever": 1, "whoever": 1},
    "tests": {"nobody": 1, "told": 33, "whatever": 1, "whoever": 2},
}
"""How often each word may stand in the Python files and documents of each top folder.

Lower a number when a word has become rarer.  Never raise one: name who acts instead."""

LONG_MAX: dict[str, int] = {"model": 18, "scenarios": 6, "properties": 10, "reports": 0}
"""How many sentences of docstrings may have more than 25 words, for each top folder.

Lower a number when sentences have become shorter.  Never raise one: split the sentence instead."""

SENTENCE_WORDS_MAX = 25
DOCSTRING = re.compile(r'^\s*r?"""(.*?)"""', re.DOTALL | re.MULTILINE)
SENTENCE_END = re.compile(
    r"(?<=[.?!:;])\s+"  # a colon or a semicolon ends a sentence as well
    r"|\n\s*\n"  # so does an empty line,
    r"|\s*(?:^|\n)\s*(?:-|\d+\.)\s+"  # an item of a list,
    r"|\n\s*(?:>>>|[*\w.]+(?: \([^)]*\))?:\s)"  # an example, and an entry such as `path: ...`
)


def long_sentences(text: str) -> list[tuple[int, str]]:
    """Return the sentences of docstrings with too many words, and the lines of the docstrings."""
    found = []
    for docstring in DOCSTRING.finditer(text):
        for sentence in SENTENCE_END.split(docstring.group(1)):
            words = sentence.split()
            if len(words) > SENTENCE_WORDS_MAX:
                found.append((text.count("\n", 0, docstring.start(1)) + 1, " ".join(words)))
    return found


def vague_words(folder: str) -> dict[str, list[str]]:
    """Return the places of each vague word in the files below a folder, or at the top."""
    inside = ":(glob)" if folder == "." else f"{folder}/"
    places: dict[str, list[str]] = {word: [] for word in VAGUE_MAX[folder]}
    for path in tracked(f"{inside}*.py", f"{inside}*.md"):
        text = path.read_text()
        if path == Path(__file__) or not VAGUE.search(text):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            for word in VAGUE.findall(line):
                place = f"{name_of(path)}:{number}: {line.strip()}"
                places.setdefault(word.lower(), []).append(place)
    return places


def long_sentences_in(folder: str) -> list[str]:
    return [
        f"{name_of(path)}:{number}: {sentence}"
        for path in SOURCES
        if path.is_relative_to(ROOT / folder)
        for number, sentence in long_sentences(path.read_text())
    ]


@pytest.mark.parametrize("folder", VAGUE_MAX)
def test_vague_words_do_not_become_more(folder: str) -> None:
    for word, places in vague_words(folder).items():
        most = VAGUE_MAX[folder].get(word, 0)
        assert len(places) <= most, "\n".join(
            [f"{word!r} stands {len(places)} times in {folder}/, not at most {most}:", *places]
        )


@pytest.mark.parametrize("folder", LONG_MAX)
def test_long_sentences_do_not_become_more(folder: str) -> None:
    places, most = long_sentences_in(folder), LONG_MAX[folder]
    assert len(places) <= most, "\n".join(
        [f"{len(places)} sentences of {folder}/ are too long, not at most {most}:", *places]
    )


def test_every_folder_has_bounds_for_words_and_sentences() -> None:
    folders = {name_of(path).split("/")[0] for path in tracked("*/*.py", "*/*.md")}
    assert {folder for folder in folders if not folder.startswith(".")} | {"."} == {*VAGUE_MAX}
    assert {*LONG_MAX} == {*FOLDERS}
