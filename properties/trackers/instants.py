"""The base of properties that judge an event against the owners of memory at its instant's end.

An event waits until its instant is over, or until memory changes its owner at a later instant. The
order of the records of an instant therefore decides nothing.
"""

from collections.abc import Hashable
from typing import Any

from ...model.trace.events import Header
from ..core.monitor import Property, Trackers
from .ownership import Frames


class JudgedAtEndOfInstant(Property):
    """A property that judges an event when nothing more happens at its instant.

    Subclasses let `note` read their events, and implement `judge` and `form`.

    Attributes:
        frames: The tracker of memory.
    """

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        # Invariant: `Frames` calls `_turn` before owners change, so waiting events meet the old
        # owners.
        self.frames.changing.append(self._turn)
        self._at_ns = -1
        self._instant: list[tuple[int, Any]] = []

    def judge(self, index: int, at_ns: int, event: Any) -> None:
        """Judge an event against the owners of memory at the end of its instant."""
        raise NotImplementedError

    def form(self, event: Any) -> Hashable:
        """Return what the judgement of an event depends on, without times."""
        raise NotImplementedError

    def note(self, index: int, at_ns: int, event: Any) -> None:
        """Keep an event until its instant is over."""
        if at_ns != self._at_ns:
            self._turn(at_ns)
        self._instant.append((index, event))

    def settle(self) -> None:
        """Judge the events of the present instant."""
        for index, event in self._instant:
            self.judge(index, self._at_ns, event)
        self._instant.clear()

    def waiting(self) -> Hashable:
        """Return the events of the present instant, without times."""
        return tuple(self.form(event) for _, event in self._instant)

    def _turn(self, at_ns: int) -> None:
        # Invariant: `_instant` holds only events of `_at_ns`.
        if at_ns != self._at_ns:
            if self._instant:
                self.settle()
            self._at_ns = at_ns
