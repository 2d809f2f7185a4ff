"""The verdicts on a whole system for every timing, and the exact distances that go with them.

First one search judges all properties that depend on the order of events.  Then each distance is
measured by a search of its own over the states that are known by then, which costs little: the
model is not run again.  The bound on the duration of a teardown is one of these distances.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ...model.dense.transition import Monitor
from ...model.trace.events import Header
from ..core.monitor import Property
from ..core.verdict import Word
from .endless import endless_labels
from .judging import JudgeMonitor, going_on, without_times
from .measures import FirstParting, Measure
from .observers import UnsafeWindows
from .places import TransitionSystem
from .search_results import Reading, Tell
from .symbolic_state import Predecessor
from .windows import Window
from .zone_search import ZoneSearch

LABELS_SHOWN = 4
"""How many delays of an endless run are named."""


class MonitorMaker(msgspec.Struct, frozen=True):
    """Makes the monitor of one run; equal ones make monitors that judge alike.

    Attributes:
        header: Of the trace.
        kinds: The properties, without those that compare times.
        starts_again: As for `JudgeMonitor`.
        watches_always: As for `JudgeMonitor`.
    """

    header: Header
    kinds: tuple[type[Property], ...]
    starts_again: bool
    watches_always: bool

    def __call__(self) -> Monitor:
        """Return a monitor that has seen nothing."""
        return JudgeMonitor(
            self.header,
            self.kinds,
            starts_again=self.starts_again,
            watches_always=self.watches_always,
        )


class MakeSystem(Protocol):
    """Makes the transitions of a system, judged by a monitor."""

    def __call__(self, make_monitor: MonitorMaker) -> TransitionSystem:
        """Return the transition system, of which nothing is known yet."""
        ...


class Task(NamedTuple):
    """What is to be proved.

    Attributes:
        make_system: Makes the transitions of the system.
        header: Of its traces.
        kinds: The properties.
        bounded: Durations that properties which compare times are about, one for each VM that ends.
        measures: Distances that the proof reports.
        starts_again: Whether a VM is started again after its end.
    """

    make_system: MakeSystem
    header: Header
    kinds: Sequence[type[Property]]
    bounded: Sequence[Measure]
    measures: Sequence[Measure]
    starts_again: bool


class Limits(NamedTuple):
    """When to give up.

    Attributes:
        classes_max: After so many classes in one search.
        deadline_s: By the monotonic clock.
    """

    classes_max: int = 1_000_000
    deadline_s: float = float("inf")


class Finding(NamedTuple):
    """What was found out about one property.

    Attributes:
        word: The verdict.
        reason: Why.
        by: The last event of a run that violates it, or None.
        distance_ns: How long what is measured must be in that run; None for anything.
    """

    word: Word
    reason: str
    by: Predecessor | None = None
    distance_ns: int | None = None


class Distance(NamedTuple):
    """A distance and its exact bounds over all runs."""

    name: str
    least: Reading
    greatest: Reading


class SystemProof(NamedTuple):
    """What has been found out.

    Attributes:
        findings: By property.
        distances: Those that occur in some run; complete ones alone.
        system: Its transitions.
        search: That of the order of events.
        is_whole: Whether every run was covered by it.
        was_stopped: Whether the user stopped it.
    """

    findings: dict[str, Finding]
    distances: tuple[Distance, ...]
    system: TransitionSystem
    search: ZoneSearch
    is_whole: bool
    was_stopped: bool


def is_proved(proof: SystemProof, passed_over: frozenset[str] = frozenset()) -> bool:
    """Return whether every run was covered and none violates or leaves open a property.

    Args:
        proof: Of some properties.
        passed_over: Names of those that do not matter.
    """
    findings = proof.findings.items()
    words = {finding.word for name, finding in findings if name not in passed_over}
    return proof.is_whole and words <= {"holds", "vacuous"}


def prove_system(task: Task, limits: Limits, tell: Tell | None = None) -> SystemProof:
    """Judge every run of a system.

    Args:
        task: The system and what is to be shown.
        limits: When to give up.
        tell: Called now and then with how far it has come.
    """
    proof = _attempt(task, limits, tell, watches_always=False)
    if proof.is_whole and not _parts_late(task, proof.system, limits):
        proof = _attempt(task, limits, tell, watches_always=True)
    return proof


def _attempt(task: Task, limits: Limits, tell: Tell | None, *, watches_always: bool) -> SystemProof:
    kinds = without_times(task.kinds)
    system = _system(task, watches_always=watches_always)
    search = ZoneSearch(system, goes_on=going_on(task.kinds))
    distances: list[Distance] = []
    findings: dict[str, Finding] = {}
    was_stopped = False
    try:
        search.run(limits.classes_max, limits.deadline_s, tell)
        findings = _findings(kinds, search)
        if not search.frontier:
            for kind in _comparing_times(task):
                findings[kind.name] = _bounded(kind, task, system, limits, distances, tell)
            for measure in task.measures:
                _measured(task, system, measure, limits, distances, tell)
    except KeyboardInterrupt:
        was_stopped = True
        findings = _findings(kinds, search) | findings
    for kind in task.kinds:
        findings.setdefault(kind.name, Finding("inconclusive", _unfinished(search)))
    in_order = {kind.name: findings[kind.name] for kind in task.kinds}
    return SystemProof(in_order, tuple(distances), system, search, not search.frontier, was_stopped)


def _system(task: Task, *, watches_always: bool) -> TransitionSystem:
    kinds = without_times(task.kinds)
    return task.make_system(MonitorMaker(task.header, kinds, task.starts_again, watches_always))


def _comparing_times(task: Task) -> list[type[Property]]:
    return [kind for kind in task.kinds if kind.compares_times]


class SystemWindows(NamedTuple):
    """For which instants of ends a system can go wrong.

    Attributes:
        found: Windows by the name of the end, disjoint and in order.
        broken_before: Properties that a run violates before any end.
        is_whole: Whether there are no more windows.
        was_stopped: Whether the user stopped it.
    """

    found: dict[str, list[Window]]
    broken_before: set[str]
    is_whole: bool
    was_stopped: bool


def unsafe_windows(
    task: Task,
    proof: SystemProof,
    moments: Mapping[str, str],
    limits: Limits,
    tell: Tell | None = None,
) -> SystemWindows:
    """Return the instants of ends from which a property can be violated.

    Args:
        task: The system and its properties.
        proof: Of the same task; what it knows of the states is used.
        moments: For each label of a delay that is an end, the name of that end.
        limits: When to give up.
        tell: Called now and then with how far it has come.
    """
    found: dict[str, list[Window]] = {name: [] for name in moments.values()}
    windows = SystemWindows(found, set(), is_whole=True, was_stopped=False)
    if is_proved(proof, going_on(task.kinds)):
        return windows

    def widened(
        known: SystemWindows, system: TransitionSystem, measures: Sequence[Measure]
    ) -> SystemWindows:
        observer = UnsafeWindows(
            moments.values(),
            lambda transition: moments.get(transition.label, ""),
            known.found,
            passed_over=going_on(task.kinds),
        )
        search = ZoneSearch(system, observer, measures, stop_at_fault=False)
        was_stopped = known.was_stopped
        try:
            search.run(limits.classes_max, limits.deadline_s, tell)
        except KeyboardInterrupt:
            # What was found is certain.
            was_stopped = True
        is_whole = known.is_whole and not search.frontier
        broken_before = known.broken_before | observer.broken_before
        return SystemWindows(observer.found, broken_before, is_whole, was_stopped)

    windows = widened(windows, proof.system, ())
    if windows.is_whole and not proof.is_whole and not _parts_late(task, proof.system, limits):
        windows = widened(windows, _system(task, watches_always=True), ())
    # A bound on a duration is a claim as well: what is read beyond it makes an instant unsafe.
    if any(proof.findings[kind.name].word != "holds" for kind in _comparing_times(task)):
        for measure in task.bounded:
            if not windows.was_stopped:
                windows = widened(windows, proof.system, [measure])
    return windows


def _findings(kinds: Iterable[type[Property]], search: ZoneSearch) -> dict[str, Finding]:
    labels = [] if search.frontier else endless_labels(search.places.taken)
    return {kind.name: _finding(kind, search, labels) for kind in kinds}


def _finding(kind: type[Property], search: ZoneSearch, endless: Sequence[str]) -> Finding:
    name = kind.name
    broken = search.faults.get(name)
    if broken is not None:
        return Finding("violated", broken.message, broken.by)
    if search.frontier:
        return Finding("inconclusive", _unfinished(search))
    if endless:
        what = ", ".join(endless[:LABELS_SHOWN])
        return Finding("inconclusive", f"a run can go on for ever and never be quiet: {what}")
    if name in search.doubts:
        return Finding("inconclusive", search.doubts[name])
    if name not in search.tested:
        return Finding("vacuous", f"no run has any {kind.antecedent}")
    return Finding("holds", "in every run")


def _unfinished(search: ZoneSearch) -> str:
    if search.has_ended:
        return "the search ended at the violation of another property; ask for this one alone"
    return f"cut short after {search.classes} classes, {len(search.frontier)} of them not followed"


def _bounded(
    kind: type[Property],
    task: Task,
    system: TransitionSystem,
    limits: Limits,
    distances: list[Distance],
    tell: Tell | None,
) -> Finding:
    is_tested = False
    for measure in task.bounded:
        search = _measured(task, system, measure, limits, distances, tell)
        broken = search.faults.get(measure.name)
        if broken is not None:
            return Finding("violated", broken.message, broken.by, broken.distance_ns)
        if search.frontier:
            return Finding("inconclusive", _unfinished(search))
        is_tested |= measure.name in search.readings
    if not is_tested:
        return Finding("vacuous", f"no run has any {kind.antecedent}")
    return Finding("holds", "in every run")


def _measured(
    task: Task,
    system: TransitionSystem,
    measure: Measure,
    limits: Limits,
    distances: list[Distance],
    tell: Tell | None,
) -> ZoneSearch:
    """Measure a distance by a search of its own, and add it if every run was covered.

    A running measure tells symbolic states apart, and the transitions are known by now.
    """
    is_bounded = measure.bound_ns is not None
    goes_on = going_on(task.kinds)
    search = ZoneSearch(system, None, [measure], stop_at_fault=is_bounded, goes_on=goes_on)
    search.run(limits.classes_max, limits.deadline_s, tell)
    if not search.frontier and measure.name in search.readings:
        distances.append(Distance(measure.name, *search.readings[measure.name]))
    return search


def _parts_late(task: Task, system: TransitionSystem, limits: Limits) -> bool:
    """Return whether nothing changes hands at the very instant at which an end begins."""
    measure = FirstParting()
    search = _measured(task, system, measure, limits, [], None)
    found = search.readings.get(measure.name)
    return not search.frontier and (found is None or found.least.ns > 0)
