"""From a path of the search to a run that anybody can repeat: times, ties and answers.

A path says which delays ended in which order, and leaves their times open.  Each is bound by its
span and by the order of what meets: differences of instants, of which the least whole numbers are
the longest ways through a graph (Bellman and Ford).  A counterexample is shown only after the
ordinary kernel, with these times, has come to the same fault.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from ...model.base.choices import ChoicePoint
from ...model.base.errors import InternalError, QuiesceError
from ...model.dense.step import DelayName, MakeWatch, Moment, Pick
from ...model.trace.events import Record

_FAR_NS = 1 << 60

Instant = DelayName | None
"""The end of a delay; None for the beginning of the run."""


class Schedule(NamedTuple):
    """Everything that fixes one run.

    Attributes:
        lengths_ns: How long each delay takes.
        order: Delays that end, in an order for those that end together.
        answers: To the named questions, in order.
        last_ns: When the last event happens.
    """

    lengths_ns: Mapping[DelayName, int]
    order: Sequence[DelayName]
    answers: Sequence[Pick]
    last_ns: int


class Counterexample(NamedTuple):
    """A run that breaks a claim.

    Attributes:
        message: What was found.
        records: The trace up to there.
        log: The answers that make the ordinary kernel repeat it.
    """

    message: str
    records: tuple[Record, ...]
    log: tuple[ChoicePoint, ...]


Replay = Callable[[Schedule], tuple[list[Record], list[ChoicePoint]]]
"""Runs the model in the ordinary kernel by a schedule, and gives its records and answers."""


class NotReplayedError(InternalError):
    """A counterexample of the search that the ordinary kernel does not confirm: our bug.

    Args:
        claim: That was said to be broken.
    """

    def __init__(self, claim: str) -> None:
        self.claim = claim
        super().__init__(claim)

    def __str__(self) -> str:
        """Say that it must not be trusted."""
        return f"internal error: the run found against {self.claim!r} does not replay"


class ImpossibleError(QuiesceError):
    """No run goes along a path with the demands that were made of it."""

    def __str__(self) -> str:
        """Say so."""
        return "no timing of this path meets the demands"


def schedule_of(
    moments: Sequence[Moment],
    distance: tuple[int, int] | None = None,
    *,
    noted: Sequence[int] = (),
    or_more: bool = False,
    at_most: Callable[[DelayName], int | None] = lambda _: None,
) -> Schedule:
    """Return the run along a path with the smallest whole times.

    Args:
        moments: The events of the path; the last is the one that matters.
        distance: Number of an event of the path, and how long before the last it must be.
        noted: Numbers of events that the observer of the distance notes, in the order of the path.
        or_more: Whether it may be longer before.
        at_most: A greatest length for a delay, beside its own; the least one prevails.

    Raises:
        ImpossibleError: If there is none.
    """
    at_least: dict[tuple[Instant, Instant], int] = {}

    def demand(earlier: Instant, later: Instant, ns: int) -> None:
        known = at_least.get((earlier, later))
        at_least[earlier, later] = ns if known is None else max(known, ns)

    if distance is not None:
        start, end = moments[distance[0]].ended, moments[-1].ended
        demand(start, end, distance[1])
        demand(end, start, -(_FAR_NS if or_more else distance[1]))
    # Invariant: the observer has seen these events in this order.  With clocks per part nothing
    # else orders those that enter different parts, and another order is another distance.
    for number, following in pairwise(noted):
        demand(moments[number].ended, moments[following].ended, 0)
    begun_by: dict[DelayName, Instant] = {}
    entered_at: dict[int, Instant] = {}
    ended = [moment.ended for moment in moments if moment.ended is not None]
    for before, moment in zip((moments[0], *moments), moments, strict=False):
        now = moment.ended
        demand(now, before.ended if moment.at_once else now, 0)
        for part in moment.entered:
            demand(entered_at.get(part, now), now, 0)
            entered_at[part] = now
        for delay in moment.overtaken:
            demand(now, delay, 0)
        for delay, lo_ns, hi_ns in moment.begun:
            demand(now, delay, lo_ns)
            limit_ns = at_most(delay)
            demand(delay, now, -(hi_ns if limit_ns is None else min(hi_ns, max(lo_ns, limit_ns))))
            begun_by[delay] = now
    last = moments[-1].ended
    # The fault was judged with all parts equally far: nothing later, nothing overdue.
    for instant in (each for each in ended if each != last):
        demand(instant, last, 0)
    for delay in begun_by.keys() - set(ended) - _let_go(moments):
        demand(last, delay, 0)
    at_ns = _earliest(at_least)
    lengths_ns = {delay: at_ns[delay] - at_ns[begun] for delay, begun in begun_by.items()}
    answers = [pick for moment in moments for pick in moment.picks]
    return Schedule(lengths_ns, ended, answers, at_ns[last])


def _earliest(at_least: Mapping[tuple[Instant, Instant], int]) -> dict[Instant, int]:
    """Return the earliest instants with these least distances from each to each.

    Raises:
        ImpossibleError: If there are none.
    """
    import networkx  # noqa: PLC0415

    graph: networkx.DiGraph[DelayName] = networkx.DiGraph()
    graph.add_node(_BEGINNING)
    for (earlier, later), ns in at_least.items():
        graph.add_edge(earlier or _BEGINNING, later or _BEGINNING, weight=-ns)
    try:
        longest = networkx.single_source_bellman_ford_path_length(graph, _BEGINNING)
    except networkx.NetworkXUnbounded:
        raise ImpossibleError from None
    at_ns: dict[Instant, int] = {name: -round(length) for name, length in longest.items()}
    at_ns[None] = 0
    return at_ns


_BEGINNING: DelayName = ("", -1)


def _let_go(moments: Sequence[Moment]) -> set[DelayName]:
    """Return the delays that the path gives up before they end."""
    return {delay for moment in moments for delay in moment.let_go}


def confirmed(
    moments: Sequence[Moment], claim: str, watches: Sequence[MakeWatch], replay: Replay
) -> Counterexample:
    """Return the run along a path, after the ordinary kernel has confirmed it.

    Raises:
        NotReplayedError: If it has not.
    """
    records, log = replay(schedule_of(moments))
    for make in watches:
        watch = make()
        if watch.name != claim:
            continue
        for index, record in enumerate(records):
            if watch.reads(record):
                watch.step(index, record)
        watch.settle()
        if watch.fault:
            return Counterexample(watch.fault, tuple(records), tuple(log))
    raise NotReplayedError(claim)
