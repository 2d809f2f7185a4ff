"""A back end in another process: it outlives qvm, and writes by CPU."""

from typing import Any

import pytest

from quiesce.model.base.choices import Choices, Nominal, Seeded
from quiesce.model.base.clock import Span, exactly
from quiesce.model.bus.memory import GuestRam, PhysicalMemory, StageTwo
from quiesce.model.guest.device_driver import GuestSite
from quiesce.model.guest.layout import GuestAllocator
from quiesce.model.guest.user_back_end_driver import UserBackEndDriver
from quiesce.model.hardware.procedure import follow_with_fallbacks
from quiesce.model.host.user_back_end import UserBackEnd
from quiesce.model.host.user_back_end_procedure import PROCEDURE
from quiesce.model.plan.device_plans import UserBackEndPlan
from quiesce.model.plan.system_plan import RamPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import CpuWriteLanded, StopConfirmed

RAM = RamPlan(0x8000_0000, 1 << 20)
MS = 1_000_000
SERVICE = Span(100_000, 300_000)


class Bench:
    """The process, and a guest that can die."""

    def __init__(self, choices: Choices | None = None, **plan: Any) -> None:
        self.kernel = Kernel(choices or Nominal())
        self.memory = PhysicalMemory(self.kernel, Timing())
        fields = {"service": SERVICE} | plan
        self.back_end = UserBackEnd(
            self.kernel, Timing(), UserBackEndPlan("vhost-net", 50, **fields), self.memory
        )
        self.boot(1)

    def boot(self, epoch: int) -> None:
        ram = GuestRam(self.memory, StageTwo(((RAM.start, RAM.start, RAM.length),)))
        allocator = GuestAllocator.in_region(ram, self.memory, RAM)
        site = GuestSite(self.kernel, Timing(), "vm", epoch, allocator)
        self.driver = UserBackEndDriver(site, self.back_end)
        self.thread = self.kernel.process(self.driver.run())

    def die(self) -> None:
        self.kernel.kill(self.thread)

    def run(self, steps: Steps) -> Any:
        process = self.kernel.process(steps)
        self.kernel.execute(process)
        return process.value

    def pass_ns(self, duration_ns: int) -> None:
        def wait() -> Steps:
            yield self.kernel.delay(exactly(duration_ns), "bench.wait")

        self.run(wait())

    def written(self, since: int = 0) -> list[CpuWriteLanded]:
        events = [record.event for record in self.kernel.records[since:]]
        return [event for event in events if isinstance(event, CpuWriteLanded)]

    def late(self) -> list[CpuWriteLanded]:
        mark = len(self.kernel.records)
        self.pass_ns(5 * MS)
        return self.written(mark)


@pytest.mark.parametrize("period", [None, Span(20_000, 50_000)])
def test_it_fills_buffers_and_tells_by_the_used_ring(period: Span | None) -> None:
    bench = Bench(period=period)
    bench.pass_ns(3 * MS)
    contents = [event.content for event in bench.written()]
    assert contents.count("data") >= contents.count("used_idx") > 8
    assert bench.memory.read(bench.driver.buffers[0], 1024) == b"\x99" * 1024
    index = int.from_bytes(bench.memory.read(bench.driver.used_addr + 2, 2), "little")
    assert index == contents.count("used_idx")


@pytest.mark.parametrize("period", [None, Span(20_000, 50_000)])
@pytest.mark.parametrize("seed", range(4))
def test_the_documented_protocol_ends_its_writes(period: Span | None, seed: int) -> None:
    bench = Bench(Seeded(seed), period=period)
    bench.pass_ns(2 * MS)
    bench.die()
    assert bench.run(follow_with_fallbacks(bench.kernel, bench.back_end, 1, PROCEDURE)) == 0
    assert any(isinstance(record.event, StopConfirmed) for record in bench.kernel.records)
    assert bench.late() == []


@pytest.mark.parametrize(
    ("on_disconnect", "is_late"), [("ignore", True), ("drain", True), ("drop", False)]
)
def test_what_the_end_of_the_socket_does_depends_on_the_back_end(
    on_disconnect: str, is_late: bool
) -> None:
    """It keeps the memory mapped; a crashed qvm asks for nothing (dpdk-vhost-vfe 89)."""
    bench = Bench(on_disconnect=on_disconnect, service=exactly(300_000))
    bench.pass_ns(2 * MS + 100_000)
    bench.die()
    bench.back_end.disconnect()
    bench.pass_ns(50_000)
    assert bool(bench.late()) is is_late


@pytest.mark.parametrize(
    ("on_stop", "is_late"), [("drain", False), ("drop", False), ("early", True)]
)
def test_an_answer_to_get_vring_base_is_worth_what_the_back_end_makes_of_it(
    on_stop: str, is_late: bool
) -> None:
    """Answered before the requests in flight are done (cloud-hypervisor 7e2e7a164baa)."""
    bench = Bench(on_stop=on_stop, service=exactly(300_000))
    bench.pass_ns(2 * MS + 100_000)
    bench.die()
    step = PROCEDURE.carry_out(bench.kernel, bench.back_end, 1, "get-vring-base", 30_000 * MS)
    assert bench.run(step)
    assert bool(bench.late()) is is_late


def test_a_stop_that_takes_longer_than_its_bound_times_out() -> None:
    bench = Bench(service=exactly(900_000))
    bench.pass_ns(100_000)
    bench.die()
    step = PROCEDURE.carry_out(bench.kernel, bench.back_end, 1, "get-vring-base", 50_000)
    assert not bench.run(step)


def test_a_back_end_that_ignores_the_disconnect_writes_into_the_next_owners_memory() -> None:
    bench = Bench(service=exactly(300_000))
    bench.pass_ns(2 * MS + 100_000)
    bench.die()
    bench.back_end.disconnect()
    bench.pass_ns(20_000)
    mark = len(bench.kernel.records)
    bench.boot(2)
    bench.pass_ns(MS)
    assert {event.epoch for event in bench.written(mark)} == {1, 2}


@pytest.mark.parametrize(("on_disconnect", "goes_on"), [("ignore", True), ("drain", False)])
def test_a_back_end_that_ignores_the_disconnect_fills_what_is_left_in_the_ring(
    on_disconnect: str, goes_on: bool
) -> None:
    bench = Bench(on_disconnect=on_disconnect, period=exactly(100_000), buffers=16)
    bench.pass_ns(500_000)
    bench.die()
    bench.back_end.disconnect()
    bench.pass_ns(200_000)
    assert bool(bench.late()) is goes_on


def test_memory_is_parted_with_after_a_disconnect_if_the_back_end_is_polite() -> None:
    for unmaps in (False, True):
        bench = Bench(on_disconnect="drop", unmaps=unmaps)
        bench.pass_ns(MS)
        bench.die()
        bench.back_end.disconnect()
        bench.pass_ns(3 * MS)
        assert (bench.back_end.mapped is None) is unmaps


@pytest.mark.parametrize("on_unmap", ["drain", "early"])
def test_the_answer_to_an_unmap_is_true_only_if_it_waits_for_the_buffers_in_hand(
    on_unmap: str,
) -> None:
    """SPDK 2074: the memory was acknowledged as unused while the controller went on."""
    bench = Bench(on_unmap=on_unmap)
    bench.pass_ns(2 * MS)
    while not bench.back_end.is_busy:
        bench.pass_ns(1_000)
    bench.die()
    unmap = PROCEDURE.carry_out(bench.kernel, bench.back_end, 1, "unmap-memory", 100 * MS)
    assert bench.run(unmap) is True
    confirmed = [r.event for r in bench.kernel.records if isinstance(r.event, StopConfirmed)]
    assert confirmed == [StopConfirmed("vhost-net", 1)]
    assert (bench.back_end.mapped is None) is (on_unmap == "drain")
    assert bool(bench.late()) is (on_unmap == "early")


def test_an_unmap_that_is_not_answered_in_time_has_failed_and_confirms_nothing() -> None:
    bench = Bench(service=exactly(50 * MS))
    bench.pass_ns(2 * MS)
    bench.die()
    unmap = PROCEDURE.carry_out(bench.kernel, bench.back_end, 1, "unmap-memory", MS)
    assert bench.run(unmap) is False
    assert not [r for r in bench.kernel.records if isinstance(r.event, StopConfirmed)]
