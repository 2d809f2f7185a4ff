"""The verdicts on a whole system for every timing, and the exact distances that go with them.

First one search judges all properties that depend on the order of events.  Then each distance is
measured by a search of its own over the states that are known by then, which costs little: the
model is not run again.  The bound on the duration of a teardown is one of these distances.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ...model.dense.step import Monitor
from ...model.trace.events import Header
from ..core.monitor import Property
from ..core.verdict import Word
from ..teardown.ordering import TeardownBounded
from .end_windows import end_windows
from .endless import endless_labels
from .graph_search import Graph, GraphSearch, Reading, Tell, Way
from .judging import JudgeMonitor, going_on, without_times
from .measures import FirstParting, Measure
from .windows import Window

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


class MakeGraph(Protocol):
    """Makes the states of a system, judged by a monitor."""

    def __call__(self, make_monitor: MonitorMaker) -> Graph:
        """Return the graph, of which nothing is known yet."""
        ...


class Task(NamedTuple):
    """What is to be proved.

    Attributes:
        make_graph: Makes the states of the system.
        header: Of its traces.
        kinds: The properties.
        bounded: Durations that `teardown-bounded` is about, one for each VM that ends.
        measures: Distances that are to be told.
        starts_again: Whether a VM is started again after its end.
    """

    make_graph: MakeGraph
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
        way: The last event of a run that violates it, or None.
        distance_ns: How long what is measured must be in that run; None for anything.
    """

    word: Word
    reason: str
    way: Way | None = None
    distance_ns: int | None = None


class Distance(NamedTuple):
    """The exact bounds of a distance over all runs."""

    name: str
    least: Reading
    greatest: Reading


class SystemProof(NamedTuple):
    """What has been found out.

    Attributes:
        findings: By property.
        distances: Those that occur in some run; complete ones alone.
        graph: The states.
        search: That of the order of events.
        is_whole: Whether every run was covered by it.
        was_stopped: Whether the user stopped it.
    """

    findings: dict[str, Finding]
    distances: tuple[Distance, ...]
    graph: Graph
    search: GraphSearch
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
        tell: Told now and then how far it has come.
    """
    proof = _attempt(task, limits, tell, watches_always=False)
    if proof.is_whole and not _parts_late(task, proof.graph, limits):
        proof = _attempt(task, limits, tell, watches_always=True)
    return proof


def _attempt(task: Task, limits: Limits, tell: Tell | None, *, watches_always: bool) -> SystemProof:
    kinds = without_times(task.kinds)
    graph = _graph(task, watches_always=watches_always)
    search = GraphSearch(graph, goes_on=going_on(task.kinds))
    distances: list[Distance] = []
    findings: dict[str, Finding] = {}
    was_stopped = False
    try:
        search.run(limits.classes_max, limits.deadline_s, tell)
        findings = _findings(kinds, search)
        if not search.frontier:
            if TeardownBounded in task.kinds:
                findings[TeardownBounded.name] = _bounded(task, graph, limits, distances, tell)
            for measure in task.measures:
                _measured(task, graph, measure, limits, distances, tell)
    except KeyboardInterrupt:
        was_stopped = True
        findings = _findings(kinds, search) | findings
    for kind in task.kinds:
        findings.setdefault(kind.name, Finding("inconclusive", _unfinished(search)))
    in_order = {kind.name: findings[kind.name] for kind in task.kinds}
    return SystemProof(in_order, tuple(distances), graph, search, not search.frontier, was_stopped)


def _graph(task: Task, *, watches_always: bool) -> Graph:
    kinds = without_times(task.kinds)
    return task.make_graph(MonitorMaker(task.header, kinds, task.starts_again, watches_always))


class UnsafeWindows(NamedTuple):
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
) -> UnsafeWindows:
    """Return the instants of ends from which a property can be violated.

    Args:
        task: The system and its properties.
        proof: Of the same task; what it knows of the states is used.
        moments: For each label of a delay that is an end, the name of that end.
        limits: When to give up.
        tell: Told now and then how far it has come.
    """
    found: dict[str, list[Window]] = {name: [] for name in moments.values()}
    if is_proved(proof, going_on(task.kinds)):
        return UnsafeWindows(found, set(), is_whole=True, was_stopped=False)

    def search_in(graph: Graph, measure: Measure | None, known: UnsafeWindows) -> UnsafeWindows:
        search = end_windows(
            graph,
            moments,
            classes_max=limits.classes_max,
            deadline_s=limits.deadline_s,
            tell=tell,
            measure=measure,
            found=known.found,
            passed_over=going_on(task.kinds),
        )
        return UnsafeWindows(
            search.found,
            known.broken_before | search.broken_before,
            known.is_whole and search.is_whole,
            known.was_stopped or search.was_stopped,
        )

    windows = search_in(proof.graph, None, UnsafeWindows(found, set(), True, False))
    if windows.is_whole and not proof.is_whole and not _parts_late(task, proof.graph, limits):
        windows = search_in(_graph(task, watches_always=True), None, windows)
    if TeardownBounded in task.kinds and proof.findings[TeardownBounded.name].word != "holds":
        for measure in task.bounded:
            if not windows.was_stopped:
                windows = search_in(proof.graph, measure, windows)
    return windows


def _findings(kinds: Iterable[type[Property]], search: GraphSearch) -> dict[str, Finding]:
    labels = [] if search.frontier else endless_labels(search.taken)
    return {kind.name: _finding(kind, search, labels) for kind in kinds}


def _finding(kind: type[Property], search: GraphSearch, endless: Sequence[str]) -> Finding:
    name = kind.name
    broken = search.faults.get(name)
    if broken is not None:
        return Finding("violated", broken.message, broken.way)
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


def _unfinished(search: GraphSearch) -> str:
    if search.has_ended:
        return "the search ended at the violation of another property; ask for this one alone"
    return f"cut short after {search.classes} classes, {len(search.frontier)} of them not followed"


def _bounded(
    task: Task, graph: Graph, limits: Limits, distances: list[Distance], tell: Tell | None
) -> Finding:
    is_tested = False
    for measure in task.bounded:
        search = _measured(task, graph, measure, limits, distances, tell)
        broken = search.faults.get(measure.name)
        if broken is not None:
            return Finding("violated", broken.message, broken.way, broken.distance_ns)
        if search.frontier:
            return Finding("inconclusive", _unfinished(search))
        is_tested |= search.greatest is not None
    if not is_tested:
        return Finding("vacuous", f"no run has any {TeardownBounded.antecedent}")
    return Finding("holds", "in every run")


def _measured(
    task: Task,
    graph: Graph,
    measure: Measure,
    limits: Limits,
    distances: list[Distance],
    tell: Tell | None,
) -> GraphSearch:
    is_bounded = measure.bound_ns is not None
    search = GraphSearch(graph, measure, stop_at_fault=is_bounded, goes_on=going_on(task.kinds))
    search.run(limits.classes_max, limits.deadline_s, tell)
    if not search.frontier and search.least is not None and search.greatest is not None:
        distances.append(Distance(measure.name, search.least, search.greatest))
    return search


def _parts_late(task: Task, graph: Graph, limits: Limits) -> bool:
    """Return whether nothing changes hands at the very instant at which an end begins."""
    search = _measured(task, graph, FirstParting(), limits, [], None)
    return not search.frontier and (search.least is None or search.least.ns > 0)
