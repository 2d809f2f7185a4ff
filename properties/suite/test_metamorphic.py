"""What must hold between two runs, independently of the result of each run."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from quiesce.model.base.choices import Biased, Choices, Earliest, Guided, Latest, Nominal
from quiesce.model.base.clock import Span, exactly
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import EndPlan, StepPlan, SystemPlan, VmPlan
from quiesce.model.trace.events import OutsideEnded, Trace
from quiesce.properties.check import check
from quiesce.properties.generate import strategies
from quiesce.properties.search.smaller_plans import without_a_device
from quiesce.scenarios.mutants.mutants import designs

TIMINGS: list[Callable[[], Choices]] = [Nominal, Earliest, Latest]


def violated(trace: Trace) -> set[str]:
    return {verdict.property for verdict in check(trace) if verdict.verdict == "violated"}


def by_label(choices: Choices) -> dict[str, list[int]]:
    answers: dict[str, list[int]] = {}
    for label, _, value in choices.log:
        if label != "kernel.tie":
            answers.setdefault(label, []).append(value)
    return answers


def draining(bound_ns: int) -> SystemPlan:
    """Return a block design whose drain gives up after a bound, and releases all the same."""
    plan = designs()["block/vdev/guest-crash"]
    (callback,) = plan.vms[0].quiesce
    steps = (
        StepPlan("stop-queue"),
        StepPlan("join-worker"),
        StepPlan("drain", bound_ns),
    )
    quiesce = (replace(callback, steps=steps, on_timeout="release"),)
    return replace(plan, vms=(replace(plan.vms[0], quiesce=quiesce, restart=False),))


@pytest.mark.slow
@given(strategies.choices(), st.integers(0, 600_000), st.integers(1, 600_000))
def test_a_longer_drain_never_turns_safe_into_unsafe(
    choices: Biased, bound_ns: int, more_ns: int
) -> None:
    short = violated(run(draining(bound_ns), choices))
    long = violated(run(draining(bound_ns + more_ns), Guided(by_label(choices))))
    late = {"no-dma-after-teardown"}
    assert long & late <= short & late


def test_a_short_drain_is_unsafe_so_that_the_comparison_says_something() -> None:
    assert "no-dma-after-teardown" in violated(run(draining(0), Latest()))
    assert violated(run(draining(10**9), Latest())) == set()


def events_of(trace: Trace, names: Iterable[str]) -> list[tuple[int, str, str]]:
    """Return what the named components did, and when."""
    starts = tuple(names)
    return [
        (record.at_ns, record.source, type(record.event).__name__)
        for record in trace.records
        if record.source.startswith(starts)
    ]


def outside_ended_ns(trace: Trace) -> int:
    """Return the instant from which nothing reaches the system from outside."""
    return next(each.at_ns for each in trace.records if isinstance(each.event, OutsideEnded))


@pytest.mark.slow
@given(strategies.mutants(), st.sampled_from(TIMINGS), st.integers(0, 400_000))
def test_a_guest_without_its_neighbours_lives_and_dies_the_same(
    plan: SystemPlan, timing: Callable[[], Choices], dies_at_ns: int
) -> None:
    """Its end lies at an instant, since an event that it waited for might be a neighbour's."""
    assert plan.vms[0].end is not None
    kept = replace(plan.vms[0], end=EndPlan(plan.vms[0].end.cause, exactly(dies_at_ns)))
    mine = {kept.name, *kept.nics, *kept.devices, *(block.disk for block in kept.blocks)}
    plan = replace(plan, vms=(kept, *plan.vms[1:]))
    servers = {disk.server for disk in plan.disks if disk.name in mine}
    alone = replace(
        plan,
        vms=(kept,),
        nics=tuple(nic for nic in plan.nics if nic.name in mine),
        devices=tuple(device for device in plan.devices if device.name in mine),
        disks=tuple(disk for disk in plan.disks if disk.name in mine),
    )
    among_others, by_itself = run(plan, timing()), run(alone, timing())
    # How long the outside goes on follows from the VM that lives longest.
    end_ns = min(outside_ended_ns(trace) for trace in (among_others, by_itself))
    seen, seen_alone = (
        [line for line in events_of(trace, mine | servers) if line[0] < end_ns]
        for trace in (among_others, by_itself)
    )
    assert seen == seen_alone
    assert any(kind == "VmStarted" for _, _, kind in seen)


@pytest.mark.slow
@given(strategies.systems(), st.sampled_from(TIMINGS), st.data())
def test_removing_a_device_never_makes_another_unsafe(
    plan: SystemPlan, timing: Callable[[], Choices], data: st.DataObject
) -> None:
    less = data.draw(st.sampled_from([*without_a_device(plan), plan]))
    assert violated(run(less, timing())) <= violated(run(plan, timing()))


def test_removing_a_device_removes_its_vdev_and_its_procedure() -> None:
    plan = designs()["block/vdev/guest-crash"]
    (less,) = {p.vms[0].blocks: p for p in without_a_device(plan) if not p.vms[0].blocks}.values()
    assert less.vms[0].quiesce == ()


@pytest.mark.slow
@given(strategies.mutants(), st.sampled_from(TIMINGS))
def test_renaming_and_reordering_devices_leaves_every_verdict_alone(
    plan: SystemPlan, timing: Callable[[], Choices]
) -> None:
    before = {v.property: (v.verdict, v.severity) for v in check(run(plan, timing()))}
    after = {v.property: (v.verdict, v.severity) for v in check(run(renamed(plan), timing()))}
    assert before == after


_NEW_NAMES = (
    ("ahci", "sata"),
    ("eth", "port"),
    ("blk", "volume"),
    ("net", "wire"),
    ("con", "screen"),
    ("rng", "dice"),
    ("dev", "thing"),
    ("vm", "guest"),
)


def renamed(plan: SystemPlan) -> SystemPlan:
    """Return the plan with other names, its devices the other way round."""
    text = msgspec.json.encode(plan).decode()
    for old, new in _NEW_NAMES:
        text = re.sub(rf'"{old}([0-9])', rf'"{new}\1', text)
    assert '"vm0' not in text
    changed = msgspec.json.decode(text, type=SystemPlan)
    return replace(
        changed,
        nics=changed.nics[::-1],
        devices=changed.devices[::-1],
        disks=changed.disks[::-1],
    )


@pytest.mark.slow
@given(strategies.systems(devices_max=3), st.sampled_from(TIMINGS[1:]), st.integers(2, 9))
def test_everything_slower_by_a_factor_happens_later_by_that_factor(
    plan: SystemPlan, timing: Callable[[], Choices], factor: int
) -> None:
    # The middle of a span is rounded, so only its ends scale exactly.  Memory is
    # released in proportion to its size: a whole number of nanoseconds for each frame.
    per_mib = replace(plan.timing, process_exit_per_mib=Span(256, 25_600))
    plan = replace(plan, timing=per_mib)
    as_it_is = run(plan, timing())
    slower = run(scaled(plan, factor), timing())
    assert [(record.at_ns * factor, record.event) for record in as_it_is.records] == [
        (record.at_ns, record.event) for record in slower.records
    ]


def scaled(item: Any, factor: int) -> Any:
    """Return plans and parts of plans with every duration multiplied."""
    if isinstance(item, Span):
        return Span(item.lo_ns * factor, item.hi_ns * factor)
    if isinstance(item, tuple):
        return tuple(scaled(each, factor) for each in item)
    if not isinstance(item, msgspec.Struct):
        return item
    changed = {}
    for field in item.__struct_fields__:
        value = getattr(item, field)
        is_time = field.endswith(("_ns", "_ns_max")) and value is not None
        changed[field] = value * factor if is_time else scaled(value, factor)
    return replace(item, **changed)


def test_scaling_reaches_every_level_of_a_plan() -> None:
    plan = scaled(designs()["nic/vdev/guest-crash"], 3)
    vm: VmPlan = plan.vms[0]
    assert vm.end is not None
    assert vm.end.delay == Span(0, 120_000)
    assert vm.quiesce[0].steps[3].bound_ns == 240_000_000
    assert plan.nics[0].gap == Span(12_000, 36_000)
