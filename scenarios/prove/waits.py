"""The waits of a scenario that can be made longer, and its states with these lengths left open.

A wait is a span of `[timing]`, or the bound of a waiting step of a quiesce procedure.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import NamedTuple, cast

from msgspec.structs import replace

from ...model.base.choices import Earliest, Latest
from ...model.base.clock import Span
from ...model.base.errors import Place, Problem, ScenarioError, nearest
from ...model.base.symbolic_duration import SymbolicDuration, settled
from ...model.dense.settled_system import SettledSystem
from ...model.dense.transition_system import TransitionSystem
from ...model.machine.system import build, builder
from ...model.plan.system_plan import QuiescePlan, StepPlan, SystemPlan
from ...model.sim.kernel import Delay, Kernel
from ...properties.prove.judging import marks_of
from ...properties.prove.system_proof import MonitorMaker

__all__ = ["ALL", "OpenStates", "Wait", "waits_named", "waits_of"]

ALL = "all"

GREATEST = 1_000
"""Values up to so many times the declared one are tried."""


class Wait(NamedTuple):
    """What can be made longer.

    Attributes:
        name: As the user names it.
        least_ns: Below which it cannot be, or is not tried.
        declared_ns: As it is.
        is_span: Whether it is the greatest length of a span.
        length_of: Gives its length in a plan; None if there is no such wait in it.
        stretched: Gives a plan in which it is as long as told.
    """

    name: str
    least_ns: int
    declared_ns: int
    is_span: bool
    length_of: Callable[[SystemPlan], int | None]
    stretched: Callable[[SystemPlan, int], SystemPlan]

    @property
    def greatest_ns(self) -> int:
        """The greatest length that is tried."""
        return GREATEST * max(1, self.declared_ns)

    def opened(self, plan: SystemPlan) -> SystemPlan:
        """Return a plan in which its length is left open."""
        number = SymbolicDuration(self.name, self.least_ns, self.greatest_ns)
        # Nothing else of a number is asked of it than an `SymbolicDuration` can answer.
        return self.stretched(plan, cast("int", number))


def waits_of(plan: SystemPlan) -> list[Wait]:
    """Return the waits that runs of a plan come to, spans first."""
    met = _met(plan)
    return [wait for wait in _spans(plan) if wait.name in met] + _step_waits(plan)


def waits_named(plan: SystemPlan, name: str) -> list[Wait]:
    """Return what the user means, all of it for `all`.

    Raises:
        ScenarioError: If there is no such wait.
    """
    if name == ALL:
        return waits_of(plan)
    waits = {wait.name: wait for wait in [*_spans(plan), *_step_waits(plan)]}
    if name in waits:
        return [waits[name]]
    close = nearest(name, [*waits, ALL])
    message = f"{name!r} is no span of [timing] and no waiting step of a quiesce procedure"
    remedy = f"did you mean {close!r}?" if close else f"write --budget {ALL} to see what there is"
    raise ScenarioError([Problem(Place("--budget"), message, word=name, remedy=remedy)])


class OpenStates:
    """The states of a system for all lengths of some waits at once, found as far as asked for.

    Args:
        waits: Whose lengths are left open.
    """

    def __init__(self, waits: Iterable[Wait]) -> None:
        self.waits = tuple(waits)
        self._known: list[tuple[SystemPlan, MonitorMaker, TransitionSystem]] = []

    def system(self, plan: SystemPlan, make_monitor: MonitorMaker) -> SettledSystem:
        """Return the states of a plan, which differs from others in the length of waits alone."""
        there = [wait for wait in self.waits if wait.length_of(plan) is not None]
        opened = reduce(lambda plan, wait: wait.opened(plan), there, plan)
        # What a header assumes is told, and decides nothing.
        alike = replace(make_monitor, header=replace(make_monitor.header, assumptions=()))
        known = [system for *asked, system in self._known if asked == [opened, alike]]
        if not known:
            system = TransitionSystem(builder(opened), [make_monitor], marks_of, plan.pinned)
            self._known.append((opened, alike, system))
            known = [system]
        values_ns = {wait.name: wait.length_of(plan) or 0 for wait in there}
        return SettledSystem(known[0], values_ns)


# What there is.


def _spans(plan: SystemPlan) -> list[Wait]:
    return [_span_wait(plan, name) for name in plan.timing.__struct_fields__]


def _span_wait(plan: SystemPlan, name: str) -> Wait:
    span: Span = getattr(plan.timing, name)

    def length_of(plan: SystemPlan) -> int:
        found: Span = getattr(plan.timing, name)
        return found.hi_ns

    def stretched(plan: SystemPlan, ns: int) -> SystemPlan:
        return replace(plan, timing=replace(plan.timing, **{name: Span(span.lo_ns, ns)}))

    return Wait(name, span.lo_ns, span.hi_ns, True, length_of, stretched)


def _step_waits(plan: SystemPlan) -> list[Wait]:
    bounds = {
        f"{quiesce.device}.{step.name}": step.bound_ns
        for vm in plan.vms
        for quiesce in vm.quiesce
        for step in quiesce.steps
        if step.bound_ns > 0
    }
    return [_step_wait(name, bound_ns) for name, bound_ns in bounds.items()]


def _step_wait(name: str, bound_ns: int) -> Wait:
    def is_meant(device: str, step: StepPlan) -> bool:
        return f"{device}.{step.name}" == name and step.bound_ns > 0

    def length_of(plan: SystemPlan) -> int | None:
        found = [
            step.bound_ns
            for vm in plan.vms
            for quiesce in vm.quiesce
            for step in quiesce.steps
            if is_meant(quiesce.device, step)
        ]
        return found[-1] if found else None

    def stretched(plan: SystemPlan, ns: int) -> SystemPlan:
        def changed(quiesce: QuiescePlan) -> QuiescePlan:
            steps = [
                replace(step, bound_ns=ns) if is_meant(quiesce.device, step) else step
                for step in quiesce.steps
            ]
            return replace(quiesce, steps=tuple(steps))

        vms = [replace(vm, quiesce=tuple(map(changed, vm.quiesce))) for vm in plan.vms]
        return replace(plan, vms=tuple(vms))

    return Wait(name, bound_ns, bound_ns, False, length_of, stretched)


def _met(plan: SystemPlan) -> set[str]:
    """Return the names of the spans that two extreme runs come to."""
    opened = reduce(lambda plan, wait: wait.opened(plan), _spans(plan), plan)
    declared_ns = {wait.name: wait.declared_ns for wait in _spans(plan)}
    met: set[str] = set()
    for choices in (Earliest(), Latest()):
        kernel = Kernel(choices, plan.pinned)
        begin = kernel.delay

        def delay(span: Span, label: str, begin: Callable[[Span, str], Delay] = begin) -> Delay:
            if isinstance(span.hi_ns, SymbolicDuration):
                met.add(span.hi_ns.name)
            ends_ns = [settled(each, declared_ns) for each in (span.lo_ns, span.hi_ns)]
            return begin(Span(*ends_ns), label)

        kernel.delay = delay  # type: ignore[method-assign]  # this kernel serves one run
        kernel.execute(build(kernel, opened).observed)
    return met
