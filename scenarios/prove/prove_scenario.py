"""Proves or refutes the properties of a scenario for every timing, and writes what was found."""

import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from ...model.base.errors import Place, Problem, ScenarioError
from ...model.plan.independence import independent_groups
from ...model.plan.system_plan import SystemPlan
from ...properties.core.monitor import Property
from ...properties.core.verdict import Judgement
from ...properties.prove.judging import going_on
from ...properties.prove.search_results import Progress
from ...properties.prove.system_proof import Limits
from ...properties.registry import TEARDOWN, named
from ..resolve.library import resolved
from ..resolve.resolve import ResolvedScenario
from ..run.progress import ReportProgress
from .attained_distances import attained_distances
from .proof import ContradictionError, Found, at_any_instant, sampled
from .proof_files import write_proof
from .proof_judgement import judgement_of_proof
from .proven_scenario import ProvenScenario
from .sliced_proof import ScenarioProof, prove_in_slices, prove_whole
from .waits import OpenStates, waits_named
from .windows_and_budgets import find_windows_and_budgets, limits_of_each_search

__all__ = ["ProveRequest", "ProveResult", "prove_scenario"]

SHORTEST_SECONDS = 30
"""How long a shortest run is looked for where some run is known to violate a property, unless the
user says otherwise."""


class ProveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be proved, how far, and where the results go.

    Attributes:
        scenario: The word for it.
        properties: Names; empty for all of a teardown.
        any_instant: Whether each end may come at any instant.
        classes_max: After how many classes to give up.
        seconds: After how many seconds, or None; the map and each budget have as many again.
        windows: Whether to map the instants of ends that are unsafe.
        budgets: Names of waits whose budgets are wanted.
        no_slicing: Whether the system is explored as one whole although it has several groups.
        jobs: How many processes share the work.
        out: Folder for the results.
        plot: Whether to draw the counterexample, what is to spare, and the unsafe windows.
    """

    scenario: str
    properties: tuple[str, ...] = ()
    any_instant: bool = False
    classes_max: int = 1_000_000
    seconds: int | None = None
    windows: bool = False
    budgets: tuple[str, ...] = ()
    no_slicing: bool = False
    jobs: int = 1
    out: Path = Path("out")
    plot: bool = True


class ProveResult(NamedTuple):
    """A proof, its judgement and its files.

    Attributes:
        proven: The proof with the runs that belong to it.
        judgement: What the properties say of all runs.
        files: That were written.
    """

    proven: ProvenScenario
    judgement: Judgement
    files: tuple[Path, ...]


def prove_scenario(request: ProveRequest, tell: ReportProgress) -> ProveResult:
    """Prove or refute a scenario, write the files and return what was found.

    Args:
        request: What is to be proved.
        tell: Called with a line about how far the search has come; an empty line at its end.

    Raises:
        InputError: If the scenario, a property or the folder for the results cannot be used.
        NotReplayedError: If a counterexample does not replay.
        InfluenceError: If devices that are proved apart are found to have to do with each other.
    """
    scenario = resolved(request.scenario)
    kinds = _kinds(request.properties)
    proven = _proven(request, scenario, kinds, tell)
    judgement = judgement_of_proof(scenario, proven, any_instant=request.any_instant)
    folder = request.out / proven.plan.name / "prove"
    files = write_proof(judgement, proven, folder, plot=request.plot)
    return ProveResult(proven, judgement, files)


def _proven(
    request: ProveRequest,
    scenario: ResolvedScenario,
    kinds: tuple[type[Property], ...],
    tell: ReportProgress,
) -> ProvenScenario:
    plan = at_any_instant(scenario.plan) if request.any_instant else scenario.plan
    states = OpenStates(
        {wait.name: wait for name in request.budgets for wait in waits_named(plan, name)}.values()
    )
    begun_s = time.monotonic()
    # With the end where the scenario has it: at any instant mostly means after a long life.
    unfinished: list[str] = []
    sample = sampled(scenario, scenario.plan, kinds, unfinished)
    costs = going_on(kinds)
    is_refuted = sample is not None and sample[0] not in costs
    seconds = request.seconds or (SHORTEST_SECONDS if is_refuted else float("inf"))
    limits = Limits(request.classes_max, begun_s + seconds)
    proof = _proof(request, scenario, plan, kinds, limits, states, tell)
    tell("")
    if sample is not None and proof.findings[sample[0]].word in {"holds", "vacuous"}:
        raise ContradictionError(sample[0])
    name, example = _counterexample(kinds, proof, sample)
    others = {each: found for each, found in proof.examples.items() if each != name}
    elapsed_s = time.monotonic() - begun_s
    proven = ProvenScenario(proof, plan, elapsed_s, example, name, tuple(unfinished), others)
    proven = msgspec.structs.replace(proven, distances=attained_distances(scenario, plan, proof))
    if proof.proof is not None and (request.windows or states.waits) and not proof.was_stopped:
        more = find_windows_and_budgets(
            msgspec.structs.replace(scenario, plan=plan),
            kinds,
            proof.proof,
            limits_of_each_search(request.seconds, request.classes_max),
            windows=request.windows,
            states=states,
            tell=tell,
        )
        tell("")
        proven = msgspec.structs.replace(proven, more=more)
    return proven


def _counterexample(
    kinds: tuple[type[Property], ...], proof: ScenarioProof, sample: tuple[str, Found] | None
) -> tuple[str, Found | None]:
    """Return the property that the shown counterexample violates, and the counterexample.

    That of the proof has the fewest events; but one that shows a cost of holding alone gives way
    to a run of the sample that shows more.
    """
    found = proof.example
    costs = going_on(kinds)
    if found is None or (sample is not None and found[0] in costs and sample[0] not in costs):
        found = sample or found
    return found or ("", None)


def _proof(
    request: ProveRequest,
    scenario: ResolvedScenario,
    plan: SystemPlan,
    kinds: tuple[type[Property], ...],
    limits: Limits,
    states: OpenStates,
    tell: ReportProgress,
) -> ScenarioProof:
    """Prove it in slices, unless something speaks against that."""

    def show(progress: Progress) -> None:
        tell(_progress_in_words(progress))

    if request.no_slicing:
        return prove_whole(scenario, plan, kinds, limits, show, states=states)
    if request.windows or request.budgets:
        why = "unsafe windows and budgets are found in the whole system"
        return prove_whole(scenario, plan, kinds, limits, show, why_whole=why, states=states)
    groups = independent_groups(plan)
    if len(groups.groups) < 2:
        return prove_whole(scenario, plan, kinds, limits, show, why_whole=groups.why_one)
    return prove_in_slices(scenario, plan, kinds, groups, limits, show, request.jobs)


def _kinds(names: tuple[str, ...]) -> tuple[type[Property], ...]:
    kinds = named(names or TEARDOWN)
    for kind in kinds:
        if kind.name not in TEARDOWN:
            message = f"{kind.name} is a rule of VIRTIO; proofs are about the teardown"
            remedy = "judge it in single runs with `quiesce run`, or in many with `quiesce fuzz`"
            raise ScenarioError([Problem(Place("--property"), message, remedy=remedy)])
    return kinds


def _progress_in_words(progress: Progress) -> str:
    rate = round(progress.classes / max(progress.elapsed_s, 1e-9))
    return (
        f"{progress.classes} classes, {rate} classes/s, depth {progress.depth}, "
        f"frontier {progress.frontier}"
    )
