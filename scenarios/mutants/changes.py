"""Ways to make a correct design wrong, from which mutants are put together."""

from typing import Any

from msgspec.structs import replace

from ...model.base.clock import Span, exactly
from ...model.plan.system_plan import AfterPlan, EndPlan, StepPlan, SystemPlan
from .designs import Change


def faults(**names: bool) -> Change:
    """Switch faults of the host's software on."""
    return lambda plan: replace(plan, faults=replace(plan.faults, **names))


def traits(**values: Any) -> Change:
    """Give the first passed-through device other traits."""
    return lambda plan: _with_device(
        plan, lambda one: replace(one, traits=replace(one.traits, **values))
    )


def device(**fields: Any) -> Change:
    """Replace fields of the first device that is passed through."""
    return lambda plan: _with_device(plan, lambda one: replace(one, **fields))


def steps(*orders: tuple[str, int], on_timeout: str = "quarantine") -> Change:
    """Replace the steps of the quiesce procedure."""
    return _with_callback(
        lambda _: tuple(StepPlan(*step) for step in orders), on_timeout=on_timeout
    )


def without(*names: str, on_timeout: str = "quarantine") -> Change:
    """Remove steps from the quiesce procedure."""
    return _with_callback(
        lambda old: tuple(step for step in old if step.name not in names), on_timeout=on_timeout
    )


def impatient(bound_ns: int, *names: str) -> Change:
    """Give up waiting early in the named steps, or in all, and release memory all the same."""
    return _with_callback(
        lambda old: tuple(
            replace(step, bound_ns=min(step.bound_ns, bound_ns))
            if not names or step.name in names
            else step
            for step in old
        ),
        on_timeout="release",
    )


def no_quiesce(plan: SystemPlan) -> SystemPlan:
    """Remove all callbacks."""
    return _with_vm(plan, quiesce=())


def pinned(**answers: str) -> Change:
    """Answer open questions otherwise; `__` in a name stands for a dot and `_` for a hyphen."""
    named = {key.replace("__", ".").replace("_", "-"): answer for key, answer in answers.items()}
    return lambda plan: replace(plan, pinned=plan.pinned | named)


def ends_after(event: str, count: int = 1, within_ns: int = 40_000) -> Change:
    """Let the end come soon after an event."""

    def change(plan: SystemPlan) -> SystemPlan:
        end = plan.vms[0].end
        cause = "guest-crash" if end is None else end.cause
        after = AfterPlan(event, count=count)
        return _with_vm(plan, end=EndPlan(cause, Span(0, within_ns), after))

    return change


def watched(duration_ns: int) -> Change:
    """Observe the system for another duration after the end."""
    return lambda plan: replace(plan, observe=exactly(duration_ns))


def timing(**spans: Span) -> Change:
    """Let delays have other spans."""
    return lambda plan: replace(plan, timing=replace(plan.timing, **spans))


def detailed(plan: SystemPlan) -> SystemPlan:
    """Add the events of VIRTIO to the trace, so that the runs exercise its rules."""
    return replace(plan, detail="virtio")


def vdev(**fields: Any) -> Change:
    """Replace fields of the first virtio-blk vdev."""

    def change(plan: SystemPlan) -> SystemPlan:
        first, *others = plan.vms[0].blocks
        return _with_vm(plan, blocks=(replace(first, **fields), *others))

    return change


def disk(**fields: Any) -> Change:
    """Replace fields of the first disk of the host."""

    def change(plan: SystemPlan) -> SystemPlan:
        first, *others = plan.disks
        return replace(plan, disks=(replace(first, **fields), *others))

    return change


def both(*changes: Change) -> Change:
    """Make one change after the other."""

    def change(plan: SystemPlan) -> SystemPlan:
        for each in changes:
            plan = each(plan)
        return plan

    return change


def _with_vm(plan: SystemPlan, **fields: Any) -> SystemPlan:
    return replace(plan, vms=(replace(plan.vms[0], **fields), *plan.vms[1:]))


def _with_device(plan: SystemPlan, change: Any) -> SystemPlan:
    vm = plan.vms[0]
    if vm.nics:
        nics = tuple(change(nic) if nic.name == vm.nics[0] else nic for nic in plan.nics)
        return replace(plan, nics=nics)
    devices = tuple(change(one) if one.name in vm.devices[:1] else one for one in plan.devices)
    return replace(plan, devices=devices)


def _with_callback(change: Any, on_timeout: str) -> Change:
    def changed(plan: SystemPlan) -> SystemPlan:
        first, *others = plan.vms[0].quiesce
        first = replace(first, steps=change(first.steps), on_timeout=on_timeout)
        return _with_vm(plan, quiesce=(first, *others))

    return changed
