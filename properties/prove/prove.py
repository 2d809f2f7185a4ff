"""The door: show for every timing at once that claims hold, or find the shortest run against them.

The search goes breadth first through the classes of a model: states of its parts, with the zone of
instants in which they are reached (`zones`).  What an event does to the parts that it enters is
asked of the model once for each state of those parts and remembered (`_Memory`); the rest is
arithmetic.  So the price of a class is a few array operations, and the model's own code is run as
often as its parts have states, not as often as the product has classes.

*Order only what meets.*  The zone knows when each part was entered last (its *touch*), and an
event is ordered after the touches of the parts that it enters, and before the pending delays of
those parts; of events that enter different parts neither is first.  These are the local-time zones
of Bengtsson and others (CONCUR 1998) and Govind, Herbreteau, Srivathsan and Walukiewicz (CONCUR
2019), with the components for processes.  Chosen over partial-order reduction by persistent
sets, which needs to know beforehand what an event *will* touch; here it is enough to know what it
has touched.  A model in one part gives the classes of the unreduced search with the same code.

Parts may run ahead of one another, so a class can hold instants that no clock on the wall ever
showed.  Therefore claims and distances are judged as if all had kept up: in the zone cut down to
the runs in which no part was entered later, and no delay should have ended earlier.  Every real
run passes through its classes in the order of the clock as well, so nothing is lost by that.

For the same reason classes are compared by those moments alone: one is dropped if its
moments lie in those of another, as real runs go on from there in the same way.  Seen from such a
moment only pending delays are left, which are bounded; so classes are finite in number even where
a model goes round in circles for ever.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from ...model.dense.step import Moment, Outcome, Step
from ..core.history import History
from .layout import Change, Layout, Layouts, State, indices
from .zones import (
    FOREVER,
    Zone,
    ZoneStore,
    fired,
    insist_on_room,
    moved,
    origin,
    synchronised,
    tidied,
)

BATCH = 1_024
"""Classes that are expanded together; the search may stop between batches only."""

PROGRESS_EVERY_S = 0.2
"""Seconds between two reports of progress."""


class Explorable(Protocol):
    """A model that can be asked what its events do."""

    part_names: tuple[str, ...]
    claim_names: tuple[str, ...]
    first_stopwatch: int
    wait_counts: list[int]

    def beginnings(self) -> list[Outcome]:
        """Return the states in which a run can begin."""
        ...

    def outcomes(self, step: Step, part: int, position: int) -> list[Outcome]:
        """Return what the end of a delay does after a path, one for each set of answers."""
        ...

    def is_running(self, form: int) -> bool:
        """Return whether a stopwatch in this form is running."""
        ...

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        ...

    def growth(self, step: Step) -> str:
        """Return which attribute grew along a path, in words; an empty string if none did."""
        ...


class Range(NamedTuple):
    """The exact bounds of a distance over all runs, each with the end of a path that attains it."""

    least_ns: int
    greatest_ns: int
    least_by: Step
    greatest_by: Step


class Fault(NamedTuple):
    """A claim that is broken at the end of a path."""

    claim: str
    message: str
    step: Step


class Progress(NamedTuple):
    """How far a search has come."""

    classes: int
    frontier: int
    depth: int
    elapsed_s: float


class Proof(NamedTuple):
    """What a search has found.

    Attributes:
        verdict: `proved`, `violated` or `inconclusive`.
        classes: How many were explored.
        transitions: How many events were tried on them.
        elapsed_s: Seconds of the clock on the wall.
        faults: The broken claim with the fewest events, first; empty unless violated.
        ranges: Exact bounds of each measured distance, by name, over all runs if proved.
        reason: What cut the search short, or an empty string.
        depth: Events of the longest path looked at.
    """

    verdict: str
    classes: int
    transitions: int
    elapsed_s: float
    faults: tuple[Fault, ...]
    ranges: dict[str, Range]
    reason: str
    depth: int


def prove(
    model: Explorable,
    *,
    max_classes: int = 10_000_000,
    seconds: float = float("inf"),
    stop_at_fault: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> Proof:
    """Explore every timing of a model.

    Args:
        model: What to explore, with its claims and distances.
        max_classes: Give up after so many.
        seconds: Give up after so long.
        stop_at_fault: Whether the first broken claim ends the search.
        progress: Told now and then how far it has come.
    """
    search = Search(model, stop_at_fault=stop_at_fault)
    proof = search.run(max_classes, seconds, progress)
    return search.explained(proof)


class _Place:
    """A state that has been found.

    Attributes:
        state: Which.
        layout: Of its zones.
        slots: Its pending delays, with what their ends do as soon as that has been asked.
        store: The moments at which it has been reached.
    """

    __slots__ = ("layout", "slots", "state", "store")

    def __init__(self, state: State, layout: Layout) -> None:
        self.state = state
        self.layout = layout
        self.slots: list[list[_Plan] | None] = [None] * len(layout.waits)
        self.store = ZoneStore(len(layout.kept) + 1)


class _Node(NamedTuple):
    """A class that is to be expanded."""

    place: _Place
    zone: Zone
    step: Step
    depth: int


class _Plan(NamedTuple):
    """What an outcome does in a state."""

    outcome: Outcome
    change: Change
    place: _Place
    is_judged: bool
    is_over: bool


class _Entry(NamedTuple):
    """What an event does wherever these parts have these forms."""

    needs: tuple[tuple[int, int], ...]
    outcomes: list[Outcome]


class Asked(NamedTuple):
    """A question to the model, and its answer."""

    step: Step
    part: int
    position: int
    outcomes: list[Outcome]


class _Memory:
    """Remembers what events do.

    Attributes:
        asked: All questions to the model, in order.
    """

    def __init__(self, model: Explorable) -> None:
        self._model = model
        self._entries: dict[tuple[int, int, int], list[_Entry]] = {}
        self.asked: list[Asked] = []

    def known(self, state: State, part: int, position: int) -> list[Outcome] | None:
        """Return what the end of a delay does in a state, if that is known."""
        for entry in self._entries.get((part, state[part], position), ()):
            # Code that enters these parts alone, and finds them as it did, does as it did.
            if all(state[needed] == form for needed, form in entry.needs):
                return entry.outcomes
        return None

    def ask(self, node: _Node, part: int, position: int) -> list[Outcome]:
        """Ask the model what the end of a delay does in a state."""
        state = node.place.state
        outcomes = self._model.outcomes(node.step, part, position)
        self.asked.append(Asked(node.step, part, position, outcomes))
        entered = sorted({each.part for outcome in outcomes for each in outcome.after} | {part})
        needs = tuple((each, state[each]) for each in entered)
        self._entries.setdefault((part, state[part], position), []).append(_Entry(needs, outcomes))
        return outcomes


class Search:
    """A search that can be interrupted and taken up again.

    Attributes:
        beginnings: What the model said of its beginning.
        memory: What it said of its events.
        frontier: Classes found and not yet expanded, fewest events first.
        faults: Broken claims found so far.
        ranges: Bounds of distances found so far.
        faults_end_runs: Whether a run is of no interest from its first broken claim on.
        classes: Classes found so far.
        elapsed_s: Seconds spent so far.
    """

    faults_end_runs = False

    def __init__(self, model: Explorable, *, stop_at_fault: bool = True) -> None:
        self.model = model
        self.stop_at_fault = stop_at_fault
        self.memory = _Memory(model)
        self.places: dict[State, _Place] = {}
        self.frontier: deque[_Node] = deque()
        self.faults: list[Fault] = []
        self.ranges: dict[str, Range] = {}
        self.classes = 0
        self.transitions = 0
        self.depth = 0
        self.elapsed_s = 0.0
        self._is_open = False
        self.history = History()
        self.beginnings = model.beginnings()
        has_stopwatches = model.first_stopwatch < len(model.part_names)
        self.layouts = Layouts(model, has_stopwatches=has_stopwatches)
        for outcome in self.beginnings:
            self._begin(outcome)

    def run(
        self,
        max_classes: int,
        seconds: float = float("inf"),
        progress: Callable[[Progress], None] | None = None,
    ) -> Proof:
        """Go on until all is explored, a claim is broken, or a limit is reached.

        Args:
            max_classes: In all, over all calls; the batch that reaches it is finished.
            seconds: Likewise.
            progress: Told now and then how far it has come.
        """
        began_s = time.monotonic() - self.elapsed_s
        told_s = self.elapsed_s
        while self.frontier and not self.is_decided:
            if self.classes >= max_classes or self.elapsed_s >= seconds:
                break
            self._expand(self._batch())
            self.history.note(self.classes, len(self.frontier))
            self.elapsed_s = time.monotonic() - began_s
            if progress is not None and self.elapsed_s - told_s >= PROGRESS_EVERY_S:
                told_s = self.elapsed_s
                progress(Progress(self.classes, len(self.frontier), self.depth, self.elapsed_s))
        return self.proof()

    @property
    def is_decided(self) -> bool:
        """Whether a broken claim has ended it."""
        return bool(self.faults) and self.stop_at_fault

    def proof(self) -> Proof:
        """Return what has been found so far."""
        reason = self._shortfall() if self.frontier else ""
        verdict = "violated" if self.faults else "inconclusive" if reason else "proved"
        return Proof(verdict, self.classes, self.transitions, self.elapsed_s, tuple(self.faults),
                     dict(self.ranges), reason, self.depth)  # fmt: skip

    def _shortfall(self) -> str:
        left, at_half = len(self.frontier), self.history.at_half(self.classes)
        share = -(-100 * left // max(self.classes, 1))
        trend = "" if at_half < 0 else f"; {at_half} were open when half as many were known"
        not_followed = f"{left} of them not followed ({share} %)"
        return f"cut short after {self.classes} classes, {not_followed}{trend}"

    def explained(self, proof: Proof) -> Proof:
        """Return a proof with what may have kept the search from ending among its reasons."""
        if proof.verdict != "inconclusive":
            return proof
        grown = self.model.growth(self.frontier[-1].step)
        return proof._replace(reason=f"{proof.reason}; {grown}") if grown else proof

    def _begin(self, outcome: Outcome) -> None:
        place = self._place(tuple(each.form for each in outcome.after))
        layout = place.layout
        step = Step(None, -1, -1, outcome.picks)
        instants = [(0, 0)] * layout.size
        for each in outcome.after:
            for position, wait in enumerate(each.waits):
                index = layout.first_wait[each.part] + position
                instants[index] = (wait.lo_ns, min(wait.hi_ns, FOREVER))
                self._is_open |= wait.hi_ns >= FOREVER
        for claim, message in outcome.faults:
            self.faults.append(Fault(claim, message, step))
        for part, _ in outcome.readings:
            self._widen(self.model.part_names[part], 0, 0, step)
        if not outcome.is_last:
            zone = origin(instants)
            for moments in synchronised(zone[None], layout.touches, layout.kept)[1]:
                if place.store.add(moments):
                    self.classes += 1
                    self.frontier.append(_Node(place, zone, step, 0))

    def _batch(self) -> list[_Node]:
        """Take classes from the frontier that are to be expanded together."""
        self.depth = self.frontier[0].depth
        nodes: list[_Node] = []
        while self.frontier and len(nodes) < BATCH and self.frontier[0].depth == self.depth:
            nodes.append(self.frontier.popleft())
        return nodes

    def _expand(self, nodes: list[_Node]) -> None:
        alike: dict[int, list[_Node]] = {}
        for node in nodes:
            alike.setdefault(node.place.layout.number, []).append(node)
        for group in alike.values():
            layout = group[0].place.layout
            zones = np.stack([node.zone for node in group])
            insist_on_room(zones, is_open=self._is_open)
            for slot in range(len(layout.waits)):
                changes: dict[int, list[tuple[int, _Plan]]] = {}
                for row, node in enumerate(group):
                    for plan in node.place.slots[slot] or self._plans(node, slot):
                        changes.setdefault(plan.change.number, []).append((row, plan))
                for due in changes.values():
                    self._take(group, zones, slot, due)

    def _take(
        self, group: list[_Node], zones: Zone, slot: int, due: list[tuple[int, _Plan]]
    ) -> None:
        """Follow an event from all classes of a stack to which it does the same."""
        self.transitions += len(due)
        change = due[0][1].change
        # A class stands here once for each outcome, where what is answered makes no difference.
        before = zones[[row for row, _ in due]]
        alive, after = fired(before, change.now, change.earlier, change.later)
        if not len(alive):
            return
        _, part, position = group[0].place.layout.waits[slot]
        steps: dict[int, Step] = {}
        for at in alive:
            row, plan = due[at]
            if plan.is_judged:
                node = group[row]
                steps[at] = Step(node.step, part, position, plan.outcome.picks)
                self._judge(node, plan, steps[at])
        after = moved(after, change.rebase)
        if self._is_open or change.is_open:
            self._is_open = True
            tidied(after)
        # A real run comes by here with all parts equally far, and goes on from there whatever
        # led here.  So a class is told by those moments alone; without any, no run passes it.
        passed, moments = synchronised(after, change.after.touches, change.after.kept)
        if self._is_open:
            tidied(moments)
        for number, index in enumerate(passed):
            at = alive[index]
            row, plan = due[at]
            if not plan.is_over and plan.place.store.add(moments[number]):
                node = group[row]
                step = steps.get(at) or Step(node.step, part, position, plan.outcome.picks)
                self.classes += 1
                self.frontier.append(_Node(plan.place, after[index].copy(), step, node.depth + 1))

    def _judge(self, node: _Node, plan: _Plan, step: Step) -> None:
        # Only here is the order of all events asked for: see the head of this module.
        now, layout = plan.change.now, node.place.layout
        past = indices(range(layout.touches))
        coming = indices([index for index, _, _ in layout.waits if index != now])
        zone = fired(node.zone[None], now, past, coming)[1]
        if len(zone):
            entered = {each.part for each in plan.outcome.after}
            touch = [now if part in entered else index for part, index in enumerate(layout.touch)]
            for claim, message in plan.outcome.faults:
                self.note_fault(Fault(claim, message, step), zone[0], touch)
            for part, is_started in plan.outcome.readings:
                start = now if is_started else layout.touch[part]
                least_ns, greatest_ns = -int(zone[0, start, now]), int(zone[0, now, start])
                self._widen(self.model.part_names[part], least_ns, greatest_ns, step)

    def note_fault(self, fault: Fault, zone: Zone, touch: Sequence[int]) -> None:  # noqa: ARG002
        """Note that a claim is broken.

        Args:
            fault: What was found.
            zone: All instants at which it is.
            touch: For each part, where in the zone it stands when it was entered last.
        """
        self.faults.append(fault)

    def _widen(self, name: str, least_ns: int, greatest_ns: int, step: Step) -> None:
        known = self.ranges.get(name)
        if known is None:
            self.ranges[name] = Range(least_ns, greatest_ns, step, step)
            return
        if least_ns < known.least_ns:
            known = known._replace(least_ns=least_ns, least_by=step)
        if greatest_ns > known.greatest_ns:
            known = known._replace(greatest_ns=greatest_ns, greatest_by=step)
        self.ranges[name] = known

    def _place(self, state: State) -> _Place:
        place = self.places.get(state)
        if place is None:
            place = self.places[state] = _Place(state, self.layouts.of(state))
        return place

    def _plans(self, node: _Node, slot: int) -> list[_Plan]:
        """Return what the end of a delay does in a state.

        The model is not asked if the delay cannot be the first of its own part here.  Code is run
        along orders of events only that its own delays allow: in another order it could do what
        it never does.
        """
        place = node.place
        layout = place.layout
        now, part, position = layout.waits[slot]
        outcomes = self.memory.known(place.state, part, position)
        if outcomes is None:
            own = indices([index for index, owner, _ in layout.waits if owner == part])
            if not len(fired(node.zone[None], now, indices([layout.touch[part]]), own)[0]):
                return []
            outcomes = self.memory.ask(node, part, position)
        plans = place.slots[slot] = [self._plan(place, now, each) for each in outcomes]
        return plans

    def _plan(self, place: _Place, now: int, outcome: Outcome) -> _Plan:
        after = list(place.state)
        for each in outcome.after:
            after[each.part] = each.form
        target = self._place(tuple(after))
        change = self.layouts.change(place.layout, now, outcome, target.layout)
        is_judged = bool(outcome.faults or outcome.readings)
        is_over = outcome.is_last or (self.faults_end_runs and bool(outcome.faults))
        return _Plan(outcome, change, target, is_judged, is_over)
