"""Runs with an ideal intervention at an instant, for "what if" questions.

Up to the instant the run is the same as without the intervention.  Then the intervention takes
effect, before any later event.  A real stop takes a register write, which is posted; so no real
stop prevents what an ideal intervention cannot prevent.
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

__all__ = ["INTERVENTIONS", "Intervention", "run_bounded", "run_with_intervention"]

INTERVENTIONS: dict[str, str] = {
    "silence": "nothing leaves the device any more, neither writes nor interrupts",
    "cut": "its translations are removed and synced: only what has been translated still lands",
    "withhold": "qvm keeps every frame that it has not returned by then",
}
"""The kinds of intervention, and what each means."""


class Intervention(NamedTuple):
    """An ideal intervention.

    Attributes:
        kind: One of `INTERVENTIONS`.
        target: The component that is silenced or cut, or the VM whose memory is withheld.
        at_ns: Nanoseconds; it takes effect after everything that happens at this instant.
    """

    kind: str
    target: str
    at_ns: int


class _InterveningKernel(Kernel):
    """A kernel that intervenes before the first delay that ends after an instant."""

    def __init__(
        self, choices: Choices, pinned: Mapping[str, str], intervention: Intervention
    ) -> None:
        super().__init__(choices, pinned)
        self._intervention: Intervention | None = intervention
        self.system: System | None = None

    def _fire_delay(self) -> Event:
        intervention = self._intervention
        if intervention is not None and self._delays[0][0] > intervention.at_ns:
            # Invariant: the intervention takes effect once, and before this later delay ends.
            self._intervention = None
            assert self.system is not None, "nothing fires before the system is built"
            apply_intervention(self.system, intervention)
        return super()._fire_delay()


def run_with_intervention(
    plan: SystemPlan, choices: Choices, intervention: Intervention, events_max: int | None = None
) -> Trace:
    """Return the trace of one run with an intervention.

    Args:
        plan: What to build.
        choices: Decides what the plan leaves open.
        intervention: Its kind, its target, and when.
        events_max: Scheduled events after which the kernel gives the run up; None for its bound.

    Raises:
        BoundHit: If the run does not end.
    """
    kernel = _InterveningKernel(choices, plan.pinned, intervention)
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


def apply_intervention(system: System, intervention: Intervention) -> None:
    """Intervene in a system now; an intervention changes state and schedules no event."""
    assert intervention.kind in INTERVENTIONS, intervention
    if intervention.kind == "withhold":
        for supervisor in system.supervisors:
            if supervisor.plan.name == intervention.target:
                supervisor.qvm.quarantine_memory()
    elif intervention.kind == "cut":
        system.host.cut(intervention.target)
    else:
        system.host.silence(intervention.target)
