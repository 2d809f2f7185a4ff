"""Runs each quiesce procedure as documented, cut short or reordered, and tabulates the violations.

    python -m quiesce.scenarios.mutants.procedure_table > docs/quiesce-procedures.md

For each kind of device a guest crashes while the device works for it.  Its vdev then follows the
documented procedure or a variation of it.  Each variation runs with the nominal, the earliest and
the latest timing and with random ones.  qvm releases memory right afterwards, and the next guest
comes up on the same frames and line.  So no variation is safe merely because something is slow.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from ...model.base.clock import Span, exactly
from ...model.hardware.registry import DeviceKind, kinds
from ...model.machine.system import run
from ...model.plan.device_plans import EduPlan
from ...model.plan.short_timing import TIGHT
from ...model.plan.system_plan import (
    AfterPlan,
    EndPlan,
    QuiescePlan,
    RamPlan,
    StepPlan,
    SystemPlan,
    VmPlan,
)
from ...model.trace.events import AnyEvent, QuiesceStepEnded
from ...model.vdev.virtio_vdev import STEPS as VDEV_STEPS
from ...properties.check import check
from ...properties.core.verdict import Verdict, is_cost
from .changes import traits
from .designs import CLASSES, CRASH, designs
from .mutant_scores import timings

SEEDS = 9
"""Random timings for each variation, besides the three fixed ones."""

_DEVICE = "dev"
_INTID = 40
_CUT_NS = 1
_ASK_FOR_IDLENESS = ("await-idle", "confirm")

Steps = tuple[StepPlan, ...]


class Subject(NamedTuple):
    """A device or vdev with its procedure.

    Attributes:
        summary: What it is, in half a line.
        steps: Every step by name, with what it does.
        documented: The documented order.
        source: Where that comes from.
        plan: Gives the system in which it is tried, without what its vdev does.
    """

    summary: str
    steps: dict[str, str]
    documented: Steps
    source: str
    plan: Callable[[], SystemPlan]


class Variation(msgspec.Struct, frozen=True):
    """A way to follow a procedure.

    Attributes:
        name: In words.
        kind: `documented`, `left-out`, `swapped`, `not-awaited` or `timed-out`.
        steps: What is done.
        releases: Whether memory is released although a wait was in vain.
        never_idle: Whether the device never says that it is idle.
    """

    name: str
    kind: str
    steps: Steps
    releases: bool = False
    never_idle: bool = False


def subjects() -> dict[str, Subject]:
    """Return all that has a procedure, by name."""
    found = {
        name: Subject(
            kind.summary,
            kind.procedure.steps,
            tuple(StepPlan(*step) for step in kind.procedure.documented),
            kind.procedure.source,
            partial(_plan_with, kind),
        )
        for name, kind in kinds().items()
    }
    block = CLASSES["block"]
    found["virtio-blk"] = Subject(
        block.summary,
        VDEV_STEPS,
        tuple(StepPlan(*step) for step in block.steps),
        "QNX virtual device developer's guide, terminate: cancel and join the worker thread; "
        "that the back end must be drained, cloud-hypervisor 7e2e7a164baa",
        lambda: designs()[f"block/vdev/{CRASH}"],
    )
    return found


def _plan_with(kind: DeviceKind) -> SystemPlan:
    device = kind.plan(_DEVICE, _INTID)
    is_nic = kind is kinds()["nic"]
    vm = VmPlan(
        "vm",
        (RamPlan(0x8000_0000, 4 << 20),),
        nics=(_DEVICE,) if is_nic else (),
        devices=() if is_nic else (_DEVICE,),
        quiesce=(QuiescePlan("vdev", _DEVICE, ()),),
        end=EndPlan(CRASH, Span(0, 40_000), AfterPlan("IrqTaken", count=3)),
        restart=True,
    )
    return SystemPlan(
        "procedure",
        (vm,),
        nics=(device,) if is_nic else (),
        devices=() if is_nic else (device,),
        timing=TIGHT,
        pinned={"guest.crash-reaches-qvm": "at-once", "procnto.pending-at-detach": "cleared"},
        observe=exactly(200_000),
        horizon_ns=2_000_000_000,
    )


# Variations.


def variations(steps: Steps) -> Iterator[Variation]:
    """Yield the documented order and every variation of it, step by step."""
    yield Variation("as documented", "documented", steps)
    for place, step in enumerate(steps):
        left = steps[:place] + steps[place + 1 :]
        yield Variation(f"without {_numbered(place, step)}", "left-out", left)
    for place, (one, other) in enumerate(pairwise(steps)):
        mixed = (*steps[:place], other, one, *steps[place + 2 :])
        words = f"{_numbered(place + 1, other)} before {_numbered(place, one)}"
        yield Variation(words, "swapped", mixed)
    waiting = [place for place, step in enumerate(steps) if step.bound_ns]
    for place in waiting:
        cut = _cut(steps, place)
        name = _numbered(place, steps[place])
        yield Variation(
            f"{name} is not awaited, memory is released", "not-awaited", cut, releases=True
        )
    if len(waiting) > 1:
        yield Variation(
            "nothing is awaited, memory is released",
            "not-awaited",
            _cut(steps, *waiting),
            releases=True,
        )
    for place in waiting:
        name = _numbered(place, steps[place])
        asks = steps[place].name in _ASK_FOR_IDLENESS
        yield Variation(f"{name} times out", "timed-out", _cut(steps, place), never_idle=asks)


def _cut(steps: Steps, *places: int) -> Steps:
    """Return the steps with the bounds at some places so short that they cannot be kept."""
    return tuple(
        replace(step, bound_ns=_CUT_NS) if place in places else step
        for place, step in enumerate(steps)
    )


def _numbered(place: int, step: StepPlan) -> str:
    return f"{place + 1} {step.name}"


class VariationResult(msgspec.Struct, frozen=True):
    """The violations of a variation over all timings.

    Attributes:
        violated: In how many timings a property other than a cost was violated.
        timed_out: In how many timings a step gave up waiting.
        properties: The violated properties other than costs.
        costs: The violated properties that only stand for a cost and harm no VM.
    """

    violated: int
    timed_out: int
    properties: frozenset[str]
    costs: frozenset[str]


def run_variation(subject: Subject, variation: Variation, seeds: int = SEEDS) -> VariationResult:
    """Run a variation in all timings and return its violations."""
    plan = _followed(subject.plan(), variation)
    traces = [run(plan, choices) for choices in timings(seeds)]
    judged = [check(trace) for trace in traces]
    broken = [{v.property for v in each if _harms(v)} for each in judged]
    costs = frozenset(v.property for each in judged for v in each if is_cost(v))
    timed_out = sum(any(_gives_up(record.event) for record in trace.records) for trace in traces)
    names = frozenset().union(*broken)
    return VariationResult(sum(bool(each) for each in broken), timed_out, names, costs)


def _harms(verdict: Verdict) -> bool:
    return verdict.verdict == "violated" and not is_cost(verdict)


def _followed(plan: SystemPlan, variation: Variation) -> SystemPlan:
    """Return the system whose vdev follows a variation."""
    (vm,) = plan.vms
    (callback,) = vm.quiesce
    on_timeout = "release" if variation.releases else "quarantine"
    callback = replace(callback, steps=variation.steps, on_timeout=on_timeout)
    plan = replace(plan, vms=(replace(vm, quiesce=(callback,)),))
    hangs = variation.never_idle and not isinstance(plan.passable[0], EduPlan)  # it has no traits
    return traits(never_idle=True)(plan) if hangs else plan


def _gives_up(event: AnyEvent) -> bool:
    return isinstance(event, QuiesceStepEnded) and event.outcome == "timed_out"


# The document.


def document() -> str:
    """Return the table of all kinds as Markdown."""
    lines = [
        "# Quiesce procedures, tried",
        "",
        "Made by `python -m quiesce.scenarios.mutants.procedure_table`; every line comes from",
        f"runs. Each variation ran with {SEEDS + 3} timings. The variations are:",
        "",
        "- the documented order;",
        "- each step left out;",
        "- each two neighbours swapped;",
        "- each wait not awaited: qvm releases the memory although the wait has timed out;",
        "- each wait timing out; where a wait asks for idleness, the device never says that it is",
        "  idle.",
        "",
        "Where a step times out qvm quarantines the memory, which is safe and costs the memory.",
        "0 in that column means that the device had done what the step waits for before its first",
        "look. The last column names the properties that are violated and stand for a cost: their",
        "violation harms no VM.",
        "",
        "A step whose absence harms no VM here may still matter elsewhere. Procedures have several",
        "barriers on purpose, and the table shows what these runs show and no more.",
    ]
    for name, subject in subjects().items():
        lines += _section(name, subject)
    return "\n".join(lines) + "\n"


def _section(name: str, subject: Subject) -> list[str]:
    lines = ["", f"## {name}: {subject.summary}", "", f"Source: {subject.source}.", ""]
    for place, step in enumerate(subject.documented, start=1):
        bound = f", at most {step.bound_ns / 1e6:g} ms" if step.bound_ns else ""
        lines.append(f"{place}. `{step.name}`: {subject.steps[step.name]}{bound}")
    lines += ["", "| variation | violated in | timed out in | by | cost |", "|---|---|---|---|---|"]
    for variation in variations(subject.documented):
        found = run_variation(subject, variation)
        numbers = f"{found.violated} | {found.timed_out}"
        words = f"{_listed(found.properties)} | {_listed(found.costs)}"
        lines.append(f"| {variation.name} | {numbers} | {words} |")
    return lines


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(names)) or "nothing"


if __name__ == "__main__":
    sys.stdout.write(document())
