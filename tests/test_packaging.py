"""One import name over four folders, in the checkout and in the wheel."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import quiesce.model.trace.events
from quiesce.model.dense.liveness import TESTED

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("model", "scenarios", "properties", "reports")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEEL = SETTINGS["tool"]["hatch"]["build"]["targets"]["wheel"]


def test_the_import_root_finds_the_real_folders() -> None:
    assert Path(quiesce.model.trace.events.__file__) == ROOT / "model" / "trace" / "events.py"


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_is_named_wherever_it_must_be(folder: str) -> None:
    assert WHEEL["sources"][folder] == f"quiesce/{folder}"
    assert folder in WHEEL["only-include"]
    assert folder in SETTINGS["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    link = ROOT / ".src" / "quiesce" / folder
    assert link.resolve() == ROOT / folder or not link.is_symlink()


def test_no_other_folder_holds_a_package() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(FOLDERS)


def test_the_declared_versions_of_python_are_those_that_the_prover_was_tested_under() -> None:
    project = SETTINGS["project"]
    (major, first), (_, last) = TESTED[0], TESTED[-1]
    assert project["requires-python"] == f">={major}.{first},<{major}.{last + 1}"
    lead = f"Programming Language :: Python :: {major}."
    declared = [each for each in project["classifiers"] if each.startswith(lead)]
    assert declared == [f"{lead}{minor}" for _, minor in TESTED]


def test_the_program_calls_a_function_that_its_place_names() -> None:
    """A module of the name of the function would hide it from the program of an installation."""
    place = SETTINGS["project"]["scripts"]["quiesce"]
    assert place == "quiesce.scenarios.cli:main"
    code = (
        "import quiesce.scenarios.cli.entry; from quiesce.scenarios.cli import main; "
        "main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(quiesce.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_data_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    held = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert all(name.startswith("quiesce/") for name in held)
    sources = {
        f"quiesce/{path.relative_to(ROOT)}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "suite"} & set(path.parts)
    }
    assert held == sources | {"quiesce/__init__.py", "quiesce/py.typed"}
