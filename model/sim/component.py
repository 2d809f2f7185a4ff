"""The base of every part of the system that has a name and a state of its own.

State belongs to one component, and only its methods change it.  A component keeps its state in
plain attributes; its processes are thin and wait, ask and call.
"""

from collections.abc import Callable

from simpy.events import Process

from ..plan.timing import Timing
from ..trace.events import AnyEvent
from .kernel import Kernel, Steps


class Component:
    """A named part of the system.

    Args:
        kernel: The environment that it lives in.
        name: Dotted, unique in the system; the source of its events.
        timing: The spans of its delays.
    """

    def __init__(self, kernel: Kernel, name: str, timing: Timing) -> None:
        self.kernel = kernel
        self.name = name
        self.timing = timing
        kernel.enrol(self)

    @property
    def is_alone(self) -> bool:
        """Whether nothing reaches the system from outside any more."""
        return self.kernel.outside.is_over

    def emit(self, event: AnyEvent) -> int:
        """Append an event of this component to the trace; returns the record's index."""
        return self.kernel.emit(self.name, event)

    def start(self, body: Callable[[], Steps]) -> Process:
        """Start one of this component's processes."""
        return self.kernel.process(body())
