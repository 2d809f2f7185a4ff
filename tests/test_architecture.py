"""Imports run one way, and what must stay in one place stays there.

Every source file is parsed and each of its imports compared with the rules:

    scenarios -> reports -> properties -> model (plain data alone)
    scenarios ---------------------------> model

The rules are functions of the text of the files, so that each can be shown to fail.
"""

import ast
import functools
import graphlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("model", "properties", "reports", "scenarios")

PLAIN_DATA = ("model.base", "model.trace", "model.dense.step", "model.dense.transition")
"""What knows nothing of the model but its data: folders, or single modules."""

FOR_ENGINES = ("model.plan",)
"""Plain data of what is to be run: engines draw, change and shrink it, and hand it to the function
that runs it.  Properties do not import it: what they must know stands in the header of a trace."""

ENGINES = ("properties.generate", "properties.search")

FOR_REPORTS = ("properties.core.verdict", "properties.core.exercise", "properties.registry")
HEAVY = {"matplotlib", "networkx", "rich", "typer"}
KERNELS = {"model/sim/kernel.py", "model/dense/dense_kernel.py"}
KERNEL_ONLY = {"now", "_now", "timeout"}

LOOSE_MODULES_MAX = 25
"""More files beside each other are no room that a reader can take in."""


class Import(NamedTuple):
    """One import as it stands in a file.

    Attributes:
        target: Dotted name; inside the project without `quiesce`.
        line: Where.
        is_relative: Whether it is written with dots.
        is_deferred: Whether it stands inside a function, or is for type checkers alone.
    """

    target: str
    line: int
    is_relative: bool
    is_deferred: bool


@functools.cache
def parsed(text: str) -> ast.Module:
    """Return the tree of a file; both tests that read the whole project share it."""
    return ast.parse(text)


@functools.cache
def all_paths() -> tuple[str, ...]:
    """Return the path of every module of the project, from the root."""
    return tuple(
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not path.is_relative_to(ROOT / "properties" / "suite")  # tests
    )


def module_of(path: str) -> str:
    """Return the dotted name of a path such as `model/trace/events.py`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_of(path: str, tree: ast.Module, modules: set[str]) -> Iterator[Import]:
    """Give every import of a file; `from . import name` is resolved to the module `name`."""
    package = path.split("/")[:-1]
    for node, is_deferred in _imports_in(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, False, is_deferred)
            continue
        base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
        prefix = ".".join(part for part in (base, node.module or "") if part)
        for alias in node.names:
            longer = f"{prefix}.{alias.name}" if prefix else alias.name
            target = longer if longer in modules or not node.module else prefix
            yield Import(target, node.lineno, node.level > 0, is_deferred)


def _imports_in(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Give every import statement, and whether it stands in a function or for type checkers."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, is_deferred = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, is_deferred
        elif not isinstance(node, ast.expr):  # an expression holds no statement
            is_deferred |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            is_deferred |= _is_for_types(node)
            waiting += [(inner, is_deferred) for inner in ast.iter_child_nodes(node)]


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def lies_in(module: str, places: tuple[str, ...]) -> bool:
    """Return whether a module is one of these, or stands in one of these folders."""
    return any(module == place or module.startswith(f"{place}.") for place in places)


def may_import(importer: str, target: str) -> bool:
    """Return whether one module of the project may import another."""
    folder, target_folder = importer.split(".", maxsplit=1)[0], target.split(".", maxsplit=1)[0]
    if lies_in(importer, PLAIN_DATA):
        return lies_in(target, PLAIN_DATA)
    if folder == "model":
        return target_folder == "model"
    if lies_in(importer, ENGINES) and lies_in(target, FOR_ENGINES):
        return True
    if folder == "properties":
        return target_folder == "properties" or lies_in(target, PLAIN_DATA)
    if folder == "reports":
        return target_folder == "reports" or lies_in(target, FOR_REPORTS + PLAIN_DATA)
    return True


def may_use(path: str, package: str, is_deferred: bool) -> bool:
    """Return whether a file may import a third-party or standard package there."""
    folder = path.split("/", maxsplit=1)[0]
    if package == "random":
        return path == "model/base/choices.py"
    if package == "simpy":
        return folder == "model"
    if package == "hypothesis":
        # The database of a campaign is Hypothesis' own, and is opened where its folder is known.
        return path in {"properties/generate/strategies.py", "properties/search/fuzz.py"} or (
            path == "scenarios/run/campaign.py" and is_deferred
        )
    if package in HEAVY:
        if package == "typer" and path.startswith(
            ("scenarios/cli/entry.py", "scenarios/cli/options/")
        ):
            return True
        # A graph of the wiring is the one heavy thing that the model can give.
        is_allowed_folder = folder in {"reports", "scenarios"} or package == "networkx"
        return is_deferred and is_allowed_folder
    return True


def faults_of(files: dict[str, str]) -> list[str]:
    """Return every breach of a rule in these files, as a line with its place."""
    modules = {module_of(path) for path in [*all_paths(), *files]}
    faults = []
    for path, text in files.items():
        tree = parsed(text)
        for each in imports_of(path, tree, modules):
            package = each.target.split(".")[0]
            where = f"{path}:{each.line}"
            if each.is_relative:
                if not may_import(module_of(path), each.target):
                    faults.append(f"{where} imports {each.target}")
            elif package == "quiesce" or package in FOLDERS:
                faults.append(f"{where} imports {each.target} by its absolute name")
            elif not may_use(path, package, each.is_deferred):
                faults.append(f"{where} imports {each.target}")
        if path.startswith("model/") and path not in KERNELS:
            faults += [
                f"{path}:{node.lineno} touches .{node.attr}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and node.attr in KERNEL_ONLY
            ]
    return faults


def all_files() -> dict[str, str]:
    """Return the text of every module of the project by its path."""
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in all_paths()}


def test_no_rule_is_broken() -> None:
    files = all_files()
    assert {path.split("/")[0] for path in files} == set(FOLDERS)
    assert faults_of(files) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("model/bus/memory.py", "from ...properties.core.verdict import Verdict"),
        ("model/bus/memory.py", "from ... import reports"),
        ("model/trace/events.py", "from ..bus.memory import PhysicalMemory"),
        ("model/virtio/layout.py", "from ...scenarios.cli import main"),
        ("properties/teardown/dma.py", "from ...model.bus.memory import PhysicalMemory"),
        ("properties/teardown/dma.py", "from ...model.bus import memory"),
        ("properties/teardown/dma.py", "from ...model.plan.system_plan import SystemPlan"),
        ("properties/generate/strategies.py", "from ...model.machine.system import run"),
        ("scenarios/run/campaign.py", "from hypothesis.database import ExampleDatabase"),
        ("properties/teardown/dma.py", "def f():\n    from ...model.machine.system import run"),
        ("properties/teardown/dma.py", "from ...reports.write import write"),
        ("reports/draw/chart.py", "from ...properties.check import check"),
        ("reports/draw/chart.py", "from ...model.bus.memory import PhysicalMemory"),
        ("reports/draw/chart.py", "from ...scenarios.run.runner import run_scenario"),
        ("properties/teardown/dma.py", "from quiesce.model.trace.events import Trace"),
        ("scenarios/run/runner.py", "import quiesce.model.trace.events"),
        ("scenarios/run/runner.py", "from model.trace.events import Trace"),
        ("properties/teardown/dma.py", "import simpy"),
        ("scenarios/run/runner.py", "from simpy.events import Event"),
        ("properties/teardown/dma.py", "from hypothesis import given"),
        ("reports/draw/chart.py", "import matplotlib.pyplot"),
        ("properties/teardown/dma.py", "def f():\n    import rich"),
        ("scenarios/run/runner.py", "import typer"),
        ("model/machine/system.py", "import networkx"),
        ("model/bus/memory.py", "import random"),
        ("scenarios/run/runner.py", "from random import Random"),
        ("model/bus/memory.py", "def f(kernel):\n    return kernel.now"),
        ("model/bus/memory.py", "def f(kernel):\n    return kernel._now"),
        ("model/bus/memory.py", "def f(kernel):\n    yield kernel.timeout(1)"),
    ],
)
def test_a_planted_breach_is_found(path: str, text: str) -> None:
    assert faults_of({path: text}) != []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("properties/teardown/dma.py", "from ...model.trace.events import Trace"),
        ("properties/teardown/dma.py", "from ...model.trace import events"),
        ("properties/teardown/dma.py", "from ..core.monitor import Property"),
        ("properties/generate/strategies.py", "from hypothesis import strategies"),
        ("properties/generate/strategies.py", "from ...model.plan.system_plan import SystemPlan"),
        ("reports/draw/chart.py", "from ...properties.core.verdict import Verdict"),
        ("reports/draw/chart.py", "def f():\n    import matplotlib.pyplot"),
        ("scenarios/run/runner.py", "from ...model.machine.system import run"),
        ("scenarios/cli/entry.py", "import typer"),
        ("model/bus/memory.py", "import simpy"),
        ("model/base/choices.py", "from random import Random"),
        ("model/sim/kernel.py", "def f(kernel):\n    return kernel._now"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, text: str) -> None:
    assert faults_of({path: text}) == []


# Folders.


def room_of(module: str, packages: set[str]) -> str:
    """Return the folder of a module; a module right in a top folder is a room of its own."""
    if module in packages or module.count(".") < 2:
        return module
    return module.rpartition(".")[0]


def arrows_of(files: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return which room imports which, with the place of one such import.

    Imports inside functions and for type checkers alone count as well: a reader meets them.
    """
    modules = {module_of(path) for path in files}
    packages = {module_of(path) for path in files if path.endswith("/__init__.py")}
    arrows: dict[str, dict[str, str]] = {}
    for path, text in files.items():
        room = room_of(module_of(path), packages)
        for each in imports_of(path, parsed(text), modules):
            target = room_of(each.target, packages)
            if each.is_relative and each.target in modules and target != room:
                place = f"{path}:{each.line} imports {each.target}"
                arrows.setdefault(room, {}).setdefault(target, place)
    return arrows


def cycle_of(files: dict[str, str]) -> list[str]:
    """Return the imports that tie some rooms into a cycle; empty if there is no cycle."""
    arrows = arrows_of(files)
    try:
        graphlib.TopologicalSorter(arrows).prepare()
    except graphlib.CycleError as error:
        # Each room of the list is imported by the next one.
        rooms: list[str] = error.args[1]
        return [arrows[second][first] for first, second in pairwise(rooms)]
    return []


def overfull_folders(paths: Iterable[str]) -> dict[str, int]:
    """Return the folders with too many modules, and how many these have."""
    counts = Counter(path.rpartition("/")[0] for path in paths if not path.endswith("/__init__.py"))
    return {folder: count for folder, count in counts.items() if count > LOOSE_MODULES_MAX}


def test_folders_do_not_import_each_other_in_a_circle() -> None:
    files = all_files()
    assert len(arrows_of(files)) > 30, "the arrows were read"
    assert cycle_of(files) == []


HOUSE = {
    "model/sim/__init__.py": "",
    "model/sim/kernel.py": "from ..base.clock import Span",
    "model/base/__init__.py": "",
    "model/base/clock.py": "import math",
    "model/base/choices.py": "",
    "properties/registry.py": "from .search.fuzz import FuzzTask",
    "properties/search/__init__.py": "",
    "properties/search/fuzz.py": "from ...model.sim.kernel import Kernel",
}
"""A small house without a cycle."""


@pytest.mark.parametrize(
    ("path", "text", "places"),
    [
        ("model/base/clock.py", "from ..sim.kernel import Kernel", {"model/base", "model/sim"}),
        ("model/base/clock.py", "from ..sim import kernel", {"model/base", "model/sim"}),
        (
            "model/base/choices.py",
            "def f():\n    from ..sim.kernel import Kernel",
            {"model/base", "model/sim"},
        ),
        (
            "model/base/choices.py",
            "if TYPE_CHECKING:\n    from ..sim.kernel import Kernel",
            {"model/base", "model/sim"},
        ),
        (
            "properties/search/fuzz.py",
            "from ..registry import PROPERTIES",
            {"properties/search", "properties"},
        ),
    ],
)
def test_a_planted_circle_of_folders_is_found(path: str, text: str, places: set[str]) -> None:
    assert cycle_of(HOUSE) == []
    found = cycle_of(HOUSE | {path: text})
    assert {each.partition(":")[0].rpartition("/")[0] for each in found} == places


def test_modules_of_one_folder_may_import_each_other() -> None:
    mutual = {
        "model/base/clock.py": "from .choices import Choices",
        "model/base/choices.py": "def f():\n    from .clock import Span",
    }
    assert cycle_of(HOUSE | mutual) == []


def test_no_folder_holds_more_modules_than_a_reader_takes_in() -> None:
    assert overfull_folders(all_paths()) == {}


def test_a_folder_with_a_module_too_many_is_found() -> None:
    names = [f"model/plan/part_{number}.py" for number in range(LOOSE_MODULES_MAX)]
    names.append("model/plan/__init__.py")
    assert overfull_folders(names) == {}
    assert overfull_folders([*names, "model/plan/one_more.py"]) == {"model/plan": 26}


# What must stay light.


def test_judging_needs_neither_simulator_nor_generator_nor_plots() -> None:
    script = (
        "import sys; import quiesce.properties.check; "
        "print([name for name in ('simpy', 'hypothesis', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / ".src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
