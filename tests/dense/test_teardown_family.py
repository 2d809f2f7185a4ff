"""The family of teardowns: verdicts and distances that a short argument gives, for every member."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from quiesce.model.base.choices import Replay
from quiesce.model.dense.replay import replay, run_until
from quiesce.model.sim.kernel import Kernel
from quiesce.properties.prove.counterexample import NotReplayedError, Schedule, confirmed
from quiesce.properties.prove.model_proof import proof_of, trail_to

from .small_proofs import prove, searched


def family_module() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "teardown_n.py"
    spec = importlib.util.spec_from_file_location("teardown_n", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["teardown_n"] = module
    spec.loader.exec_module(module)
    return module


FAMILY = family_module()


@pytest.mark.parametrize("n", [1, 2, 3, 6])
@pytest.mark.parametrize("drain", [3, 4, 6])
def test_a_drain_longer_than_a_landing_is_safe_and_no_other(n: int, drain: int) -> None:
    figures = FAMILY.measured(FAMILY.Family(n, drain), is_sliced=True)
    if drain <= 3:
        assert figures["verdict"] == "violated"
        return
    assert figures["verdict"] == "proved"
    assert figures["longest_crash_to_release"] == 2 + 2 * n + drain
    assert figures["margin"] == drain - 3


@pytest.mark.parametrize("nostop", [1, 2, 3])
def test_a_device_that_is_not_stopped_is_caught(nostop: int) -> None:
    figures = FAMILY.measured(FAMILY.Family(3, 4, nostop), is_sliced=True)
    assert figures["verdict"] == "violated"


@pytest.mark.parametrize("drain", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_slices_parts_and_the_whole_agree(drain: int) -> None:
    family = FAMILY.Family(2, drain)
    figures = [
        FAMILY.measured(family, is_sliced=is_sliced, in_parts=in_parts)
        for is_sliced, in_parts in ((True, True), (False, True), (False, False))
    ]
    known = ("verdict", "longest_crash_to_release", "margin")
    assert all([each[name] for name in known] == [figures[0][name] for name in known]
               for each in figures)  # fmt: skip


@pytest.mark.slow
def test_the_order_of_what_does_not_meet_is_left_open() -> None:
    family = FAMILY.Family(2, 4)
    watches = [make for claim in family.claims() for make in claim.watches]
    by_parts = prove(family.build, watches, in_parts=True)
    as_whole = prove(family.build, watches)
    assert (by_parts.classes, as_whole.classes) == (248, 461)


def test_the_shortest_run_against_a_short_drain_lands_at_the_instant_of_release() -> None:
    family = FAMILY.Family(1, 3)
    claim = family.claims()[1]
    search, system = searched(family.build, claim.watches)
    fault = proof_of(search, system).faults[0]
    found = confirmed(
        trail_to(system, fault.by),
        fault.claim,
        claim.watches,
        lambda schedule: replay(family.build, *schedule),
    )
    names = [type(record.event).__name__ for record in found.records]
    assert names == ["TerminationBegun", "FramesReleased", "DmaLanded"]
    # The write leaves at the end of the callback, at 2, and takes all of its three.
    assert [record.at_ns for record in found.records] == [0, 5, 5]

    again = Kernel(Replay(found.log))
    run_until(again, family.build, last_ns=5)
    assert tuple(again.records) == found.records


def test_a_run_that_does_not_replay_is_an_internal_error() -> None:
    family = FAMILY.Family(1, 3)
    claim = family.claims()[1]
    search, system = searched(family.build, claim.watches)
    fault = proof_of(search, system).faults[0]

    def earlier(schedule: Schedule) -> tuple[list, list]:  # type: ignore[type-arg]
        return replay(family.build, *schedule._replace(last_ns=schedule.last_ns - 1))

    with pytest.raises(NotReplayedError, match="internal error"):
        confirmed(trail_to(system, fault.by), fault.claim, claim.watches, earlier)
