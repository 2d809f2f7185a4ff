"""A dead guest's device or server that still reads: the next owner's data goes to disk or wire."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Earliest, Latest, Nominal, Seeded
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import SystemPlan
from quiesce.model.trace.events import (
    BackendRequestBegun,
    CpuRead,
    DmaRead,
    FramesGranted,
    RequestCompleted,
    RequestSubmitted,
    Trace,
)
from quiesce.properties.check import check

WRITES: dict[str, Any] = {"operation": "write", "requests": 8, "depth": 4, "length": 8192}
DRAINED = (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 10**12))


def writing(block_system: Any, **block: Any) -> SystemPlan:
    plan: SystemPlan = block_system(block=WRITES | block)
    return replace(plan, disks=tuple(replace(disk, slots=1) for disk in plan.disks))


def violated(trace: Trace) -> set[str]:
    return {verdict.property for verdict in check(trace) if verdict.verdict == "violated"}


def frames_of_next_owner(trace: Trace) -> range:
    grants = [each.event for each in trace.records if isinstance(each.event, FramesGranted)]
    return range(grants[-1].first_frame, grants[-1].first_frame + grants[-1].count)


def test_a_disk_writes_the_next_guests_memory_to_its_platters(block_system: Any) -> None:
    """Nothing but the reads goes wrong: no write, no interrupt, no order is violated."""
    trace = run(writing(block_system), Nominal())
    assert violated(trace) == {"no-dma-read-after-teardown"}
    (found,) = check(trace, ["no-dma-read-after-teardown"])
    assert found.severity == "disclosure"
    last = found.violations[-1]
    assert last.data["owner"] == 2
    assert last.data["frame"] in frames_of_next_owner(trace)


def test_a_host_driver_copies_the_next_guests_memory_into_its_bounce_buffer(
    block_system: Any,
) -> None:
    trace = run(writing(block_system, zero_copy=False), Nominal())
    (found,) = check(trace, ["no-dma-read-after-teardown"])
    assert found.verdict == "violated"
    assert {violation.data["reader"] for violation in found.violations} == {"devb-ahci"}
    assert violated(trace) == {"no-dma-read-after-teardown"}


@pytest.mark.parametrize("zero_copy", [True, False])
def test_who_waits_for_the_host_driver_discloses_nothing(
    block_system: Any, zero_copy: bool
) -> None:
    plan = writing(block_system, zero_copy=zero_copy)
    drained = block_system(steps=DRAINED, block=WRITES | {"zero_copy": zero_copy})
    drained = replace(drained, disks=plan.disks)
    for choices in (Nominal(), Earliest(), Latest(), *(Seeded(seed) for seed in range(4))):
        trace = run(drained, choices)
        assert violated(trace) == set()
        (found,) = check(trace, ["no-dma-read-after-teardown"])
        assert found.verdict == "holds"


def test_what_a_request_says_is_read_by_the_worker_and_its_data_by_the_disk(
    block_system: Any,
) -> None:
    trace = run(block_system(block=WRITES), Nominal())
    read: Counter[tuple[str, str]] = Counter()
    for each in trace.records:
        if isinstance(each.event, CpuRead | DmaRead) and each.event.epoch == 1:
            read[type(each.event).__name__, each.event.content] += each.event.length
    requests = sum(
        isinstance(each.event, BackendRequestBegun) and each.event.epoch == 1
        for each in trace.records
    )
    assert requests == 4
    assert read["CpuRead", "data"] == 16 * requests, "the header of each request"
    assert read["DmaRead", "data"] == WRITES["length"] * requests
    assert read["CpuRead", "descriptor"] > 0


def test_one_look_at_a_ring_is_one_event_for_each_frame(block_system: Any) -> None:
    trace = run(block_system(block=WRITES), Nominal())
    looks = Counter(
        (each.at_ns, each.event.addr >> 12)
        for each in trace.records
        if isinstance(each.event, CpuRead) and each.event.content == "descriptor"
    )
    takes = sum(
        isinstance(each.event, RequestSubmitted | RequestCompleted) for each in trace.records
    )
    assert takes > 0
    assert set(looks.values()) <= {1, 2}, "to take a chain, and to see whether to notify"


@pytest.mark.parametrize("traits", [True, False], ids=["gate-works", "gate-does-nothing"])
def test_a_nic_whose_bus_master_gate_is_closed_reads_no_descriptor(
    nic_system: Any, traits: bool
) -> None:
    """Reads of a ring go through the same gate as writes (PCI Express, Bus Master Enable)."""
    steps = (("mask-interrupts", 0), ("clear-bus-master", 0), ("confirm", 10**9))
    plan = nic_system(steps=steps)
    nics = tuple(
        replace(nic, traits=replace(nic.traits, bus_master_gate_effective=traits))
        for nic in plan.nics
    )
    (found,) = check(run(replace(plan, nics=nics), Nominal()), ["no-dma-read-after-teardown"])
    assert found.verdict == ("holds" if traits else "violated")
