"""Every crash point of a run is tried once; what is left out is counted."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.machine.system import run, run_watched
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.model.trace.events import GuestEnded, Trace
from quiesce.properties.check import check
from quiesce.properties.search import sweep
from quiesce.properties.search.sweep import (
    SweepPart,
    SweepStrip,
    SweepTarget,
    crash_instants,
    sweep_part,
    unsafe_windows,
)
from quiesce.scenarios.resolve.library import resolved

BARE = resolved("nic-crash-bare").plan
UNTIL_NS = 260_000


def target(plan: SystemPlan = BARE, cause: str = "guest-crash") -> SweepTarget:
    return SweepTarget(plan, 0, cause, UNTIL_NS)


def swept(one: SweepTarget) -> SweepPart:
    part = SweepPart()
    sweep_part(one, crash_instants(one, run_watched), run_watched, part)
    return part


def test_each_gap_and_each_instant_is_a_crash_point() -> None:
    instants = crash_instants(target(), run_watched)
    part = swept(target())
    assert (instants[0], instants[-1]) == (0, UNTIL_NS)
    assert part.gaps + part.empty_gaps == len(instants) - 1
    at_instants = [strip.from_ns for strip in part.strips if strip.from_ns == strip.to_ns]
    assert at_instants == list(instants)
    # An instant at which one other thing happens has two orders; 0 and the last may have one.
    assert part.orders >= 2 * (len(instants) - 2)
    assert part.tally.runs == part.points


def test_a_sweep_agrees_with_a_death_at_every_nanosecond_of_a_gap() -> None:
    """Brute force over one short stretch: nothing between two instants is otherwise unsafe."""
    part = swept(target())
    gaps = [s for s in part.strips if 30 < s.to_ns - s.from_ns < 200][:4]
    assert gaps
    for gap in gaps:
        for at_ns in range(gap.from_ns + 1, gap.to_ns, 7):
            trace = run(target().ending_at(at_ns), Nominal())
            words = {v.verdict for v in check(trace)}
            assert ("violated" in words) == bool(gap.properties), at_ns


def test_the_end_comes_in_every_order_with_what_happens_at_its_instant() -> None:
    """Two controllers get a frame at the same instant; the end has three places among them."""
    nic = replace(BARE.nics[0], gap=exactly(50_000))
    twin = replace(nic, name="eth1", intid=nic.intid + 1)
    vm = replace(BARE.vms[0], nics=("eth0", "eth1"))
    one = target(replace(BARE, nics=(nic, twin), vms=(vm,)))
    orders = list(sweep._every_order(one.ending_at(50_000), 50_000, run_watched))
    logs = {tuple(choices.log) for choices, _ in orders}
    assert len(orders) == len(logs) == 6, "three places for the end, two orders of the others"
    assert all(isinstance(trace, Trace) for _, trace in orders), "each of the runs ends"


def test_parts_of_a_sweep_make_up_the_whole() -> None:
    instants = crash_instants(target(), run_watched)
    whole, first, second = swept(target()), SweepPart(), SweepPart()
    middle = len(instants) // 2
    sweep_part(target(), instants[: middle + 1], run_watched, first)
    sweep_part(target(), instants[middle:], run_watched, second)
    first.absorb(second)
    assert first.strips == whole.strips
    assert (first.gaps, first.orders, first.points) == (whole.gaps, whole.orders, whole.points)
    assert first.first == whole.first


def test_orders_beyond_the_bound_are_counted_as_left_out(monkeypatch: object) -> None:
    part = SweepPart()
    bound, sweep.ORDERS_MAX = sweep.ORDERS_MAX, 1
    try:
        instants = crash_instants(target(), run_watched)
        sweep_part(target(), instants, run_watched, part)
    finally:
        sweep.ORDERS_MAX = bound
    assert part.left_out >= len(instants) - 2
    assert part.orders == len(instants)


def test_unsafe_windows_join_what_touches() -> None:
    strips = [
        SweepStrip(0, 10, "none", ()),
        SweepStrip(10, 10, "stray", ("no-dma-after-teardown",)),
        SweepStrip(10, 20, "exposed", ("teardown-order",)),
        SweepStrip(20, 20, "none", ()),
        SweepStrip(20, 30, "exposed", ("teardown-order",)),
    ]
    assert unsafe_windows(strips) == [
        SweepStrip(10, 30, "stray", ("no-dma-after-teardown", "teardown-order"))
    ]
    assert unsafe_windows(strips[:1]) == []


@pytest.mark.slow
def test_a_guest_that_stops_its_devices_first_is_safe_at_every_point() -> None:
    stopping = replace(BARE, pinned=BARE.pinned | {"guest.shutdown-handler": "stops-device"})
    shutdown = swept(target(stopping, cause="guest-shutdown"))
    crash = swept(target())
    assert shutdown.tally.violated == 0
    assert crash.tally.violated > 0
    windows = unsafe_windows(crash.strips)
    assert all(one.to_ns < other.from_ns for one, other in pairwise(windows))


def test_the_end_begins_at_the_instant_that_was_asked_for() -> None:
    def ended_at(plan: SystemPlan, make: Callable[[], Choices]) -> int:
        trace: Trace = run(plan, make())
        return next(r.at_ns for r in trace.records if isinstance(r.event, GuestEnded))

    assert ended_at(target().ending_at(123_457), Nominal) == 123_457
    plan = target().ending_at(5)
    assert plan.vms[0].end == EndPlan("guest-crash", exactly(5))
