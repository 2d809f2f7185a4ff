"""The IOMMU of a scenario: which one it is, what follows from that, and what does not fit."""

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.base.errors import ScenarioError
from quiesce.model.machine.system import run
from quiesce.model.plan.iommu_plan import IommuPlan, iommu_of
from quiesce.model.plan.system_plan import AfterPlan, CrashPlan
from quiesce.model.plan.wiring import wiring
from quiesce.model.trace.events import DmaBlocked, DmaLanded, FaultRecordsRead, FramesReleased
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.resolve import ResolvedScenario, resolve

from ..conftest import GUEST, SCENARIO, Write

X86 = GUEST.replace("loc 0x1c0d0000 intr gic:41", "loc pci:0:1.0 intr apic:5").replace(
    "gic:", "apic:"
)


def plan_of(write: Write, iommu: str, more: str = "", guest: str = GUEST) -> ResolvedScenario:
    text = SCENARIO.replace('iommu = "none"', f'iommu = "{iommu}"') + more
    return resolve(load(write(text, guest=guest)))


def complaint(write: Write, iommu: str, more: str = "", guest: str = GUEST) -> str:
    with pytest.raises(ScenarioError) as caught:
        plan_of(write, iommu, more, guest)
    return str(caught.value)


@pytest.mark.parametrize(("guest", "flavour"), [(GUEST, "smmuv3"), (X86, "vt-d")])
def test_the_native_iommu_is_that_of_the_architecture(
    write: Write, guest: str, flavour: str
) -> None:
    found = plan_of(write, "native", guest=guest)
    assert found.plan.iommu
    assert found.plan.iommu_unit == iommu_of(flavour)
    assert ("platform.iommu", flavour) in [(each.name, each.value) for each in found.assumptions]


def test_what_is_known_of_the_unit_replaces_what_follows_from_its_kind(write: Write) -> None:
    unit = """
[platform.iommu_unit]
unprogrammed = "abort"
fault_records = 1
write_drain = false
checks_translated = false
groups = [["eth0", "ahci0"]]
"""
    plan = plan_of(write, "vt-d", unit, X86).plan
    assert plan.iommu_unit == IommuPlan("vt-d", "abort", (("eth0", "ahci0"),), 1, False, False)


def test_the_end_of_smmuman_comes_after_an_event(write: Write) -> None:
    more = '\n[smmuman]\ncrash = { event = "QvmExited", source = "linux-net", delay = "5us" }\n'
    plan = plan_of(write, "smmuv3", more).plan
    assert plan.smmuman_crash == CrashPlan(exactly(5_000), AfterPlan("QvmExited", "linux-net"))


@pytest.mark.parametrize(
    ("iommu", "more", "guest", "words"),
    [
        ("vt-d", "", GUEST, "VT-d does not go with interrupts at 'gic'"),
        ("smmuv3", "", X86, "SMMUv3 does not go with interrupts at 'apic'"),
        ("none", "[platform.iommu_unit]\nfault_records = 2", GUEST, "there is no IOMMU that this"),
        ("none", '[smmuman]\ncrash = { event = "QvmExited" }', GUEST, "there is no smmuman"),
        ("smmuv3", "[platform.iommu_unit]\nwrite_drain = false", GUEST, "always waits"),
        ("smmuv3", "[faults]\nno_drain = true", GUEST, "has no way to skip the wait"),
        ("smmuv3", '[platform.iommu_unit]\ngroups = [["eth0", "eth9"]]', GUEST, "'eth9'"),
        ("smmuv3", '[platform.iommu_unit]\ngroups = [["eth0"], ["eth0"]]', GUEST, "stands twice"),
        ("smmuv3", '[smmuman]\ncrash = { event = "QvmExited", source = "x" }', GUEST, "component"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    write: Write, iommu: str, more: str, guest: str, words: str
) -> None:
    text = complaint(write, iommu, more, guest)
    assert words in text
    assert text.startswith("s.toml:")


# Whole runs of shipped scenarios, for what no property judges.


def test_a_living_guest_loses_its_function_when_the_whole_group_is_refused() -> None:
    trace = run(resolved("group-sibling-refused").plan, Nominal())
    of_the_living = [r for r in trace.records if getattr(r.event, "epoch", 0) == 2]
    blocked = [r.at_ns for r in of_the_living if isinstance(r.event, DmaBlocked)]
    landed = [r.at_ns for r in of_the_living if isinstance(r.event, DmaLanded)]
    assert blocked
    assert max(landed) <= min(blocked) + 10_000


def test_the_flag_of_a_full_queue_is_seen_and_so_is_what_a_client_could_not_hold() -> None:
    trace = run(resolved("fault-queue-overflow").plan, Nominal())
    events = [record.event for record in trace.records]
    refused = [event.record for event in events if isinstance(event, DmaBlocked)]
    read = [event for event in events if isinstance(event, FaultRecordsRead)]
    assert refused.count("lost") > refused.count("recorded") > 0
    assert any(event.lost for event in read)


def test_memory_that_a_silent_device_can_write_is_never_returned() -> None:
    trace = run(resolved("bug-b14-atc-timeout-repaired").plan, Nominal())
    assert not [r for r in trace.records if isinstance(r.event, FramesReleased)]


def test_a_device_that_no_iommu_confines_goes_straight_to_memory_in_the_wiring() -> None:
    graph = wiring(resolved("vtd-soc-device").plan)
    assert graph.has_edge("dev0.dma", "memory")
    assert not graph.has_edge("dev0.dma", "iommu")


def test_only_an_iommu_that_tells_devices_to_forget_acts_on_them() -> None:
    asked = wiring(resolved("ats-cache-kept").plan)
    assert asked.has_edge("iommu", "eth0")
    assert not wiring(resolved("nic-crash-iommu").plan).has_edge("iommu", "eth0")
    assert asked.nodes["smmuman"]["kind"] == "host_driver"
