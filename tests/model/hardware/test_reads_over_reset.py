"""A read or a command that was begun before a reset has no effect after it.

The next owner lays its rings at the same addresses.  So neither address nor size distinguishes a
read of the former owner from one of its own; the controller has forgotten that it asked.
"""

from collections.abc import Callable
from typing import Any

import pytest

from quiesce.model.base.clock import exactly
from quiesce.model.hardware.nvme import ActiveCommand
from quiesce.model.hardware.nvme_queues import (
    ADMIN_ASYNC_EVENT,
    ADMIN_CREATE_CQ,
    CompletionQueue,
    NvmeCommand,
    SubmissionQueue,
)
from quiesce.model.hardware.pl330 import DMAGO, ChannelState
from quiesce.model.plan.timing import Timing
from quiesce.model.plan.traits import Traits
from quiesce.model.trace.events import DmaDropped, DmaFetched, DmaLanded

from .bench import MS, Bench

SLOW_READS = Timing(
    pcie_dma_read_rtt=exactly(60_000),
    pcie_posted_write=exactly(100),
    mmio_read_flush=exactly(200),
    axi_write_drain=exactly(50),
)


def until(bench: Bench, is_so: Callable[[], bool], step_ns: int = 500) -> None:
    """Let time pass until something is so."""
    for _ in range(20_000):
        if is_so():
            return
        bench.pass_ns(step_ns)
    raise AssertionError("it never came")


def is_reading(bench: Bench) -> bool:
    """Return whether a read of memory is under way."""
    labels = [getattr(delay, "label", "") for _, _, delay, _ in bench.kernel._delays]
    return "dut0.port.dma_read" in labels


def reading_nic(**traits: Any) -> Bench:
    """Return a NIC whose driver has died while the NIC reads descriptors."""
    bench = Bench("nic", timing=SLOW_READS, gap=exactly(20_000), traits=Traits(**traits))
    until(bench, lambda: is_reading(bench))
    bench.die()
    return bench


def test_descriptors_that_were_asked_for_before_a_reset_never_reach_the_next_owners_ring() -> None:
    bench = reading_nic()
    old_ring = bench.driver.ring
    bench.device.port.post("CTRL.RST", 1, 1)
    bench.run(bench.device.port.flush())
    mark = len(bench.kernel.records)
    bench.boot(2)
    bench.pass_ns(MS)
    assert (bench.driver.ring, bench.device.ring_size) == (old_ring, bench.plan.ring_size)
    assert {event.epoch for _, event in bench.of(DmaFetched, mark)} == {2}
    assert {event.epoch for _, event in bench.of(DmaLanded, mark)} == {2}
    dropped = [event for _, event in bench.of(DmaDropped, mark)]
    assert [(event.epoch, event.reason) for event in dropped] == [(1, "reset")]


def test_without_a_reset_the_descriptors_arrive_and_are_used() -> None:
    bench = reading_nic()
    mark = len(bench.kernel.records)
    bench.pass_ns(MS)
    assert {event.epoch for _, event in bench.of(DmaLanded, mark)} == {1}


def test_a_controller_that_keeps_its_side_state_over_a_reset_keeps_the_read_as_well() -> None:
    bench = reading_nic(keeps_side_state=True)
    bench.device.port.post("CTRL.RST", 1, 1)
    mark = len(bench.kernel.records)
    bench.pass_ns(MS)
    assert {event.epoch for _, event in bench.of(DmaFetched, mark)} == {1}


def test_a_function_level_reset_discards_the_read_as_well() -> None:
    bench = reading_nic()
    bench.device.port.post("PCI.FLR", 1, 1)
    mark = len(bench.kernel.records)
    bench.pass_ns(MS)
    assert bench.of(DmaFetched, mark) == []
    assert bench.of(DmaLanded, mark) == []


@pytest.mark.parametrize("step", ["block", "context", "answer"])
def test_a_command_that_xhci_reads_over_a_reset_is_neither_done_nor_answered(step: str) -> None:
    """The next owner's command ring stands where the old one stood; its endpoint is not set up."""
    bench = Bench("xhci", timing=SLOW_READS, port_events=None)
    device = bench.device
    reads = {"block": 0, "context": 1, "answer": 2}[step]
    until(bench, lambda: is_reading(bench))
    bench.pass_ns(60_000 * reads + 30_000)
    bench.die()
    assert (device.transfer_ring is not None) == (step == "answer")
    device.reset()
    mark = len(bench.kernel.records)
    for register, value in (
        ("CRCR", bench.driver.commands.base | 1),
        ("DCBAAP", bench.driver.contexts_addr),
        ("ERSTBA", bench.driver.events_addr),
        ("ERSTSZ", 64),
        ("USBCMD.RS", 1),
    ):
        device.on_register(register, value, 2)
    bench.pass_ns(4 * MS)
    assert device.transfer_ring is None
    assert not device.endpoint_running
    assert bench.of(DmaLanded, mark) == []


def test_a_start_that_a_pl330_has_not_carried_out_does_not_survive_the_reset_line() -> None:
    bench = Bench("pl330", timing=Timing(pl330_kill=exactly(5_000)))
    bench.pass_ns(MS)
    bench.die()
    device, port = bench.device, bench.device.port
    device.on_register("SOC.RESET", 1, 1)
    for register, value in (("DBGINST0", DMAGO << 16), ("DBGINST1", bench.driver.program_addr)):
        port.post(register, value, 1)
    port.post("DBGCMD", 0, 1)
    bench.run(port.flush())
    assert device.debug_busy
    device.on_register("SOC.RESET", 1, 1)
    assert not device.debug_busy
    bench.pass_ns(MS)
    assert device.state is ChannelState.STOPPED


@pytest.mark.parametrize("opcode", [ADMIN_CREATE_CQ, ADMIN_ASYNC_EVENT])
def test_an_admin_command_that_a_reset_has_broken_off_is_not_carried_out(opcode: int) -> None:
    """It was fetched, and the event index was being written, when the reset came."""
    bench = Bench("nvme")
    bench.pass_ns(MS)
    bench.die()
    device = bench.device
    completions = CompletionQueue(0, 0x8000_0000, 8, 1, interrupts=True)
    queue = SubmissionQueue(0, 0x8000_1000, 8, completions)
    active = ActiveCommand(queue, NvmeCommand(opcode, 1, 0x8000_2000, 0, 7), 1)
    device.commands.append(active)
    device.reset()
    before = dict(device.completion), list(device.event_requests)
    mark = len(bench.kernel.records)
    bench.run(device._administer(active))
    assert (dict(device.completion), list(device.event_requests)) == before
    assert active not in device.commands
    assert bench.of(DmaLanded, mark) == []
