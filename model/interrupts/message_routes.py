"""State: which messages lead to a vector, in the tables and in the copies that a cache keeps.

An ITS finds the LPI of a message in its device table and the device's translation table; VT-d
finds the vector in an interrupt-remapping table entry.  Both cache what they found.  Removing a
route changes the table; the copy stays until software invalidates it.

Source:
    Arm GICv3 (IHI 0069), MAPD, MAPTI and DISCARD; Intel VT-d specification, interrupt entry cache.
"""

from typing import NamedTuple


class Route(NamedTuple):
    """A device's message and the vector to which it leads; they have the same number here."""

    device: str
    intid: int


class RouteTable:
    """Routes and their cached copies.

    Attributes:
        mapped: The routes in memory.
        cached: Those that the hardware has seen and goes on to use.
    """

    def __init__(self) -> None:
        self.mapped: list[Route] = []
        self.cached: list[Route] = []

    def map(self, route: Route) -> None:
        """Enter a route; entering it again changes nothing."""
        if route not in self.mapped:
            self.mapped.append(route)

    def unmap(self, route: Route) -> None:
        """Take a route out of the table; a cached copy stays."""
        if route in self.mapped:
            self.mapped.remove(route)

    def invalidate(self, route: Route) -> None:
        """Forget the cached copy."""
        if route in self.cached:
            self.cached.remove(route)

    def translate(self, route: Route) -> bool:
        """Return whether a message has a route; a route found in the table is cached."""
        # The cache is asked first: a stale copy leads a message on after `unmap`.
        if route in self.cached:
            return True
        if route in self.mapped:
            self.cached.append(route)
            return True
        return False
