"""The places of a search, and what the end of each pending delay does in them.

A place is a state of the model with the modes of the observers.  What an event does is asked of the
transition system once, and remembered with the places to which it leads and what it does to zones.
"""

from collections.abc import Hashable, Sequence
from itertools import product
from typing import Protocol

from ...model.dense.step import Moment, Step
from ...model.dense.transition import State, Transition
from .layout import Clocks, Layouts
from .measures import OVER
from .observers import Claims, Observer, Turn
from .symbolic_state import Move, Place, SymbolicState
from .zones import PRESENT, fired


class TransitionSystem(Protocol):
    """The model, as the search asks for it.

    Attributes:
        part_names: Of all parts.
        runs: How often the model was run from its beginning.
    """

    @property
    def part_names(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def runs(self) -> int: ...  # noqa: D102

    def beginnings(self) -> list[Transition]:
        """Return the ways in which a run can begin."""
        ...

    def known(self, state: State, part: int, position: int) -> list[Transition] | None:
        """Return what the end of a delay does in a state, if that is known."""
        ...

    def ask(
        self, state: State, step: Step, part: int, position: int, *, at_once: bool
    ) -> list[Transition]:
        """Find out what the end of a delay does in a state, to which a path leads."""
        ...

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        ...

    def components_along(self, step: Step) -> list[list[tuple[str, dict[str, Hashable]]]]:
        """Return the fingerprints of all components' attributes after each event of a path."""
        ...

    def growth(self, step: Step) -> str:
        """Return which attribute grew along a path, in words; an empty string if none did."""
        ...


class Places:
    """All places that a search has found.

    Args:
        system: The model.
        observers: The observers of the search, that of claims first.
        claims: The observer of claims.
        clocks: One, or one for each part.

    Attributes:
        beginnings: What happens at the first instant of a run.
    """

    def __init__(
        self,
        system: TransitionSystem,
        observers: Sequence[Observer],
        claims: Claims,
        clocks: Clocks,
    ) -> None:
        self._system = system
        self._observers = observers
        self._claims = claims
        self._is_global = clocks is Clocks.GLOBAL
        self._found: dict[tuple[State, tuple[Hashable, ...]], Place] = {}
        transitions = system.beginnings()
        self._layouts = Layouts(clocks, len(system.part_names), len(observers))
        nowhere = tuple([-1] * len(system.part_names))
        modes = tuple([each.first_mode for each in observers])
        before = Place(nowhere, modes, self._layouts.origin)
        self.beginnings = [
            move for each in transitions for move in self._moves_of(before, PRESENT, each)
        ]

    @property
    def states(self) -> int:
        """How many states of the model were reached."""
        return len({place.state for place in self._found.values() if place.is_reached})

    @property
    def taken(self) -> dict[tuple[int, int], list[Transition]]:
        """What the end of each delay does in each state of a model explored as a whole."""
        found: dict[tuple[int, int], list[Transition]] = {}
        for place in self._found.values():
            for at in place.ended:
                transitions = {
                    id(each.transition): each.transition for each in place.moves[at] or ()
                }
                found[place.state[0], at] = list(transitions.values())
        return found

    def step_to(self, symbolic: SymbolicState) -> Step:
        """Return the end of some path to the state of a symbolic state."""
        first = symbolic.predecessors[0]
        if len(self._system.part_names) == 1:
            # The path on which the transition was found leads to the same state.
            return first.move.transition.step
        chain: list[SymbolicState] = []
        at: SymbolicState | None = symbolic
        while at is not None and at.step is None:
            chain.append(at)
            at = at.predecessors[0].source
        step = None if at is None else at.step
        for each in reversed(chain):
            by = each.predecessors[0]
            step = each.step = Step(step, by.part, by.position, by.move.transition.picks)
        assert step is not None
        return step

    def moves_if_first(self, symbolic: SymbolicState, slot: int) -> list[Move]:
        """Return what the end of a delay does, if it can be the first of its own part.

        Code is run along orders of events only that its own delays allow: in another order it could
        do what it never does.
        """
        place = symbolic.place
        now, part, position = place.layout.waits[slot]
        is_known = self._system.known(place.state, part, position) is not None
        if is_known or len(fired(symbolic.zone[None], now, *place.layout.order[slot])[0]):
            return self.moves_of(symbolic, slot)
        return []

    def moves_of(self, symbolic: SymbolicState, slot: int) -> list[Move]:
        """Return what the end of a delay does in a place; the model is run if it is not known."""
        place = symbolic.place
        layout = place.layout
        now, part, position = layout.waits[slot]
        found = self._system.known(place.state, part, position)
        if found is None:
            step = self.step_to(symbolic)
            found = self._system.ask(place.state, step, part, position, at_once=layout.is_open)
        moves = [move for each in found for move in self._moves_of(place, now, each)]
        place.moves[slot] = moves
        return moves

    def _moves_of(self, place: Place, now: int, transition: Transition) -> list[Move]:
        """Return what a transition does in a place, one move for each turn of the observers."""
        pairs = zip(self._observers, place.modes, strict=True)
        # Observers leave open what they follow; each combination is a path of its own.
        options = [tuple(observer.turns(mode, transition)) for observer, mode in pairs]
        return [self._move(place, now, transition, turns) for turns in product(*options)]

    def _move(
        self, place: Place, now: int, transition: Transition, turns: tuple[Turn, ...]
    ) -> Move:
        state = list(place.state)
        for each in transition.after:
            state[each.part] = each.fingerprint
        counts = self._counts_after(place, transition)
        layout = self._layouts.of(counts, turns, is_open=False)
        change = self._layouts.change(place.layout, now, transition, turns, layout)
        faults = self._claims.counted(transition.faults)
        is_over = transition.is_last
        if self._is_global:
            # A run that stands still for ever is judged when it comes to that.
            is_over |= not layout.waits
        else:
            is_over |= bool(faults) and self._claims.ends_paths
        target = open_target = None
        # Invariant: what comes later depends on the forms of all parts and the modes of all
        # observers alone, so these are the key of a place.
        modes = tuple([turn.mode for turn in turns])
        if not is_over:
            target = self._place(tuple(state), modes, counts, turns, is_open=False)
        if transition.open_fingerprint >= 0:
            opened = (transition.open_fingerprint,)
            open_target = self._place(opened, modes, counts, turns, is_open=True)
        is_read = any(turn.read_from is not None for turn in turns)
        is_observed = all(turn.mode != OVER for turn in turns)
        is_judged = bool(faults) or is_read
        return Move(transition, turns, change, target, open_target, is_judged, is_observed)

    def _counts_after(self, place: Place, transition: Transition) -> tuple[int, ...]:
        """Return how many delays are pending in each part after a transition."""
        counts = [0] * len(place.state)
        for _, part, _ in place.layout.waits:
            counts[part] += 1
        for each in transition.after:
            counts[each.part] = len(each.waits)
        return tuple(counts)

    def _place(
        self,
        state: State,
        modes: tuple[Hashable, ...],
        counts: tuple[int, ...],
        turns: Sequence[Turn],
        *,
        is_open: bool,
    ) -> Place:
        place = self._found.get((state, modes))
        if place is None:
            layout = self._layouts.of(counts, turns, is_open=is_open)
            place = self._found[state, modes] = Place(state, modes, layout)
        return place
