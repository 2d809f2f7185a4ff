"""A longer observation never turns *holds* into *violated*, nor back, wherever the cut falls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.plan.system_plan import SystemPlan
from quiesce.properties.generate import strategies
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.resolve.library import resolved

from .phases import contradictions, lengths_ns

PHASES = 6


@pytest.mark.slow
@given(strategies.mutants(), st.integers(0, 1 << 20))
def test_the_length_of_the_observation_decides_nothing_in_a_spoiled_system(
    plan: SystemPlan, seed: int
) -> None:
    assert contradictions(plan, seed, lengths_ns(plan.observe.hi_ns, PHASES)) == {}


@pytest.mark.slow
@given(strategies.systems(), st.integers(0, 1 << 20))
def test_the_length_of_the_observation_decides_nothing_in_a_right_system(
    plan: SystemPlan, seed: int
) -> None:
    assert contradictions(plan, seed, lengths_ns(plan.observe.hi_ns, PHASES)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_the_length_of_the_observation_decides_nothing_in_a_shipped_scenario(name: str) -> None:
    plan = resolved(name).plan
    assert contradictions(plan, 0, lengths_ns(plan.observe.hi_ns, PHASES)) == {}
