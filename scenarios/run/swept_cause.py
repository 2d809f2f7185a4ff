"""The result of the sweep of one termination cause."""

import msgspec

from ...properties.search.sweep import SweepPart, SweepStrip, SweepTarget, unsafe_windows

__all__ = ["SweptCause"]


class SweptCause(msgspec.Struct, frozen=True):
    """One cause, swept.

    Attributes:
        target: What was swept.
        instants: How many instants there were.
        part: The counts and verdicts of its crash points.
        covered_ns: The last instant that was covered; all up to it were.
    """

    target: SweepTarget
    instants: int
    part: SweepPart
    covered_ns: int

    @property
    def is_whole(self) -> bool:
        """Whether the user did not stop it before its end."""
        return self.covered_ns >= self.target.until_ns

    @property
    def windows(self) -> list[SweepStrip]:
        """The instants of death for which the system is unsafe."""
        return unsafe_windows(self.part.strips)
