"""An NVMe controller behind a host driver: the same vdev, another server."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Latest, Nominal, Seeded
from quiesce.model.base.clock import Span
from quiesce.model.hardware.nvme import HOST_QUEUE_SIZE, HostNvme
from quiesce.model.machine.system import build, header_of
from quiesce.model.plan.system_plan import DiskPlan, SystemPlan
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import BackendRequestEnded, DmaLanded, RequestCompleted, Trace
from quiesce.properties.check import check

E = TypeVar("E", bound=TraceEvent)

PlanMaker = Callable[..., SystemPlan]

DISK = DiskPlan("nvme0", "devb-nvme", 33, service=Span(50_000, 300_000), kind="nvme")
DRAIN = (("stop-queue", 0), ("join-worker", 0), ("cancel", 0), ("drain", 30_000_000_000))


def lets_run(plan: SystemPlan, choices: Choices) -> tuple[Trace, HostNvme]:
    kernel = Kernel(choices, plan.pinned)
    system = build(kernel, plan)
    kernel.execute(system.observed)
    controller = system.host.servers["nvme0"].controller
    assert isinstance(controller, HostNvme)
    return Trace(header_of(plan), tuple(kernel.records)), controller


def behind_nvme(
    make: PlanMaker, steps: tuple[tuple[str, int], ...] = (), **block: object
) -> SystemPlan:
    return make(steps, block={"disk": "nvme0", **block}, disks=(DISK,))


def of(trace: Trace, kind: type[E]) -> list[E]:
    return [record.event for record in trace.records if isinstance(record.event, kind)]


@pytest.mark.parametrize("operation", ["read", "write"])
@pytest.mark.parametrize("zero_copy", [True, False])
def test_every_request_is_answered_once_and_the_queues_wrap(
    block_system: PlanMaker, operation: str, zero_copy: bool
) -> None:
    requests = HOST_QUEUE_SIZE + 10
    plan = behind_nvme(block_system, requests=requests, operation=operation, zero_copy=zero_copy)
    alive = replace(plan.vms[0], end=None, restart=False)
    plan = replace(plan, vms=(alive,), observe=Span(60_000_000, 60_000_000))
    trace, controller = lets_run(plan, Nominal())
    assert len(of(trace, RequestCompleted)) == requests
    assert [event.outcome for event in of(trace, BackendRequestEnded)] == ["done"] * requests
    assert controller.completion[1].phase == 0, "the completion queue has begun its second round"
    own = [event for event in of(trace, DmaLanded) if event.content == "completion"]
    assert {event.epoch for event in own} == {0}, "completion entries are the driver's"
    for_guest = {event.epoch for event in of(trace, DmaLanded) if event.content == "data"}
    assert for_guest == (set() if operation == "write" else {1 if zero_copy else 0})


@pytest.mark.parametrize(
    ("steps", "zero_copy", "word"),
    [((), True, "violated"), (DRAIN, True, "holds"), ((), False, "vacuous")],
)
def test_it_outlives_the_guest_unless_somebody_waits(
    block_system: PlanMaker, steps: tuple[tuple[str, int], ...], zero_copy: bool, word: str
) -> None:
    slow = replace(DISK, service=Span(2_000_000, 20_000_000))
    plan = replace(behind_nvme(block_system, steps, zero_copy=zero_copy), disks=(slow,))
    trace, _ = lets_run(plan, Latest())
    verdicts = {verdict.property: verdict.verdict for verdict in check(trace)}
    assert verdicts["no-dma-after-teardown"] == word


def test_draining_is_right_for_any_timing(block_system: PlanMaker) -> None:
    for seed in range(8):
        trace, _ = lets_run(behind_nvme(block_system, DRAIN), Seeded(seed))
        assert "violated" not in [verdict.verdict for verdict in check(trace)]
