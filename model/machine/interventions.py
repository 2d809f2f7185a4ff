"""Runs in which somebody acts at an instant, ideally and at once: for "what if" questions.

Up to the instant everything happens as it would have; then the act is carried out, before anything
later happens.  No such act exists in reality, where a stop takes a register write that is posted;
what even an ideal act cannot prevent, no real one can.
"""

from collections.abc import Mapping
from typing import NamedTuple

from simpy.events import Event

from ..base.choices import Choices
from ..base.errors import BoundHit
from ..plan.system_plan import SystemPlan
from ..sim.kernel import Kernel
from ..trace.events import Trace
from .system import System, build, header_of

__all__ = ["ACTS", "Act", "run_bounded", "run_with"]

ACTS: dict[str, str] = {
    "silence": "nothing leaves the device any more, neither writes nor interrupts",
    "cut": "its translations are removed and synced: only what has been translated still lands",
    "withhold": "qvm keeps every frame that it has not returned by then",
}
"""What can be done, and what it means."""


class Act(NamedTuple):
    """An ideal act.

    Attributes:
        kind: One of `ACTS`.
        target: The component that is silenced or cut, or the VM that withholds.
        at_ns: After everything that happens at this instant.
    """

    kind: str
    target: str
    at_ns: int


class _ActingKernel(Kernel):
    """A kernel that carries out an act before the first delay that ends after an instant."""

    def __init__(self, choices: Choices, pinned: Mapping[str, str], act: Act) -> None:
        super().__init__(choices, pinned)
        self._act: Act | None = act
        self.system: System | None = None

    def _fire_delay(self) -> Event:
        act = self._act
        if act is not None and self._delays[0][0] > act.at_ns:
            self._act = None
            assert self.system is not None, "nothing fires before the system is built"
            carry_out(self.system, act)
        return super()._fire_delay()


def run_with(plan: SystemPlan, choices: Choices, act: Act, events_max: int | None = None) -> Trace:
    """Return the trace of one run in which somebody acts.

    Args:
        plan: What to build.
        choices: Decides what the plan leaves open.
        act: What is done, and when.
        events_max: Scheduled events after which the run is given up; None for the kernel's bound.

    Raises:
        BoundHit: If the run does not end.
    """
    kernel = _ActingKernel(choices, plan.pinned, act)
    kernel.system = build(kernel, plan)
    kernel.execute(kernel.system.observed, events_max)
    return Trace(header_of(plan), tuple(kernel.records))


def run_bounded(plan: SystemPlan, choices: Choices, events_max: int) -> Trace | None:
    """Return the trace of one run, or None if it needs more than so many scheduled events."""
    kernel = Kernel(choices, plan.pinned)
    system = build(kernel, plan)
    try:
        kernel.execute(system.observed, events_max)
    except BoundHit:
        return None
    return Trace(header_of(plan), tuple(kernel.records))


def carry_out(system: System, act: Act) -> None:
    """Act on a system now; acts change state alone and let nothing happen by themselves."""
    assert act.kind in ACTS, act
    if act.kind == "withhold":
        for supervisor in system.supervisors:
            if supervisor.plan.name == act.target:
                supervisor.qvm.withhold()
    elif act.kind == "cut":
        system.host.cut(act.target)
    else:
        system.host.silence(act.target)
