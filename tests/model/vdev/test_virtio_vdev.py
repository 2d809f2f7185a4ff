"""What every virtio vdev does: reset as an interval, queue reset, failure, suspension, the line."""

import pytest

from quiesce.model.plan.virtio_plan import BlockPlan
from quiesce.model.sim.kernel import Steps
from quiesce.model.trace.events import CpuWriteLanded, IrqInjected, WorkerEnded
from quiesce.model.trace.virtio_events import (
    ChainTaken,
    DeviceStopped,
    LineLowered,
    NeedsResetSet,
    NotificationSent,
    QueueResetCompleted,
    ResetCompleted,
    SuspendShown,
    UsedPublished,
)
from quiesce.model.virtio import mmio_transport as mmio
from quiesce.model.virtio.block_format import BlockRequestType as Type

from .bench import BUFFERS, RAM, Bench, block_request

SUSPEND = 16
NEEDS_RESET = 64


def live(**offers: object) -> Bench:
    bench = Bench(BlockPlan("blk", "ahci0", **offers))  # type: ignore[arg-type]
    bench.go_live(0)
    return bench


def carry_out(bench: Bench, step: str, bound_ns: int = 0) -> bool:
    """Do a step of the TERMINATE callback to its end."""
    outcome: list[bool] = []

    def callback() -> Steps:
        outcome.append((yield from bench.vdev.carry_out(step, bound_ns)))

    bench.kernel.execute(bench.kernel.process(callback()))
    return outcome[0]


def test_a_reset_with_nothing_in_flight_is_over_within_the_access() -> None:
    bench = live()
    bench.write(mmio.VIRTIO_MMIO_STATUS, 0)
    assert bench.status == 0
    assert bench.vdev.queues == {}


def test_a_reset_is_an_interval_in_which_the_old_status_stays_readable() -> None:
    bench = live()
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    bench.write(mmio.VIRTIO_MMIO_STATUS, 0)
    assert bench.status == 15, "the disk still has the request"
    bench.wait()
    assert bench.status == 0
    assert len(bench.events_of(UsedPublished)) == 1
    (done,) = bench.events_of(ResetCompleted)[1:]
    assert (done.queues_enabled, done.interrupt_status) == (0, 0)


def test_what_is_published_after_the_write_of_0_is_never_taken() -> None:
    bench = live()
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    bench.write(mmio.VIRTIO_MMIO_STATUS, 0)
    block_request(bench, Type.IN, 25, 512, at=BUFFERS + 0x4000)
    bench.wait()
    assert len(bench.events_of(ChainTaken)) == 1


def test_a_queue_reset_waits_for_the_requests_of_the_queue() -> None:
    bench = live(ring_reset=True)
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    bench.write(mmio.VIRTIO_MMIO_QUEUE_SEL, 0)
    bench.write(mmio.VIRTIO_MMIO_QUEUE_RESET, 1)
    assert bench.read(mmio.VIRTIO_MMIO_QUEUE_RESET) == 1
    bench.wait()
    assert bench.read(mmio.VIRTIO_MMIO_QUEUE_RESET) == 0
    assert bench.read(mmio.VIRTIO_MMIO_QUEUE_READY) == 0
    assert bench.status == 15
    order = [
        type(record.event)
        for record in bench.kernel.records
        if isinstance(record.event, UsedPublished | QueueResetCompleted)
    ]
    assert order == [UsedPublished, QueueResetCompleted]
    bench.set_up(0)
    _, status = block_request(bench, Type.IN, 24, 512)
    bench.wait()
    assert bench.ram.read(status, 1) == b"\0", "set up again, the queue works"


def test_a_malformed_chain_makes_the_vdev_ask_for_a_reset() -> None:
    bench = live()
    bench.offer(0, [(RAM - 4096, 16)], [(BUFFERS, 1)])
    bench.wait(100_000)
    assert bench.status & NEEDS_RESET
    (failed,) = bench.events_of(NeedsResetSet)
    assert failed.is_live
    (sent,) = bench.events_of(NotificationSent)
    assert (sent.queue, sent.carrier) == (-1, "line")
    assert bench.read(mmio.VIRTIO_MMIO_INTERRUPT_STATUS) == 2
    block_request(bench, Type.IN, 24, 512)
    bench.wait()
    assert bench.events_of(ChainTaken) == [], "a vdev that has failed takes no chain"


def test_one_interrupt_stands_for_all_that_happens_before_it_is_acknowledged() -> None:
    bench = live()
    for place in range(3):
        block_request(bench, Type.GET_ID, 0, 20, at=BUFFERS + 0x4000 * place, kick=False)
    bench.write(mmio.VIRTIO_MMIO_QUEUE_NOTIFY, 0)
    bench.wait(200_000)
    assert len(bench.events_of(NotificationSent)) == 3
    assert len(bench.events_of(IrqInjected)) == len(bench.line) == 1
    bench.write(mmio.VIRTIO_MMIO_INTERRUPT_ACK, 1)
    assert len(bench.events_of(LineLowered)) == 1


def test_a_bit_that_is_left_standing_interrupts_again() -> None:
    bench = live()
    block_request(bench, Type.GET_ID, 0, 20)
    bench.wait(200_000)
    bench.vdev.change_config(0, b"\1")
    bench.write(mmio.VIRTIO_MMIO_INTERRUPT_ACK, 1)
    assert len(bench.line) == 2
    assert bench.events_of(LineLowered) == []
    bench.write(mmio.VIRTIO_MMIO_INTERRUPT_ACK, 2)
    assert len(bench.events_of(LineLowered)) == 1


def test_suspension_is_shown_only_when_all_is_used_and_told() -> None:
    bench = live(suspend=True)
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    bench.write(mmio.VIRTIO_MMIO_STATUS, 15 | SUSPEND)
    assert bench.status == 15
    bench.wait()
    assert bench.status == 11 | SUSPEND
    block_request(bench, Type.IN, 24, 512, at=BUFFERS + 0x4000)
    bench.wait()
    assert len(bench.events_of(UsedPublished)) == 1
    order = [
        type(record.event)
        for record in bench.kernel.records
        if isinstance(record.event, NotificationSent | SuspendShown)
    ]
    assert order == [NotificationSent, SuspendShown]
    bench.write(mmio.VIRTIO_MMIO_STATUS, 15)
    bench.wait()
    assert len(bench.events_of(UsedPublished)) == 2, "resumed, it goes on where it stood"


def test_stopped_mode_finishes_what_is_in_flight_and_touches_the_guest_no_more() -> None:
    bench = live()
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    assert carry_out(bench, "enter-stopped", 30_000_000_000)
    assert len(bench.events_of(UsedPublished)) == len(bench.events_of(DeviceStopped)) == 1
    written = len(bench.events_of(CpuWriteLanded))
    block_request(bench, Type.IN, 24, 512, at=BUFFERS + 0x4000)
    bench.wait()
    assert len(bench.events_of(CpuWriteLanded)) == written


@pytest.mark.parametrize("step", ["drain", "reset", "enter-stopped"])
def test_a_wait_that_takes_longer_than_its_bound_is_given_up(step: str) -> None:
    bench = live()
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    assert not carry_out(bench, step, 1_000)


def test_a_joined_worker_does_nothing_more() -> None:
    bench = live()
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    carry_out(bench, "join-worker")
    bench.wait()
    assert bench.events_of(UsedPublished) == []
    assert [event.manner for event in bench.events_of(WorkerEnded)] == ["joined"]


def test_a_queue_taken_out_of_use_is_not_touched_any_more() -> None:
    """MMIO lets a driver write 0 to QueueReady; nothing is given back into that ring (4.2.2.1)."""
    bench = live()
    block_request(bench, Type.IN, 24, 512)
    bench.wait(40_000)
    bench.write(mmio.VIRTIO_MMIO_QUEUE_READY, 0)
    bench.wait()
    assert bench.events_of(UsedPublished) == []


def test_in_order_a_fast_request_waits_for_a_slow_one_before_it() -> None:
    bench = live(in_order=True)
    first, _ = block_request(bench, Type.IN, 24, 512, kick=False)
    second, _ = block_request(bench, Type.GET_ID, 0, 20, at=BUFFERS + 0x4000)
    bench.wait(60_000)
    assert bench.events_of(UsedPublished) == []
    bench.wait()
    assert [used.head_index for used in bench.used()] == [first, second]
