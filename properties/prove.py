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

from ..model.dense_step import Moment, Outcome, Step
from .zones import Rebase, Zone, ZoneStore, fired, moved, origin, rebase_of, synchronised

State = tuple[int, ...]
"""The number of the form of each part."""

PROGRESS_EVERY = 2_000
"""Classes between two reports of progress."""


class Explorable(Protocol):
    """A model that can be asked what its events do."""

    part_names: tuple[str, ...]
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
    return Search(model, stop_at_fault=stop_at_fault).run(max_classes, seconds, progress)


class _Node(NamedTuple):
    state: State
    zone: Zone
    step: Step
    depth: int


class _Layout(NamedTuple):
    """Where the instants of a state stand in its zones.

    Attributes:
        touch: For each part the index of its touch; -1 for a stopwatch that stands still.
        first_wait: For each part the index of its first pending delay.
        touches: All indices of touches.
        waits: (index, part, position) of all pending delays.
        coming: All indices of pending delays.
        kept: Those, and the indices of running stopwatches.
        size: How many instants there are.
    """

    touch: tuple[int, ...]
    first_wait: tuple[int, ...]
    touches: Zone
    waits: list[tuple[int, int, int]]
    coming: Zone
    kept: Zone
    size: int


class _Change(NamedTuple):
    """What an outcome does to the zones of all states of one layout, worked out once."""

    now: int
    earlier: Zone
    later: Zone
    all_earlier: Zone
    all_later: Zone
    rebase: Rebase


class _Plan(NamedTuple):
    """What an outcome does in a state."""

    outcome: Outcome
    state: State
    change: _Change


class _Slot:
    """A pending delay of a state, with what its end does as soon as that has been asked."""

    __slots__ = ("now", "part", "plans", "position")

    def __init__(self, now: int, part: int, position: int) -> None:
        self.now = now
        self.part = part
        self.position = position
        self.plans: list[_Plan] | None = None


class _Entry(NamedTuple):
    """What an event does wherever these parts have these forms."""

    needs: tuple[tuple[int, int], ...]
    outcomes: list[Outcome]


class _Memory:
    """Remembers what events do."""

    def __init__(self, model: Explorable) -> None:
        self._model = model
        self._entries: dict[tuple[int, int, int], list[_Entry]] = {}
        self.asked = 0

    def outcomes(self, node: _Node, part: int, position: int) -> list[Outcome]:
        """Return what the end of a delay does in a state."""
        state = node.state
        entries = self._entries.setdefault((part, state[part], position), [])
        for entry in entries:
            # Code that enters these parts alone, and finds them as it did, does as it did.
            if all(state[needed] == form for needed, form in entry.needs):
                return entry.outcomes
        outcomes = self._model.outcomes(node.step, part, position)
        self.asked += 1
        entered = sorted({each.part for outcome in outcomes for each in outcome.after} | {part})
        entries.append(_Entry(tuple((each, state[each]) for each in entered), outcomes))
        return outcomes


class Search:
    """A search that can be interrupted and taken up again.

    Attributes:
        frontier: Classes found and not yet expanded, fewest events first.
        faults: Broken claims found so far.
        ranges: Bounds of distances found so far.
        classes: Classes found so far.
        elapsed_s: Seconds spent so far.
    """

    def __init__(self, model: Explorable, *, stop_at_fault: bool = True) -> None:
        self.model = model
        self.stop_at_fault = stop_at_fault
        self.memory = _Memory(model)
        self.stores: dict[State, ZoneStore] = {}
        self.layouts: dict[tuple[int, ...], _Layout] = {}
        self.changes: dict[tuple[int, int, int], _Change] = {}
        self.slots: dict[State, list[_Slot]] = {}
        self.frontier: deque[_Node] = deque()
        self.faults: list[Fault] = []
        self.ranges: dict[str, Range] = {}
        self.classes = 0
        self.transitions = 0
        self.depth = 0
        self.elapsed_s = 0.0
        self.has_stopwatches = False
        self._begin()

    def run(
        self,
        max_classes: int,
        seconds: float = float("inf"),
        progress: Callable[[Progress], None] | None = None,
    ) -> Proof:
        """Go on until all is explored, a claim is broken, or a limit is reached.

        Args:
            max_classes: In all, over all calls.
            seconds: Likewise.
            progress: Told now and then how far it has come.
        """
        began_s = time.monotonic() - self.elapsed_s
        while self.frontier and not self.is_decided:
            node = self.frontier.popleft()
            self.depth = node.depth
            self._expand(node)
            self.elapsed_s = time.monotonic() - began_s
            if progress is not None and self.classes % PROGRESS_EVERY == 0:
                progress(Progress(self.classes, len(self.frontier), self.depth, self.elapsed_s))
            if self.classes >= max_classes or self.elapsed_s >= seconds:
                break
        return self.proof()

    @property
    def is_decided(self) -> bool:
        """Whether a broken claim has ended it."""
        return bool(self.faults) and self.stop_at_fault

    def proof(self) -> Proof:
        """Return what has been found so far."""
        reason = f"cut short after {self.classes} classes" if self.frontier else ""
        verdict = "violated" if self.faults else "inconclusive" if reason else "proved"
        return Proof(verdict, self.classes, self.transitions, self.elapsed_s, tuple(self.faults),
                     dict(self.ranges), reason, self.depth)  # fmt: skip

    def _begin(self) -> None:
        beginnings = self.model.beginnings()
        self.has_stopwatches = self.model.first_stopwatch < len(self.model.part_names)
        for outcome in beginnings:
            state = tuple(each.form for each in outcome.after)
            step = Step(None, -1, -1, outcome.picks)
            layout = self._layout(state)
            instants = [(0, 0)] * layout.size
            for each in outcome.after:
                for position, wait in enumerate(each.waits):
                    instants[layout.first_wait[each.part] + position] = (wait.lo_ns, wait.hi_ns)
            for claim, message in outcome.faults:
                self.faults.append(Fault(claim, message, step))
            for part, _ in outcome.readings:
                self._widen(self.model.part_names[part], 0, 0, step)
            if not outcome.is_last:
                self._reach(_Node(state, origin(instants), step, 0))

    def _reach(self, node: _Node) -> None:
        layout = self._layout(node.state)
        # A real run comes by here with all parts equally far, and goes on from there whatever
        # led here.  So a class is told by those moments alone; without any, no run passes it.
        moments = synchronised(node.zone, layout.touches, layout.coming, layout.kept)
        if moments is None:
            return
        store = self.stores.get(node.state)
        if store is None:
            store = self.stores[node.state] = ZoneStore(len(moments))
        if store.add(moments):
            self.classes += 1
            self.frontier.append(node)

    def _expand(self, node: _Node) -> None:
        slots = self.slots.get(node.state)
        if slots is None:
            slots = self.slots[node.state] = self._slots(self._layout(node.state))
        for slot in slots:
            if slot.plans is None and not self._ask(node, slot):
                continue
            for plan in slot.plans or ():
                self._take(node, slot, plan)

    def _take(self, node: _Node, slot: "_Slot", plan: _Plan) -> None:
        self.transitions += 1
        change = plan.change
        zone = fired(node.zone, change.now, change.earlier, change.later)
        if zone is None:
            return
        outcome = plan.outcome
        step = Step(node.step, slot.part, slot.position, outcome.picks)
        if outcome.faults or outcome.readings:
            self._judge(node, plan, step)
        if not outcome.is_last:
            self._reach(_Node(plan.state, moved(zone, change.rebase), step, node.depth + 1))

    def _judge(self, node: _Node, plan: _Plan, step: Step) -> None:
        # Only here is the order of all events asked for: see the head of this module.
        change = plan.change
        zone = fired(node.zone, change.now, change.all_earlier, change.all_later)
        if zone is None:
            return
        self.faults += [Fault(claim, message, step) for claim, message in plan.outcome.faults]
        for part, is_started in plan.outcome.readings:
            least_ns, greatest_ns = 0, 0
            if not is_started:
                start = self._layout(node.state).touch[part]
                least_ns = -int(zone[start, change.now])
                greatest_ns = int(zone[change.now, start])
            self._widen(self.model.part_names[part], least_ns, greatest_ns, step)

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

    def _layout(self, state: State) -> _Layout:
        # Parts with equally many delays have the same layout: there are few, and many states.
        counts = self.model.wait_counts
        shape = tuple([counts[form] for form in state])
        if self.has_stopwatches:
            shape += state[self.model.first_stopwatch :]
        layout = self.layouts.get(shape)
        if layout is None:
            layout = self.layouts[shape] = _layout_of(self.model, state)
        return layout

    def _slots(self, layout: _Layout) -> list["_Slot"]:
        return [_Slot(now, part, position) for now, part, position in layout.waits]

    def _ask(self, node: _Node, slot: "_Slot") -> bool:
        """Ask the model what a delay does, unless it cannot be the first of its own part here.

        Code is run along orders of events only that its own delays allow: in another order it
        could do what it never does.
        """
        layout = self._layout(node.state)
        own = _indices([index for index, part, _ in layout.waits if part == slot.part])
        if fired(node.zone, slot.now, _indices([layout.touch[slot.part]]), own) is None:
            return False
        outcomes = self.memory.outcomes(node, slot.part, slot.position)
        slot.plans = [self._plan(node.state, layout, slot.now, each) for each in outcomes]
        return True

    def _plan(self, state: State, layout: _Layout, now: int, outcome: Outcome) -> _Plan:
        after = list(state)
        for each in outcome.after:
            after[each.part] = each.form
        new_state = tuple(after)
        # Outcomes live as long as the memory does, so that their identity may stand for them.
        key = (id(layout), now, id(outcome))
        change = self.changes.get(key)
        if change is None:
            new_layout = self._layout(new_state)
            change = self.changes[key] = self._change(layout, new_layout, now, outcome, new_state)
        return _Plan(outcome, new_state, change)

    def _change(
        self, layout: _Layout, new_layout: _Layout, now: int, outcome: Outcome, new_state: State
    ) -> _Change:
        entered = {each.part: each for each in outcome.after}
        instants: list[tuple[int, int, int]] = [(0, 0, 0)] * new_layout.size
        for part, form in enumerate(new_state):
            changed = entered.get(part)
            if new_layout.touch[part] >= 0:
                source = layout.touch[part] if changed is None else now
                instants[new_layout.touch[part]] = (source, 0, 0)
            first_old, first_new = layout.first_wait[part], new_layout.first_wait[part]
            for position in range(self.model.wait_counts[form]):
                wait = None if changed is None else changed.waits[position]
                if wait is not None and wait.source < 0:
                    instants[first_new + position] = (now, wait.lo_ns, wait.hi_ns)
                    continue
                old = first_old + (position if wait is None else wait.source)
                instants[first_new + position] = (old, 0, 0)
        others = [index for index, _, _ in layout.waits if index != now]
        overtaken = [index for index, part, _ in layout.waits if part in entered and index != now]
        earlier = [layout.touch[part] for part in entered if layout.touch[part] >= 0]
        return _Change(
            now, _indices(earlier), _indices(overtaken),
            layout.touches, _indices(others), rebase_of(instants),
        )  # fmt: skip


def _layout_of(model: Explorable, state: State) -> _Layout:
    touch: list[int] = []
    size = 0
    for part, form in enumerate(state):
        # When a stopwatch that stands still was touched last means nothing.
        is_still = part >= model.first_stopwatch and not model.is_running(form)
        touch.append(-1 if is_still else size)
        size += not is_still
    touches = [index for index in touch if index >= 0]
    first_wait: list[int] = []
    waits: list[tuple[int, int, int]] = []
    for part, form in enumerate(state):
        first_wait.append(size)
        for position in range(model.wait_counts[form]):
            waits.append((size, part, position))
            size += 1
    coming = [index for index, _, _ in waits]
    marks = [index for index in touch[model.first_stopwatch :] if index >= 0]
    return _Layout(
        tuple(touch), tuple(first_wait), _indices(touches), waits, _indices(coming),
        _indices(coming + marks), size,
    )  # fmt: skip


def _indices(values: Sequence[int]) -> Zone:
    return np.array(values, dtype=np.int64)
