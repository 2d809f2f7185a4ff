"""An SD controller behind a host driver: its data moves through a channel of the SoC's PL330."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Choices, Latest, Nominal, Seeded
from quiesce.model.base.clock import Span, exactly
from quiesce.model.hardware.disk import DiskCommand
from quiesce.model.hardware.pl330 import DMAEND, DMALP, DMAMOV, ChannelState
from quiesce.model.host.block_job import formatted_content
from quiesce.model.host.devb_sdmmc import DevbSdmmc, program_of
from quiesce.model.machine.system import build, header_of
from quiesce.model.plan.system_plan import AfterPlan, DiskPlan, EndPlan, SystemPlan
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    BackendRequestEnded,
    DmaLanded,
    FramesReleased,
    IrqTaken,
    RequestCompleted,
    StopConfirmed,
    Trace,
)
from quiesce.properties.check import check

E = TypeVar("E", bound=TraceEvent)

PlanMaker = Callable[..., SystemPlan]

EMMC = DiskPlan("emmc0", "devb-sdmmc", 33, slots=1, service=Span(10_000, 50_000), kind="sdmmc")
ASYNC = replace(EMMC, terminate="async")
TERMINATE = (("stop-queue", 0), ("cancel", 0), ("drain", 30_000_000_000))
BUSY_INTERCONNECT = exactly(40_000)
PAGE = 4096


def lets_run(plan: SystemPlan, choices: Choices) -> tuple[Trace, DevbSdmmc]:
    kernel = Kernel(choices, plan.pinned)
    system = build(kernel, plan)
    kernel.execute(system.observed)
    server = system.host.servers["emmc0"]
    assert isinstance(server, DevbSdmmc)
    return Trace(header_of(plan), tuple(kernel.records)), server


def behind_emmc(
    make: PlanMaker,
    steps: tuple[tuple[str, int], ...] = (),
    disk: DiskPlan = EMMC,
    **block: object,
) -> SystemPlan:
    """A guest that reads pages of an eMMC and crashes in the midst of a transfer."""
    end = EndPlan("guest-crash", Span(450_000, 500_000))
    plan = make(steps, block={"disk": "emmc0", **block}, disks=(disk,), vm={"end": end})
    quick = {"process_exit_base": exactly(1_000), "release_skew": exactly(0)}
    timing = replace(plan.timing, pl330_write_buffer=BUSY_INTERCONNECT, **quick)
    return replace(plan, timing=timing, observe=exactly(1_000_000))


def of(trace: Trace, kind: type[E]) -> list[E]:
    return [record.event for record in trace.records if isinstance(record.event, kind)]


def verdicts_of(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


@pytest.mark.parametrize("operation", ["read", "write"])
@pytest.mark.parametrize("zero_copy", [True, False])
def test_every_request_is_answered_once(
    block_system: PlanMaker, operation: str, zero_copy: bool
) -> None:
    plan = behind_emmc(
        block_system, requests=6, operation=operation, zero_copy=zero_copy, length=1536
    )
    alive = replace(plan.vms[0], end=None, restart=False)
    plan = replace(plan, vms=(alive,), observe=exactly(9_000_000))
    trace, server = lets_run(plan, Nominal())
    assert len(of(trace, RequestCompleted)) == 6
    assert [event.outcome for event in of(trace, BackendRequestEnded)] == ["done"] * 6
    assert server.pl330.state is ChannelState.STOPPED
    landed = of(trace, DmaLanded)
    assert {event.epoch for event in landed} == (
        set() if operation == "write" else {1 if zero_copy else 0}
    )
    assert sum(event.length for event in landed) == (0 if operation == "write" else 6 * 1536)


def test_the_card_has_what_the_guest_wrote(block_system: PlanMaker) -> None:
    plan = behind_emmc(
        block_system,
        requests=2,
        operation="write",
        length=PAGE + 512,
        write_cache="write-through",
    )
    alive = replace(plan.vms[0], end=None, restart=False)
    _, server = lets_run(replace(plan, vms=(alive,), observe=exactly(9_000_000)), Nominal())
    (medium,) = server.media.values()
    fresh = formatted_content()
    changed = [sector for sector in fresh if medium.committed[sector] != fresh[sector]]
    assert len(changed) == 2 * (PAGE + 512) // 512


@pytest.mark.parametrize(
    ("disk", "steps", "zero_copy", "word"),
    [
        (EMMC, (), True, "violated"),
        (ASYNC, TERMINATE, True, "violated"),
        (EMMC, TERMINATE, True, "holds"),
        (ASYNC, TERMINATE, False, "vacuous"),
    ],
)
def test_only_who_waits_for_the_channel_may_release(
    block_system: PlanMaker,
    disk: DiskPlan,
    steps: tuple[tuple[str, int], ...],
    zero_copy: bool,
    word: str,
) -> None:
    trace, _ = lets_run(behind_emmc(block_system, steps, disk, zero_copy=zero_copy), Latest())
    assert verdicts_of(trace)["no-dma-after-teardown"] == word


def test_terminating_ends_a_transfer_early_and_says_so_when_it_has(
    block_system: PlanMaker,
) -> None:
    """The rest of the transfer is never written; the guest's last write is before its answer."""
    trace, server = lets_run(behind_emmc(block_system, TERMINATE), Latest())
    events = [record.event for record in trace.records]
    cut_off = max(
        place
        for place, event in enumerate(events)
        if isinstance(event, BackendRequestEnded) and event.outcome == "cancelled"
    )
    of_guest = [
        place
        for place, event in enumerate(events)
        if isinstance(event, DmaLanded) and event.epoch == 1
    ]
    written = sum(event.length for event in of(trace, DmaLanded) if event.epoch == 1)
    assert written % (4 * PAGE), "the last transfer was cut short"
    assert max(of_guest) < cut_off
    confirmed = next(n for n, event in enumerate(events) if isinstance(event, StopConfirmed))
    released = next(n for n, event in enumerate(events) if isinstance(event, FramesReleased))
    assert cut_off <= confirmed < released
    assert not server.is_terminating
    assert of(trace, DmaLanded)[-1].epoch == 2, "the next guest uses the same channel"


def test_synchronising_is_right_for_any_timing(block_system: PlanMaker) -> None:
    for seed in range(8):
        for zero_copy in (True, False):
            plan = behind_emmc(block_system, TERMINATE, zero_copy=zero_copy)
            trace, _ = lets_run(plan, Seeded(seed))
            assert "violated" not in verdicts_of(trace).values()


def test_a_cancelled_write_reaches_the_card_whole_or_not_at_all(
    block_system: PlanMaker,
) -> None:
    for seed in range(8):
        plan = behind_emmc(block_system, TERMINATE, operation="write", length=PAGE)
        trace, server = lets_run(plan, Seeded(seed))
        outcomes = [event.outcome for event in of(trace, BackendRequestEnded)]
        assert "cancelled" in outcomes
        assert outcomes[-1] == "done", "the card takes the next guest's commands"
        assert not server.pl330.card.ends_silently


def test_a_card_that_is_busy_ends_the_cancelled_write_in_silence(
    block_system: PlanMaker,
) -> None:
    """Its late interrupt would be taken for the end of the next guest's command."""
    busy = replace(EMMC, service=exactly(400_000))
    plan = behind_emmc(block_system, TERMINATE, busy, operation="write", length=512)
    end = EndPlan("guest-crash", exactly(200_000), AfterPlan("BackendRequestBegun"))
    plan = replace(plan, vms=(replace(plan.vms[0], end=end),), observe=exactly(3_000_000))
    trace, _ = lets_run(plan, Nominal())
    outcomes = [event.outcome for event in of(trace, BackendRequestEnded)]
    assert "cancelled" in outcomes
    assert outcomes.count("done") >= 2
    assert len(of(trace, IrqTaken)) == outcomes.count("done")


def test_no_program_is_started_in_a_channel_that_has_not_stopped(
    block_system: PlanMaker,
) -> None:
    """DMAGO does nothing there, and the command would wait for ever."""
    plan = behind_emmc(block_system)
    kernel = Kernel(Nominal(), plan.pinned)
    server = build(kernel, plan).host.servers["emmc0"]
    assert isinstance(server, DevbSdmmc)
    server.pl330.state = ChannelState.EXECUTING
    kernel.execute(kernel.delay(exactly(400_000), "test.before"))
    assert server.in_slots, "a command waits for the channel"
    assert server.pl330.thread is None
    server.pl330.state = ChannelState.STOPPED
    server.pl330.changed.notify()
    kernel.execute(kernel.delay(exactly(20_000), "test.after"))
    assert server.pl330.thread is not None


@pytest.mark.parametrize(("length", "bursts"), [(512, [2]), (300, [1, 1, 1]), (40, [1, 1])])
def test_odd_pieces_take_shorter_bursts(length: int, bursts: list[int]) -> None:
    command = DiskCommand(1, "read", ((0x8000_0000, length),))
    program = program_of(command, 8)
    counts, position = [], 0
    while program[position] != DMAEND:
        if program[position] == DMALP:
            counts.append(program[position + 1] + 1)
        position += {DMAMOV: 10, 0x04: 1, 0x08: 1, 0x13: 1}.get(program[position], 2)
    assert counts == bursts
    assert position == len(program) - 1
