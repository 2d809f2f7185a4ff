"""A kernel that also notes the instants of a run, for searches that cut a run at each of them."""

from collections.abc import Mapping

from simpy.events import Event

from ..base.choices import Choices
from .kernel import Kernel


class WatchedKernel(Kernel):
    """A kernel that records the instants at which a delay ended.

    Attributes:
        instants: Each instant at which a delay ended, with the length of the log of choices before
            the first of them was chosen.
    """

    def __init__(self, choices: Choices, pinned: Mapping[str, str] | None = None) -> None:
        super().__init__(choices, pinned)
        self.instants: list[tuple[int, int]] = []

    def _fire_delay(self) -> Event:
        # Invariant: `instants` ascends, and each entry points before the choices of its instant,
        # the choice between tied delays included.
        at_ns = self._delays[0][0]
        if not self.instants or self.instants[-1][0] != at_ns:
            self.instants.append((at_ns, len(self.choices.log)))
        return super()._fire_delay()
