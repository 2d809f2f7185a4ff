"""Proofs, runs and an oracle that shares nothing with the properties say the same.

The full version, 100 systems and 4,000 runs of each, is `benchmarks/checks/cross_check.py`.
"""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.machine.system import run

from .engines import compared
from .oracle import JUDGED, broken
from .tiny_plans import tiny

PLANS = 20
RUNS = 40


@pytest.mark.slow
@pytest.mark.parametrize("number", range(PLANS))
def test_proofs_runs_and_the_oracle_agree(number: int) -> None:
    outcome = compared(tiny(number), RUNS)
    assert outcome.disagreements == []
    assert set(outcome.words) == set(JUDGED)


def test_the_systems_are_not_all_alike() -> None:
    """Two callbacks in both orders, two that wait in vain, and every kind of device are there."""
    plans = [tiny(number) for number in range(PLANS)]
    orders = {plan.pinned["qvm.callback-order"] for plan in plans if len(plan.vms[0].quiesce) == 2}
    assert orders == {"as-configured", "reversed"}
    assert {type(each).__name__ for plan in plans for each in plan.passable} == {
        *("NicPlan", "EduPlan", "CanPlan"),
    }
    assert tiny(3) == tiny(3)


def test_the_oracle_sees_what_is_wrong() -> None:
    seen = {name for number in range(100) for name in broken(run(tiny(number), Nominal()))}
    assert {"no-dma-after-teardown", "timeout-quarantines", "teardown-bounded"} <= seen
