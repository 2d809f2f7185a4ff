"""The base of properties that judge what happens at an instant against the memory at its end.

What happens waits until its instant is over, or until the owners of memory change at a later one.
So the order of the records of one instant decides nothing.
"""

from collections.abc import Hashable
from typing import Any

from ...model.trace.events import Header
from ..core.monitor import Property, Trackers
from .ownership import Frames


class JudgedAtEndOfInstant(Property):
    """A property of events that are judged when nothing more happens at their instant.

    Subclasses let `note` read those events, and say `judge` and `form`.

    Attributes:
        frames: The tracker of memory.
    """

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.frames.changing.append(self._turn)
        self._at_ns = -1
        self._instant: list[tuple[int, Any]] = []

    def judge(self, index: int, at_ns: int, event: Any) -> None:
        """Judge an event against the owners at the end of its instant."""
        raise NotImplementedError

    def form(self, event: Any) -> Hashable:
        """Return what the judgement of an event depends on."""
        raise NotImplementedError

    def note(self, index: int, at_ns: int, event: Any) -> None:
        """Keep an event for the end of its instant."""
        if at_ns != self._at_ns:
            self._turn(at_ns)
        self._instant.append((index, event))

    def settle(self) -> None:
        """Judge what happened at the present instant."""
        for index, event in self._instant:
            self.judge(index, self._at_ns, event)
        self._instant.clear()

    def waiting(self) -> Hashable:
        """Return what happened at the present instant."""
        return tuple(self.form(event) for _, event in self._instant)

    def _turn(self, at_ns: int) -> None:
        if at_ns != self._at_ns:
            if self._instant:
                self.settle()
            self._at_ns = at_ns
