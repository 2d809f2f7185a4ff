"""The unsafe instants of an end agree with a proof for each instant."""

from collections.abc import Callable

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.properties.prove.system_proof import Limits
from quiesce.properties.registry import TEARDOWN
from quiesce.scenarios.prove.proof import prove_plan, windows_of_plan

PlanMaker = Callable[..., SystemPlan]
KINDS = (TEARDOWN["no-dma-after-teardown"],)
FIRST_NS, LAST_NS = 60_000, 420_000
CAUSE = "qvm178: guest-crash"


def crash(nic_system: PlanMaker, when: Span) -> SystemPlan:
    """Return a system whose NIC receives one frame and is never stopped."""
    return nic_system(
        vm={"restart": False, "end": EndPlan("guest-crash", when)},
        nic={"frames": 1, "ring_size": 8, "prefetch": 1, "gap": Span(380_000, 382_000)},
        observe=exactly(300_000),
        pinned={
            "guest.crash-reaches-qvm": "at-once",
            "procnto.release-order": "ascending",
            "qvm.mask-tracking": "untracked",
        },
    )


@pytest.mark.slow
def test_unsafe_windows_are_those_in_which_a_crash_at_each_instant_is_violated(
    nic_system: PlanMaker,
) -> None:
    plan = crash(nic_system, Span(FIRST_NS, LAST_NS))
    proof = prove_plan(plan, KINDS, Limits())
    search = windows_of_plan(plan, KINDS, proof, Limits())
    assert search.is_whole
    windows = search.found[CAUSE]
    instants = {
        at
        for window in windows
        for edge in window
        for at in (edge - 1, edge, edge + 1)
        if FIRST_NS <= at <= LAST_NS
    }
    for at_ns in sorted(instants):
        alone = prove_plan(crash(nic_system, exactly(at_ns)), KINDS, Limits())
        is_inside = any(first <= at_ns <= last for first, last in windows)
        found = alone.findings[KINDS[0].name].word
        assert (found == "violated") == is_inside, at_ns
