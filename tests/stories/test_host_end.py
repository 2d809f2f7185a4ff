"""The host goes down under its guests: by a fault of its kernel, or by a shutdown command."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Latest, Nominal
from quiesce.model.base.clock import exactly
from quiesce.model.hardware.nic import Nic
from quiesce.model.host.host import Host
from quiesce.model.machine.system import run
from quiesce.model.plan.system_plan import EndPlan, SystemPlan
from quiesce.model.plan.traits import Traits
from quiesce.model.sim.kernel import Kernel
from quiesce.model.trace.event_base import TraceEvent
from quiesce.model.trace.events import (
    CallbackBegun,
    DmaLanded,
    FramesReleased,
    GuestEnded,
    HostReset,
    HostShutdownBegun,
    QvmExited,
    StopConfirmed,
    Trace,
    VmStarted,
)
from quiesce.properties.check import check

PlanMaker = Callable[..., SystemPlan]
Steps = tuple[tuple[str, int], ...]

LEAVES = {"bsp.reboot-callout": "leaves-peripherals"}
RESETS = {"bsp.reboot-callout": "resets-peripherals"}


def of(trace: Trace, *kinds: type[TraceEvent]) -> list[tuple[int, TraceEvent]]:
    return [(r.at_ns, r.event) for r in trace.records if isinstance(r.event, kinds)]


def verdicts(trace: Trace) -> dict[str, str]:
    return {verdict.property: verdict.verdict for verdict in check(trace)}


@pytest.mark.parametrize("cause", ["host-dss", "host-shutdown"])
def test_no_vm_is_told_and_none_comes_back(
    nic_system: PlanMaker, documented_steps: Steps, cause: str
) -> None:
    plan = nic_system(documented_steps, vm={"end": EndPlan(cause, exactly(300_000))}, pinned=RESETS)
    trace = run(plan, Nominal())
    assert of(trace, HostShutdownBegun)[0][1] == HostShutdownBegun(cause)
    assert of(trace, CallbackBegun) == []
    assert [event for _, event in of(trace, QvmExited)] == [QvmExited("qvm178", 1, -1)]
    assert len(of(trace, VmStarted)) == 1


@pytest.mark.parametrize(("pinned", "word"), [(RESETS, "holds"), (LEAVES, "violated")])
def test_what_the_reboot_callout_leaves_running_writes_into_the_next_host(
    nic_system: PlanMaker, pinned: dict[str, str], word: str
) -> None:
    end = EndPlan("host-dss", exactly(300_000))
    trace = run(nic_system(vm={"end": end}, pinned=pinned), Latest())
    reset_ns = of(trace, HostReset)[0][0]
    assert {at_ns for at_ns, _ in of(trace, FramesReleased)} == {reset_ns}
    late = [at_ns for at_ns, _ in of(trace, DmaLanded) if at_ns >= reset_ns]
    assert bool(late) == (word == "violated")
    assert verdicts(trace)["no-dma-after-teardown"] == word


@pytest.mark.parametrize("answer", ["run-on", "stop-at-once"])
def test_other_processors_go_on_until_the_callout_or_not(
    nic_system: PlanMaker, answer: str
) -> None:
    """A crash in an interrupt handler holds no kernel lock, so that they may."""
    end = EndPlan("host-dss", exactly(300_000))
    trace = run(nic_system(vm={"end": end}, pinned=RESETS | {"host.other-cpus": answer}), Nominal())
    stopped_ns = of(trace, GuestEnded)[0][0]
    begun_ns, reset_ns = of(trace, HostShutdownBegun)[0][0], of(trace, HostReset)[0][0]
    assert stopped_ns == (reset_ns if answer == "run-on" else begun_ns)
    assert any(begun_ns < at_ns < reset_ns for at_ns, _ in of(trace, DmaLanded))


def test_a_disk_of_the_host_goes_down_with_it(block_system: PlanMaker) -> None:
    for pinned, word in ((RESETS, "holds"), (LEAVES, "violated")):
        vm = {"end": EndPlan("host-shutdown", exactly(300_000))}
        trace = run(block_system(vm=vm, pinned=pinned), Latest())
        assert verdicts(trace)["no-dma-after-teardown"] == word


@pytest.mark.parametrize(("ignores", "word"), [(False, "holds"), (True, "violated")])
def test_a_reset_of_the_board_confirms_the_stop_only_of_a_device_that_takes_it(
    nic_system: PlanMaker, ignores: bool, word: str
) -> None:
    vm = {"end": EndPlan("host-dss", exactly(300_000))}
    nic = {"traits": Traits(ignores_reset=ignores)}
    trace = run(nic_system(vm=vm, nic=nic, pinned=RESETS), Latest())
    found = verdicts(trace)
    assert bool(of(trace, StopConfirmed)) is not ignores
    assert found["no-dma-after-teardown"] == found["teardown-order"] == word


@pytest.mark.parametrize("host_ends", [False, True])
def test_software_that_starts_stopped_devices_again_ends_with_the_host(
    nic_system: PlanMaker, host_ends: bool
) -> None:
    """A recovery agent is a process like any other, and no processor runs it any more."""
    plan = nic_system()
    plan = replace(plan, faults=replace(plan.faults, resurrecting_agent=True))
    kernel = Kernel(Nominal())
    host = Host(kernel, plan)
    nic = host.devices["eth0"]
    assert isinstance(nic, Nic)
    for register, value in (("RDBA", 0x8000_0000), ("RDLEN", 8), ("RCTL.EN", 0)):
        nic.write_register(register, value, 1)
    if host_ends:
        for process in host.power.processes:
            process.stop_threads()
    kernel.execute(kernel.delay(exactly(100_000_000), "test.wait"))
    assert nic.receive_enabled is not host_ends
