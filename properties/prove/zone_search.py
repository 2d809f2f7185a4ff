"""The search through dense time: every timing of a model at once.

It goes breadth first through *symbolic states*: a state of the model with the zone of instants in
which it is reached (`zones`).  What an event does is asked of the transition system once for each
state; the rest is arithmetic on stacks of zones.  Observers add instants of their own to the
zones (`observers`).

With clocks per part the search *orders only what meets*.  The zone has for each part the instant at
which it was entered last, its touch.  An event comes after the touches of the parts that it
enters and before the pending delays of those parts; of events that enter different parts neither is
first.  These are the local-time zones of Bengtsson and others (CONCUR 1998) and Govind, Herbreteau,
Srivathsan and Walukiewicz (CONCUR 2019), with components for processes.  Parts may run ahead of
one another, so a zone can hold instants that no clock on the wall ever showed.  Therefore:

- claims and distances are judged in the zone cut down to the runs in which no part was entered
  later than the event and no pending delay ends earlier.  Every real run passes through its
  symbolic states in the order of the clock as well, so none is lost by that;
- symbolic states are compared by the moments at which all parts have come equally far: one whose
  moments another one has is dropped, since real runs go on from there in the same way.  Only
  bounded delays are pending at such a moment, so symbolic states are finite in number.

With one clock for all parts events are in one order.  Symbolic states of the same place are joined
wherever their union is a zone again, so that the price of a proof is the number of its places.
Real systems are searched in this way: their processes meet in memory and the host's kernel at
almost every event, which leaves little order open, and joining undoes the difference that the
order of events makes.
"""

import gc
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from .history import History
from .layout import Change, Clocks, indices
from .measures import Measure
from .observers import EVENT, Breach, Claims, DistanceObserver
from .places import Places, TransitionSystem
from .search_results import Broken, Extremes, Progress, Reading, Tell
from .symbolic_state import Move, Predecessor, SymbolicState
from .zones import (
    NO_ZONE,
    PRESENT,
    Zone,
    at_least,
    before_next,
    fired,
    fired_first,
    insist_on_room,
    rebased,
    synchronised,
    tidied,
    time_passed,
)

BATCH = 1_024
"""Symbolic states that are expanded together, with clocks per part."""

COLLECT_EVERY = 20_000
"""Objects made and not let go between two looks for cyclic garbage: a few runs' worth."""

PROGRESS_EVERY_S = 0.2
"""Seconds between two reports of progress."""


class ZoneSearch:
    """A search that can be interrupted and taken up again.

    Args:
        system: The model.
        claims: What becomes of broken claims; they are remembered if nothing is given.
        measures: Distances that are measured along the way.
        clocks: One, or one for each part.
        stop_at_fault: Whether the first broken claim ends it; then those with equally many events
            are still found.
        goes_on: Claims that do not end it when they are broken.

    Attributes:
        frontier: Symbolic states not yet expanded, fewest events first.
        classes: How many were found.
        events: How many events were followed.
        depth: Events of the longest path looked at.
        elapsed_s: Seconds spent so far.
        faults: The first broken path of each claim.
        doubts: Claims that some run leaves undecided, with the reason.
        tested: Claims that some run puts to the test.
        readings: The extremes of each distance that was read at all, by name.
        is_endless: Whether some run stands still for ever before its end.
        history: How many were open, as more became known.
        last: The one that was expanded last.
        places: The places, and what events do in them.
    """

    def __init__(
        self,
        system: TransitionSystem,
        claims: Claims | None = None,
        measures: Iterable[Measure] = (),
        *,
        clocks: Clocks = Clocks.GLOBAL,
        stop_at_fault: bool = True,
        goes_on: frozenset[str] = frozenset(),
    ) -> None:
        self.system = system
        self.claims = Claims() if claims is None else claims
        self.distances = [DistanceObserver(measure) for measure in measures]
        self.stop_at_fault = stop_at_fault
        self.goes_on = goes_on
        self.frontier: deque[SymbolicState] = deque()
        self.classes = self.events = self.depth = 0
        self.elapsed_s = 0.0
        self.faults: dict[str, Broken] = {}
        self.doubts: dict[str, str] = {}
        self.tested: set[str] = set()
        self.readings: dict[str, Extremes] = {}
        self.is_endless = False
        self.history = History()
        self.last: SymbolicState | None = None
        self.places = Places(system, [self.claims, *self.distances], self.claims, clocks)
        self._is_global = clocks is Clocks.GLOBAL
        self._has_unbounded = False
        self._fault_depth = -1
        self._begin()

    # What a caller asks and does.

    @property
    def has_ended(self) -> bool:
        """Whether a broken claim has ended it, or will when its depth is done."""
        return self.stop_at_fault and self._fault_depth >= 0

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        if not self.frontier:
            return True
        return self.has_ended and self.frontier[0].depth >= self._fault_depth

    def run(
        self,
        classes_max: int,
        deadline_s: float = float("inf"),
        tell: Tell | None = None,
    ) -> None:
        """Go on until all is explored, a claim is broken, or a limit is reached.

        Args:
            classes_max: Symbolic states in all, over all calls; the batch that reaches it ends.
            deadline_s: By the monotonic clock.
            tell: Called now and then with how far it has come.
        """
        began_s = time.monotonic() - self.elapsed_s
        told_s = self.elapsed_s
        with seldom_collecting():
            while not self.is_over and self.classes < classes_max:
                batch = self._batch()
                if not batch:
                    continue
                try:
                    self._expand(batch)
                except KeyboardInterrupt:
                    # What was found is right; the batch is tried again if the search goes on.
                    self.frontier.extendleft(reversed(batch))
                    raise
                if not self._is_global:
                    # There is one path to each: no search of paths will ask for these zones.
                    for symbolic in batch:
                        symbolic.zone = NO_ZONE
                self.history.note(self.classes, len(self.frontier))
                now_s = time.monotonic()
                self.elapsed_s = now_s - began_s
                if tell is not None and self.elapsed_s - told_s >= PROGRESS_EVERY_S:
                    told_s = self.elapsed_s
                    tell(Progress(self.classes, len(self.frontier), self.depth, told_s))
                if now_s >= deadline_s:
                    break

    # Following events.

    def _begin(self) -> None:
        """Enter the states in which a run can begin: each is an event at the first instant."""
        zones = np.zeros((1, 1, 1), dtype=np.int64)
        for move in self.places.beginnings:
            if self._is_global:
                self._follow_in_order(Predecessor(None, -1, -1, move), zones[0])
            else:
                self._follow_in_parts([(None, move)], -1, -1, zones, zones)

    def _batch(self) -> list[SymbolicState]:
        """Take symbolic states from the frontier that are to be expanded together."""
        # Invariant: the frontier is in the order of depths, since each event adds one.
        self.depth = self.frontier[0].depth
        batch: list[SymbolicState] = []
        # A join changes what is to be expanded next; so with joins each is a batch of its own.
        most = 1 if self._is_global else BATCH
        while self.frontier and len(batch) < most and self.frontier[0].depth == self.depth:
            symbolic = self.frontier.popleft()
            # Another one includes it, and is in the frontier or was expanded.
            if not symbolic.is_covered:
                batch.append(symbolic)
        return batch

    def _expand(self, batch: Sequence[SymbolicState]) -> None:
        alike: dict[int, list[SymbolicState]] = {}
        for symbolic in batch:
            self.last = symbolic
            place = symbolic.place
            references = place.layout.references[0]
            if not self.claims.passes_over(place.modes[0], symbolic.zone, references):
                alike.setdefault(place.layout.number, []).append(symbolic)
        for group in alike.values():
            zones = np.stack([symbolic.zone for symbolic in group])
            insist_on_room(zones, is_open=self._has_unbounded)
            for slot in range(len(group[0].place.layout.waits)):
                if self._is_global:
                    self._end_in_order(group[0], slot)
                else:
                    self._end_in_parts(group, zones, slot)

    def _end_in_order(self, symbolic: SymbolicState, slot: int) -> None:
        """Follow the end of one pending delay that comes before all others."""
        place = symbolic.place
        layout = place.layout
        now, part, position = layout.waits[slot]
        after = fired_first(symbolic.zone, now, layout.past, at_once=layout.is_open)
        if after is None:
            return
        # What no run comes to is not asked: code may fail in an order that delays rule out.
        place.ended.add(slot)
        moves = place.moves[slot]
        if moves is None:
            moves = self.places.moves_of(symbolic, slot)
        for move in moves:
            self._follow_in_order(Predecessor(symbolic, part, position, move), after)

    def _end_in_parts(self, group: list[SymbolicState], zones: Zone, slot: int) -> None:
        """Follow the end of one pending delay, in the order that its transitions demand."""
        _, part, position = group[0].place.layout.waits[slot]
        due: dict[int, list[tuple[int, Move]]] = {}
        for row, symbolic in enumerate(group):
            moves = symbolic.place.moves[slot]
            if moves is None:
                moves = self.places.moves_if_first(symbolic, slot)
            for move in moves:
                # Invariant: rows of one stack have the same change, so one array serves them all.
                due.setdefault(move.change.number, []).append((row, move))
        for rows in due.values():
            change = rows[0][1].change
            # A symbolic state stands here once for each transition, where answers differ.
            before = zones[[row for row, _ in rows]]
            alive, after = fired(before, change.now, change.earlier, change.later)
            if len(alive):
                reached = [(group[rows[at][0]], rows[at][1]) for at in alive]
                self._follow_in_parts(reached, part, position, before[alive], after)

    def _follow_in_order(self, by: Predecessor, after: Zone) -> None:
        """Judge an event and enter what it leads to, with one clock.

        Args:
            by: The event.
            after: The zone in which the event comes next, in the layout before it.
        """
        self.events += 1
        change = by.move.change
        new = self._tidied(rebased(after[None], change.rebase), change)
        # All events are in order: these are all instants at which the event happens.
        if by.move.is_judged:
            self._read(by, after)
        self._go_on(by, new[0])

    def _follow_in_parts(
        self,
        reached: Sequence[tuple[SymbolicState | None, Move]],
        part: int,
        position: int,
        before: Zone,
        after: Zone,
    ) -> None:
        """Judge an event and enter what it leads to, with clocks per part.

        Args:
            reached: The symbolic states before it, each with the move; all change zones alike.
            part: Whose delay ends.
            position: Which of its delays.
            before: A stack of the zones before it.
            after: A stack of these in which the event comes after what it meets.
        """
        self.events += len(reached)
        change = reached[0][1].change
        new = self._tidied(rebased(after, change.rebase), change)
        for (source, move), zone in zip(reached, before, strict=True):
            if move.is_judged:
                self._judge(Predecessor(source, part, position, move), zone)
        # A real run comes by here with all parts equally far, and goes on from there in the same
        # way whatever led here.  Without such a moment no run passes.
        passed, moments = synchronised(new, change.after.past, change.after.kept)
        if self._has_unbounded:
            tidied(moments)
        for number, at in enumerate(passed):
            source, move = reached[at]
            target = move.target
            if target is not None and target.seen is not None and target.seen.add(moments[number]):
                by = Predecessor(source, part, position, move)
                self._enter(SymbolicState(target, new[at].copy(), by))

    def _tidied(self, zones: Zone, change: Change) -> Zone:
        """Return zones with bounds that do not exist written as such, if there can be any."""
        if self._has_unbounded or change.has_unbounded:
            self._has_unbounded = True
            tidied(zones)
        return zones

    def _enter(self, symbolic: SymbolicState) -> None:
        self.classes += 1
        symbolic.place.is_reached = True
        self.frontier.append(symbolic)

    # With clocks per part.

    def _judge(self, by: Predecessor, before: Zone) -> None:
        """Judge an event at the instants at which it is the next one of all parts."""
        change = by.move.change
        past = coming = indices([])
        if by.source is not None:
            layout = by.source.place.layout
            past = indices(range(layout.past))
            coming = indices([index for index, _, _ in layout.waits if index != change.now])
        # Invariant: only here is the order of all events asked for; see the head of this module.
        zone = fired(before[None], change.now, past, coming)[1]
        if not len(zone):
            return
        self._read(by, zone[0])
        faults = self.claims.counted(by.move.transition.faults)
        if faults:
            self._break(faults, by, rebased(zone, change.rebase)[0])

    # With one clock.

    def _go_on(self, by: Predecessor, zone: Zone) -> None:
        """Judge an event at all its instants, and enter the states after it.

        Args:
            by: The event.
            zone: Over the instants after it, the event being the present.
        """
        transition, _, change, target, open_target, _, is_observed = by.move
        first = change.after.past
        # The instant can go on if a delay can end at the present, and must if one has to.
        can_go_on = open_target is not None and bool((zone[PRESENT, first:] == 0).any())
        must_go_on = can_go_on and bool((zone[first:, PRESENT] == 0).any())
        claims = self.claims
        hurried = claims.counted(transition.hurried)
        # What is hurried is broken however the instant goes on; what else is broken counts only if
        # it does not go on.
        if hurried and claims.ends_paths:
            self._break(hurried, by, zone)
            return
        # An observer that is over has nothing more to read, and other claims have their own search.
        if not is_observed:
            return
        self.tested |= transition.tested
        if can_go_on and open_target is not None:
            self._join(SymbolicState(open_target, zone, by))
        faults = list(hurried if must_go_on else claims.counted(transition.faults))
        if not must_go_on:
            faults += self._faults_at_end(by)
        if faults:
            # What counts only if nothing more happens at this instant counts a nanosecond before
            # the next event: instants of windows are whole.
            later = before_next(zone, first) if can_go_on and claims.ends_paths else zone
            self._break(faults, by, zone if later is None else later)
            if claims.ends_paths:
                return
        if not must_go_on and target is not None and not self._is_too_late(by, zone):
            # Time passes: the present is any moment from the event to the next one.
            self._join(SymbolicState(target, time_passed(zone, first), by))

    def _join(self, symbolic: SymbolicState) -> None:
        if symbolic.join_known():
            self._enter(symbolic)

    def _faults_at_end(self, by: Predecessor) -> list[tuple[str, str]]:
        """Return what is broken if nothing more happens, for an event after which nothing does."""
        transition, change = by.move.transition, by.move.change
        if change.after.waits and not transition.is_last:
            return []
        found = []
        for claim, word, reason in transition.endings:
            if word == "violated":
                found.append((claim, reason))
            else:
                self.doubts.setdefault(claim, reason)
        if not transition.is_last:
            self.is_endless = True
            found += [
                (each.name, "it never ends")
                for each, turn in zip(self.distances, by.move.turns[1:], strict=True)
                if each.bound_ns is not None and turn.measured
            ]
        return list(self.claims.counted(found))

    def _is_too_late(self, by: Predecessor, zone: Zone) -> bool:
        """Return whether a distance is beyond its bound by now, wherever it ends."""
        references, turns = by.move.change.after.references, by.move.turns
        for number, each in enumerate(self.distances, 1):
            if each.bound_ns is None or not turns[number].measured:
                continue
            # The least time since the start, at the earliest of the instants of the event.
            if -int(zone[references[number][0], PRESENT]) > each.bound_ns:
                self._break([(each.name, "it goes on for longer than its bound")], by, zone)
                return True
        return False

    # Taking note.

    def _read(self, by: Predecessor, zone: Zone) -> None:
        """Read the distances that a move completes.

        Args:
            by: The event.
            zone: All instants at which it happens, in the layout before it.
        """
        change, turns = by.move.change, by.move.turns
        for number, (each, turn) in enumerate(zip(self.distances, turns[1:], strict=True), 1):
            if turn.read_from is None:
                continue
            least = greatest = 0
            start = change.now
            if turn.read_from != EVENT and by.source is not None:
                start = by.source.place.layout.references[number][turn.read_from]
                # Invariant: the zone is closed, so its entries are the exact bounds.
                least, greatest = -int(zone[start, change.now]), int(zone[change.now, start])
            self._widen(each.name, Reading(least, by, number), Reading(greatest, by, number))
            bound_ns = each.bound_ns
            if bound_ns is not None and greatest > bound_ns:
                late = at_least(zone, change.now, start, bound_ns + 1)
                assert late is not None
                fault = (each.name, "it takes longer than its bound")
                self._break([fault], by, rebased(late[None], change.rebase)[0], greatest)

    def _widen(self, name: str, least: Reading, greatest: Reading) -> None:
        known = self.readings.get(name)
        if known is not None:
            least = least if least.ns < known.least.ns else known.least
            greatest = greatest if greatest.ns > known.greatest.ns else known.greatest
        self.readings[name] = Extremes(least, greatest)

    def _break(
        self,
        faults: Sequence[tuple[str, str]],
        by: Predecessor,
        zone: Zone,
        distance_ns: int | None = None,
    ) -> None:
        """Take note of claims that are broken by an event, at the instants of a zone after it."""
        # Invariant: breadth first, so the first fault of a claim has the fewest events.
        for claim, message in faults:
            self.faults.setdefault(claim, Broken(claim, message, by, distance_ns))
            if self._fault_depth < 0 and claim not in self.goes_on:
                self._fault_depth = by.depth
        references = by.move.change.after.references[0]
        self.claims.note(Breach(faults, by.move.turns[0].mode, zone, references))


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for cyclic garbage less often than usual.

    Nearly all that a search makes stays: states, transitions, runs that stand ready.  To look
    through it again and again took a third of all the time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(max(usual[0], COLLECT_EVERY) if usual[0] else 0, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
