"""Slices of a planned system: one for each group of devices, in which the others stand idle.

A slice (`model/dense/slice_kernel`) has every run of the whole system as its group sees it.  Three
things that others would have done to it are made as free as they can be:

- *Their callbacks* take time while VMs end, one after the other.  In a slice the callback of a
  device that stands idle is one delay, of any length that the steps of the callback allow; or,
  where the proof of its own slice has measured it, of any length between least and greatest.
- *Ends that wait for an event* of another group come at any instant up to the horizon.
- *Memory goes back in pieces*, more of them the more frames have been touched.  Nothing needs
  to be done about that: a piece takes as long as its frames do, however they are cut
  (`Qvm._release_span`), so that the release of a frame is due at the same instants.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ...model.base.clock import Span, format_ns
from ...model.dense.slice_kernel import build_of_slice, kernel_of_slice
from ...model.dense.transition import MakeMonitor
from ...model.dense.transition_system import TransitionSystem
from ...model.machine.system import header_of
from ...model.plan.independence import IndependentGroups
from ...model.plan.system_plan import EndPlan, QuiescePlan, SystemPlan, VmPlan
from ...model.vdev.virtio_vdev import STEPS, duration_of_step
from ...properties.core.monitor import Property
from ...properties.prove.judging import marks_of
from ...properties.prove.measures import Between, Measure, ToOwnRelease
from ...properties.prove.system_proof import Task
from .proof import bounds_of, measures_of

__all__ = ["CallbackName", "PlanSlice", "callbacks_of", "slice_of", "task_of"]

CallbackName = tuple[str, str]
"""VM and vdev of a callback."""


class PlanSlice(NamedTuple):
    """One group of a plan, with what is assumed of the others.

    Attributes:
        groups: Of the plan.
        number: Which of them.
        plan: The whole system, but for ends that wait for an event of another group.
        callback_spans: How long callbacks of other groups may take.
        guesses: What is as free as it can be, in words.
    """

    groups: IndependentGroups
    number: int
    plan: SystemPlan
    callback_spans: dict[CallbackName, Span]
    guesses: tuple[str, ...]

    @property
    def name(self) -> str:
        """The group's name."""
        return self.groups.groups[self.number].name


def slice_of(
    plan: SystemPlan, groups: IndependentGroups, number: int, measured: Mapping[CallbackName, Span]
) -> PlanSlice:
    """Return the slice of one group.

    Args:
        plan: The whole system.
        groups: Of it.
        number: Which of them.
        measured: How long callbacks take, as far as it has been measured.
    """
    spans: dict[CallbackName, Span] = {}
    guesses: list[str] = []
    for vm in plan.vms:
        for callback in vm.quiesce:
            name = (vm.name, callback.vdev)
            if groups.number_of(_target(plan, vm, callback)) == number:
                continue
            span = measured.get(name) or _declared(plan, vm, callback)
            before = spans.get(name, span)
            spans[name] = Span(min(before.lo_ns, span.lo_ns), max(before.hi_ns, span.hi_ns))
            if spans[name].lo_ns < spans[name].hi_ns:
                how_long = f"{format_ns(spans[name].lo_ns)} to {format_ns(spans[name].hi_ns)}"
                guesses.append(f"the callback of {vm.name}.{callback.vdev} takes {how_long}")
    vms = []
    for vm in plan.vms:
        if vm.end is not None and not _is_own(vm, vm.end, groups, number):
            latest = format_ns(plan.horizon_ns)
            guesses.append(f"the end of {vm.name} begins at any instant up to {latest}")
            whenever = Span(vm.end.delay.lo_ns, plan.horizon_ns)
            vm = replace(vm, end=EndPlan(vm.end.cause, whenever))  # noqa: PLW2901
        vms.append(vm)
    return PlanSlice(groups, number, replace(plan, vms=tuple(vms)), spans, tuple(guesses))


def callbacks_of(plan: SystemPlan, groups: IndependentGroups, number: int) -> list[CallbackName]:
    """Return the callbacks of a group whose duration is worth measuring."""
    return [
        (vm.name, callback.vdev)
        for vm in plan.vms
        for callback in vm.quiesce
        if sum(other.vdev == callback.vdev for other in vm.quiesce) == 1
        and groups.number_of(_target(plan, vm, callback)) == number
        and _declared(plan, vm, callback).lo_ns < _declared(plan, vm, callback).hi_ns
    ]


def task_of(sliced: PlanSlice, kinds: Sequence[type[Property]]) -> Task:
    """Return what is to be proved of a slice."""
    plan, groups, number = sliced.plan, sliced.groups, sliced.number
    build = build_of_slice(plan, sliced.callback_spans)
    make_kernel = kernel_of_slice(plan, groups, number)

    def make_system(make_monitor: MakeMonitor) -> TransitionSystem:
        return TransitionSystem(build, [make_monitor], marks_of, plan.pinned, make_kernel)

    measures = [each for each in measures_of(plan) if _is_about(sliced, each)]
    measures += [callback_measure(plan, name) for name in callbacks_of(plan, groups, number)]
    return Task(make_system, header_of(plan), kinds, bounds_of(plan), measures, starts_again=False)


def callback_measure(plan: SystemPlan, name: CallbackName) -> Measure:
    """Return the measure of how long a callback takes."""
    vm, vdev = name
    epoch = next(at for at, each in enumerate(plan.vms, 1) if each.name == vm)
    told = f"{vm}.{vdev}: its TERMINATE callback"
    return Between(told, ("called", epoch, vdev), ("returned", epoch, vdev))


def _is_about(sliced: PlanSlice, measure: Measure) -> bool:
    """Return whether a group decides a distance, or nobody does."""
    groups, number = sliced.groups, sliced.number
    if isinstance(measure, ToOwnRelease):
        return groups.number_of(measure.writer) == number
    assert isinstance(measure, Between)
    if measure.start[0] == "taken":
        names = [each.name for each in sliced.plan.passable if each.intid == measure.start[1]]
        return any(groups.number_of(name) == number for name in names)
    return True


def _target(plan: SystemPlan, vm: VmPlan, callback: QuiescePlan) -> str:
    """Return the component on which a callback acts."""
    hardware = [each.name for each in (*plan.passable, *plan.back_ends)]
    return callback.device if callback.device in hardware else f"{vm.name}.{callback.device}"


def _declared(plan: SystemPlan, vm: VmPlan, callback: QuiescePlan) -> Span:
    """Return how long a callback may take by what its steps are."""
    if callback.device not in [vdev.name for vdev in vm.vdevs]:
        # Steps of hardware wait for what is on its way, which no bound limits.
        return Span(0, plan.horizon_ns)
    lo_ns = hi_ns = 0
    for step in callback.steps:
        span = plan.timing.ctx_switch
        if step.name in STEPS:
            span = duration_of_step(plan.timing, step.name, step.bound_ns)
        lo_ns, hi_ns = lo_ns + span.lo_ns, hi_ns + span.hi_ns
    return Span(lo_ns, hi_ns)


def _is_own(vm: VmPlan, end: EndPlan, groups: IndependentGroups, number: int) -> bool:
    """Return whether what an end waits for is seen in the slice of a group as in the whole."""
    if end.after is None:
        return True
    # Other hubs tell of what they do for any group.
    return end.after.source == f"{vm.name}.guest" or (
        bool(end.after.source) and groups.number_of(end.after.source) == number
    )
