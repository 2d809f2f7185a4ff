"""Symbolic states: a state of the model with a zone of instants, and how it was reached."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from ...model.dense.step import Step
from ...model.dense.transition import State, Transition
from .layout import Change, Layout
from .observers import Turn
from .zones import Antichain, Zone, convex_union, includes

JOINS_TRIED = 12
"""Symbolic states of one place with which a new one is compared for joining, latest first."""


class Place:
    """A state of the model, with the modes of the observers.

    Attributes:
        state: The state of the model.
        modes: Of the observers.
        layout: Of its zones.
        moves: What the end of each pending delay does, as soon as that has been asked.
        ended: Numbers of the delays that have ended in some run; with one clock only.
        is_reached: Whether it has any symbolic state.
        known: The symbolic states here that no other one includes; with one clock only.
        seen: The zones in which it was reached; with clocks per part only.
    """

    __slots__ = ("ended", "is_reached", "known", "layout", "modes", "moves", "seen", "state")

    def __init__(self, state: State, modes: tuple[Hashable, ...], layout: Layout) -> None:
        self.state = state
        self.modes = modes
        self.layout = layout
        self.moves: list[list[Move] | None] = [None] * len(layout.waits)
        self.ended: set[int] = set()
        self.is_reached = False
        self.known: list[SymbolicState] = []
        self.seen = None if layout.is_global else Antichain(len(layout.kept) + 1)


class Move(NamedTuple):
    """What a transition does in a place, for one turn of each observer.

    Attributes:
        transition: Of the model.
        turns: Of the observers.
        change: Of the zone.
        target: Where it leads, the instant being over; None if the path ends with it.
        open_target: Where it leads if the instant goes on; None if nothing depends on that.
        is_judged: Whether the exact instants of the event have to be looked at.
        is_observed: Whether all observers go on after it.
    """

    transition: Transition
    turns: tuple[Turn, ...]
    change: Change
    target: Place | None
    open_target: Place | None
    is_judged: bool
    is_observed: bool


class Predecessor(NamedTuple):
    """How a symbolic state was reached: from which one, and by what.

    Attributes:
        source: The symbolic state before; None at the beginning of the run.
        part: Whose delay ended; -1 at the beginning.
        position: Which of its delays.
        move: What that did.
    """

    source: "SymbolicState | None"
    part: int
    position: int
    move: Move

    @property
    def at_once(self) -> bool:
        """Whether the event came at the instant of the one before."""
        return self.source is not None and self.source.place.layout.is_open

    @property
    def depth(self) -> int:
        """Events on the shortest path that ends with it."""
        return 0 if self.source is None else self.source.depth + 1


class SymbolicState:
    """A state with a zone of instants.

    Attributes:
        place: The state of the model and the modes of observers.
        zone: Of its instants, in the layout of the place.  With clocks per part it is dropped when
            the search has expanded the state.
        depth: Events on the shortest path to it.
        predecessors: All ways in which it was reached; several if it was joined.
        is_covered: Whether another one includes it.
    """

    __slots__ = ("depth", "is_covered", "place", "predecessors", "step", "zone")

    def __init__(self, place: Place, zone: Zone, predecessor: Predecessor) -> None:
        self.place = place
        self.zone = zone
        self.depth = predecessor.depth
        self.predecessors = [predecessor]
        self.is_covered = False
        self.step: Step | None = None

    def join_known(self) -> bool:
        """Join those of its place that can be one with it; returns False if one includes it.

        Invariant: no instant is added by a join, so from each instant of a symbolic state some
        predecessor is found that leads to it (`paths`).
        """
        known = self.place.known
        # Invariant: of the known ones none includes another, and none can be one zone with another
        # that was compared with it.
        for other in known:
            if includes(other.zone, self.zone):
                return False
        tried = 0
        at = len(known)
        while at > 0 and tried < JOINS_TRIED:
            at -= 1
            tried += 1
            other = known[at]
            union = self.zone if includes(self.zone, other.zone) else None
            if union is None:
                union = convex_union(self.zone, other.zone)
            if union is None:
                continue
            self.zone = union
            # The other one may have been expanded: what it led to stays, and its instants are
            # followed once more as part of this one.
            self.predecessors += other.predecessors
            other.is_covered = True
            del known[at]
            at, tried = len(known), 0
        known.append(self)
        return True


def step_of(predecessors: Sequence[Predecessor]) -> Step:
    """Return the end of the path along these predecessors, from the beginning of the run on."""
    step = Step(None, -1, -1, predecessors[0].move.transition.picks)
    for each in predecessors[1:]:
        picks = each.move.transition.picks
        step = Step(step, each.part, each.position, picks, at_once=each.at_once)
    return step
