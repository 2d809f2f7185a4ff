"""How the frontier of a search grew or shrank, which tells whether its end is near."""

STEP = 1.1
"""By how much the number of known classes grows between two notes."""


class History:
    """Remembers the size of a frontier, the more seldom the more is known."""

    def __init__(self) -> None:
        self._notes: list[tuple[int, int]] = []
        self._next = 16

    def note(self, known: int, frontier: int) -> None:
        """Take note of how many classes are known, and how many of them are not followed."""
        if known >= self._next:
            self._notes.append((known, frontier))
            self._next = int(known * STEP) + 1

    def at_half(self, known: int) -> int:
        """Return the frontier when half as many classes were known; -1 if too few are known."""
        found = [frontier for size, frontier in self._notes if 2 * size <= known]
        return found[-1] if found else -1
