"""What becomes of a quiesce procedure that is followed, cut short or mixed up: from the runs.

    python -m quiesce.scenarios.procedure_table > docs/quiesce-procedures.md

For each kind of device a guest crashes while the device works for it, and its vdev follows the
documented procedure or a variation of it.  Each variation runs with the nominal, the earliest and
the latest timing and with random ones; memory is released right afterwards and the next guest comes
up on the same frames and line, so that nothing is saved by mere slowness.
"""

import sys
from collections.abc import Iterator
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from ..model.clock import Span, exactly
from ..model.hardware.procedure import Procedure
from ..model.hardware.registry import DeviceKind, kinds
from ..model.plan import AfterPlan, EndPlan, QuiescePlan, RamPlan, StepPlan, SystemPlan, VmPlan
from ..model.system import run
from ..model.timing import Timing
from ..model.trace import AnyEvent, QuiesceStepEnded
from ..properties.check import check
from .mutants import timings

SEEDS = 9
"""Random timings for each variation, besides the three fixed ones."""

_DEVICE = "dev"
_INTID = 40
_TIMING = Timing(
    pcie_posted_write=Span(100, 5_000),
    process_exit_base=Span(0, 500),
    process_exit_per_mib=Span(100, 2_000),
    release_skew=exactly(0),
    guest_boot=Span(20_000, 60_000),
    gic_disable_rwp=Span(50, 500),
    restart=Span(50_000, 100_000),
)


class Variation(msgspec.Struct, frozen=True):
    """A way to follow a procedure.

    Attributes:
        name: In words.
        steps: What is done.
    """

    name: str
    steps: tuple[StepPlan, ...]


def variations(procedure: Procedure) -> Iterator[Variation]:
    """Give the documented order, each step left out, each two neighbours swapped, no waits."""
    steps = tuple(StepPlan(*step) for step in procedure.documented)
    yield Variation("as documented", steps)
    for place, step in enumerate(steps):
        left = steps[:place] + steps[place + 1 :]
        yield Variation(f"without {_numbered(place, step)}", left)
    for place, (one, other) in enumerate(pairwise(steps)):
        mixed = (*steps[:place], other, one, *steps[place + 2 :])
        words = f"{_numbered(place + 1, other)} before {_numbered(place, one)}"
        yield Variation(words, mixed)
    waiting = [step for step in steps if step.bound_ns]
    if waiting:
        hasty = tuple(replace(step, bound_ns=min(step.bound_ns, 1)) for step in steps)
        yield Variation("every wait gives up after 1 ns, memory is released", hasty)


def _numbered(place: int, step: StepPlan) -> str:
    return f"{place + 1} {step.name}"


def plan_of(kind: DeviceKind, steps: tuple[StepPlan, ...], *, releases: bool) -> SystemPlan:
    """Return the system in which a procedure is tried."""
    quiesce = QuiescePlan("vdev", _DEVICE, steps, "release" if releases else "quarantine")
    device = kind.plan(_DEVICE, _INTID)
    is_nic = kind is kinds()["nic"]
    vm = VmPlan(
        "vm",
        (RamPlan(0x8000_0000, 4 << 20),),
        nics=(_DEVICE,) if is_nic else (),
        devices=() if is_nic else (_DEVICE,),
        quiesce=(quiesce,),
        end=EndPlan("guest-crash", Span(0, 40_000), AfterPlan("IrqTaken", count=3)),
        restart=True,
    )
    return SystemPlan(
        "procedure",
        (vm,),
        nics=(device,) if is_nic else (),
        devices=() if is_nic else (device,),
        timing=_TIMING,
        pinned={"guest.crash-reaches-qvm": "at-once", "procnto.pending-at-detach": "cleared"},
        observe=exactly(200_000),
        horizon_ns=2_000_000_000,
    )


class Outcome(msgspec.Struct, frozen=True):
    """What came of a variation over all timings.

    Attributes:
        violated: In how many something was violated.
        timed_out: In how many a step gave up waiting.
        properties: What was violated.
    """

    violated: int
    timed_out: int
    properties: frozenset[str]


def outcome(kind: DeviceKind, variation: Variation, seeds: int = SEEDS) -> Outcome:
    """Return what comes of a variation."""
    plan = plan_of(kind, variation.steps, releases=variation.name.startswith("every wait"))
    traces = [run(plan, choices) for choices in timings(seeds)]
    broken = [{v.property for v in check(trace) if v.verdict == "violated"} for trace in traces]
    timed_out = sum(any(_gives_up(record.event) for record in trace.records) for trace in traces)
    names = frozenset().union(*broken)
    return Outcome(sum(bool(each) for each in broken), timed_out, names)


def _gives_up(event: AnyEvent) -> bool:
    return isinstance(event, QuiesceStepEnded) and event.outcome == "timed_out"


def document() -> str:
    """Return the table of all kinds as Markdown."""
    lines = [
        "# Quiesce procedures, tried",
        "",
        "Made by `python -m quiesce.scenarios.procedure_table`; every line comes from runs.",
        f"Each variation ran with {SEEDS + 3} timings. Where a step timed out, the memory was",
        "quarantined, which is safe and costs the memory; but for the last line of each table,",
        "which releases it all the same. A step whose absence harms nobody here may still matter",
        "elsewhere: procedures are made of several barriers on purpose, and the table shows what",
        "these runs show and no more.",
    ]
    for name, kind in kinds().items():
        lines += _section(name, kind)
    return "\n".join(lines) + "\n"


def _section(name: str, kind: DeviceKind) -> list[str]:
    procedure = kind.procedure
    lines = ["", f"## {name}: {kind.summary}", "", f"Source: {procedure.source}.", ""]
    for place, (step, bound_ns) in enumerate(procedure.documented, start=1):
        bound = f", at most {bound_ns / 1e6:g} ms" if bound_ns else ""
        lines.append(f"{place}. `{step}`: {procedure.steps[step]}{bound}")
    lines += ["", "| variation | violated in | timed out in | by |", "|---|---|---|---|"]
    for variation in variations(procedure):
        found = outcome(kind, variation)
        words = ", ".join(f"`{each}`" for each in sorted(found.properties)) or "nothing"
        lines.append(f"| {variation.name} | {found.violated} | {found.timed_out} | {words} |")
    return lines


if __name__ == "__main__":
    sys.stdout.write(document())
