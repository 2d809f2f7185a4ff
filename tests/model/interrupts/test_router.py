"""Messages on their way to a vector while their route is taken away."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.fabric import Fabric, Port
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.hardware.redistributor import PROCEDURE, Redistributor, carry_out
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.interrupts.message_router import MessageRouter
from quiesce.model.interrupts.message_routes import Route
from quiesce.model.plan.faults import Faults
from quiesce.model.plan.interrupt_plan import InterruptPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import (
    AnyEvent,
    DmaLanded,
    DmaRequested,
    IrqAsserted,
    IrqMessageRefused,
    IrqRouteRemoved,
    IrqRouteSynced,
    StopConfirmed,
)

TIMING = Timing(
    route_command=exactly(100),
    route_delivery=exactly(500),
    its_sync=exactly(50),
    lpi_write_back=exactly(1_000),
)
ITS = InterruptPlan("gicv3", "its")
IRTE = InterruptPlan("apic", "remapping")
ROUTE = Route("eth0", 60)


class Bench:
    """A controller with routes and a redistributor, without devices and without a kernel."""

    def __init__(
        self, plan: InterruptPlan = ITS, faults: Faults | None = None, lpis: str = "clears"
    ) -> None:
        faults = faults or Faults()
        self.kernel = Kernel(Nominal(), {"gicr.enable-lpis": lpis})
        self.controller = InterruptController(self.kernel, TIMING, plan)
        self.memory = PhysicalMemory(self.kernel, TIMING)
        self.router = MessageRouter(self.kernel, TIMING, plan, self.controller, faults)
        self.controller.router = self.router
        port = Port(self.kernel, "gicr", TIMING, Fabric(self.memory, self.controller, None))
        self.redistributor = Redistributor(
            self.kernel, TIMING, port, self.router, accepts_while_disabled=faults.route_cache_kept
        )
        if plan.has_lpis:
            self.controller.redistributor = self.redistributor
        self.router.map(ROUTE, 1)
        self.settle()

    def settle(self) -> None:
        self.kernel.execute(self.kernel.event())

    def send(self) -> None:
        self.controller.message(60, "eth0", 1)

    def carry_out(self, step: str, bound_ns: int = 10_000) -> bool:
        outcomes: list[bool] = []

        def steps() -> Steps:
            done = yield from carry_out(self.kernel, self.redistributor, 1, step, bound_ns)
            outcomes.append(done)

        self.kernel.process(steps())
        self.settle()
        return outcomes[0]

    def emitted(self, *kinds: type[AnyEvent]) -> list[AnyEvent]:
        return [record.event for record in self.kernel.records if isinstance(record.event, kinds)]


def test_a_message_without_a_route_is_refused() -> None:
    bench = Bench()
    bench.controller.message(61, "eth0", 1)
    assert bench.emitted(IrqMessageRefused) == [IrqMessageRefused(61, "eth0", 1, "unmapped")]


def test_sync_waits_for_what_was_translated_before_and_discard_clears_it() -> None:
    """IHI 0069: DISCARD follows the message on its way; SYNC shows that both have arrived."""
    bench = Bench()
    bench.send()
    bench.router.unmap(ROUTE, 1)
    bench.settle()
    kinds = (IrqAsserted, IrqRouteRemoved, IrqRouteSynced)
    emitted = [type(event) for event in bench.emitted(*kinds)]
    assert emitted == [IrqRouteRemoved, IrqAsserted, IrqRouteSynced]
    assert not bench.controller.holds_latch(60)
    bench.send()
    assert bench.emitted(IrqMessageRefused)


@pytest.mark.parametrize(
    ("plan", "faults"), [(ITS, Faults(pending_not_discarded=True)), (IRTE, Faults())]
)
def test_without_discard_what_is_pending_stays_pending(plan: InterruptPlan, faults: Faults) -> None:
    """A local APIC keeps its request bit even when the remapping entry goes."""
    bench = Bench(plan, faults)
    bench.send()
    bench.router.unmap(ROUTE, 1)
    bench.settle()
    assert bench.controller.holds_latch(60)


def test_discard_takes_nothing_that_another_device_has_made_pending() -> None:
    bench = Bench()
    bench.controller.latch(60, "eth1", 2)
    bench.router.unmap(ROUTE, 1)
    bench.settle()
    assert bench.controller.holds_latch(60)


def test_a_kept_copy_of_a_route_leads_on() -> None:
    """Linux CVE-2024-26598: the translation cache outlived DISCARD."""
    bench = Bench(faults=Faults(route_cache_kept=True))
    bench.send()
    bench.settle()
    bench.router.unmap(ROUTE, 1)
    bench.settle()
    bench.send()
    bench.settle()
    assert len(bench.emitted(IrqAsserted)) == 2


def test_the_redistributor_writes_its_table_in_its_own_time() -> None:
    bench = Bench()
    bench.redistributor.use_table(1, 0x8000)
    assert bench.emitted(DmaRequested) == [DmaRequested("gicr", 1, 0x8000, 8192)]
    bench.send()
    bench.settle()
    assert bench.emitted(DmaLanded) == [DmaLanded("gicr", 1, 0x8007, 1, "completion")]
    assert bench.memory.read(0x8007, 1) == bytes([1 << 4])


def test_lpis_that_can_be_disabled_leave_the_table_alone_afterwards() -> None:
    bench = Bench()
    bench.redistributor.use_table(1, 0x8000)
    bench.send()
    assert [bench.carry_out(*step) for step in PROCEDURE.documented] == [True, True]
    assert bench.emitted(DmaLanded, StopConfirmed)[-1] == StopConfirmed("gicr", 1)
    bench.send()
    bench.settle()
    assert bench.emitted(IrqMessageRefused)[-1] == IrqMessageRefused(60, "eth0", 1, "lpis_disabled")
    assert len(bench.emitted(DmaLanded)) == 1
    bench.redistributor.use_table(2, 0x20_0000)
    assert bench.redistributor.table.epoch == 2, "the next table may be put elsewhere"


def test_lpis_that_stay_enabled_are_never_seen_to_stop() -> None:
    """FreeBSD D44038: the memory of such a table is lost for every other use."""
    bench = Bench(lpis="stays-set")
    bench.redistributor.use_table(1, 0x8000)
    assert bench.carry_out("disable-lpis")
    assert not bench.carry_out("confirm")
    assert not bench.emitted(StopConfirmed)
    bench.redistributor.use_table(2, 0x20_0000)
    assert bench.redistributor.table.epoch == 1


def test_a_reset_of_the_board_stops_what_software_cannot() -> None:
    bench = Bench(lpis="stays-set")
    bench.redistributor.use_table(1, 0x8000)
    bench.send()
    bench.redistributor.power_off()
    bench.settle()
    assert bench.redistributor.is_idle
    assert not bench.emitted(DmaLanded)


def test_a_heedless_redistributor_writes_although_it_is_disabled() -> None:
    """Linux b4931afcde1f: disabling LPIs did not invalidate the cached translations."""
    bench = Bench(faults=Faults(route_cache_kept=True))
    bench.redistributor.use_table(1, 0x8000)
    bench.send()
    bench.settle()
    bench.controller.clear_latch(60)
    bench.carry_out("disable-lpis")
    bench.settle()
    before = len(bench.emitted(DmaLanded))
    bench.send()
    bench.settle()
    assert len(bench.emitted(DmaLanded)) > before
