"""What a search keeps track of along its paths: broken claims, distances, unsafe windows.

An *observer* is a small automaton beside the model.  It looks at each transition, and keeps
*reference instants* in the zones: the start of a distance, the beginning of the run, the crash that
a window is about.  Its mode belongs to the symbolic state; so do the references on which a later
reading depends, the *measured* ones.

With clocks per part an event that an observer notes must come after its references, since the
automaton sees events in the order of the path.  So each observer has at least one reference there,
the last event that it noted, measured or not.  With one clock all events are in order anyway.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ...model.dense.transition import Transition
from .measures import IDLE, OVER, Measure
from .windows import Window, united
from .zones import Zone

EVENT = -1
"""Stands for the instant of the event itself among references."""


class Turn(NamedTuple):
    """One way in which an observer goes on after a transition.

    Attributes:
        mode: Of the observer after it.
        references: For each reference after it the number of the one before, or `EVENT`.
        measured: How many of them, the first ones, later readings depend on.
        is_noted: Whether the event must come after the references before it.
        read_from: The reference before it from which time is read, or `EVENT`; None for no reading.
    """

    mode: Hashable
    references: tuple[int, ...] = ()
    measured: int = 0
    is_noted: bool = False
    read_from: int | None = None


class Observer(Protocol):
    """Follows a search; see the head of this module.

    Attributes:
        first_mode: Its mode before the run begins.
    """

    first_mode: Hashable

    def turns(self, mode: Hashable, transition: Transition) -> Iterable[Turn]:
        """Return the ways in which it goes on after a transition."""
        ...


class DistanceObserver:
    """Measures a distance along all paths.

    Args:
        measure: The distance.
    """

    first_mode: Hashable = IDLE

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.name = measure.name
        self.bound_ns = measure.bound_ns

    def turns(self, mode: Hashable, transition: Transition) -> Iterable[Turn]:
        """Keep the start as reference while the measure is running."""
        is_noted = any(map(self.measure.reads, transition.marks))
        for turn in self.measure.turns(mode, transition.marks):
            is_running = turn.mode not in {IDLE, OVER}
            # A measure that stands still is ordered by the last event that it noted.
            is_new = turn.is_started or (is_noted and not is_running)
            read_from = (EVENT if turn.is_read_at_once else 0) if turn.is_read else None
            reference = EVENT if is_new else 0
            yield Turn(turn.mode, (reference,), int(is_running), is_noted, read_from)


class Breach(NamedTuple):
    """Claims that are broken after an event.

    Attributes:
        faults: (claim, message) of each.
        mode: Of the observer of claims, after the event.
        zone: All instants at which they are.
        references: Where in the zone the references of the observer of claims stand.
    """

    faults: Sequence[tuple[str, str]]
    mode: Hashable
    zone: Zone
    references: tuple[int, ...]


class Claims:
    """Takes note of broken claims, and says what becomes of a path on which one is broken.

    Attributes:
        ends_paths: Whether nothing that follows a broken claim is of interest.
    """

    ends_paths = False
    first_mode: Hashable = None

    def turns(self, mode: Hashable, transition: Transition) -> Iterable[Turn]:  # noqa: ARG002
        """Go on: which claim is broken does not depend on what was broken before."""
        return (_STAY,)

    def counted(self, faults: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Return the faults that matter."""
        return faults

    def note(self, breach: Breach) -> None:
        """Take note of broken claims."""

    def passes_over(
        self,
        mode: Hashable,  # noqa: ARG002
        zone: Zone,  # noqa: ARG002
        references: tuple[int, ...],  # noqa: ARG002
    ) -> bool:
        """Return whether nothing that follows a symbolic state can be news."""
        return False


_STAY = Turn(None)

MomentOf = Callable[[Transition], str]
"""The name of the moment that comes with a transition, or an empty string."""


class UnsafeWindows(Claims):
    """Collects the instants of a moment after which a claim can be broken.

    A moment is an event of which the first in a run counts, such as the crash of a guest.  Its
    *windows* are the exact union of all instants, counted from the beginning of the run, at
    which it comes in a run that has broken no claim before it and breaks one at it or after it.

    References are the beginning of the run and, as soon as it has come, the moment.  So a symbolic
    state includes another one only if it has all its instants of the moment as well.

    Args:
        names: Of the moments.
        moment_of: Tells moments.
        found: Windows known already.
        passed_over: Claims that make no instant unsafe when they are broken.

    Attributes:
        found: Unsafe windows by the name of the moment, disjoint and in order.
        broken_before: Claims that a run breaks before any moment.
    """

    ends_paths = True
    first_mode: Hashable = ""

    def __init__(
        self,
        names: Iterable[str],
        moment_of: MomentOf,
        found: Mapping[str, Sequence[Window]] | None = None,
        passed_over: frozenset[str] = frozenset(),
    ) -> None:
        self._moment_of = moment_of
        self._passed_over = passed_over
        self.found = {name: list((found or {}).get(name, ())) for name in names}
        self.broken_before: set[str] = set()

    def turns(self, mode: Hashable, transition: Transition) -> Iterable[Turn]:
        """Keep the beginning, and the first moment from when it comes."""
        moment = self._moment_of(transition)
        if mode or not moment:
            # Later moments must come after the first one, or another one would have been first.
            return (Turn(mode, (0, 1), 2 if mode else 1, is_noted=bool(moment)),)
        return (Turn(moment, (0, EVENT), 2, is_noted=True),)

    def counted(self, faults: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Return the faults that make an instant unsafe."""
        return [fault for fault in faults if fault[0] not in self._passed_over]

    def note(self, breach: Breach) -> None:
        """Add the instants of the moment to the windows."""
        # What follows has happened at the same instants of the moment or fewer: paths end here.
        if not breach.mode:
            self.broken_before |= {name for name, _ in breach.faults}
            return
        windows = self.found[str(breach.mode)]
        windows[:] = united([*windows, _window(breach.zone, breach.references)])

    def passes_over(self, mode: Hashable, zone: Zone, references: tuple[int, ...]) -> bool:
        """Return whether all instants of the moment are known to be unsafe."""
        if not mode:
            return False
        first_ns, last_ns = _window(zone, references)
        return any(
            each.first_ns <= first_ns and last_ns <= each.last_ns for each in self.found[str(mode)]
        )


def _window(zone: Zone, references: tuple[int, ...]) -> Window:
    """Return the least and greatest instant of the moment, counted from the beginning."""
    beginning, moment = references
    return Window(-int(zone[beginning, moment]), int(zone[moment, beginning]))
