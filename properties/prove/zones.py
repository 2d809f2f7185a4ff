"""Zones of instants, and everything that a search does with them.

A *zone* is an int64 array (n, n), nanoseconds: instant `row` minus instant `column` is at most
the entry.  It is a difference-bound matrix, and the zone of a symbolic state is a state class of a
time Petri net (Berthomieu and Diaz, IEEE TSE 17(3), 1991), but that the beginning of the run is
no instant of its own.

Invariant: every zone is *closed*, that is, no entry can be lowered without losing a solution.  So
equal sets are equal arrays, one set includes another if no entry is less, and every entry is the
exact greatest distance.  Every function here takes closed zones and returns closed zones.

All bounds are closed intervals of whole numbers.  A bound that does not exist is `FOREVER`; more
than half of that means the same until `tidied` writes it as `FOREVER` again.

Zones are worked on in *stacks*, arrays (k, n, n) of zones over the same instants: numpy takes about
as long for thirty small matrices as for one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...model.base.clock import UNBOUNDED_NS
from ...model.base.errors import BoundHit

Zone = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

FOREVER = UNBOUNDED_NS
"""A bound that does not exist.  Seven of them still fit into an entry."""

ROOM = FOREVER // 2
"""The greatest entry that is told from a bound that does not exist."""

NO_ZONE: Zone = np.zeros((0, 0), dtype=np.int64)
"""Stands for a zone that is no longer needed."""

PRESENT = 0
"""Index of the present in a zone with one clock for all parts, and in a synchronised zone."""


class Rebase(NamedTuple):
    """How the instants after an event arise from those before it.

    Attributes:
        entries: For each entry of the new matrix the entry of the old one, counted row by row.
        shift: What is added to it, an array (n, n).
        size: How many new instants there are.
    """

    entries: Indices
    shift: Zone
    size: int


Origin = tuple[int, int, int]
"""An instant after an event: the instant before it from which it is counted, least and greatest
distance from that."""


def rebase_of(origins: Sequence[Origin], size_before: int) -> Rebase:
    """Return the rebase to these instants, from so many before."""
    columns = np.array(origins, dtype=np.int64).reshape(-1, 3).T
    source, lo, hi = columns
    # Entry (row, column) of the new matrix is read at (source of row, source of column).
    entries = (source[:, None] * size_before + source).reshape(-1)
    # new row - new column <= (old row + hi) - (old column + lo).
    shift: Zone = hi[:, None] - lo[None, :]
    return Rebase(entries, shift, len(origins))


# What an event does to zones.


def fired(zones: Zone, now: int, earlier: Indices, later: Indices) -> tuple[Indices, Zone]:
    """Return the zones in which one instant comes after some instants and before others.

    Args:
        zones: A stack.
        now: Index of the instant, at which a delay ends.
        earlier: Indices of the instants that are not after it.
        later: Indices of the instants that are not before it.

    Returns:
        Positions in the stack of the zones that are not empty then, and these zones.
    """
    # The new bounds are `earlier - now <= 0` and `now - later <= 0`.
    # Invariant: each new bound has `now` as its row or its column.  A shortest way passes `now` at
    # most once, so that the shortest ways to and from it give all others: one round closes.
    # `to_now[x]` is the greatest distance x - now, over an earlier instant or none.
    to_now = zones[:, :, now].copy()
    if len(earlier):
        to_now = np.minimum(to_now, zones[:, :, earlier].min(axis=2, initial=FOREVER))
    # `from_now[x]` is the greatest distance now - x, over a later instant or none.
    from_now = np.minimum(zones[:, now], zones[:, later].min(axis=1, initial=FOREVER))
    # A way from an instant back to itself that is less than 0 means that the zone is empty.
    alive = np.flatnonzero((to_now + from_now).min(axis=1) >= 0)
    if len(alive) < len(zones):
        zones, to_now, from_now = zones[alive], to_now[alive], from_now[alive]
    # Ways from `now` to itself are not shorter than 0 where the zone is not empty.
    to_now[:, now] = from_now[:, now] = 0
    result: Zone = np.minimum(zones, to_now[:, :, None] + from_now[:, None, :])
    return alive, result


def fired_first(zone: Zone, now: int, first: int, *, at_once: bool) -> Zone | None:
    """Return the zone in which one delay ends before all others, or None if it cannot.

    The same as `fired`, with one clock for all parts.

    Args:
        zone: Its present is past.
        now: Index of the end of the delay.
        first: Index from which on instants are to come.
        at_once: Whether the delay ends at the present instant itself.
    """
    # Invariant: the present is before all that is to come, so no new bound has `now` as its column.
    from_now = zone[first:].min(axis=0)
    if at_once:
        from_now = np.minimum(from_now, zone[PRESENT])
    # The distance to `now` is not changed: its row alone has new bounds.
    to_now = zone[:, now]
    if (to_now + from_now).min() < 0:
        return None
    result: Zone = np.minimum(zone, to_now[:, None] + from_now)
    return result


def rebased(zones: Zone, rebase: Rebase) -> Zone:
    """Return zones over the instants after an event.

    Invariant: a new instant is counted from one old instant alone, so the result is closed.
    """
    size = rebase.size
    taken = zones.reshape(len(zones), -1).take(rebase.entries, axis=1)
    result: Zone = taken.reshape(len(zones), size, size)
    result += rebase.shift
    # The shift of an old instant is 0 to 0, so only the diagonal of new instants has to be mended.
    result.reshape(len(zones), -1)[:, :: size + 1] = 0
    return result


def synchronised(zones: Zone, past: int, kept: Indices) -> tuple[Indices, Zone]:
    """Return the moments of each zone at which all parts have come equally far.

    With one clock for all parts this lets time pass: the present is then any moment from the last
    event to the next one.

    Args:
        zones: A stack.
        past: How many instants are past; they have the first indices, and all others are to come.
        kept: Indices of the instants whose distances matter from here on.

    Returns:
        Positions in the stack of the zones that have such moments, and their zones over `PRESENT`,
        the moment, and the instants kept.
    """
    # The moment is a new instant, not before any past one and not after any that is to come.
    to_now = zones[:, :, :past].min(axis=2, initial=FOREVER)
    from_now = zones[:, past:].min(axis=1, initial=FOREVER)
    alive = np.flatnonzero((to_now + from_now).min(axis=1) >= 0)
    if len(alive) < len(zones):
        zones, to_now, from_now = zones[alive], to_now[alive], from_now[alive]
    # Invariant: the bounds over the moment are the only new ones, so leaving out instants that are
    # not kept afterwards loses nothing.
    to_now, from_now = to_now[:, kept], from_now[:, kept]
    size = len(kept) + 1
    result = np.zeros((len(zones), size, size), dtype=np.int64)
    result[:, 1:, PRESENT] = to_now
    result[:, PRESENT, 1:] = from_now
    through = to_now[:, :, None] + from_now[:, None, :]
    np.minimum(zones[:, kept[:, None], kept], through, out=result[:, 1:, 1:])
    return alive, result


def time_passed(zone: Zone, first: int) -> Zone:
    """Return a zone in which the present is any moment from an event to the next one.

    The same as `synchronised`, with one clock for all parts.

    Args:
        zone: Its present is the event.
        first: Index from which on instants are to come.
    """
    # Invariant: the event is before all that is to come, so only the row of the present changes.
    result = zone.copy()
    result[PRESENT] = zone[first:].min(axis=0)
    result[PRESENT, PRESENT] = 0
    return result


def insist_on_room(zones: Zone, *, is_open: bool = False, room: int = ROOM) -> None:
    """Insist that no distance is so great that a bound that does not exist would seem less.

    Args:
        zones: Tidied, if there are bounds that do not exist.
        is_open: Whether there are.
        room: The greatest distance.

    Raises:
        BoundHit: If instants lie too far apart.
    """
    if int(zones.min()) < -room or (not is_open and int(zones.max()) > room):
        remedy = "give its delays shorter spans"
        raise BoundHit("nanoseconds between events", room, remedy)


def tidied(zones: Zone) -> Zone:
    """Return zones in which every bound that does not exist is `FOREVER`."""
    zones[zones > FOREVER // 2] = FOREVER
    return zones


# One zone.


def includes(zone: Zone, other: Zone) -> bool:
    """Return whether a zone has every solution of another one."""
    return bool((zone >= other).all())


def at_least(zone: Zone, later: int, earlier: int, ns: int) -> Zone | None:
    """Return the zone in which one instant comes at least so long after another, or None."""
    if int(zone[later, earlier]) < ns:
        return None
    # The one new bound is `earlier - later <= -ns`; a shortest way takes it at most once.
    closed_again: Zone = np.minimum(zone, zone[:, earlier, None] - ns + zone[None, later, :])
    return closed_again


def before_next(zone: Zone, first: int) -> Zone | None:
    """Return the zone in which all instants from an index on come 1 ns after the present or later.

    Returns None if there is no such moment.
    """
    # All new bounds are in the row of the present, `present - next <= -1`, so one round closes.
    from_now = zone[PRESENT].copy()
    from_now[first:] = np.minimum(from_now[first:], -1)
    from_now = np.minimum(from_now, (from_now[first:, None] + zone[first:]).min(axis=0))
    if bool((zone[:, PRESENT] + from_now).min() < 0):
        return None
    closed_again: Zone = np.minimum(zone, zone[:, PRESENT, None] + from_now[None, :])
    return closed_again


def convex_union(one: Zone, other: Zone) -> Zone | None:
    """Return the zone that has exactly the solutions of two zones, or None if there is none.

    The smallest zone around two zones, their hull, mostly has more than both.  Where it does not,
    one symbolic state can stand for two, which keeps interleavings of the same events from piling
    up (Hadjidj and Boucheneb, FORMATS 2006, for time Petri nets).  Nothing is approximated.
    """
    # Invariant: the greatest of two closed matrices is closed, and the smallest zone around both.
    hull = np.maximum(one, other)
    rows, columns = np.nonzero(one < hull)
    if len(rows) == 0:
        return hull
    # The union is a zone if and only if the hull without `one` lies in `other`.  What the hull has
    # beyond `one` breaks at least one bound of `one`; so each bound is broken in turn, and the rest
    # of the hull, closed, must lie in `other`.  Broken means >= : all bounds are closed.
    through = hull[:, columns].T[:, :, None] - one[rows, columns][:, None, None]
    beyond = np.minimum(hull, through + hull[rows][:, None, :])
    return hull if bool((beyond <= other).all()) else None


def closed(bounds: Zone) -> Zone | None:
    """Return the closed zone of any bounds (Floyd and Warshall), or None if it is empty."""
    result = bounds.copy()
    for middle in range(len(result)):
        result = np.minimum(result, result[:, middle, None] + result[None, middle, :])
    return None if bool((np.diagonal(result) < 0).any()) else result


class Antichain:
    """Zones of which none includes another one that comes later."""

    __slots__ = ("_count", "_flat")

    def __init__(self, size: int) -> None:
        self._flat = np.empty((2, size * size), dtype=np.int64)
        self._count = 0

    def add(self, zone: Zone) -> bool:
        """Keep a zone; returns False if one that is kept includes it."""
        # Invariant: entries are exact, so one zone includes another if no entry of it is less.
        flat = zone.reshape(-1)
        kept = self._flat[: self._count]
        if self._count and bool((kept >= flat).all(axis=1).any()):
            return False
        if self._count == len(self._flat):
            self._flat = np.concatenate([self._flat, np.empty_like(self._flat)])
        self._flat[self._count] = flat
        self._count += 1
        return True
