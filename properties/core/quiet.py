"""The tracker of quiet: whether nothing more can happen by itself when the observation ends.

A trace says so: after `OutsideEnded` the run went on until nothing was under way.  What is still
owed then is owed for ever; the outside, had it gone on, would have asked for more and not have
answered what was asked before.  A trace that does not say it, a recorded one for example, leaves
open what has not come.
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.trace.events import UNKNOWN_EPOCH, OutsideEnded, StillUnderWay
from .monitor import Listener, Reads

__all__ = ["Quiet"]


class Quiet(Listener):
    """Whether the run was awaited to its end."""

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
        """Return all of it."""
        return (self._is_awaited, self._is_given_up)

    reads: ClassVar[Reads] = {OutsideEnded: _await, StillUnderWay: _find}
