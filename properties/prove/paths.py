"""Back from an event to the beginning of the run: a path on which given instants are possible.

A symbolic state that was joined may hold instants to which several predecessors led.  So a path is
found from its end: the instants that are wanted after an event demand some before it, and one of
the predecessors has instants that meet the demand.  There always is one, for no join adds an
instant.
"""

from collections.abc import Sequence

import numpy as np

from .observers import EVENT
from .symbolic_state import Predecessor, SymbolicState
from .zones import FOREVER, PRESENT, Zone, closed

_FAR = 2 * FOREVER


class LostPathError(AssertionError):
    """A symbolic state with instants to which no predecessor leads: our bug."""


def path_to(
    last: Predecessor, distance_ns: int | None = None, observer: int = 1
) -> list[Predecessor]:
    """Return the events from the beginning of a run to an event, as a path that some run takes.

    Args:
        last: The last event of the path.
        distance_ns: What the distance that it reads must be, or None for anything.
        observer: Number of the observer that reads it.
    """
    path = [last]
    at = last
    while at.source is not None and len(at.source.predecessors) == 1:
        at = at.source.predecessors[0]
        path.append(at)
    if at.source is None:
        # There is one path alone, and so it is the one that was followed.
        return path[::-1]
    return _searched(last, None if distance_ns is None else (observer, distance_ns))


def _searched(last: Predecessor, demand: tuple[int, int] | None) -> list[Predecessor]:
    path = [last]
    source = last.source
    wanted = None if source is None else _before(source, last, None, demand)
    while source is not None:
        if wanted is None:
            raise LostPathError
        for each in source.predecessors:
            if each.source is None:
                path.append(each)
                source = None
                break
            found = _before(each.source, each, (source, wanted), None)
            if found is not None:
                path.append(each)
                source, wanted = each.source, found
                break
        else:
            raise LostPathError
    return path[::-1]


def start_of(path: Sequence[Predecessor], observer: int = 1) -> int:
    """Return the number of the event from which the last one reads a distance.

    Args:
        path: Of which the last event reads it.
        observer: Number of the observer that does.
    """
    at = len(path) - 1
    reference = path[at].move.turns[observer].read_from
    while reference != EVENT and at > 0:
        assert reference is not None, "the last event reads a distance"
        at -= 1
        reference = path[at].move.turns[observer].references[reference]
    return at


def noted_on(path: Sequence[Predecessor], observer: int) -> list[int]:
    """Return the numbers of the events of a path that an observer notes."""
    return [at for at, by in enumerate(path) if by.move.turns[observer].is_noted]


def _before(
    source: SymbolicState,
    by: Predecessor,
    after: tuple[SymbolicState, Zone] | None,
    demand: tuple[int, int] | None,
) -> Zone | None:
    """Return the instants of a symbolic state from which an event leads to wanted ones, or None."""
    size = len(source.zone)
    layout, change = source.place.layout, by.move.change
    event = change.now
    both = source.zone
    if after is not None:
        target, wanted = after
        both = np.full((size + len(wanted),) * 2, _FAR, dtype=np.int64)
        both[:size, :size] = source.zone
        both[size:, size:] = wanted
        _link(both, by, size, is_open=target.place.layout.is_open)
    else:
        both = both.copy()
    # The event comes before all that is to come; what is past is before it in the zone already.
    for later in change.later:
        both[event, later] = min(both[event, later], 0)
    if demand is not None:
        observer, distance_ns = demand
        read_from = by.move.turns[observer].read_from
        if read_from is not None and read_from != EVENT:
            start = layout.references[observer][read_from]
            both[event, start] = min(both[event, start], distance_ns)
            both[start, event] = min(both[start, event], -distance_ns)
    # Leaving out instants of a closed zone leaves exactly what is possible for the others.
    found = closed(both)
    return None if found is None else found[:size, :size]


def _link(both: Zone, by: Predecessor, size: int, *, is_open: bool) -> None:
    """Put the instants after an event behind those before it, in one array of bounds."""
    for at, (old, lo_ns, hi_ns) in enumerate(by.move.change.origins):
        new = size + at
        both[old, new] = -lo_ns
        # The present goes on to the next event, but for an open instant.
        if at != PRESENT or is_open:
            both[new, old] = hi_ns
