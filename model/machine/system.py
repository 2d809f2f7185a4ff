"""The entry point of the model: it builds a system from its plan, runs it, and gives the trace.

`plan/wiring` gives the components of a plan, and which of them can influence which, as a graph. It
builds nothing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from simpy.events import Event

from ..base.choices import Choices
from ..base.clock import Span
from ..base.errors import BoundHit
from ..host.host import Host
from ..plan.actors import actors_of
from ..plan.services import services_of
from ..plan.system_plan import AfterPlan, SystemPlan
from ..plan.wiring import parts_of
from ..sim.component import Component
from ..sim.kernel import Kernel, Steps
from ..sim.runaway import with_missing_ends
from ..sim.watched_kernel import WatchedKernel
from ..trace.events import (
    UNKNOWN_EPOCH,
    Header,
    ObservationEnded,
    OutsideEnded,
    Record,
    StillUnderWay,
    Trace,
)
from .assumptions import assumptions_of
from .supervisor import Supervisor

__all__ = ["System", "build", "builder", "header_of", "run", "run_watched"]

_NONE: Mapping[tuple[str, str], Span] = MappingProxyType({})

Instants = list[tuple[int, int]]
"""See `WatchedKernel.instants`."""


def run(plan: SystemPlan, choices: Choices) -> Trace:
    """Return the trace of one run.

    Args:
        plan: What to build and how its VMs end.
        choices: Decides what the plan leaves open; its log identifies the run.

    Raises:
        BoundHit: If the run does not end.
        ReplayMismatch: If the choices are a replay of something else.
    """
    kernel = Kernel(choices, plan.pinned)
    system = build(kernel, plan)
    _execute(kernel, system)
    return Trace(header_of(plan), tuple(kernel.records))


def run_watched(plan: SystemPlan, choices: Choices) -> tuple[Trace, Instants]:
    """Return the trace of one run, as `run` does, and the instants at which anything happened."""
    kernel = WatchedKernel(choices, plan.pinned)
    system = build(kernel, plan)
    _execute(kernel, system)
    return Trace(header_of(plan), tuple(kernel.records)), kernel.instants


def _execute(kernel: Kernel, system: "System") -> None:
    try:
        kernel.execute(system.observed)
    except BoundHit as hit:
        raise with_missing_ends(hit, system.plan, kernel.records) from None


class System(Component):
    """A built system.

    Attributes:
        host: Hardware, host kernel and host processes.
        supervisors: The supervisor of each VM.
        observed: Fires when the observation ends.
    """

    def __init__(
        self, kernel: Kernel, plan: SystemPlan, callback_spans: Mapping[tuple[str, str], Span]
    ) -> None:
        super().__init__(kernel, "run", plan.timing)
        self.plan = plan
        self.host = Host(kernel, plan)
        self.host.callback_spans = dict(callback_spans)
        self.supervisors = [
            Supervisor(
                kernel,
                plan.timing,
                vm,
                self.host,
                tuple(_event_after(kernel, end.after) for end in vm.ends),
                plan.has_unity_map(vm),
            )
            for vm in plan.vms
        ]
        crash = plan.smmuman_crash
        if crash is not None and self.host.smmuman is not None:
            self.host.smmuman.crash(_event_after(kernel, crash.after), crash.delay)
        self.observed = self.start(self._observe)

    def _observe(self) -> Steps:
        """Let the outside act for as long as the plan says, then wait until all is quiet."""
        kernel = self.kernel
        horizon = kernel.horizon(self.plan.horizon_ns, "run.horizon")
        for supervisor in self.supervisors:
            if (yield kernel.first(supervisor.finished, horizon)) == 1:
                break
        else:
            yield kernel.first(kernel.delay(self.plan.observe, "run.observe"), horizon)
        self.emit(OutsideEnded())
        # Invariant: from here on no stimulus begins: no planned end, no request of a guest beyond
        # its set-up, nothing from outside.  What remains is finite or bounded by `quiet_ns_max`.
        for supervisor in self.supervisors:
            supervisor.cancel_pending_ends()
            supervisor.qvm.guest.stop_requests()
        kernel.outside.close()
        # Invariant: the withheld stimuli are recorded as things stand now, and again when all is
        # quiet.  Between the two the outside would have gone on, and work under way may open or
        # close what lets a stimulus through.
        self._emit_withheld()
        # Invariant: `under_way` names the delays that are still awaited when the bound is hit;
        # empty if the system has become quiet.
        under_way = yield kernel.quiet(self.plan.quiet_ns_max)
        for label in under_way:
            component = label.rpartition(".")[0]
            self.emit(StillUnderWay(component, UNKNOWN_EPOCH, "both", f"the delay {label}"))
        self._emit_withheld()
        self.emit(ObservationEnded())

    def _emit_withheld(self) -> None:
        """Emit `StillUnderWay` for every stimulus that the outside would have started."""
        for withheld in self.kernel.outside.withheld():
            self.emit(StillUnderWay(*withheld))


def build(
    kernel: Kernel, plan: SystemPlan, callback_spans: Mapping[tuple[str, str], Span] = _NONE
) -> System:
    """Return the system of a plan, ready to run in the kernel.

    Args:
        kernel: The kernel that the system is to run in.
        plan: Of the system.
        callback_spans: By VM and vdev, callbacks of which only the duration matters; qvm carries
            out none of their steps (see `model/dense/slice_kernel`).
    """
    return System(kernel, plan, callback_spans)


def builder(
    plan: SystemPlan, callback_spans: Mapping[tuple[str, str], Span] = _NONE
) -> Callable[[Kernel], Event]:
    """Return what builds the system in a kernel and gives the event that ends the run."""
    return lambda kernel: build(kernel, plan, callback_spans).observed


def _event_after(kernel: Kernel, after: AfterPlan | None) -> Event:
    """Return an event that fires when the awaited trace event has been emitted."""
    event = kernel.event()
    if after is None:
        event.succeed()
        return event
    awaited = after
    remaining = awaited.count

    # Invariant: the observer removes itself before the event fires, so it fires once.
    def observer(record: Record) -> None:
        nonlocal remaining
        if type(record.event).__name__ != awaited.event:
            return
        if awaited.source and record.source != awaited.source:
            return
        if awaited.milestone and getattr(record.event, "milestone", "") != awaited.milestone:
            return
        remaining -= 1
        if remaining == 0:
            stop()
            event.succeed()

    stop = kernel.observe(observer)
    return event


def header_of(plan: SystemPlan) -> Header:
    """Return the header of every trace of a plan."""
    return Header(
        scenario=plan.name,
        description=plan.description,
        parts=parts_of(plan),
        detail=plan.detail,
        teardown_ns_max=plan.teardown_ns_max,
        virtio_reset_ns_max=plan.virtio_reset_ns_max,
        irq_after_teardown_max=plan.irq_after_teardown_max,
        quiet_ns_max=plan.quiet_ns_max,
        services=services_of(plan),
        actors=actors_of(plan),
        assumptions=assumptions_of(plan),
    )
