"""Devices that write no data for their guest, and yet write its memory: rings, status, FISes.

A disk that only writes has its completion entries to put somewhere.  The memory of these must not
be released under it, and `teardown-order` says so whether a write is late in this run or not.
"""

from pathlib import Path

import pytest

from quiesce.model.base.choices import Earliest, Latest, Nominal
from quiesce.model.machine.system import run
from quiesce.model.trace.events import DmaIssued, DmaRequested, Trace
from quiesce.properties.check import check
from quiesce.scenarios.resolve.library import resolved

RULES = {
    "sata": 'operation = "write"\nservice = "50us..200us"\nlength = 8192\n',
    "nvme": 'operation = "write"\nservice = "50us..200us"\nlength = 8192\n',
    "policy": 'period = "40us..80us"\nlengths = []\ncompletion_length = 16\n',
}
"""Kinds of device, with the workload that has no data to write."""

CONF = """system vm1
ram 0x80000000,4M
cpu
load /boot/guest.ifs
pass loc mem:0x3a900000,0x20000,rw=0x3a900000
intr gic:179
vdev vdev-quiesce.so
name quiesce-eth0
"""

SCENARIO = """description = "A device that writes its completion entries alone."
configuration = "vm.qvmconf"
observe = "500us"

[platform]
iommu = "{iommu}"

[[platform.device]]
kind = "{kind}"
name = "dev0"
{rules}
[end]
cause = "guest-crash"
after = {{ event = "IrqTaken", count = 4, delay = "0ns..100us" }}
{quiesce}
[timing]
guest_boot = "100us..300us"
process_exit_base = "10us..50us"

[choices]
"guest.crash-reaches-qvm" = "at-once"
"""

QUIESCE = """
[[quiesce]]
vdev = "quiesce-eth0"
device = "dev0"
"""


def trace_of(folder: Path, kind: str, *, quiesced: bool = False, iommu: str = "none") -> Trace:
    quiesce = QUIESCE if quiesced else ""
    text = SCENARIO.format(kind=kind, rules=RULES[kind], quiesce=quiesce, iommu=iommu)
    (folder / "vm.qvmconf").write_text(CONF)
    (folder / "s.toml").write_text(text)
    return run(resolved(str(folder / "s.toml")).plan, Nominal())


def order_of(trace: Trace) -> tuple[str, int]:
    (found,) = check(trace, ["teardown-order"])
    return found.verdict, found.antecedents


@pytest.mark.parametrize("kind", RULES)
def test_memory_of_completions_that_is_released_under_a_device_at_work_is_told(
    kind: str, tmp_path: Path
) -> None:
    trace = trace_of(tmp_path, kind)
    contents = {each.event.content for each in trace.records if isinstance(each.event, DmaIssued)}
    assert "data" not in contents, "it has nothing to write but completions"
    assert order_of(trace)[0] == "violated"


@pytest.mark.parametrize("kind", RULES)
def test_the_documented_procedure_makes_the_release_of_completions_safe(
    kind: str, tmp_path: Path
) -> None:
    assert order_of(trace_of(tmp_path, kind, quiesced=True)) == ("holds", 1)


@pytest.mark.parametrize("kind", RULES)
def test_behind_an_iommu_the_removal_of_its_maps_makes_it_safe(kind: str, tmp_path: Path) -> None:
    assert order_of(trace_of(tmp_path, kind, iommu="smmuv3")) == ("holds", 1)


@pytest.mark.parametrize("name", ["nic-crash-bare", "sata-crash-bare", "nvme-crash-bare"])
@pytest.mark.parametrize("timing", [Nominal, Earliest, Latest])
def test_no_driver_forgets_to_tell_of_memory_that_its_device_writes(
    name: str, timing: type[Nominal | Earliest | Latest]
) -> None:
    """Every write of a device lies in memory that its driver has given it before."""
    given: list[tuple[str, int, int, int]] = []
    written = 0
    for record in run(resolved(name).plan, timing()).records:
        event = record.event
        if isinstance(event, DmaRequested):
            given.append((event.master, event.epoch, event.addr, event.addr + event.length))
        elif isinstance(event, DmaIssued) and event.content != "message":
            written += 1
            assert any(
                (event.master, event.epoch) == (master, epoch)
                and start <= event.addr
                and event.addr + event.length <= end
                for master, epoch, start, end in given
            ), event
    assert written
