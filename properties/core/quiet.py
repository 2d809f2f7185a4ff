"""The tracker of quiet: whether nothing more can happen by itself when the observation ends.

A trace shows quiet with `OutsideEnded`: after it, the run went on until nothing was under way. A
debt that is still open then stays open for ever. The outside would have asked for more if it had
gone on; it would not have answered what was asked before. A trace without `OutsideEnded`, for
example a recorded one, leaves open what has not come.
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.trace.events import UNKNOWN_EPOCH, OutsideEnded, StillUnderWay
from .monitor import Listener, Reads

__all__ = ["Quiet"]


class Quiet(Listener):
    """Whether the run went on until nothing was under way."""

    def __init__(self) -> None:
        self._is_awaited = False
        self._is_given_up = False

    @property
    def is_reached(self) -> bool:
        """Whether nothing is under way any more."""
        return self._is_awaited and not self._is_given_up

    def _await(self, index: int, at_ns: int, event: OutsideEnded) -> None:  # noqa: ARG002
        self._is_awaited = True

    def _find(self, index: int, at_ns: int, event: StillUnderWay) -> None:  # noqa: ARG002
        self._is_given_up |= event.epoch == UNKNOWN_EPOCH

    def key(self) -> Hashable:
        """Return whether quiet was awaited, and whether it was reached."""
        return (self._is_awaited, self._is_given_up)

    reads: ClassVar[Reads] = {OutsideEnded: _await, StillUnderWay: _find}
