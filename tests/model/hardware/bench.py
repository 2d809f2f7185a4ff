"""A bench for one physical device: memory, fabric, interrupts, and the device's driver."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from quiesce.model.base.choices import Choices, Earliest, Latest, Nominal, Seeded
from quiesce.model.base.clock import exactly
from quiesce.model.bus.fabric import Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import GuestRam, PhysicalMemory, StageTwo
from quiesce.model.guest.device_driver import DeviceDriver, GuestSite
from quiesce.model.guest.driver_registry import driver_of_plan
from quiesce.model.guest.layout import GuestAllocator
from quiesce.model.hardware.physical_device import Wiring
from quiesce.model.hardware.procedure import AnyDevice, Procedure, follow_with_fallbacks
from quiesce.model.hardware.registry import kinds
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.system_plan import RamPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import DmaDropped, DmaIssued, DmaLanded, IrqAsserted, StopConfirmed

E = TypeVar("E", bound=TraceEvent)
Order = Sequence[tuple[str, int]]

RAM = RamPlan(0x8000_0000, 4 << 20)
HOST_RAM = 0x10_0000_0000
MS = 1_000_000

TIMING = Timing()


def all_choices(seeds: int = 20) -> list[Choices]:
    """Give the three corners and many seeds."""
    return [Nominal(), Earliest(), Latest(), *(Seeded(seed) for seed in range(seeds))]


class Outcome(NamedTuple):
    """The outcome of a story.

    Attributes:
        done: What `Bench.end` gave: whether each step was done, or which order was.
        confirmed_ns: When software saw the device idle; None if never.
        late: DMA writes that landed after the teardown point: end of the procedure.
        late_interrupts: Interrupts asserted after it.
    """

    done: Any
    confirmed_ns: int | None
    late: list[DmaLanded]
    late_interrupts: list[IrqAsserted]


class Bench:
    """One device, and a guest's driver for it that can die.

    Args:
        kind: As the registry calls it.
        choices: Decides the spans.
        iommu: Whether the device is behind one; it maps the guest's memory elsewhere then.
        timing: Spans.
        plan: Fields of the device's plan.
    """

    def __init__(
        self,
        kind: str,
        choices: Choices | None = None,
        *,
        iommu: bool = False,
        timing: Timing = TIMING,
        **plan: Any,
    ) -> None:
        self.kind = kinds()[kind]
        self.kernel = kernel = Kernel(choices or Nominal())
        self.timing = timing
        self.memory = PhysicalMemory(kernel, timing)
        self.interrupts = InterruptController(kernel, timing)
        self.interrupts.taker = self
        self.iommu = Iommu(kernel, timing) if iommu else None
        fabric = Fabric(self.memory, self.interrupts, self.iommu)
        self.plan = self.kind.plan("dut0", 40, **plan)
        wiring = Wiring(
            Port(kernel, "dut0", timing, fabric), self.interrupts, 40, self.plan.trigger
        )
        self.device: Any = self.kind.device(kernel, timing, self.plan, wiring)
        assert isinstance(self.device, AnyDevice)
        self.host_start = HOST_RAM if iommu else RAM.start
        if self.iommu is not None:
            self.iommu.map("dut0", 1, RAM.start, self.host_start, RAM.length)
        self.driver: Any = None
        self.threads: list[Any] = []
        self.taken: list[int] = []
        self.step_outcomes: list[bool] = []
        self.boot(1)

    # The guest.

    def boot(self, epoch: int) -> None:
        """Let the next guest's driver run on the same memory and line."""
        stage_two = StageTwo(((RAM.start, self.host_start, RAM.length),))
        allocator = GuestAllocator.in_region(GuestRam(self.memory, stage_two), self.memory, RAM)
        self.driver = driver_of_plan(self.kind.plan)(
            GuestSite(self.kernel, self.timing, f"vm{epoch}", epoch, allocator), self.device
        )
        assert isinstance(self.driver, DeviceDriver)
        self.interrupts.set_masked(40, False)
        self.threads = [
            self.kernel.process(self.driver.run()),
            self.kernel.process(self._unmask(self.driver)),
        ]

    def dispatch(self, intid: int, requested_epoch: int, source: str) -> None:
        """Play kernel and qvm: mask, and deliver to the guest's driver."""
        self.taken.append(requested_epoch)
        self.interrupts.set_masked(intid, True)
        self.driver.interrupts.put(intid)

    def _unmask(self, driver: Any) -> Steps:
        while True:
            while not driver.handled:
                yield driver.handled.wait()
            driver.handled.take()
            self.interrupts.set_masked(40, False)

    def die(self) -> None:
        """Let the guest stop where it stands."""
        for thread in self.threads:
            self.kernel.kill(thread)
        self.threads = []

    def pass_ns(self, duration_ns: int) -> None:
        """Let time pass."""
        self.run(self._wait(duration_ns))

    def work(self, work_ns: int) -> None:
        """Let the guest work, and on until a request has just begun where requests take time."""
        self.pass_ns(work_ns)
        tries = 4_000 if hasattr(self.plan, "service") else 0
        before = self.in_service()
        while tries:
            self.pass_ns(500)
            if any(one not in before for one in self.in_service()):
                return
            before = self.in_service()
            tries -= 1

    def in_service(self) -> list[Any]:
        """Return what the device works on and has yet to write."""
        running = getattr(self.device, "running", ())
        return [one for one in running if one.service is not None and one.data]

    def _wait(self, duration_ns: int) -> Steps:
        yield self.kernel.delay(exactly(duration_ns), "bench.wait")

    def run(self, steps: Steps) -> Any:
        """Run a process to its end; return what it gives."""
        process = self.kernel.process(steps)
        self.kernel.execute(process)
        return process.value

    # The end.

    def carry_out(self, order: Order) -> Steps:
        """Carry out steps as a vdev does, also after a step that gives False."""
        outcomes = []
        for step, bound_ns in order:
            done = yield from self.kind.procedure.carry_out(
                self.kernel, self.device, 1, step, bound_ns
            )
            outcomes.append(bool(done))
        return outcomes

    def end(
        self, order: Order | None = None, work_ns: int = 3 * MS, watch_ns: int = 30 * MS
    ) -> Outcome:
        """Let the guest work and die, carry out an order or the whole procedure, and watch."""
        self.work(work_ns)
        self.die()
        procedure: Procedure = self.kind.procedure
        if order is None:
            done = self.run(follow_with_fallbacks(self.kernel, self.device, 1, procedure))
        else:
            done = self.run(self.carry_out(order))
        return self.watch(done, watch_ns)

    def watch(self, done: Any, watch_ns: int) -> Outcome:
        """Count what happens from here on."""
        mark = len(self.kernel.records)
        self.pass_ns(watch_ns)
        confirmed = [at_ns for at_ns, _ in self.of(StopConfirmed)]
        return Outcome(
            done,
            confirmed[-1] if confirmed else None,
            [event for _, event in self.of(DmaLanded, mark)],
            [event for _, event in self.of(IrqAsserted, mark)],
        )

    def of(self, kind: type[E], since: int = 0) -> list[tuple[int, E]]:
        """Return all events of a kind, with their instants."""
        records = self.kernel.records[since:]
        return [
            (record.at_ns, record.event) for record in records if isinstance(record.event, kind)
        ]

    def landed(self, content: str = "data") -> int:
        """Return how many writes of a kind have landed."""
        return sum(event.content == content for _, event in self.of(DmaLanded))

    def issued(self) -> int:
        return len(self.of(DmaIssued))

    def dropped(self, reason: str) -> int:
        return sum(event.reason == reason for _, event in self.of(DmaDropped))


def without(order: Order, *steps: str) -> list[tuple[str, int]]:
    """Return an order with steps left out."""
    return [(step, bound_ns) for step, bound_ns in order if step not in steps]


def swapped(order: Order, one: str, other: str) -> list[tuple[str, int]]:
    """Return an order with two steps exchanged."""
    bounds = dict(order)
    exchange = {one: other, other: one}
    return [(exchange.get(step, step), bounds[exchange.get(step, step)]) for step, _ in order]
