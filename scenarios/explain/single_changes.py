"""Every single change of a plan that an engineer would think of first, the smallest first.

The size of a change is how far it reaches; see `Size` for the order.  It begins with the bound of a
step and ends with another device.  What the guest does is never changed.

The list has no callback whose steps all only look or wait, since such a callback stops nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec.structs import replace

from ...model.base.choices import ChoicePoint
from ...model.base.clock import Span, format_ns
from ...model.hardware import redistributor
from ...model.hardware.procedure import Procedure
from ...model.hardware.registry import kind_of_plan
from ...model.host import user_back_end_procedure
from ...model.plan.procedures import COMMON_STEPS, PCIE_BOUNDS, PCIE_STEPS
from ...model.plan.system_plan import QuiescePlan, StepPlan, SystemPlan, VmPlan
from ...model.plan.termination import BY_NAME
from ...model.plan.traits import plain_traits
from ...model.plan.virtio_plan import SharedMemoryPlan
from ...model.vdev import shared_memory, virtio_vdev
from .corrections import DEVICES, FAULTS, TRAITS, without_fault
from .environment import answers_of

__all__ = ["AdjustableChange", "Change", "Size", "changes_of"]

_WAIT_NS = 100_000_000
"""Bound of a wait that no procedure gives one: assumed."""

_LONGEST_NS = 60_000_000_000
_FATES = {"quarantine": "quarantined", "release": "released"}
_VDEV_PROCEDURE = ("stop-queue", "join-worker", "cancel", "drain")
_LOOKING = ("await", "confirm", "read-back", "settle")
"""Steps whose names begin so look or wait, and stop nothing."""


class Size(IntEnum):
    """How far a change reaches."""

    BOUND = 1
    TIMEOUT = 2
    STEP = 3
    ORDER = 4
    PROCEDURE = 5
    PROCEDURES = 6
    CALLBACK = 7
    SOFTWARE = 8
    PAUSE = 9
    SIGNAL = 10
    IOMMU = 11
    ENVIRONMENT = 12
    DEVICE = 13


class Change(NamedTuple):
    """A plan with one thing changed.

    Attributes:
        size: How far it reaches.
        text: What to do, as an instruction without a full stop.
        plan: The plan with the change.
        amount_ns: How much longer or shorter something takes; 0 for any other change.
        is_documented: Whether it quiesces a device by its whole documented procedure.
    """

    size: Size
    text: str
    plan: SystemPlan
    amount_ns: int = 0
    is_documented: bool = False


class AdjustableChange(NamedTuple):
    """A change by an amount of time; the search looks for the least amount that helps.

    Attributes:
        size: How far it reaches.
        most_ns: The greatest amount that is worth trying.
        at: Gives the change by an amount.
        usual_ns: The amount that leads to the usual value; 0 if there is no usual value.
    """

    size: Size
    most_ns: int
    at: Callable[[int], Change]
    usual_ns: int = 0


def changes_of(
    plan: SystemPlan, vm: str, actor: str, *, asked: Iterable[ChoicePoint] = ()
) -> Iterator[Change | AdjustableChange]:
    """Give the single changes of a plan, the smallest first.

    Args:
        plan: What was run.
        vm: Name of the VM that ended.
        actor: The device or vdev that did the harm; its callback is changed first.
        asked: Answers of the run; the open questions among them are answered otherwise.
    """
    number = next((at for at, each in enumerate(plan.vms) if each.name == vm), 0)
    site = _Site(plan, number, actor)
    # Invariant: sizes ascend from here to the end; `fix_search` stops at the first entire fix.
    yield from _bounds(site)
    yield from _timeouts(site)
    yield from _steps(site)
    yield from _orders(site)
    bare = _bare(site)
    yield from _procedures(site, bare)
    yield from _all_procedures(site, bare)
    yield from _callbacks(site, bare)
    yield from _software(site)
    yield from _pauses(site)
    yield from _signals(site)
    if not plan.iommu and site.vm.passed_through:
        text = "put an IOMMU between the passed-through devices and memory"
        yield Change(Size.IOMMU, text, replace(plan, iommu=True))
    for answered in answers_of(plan, asked):
        yield Change(Size.ENVIRONMENT, answered.text, answered.plan)
    if site.vm.restart:
        text = f"let the supervisor not start {site.vm.name} again (the environment decides this)"
        yield Change(Size.ENVIRONMENT, text, site.with_vm(restart=False))
    yield from _devices(plan)


class _Site:
    """The VM whose plan is changed."""

    def __init__(self, plan: SystemPlan, number: int, actor: str) -> None:
        self.plan = plan
        self.vm: VmPlan = plan.vms[number]
        self.actor = actor
        self._number = number

    def with_vm(self, **fields: Any) -> SystemPlan:
        vms = list(self.plan.vms)
        vms[self._number] = replace(self.vm, **fields)
        return replace(self.plan, vms=tuple(vms))

    def with_callback(self, number: int, callback: QuiescePlan) -> SystemPlan:
        callbacks = list(self.vm.quiesce)
        callbacks[number] = callback
        return self.with_vm(quiesce=tuple(callbacks))

    def callbacks(self) -> list[tuple[int, QuiescePlan]]:
        """Return the callbacks with their places, those of the actor first."""
        return sorted(enumerate(self.vm.quiesce), key=lambda item: not self.is_actor(item[1]))

    def is_actor(self, callback: QuiescePlan) -> bool:
        return self.actor in (callback.device, f"{self.vm.name}.{callback.device}")

    def procedure(self, device: str) -> Procedure | None:
        """Return the procedure of a physical device or back end; None for a vdev."""
        if device == redistributor.NAME:
            return redistributor.PROCEDURE
        if device in self.vm.back_ends:
            return user_back_end_procedure.PROCEDURE
        passed = [each for each in self.plan.passable if each.name == device]
        return kind_of_plan(type(passed[0])).procedure if passed else None

    def is_pcie(self, device: str) -> bool:
        """Return whether a passed-through device is a PCIe function."""
        plan = next(each for each in self.plan.passable if each.name == device)
        return bool(
            getattr(plan, "is_pcie", getattr(kind_of_plan(type(plan)).device, "is_pcie", True))
        )

    def known_steps(self, device: str) -> dict[str, str]:
        """Return every step that can be done about a device or vdev, with what it does."""
        procedure = self.procedure(device)
        if procedure is None:
            factories = [vdev.name for vdev in self.vm.vdevs if isinstance(vdev, SharedMemoryPlan)]
            return shared_memory.STEPS if device in factories else virtio_vdev.STEPS
        is_passed = device in self.vm.passed_through
        if not is_passed or self.is_pcie(device):
            return procedure.steps
        return {
            name: what
            for name, what in procedure.steps.items()
            if name not in PCIE_STEPS or name in COMMON_STEPS
        }

    def documented(self, device: str) -> tuple[StepPlan, ...]:
        """Return the documented procedure of a device or vdev."""
        procedure = self.procedure(device)
        if procedure is not None:
            return tuple(StepPlan(*step) for step in procedure.documented)
        known = self.known_steps(device)
        names = [name for name in _VDEV_PROCEDURE if name in known] or list(known)
        return tuple(self.step(device, name) for name in names)

    def step(self, device: str, name: str) -> StepPlan:
        """Return a step with its usual bound."""
        procedure = self.procedure(device)
        bounds = PCIE_BOUNDS | dict(procedure.documented if procedure is not None else ())
        waits = name.startswith("await") or name in virtio_vdev.BOUNDED_STEPS
        return StepPlan(name, bounds.get(name, _WAIT_NS if waits else 0))

    def in_words(self, device: str, step: StepPlan) -> str:
        """Return what a step does, as an instruction."""
        what = self.known_steps(device)[step.name].split(", at most the bound", maxsplit=1)[0]
        most = f", at most {format_ns(step.bound_ns)}" if step.bound_ns else ""
        if what.startswith(("until", "wait until")):
            return f"wait {what.removeprefix('wait ')} ({step.name}{most})"
        return f"do {step.name} ({what}{most})"


def _bounds(site: _Site) -> Iterator[AdjustableChange]:
    for number, callback in site.callbacks():
        for place, step in enumerate(callback.steps):
            if step.bound_ns:
                yield _longer(site, number, place)
                if not site.actor:
                    # Without an actor the harm may be the wait itself.
                    yield _shorter(site, number, place)


def _with_bound(site: _Site, number: int, place: int, bound_ns: int) -> SystemPlan:
    callback = site.vm.quiesce[number]
    step = replace(callback.steps[place], bound_ns=bound_ns)
    steps = (*callback.steps[:place], step, *callback.steps[place + 1 :])
    return site.with_callback(number, replace(callback, steps=steps))


def _longer(site: _Site, number: int, place: int) -> AdjustableChange:
    callback = site.vm.quiesce[number]
    step = callback.steps[place]

    def at(more_ns: int) -> Change:
        bound_ns = step.bound_ns + more_ns
        text = (
            f"let {step.name} of {callback.device} wait {format_ns(more_ns)} longer before it "
            f"gives up, {format_ns(bound_ns)} in all"
        )
        return Change(Size.BOUND, text, _with_bound(site, number, place, bound_ns), more_ns)

    usual_ns = site.step(callback.device, step.name).bound_ns
    most_ns = max(_LONGEST_NS, step.bound_ns, usual_ns)
    return AdjustableChange(Size.BOUND, most_ns, at, max(usual_ns - step.bound_ns, 0))


def _shorter(site: _Site, number: int, place: int) -> AdjustableChange:
    callback = site.vm.quiesce[number]
    step = callback.steps[place]

    def at(less_ns: int) -> Change:
        bound_ns = step.bound_ns - less_ns
        text = (
            f"let {step.name} of {callback.device} give up after {format_ns(bound_ns)} and not "
            f"{format_ns(step.bound_ns)}, its memory to be {_FATES[callback.on_timeout]}"
        )
        return Change(Size.BOUND, text, _with_bound(site, number, place, bound_ns), less_ns)

    return AdjustableChange(Size.BOUND, step.bound_ns - 1, at)


def _timeouts(site: _Site) -> Iterator[Change]:
    for number, callback in site.callbacks():
        if callback.on_timeout == "release":
            text = (
                f"quarantine guest memory when a step of {callback.device} times out, "
                "and do not return it"
            )
            plan = site.with_callback(number, replace(callback, on_timeout="quarantine"))
            yield Change(Size.TIMEOUT, text, plan)


def _steps(site: _Site) -> Iterator[Change]:
    for number, callback in site.callbacks():
        device, present = callback.device, [step.name for step in callback.steps]
        order = [step.name for step in site.documented(device)]
        known = site.known_steps(device)
        usual_first = [name for name in order if name in known]
        for name in dict.fromkeys((*usual_first, *known)):
            step = site.step(device, name)
            for place in _places(name, present, order):
                steps = (*callback.steps[:place], step, *callback.steps[place:])
                after = f"after {present[place - 1]}" if place else "before all else"
                text = f"in the callback of {callback.vdev}, {site.in_words(device, step)}, {after}"
                plan = site.with_callback(number, replace(callback, steps=steps))
                if not _only_looks(steps):
                    yield Change(Size.STEP, text, plan)


def _places(name: str, present: list[str], order: list[str]) -> list[int]:
    """Return where a step may go: where the documented order has it, at the end, or first."""
    places = [len(present), 0]
    if name in order:
        later = set(order[order.index(name) + 1 :])
        # A step that only looks and has no documented place goes to the end.
        usual = next(
            (
                at
                for at, each in enumerate(present)
                if each in later or (each not in order and each.startswith(_LOOKING))
            ),
            len(present),
        )
        places.insert(0, usual)
    around = [at for at, each in enumerate(present) if each == name]
    return [
        place
        for place in dict.fromkeys(places)
        # Twice the same step in a row is one step.
        if not any(place in (at, at + 1) for at in around)
    ]


def _orders(site: _Site) -> Iterator[Change]:
    for number, callback in site.callbacks():
        for place, (one, other) in enumerate(pairwise(callback.steps)):
            steps = (*callback.steps[:place], other, one, *callback.steps[place + 2 :])
            text = f"in the callback of {callback.vdev}, do {other.name} before {one.name}"
            plan = site.with_callback(number, replace(callback, steps=steps))
            yield Change(Size.ORDER, text, plan)
    for place, (first, second) in enumerate(pairwise(site.vm.quiesce)):
        callbacks = (*site.vm.quiesce[:place], second, first, *site.vm.quiesce[place + 2 :])
        text = f"let the callback of {second.vdev} run before that of {first.vdev}"
        yield Change(Size.ORDER, text, site.with_vm(quiesce=callbacks))


def _bare(site: _Site) -> list[str]:
    """Return the devices and vdevs that no callback is about, the actor first."""
    vm = site.vm
    handled = {callback.device for callback in vm.quiesce}
    names = [*vm.passed_through, *vm.back_ends, *(vdev.name for vdev in vm.vdevs)]
    if site.actor == redistributor.NAME:
        names.append(site.actor)
    bare = [name for name in names if name not in handled]
    return sorted(bare, key=lambda name: site.actor not in (name, f"{vm.name}.{name}"))


def _only_looks(steps: Iterable[StepPlan]) -> bool:
    return all(step.name.startswith(_LOOKING) for step in steps)


def _callback(site: _Site, name: str, steps: tuple[StepPlan, ...]) -> QuiescePlan:
    is_vdev = site.procedure(name) is None
    return QuiescePlan(name if is_vdev else f"quiesce-{name}", name, steps)


def _with_callback(
    site: _Site,
    size: Size,
    name: str,
    steps: tuple[StepPlan, ...],
    words: str,
    *,
    is_documented: bool = False,
) -> Change:
    callback = _callback(site, name, steps)
    who = f"the vdev {name}" if callback.vdev == name else f"{name} a vdev with"
    text = f"give {who} a TERMINATE callback: {words}"
    plan = site.with_vm(quiesce=(*site.vm.quiesce, callback))
    return Change(size, text, plan, is_documented=is_documented)


def _callbacks(site: _Site, bare: list[str]) -> Iterator[Change]:
    for name in bare:
        for step in site.known_steps(name):
            one = site.step(name, step)
            if _only_looks((one,)):
                continue
            yield _with_callback(site, Size.CALLBACK, name, (one,), site.in_words(name, one))


def _procedures(site: _Site, bare: list[str]) -> Iterator[Change]:
    for number, callback in site.callbacks():
        for steps, words in _documented(site, callback.device):
            if steps == callback.steps:
                continue
            plan = site.with_callback(number, replace(callback, steps=steps))
            text = f"let the callback of {callback.vdev} {words}"
            is_whole = steps == site.documented(callback.device)
            yield Change(Size.PROCEDURE, text, plan, is_documented=is_whole)
    for name in bare:
        for steps, words in _documented(site, name):
            is_whole = steps == site.documented(name)
            yield _with_callback(site, Size.PROCEDURE, name, steps, words, is_documented=is_whole)


def _documented(site: _Site, device: str) -> Iterator[tuple[tuple[StepPlan, ...], str]]:
    """Give the documented procedure, whole and without one of its steps, with their words."""
    steps = site.documented(device)
    names = ", ".join(step.name for step in steps)
    yield steps, f"follow the documented procedure ({names})"
    for place, step in enumerate(steps):
        left = (*steps[:place], *steps[place + 1 :])
        names = ", ".join(each.name for each in left)
        if left and not _only_looks(left):
            yield left, f"follow the documented procedure without {step.name} ({names})"


def _all_procedures(site: _Site, bare: list[str]) -> Iterator[Change]:
    """Give the change by which every device and vdev follows its documented procedure."""
    changed = []
    callbacks = []
    for callback in site.vm.quiesce:
        steps = site.documented(callback.device)
        changed += [callback.device] if steps != callback.steps else []
        callbacks.append(replace(callback, steps=steps))
    callbacks += [_callback(site, name, site.documented(name)) for name in bare]
    changed += bare
    if len(changed) > 1:
        text = (
            f"let a TERMINATE callback follow the documented procedure of each of "
            f"{', '.join(changed[:-1])} and {changed[-1]}"
        )
        plan = site.with_vm(quiesce=tuple(callbacks))
        yield Change(Size.PROCEDURES, text, plan, is_documented=True)


def _software(site: _Site) -> Iterator[Change]:
    for name in site.plan.faults.__struct_fields__:
        if getattr(site.plan.faults, name):
            text = FAULTS.get(name, f"mend what is known as {name}")
            yield Change(Size.SOFTWARE, text, without_fault(site.plan, name))
    for number, block in enumerate(site.vm.blocks):
        if block.zero_copy:
            blocks = list(site.vm.blocks)
            blocks[number] = replace(block, zero_copy=False)
            text = f"let {block.name} copy from a buffer of the host driver (no zero-copy)"
            yield Change(Size.SOFTWARE, text, site.with_vm(blocks=tuple(blocks)))
    for field in ("blocks", "nets", "consoles", "entropies"):
        for number, vdev in enumerate(getattr(site.vm, field)):
            if vdev.reset_policy == "nothing":
                vdevs = list(getattr(site.vm, field))
                vdevs[number] = replace(vdev, reset_policy="drain-and-drop")
                text = f"let the reset of {vdev.name} wait for what is in flight"
                yield Change(Size.SOFTWARE, text, site.with_vm(**{field: tuple(vdevs)}))


def _pauses(site: _Site) -> Iterator[AdjustableChange]:
    plan = site.plan

    def later(field: str, words: str) -> Callable[[int], Change]:
        span: Span = getattr(plan.timing, field)

        def at(more_ns: int) -> Change:
            moved = Span(span.lo_ns + more_ns, span.hi_ns + more_ns)
            timing = replace(plan.timing, **{field: moved})
            text = f"{words} {format_ns(more_ns)} later"
            return Change(Size.PAUSE, text, replace(plan, timing=timing), more_ns)

        return at

    most_ns = max(plan.teardown_ns_max, 1)
    yield AdjustableChange(Size.PAUSE, most_ns, later("process_exit_base", "return guest memory"))
    if site.vm.restart:
        yield AdjustableChange(Size.PAUSE, most_ns, later("restart", "start the next instance"))


def _signals(site: _Site) -> Iterator[Change]:
    end = site.vm.end
    if end is not None and end.cause == "sigkill" and BY_NAME["sigquit"].orderly:
        text = "end qvm with SIGQUIT and not with SIGKILL, so that it runs its own exit path"
        yield Change(Size.SIGNAL, text, site.with_vm(end=replace(end, cause="sigquit")))


def _devices(plan: SystemPlan) -> Iterator[Change]:
    for field in ("nics", "devices"):
        devices: tuple[Any, ...] = getattr(plan, field)
        for number, device in enumerate(devices):
            for text, changed in _sounder(device):
                others = (*devices[:number], changed, *devices[number + 1 :])
                yield Change(Size.DEVICE, text, replace(plan, **{field: others}))


def _sounder(device: Any) -> Iterator[tuple[str, Any]]:
    """Give the device with each of its peculiarities mended, one at a time."""
    plain = plain_traits(type(device))
    for trait in plain.__struct_fields__:
        if getattr(device.traits, trait) != getattr(plain, trait):
            traits = replace(device.traits, **{trait: getattr(plain, trait)})
            words = TRAITS.get(trait, f"without the trait {trait}")
            yield f"take a device for {device.name} {words}", replace(device, traits=traits)
    names, values = device.__struct_fields__, device.__struct_defaults__
    defaults = dict(zip(names[-len(values) :], values, strict=True))
    for name, words in DEVICES.items():
        if name in defaults and getattr(device, name) != defaults[name]:
            changed = replace(device, **{name: defaults[name]})
            yield f"take a device for {device.name} {words}", changed
