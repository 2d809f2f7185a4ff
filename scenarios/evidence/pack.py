"""Builds an evidence pack: runs, samples, sweeps and proves each scenario.

Each method writes the same files into the pack as its command does, and returns its judgement.  So
the pack says what its own files say, and the user can repeat each line with its command.
"""

import hashlib
import platform
import shlex
import tomllib
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec

from ... import __version__
from ...model.base.errors import Place, Problem, ScenarioError
from ...model.trace.codec import write_whole
from ...properties.registry import PROPERTIES
from ...reports.evidence.pack import (
    VERSION,
    MeasuredDistance,
    Method,
    MutantScore,
    Pack,
    Requirement,
    ScenarioEvidence,
    Window,
    requirements_of,
)
from ...reports.evidence.page import page
from ...reports.explanation.why import why
from ..explain.explaining import explain_run
from ..format.schema_check import unknown_word
from ..mutants.mutant_scores import scores
from ..mutants.mutants import MUTANTS
from ..prove.prove_scenario import ProveRequest, prove_scenario
from ..qvmconf.outside import STANDARD_INPUT, STANDARD_INPUT_TITLE
from ..resolve.library import files_of, find, resolved
from ..resolve.resolve import ResolvedScenario
from ..run.crash_sweep import SweepRequest, sweep_scenario
from ..run.fuzz_campaign import FuzzRequest, fuzz_scenario
from ..run.one_run import RunRequest, run_once
from ..run.progress import ReportProgress

__all__ = ["Extent", "collect_evidence", "read_requirements", "seal"]

_LIBRARIES = ("simpy", "hypothesis", "networkx", "numpy", "msgspec")


class Extent(msgspec.Struct, frozen=True):
    """Bounds of the methods of a pack.

    Attributes:
        runs: Drawn runs for each scenario; 0 for none.
        proof_limit: Seconds for the proof of each scenario; 0 for none.
        sweep: Whether every crash point is tried.
        mutants: Whether the mutation score is worked out.
        jobs: Processes.
    """

    runs: int = 200
    proof_limit: int = 20
    sweep: bool = False
    mutants: bool = True
    jobs: int = 1


class _RequirementEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    text: str
    properties: list[str]
    source: str = ""


class _RequirementFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    requirement: list[_RequirementEntry]


def collect_evidence(
    words: Sequence[str],
    folder: Path,
    extent: Extent,
    requirements: Sequence[Requirement],
    progress: ReportProgress,
) -> Pack:
    """Examine scenarios by each method asked for, and return the pack.

    Args:
        words: For the scenarios; all are read before the first is run.
        folder: Of the pack, which the commands write into.
        extent: How far to look.
        requirements: What is to be shown; none for one for each property.
        progress: Called with a line about the present step.

    Raises:
        InputError: If a scenario cannot be used.
    """
    scenarios = [(word, resolved(word)) for word in words]
    _check_names([scenario for _, scenario in scenarios])
    found = [_examine(word, scenario, folder, extent, progress) for word, scenario in scenarios]
    mutants: tuple[MutantScore, ...] = ()
    if extent.mutants:
        progress("mutation score")
        mutants = _scores()
    asked = dict.fromkeys(
        verdict.property
        for scenario in found
        for method in scenario.methods
        for verdict in method.judgement.verdicts
    )
    return Pack(
        quiesce_evidence=VERSION,
        tools={"quiesce": __version__, "python": platform.python_version()}
        | {name: version(name) for name in _LIBRARIES},
        requirements=tuple(requirements) or requirements_of(list(asked)),
        scenarios=tuple(found),
        mutants=mutants,
    )


def seal(pack: Pack, folder: Path) -> None:
    """Write data and page of a pack, and the hashes of all files in its folder."""
    data = msgspec.json.format(msgspec.json.encode(pack), indent=2) + b"\n"
    write_whole(folder / "evidence.json", data)
    write_whole(folder / "evidence.html", page(pack))
    lines = [
        f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    write_whole(folder / "SHA256SUMS", "".join(lines).encode())


def read_requirements(path: Path) -> tuple[Requirement, ...]:
    """Return the requirements in a TOML file of `[[requirement]]` tables.

    Raises:
        ScenarioError: If it cannot be read, or names an unknown property.
    """
    place = Place(str(path))
    remedy = 'write [[requirement]] with id = "SR-1", text = "..." and properties = [...]'
    try:
        text = path.read_text(encoding="utf-8")
        entries = msgspec.convert(tomllib.loads(text), _RequirementFile).requirement
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise ScenarioError([Problem(place, message, remedy="check --requirements")]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ScenarioError([Problem(place, str(error), remedy=remedy)]) from None
    problems = [
        unknown_word(Place(str(path), _line_of(text, name)), "property", name, PROPERTIES)
        for entry in entries
        for name in entry.properties
        if name not in PROPERTIES
    ]
    problems += [
        Problem(
            Place(str(path), _line_of(text, entry.id)),
            f"{entry.id!r} has no property",
            remedy='write properties = ["..."] with at least one name',
        )
        for entry in entries
        if not entry.properties
    ]
    if problems:
        raise ScenarioError(problems)
    return tuple(
        Requirement(entry.id, entry.text, entry.source, tuple(entry.properties))
        for entry in entries
    )


def _line_of(text: str, word: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if word in line), 0)


def _check_names(scenarios: Sequence[ResolvedScenario]) -> None:
    names = [scenario.plan.name for scenario in scenarios]
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"two scenarios are called {name!r}"
            raise ScenarioError([Problem(Place("SCENARIOS"), message, name, "rename one file")])


def _examine(
    word: str, scenario: ResolvedScenario, folder: Path, extent: Extent, progress: ReportProgress
) -> ScenarioEvidence:
    name = scenario.plan.name
    quoted = shlex.quote(word)
    progress(f"{name}: one run")
    request = RunRequest(scenario=word, out=folder)
    run = run_once(request, partial(explain_run, is_quick=True, progress=progress))
    judgement = run.result.judgement
    methods = [Method(f"quiesce run {quoted}", judgement, _files(folder, run.folder))]
    if extent.runs:
        progress(f"{name}: {extent.runs} drawn runs")
        methods.append(_sampled(word, name, folder, extent, progress))
    windows: tuple[Window, ...] = ()
    if extent.sweep:
        progress(f"{name}: every crash point")
        method, windows = _swept(word, name, folder, extent, progress)
        methods.append(method)
    distances: tuple[MeasuredDistance, ...] = ()
    if extent.proof_limit:
        progress(f"{name}: every timing")
        method, distances = _proved(word, name, folder, extent, progress)
        methods.append(method)
    return ScenarioEvidence(
        name=name,
        description=scenario.plan.description,
        inputs=_inputs(word, scenario, folder),
        replay_sha256=run.result.trace.header.replay_sha256,
        expect=scenario.expect,
        methods=tuple(methods),
        distances=distances,
        windows=windows,
        why=why(run.result.trace, judgement),
    )


def _sampled(
    word: str, name: str, folder: Path, extent: Extent, progress: ReportProgress
) -> Method:
    request = FuzzRequest(
        scenario=word, out=folder, examples=extent.runs, jobs=extent.jobs, forget=True
    )
    explain = partial(explain_run, is_quick=True, progress=progress)
    judgement = fuzz_scenario(request, explain, progress).judgement
    if judgement is None:
        # At least one run is asked for, so the user stopped it before the first was finished.
        raise KeyboardInterrupt
    command = f"quiesce fuzz {shlex.quote(word)} --examples {extent.runs} --forget"
    return Method(command, judgement, _files(folder, folder / name / "fuzz"))


def _swept(
    word: str, name: str, folder: Path, extent: Extent, progress: ReportProgress
) -> tuple[Method, tuple[Window, ...]]:
    result = sweep_scenario(SweepRequest(scenario=word, jobs=extent.jobs, out=folder), progress)
    windows = tuple(
        Window(each.target.cause, window.from_ns, window.to_ns, window.severity)
        for each in result.swept
        for window in each.windows
    )
    command = f"quiesce sweep {shlex.quote(word)}"
    return Method(command, result.judgement, _files(folder, folder / name / "sweep")), windows


def _proved(
    word: str, name: str, folder: Path, extent: Extent, progress: ReportProgress
) -> tuple[Method, tuple[MeasuredDistance, ...]]:
    request = ProveRequest(scenario=word, out=folder, seconds=extent.proof_limit)
    proven, judgement, _ = prove_scenario(request, progress)
    distances: tuple[MeasuredDistance, ...] = ()
    if proven.proof.is_whole:
        distances = tuple(
            MeasuredDistance(each.name, each.least_ns, each.greatest_ns)
            for each in proven.distances
        )
    command = f"quiesce prove {shlex.quote(word)} --seconds {extent.proof_limit}"
    return Method(command, judgement, _files(folder, folder / name / "prove")), distances


def _scores() -> tuple[MutantScore, ...]:
    found = scores(mutant.name for mutant in MUTANTS)
    return tuple(MutantScore(name, each.killed_by, each.runs) for name, each in found.items())


def _files(folder: Path, of: Path) -> tuple[str, ...]:
    """Return the files of one method, relative to the pack."""
    return tuple(
        path.relative_to(folder).as_posix() for path in sorted(of.iterdir()) if path.is_file()
    )


def _inputs(word: str, scenario: ResolvedScenario, folder: Path) -> dict[str, str]:
    """Keep a copy of every file that a scenario was read from, and return their hashes."""
    names = [name for config in scenario.configs for name in config.files]
    named = [Path(name) for name in names if name != STANDARD_INPUT_TITLE]
    files = [*_scenario_files(word), *named]
    copies: dict[str, str] = {}
    for file in dict.fromkeys(path.resolve() for path in files):
        copy = folder / scenario.plan.name / "inputs" / file.name
        number = 2
        while copy.exists():
            copy = copy.with_name(f"{number}-{file.name}")
            number += 1
        write_whole(copy, file.read_bytes())
        copies[copy.relative_to(folder).as_posix()] = _sha256(copy)
    return copies


def _scenario_files(word: str) -> list[Path]:
    """Return the file of a scenario; a configuration names its files itself."""
    return [] if len(files_of(word)) > 1 or word == STANDARD_INPUT else [find(word)]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
