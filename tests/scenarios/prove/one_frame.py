"""A system small enough for a proof: its NIC receives one frame, about when the guest crashes."""

from collections.abc import Callable

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.scenarios.resolve.resolve import ResolvedScenario

PlanMaker = Callable[..., SystemPlan]

ABOUT_THE_CRASH = Span(298_000, 302_000)


def one_frame(
    nic_system: PlanMaker,
    steps: tuple[tuple[str, int], ...] = (),
    gap: Span = ABOUT_THE_CRASH,
    observe_ns: int = 30_000,
) -> SystemPlan:
    """Return the system, whose vdev takes the given steps."""
    return nic_system(
        steps,
        vm={"restart": False, "end": EndPlan("guest-crash", exactly(300_000))},
        nic={"frames": 1, "ring_size": 8, "prefetch": 1, "gap": gap},
        observe=exactly(observe_ns),
        pinned={
            "guest.crash-reaches-qvm": "at-once",
            "procnto.release-order": "ascending",
            "qvm.mask-tracking": "untracked",
        },
    )


def scenario(plan: SystemPlan) -> ResolvedScenario:
    """Return a scenario of the plan alone."""
    return ResolvedScenario(plan, (), {}, ())
