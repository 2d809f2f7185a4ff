"""Joining two sets of instants where nothing is added by it.

The smallest zone around two zones mostly holds more than both.  Where it does not, one zone can
stand for two, and a search through dense time has one class instead of two; that is what keeps
interleavings of the same events from piling up (Hadjidj and Boucheneb, FORMATS 2006, for time
Petri nets).  Nothing is approximated: a join that would add a single instant is refused.
"""

import numpy as np

from .zones import Zone


def union_of(one: Zone, other: Zone) -> Zone | None:
    """Return the zone that holds exactly the instants of two closed zones, or None.

    There is one if and only if the hull without `one` lies in `other`.  What the hull has beyond
    `one` goes beyond it in at least one of its bounds; so each bound in turn is broken, and what is
    then left of the hull must lie in `other`.
    """
    hull = np.maximum(one, other)
    rows, columns = np.nonzero(one < hull)
    if len(rows) == 0:
        return hull
    # The hull where `row - column` is at least the bound of `one`, closed, for all such bounds.
    through = hull[:, columns].T[:, :, None] - one[rows, columns][:, None, None]
    beyond = np.minimum(hull, through + hull[rows][:, None, :])
    return hull if bool((beyond <= other).all()) else None
