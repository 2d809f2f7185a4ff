"""The stimuli that reach the system from outside, and how they end.

The system does not decide when a stimulus comes.  Stimuli are:

- frames from a wire;
- reports of a USB device;
- messages of a peer;
- a peripheral that asks for the next burst.

They come while the observation lasts.  At its end `close` stops them, and what is under way inside
the system runs to its end.  So a verdict does not depend on where the observation was cut.

The system might still have answered a stopped stimulus on behalf of a VM that is gone.  For
example, a controller that no driver has stopped receives as long as there are frames.  Each
stimulus therefore says what it would have started (`Withheld`).  Where that belongs to a VM that
has ended, properties are `inconclusive` and name it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from simpy.events import Process

if TYPE_CHECKING:
    from .kernel import Kernel


class Withheld(NamedTuple):
    """What a stimulus would have started if the observation had gone on.

    Attributes:
        component: The device, agent or back end that would have acted.
        epoch: The epoch on whose behalf it would have acted.
        effect: `write`, `interrupt` or `both`: what would follow.
        what: The stimulus in words, `frames from the wire`.
    """

    component: str
    epoch: int
    effect: str
    what: str


class Stimulus(NamedTuple):
    """A process that brings something in from outside, again and again.

    Attributes:
        process: The process.
        label: Label of the delay in which it waits for the next time.
        withheld: Says what the next time would start; None if nothing.
    """

    process: Process
    label: str
    withheld: Callable[[], Withheld | None]


class Outside:
    """All stimuli of a system.

    Attributes:
        is_over: Whether the observation has ended: nothing new may be started.
    """

    def __init__(self, kernel: "Kernel") -> None:
        self._kernel = kernel
        self._stimuli: list[Stimulus] = []
        self._stopped: list[Stimulus] = []
        self._afterwards: list[Callable[[], Withheld | None]] = []
        self.is_over = False

    def add(self, process: Process, label: str, withheld: Callable[[], Withheld | None]) -> None:
        """Take a stimulus in; see `Stimulus`."""
        self._stimuli = [each for each in self._stimuli if each.process.is_alive]
        self._stimuli.append(Stimulus(process, label, withheld))

    def add_afterwards(self, withheld: Callable[[], Withheld | None]) -> None:
        """Take in an effect that interrupts have in turn; see `withheld`."""
        self._afterwards.append(withheld)

    def close(self) -> None:
        """Stop every stimulus that waits for its next time; one at work stops after it."""
        # Invariant: `is_over` is set before any process is stopped, so that none starts another.
        self.is_over = True
        self._stopped = [each for each in self._stimuli if each.process.is_alive]
        for stimulus in self._stopped:
            # A stimulus at work is not killed: it looks at `is_over` before it waits again.
            if _waits_for(stimulus.process, stimulus.label):
                self._kernel.kill(stimulus.process)

    def withheld(self) -> list[Withheld]:
        """Return what the stopped stimuli would have started; stimuli that had run out give none.

        The effects that these have in turn follow: a redistributor writes its table when a message
        arrives.
        """
        found = [each for stimulus in self._stopped if (each := stimulus.withheld()) is not None]
        if any(each.effect != "write" for each in found):
            found += [each for after in self._afterwards if (each := after()) is not None]
        return found


def _waits_for(process: Process, label: str) -> bool:
    """Return whether a process waits for the delay with that label, alone or among others."""
    target = process.target
    events = getattr(target, "_events", (target,))
    return any(getattr(event, "label", None) == label for event in events)
