"""Work under way at the end of the observation is not over, and no verdict says that it is."""

import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Earliest, Latest, Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.observation import LEAST_NS, until_all_have_acted
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import ObservationEnded, OutsideEnded, StillUnderWay, Trace
from quiesce.properties.check import check, judge
from quiesce.properties.prove.system_proof import Limits
from quiesce.properties.registry import named
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.prove.proof import prove_plan
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.resolve import resolve

PlanMaker = Callable[..., SystemPlan]
WRITE = "no-dma-after-teardown"

CONFIGURATION = """
    system qvm178
    ram 0x80000000,4M
    pass loc mem:0x1b000000,0x20000,rw=0x1b000000
            intr gic:44=179
    """

SLOW_TRANSFER = """
    description = "A transfer that takes 100 ms was asked for before the guest crashed."
    configuration = "guest.qvmconf"
    restart = true

    [platform]
    iommu = "none"

    [[platform.device]]
    kind = "edu"
    name = "edu0"
    interrupt = 179

    [end]
    cause = "guest-crash"
    after = { event = "DmaRequested", count = 2, delay = "10ms..50ms" }

    [timing]
    guest_boot = "100us..300us"
    process_exit_base = "50us..200us"
    release_skew = "0ns..20us"

    [choices]
    "guest.crash-reaches-qvm" = "at-once"
    """


@pytest.fixture
def slow_transfer(tmp_path: Path) -> SystemPlan:
    """Return a system whose device writes long after its guest has gone."""
    (tmp_path / "guest.qvmconf").write_text(textwrap.dedent(CONFIGURATION))
    (tmp_path / "s.toml").write_text(textwrap.dedent(SLOW_TRANSFER))
    return resolve(load(tmp_path / "s.toml")).plan


def words(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


def instants(trace: Trace, kind: type) -> list[int]:
    return [record.at_ns for record in trace.records if isinstance(record.event, kind)]


@pytest.mark.parametrize("timing", [Nominal, Earliest, Latest])
def test_a_write_that_lands_long_after_the_release_is_seen(
    slow_transfer: SystemPlan, timing: type[Nominal]
) -> None:
    assert words(run(slow_transfer, timing()))[WRITE] == "violated"


def test_a_proof_does_not_end_before_the_write_that_is_owed(slow_transfer: SystemPlan) -> None:
    limits = Limits(deadline_s=time.monotonic() + 60)
    proof = prove_plan(slow_transfer, named([WRITE]), limits)
    assert proof.findings[WRITE].word == "violated"


def test_a_read_that_the_host_driver_owes_lands_however_short_the_observation(
    block_system: PlanMaker,
) -> None:
    plan = block_system(observe=exactly(1), block={"zero_copy": True})
    trace = run(plan, Nominal())
    (alone_ns,) = instants(trace, OutsideEnded)
    (ended_ns,) = instants(trace, ObservationEnded)
    assert ended_ns > alone_ns
    assert words(trace) == words(run(block_system(block={"zero_copy": True}), Nominal()))


def test_a_controller_that_nobody_stopped_never_holds(nic_system: PlanMaker) -> None:
    """The observation ends before the next frame; another would have been stored all the same."""
    rare = {"gap": exactly(20_000_000)}
    plan = nic_system(observe=exactly(1), vm={"restart": False}, nic=rare)
    trace = run(plan, Earliest())
    open_ones = [each.event for each in trace.records if isinstance(each.event, StillUnderWay)]
    assert StillUnderWay("eth0", 1, "both", "frames from the wire") in open_ones
    assert words(trace)[WRITE] == "inconclusive"
    longer = run(replace(plan, observe=exactly(30_000_000)), Earliest())
    assert words(longer)[WRITE] == "violated"


def test_a_controller_whose_wire_has_no_more_frames_owes_nothing(nic_system: PlanMaker) -> None:
    plan = nic_system(observe=exactly(1), vm={"restart": False}, nic={"frames": 1})
    trace = run(plan, Nominal())
    assert instants(trace, StillUnderWay) == []
    assert words(trace)[WRITE] == "holds"


def test_what_takes_longer_than_the_bound_is_named_in_the_verdict(block_system: PlanMaker) -> None:
    plan = block_system(quiet_ns_max=1, observe=exactly(1))
    found = {each.property: each for each in check(run(plan, Nominal()))}[WRITE]
    assert found.verdict == "inconclusive"
    assert "had not ended when the wait for quiet was given up" in found.reason


def test_an_interrupt_storm_leaves_open_what_only_a_quiet_end_decides() -> None:
    plan = resolved("shared-line-tracked").plan
    verdicts = {each.property: each for each in check(run(plan, Nominal()))}
    assert verdicts[WRITE].verdict == "violated"
    assert verdicts["next-owner-gets-interrupts"].verdict == "inconclusive"


def test_the_length_of_the_observation_is_a_bound_of_the_verdict(nic_system: PlanMaker) -> None:
    (bound, *_) = judge(run(nic_system(), Nominal())).bounds
    assert "nothing new from outside after " in bound
    assert bound.endswith("then until all was quiet (at most 60s)")


def test_an_observation_that_is_not_given_lets_every_source_act_twice(
    nic_system: PlanMaker,
) -> None:
    slow = nic_system(nic={"gap": exactly(20_000_000)}, vm={"restart": False})
    assert until_all_have_acted(slow) == exactly(40_000_000)
    quick = nic_system(nic={"gap": exactly(10)}, vm={"restart": False})
    assert until_all_have_acted(quick) == exactly(LEAST_NS)
    boot_ns = slow.timing.guest_boot.hi_ns
    assert until_all_have_acted(nic_system(nic={"gap": exactly(20_000_000)})) == exactly(
        boot_ns + 40_000_000
    )
