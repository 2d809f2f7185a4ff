"""Small systems with two groups of devices, for proofs with and without slices."""

import random

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.short_timing import SHORT
from quiesce.model.plan.system_plan import (
    EndPlan,
    QuiescePlan,
    RamPlan,
    StepPlan,
    SystemPlan,
    VmPlan,
)
from quiesce.model.plan.virtio_plan import ConsolePlan, EntropyPlan
from quiesce.scenarios.resolve.resolve import ResolvedScenario

PINNED = {
    "guest.crash-reaches-qvm": "at-once",
    "procnto.release-order": "ascending",
    "qvm.callback-order": "as-configured",
}
DRAIN = (StepPlan("drain", 5_000),)
JOIN = (StepPlan("stop-queue"), StepPlan("join-worker"))
EARLY = exactly(12_000)
AT_ANY_TIME = Span(9_000, 11_000)


def chained(
    *,
    end: Span = EARLY,
    console: tuple[StepPlan, ...] = (),
    entropy: tuple[StepPlan, ...] = (),
    teardown_ns_max: int = 10_000_000,
    gap: Span = AT_ANY_TIME,
) -> SystemPlan:
    """Return a VM with a console that may get one input, and an entropy device asked once."""
    callbacks = {"con": console, "rng": entropy}
    vm = VmPlan(
        "vm",
        (RamPlan(0x8000_0000, 1 << 20),),
        entropies=(EntropyPlan(name="rng", intr=40, queue_size=2, requests=1),),
        consoles=(
            ConsolePlan(
                name="con",
                loc=0x1C0E_0000,
                intr=41,
                queue_size=2,
                buffers=1,
                prints=0,
                inputs=1,
                gap=gap,
            ),
        ),
        quiesce=tuple(QuiescePlan(name, name, steps) for name, steps in callbacks.items() if steps),
        end=EndPlan("guest-crash", end),
    )
    return SystemPlan(
        "two-groups",
        (vm,),
        timing=SHORT,
        observe=exactly(1_000),
        horizon_ns=1_000_000,
        pinned=PINNED,
        teardown_ns_max=teardown_ns_max,
    )


def drawn(number: int) -> SystemPlan:
    """Return one of many such systems."""
    draws = random.Random(number)
    lo_ns = draws.randrange(0, 40_000)
    steps = ((), DRAIN, JOIN, (*DRAIN, *JOIN))
    return chained(
        end=Span(lo_ns, lo_ns + draws.choice((0, 0, 500, 5_000))),
        console=draws.choice(steps),
        entropy=draws.choice(steps),
        teardown_ns_max=draws.choice((10_000_000, 300_000, 100_000)),
        gap=Span(1_000 * draws.randrange(1, 20), 20_000),
    )


def scenario(plan: SystemPlan) -> ResolvedScenario:
    """Return a plan as if it had been read from a file."""
    return ResolvedScenario(plan, (), {}, ())
