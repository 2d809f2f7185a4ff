"""From plans back to the files that people write."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from quiesce.model.plan.system_plan import QuiescePlan
from quiesce.properties.search.smaller_plans import smaller
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.format.toml_text import toml_text
from quiesce.scenarios.resolve.as_files import SCENARIO, NotWritten, scenario_files
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.replay import same_system
from quiesce.scenarios.resolve.resolve import resolve


@pytest.mark.parametrize("name", shipped_names())
def test_the_system_of_every_shipped_scenario_can_be_written(name: str, tmp_path: Path) -> None:
    plan = resolved(name).plan
    for file, text in scenario_files(plan, head="Two\nlines").items():
        (tmp_path / file).write_text(text)
    assert same_system(resolve(load(tmp_path / SCENARIO)).plan, plan)


@pytest.mark.parametrize("name", ["article-walk", "kill-during-callback", "shared-line"])
def test_whatever_makes_a_system_smaller_leaves_one_that_can_be_written(name: str) -> None:
    for plan in smaller(resolved(name).plan):
        if any(vm.ends or vm.passed_through or vm.vdevs for vm in plan.vms):
            assert SCENARIO in scenario_files(plan)


@pytest.mark.parametrize("bound_ns", [0, 20_000_000])
def test_the_bound_of_messages_stands_in_the_configuration(bound_ns: int, tmp_path: Path) -> None:
    plan = resolved("host-sdmmc-crash").plan
    plan = replace(plan, vms=(replace(plan.vms[0], block_timeout_ns=bound_ns),))
    for file, text in scenario_files(plan).items():
        (tmp_path / file).write_text(text)
    assert same_system(resolve(load(tmp_path / SCENARIO)).plan, plan)


def test_callbacks_that_no_configuration_can_order_are_refused() -> None:
    plan = resolved("blk-crash-drained").plan
    (vm,) = plan.vms
    first = vm.blocks[0]
    both = (first, replace(first, name="second", loc=first.loc + 0x1_0000, intr=first.intr + 1))
    steps = vm.quiesce[0].steps
    quiesce = tuple(QuiescePlan(block.name, block.name, steps) for block in reversed(both))
    changed = replace(plan, vms=(replace(vm, blocks=both, quiesce=quiesce),))
    with pytest.raises(NotWritten, match="come in no order of its vdevs"):
        scenario_files(changed)


def test_what_no_scenario_says_is_refused_and_named() -> None:
    plan = replace(resolved("nic-crash-bare").plan, horizon_ns=1_000)
    with pytest.raises(NotWritten, match="horizon_ns would not be the same"):
        scenario_files(plan)


PLAIN = st.text() | st.integers() | st.booleans()
KEYS = st.text(min_size=1).filter(
    lambda key: key not in {"after", "crash", "reset", "traits", "steps"}
)
TABLES = st.recursive(
    st.dictionaries(KEYS, PLAIN | st.lists(PLAIN), max_size=3),
    lambda inner: st.dictionaries(
        KEYS, PLAIN | inner | st.lists(inner, min_size=1, max_size=3), max_size=3
    ),
    max_leaves=8,
)


@settings(derandomize=True, database=None, deadline=None)
@given(TABLES)
def test_tables_are_read_back_as_they_were_written(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(table)) == table
