"""Proving a scenario: the model is handed to the search, and what it finds is run again.

A run that the search speaks of, a counterexample or the run that attains a margin, is told as
a schedule of its delays; the ordinary kernel runs it, and the ordinary properties judge that run.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ...model.base.choices import Choices, Seeded
from ...model.base.clock import Span
from ...model.base.errors import BoundHit, InternalError
from ...model.dense.interning import Fingerprint
from ...model.dense.replay import replay
from ...model.dense.slice_replay import replay_in_whole
from ...model.dense.step import DelayName
from ...model.dense.transition_system import TransitionSystem
from ...model.machine.system import builder, header_of
from ...model.plan.system_plan import EndPlan, SystemPlan, VmPlan
from ...properties.core.exercise import Exercise, together
from ...properties.core.monitor import Property
from ...properties.prove.counterexample import NotReplayedError, Schedule, schedule_of
from ...properties.prove.judging import going_on, marks_of
from ...properties.prove.measures import Between, Measure, ToOwnRelease
from ...properties.prove.paths import path_to, start_of
from ...properties.prove.search_results import Tell
from ...properties.prove.symbolic_state import Predecessor, step_of
from ...properties.prove.system_proof import (
    Limits,
    MonitorMaker,
    SystemProof,
    SystemWindows,
    Task,
    prove_system,
    unsafe_windows,
)
from ..resolve.replay import Recording
from ..resolve.resolve import ResolvedScenario
from ..run.runner import TIMINGS, RunResult, run_recording, run_scenario
from .waits import OpenStates

__all__ = [
    "at_any_instant",
    "confirm",
    "counterexample",
    "exercised",
    "growing",
    "plain_path",
    "prove_plan",
    "run_along",
    "run_path",
    "sampled",
    "windows_of_plan",
]

SHORT_PATH = 8
"""Events of a path of which it cannot be said what grows along it."""

SEEDS = 12
"""Random runs that are looked at before a proof is tried, besides those with extreme timing."""


def at_any_instant(plan: SystemPlan) -> SystemPlan:
    """Return the plan in which each VM that ends does so at any instant whatever."""
    whenever = Span(0, plan.horizon_ns)
    return replace(
        plan,
        vms=tuple(
            vm if vm.end is None else replace(vm, end=EndPlan(vm.end.cause, whenever))
            for vm in plan.vms
        ),
    )


def prove_plan(
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    limits: Limits,
    tell: Tell | None = None,
    *,
    states: OpenStates | None = None,
    is_measured: bool = True,
) -> SystemProof:
    """Judge every run of a plan by these properties, and measure what belongs to them.

    Args:
        plan: The system and its run.
        kinds: The properties.
        limits: When to give up.
        tell: Called now and then with how far it has come.
        states: Those known of plans that differ from this one in the length of waits alone.
        is_measured: Whether distances are measured that decide nothing.
    """
    task = _task(plan, kinds)
    if states is not None:
        task = task._replace(make_system=partial(states.system, plan))
    if not is_measured:
        task = task._replace(measures=())
    return prove_system(task, limits, tell)


def windows_of_plan(
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    proof: SystemProof,
    limits: Limits,
    tell: Tell | None = None,
) -> SystemWindows:
    """Return for which instants of the ends of its VMs a plan can go wrong.

    Args:
        plan: The system and its run.
        kinds: The properties.
        proof: Of that plan and these properties.
        limits: When to give up.
        tell: Called now and then with how far it has come.
    """
    moments = {
        f"{vm.name}.end": f"{vm.name}: {' then '.join(end.cause for end in vm.ends)}"
        for vm in plan.vms
        if vm.ends
    }
    return unsafe_windows(_task(plan, kinds), proof, moments, limits, tell)


def _task(plan: SystemPlan, kinds: Sequence[type[Property]]) -> Task:
    def make_system(make_monitor: MonitorMaker) -> TransitionSystem:
        return TransitionSystem(builder(plan), [make_monitor], marks_of, plan.pinned)

    return Task(
        make_system,
        header_of(plan),
        kinds,
        bounds_of(plan),
        measures_of(plan),
        any(vm.restart for vm in plan.vms),
    )


def distances_of(plan: SystemPlan) -> list[Measure]:
    """Return all that is measured."""
    return [*bounds_of(plan), *measures_of(plan)]


def bounds_of(plan: SystemPlan) -> list[Measure]:
    """Return the durations of teardowns, which the properties bound."""
    return [
        Between(
            f"{vm.name}: from the beginning of its end to its exit",
            ("ending", epoch),
            ("gone", epoch),
            bound_ns=plan.teardown_ns_max,
        )
        for epoch, vm in _epochs(plan)
        if vm.ends
    ]


def measures_of(plan: SystemPlan) -> list[Measure]:
    """Return what else is measured: times to the teardown points, and margins before them."""
    found: list[Measure] = []
    for epoch, vm in _epochs(plan):
        if not vm.ends:
            continue
        name = f"{vm.name}: from the beginning of its end to the teardown points of its memory"
        begun, released = ("ending", epoch), ("teardown point", epoch)
        found.append(Between(name, begun, released, goes_on=True))
        found += [
            ToOwnRelease(
                f"{writer}: from its last write in a frame of {vm.name} to that frame's release",
                writer,
                epoch,
            )
            for writer in _writers(plan, vm)
        ]
        for device in plan.passable:
            if device.name in vm.passed_through:
                line = device.intid
                name = f"line {line}: from the last interrupt for {vm.name} to its detach"
                taken, detached = ("taken", line, epoch), ("detached", line, epoch)
                found.append(Between(name, taken, detached, restarts=True))
    return found


def _writers(plan: SystemPlan, vm: VmPlan) -> list[str]:
    """Return whoever can write memory for a VM."""
    disks = [block.disk for block in vm.blocks]
    servers = [disk.server for disk in plan.disks if disk.name in disks]
    vdevs = [f"{vm.name}.{vdev.name}" for vdev in vm.vdevs]
    return list(dict.fromkeys([*vm.passed_through, *disks, *servers, *vdevs]))


def _epochs(plan: SystemPlan) -> list[tuple[int, VmPlan]]:
    """Return each VM with the number of its first instance."""
    return list(enumerate(plan.vms, 1))


class Found(msgspec.Struct, frozen=True):
    """A run that was found, as the ordinary kernel runs it.

    Attributes:
        result: The run, judged.
        events: Delays that end until what was looked for; 0 if that was not counted.
    """

    result: RunResult
    events: int


class ContradictionError(InternalError):
    """A run violates what was proved: our bug.

    Args:
        claim: What was said to hold.
    """

    def __init__(self, claim: str) -> None:
        self.claim = claim
        super().__init__(claim)

    def __str__(self) -> str:
        """Say that it must not be trusted."""
        return f"internal error: {self.claim!r} was proved, but a run violates it"


def sampled(
    scenario: ResolvedScenario,
    plan: SystemPlan,
    kinds: Sequence[type[Property]],
    unfinished: list[str] | None = None,
) -> tuple[str, Found] | None:
    """Return a violated property and a run that violates it, if one of a few runs does.

    What holding costs comes last: it is told if no run violates anything else.  It takes much
    less time to stumble upon a violation than to show that a shorter one does not exist; and no
    such run may violate what is proved afterwards.  A run that hits its bound shows nothing, so
    the next one is tried.

    Args:
        scenario: Its assumptions go into the run.
        plan: What is run.
        kinds: The properties to judge by.
        unfinished: Takes a sentence for each run that hit its bound, and says how to repeat it.
    """
    costs = going_on(kinds)
    names = {kind.name for kind in kinds} - costs
    resolved = replace(scenario, plan=plan)
    spare: tuple[str, Found] | None = None
    for option, choices in _sample():
        try:
            result = run_scenario(resolved, choices, "a run of a sample, not made small")
        except BoundHit as hit:
            if unfinished is not None:
                again = f"quiesce run {plan.name} {option}"
                unfinished.append(f"a sampled run was given up and shows nothing ({again}): {hit}")
            continue
        for verdict in result.judgement.verdicts:
            if verdict.verdict == "violated" and verdict.property in names:
                return verdict.property, Found(result, 0)
            if verdict.verdict == "violated" and verdict.property in costs and spare is None:
                spare = verdict.property, Found(result, 0)
    return spare


def exercised(scenario: ResolvedScenario, plan: SystemPlan) -> tuple[Exercise, ...]:
    """Return what a few runs of a plan put to the test between them.

    What some run puts to the test is put to the test by a proof, which covers that run as well.
    """
    found: tuple[Exercise, ...] = ()
    for _, choices in _sample():
        try:
            result = run_scenario(replace(scenario, plan=plan), choices, "a run of a sample")
        except BoundHit:
            continue
        found = together((found, result.judgement.exercises))
        if all(each.is_whole for each in found):
            break
    return found


def _sample() -> Iterator[tuple[str, Choices]]:
    """Give the choices of each run of a sample, and the option that repeats it."""
    for name, timing in TIMINGS.items():
        yield f"--timing {name}", timing()
    for seed in range(SEEDS):
        yield f"--seed {seed}", Seeded(seed)


def growing(proof: SystemProof) -> list[str]:
    """Return the attributes that go on taking new values along the longest path, most first.

    States do not meet while something in them keeps changing.
    """
    last = proof.search.last
    if last is None:
        return []
    moments = proof.system.components_along(proof.search.places.step_to(last))
    if len(moments) < SHORT_PATH:
        return []
    first, second = moments[: len(moments) // 2], moments[len(moments) // 2 :]
    before, after = _values(first), _values(second)
    counts = {name: len(values - before.get(name, set())) for name, values in after.items()}
    names = [name for name, count in counts.items() if 3 * count >= len(second)]
    return sorted(names, key=lambda name: -counts[name])[:3]


def _values(moments: list[list[tuple[str, dict[str, Fingerprint]]]]) -> dict[str, set[Fingerprint]]:
    """Return the values that each attribute takes, by its dotted name."""
    found: dict[str, set[Fingerprint]] = {}
    for moment in moments:
        for component, fingerprints in moment:
            for attribute, fingerprint in fingerprints.items():
                found.setdefault(f"{component}.{attribute}", set()).add(fingerprint)
    return found


def confirm(proof: SystemProof, sample: tuple[str, Found] | None) -> None:
    """Check that what was proved does not fail in a run.

    Raises:
        ContradictionError: If it does.
    """
    if sample is not None and proof.findings[sample[0]].word in {"holds", "vacuous"}:
        raise ContradictionError(sample[0])


def counterexample(
    scenario: ResolvedScenario, plan: SystemPlan, proof: SystemProof, name: str
) -> Found:
    """Return the run with the fewest events that violates a property.

    Raises:
        NotReplayedError: If the ordinary kernel does not come to the same verdict: our bug.
    """
    finding = proof.findings[name]
    assert finding.by is not None, "a violated property has a path"
    chosen = f"a run with the fewest events that violates {name}"
    found = _run_again(scenario, plan, proof, finding.by, chosen, finding.distance_ns)
    verdicts = {each.property: each for each in found.result.judgement.verdicts}
    if name not in verdicts or verdicts[name].verdict != "violated":
        raise NotReplayedError(name)
    return found


def _run_again(
    scenario: ResolvedScenario,
    plan: SystemPlan,
    proof: SystemProof,
    last: Predecessor,
    chosen: str,
    distance_ns: int | None = None,
) -> Found:
    path, events = plain_path(proof, last, distance_ns)
    return Found(run_path(scenario, plan, path, chosen), events)


class Path(NamedTuple):
    """A path of the search as plain data.

    Attributes:
        schedule: The run along it with the smallest times.
        spans_ns: Least and greatest length of each of its delays.
    """

    schedule: Schedule
    spans_ns: dict[DelayName, tuple[int, int]]


def plain_path(proof: SystemProof, last: Predecessor, distance_ns: int | None) -> tuple[Path, int]:
    """Return a path of a proof as plain data, and how many delays end in it.

    Args:
        proof: In which it was found.
        last: Its last event.
        distance_ns: How long the distance that this event reads must be, or None for anything.
    """
    path = path_to(last, distance_ns)
    distance = None if distance_ns is None else (start_of(path), distance_ns)
    moments = proof.system.trail(step_of(path))
    spans = {delay: (lo_ns, hi_ns) for each in moments for delay, lo_ns, hi_ns in each.begun}
    return Path(schedule_of(moments, distance), spans), len(path) - 1


def run_path(
    scenario: ResolvedScenario,
    plan: SystemPlan,
    path: Path,
    chosen: str,
    *,
    is_of_slice: bool = False,
) -> RunResult:
    """Return the run along a path, made by the ordinary kernel and judged.

    Args:
        scenario: Whose plan it is.
        plan: The whole system.
        path: Of the run.
        chosen: How it was found, in words.
        is_of_slice: Whether it is one of a slice; then the whole does what it can to follow it.
    """
    schedule = path.schedule
    if schedule.last_ns >= plan.horizon_ns:
        plan = replace(plan, horizon_ns=schedule.last_ns + plan.observe.hi_ns + 1)
    # The run goes on from the end of the path, as fast as it may.
    told = (schedule.lengths_ns, schedule.order, schedule.answers)
    if is_of_slice:
        _, log = replay_in_whole(
            builder(plan), *told, path.spans_ns, plan.horizon_ns, pinned=plan.pinned
        )
    else:
        _, log = replay(builder(plan), *told, plan.horizon_ns, pinned=plan.pinned)
    return run_recording(Recording(plan, scenario.assumptions, chosen, tuple(log)))


def run_along(
    scenario: ResolvedScenario, plan: SystemPlan, schedule: Schedule, chosen: str, events: int
) -> Found:
    """Return the run that a schedule tells, judged."""
    return Found(run_path(scenario, plan, Path(schedule, {}), chosen), events)
