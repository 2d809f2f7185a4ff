"""The states of a model with symbolic durations, seen for given values of them.

What an event does is free of numbers for time, so one `TransitionSystem` serves all values.  Only
the lengths of delays differ, and this module fills them in.  A state that was found for one value
and is reached for another has been run already, which is nearly all that a proof costs.
"""

from collections.abc import Mapping

from ..base.symbolic_duration import name_of, settled
from .interning import Fingerprint
from .step import Moment, PartAfter, Step
from .transition import State, Transition
from .transition_system import TransitionSystem

__all__ = ["SettledSystem", "settled_moments"]


class SettledSystem:
    """A transition system with values for its symbolic durations; serves a search as that does.

    Args:
        system: The transitions, shared by all values.
        values_ns: Of the symbolic durations, by name.

    Attributes:
        met: Names of the numbers on which the length of some delay depends, as far as asked for.
    """

    def __init__(self, system: TransitionSystem, values_ns: Mapping[str, int]) -> None:
        self.system = system
        self.values_ns = dict(values_ns)
        self.met: set[str] = set()
        self._settled: dict[int, list[Transition]] = {}

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of all parts."""
        return self.system.part_names

    @property
    def runs(self) -> int:
        """How often the model was run from its beginning, for any value."""
        return self.system.runs

    def beginnings(self) -> list[Transition]:
        """Return the ways in which a run can begin."""
        return [self._settle(each) for each in self.system.beginnings()]

    def known(self, state: State, part: int, position: int) -> list[Transition] | None:
        """Return what the end of a delay does in a state, if that is known."""
        found = self.system.known(state, part, position)
        return None if found is None else self._settle_all(found)

    def ask(
        self, state: State, step: Step, part: int, position: int, *, at_once: bool
    ) -> list[Transition]:
        """Find out what the end of a delay does in a state."""
        found = self.system.ask(state, step, part, position, at_once=at_once)
        return self._settle_all(found)

    def trail(self, step: Step) -> list[Moment]:
        """Return the events of a path in terms of the run along it."""
        return settled_moments(self.system.trail(step), self.values_ns)

    def growth(self, step: Step) -> str:
        """Return which attribute grew along a path, in words; an empty string if none did."""
        return self.system.growth(step)

    def components_along(self, step: Step) -> list[list[tuple[str, dict[str, Fingerprint]]]]:
        """Return the fingerprints of all components' attributes after each event of a path."""
        return self.system.components_along(step)

    def _settle_all(self, found: list[Transition]) -> list[Transition]:
        # Invariant: the system keeps its answers, so an identity stands for one answer.
        settled_here = self._settled.get(id(found))
        if settled_here is None:
            settled_here = self._settled[id(found)] = [self._settle(each) for each in found]
        return settled_here

    def _settle(self, transition: Transition) -> Transition:
        waits = [wait for each in transition.after for wait in each.waits]
        names = {name_of(wait.hi_ns) for wait in waits} - {""}
        if not names:
            return transition
        self.met |= names
        return transition._replace(after=tuple(map(self._settle_part, transition.after)))

    def _settle_part(self, after: PartAfter) -> PartAfter:
        waits = [
            wait._replace(
                lo_ns=settled(wait.lo_ns, self.values_ns), hi_ns=settled(wait.hi_ns, self.values_ns)
            )
            for wait in after.waits
        ]
        return after._replace(waits=tuple(waits))


def settled_moments(moments: list[Moment], values_ns: dict[str, int]) -> list[Moment]:
    """Return the events of a path for given values of symbolic durations."""
    return [
        moment._replace(
            begun=tuple(
                (delay, settled(lo_ns, values_ns), settled(hi_ns, values_ns))
                for delay, lo_ns, hi_ns in moment.begun
            )
        )
        for moment in moments
    ]
