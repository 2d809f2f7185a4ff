"""The documents agree with the code: commands, numbers, names and paths."""

import ast
import doctest
import functools
import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from quiesce.model.plan.open_questions import CALLBACKS_AFTER, QUESTIONS
from quiesce.model.plan.termination import CAUSES
from quiesce.properties.registry import VIRTIO
from quiesce.scenarios.cli.entry import app, main
from quiesce.scenarios.format.schema import MUTANT_NAMES
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.resolve.library import resolved

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("model", "properties", "reports", "scenarios")
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
MODULES_WITH_EXAMPLES = [
    f"quiesce.{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}"
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ">>> " in path.read_text()
]

TOP_LEVEL = (*FOLDERS, "tests", "docs", "benchmarks")
A_PATH = re.compile(rf"(?:{'|'.join(TOP_LEVEL)})/[\w./-]*|[A-Z]+\.md|pyproject\.toml")
A_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?")
"""A name that a module defines, or a method with its class."""


@pytest.mark.parametrize("name", MODULES_WITH_EXAMPLES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_every_open_question_stands_in_the_document_with_its_answers() -> None:
    text = (ROOT / "docs" / "open-questions.md").read_text()
    inferred = {question.label for question in CALLBACKS_AFTER.values()}
    for question in QUESTIONS:
        label = "qvm.callbacks-after-CAUSE" if question.label in inferred else question.label
        answers = ", ".join(f"`{answer}`" for answer in question.answers)
        assert f"| `{label}` | {answers} |" in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_readme_scenario_is_accepted_and_as_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert toml is not None
    (tmp_path / "readme.toml").write_text(toml.group(1))
    configuration = ROOT / "scenarios" / "library" / "nic-quiesced.qvmconf"
    (tmp_path / "guest.qvmconf").write_text(configuration.read_text())
    assert main(["verify", str(tmp_path / "readme.toml")]) == 0
    assert "as expected" in capsys.readouterr().out


def test_the_verdicts_in_the_readme_are_those_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--no-plot", "--out", str(tmp_path)]
    main(["run", "nic-crash-restart", *out])
    printed = " ".join(capsys.readouterr().out.split())
    shown = re.findall(
        r"^    ((?:nic-crash-restart:|no-\S+-after-teardown).*)$", README, re.MULTILINE
    )
    assert len(shown) == 3
    for line in shown:
        assert " ".join(line.split()) in printed
    quoted = re.search(r"    (why: .*?in its way\.)", README, re.DOTALL)
    assert quoted is not None
    for part in " ".join(quoted.group(1).split()).split(" [...] "):
        assert part in printed


def test_the_numbers_in_the_readme_are_counted() -> None:
    bugs = {re.match(r"bug-(b\d+)-", name) for name in shipped_names()} - {None}
    counts = {
        "rules of the standard": len(VIRTIO),
        "causes from guest shutdown": len(CAUSES),
        "known ways to go wrong": len(MUTANT_NAMES),
        "published bugs": len({found.group(1) for found in bugs if found is not None}),
    }
    stated = {what: re.search(rf"(\d+) {what}", README) for what in counts}
    assert {what: int(found.group(1)) for what, found in stated.items() if found} == counts


def test_the_readme_names_the_python_versions_that_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    named = re.search(r"You need Python ([\d., or]+), pip and make", README)
    assert named is not None
    assert re.findall(r"3\.\d+", named.group(1)) == declared


def test_every_command_in_the_readme_exists() -> None:
    lines = re.findall(r"^    (quiesce .*)$", README, re.MULTILINE)
    named = {shlex.split(line, comments=True)[1] for line in lines}
    known = {command.name for command in app.registered_commands}
    assert named <= known
    for name in re.findall(r"quiesce run ([a-z][a-z-]+)[ `]", README.replace("\n", " ")):
        assert name in shipped_names()
        resolved(name)


def paths_named_in(text: str) -> list[str]:
    """Return every path that a text names in backticks, in order."""
    return [word for word in re.findall(r"`([^`\n]+)`", text) if A_PATH.fullmatch(word)]


def missing_names_in(text: str) -> list[str]:
    """Return what the `where` column of the tables names and the file before it does not define."""
    missing = []
    for row in re.findall(r"^\|[^|\n]+\|([^|\n]+)\|", text, re.MULTILINE):
        file = None
        for word in re.findall(r"`([^`]+)`", row):
            if A_PATH.fullmatch(word):
                file = ROOT / word
            elif file is not None and file.suffix == ".py" and A_NAME.fullmatch(word):
                defined = names_defined_in(file)
                missing += [
                    f"{file.name}: {part}" for part in word.split(".") if part not in defined
                ]
    return missing


@functools.cache
def names_defined_in(file: Path) -> frozenset[str]:
    """Return the classes, functions, methods and constants that a module defines."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


def test_the_architecture_names_many_paths() -> None:
    assert len(paths_named_in(ARCHITECTURE)) > 100


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_path_that_a_document_names_exists(path: Path) -> None:
    named = paths_named_in(path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_folder_of_the_code_stands_in_the_architecture() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).glob("*/*.py")
    }
    named = {path.rstrip("/") for path in paths_named_in(ARCHITECTURE)}
    assert folders - named == set()


def test_the_tables_of_the_architecture_name_what_the_files_define() -> None:
    tables = ARCHITECTURE[ARCHITECTURE.index("## Three walks") :]
    assert missing_names_in(tables) == []


def test_a_path_and_a_name_that_do_not_exist_are_found() -> None:
    row = "| where | `model/bus/fabric.py`, `Port.vanish`; `model/gone.py` |"
    assert missing_names_in(row) == ["fabric.py: vanish"]
    assert paths_named_in(row) == ["model/bus/fabric.py", "model/gone.py"]
    assert not (ROOT / "model" / "gone.py").exists()


def test_every_option_in_the_readme_is_one_of_its_command() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    proofs = README[README.index("## Prove") : README.index("## Read the verdict")]
    lines = [f"quiesce prove {option}" for option in re.findall(r"`(--[a-z-]+)", proofs)]
    assert len(lines) > 4, "the table was read"
    lines += re.findall(r"^    (quiesce .*)$", README, re.MULTILINE)
    for line in lines:
        _, name, *words = shlex.split(line, comments=True)
        known = {option for each in group.commands[name].params for option in each.opts}
        assert {word for word in words if word.startswith("-")} <= known, line


def layers_named_in(section: str) -> list[set[str]]:
    """Return the folders of a section's import direction, lowest first."""
    start = section.index("\nImport direction")
    sentence = section[section.index(": ", start) : section.index(".\n", start)]
    words = re.findall(r"`([^`]+)`", sentence.split(". ")[0])
    return [{name.strip() for name in word.split("|")} for word in words]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_import_directions_of_the_architecture_are_those_that_are_checked(folder: str) -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [
        contract["layers"]
        for contract in linter["contracts"]
        if contract.get("containers") == [f"quiesce.{folder}"]
    ]
    checked = [{name.strip() for name in layer.split("|")} for layer in reversed(layers)]
    section = ARCHITECTURE[ARCHITECTURE.index(f"\n## {folder}/: ") :]
    assert layers_named_in(section) == checked
