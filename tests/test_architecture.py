"""Imports run one way, and what must stay in one place stays there.

Every source file is parsed and each of its imports compared with the rules:

    scenarios -> reports -> properties -> model (plain data alone)
    scenarios ---------------------------> model

The rules are functions of the text of the files, so that each can be shown to fail.
"""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("model", "properties", "reports", "scenarios")

PLAIN_DATA = {
    f"model.{name}"
    for name in (
        "errors",
        "clock",
        "choices",
        "dense_step",
        "addresses",
        "trace",
        "trace_codec",
        "trace_event",
        "virtio_events",
    )
}
"""What knows nothing of the model but its data."""

FOR_ENGINES = {
    f"model.{name}"
    for name in (
        "plan",
        "virtio_plan",
        "device_plans",
        "interrupt_plan",
        "iommu_plan",
        "timing",
        "short_timing",
        "traits",
        "faults",
        "termination",
        "open_questions",
    )
}
"""Plain data of what is to be run: engines draw it, move it and make it smaller, and hand it to
whoever runs it.  Properties stay without: what they must know stands in the header of a trace."""

ENGINES = {
    f"properties.{name}"
    for name in (
        "dice",
        "drawn_devices",
        "drawn_parts",
        "drawn_plans",
        "drawn_procedures",
        "drawn_vdevs",
        "drawn_conf",
        "strategies",
        "fuzz",
        "smaller_plans",
        "shrink",
        "sweep",
    )
}

FOR_REPORTS = {"properties.verdict", "properties.exercise", "properties.registry"}
HEAVY = {"matplotlib", "networkx", "rich", "typer"}
KERNELS = {"model/kernel.py", "model/dense_kernel.py"}
KERNEL_ONLY = {"now", "_now", "timeout"}


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
def all_paths() -> tuple[str, ...]:
    """Return the path of every module of the project, from the root."""
    return tuple(
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not path.is_relative_to(ROOT / "properties" / "suite")  # tests
    )


def module_of(path: str) -> str:
    """Return the dotted name of a path such as `model/trace.py`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_of(path: str, tree: ast.Module, modules: set[str]) -> Iterator[Import]:
    """Give every import of a file; `from . import name` is resolved to the module `name`."""
    package = path.split("/")[:-1]
    deferred = {
        id(inner)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(outer)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        is_deferred = id(node) in deferred
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, False, is_deferred)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            prefix = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                longer = f"{prefix}.{alias.name}" if prefix else alias.name
                target = longer if longer in modules or not node.module else prefix
                yield Import(target, node.lineno, node.level > 0, is_deferred)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def may_import(importer: str, target: str) -> bool:
    """Return whether one module of the project may import another."""
    folder, target_folder = importer.split(".", maxsplit=1)[0], target.split(".", maxsplit=1)[0]
    if importer in PLAIN_DATA:
        return target in PLAIN_DATA
    if folder == "model":
        return target_folder == "model"
    if importer in ENGINES and target in FOR_ENGINES:
        return True
    if folder == "properties":
        return target_folder == "properties" or target in PLAIN_DATA
    if folder == "reports":
        return target_folder == "reports" or target in FOR_REPORTS | PLAIN_DATA
    return True


def may_use(path: str, package: str, is_deferred: bool) -> bool:
    """Return whether a file may import a third-party or standard package there."""
    folder = path.split("/", maxsplit=1)[0]
    if package == "random":
        return path == "model/choices.py"
    if package == "simpy":
        return folder == "model"
    if package == "hypothesis":
        # The database of a campaign is Hypothesis' own, and is opened where its folder is known.
        return path in {"properties/strategies.py", "properties/fuzz.py"} or (
            path == "scenarios/campaign.py" and is_deferred
        )
    if package in HEAVY:
        if package == "typer" and path.startswith(("scenarios/cli.py", "scenarios/menus/")):
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
        tree = ast.parse(text)
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


def test_no_rule_is_broken() -> None:
    files = {path: (ROOT / path).read_text(encoding="utf-8") for path in all_paths()}
    assert {path.split("/")[0] for path in files} == set(FOLDERS)
    assert faults_of(files) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("model/memory.py", "from ..properties.verdict import Verdict"),
        ("model/memory.py", "from .. import reports"),
        ("model/trace.py", "from .memory import PhysicalMemory"),
        ("model/virtio/layout.py", "from ...scenarios.cli import main"),
        ("properties/dma.py", "from ..model.memory import PhysicalMemory"),
        ("properties/dma.py", "from ..model import memory"),
        ("properties/dma.py", "from ..model.plan import SystemPlan"),
        ("properties/strategies.py", "from ..model.system import run"),
        ("scenarios/campaign.py", "from hypothesis.database import ExampleDatabase"),
        ("properties/dma.py", "def f():\n    from ..model.system import run"),
        ("properties/dma.py", "from ..reports.write import write"),
        ("reports/chart.py", "from ..properties.check import check"),
        ("reports/chart.py", "from ..model.memory import PhysicalMemory"),
        ("reports/chart.py", "from ..scenarios.runner import run_scenario"),
        ("properties/dma.py", "from quiesce.model.trace import Trace"),
        ("scenarios/runner.py", "import quiesce.model.trace"),
        ("scenarios/runner.py", "from model.trace import Trace"),
        ("properties/dma.py", "import simpy"),
        ("scenarios/runner.py", "from simpy.events import Event"),
        ("properties/dma.py", "from hypothesis import given"),
        ("reports/chart.py", "import matplotlib.pyplot"),
        ("properties/dma.py", "def f():\n    import rich"),
        ("scenarios/runner.py", "import typer"),
        ("model/system.py", "import networkx"),
        ("model/memory.py", "import random"),
        ("scenarios/runner.py", "from random import Random"),
        ("model/memory.py", "def f(kernel):\n    return kernel.now"),
        ("model/memory.py", "def f(kernel):\n    return kernel._now"),
        ("model/memory.py", "def f(kernel):\n    yield kernel.timeout(1)"),
    ],
)
def test_a_planted_breach_is_found(path: str, text: str) -> None:
    assert faults_of({path: text}) != []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("properties/dma.py", "from ..model.trace import Trace"),
        ("properties/dma.py", "from ..model import trace"),
        ("properties/dma.py", "from .monitor import Property"),
        ("properties/strategies.py", "from hypothesis import strategies"),
        ("properties/strategies.py", "from ..model.plan import SystemPlan"),
        ("reports/chart.py", "from ..properties.verdict import Verdict"),
        ("reports/chart.py", "def f():\n    import matplotlib.pyplot"),
        ("scenarios/runner.py", "from ..model.system import run"),
        ("scenarios/cli.py", "import typer"),
        ("model/memory.py", "import simpy"),
        ("model/choices.py", "from random import Random"),
        ("model/kernel.py", "def f(kernel):\n    return kernel._now"),
    ],
)
def test_what_is_allowed_is_not_reported(path: str, text: str) -> None:
    assert faults_of({path: text}) == []


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
