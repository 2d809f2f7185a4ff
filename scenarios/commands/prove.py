"""`quiesce prove`: judge every run of a scenario, whatever its timing."""

import shlex
import sys
import time
from pathlib import Path

import msgspec

from ...model.chains import chains_of
from ...model.errors import Place, Problem, ScenarioError
from ...model.plan import SystemPlan
from ...model.system import header_of
from ...model.trace_codec import write_whole
from ...properties.exercise import CENTRAL, Exercise
from ...properties.graph_search import Progress
from ...properties.judging import going_on
from ...properties.monitor import Property
from ...properties.registry import TEARDOWN, named
from ...properties.system_proof import Limits
from ...properties.verdict import Judgement, Verdict
from ...reports.summary import print_judgement
from ...reports.verdict_file import document_of as verdict_document
from ...reports.why import why
from ...reports.write import write
from .. import replay
from ..exit_status import INTERRUPTED, OF_VERDICT
from ..library import resolved
from ..proof import ContradictionError, Found, at_any_instant, exercised, sampled
from ..resolve import Resolved
from ..run_notes import notes_of_run
from ..slice_results import Shown
from ..sliced_proof import ScenarioProof, prove_in_slices, prove_whole
from ..terminal import say, say_json, show_progress
from ..unwritable import unwritable
from ..waits import OpenStates, waits_named
from .prove_distances import Told, distance_document, distance_files, in_words, told_distances
from .prove_extent import (
    shortfall_in_words,
    slice_lines,
    slices_document,
    slicing_in_words,
)
from .prove_more import More, document_of, files_of, more_of, remaining, sentences
from .prove_pictures import remove_pictures, spare_files

SHORTEST_SECONDS = 30
"""How long a shortest run is looked for where some run is known to violate a property, unless the
user says otherwise."""


class ProveRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for.

    Attributes:
        scenario: The word for it.
        properties: Names; empty for all of a teardown.
        any_instant: Whether each end may come at any instant.
        classes_max: After how many classes to give up.
        seconds: After how many seconds, or None; the map and each budget have as many again.
        windows: Whether to map the instants of ends that are unsafe.
        budgets: Names of waits whose budgets are wanted.
        no_slicing: Whether the system is explored as one whole although it has several chains.
        jobs: How many processes share the work.
        out: Folder for the results.
        plot: Whether to draw the counterexample, what is to spare, and the unsafe windows.
        json: Whether to write JSON.
        verbose: Whether to show every assumption.
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
    json: bool = False
    verbose: bool = False


class Proven(msgspec.Struct, frozen=True):
    """A proof with the runs that belong to it.

    Attributes:
        proof: What was found.
        plan: Of which system.
        seconds: How long it took.
        example: The counterexample, if a property is violated: with the fewest events, or, if
            the search was cut short, the run of a sample.
        violated: The property that it violates, or an empty string.
        unfinished: A sentence for each run of the sample that was given up.
        others: Runs that violate other properties, by their names.
        distances: With runs that attain them.
        more: Unsafe windows and budgets, if they were asked for.
    """

    proof: ScenarioProof
    plan: SystemPlan
    seconds: float
    example: Found | None = None
    violated: str = ""
    unfinished: tuple[str, ...] = ()
    others: dict[str, Found] = {}
    distances: tuple[Told, ...] = ()
    more: More | None = None

    @property
    def was_stopped(self) -> bool:
        """Whether the user stopped any part of it."""
        return self.proof.was_stopped or (self.more is not None and self.more.was_stopped)


def prove_command(request: ProveRequest) -> int:
    """Prove or refute, and tell what came out.

    Raises:
        InputError: If the scenario, a property or the folder for the results cannot be used.
        NotReplayedError: If a counterexample does not replay.
        InfluenceError: If devices that are proved apart are found to have to do with each other.
    """
    scenario = resolved(request.scenario)
    kinds = _kinds(request.properties)
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
    proof = _proof(request, scenario, plan, kinds, limits, states)
    show_progress("")
    if sample is not None and proof.findings[sample[0]].word in {"holds", "vacuous"}:
        raise ContradictionError(sample[0])
    name, example = _told(kinds, proof, sample)
    others = {each: found for each, found in proof.examples.items() if each != name}
    elapsed_s = time.monotonic() - begun_s
    proven = Proven(proof, plan, elapsed_s, example, name, tuple(unfinished), others)
    proven = msgspec.structs.replace(proven, distances=told_distances(scenario, plan, proof))
    if proof.proof is not None and (request.windows or states.waits) and not proof.was_stopped:
        more = more_of(
            msgspec.structs.replace(scenario, plan=plan),
            kinds,
            proof.proof,
            remaining(request.seconds, request.classes_max),
            windows=request.windows,
            states=states,
            progress=show_progress,
        )
        show_progress("")
        proven = msgspec.structs.replace(proven, more=more)
    judgement = _judgement(scenario, request, proven)
    files = _write(judgement, request, proven)
    status = INTERRUPTED if proven.was_stopped else OF_VERDICT[judgement.verdict]
    if request.json:
        _tell_json(judgement, proven, files, status)
    else:
        _tell(judgement, proven, files, verbose=request.verbose)
    return status


def _told(
    kinds: tuple[type[Property], ...], proof: ScenarioProof, sample: tuple[str, Found] | None
) -> tuple[str, Found | None]:
    """Return the counterexample to be told, with the property that it violates.

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
    scenario: Resolved,
    plan: SystemPlan,
    kinds: tuple[type[Property], ...],
    limits: Limits,
    states: OpenStates,
) -> ScenarioProof:
    """Prove it in slices, unless something speaks against that."""
    if request.no_slicing:
        return prove_whole(scenario, plan, kinds, limits, _show, states=states)
    if request.windows or request.budgets:
        why = "unsafe windows and budgets are found in the whole system"
        return prove_whole(scenario, plan, kinds, limits, _show, why_whole=why, states=states)
    chains = chains_of(plan)
    if len(chains.chains) < 2:
        return prove_whole(scenario, plan, kinds, limits, _show, why_whole=chains.why_one)
    return prove_in_slices(scenario, plan, kinds, chains, limits, _show, request.jobs)


def _kinds(names: tuple[str, ...]) -> tuple[type[Property], ...]:
    kinds = named(names or TEARDOWN)
    for kind in kinds:
        if kind.name not in TEARDOWN:
            message = f"{kind.name} is a rule of VIRTIO; proofs are about the teardown"
            remedy = "judge it in single runs with `quiesce run`, or in many with `quiesce fuzz`"
            raise ScenarioError([Problem(Place("--property"), message, remedy=remedy)])
    return kinds


# Judgement.

_SETTLED = {"holds", "vacuous"}


def _judgement(scenario: Resolved, request: ProveRequest, proven: Proven) -> Judgement:
    exercises = exercised(scenario, proven.plan)
    return Judgement(
        scenario=proven.plan.name,
        label=_label(proven, exercises),
        bounds=tuple(_bounds(request, proven)),
        assumptions=scenario.assumptions + header_of(proven.plan).assumptions,
        verdicts=tuple(
            _verdict(name, finding, proven) for name, finding in proven.proof.findings.items()
        ),
        exercises=exercises,
    )


def _label(proven: Proven, exercises: tuple[Exercise, ...]) -> str:
    """Return what the search for a proof has come to; *proved* is said of nothing else."""
    words = {finding.word for finding in proven.proof.findings.values()}
    if "violated" in words or proven.violated:
        example = proven.example
        was_found_by_chance = example is not None and not example.events
        return "counterexample(sampled)" if was_found_by_chance else "counterexample(dense time)"
    if not proven.proof.is_whole:
        return "searched(dense time, cut short)"
    # Nothing is proved of a device that no run puts to the work that could break the claim.
    is_idle = any(not each.untested.isdisjoint(proven.proof.findings) for each in exercises)
    central = {each.word for name, each in proven.proof.findings.items() if name in CENTRAL}
    is_idle |= central == {"vacuous"}
    if is_idle or "holds" not in words or not words <= _SETTLED:
        return "searched(dense time)"
    return "proved(dense time)"


def _bounds(request: ProveRequest, proven: Proven) -> list[str]:
    proof = proven.proof
    covered = (
        "every real-valued timing inside the spans, every order of what is due at one instant, and "
        "every answer to open questions that are not pinned"
    )
    end = "at any instant" if request.any_instant else "as the scenario has it"
    size = (
        f"{proof.classes} classes of {proof.states} states were explored; runs are followed to "
        "the end of the observation, however long they are"
    )
    bounds = [covered, f"the end comes {end}", size, *proven.unfinished]
    bounds += slicing_in_words(proof)
    if proof.was_stopped:
        words = {finding.word for finding in proof.findings.values()}
        left = "not all distances were measured" if words <= _SETTLED else "nothing is proved"
        bounds.append(f"stopped by the user; {left}")
        bounds += shortfall_in_words(proof)
    elif proven.example is not None and not proven.example.events:
        bounds.append(
            "the run that violates was found by sampling; the search for one with the fewest "
            "events was cut short"
        )
    elif not proof.is_whole and not proven.violated:
        bounds += shortfall_in_words(proof)
    if proof.is_endless:
        bounds.append("some run stands still for ever before its end")
    return bounds


def _verdict(name: str, finding: Shown, proven: Proven) -> Verdict:
    found = proven.example if name == proven.violated else proven.others.get(name)
    if found is not None:
        judged = found.result.judgement.verdicts
        return next(each for each in judged if each.property == name)
    return Verdict(
        property=name,
        verdict=finding.word,
        severity="none",
        antecedents=int(finding.word == "holds"),
        reason=finding.reason,
        violations=(),
        violation_count=0,
    )


# Files.


def _write(judgement: Judgement, request: ProveRequest, proven: Proven) -> tuple[Path, ...]:
    folder = request.out / proven.plan.name / "prove"
    files: tuple[Path, ...] = ()
    try:
        if proven.example is not None:
            result = proven.example.result
            data = replay.encode(result.recording)
            files = write(folder, result.trace, result.judgement, replay=data, plot=request.plot)
        path = folder / "proof.json"
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, _encoded(_document(judgement, proven)))
        files = (*files, path, *distance_files(proven.distances, folder))
        name, label, distances = judgement.scenario, judgement.label, proven.proof.distances
        remove_pictures(folder)
        if request.plot:
            files += tuple(spare_files(proven.plan, label, distances, folder))
        if proven.more is not None:
            files += tuple(files_of(proven.more, name, label, folder, plot=request.plot))
    except OSError as error:
        raise unwritable(folder, error) from None
    return files


def _encoded(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _document(judgement: Judgement, proven: Proven) -> dict[str, object]:
    proof = proven.proof
    document: dict[str, object] = {
        **verdict_document(judgement),
        "is_whole": proof.is_whole,
        "was_stopped": proven.was_stopped,
        "classes": proof.classes,
        "states": proof.states,
        "frontier": proof.frontier,
        "depth": proof.depth,
        "model_runs": proof.model_runs,
        "slices": slices_document(proof),
        "distances": [distance_document(each) for each in proven.distances],
    }
    if proven.more is not None:
        document |= document_of(proven.more)
    if proven.example is not None:
        events = proven.example.events
        document["counterexample"] = {
            "property": proven.violated,
            "events": events or None,
            "is_fewest": bool(events),
        }
    return document


# Telling.


def _tell(judgement: Judgement, proven: Proven, files: tuple[Path, ...], *, verbose: bool) -> None:
    example = proven.example
    reason = why(example.result.trace, example.result.judgement) if example else ""
    print_judgement(judgement, why=reason, verbose=verbose)
    proof = proven.proof
    rate = round(proof.classes / max(proven.seconds, 1e-9))
    say(
        f"{proof.classes} classes, {proof.states} states, {rate} classes/s, {proven.seconds:.1f} s",
        hang=2,
    )
    for line in slice_lines(proof):
        say(line, hang=2)
    for distance in proven.distances:
        say(in_words(distance), hang=2)
    for sentence in sentences(proven.more) if proven.more is not None else ():
        say(sentence, hang=2)
    if example is not None:
        size = f"{example.events} events, the fewest" if example.events else "found by sampling"
        say(f"counterexample: {proven.violated}, {size}", hang=2)
        for note in notes_of_run(example.result):
            say(f"note: {note}", hang=2)
        # One line whatever the width of the terminal, so that it can be copied.
        path = next(file for file in files if file.name == "replay.json")
        sys.stdout.write(f"replay: quiesce run --replay {shlex.quote(str(path))}\n")
    say(f"written to {files[0].parent}: {', '.join(file.name for file in files)}", hang=2)


def _tell_json(judgement: Judgement, proven: Proven, files: tuple[Path, ...], status: int) -> None:
    document = {"exit_status": status} | _document(judgement, proven)
    document["seconds"] = round(proven.seconds, 3)
    document["files"] = [str(file) for file in files]
    say_json(document)


def _show(progress: Progress) -> None:
    rate = round(progress.classes / max(progress.elapsed_s, 1e-9))
    show_progress(
        f"{progress.classes} classes, {rate} classes/s, depth {progress.depth}, "
        f"frontier {progress.frontier}"
    )
