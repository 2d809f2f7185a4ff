"""NVMe: queues in memory, phases, deletion, shutdown, and what survives a reset."""

import pytest

from quiesce.model.base.clock import Span, exactly
from quiesce.model.hardware import nvme_queues as queues
from quiesce.model.hardware.nvme import SHUTDOWN_COMPLETE
from quiesce.model.hardware.nvme_queues import COMPLETION, NvmeCommand
from quiesce.model.trace.events import DmaLanded

from .bench import MS
from .test_devices import bench_of


def test_a_submission_queue_entry_reads_back_as_it_was_written() -> None:
    command = NvmeCommand(queues.IO_READ, 7, 0x1000, 0x2000, 1, 2, 3)
    entry = command.to_bytes()
    assert len(entry) == queues.SUBMISSION_SIZE
    assert entry[0] == queues.IO_READ
    assert entry[2:4] == b"\x07\x00"
    assert entry[24:32] == (0x1000).to_bytes(8, "little")
    assert NvmeCommand.from_bytes(entry) == command


def test_completion_entries_carry_the_phase_of_their_round() -> None:
    bench = bench_of("nvme", queue_size=4, in_flight=2, events=None)
    bench.pass_ns(5 * MS)
    driver = bench.driver
    assert driver.io.phase in {0, 1}
    assert bench.landed() > 10 * 2, "the queue has gone round more than twice"
    entry = bench.memory.read(driver.io.completions, queues.COMPLETION_SIZE)
    *_, queue_id, identifier, status = COMPLETION.unpack(entry)
    assert queue_id == 1
    assert identifier < 2
    assert status >> 1 == queues.STATUS_SUCCESS


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_data_goes_where_the_page_pointers_say(pages: int) -> None:
    bench = bench_of("nvme", length=4096 * pages, requests=1, in_flight=1, events=None)
    bench.pass_ns(5 * MS)
    addr = bench.driver.buffers[0]
    assert bench.memory.read(addr, 4096 * pages) == b"\xa5" * 4096 * pages
    assert bench.landed() == pages


def test_a_write_to_the_disk_reads_memory_and_writes_only_entries() -> None:
    bench = bench_of("nvme", operation="write", requests=4, events=None, shadow_doorbells=False)
    bench.pass_ns(5 * MS)
    assert bench.landed() == 0
    assert bench.landed("completion") == 4 + 2, "and two admin commands"


def test_deleting_the_submission_queue_is_answered_after_its_last_command() -> None:
    bench = bench_of("nvme", service=exactly(500_000), events=None, shadow_doorbells=False)
    bench.work(4 * MS)
    bench.die()
    assert bench.run(bench.carry_out([("delete-submission-queue", 100 * MS)])) == [True]
    assert bench.watch(None, 5 * MS).late == []
    contents = [event.content for _, event in bench.of(DmaLanded)]
    assert contents[-2:] == ["completion", "completion"], "the last command's, then the answer"


def test_a_completion_queue_in_use_is_not_deleted() -> None:
    bench = bench_of("nvme")
    bench.pass_ns(4 * MS)
    order = [("delete-completion-queue", 100 * MS)]
    assert bench.run(bench.carry_out(order)) == [False]
    assert bench.device.last_status == queues.STATUS_INVALID_QUEUE_DELETION
    assert 1 in bench.device.completion


def test_a_command_that_never_ends_makes_deletion_time_out_and_abruptness_help() -> None:
    """The queue cannot be deleted; an abrupt shutdown breaks the command off."""
    outcome = bench_of("nvme", hangs_at=5, events=None).end()
    assert outcome.done == 1
    assert outcome.late == []


@pytest.mark.parametrize("keeps", [False, True])
def test_shadow_doorbells_that_survive_a_reset_are_written_for_the_next_owners_doorbells(
    keeps: bool,
) -> None:
    """The controller writes event indices to a page of the former guest (openvmm 3915)."""
    bench = bench_of("nvme", keeps_shadow=keeps, events=None)
    bench.end([("disable", 0), ("await-disabled", 1_000 * MS)])
    mark = len(bench.kernel.records)
    stale_page = bench.driver.event_addr
    bench.boot(2)
    bench.driver.shadow_addr = 0
    bench.pass_ns(10 * MS)
    stale = [event for _, event in bench.of(DmaLanded, mark) if event.epoch == 1]
    assert bool(stale) is keeps
    assert {event.addr & ~0xFFF for event in stale} <= {stale_page}


@pytest.mark.parametrize("keeps", [False, True])
def test_an_event_request_that_survives_a_reset_completes_into_the_old_queue(keeps: bool) -> None:
    bench = bench_of("nvme", keeps_event_requests=keeps, events=Span(7 * MS, 8 * MS))
    outcome = bench.end([("disable", 0), ("await-disabled", 1_000 * MS), ("confirm", MS)])
    assert outcome.done == [True, True, True]
    assert bool(outcome.late) is keeps


def test_an_event_is_reported_to_the_request_that_comes_after_it() -> None:
    bench = bench_of("nvme", events=Span(100_000, 200_000), in_flight=1)
    bench.pass_ns(20 * MS)
    # Its head is past the answers to the three configuration commands.
    assert bench.driver.admin.head > 3 or bench.driver.admin.phase == 0


def test_a_doorbell_of_a_dead_queue_does_nothing() -> None:
    """After a reset the old driver's work may still ring it (Linux CVE-2022-48790)."""
    bench = bench_of("nvme")
    bench.end()
    bench.device.port.post("SQ1TDBL", 3, 1)
    assert bench.watch(None, 5 * MS).late == []


def test_ready_that_differs_from_enable_loses_the_next_change() -> None:
    """Undefined by the standard: software must wait for RDY to follow EN."""
    bench = bench_of("nvme")
    bench.pass_ns(4 * MS)
    bench.die()
    device = bench.device
    device.port.post("CC.EN", 0, 1)
    device.port.post("CC.EN", 1, 1)
    bench.pass_ns(20 * MS)
    assert not device.enabled
    assert not device.is_ready


def test_a_shutdown_lets_fetched_commands_end_and_fetches_no_more() -> None:
    bench = bench_of("nvme", service=exactly(400_000), depth=2, in_flight=6, events=None)
    bench.work(4 * MS)
    bench.die()
    bench.device.port.post("CC.SHN", 1, 1)
    bench.pass_ns(10 * MS)
    assert bench.device.shutdown == SHUTDOWN_COMPLETE
    assert bench.device.submission[1].head != bench.device.submission[1].tail
    assert bench.device.commands == []
