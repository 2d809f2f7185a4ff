"""The IOMMU at work: invalidations, devices that keep translations, shared streams, a reset."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.device_cache import DeviceCache
from quiesce.model.bus.dma_engine import DmaEngine
from quiesce.model.bus.fabric import Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.iommu_plan import IommuPlan, iommu_of
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import (
    AnyEvent,
    AtcInvalidationBegun,
    AtcInvalidationEnded,
    DmaBlocked,
    DmaLanded,
    DmaTranslated,
    IommuMapped,
    IommuReset,
    IommuSynced,
    IommuUnmapped,
    StopConfirmed,
)

TIMING = Timing(
    pcie_posted_write=exactly(100),
    axi_write_drain=exactly(5_000),
    iommu_tlbi_sync=exactly(1_000),
    ats_translation=exactly(700),
    ats_inv=exactly(2_000),
    ats_inv_late=exactly(90_000),
    atc_inv_timeout=exactly(50_000),
)
GUEST, HOST = 0x8000_0000, 0x1000


class Bench:
    """Two devices, or one, behind an IOMMU; a script of the caller's drives them.

    Args:
        plan: The IOMMU.
        answer: What devices do when the IOMMU invalidates their caches; none if they keep none.
    """

    def __init__(self, plan: IommuPlan | None = None, answer: str | None = None) -> None:
        self.kernel = kernel = Kernel(Nominal())
        self.memory = PhysicalMemory(kernel, TIMING)
        self.iommu = Iommu(kernel, TIMING, plan)
        fabric = Fabric(self.memory, InterruptController(kernel, TIMING), self.iommu)
        self.ports = {name: Port(kernel, name, TIMING, fabric) for name in ("eth0", "eth1")}
        self.engines = {name: DmaEngine(kernel, TIMING, port) for name, port in self.ports.items()}
        if answer is not None:
            for port in self.ports.values():
                port.cache, port.cache_answer = DeviceCache(), answer

    def write(self, master: str = "eth0", addr: int = GUEST, epoch: int = 1) -> Steps:
        """Write, and wait until it has landed or was refused."""
        yield from self.engines[master].write(epoch, addr, b"x" * 8, "data")
        yield from self.ports[master].wait_until_landed()

    def remove(self, master: str = "eth0", epoch: int = 1, **orders: bool) -> Steps:
        """Remove a master's maps and wait; gives whether every device has answered."""
        gone = self.iommu.unmap_all(master, epoch)
        orders = {"translations": True, "device_caches": True, "drains": True} | orders
        is_complete = yield self.iommu.submit(master, epoch, **orders)
        self.iommu.synced(master, *gone)
        return is_complete

    def run(self, *scripts: Steps) -> list[AnyEvent]:
        """Let the scripts run side by side, and give what has happened."""
        for script in scripts:
            self.kernel.process(script)
        self.kernel.execute(self.kernel.event())
        return [record.event for record in self.kernel.records]

    def instant(self, kind: type) -> int:
        """Return when something happened first."""
        return next(r.at_ns for r in self.kernel.records if isinstance(r.event, kind))


def blocked(addr: int = GUEST, master: str = "eth0") -> DmaBlocked:
    return DmaBlocked(master, 1, addr, 8, "recorded")


# Devices that keep translations themselves.


def test_a_device_that_keeps_translations_asks_once_for_a_frame() -> None:
    bench = Bench(answer="clears")
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x2000)

    def script() -> Steps:
        for addr in (GUEST, GUEST + 8, GUEST + 0x1000):
            yield from bench.write(addr=addr)

    bench.run(script())
    passed = [r.at_ns for r in bench.kernel.records if isinstance(r.event, DmaTranslated)]
    assert passed == [700 + 100, 5_800 + 100, 10_900 + 700 + 100]
    landed = [r.event.addr for r in bench.kernel.records if isinstance(r.event, DmaLanded)]
    assert landed == [HOST, HOST + 8, HOST + 0x1000]


def test_what_a_device_keeps_outlives_maps_and_tlb_until_it_is_told_to_forget() -> None:
    bench = Bench(answer="clears")
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)

    def script() -> Steps:
        yield from bench.write()
        yield from bench.remove(device_caches=False)
        yield from bench.write(addr=GUEST + 8)
        yield from bench.remove()
        yield from bench.write(addr=GUEST + 16)

    events = bench.run(script())
    assert DmaLanded("eth0", 1, HOST + 8, 8, "data") in events
    assert events[-1] == blocked(GUEST + 16)


def test_a_unit_that_looks_translated_requests_up_needs_no_answer_of_the_device() -> None:
    bench = Bench(IommuPlan(checks_translated=True), answer="keeps")
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)

    def script() -> Steps:
        yield from bench.write()
        yield from bench.remove()
        yield from bench.write(addr=GUEST + 8)

    assert bench.run(script())[-1] == blocked(GUEST + 8)


@pytest.mark.parametrize(
    ("answer", "is_complete", "forgets"),
    [
        ("clears", True, True),
        ("keeps", True, False),
        ("late", False, True),
        ("never", False, False),
    ],
)
def test_each_answer_of_a_device_is_told_and_has_its_effect(
    answer: str, is_complete: bool, forgets: bool
) -> None:
    bench = Bench(answer=answer)
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)
    outcomes = []

    def script() -> Steps:
        yield from bench.write()
        outcomes.append((yield from bench.remove()))
        yield bench.kernel.delay(exactly(200_000), "long after")
        yield from bench.write(addr=GUEST + 8)

    events = bench.run(script())
    assert outcomes == [is_complete]
    assert AtcInvalidationBegun("eth0", 1) in events
    assert AtcInvalidationEnded("eth0", 1, "done" if is_complete else "timed_out") in events
    assert isinstance(events[-1], DmaBlocked) == forgets


def test_a_device_answers_behind_the_writes_that_it_has_let_out() -> None:
    bench = Bench(answer="clears")
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)
    port = bench.ports["eth0"]

    def traffic() -> Steps:
        yield from bench.write()
        for _ in range(40):
            yield from bench.engines["eth0"].write(1, GUEST, b"x" * 8, "data")

    def remover() -> Steps:
        yield bench.kernel.delay(exactly(5_800), "in the middle of it")
        yield from port.forget_translations()
        bench.kernel.emit("script", StopConfirmed("eth0", 1))
        assert port.outstanding == 0

    assert StopConfirmed("eth0", 1) in bench.run(traffic(), remover())


def test_a_silent_device_holds_up_the_removal_of_another() -> None:
    bench = Bench(answer="never")
    bench.ports["eth1"].cache_answer = "clears"
    for master, epoch in (("eth0", 1), ("eth1", 2)):
        bench.iommu.map(master, epoch, GUEST, HOST * epoch, 0x1000)
    bench.run(bench.remove("eth0", 1), bench.remove("eth1", 2))
    synced = [r.at_ns for r in bench.kernel.records if isinstance(r.event, IommuSynced)]
    assert synced == [51_000, 54_000]


# Draining.


@pytest.mark.parametrize(
    ("flavour", "drains", "waits"),
    [("smmuv3", True, True), ("smmuv3", False, True), ("vt-d", True, True), ("vt-d", False, False)],
)
def test_only_a_vtd_that_is_not_asked_to_drain_is_done_before_the_write_has_landed(
    flavour: str, drains: bool, waits: bool
) -> None:
    bench = Bench(iommu_of(flavour))
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)

    def remover() -> Steps:
        yield bench.kernel.delay(exactly(150), "after it was translated")
        yield from bench.remove(drains=drains)

    bench.run(bench.write(), remover())
    assert (bench.instant(IommuSynced) >= bench.instant(DmaLanded)) == waits


# Devices that share one stream identifier.


def grouped() -> Bench:
    bench = Bench(IommuPlan(groups=(("eth0", "eth1"),)))
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)
    bench.iommu.map("eth1", 2, GUEST + 0x1000, HOST + 0x1000, 0x1000)
    return bench


def test_every_function_of_a_group_is_told_to_reach_what_one_of_them_is_given() -> None:
    events = grouped().run()
    mapped = [(e.master, e.epoch) for e in events if isinstance(e, IommuMapped)]
    assert mapped == [("eth0", 1), ("eth1", 1), ("eth0", 2), ("eth1", 2)]


def test_a_function_reaches_the_memory_of_its_sibling() -> None:
    bench = grouped()
    events = bench.run(bench.write("eth1"))
    assert DmaLanded("eth1", 1, HOST, 8, "data") in events


def test_the_maps_of_one_owner_go_and_those_of_the_other_stay() -> None:
    bench = grouped()

    def script() -> Steps:
        yield from bench.remove("eth0", 1)
        yield from bench.write("eth0")
        yield from bench.write("eth0", GUEST + 0x1000)

    events = bench.run(script())
    gone = [(e.master, e.epoch) for e in events if isinstance(e, IommuUnmapped)]
    assert gone == [("eth0", 1), ("eth1", 1)]
    assert blocked() in events
    assert DmaLanded("eth0", 1, HOST + 0x1000, 8, "data") in events


def test_to_refuse_one_function_is_to_refuse_all_of_its_group() -> None:
    bench = grouped()
    bench.iommu.refuse("eth0", 1)
    events = bench.run(bench.write("eth1", GUEST + 0x1000))
    assert events[-1] == blocked(GUEST + 0x1000, "eth1")


# Nothing programmed.


@pytest.mark.parametrize(("unprogrammed", "lands"), [("bypass", True), ("abort", False)])
def test_an_access_of_which_nothing_is_programmed_passes_or_not_as_the_platform_says(
    unprogrammed: str, lands: bool
) -> None:
    bench = Bench(IommuPlan(unprogrammed=unprogrammed))
    last = bench.run(bench.write(addr=HOST))[-1]
    assert isinstance(last, DmaLanded) == lands


@pytest.mark.parametrize(("unprogrammed", "lands"), [("bypass", True), ("abort", False)])
def test_a_reset_makes_a_refused_stream_unprogrammed_again(unprogrammed: str, lands: bool) -> None:
    bench = Bench(IommuPlan(unprogrammed=unprogrammed))
    bench.iommu.unmap_all("eth0", 1)
    bench.iommu.reset()
    events = bench.run(bench.write(addr=HOST))
    assert IommuReset(unprogrammed) in events
    assert isinstance(events[-1], DmaLanded) == lands


def test_a_message_passes_as_long_as_its_stream_does_and_is_refused_with_it() -> None:
    bench = Bench()
    bench.iommu.map("eth0", 1, GUEST, HOST, 0x1000)
    assert bench.iommu.translate_message("eth0", 1, 40) == 40
    events = bench.run(bench.remove())
    assert not [event for event in events if isinstance(event, DmaBlocked)]
    assert bench.iommu.translate_message("eth0", 1, 40) is None
    last = bench.kernel.records[-1].event
    assert isinstance(last, DmaBlocked)
    assert (last.master, last.epoch, last.addr) == ("eth0", 1, 40)
