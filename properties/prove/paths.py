"""Back from the end of a way to the beginning: a path on which given instants are possible.

A class of a `GraphSearch` may hold instants that several ways led to.  So a path is found from its
end: the instants that are wanted after an event demand some before it, and one of the ways to the
class there has instants that meet the demand.  Whichever part of a class is wanted, there is such
a way, for no join adds an instant.
"""

from collections.abc import Sequence

import numpy as np

from ...model.dense.step import Step
from .graph_search import NOW, Class, Way, links
from .zones import Zone

_FAR = np.iinfo(np.int64).max // 4


class LostPathError(AssertionError):
    """A class with instants that no way leads to: our bug."""


def ways_to(way: Way, distance_ns: int | None = None) -> list[Way]:
    """Return the ways from the beginning to the end of a way, along which it can be gone.

    Args:
        way: The last event of the path.
        distance_ns: What the measure must read at it, or None for anything.
    """
    ways = [way]
    source = way.source
    wanted = None if source is None else _before(source, way, None, distance_ns)
    while source is not None:
        if wanted is None:
            raise LostPathError
        for each in source.ways:
            if each.source is None:
                ways.append(each)
                source = None
                break
            found = _before(each.source, each, (source, wanted), None)
            if found is not None:
                ways.append(each)
                source, wanted = each.source, found
                break
        else:
            raise LostPathError
    return ways[::-1]


def step_of(ways: Sequence[Way]) -> Step:
    """Return the end of the path along these ways."""
    step = Step(None, -1, -1, ways[0].edge.picks)
    for way in ways[1:]:
        step = Step(step, 0, way.position, way.edge.picks, at_once=way.at_once)
    return step


def start_of(ways: Sequence[Way]) -> int:
    """Return the number of the event at which the measure was started that the last way reads."""
    is_at_once = ways[-1].turn.is_read_at_once
    last = len(ways) - 1
    return last if is_at_once else max(at for at in range(last) if ways[at].turn.is_started)


def _before(
    source: Class, way: Way, after: tuple[Class, Zone] | None, distance_ns: int | None
) -> Zone | None:
    """Return the instants of a class from which a way leads to wanted ones, or None."""
    size = len(source.zone)
    event = 1 + way.position
    both = source.zone
    if after is not None:
        target, wanted = after
        both = np.full((size + len(wanted),) * 2, _FAR, dtype=np.int64)
        both[:size, :size] = source.zone
        both[size:, size:] = wanted
        _link(both, way, event, size, is_open=target.is_open)
    else:
        both = both.copy()
    for wait in range(1, 1 + source.wait_count):
        both[event, wait] = min(both[event, wait], 0)
    if source.is_open:
        both[event, NOW] = min(both[event, NOW], 0)
    if distance_ns is not None and not way.turn.is_read_at_once:
        start = size - 1
        both[event, start] = min(both[event, start], distance_ns)
        both[start, event] = min(both[start, event], -distance_ns)
    closed = _closed(both)
    return None if closed is None else closed[:size, :size]


def _link(both: Zone, way: Way, event: int, size: int, *, is_open: bool) -> None:
    sources, least, greatest = links(way, event)
    for at, (origin, lo_ns, hi_ns) in enumerate(zip(sources, least, greatest, strict=True)):
        new = size + at
        old = size - 1 if origin < 0 else origin
        both[old, new] = -lo_ns
        # The present goes on to the next event, but for an open instant.
        if at != NOW or is_open:
            both[new, old] = hi_ns


def _closed(bounds: Zone) -> Zone | None:
    """Return the closed zone of any bounds (Floyd and Warshall), or None if it is empty."""
    result = bounds.copy()
    for middle in range(len(result)):
        result = np.minimum(result, result[:, middle, None] + result[None, middle, :])
    return None if bool((np.diagonal(result) < 0).any()) else result
