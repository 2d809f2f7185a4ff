"""Remembers how the frontier of a search grew or shrank, to estimate how near its end is."""

STEP = 1.1
"""The search notes its size again when the number of known symbolic states has grown by this."""


class History:
    """Remembers the size of a frontier, less often the more states are known."""

    def __init__(self) -> None:
        self._notes: list[tuple[int, int]] = []
        self._next = 16

    def note(self, known: int, frontier: int) -> None:
        """Note how many symbolic states are known, and how many still await the search."""
        if known >= self._next:
            self._notes.append((known, frontier))
            self._next = int(known * STEP) + 1

    def at_half(self, known: int) -> int:
        """Return the frontier when half as many states were known; -1 if too few are known."""
        found = [frontier for size, frontier in self._notes if 2 * size <= known]
        return found[-1] if found else -1
