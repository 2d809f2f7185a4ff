"""A device whose write is aimed at registers: its own, or those of a sibling.

QEMU CVE-2021-3929: a request's buffer was the controller's own reset register; the reset freed what
the request was still using, and the request went on.
"""

from typing import Any

import pytest

from quiesce.model.base.choices import Seeded
from quiesce.model.base.clock import Span
from quiesce.model.bus.fabric import BusWrite, Port
from quiesce.model.bus.register_window import WINDOW_LENGTH, WINDOWS_START
from quiesce.model.plan.traits import Traits
from quiesce.model.trace.events import DmaBlocked, RegistersHit

from .bench import MS, Bench
from .test_devices import bench_of

AIMED: dict[str, dict[str, Any]] = {
    "ahci": {"own_registers_at": 1},
    "policy": {"own_registers_at": 1},
    "nvme": {"completes_on_registers": True, "trigger": "level"},
}


def aimed(kind: str, **changes: Any) -> Bench:
    """Make a bench whose requests end one after the other, the aimed one not last."""
    service = {"service": Span(100_000, 400_000)}
    return bench_of(kind, Seeded(5), **(AIMED[kind] | service | changes))


def until_hit(bench: Bench) -> RegistersHit:
    """Let the guest work until the first write has arrived at registers."""
    for _ in range(10_000):
        if hits := bench.of(RegistersHit):
            return hits[0][1]
        bench.pass_ns(500)
    raise AssertionError("no write ever arrives at registers")


@pytest.mark.parametrize("kind", AIMED)
def test_a_correct_device_refuses_what_its_own_write_would_do_to_it(kind: str) -> None:
    bench = aimed(kind)
    hit = until_hit(bench)
    assert (hit.master, hit.device, hit.outcome) == ("dut0", "dut0", "refused")
    assert hit.addr == bench.device.registers_at == WINDOWS_START
    bench.pass_ns(MS // 10)
    assert bench.device.running, "its work goes on as if nothing had happened"


@pytest.mark.parametrize("kind", AIMED)
def test_without_the_guard_a_reset_from_inside_forgets_what_goes_on(kind: str) -> None:
    bench = aimed(kind, traits=Traits(takes_bus_writes=True))
    assert until_hit(bench).outcome == "taken"
    while bench.device.running:  # the second entry of NVMe's completion queue is the one
        bench.pass_ns(500)
    assert not bench.device.transactions_pending
    before = bench.issued()
    bench.die()
    bench.pass_ns(MS)
    assert bench.issued() > before, "nothing is under way, and yet it writes"


def test_behind_an_iommu_no_register_can_be_reached() -> None:
    bench = aimed("ahci", iommu=True, traits=Traits(takes_bus_writes=True))
    bench.pass_ns(2 * MS)
    assert bench.of(RegistersHit) == []
    (refused,) = [event for _, event in bench.of(DmaBlocked)]
    assert refused.addr == WINDOWS_START


@pytest.mark.parametrize("guarded", [True, False])
def test_a_sibling_can_start_a_stopped_controller_again_unless_it_refuses(guarded: bool) -> None:
    """The second port writes into the window of the controller at the first one."""
    bench = Bench("nic", traits=Traits(takes_bus_writes=not guarded))
    nic = bench.device
    bench.die()
    bench.run(bench.carry_out([("disable-receive", 0), ("read-back", 0)]))
    sibling = Port(bench.kernel, "eth1", bench.timing, nic.port.fabric)
    sibling.issue(BusWrite(2, nic.registers_at + 0x100, b"\xee" * 4, "data"))
    bench.pass_ns(MS)
    ((_, hit),) = bench.of(RegistersHit)
    assert (hit.master, hit.device) == ("eth1", "dut0")
    assert hit.outcome == ("refused" if guarded else "taken")
    assert nic.receive_enabled is not guarded
    assert not nic.is_reentered


def test_every_window_has_its_place_and_memory_has_none() -> None:
    fabric = Bench("nic").device.port.fabric
    (nic,) = fabric.windows
    assert fabric.target_at(WINDOWS_START) is nic
    assert fabric.target_at(WINDOWS_START + WINDOW_LENGTH - 1) is nic
    assert fabric.target_at(WINDOWS_START - 1) is None
    assert fabric.target_at(WINDOWS_START + WINDOW_LENGTH) is None
