"""The same choices give the same bytes, in another process too; other choices give other bytes."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quiesce.model.base.choices import Choices, Earliest, Latest, Nominal, Replay, Seeded
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace import codec
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.resolve.library import resolved

ROOT = Path(__file__).resolve().parents[1]

PlanMaker = Callable[..., SystemPlan]


def trace_bytes(plan: SystemPlan, choices: Choices) -> bytes:
    return codec.encode(run(plan, choices))


@pytest.mark.parametrize("make", [Nominal, Earliest, Latest, lambda: Seeded(11)])
def test_a_replay_gives_the_same_bytes(nic_system: PlanMaker, make: Callable[[], Choices]) -> None:
    plan = nic_system(nic={"frames": 20})
    choices = make()
    first = trace_bytes(plan, choices)
    assert trace_bytes(plan, Replay(choices.log)) == first


def test_other_choices_give_another_trace(nic_system: PlanMaker) -> None:
    plan = nic_system(nic={"frames": 20})
    traces = {trace_bytes(plan, choices) for choices in (Nominal(), Seeded(1), Seeded(2))}
    assert len(traces) == 3


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_scenario_can_be_replayed_from_its_log(name: str) -> None:
    plan = resolved(name).plan
    choices = Seeded(4)
    first = trace_bytes(plan, choices)
    assert trace_bytes(plan, Replay(choices.log)) == first


@pytest.mark.slow
def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    program = (
        "import hashlib\n"
        "from quiesce.model.trace import codec\n"
        "from quiesce.model.base.choices import Seeded\n"
        "from quiesce.model.machine.system import run\n"
        "from quiesce.scenarios.resolve.library import resolved\n"
        "data = codec.encode(run(resolved('nic-crash-restart').plan, Seeded(3)))\n"
        "print(hashlib.sha256(data).hexdigest())\n"
    )
    here = hashlib.sha256(trace_bytes(resolved("nic-crash-restart").plan, Seeded(3))).hexdigest()
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / ".src")}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == here
