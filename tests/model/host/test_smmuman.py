"""smmuman: it reads fault records, restarts, and handles clients that share a stream."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.bus.device_cache import DeviceCache
from quiesce.model.bus.fabric import Fabric, Port
from quiesce.model.bus.iommu import Iommu
from quiesce.model.bus.memory import PhysicalMemory
from quiesce.model.host.smmuman import CLIENT_RECORDS_MAX, Smmuman
from quiesce.model.interrupts.interrupt_controller import InterruptController
from quiesce.model.plan.faults import Faults
from quiesce.model.plan.iommu_plan import IommuPlan
from quiesce.model.plan.timing import Timing
from quiesce.model.sim.kernel import Kernel, Steps
from quiesce.model.trace.events import FaultRecordsRead, IommuMapped, IommuReset, IommuSynced

TIMING = Timing(
    irq_to_host_handler=exactly(5_000),
    mmio_read_flush=exactly(1_000),
    ctx_switch=exactly(100),
    iommu_entry_write=exactly(100),
    iommu_tlbi_sync=exactly(1_000),
    ats_inv=exactly(1_000),
    atc_inv_timeout=exactly(10_000),
    smmuman_restart=exactly(20_000),
)
GUEST, HOST = 0x8000_0000, 0x1000
RANGES = ((GUEST, HOST, 0x1000),)


class Bench:
    """smmuman with its IOMMU and two devices that do nothing of themselves."""

    def __init__(
        self,
        plan: IommuPlan | None = None,
        faults: Faults | None = None,
        pinned: dict[str, str] | None = None,
    ) -> None:
        self.kernel = kernel = Kernel(Nominal(), pinned)
        self.iommu = Iommu(kernel, TIMING, plan)
        self.smmuman = Smmuman(kernel, TIMING, self.iommu, faults or Faults())
        memory, interrupts = PhysicalMemory(kernel, TIMING), InterruptController(kernel, TIMING)
        fabric = Fabric(memory, interrupts, self.iommu)
        self.ports = {name: Port(kernel, name, TIMING, fabric) for name in ("eth0", "eth1")}
        self.outcomes: list[bool] = []

    def refuse(self, count: int, epoch: int = 1, addr: int = GUEST) -> None:
        """Let a device be refused so many times at once."""
        for _ in range(count):
            self.iommu.translate_write("eth0", epoch, addr, 8)

    def remove(self, master: str = "eth0", epoch: int = 1) -> Steps:
        """Let a client ask for the removal of its maps."""
        self.outcomes.append((yield from self.smmuman.remove(self.ports[master], epoch)))

    def run(self, *scripts: Steps) -> None:
        """Let the scripts run side by side to their end."""
        for script in scripts:
            self.kernel.process(script)
        self.kernel.execute(self.kernel.event())

    def events_of(self, kind: type) -> list[tuple[int, object]]:
        """Return the events of a kind, each with its instant."""
        return [(r.at_ns, r.event) for r in self.kernel.records if isinstance(r.event, kind)]


# Fault records.


def test_records_are_read_in_one_go_and_sorted_by_client() -> None:
    bench = Bench(IommuPlan(unprogrammed="abort"))
    bench.refuse(2, epoch=1)
    bench.refuse(1, epoch=2)
    bench.run()
    assert bench.events_of(FaultRecordsRead) == [
        (6_000, FaultRecordsRead(1, 2, 0, False)),
        (6_000, FaultRecordsRead(2, 1, 0, False)),
    ]


def test_a_full_queue_loses_records_and_its_flag_is_seen() -> None:
    bench = Bench(IommuPlan("vt-d", unprogrammed="abort", fault_records=3))
    bench.refuse(5)
    bench.run()
    assert bench.events_of(FaultRecordsRead) == [(6_000, FaultRecordsRead(1, 3, 0, True))]
    bench.refuse(1)
    bench.run()
    assert bench.events_of(FaultRecordsRead)[1:] == [(12_000, FaultRecordsRead(1, 1, 0, False))]


@pytest.mark.parametrize(("flavour", "recorded"), [("smmuv3", 1), ("vt-d", 0)])
def test_between_reading_and_clearing_the_flag_only_an_smmuv3_records(
    flavour: str, recorded: int
) -> None:
    bench = Bench(IommuPlan(flavour, unprogrammed="abort", fault_records=1))

    def storm() -> Steps:
        bench.refuse(2)
        yield bench.kernel.delay(exactly(5_500), "read, and not yet cleared")
        bench.refuse(1)
        assert len(bench.iommu.faults.records) == recorded

    bench.run(storm())
    assert len(bench.events_of(FaultRecordsRead)) == 1 + recorded


def test_a_client_has_sixty_four_records_and_the_rest_is_counted_as_dropped() -> None:
    bench = Bench(IommuPlan(unprogrammed="abort"))
    bench.refuse(CLIENT_RECORDS_MAX + 6)
    bench.run()
    expected = FaultRecordsRead(1, CLIENT_RECORDS_MAX, 6, False)
    assert bench.events_of(FaultRecordsRead) == [(6_000, expected)]


def test_a_smmuman_whose_host_went_down_reads_no_more_records() -> None:
    bench = Bench(IommuPlan(unprogrammed="abort"))

    def host() -> Steps:
        yield bench.kernel.delay(exactly(1_000), "while the interrupt is on its way")
        bench.smmuman.stop_threads()

    bench.refuse(2)
    bench.run(host())
    assert bench.events_of(FaultRecordsRead) == []


# A new start.


def test_clients_that_live_are_mapped_again_and_those_that_went_are_not() -> None:
    bench = Bench()
    bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
    bench.smmuman.map(bench.ports["eth1"], 2, RANGES)
    bench.smmuman.crash(bench.kernel.event().succeed(), exactly(50_000))
    bench.run(bench.remove())
    assert bench.events_of(IommuReset) == [(50_000, IommuReset("bypass"))]
    again = [event for at_ns, event in bench.events_of(IommuMapped) if at_ns]
    assert again == [IommuMapped("eth1", 2, GUEST, HOST, 0x1000)]
    assert bench.events_of(IommuMapped)[-1][0] == 70_000


def test_a_request_waits_until_smmuman_is_there_again() -> None:
    bench = Bench()
    bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
    bench.smmuman.crash(bench.kernel.event().succeed(), exactly(0))
    bench.run(bench.remove())
    assert bench.events_of(IommuSynced) == [(21_000, IommuSynced("eth0", 1))]


def test_who_comes_while_it_is_away_is_mapped_when_it_is_back() -> None:
    bench = Bench()

    def newcomer() -> Steps:
        yield bench.kernel.delay(exactly(5_000), "in between")
        bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
        assert bench.events_of(IommuMapped) == []

    bench.smmuman.crash(bench.kernel.event().succeed(), exactly(0))
    bench.run(newcomer())
    assert [at_ns for at_ns, _ in bench.events_of(IommuMapped)] == [20_000]


@pytest.mark.parametrize("in_halves", [True, False])
def test_an_entry_that_is_changed_in_halves_lets_all_pass_in_between(in_halves: bool) -> None:
    """Xen XSA-347: the half-updated entry is a valid one, and translates nothing."""
    bench = Bench(faults=Faults(entry_in_halves=in_halves))
    bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
    stray = 0x1234_5000

    def device() -> Steps:
        yield bench.kernel.delay(exactly(150), "between the halves")
        passes = bench.iommu.translate_write("eth0", 1, stray, 8) == stray
        assert passes == in_halves
        yield bench.kernel.delay(exactly(20_000), "after it")
        assert bench.iommu.translate_write("eth0", 1, stray, 8) is None

    bench.run(bench.remove(), device())
    assert bench.outcomes == [True]


# Devices that keep translations, and devices that share a stream.


@pytest.mark.parametrize(
    ("faults", "outcome", "synced"),
    [(Faults(), False, 0), (Faults(atc_timeout_is_success=True), True, 1)],
)
def test_a_device_that_does_not_answer_leaves_the_removal_undone_unless_that_is_ignored(
    faults: Faults, outcome: bool, synced: int
) -> None:
    bench = Bench(faults=faults)
    bench.ports["eth0"].cache = DeviceCache()
    bench.ports["eth0"].cache_answer = "never"
    bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
    bench.run(bench.remove())
    assert bench.outcomes == [outcome]
    assert len(bench.events_of(IommuSynced)) == synced


@pytest.mark.parametrize(
    ("answer", "own", "sibling"),
    [
        ("own-maps-only", False, True),
        ("kept-until-last", True, True),
        ("all-refused", False, False),
    ],
)
def test_what_the_functions_of_a_group_reach_when_one_owner_goes(
    answer: str, own: bool, sibling: bool
) -> None:
    pinned = {"smmuman.shared-stream": answer}
    bench = Bench(IommuPlan(groups=(("eth0", "eth1"),)), pinned=pinned)
    bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
    bench.smmuman.map(bench.ports["eth1"], 2, ((GUEST + 0x1000, HOST + 0x1000, 0x1000),))
    bench.run(bench.remove())
    reached = [
        bench.iommu.translate_write("eth0", 1, addr, 8) is not None
        for addr in (GUEST, GUEST + 0x1000)
    ]
    assert reached == [own, sibling]


def test_maps_that_were_kept_go_with_the_last_owner() -> None:
    pinned = {"smmuman.shared-stream": "kept-until-last"}
    bench = Bench(IommuPlan(groups=(("eth0", "eth1"),)), pinned=pinned)
    bench.smmuman.map(bench.ports["eth0"], 1, RANGES)
    bench.smmuman.map(bench.ports["eth1"], 2, RANGES)

    def both() -> Steps:
        yield from bench.remove("eth0", 1)
        assert bench.events_of(IommuSynced) == []
        yield from bench.remove("eth1", 2)

    bench.run(both())
    synced = [(event.epoch) for _, event in bench.events_of(IommuSynced)]  # type: ignore[attr-defined]
    assert sorted(set(synced)) == [1, 2]
    assert bench.iommu.translate_write("eth0", 1, GUEST, 8) is None
