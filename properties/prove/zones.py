"""Sets of instants, told by the greatest distance of each from each: difference-bound matrices.

A *zone* is an int64 array (n, n), nanoseconds: instant `row` minus instant `column` is at most
the entry.  The instants are those at which each part of the model was entered last and those at
which pending delays will end, so a zone is a state class of a time Petri net (Berthomieu and
Diaz, IEEE TSE 17(3), 1991) but for its origin, which is no instant of its own.

Every zone here is *closed*: no entry can be lowered without losing an instant of the set.  So
equal sets are equal arrays, one set lies in another if no entry is greater, and every entry is the
exact greatest distance.  All bounds are closed and whole numbers; one that does not exist is
`FOREVER`, and whatever is more than half of that means the same until `tidied`.

Zones are worked on in *stacks*, arrays (k, n, n) of zones over the same instants: what numpy does
for one small matrix it does for thirty in about the same time.
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


def rebase_of(instants: Sequence[tuple[int, int, int]], size_before: int) -> Rebase:
    """Return the rebase to instants given as (source, lo, hi), each that much after its source."""
    columns = np.array(instants, dtype=np.int64).reshape(-1, 3).T
    source, lo, hi = columns
    entries = (source[:, None] * size_before + source).reshape(-1)
    shift: Zone = hi[:, None] - lo[None, :]
    return Rebase(entries, shift, len(instants))


def origin(instants: Sequence[tuple[int, int]]) -> Zone:
    """Return the zone of instants that are each (lo, hi) after one beginning."""
    rebase = rebase_of([(0, lo, hi) for lo, hi in instants], 1)
    zone: Zone = moved(np.zeros((1, 1, 1), dtype=np.int64), rebase)[0]
    return zone


def fired(zones: Zone, now: int, earlier: Indices, later: Indices) -> tuple[Indices, Zone]:
    """Return those zones that are not empty if one instant comes after some and before others.

    Args:
        zones: A stack of closed ones.
        now: The instant.
        earlier: Indices of the instants that are not after it.
        later: Indices of the instants that are not before it.

    Returns:
        Positions in the stack, and the zones there with the new bounds.
    """
    # All new bounds touch `now`, and a shortest way passes it once at most.  So the shortest
    # ways that reach and leave it give all others: one round closes the zone.
    to_now = np.minimum(zones[:, :, now], zones[:, :, earlier].min(axis=2, initial=_FAR))
    from_now = np.minimum(zones[:, now], zones[:, later].min(axis=1, initial=_FAR))
    alive = np.flatnonzero((to_now + from_now).min(axis=1) >= 0)
    if len(alive) < len(zones):
        zones, to_now, from_now = zones[alive], to_now[alive], from_now[alive]
    to_now[:, now] = from_now[:, now] = 0
    result: Zone = np.minimum(zones, to_now[:, :, None] + from_now[:, None, :])
    return alive, result


def moved(zones: Zone, rebase: Rebase) -> Zone:
    """Return zones over the instants of a rebase.

    A new instant hangs on one old one alone, so the result is closed if the zones are.
    """
    size = rebase.size
    taken = zones.reshape(len(zones), -1).take(rebase.entries, axis=1)
    result: Zone = taken.reshape(len(zones), size, size)
    result += rebase.shift
    # Instants that exist are counted from themselves, with 0..0, and keep their distance.
    result.reshape(len(zones), -1)[:, :: size + 1] = 0
    return result


def synchronised(zones: Zone, touches: int, kept: Indices) -> tuple[Indices, Zone]:
    """Return the moments of each zone at which all have come equally far.

    Args:
        zones: A stack of closed ones.
        touches: How many instants are past; they come first, and all others are to come.
        kept: Indices of the instants whose distances matter from here on.

    Returns:
        Positions in the stack of those that have such moments, and their zones over one instant
        that all have reached, and those kept.
    """
    to_now = zones[:, :, :touches].min(axis=2, initial=_FAR)
    from_now = zones[:, touches:].min(axis=1, initial=_FAR)
    alive = np.flatnonzero((to_now + from_now).min(axis=1) >= 0)
    if len(alive) < len(zones):
        zones, to_now, from_now = zones[alive], to_now[alive], from_now[alive]
    to_now, from_now = to_now[:, kept], from_now[:, kept]
    size = len(kept) + 1
    result = np.zeros((len(zones), size, size), dtype=np.int64)
    result[:, 1:, 0] = to_now
    result[:, 0, 1:] = from_now
    through = to_now[:, :, None] + from_now[:, None, :]
    np.minimum(zones[:, kept[:, None], kept], through, out=result[:, 1:, 1:])
    return alive, result


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
    """Return zones in which every bound that does not exist is written in the same way."""
    zones[zones > FOREVER // 2] = FOREVER
    return zones


_FAR = FOREVER


class ZoneStore:
    """The zones in which a state has been reached; one inside another is not kept twice."""

    __slots__ = ("_count", "_flat")

    def __init__(self, size: int) -> None:
        self._flat = np.empty((2, size * size), dtype=np.int64)
        self._count = 0

    def add(self, zone: Zone) -> bool:
        """Keep a zone; returns False if it lies inside one that is kept."""
        flat = zone.reshape(-1)
        kept = self._flat[: self._count]
        if self._count and bool((kept >= flat).all(axis=1).any()):
            return False
        if self._count == len(self._flat):
            self._flat = np.concatenate([self._flat, np.empty_like(self._flat)])
        self._flat[self._count] = flat
        self._count += 1
        return True
