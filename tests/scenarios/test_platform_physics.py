"""What hardware does to late writes, from a scenario file to its verdict; each case was once wrong.

Every system here looks harmless for a reason that no hardware gives:

- a port without FIS receiver,
- a board that resets its devices,
- a wait that reads 0 at once,
- mappings that are gone in time.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quiesce.model.base.choices import Earliest, Latest, Nominal, Seeded
from quiesce.model.trace.events import (
    CallbackEnded,
    DmaBlocked,
    DmaLanded,
    DmaReadBlocked,
    FramesReleased,
    HostReset,
    StopConfirmed,
)
from quiesce.scenarios.cli import main
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.resolve import resolve
from quiesce.scenarios.run.runner import RunResult, run_scenario

Write = Callable[..., Path]
LATE = "no-dma-after-teardown"
GUEST = """\
system guest
ram 0x80000000,4M
pass loc mem:0x1c000000,0x10000,rw=0x1c000000
        intr gic:41=171
vdev quiesce-dev name quiesce-dev0
"""
DEVICE = """\
configuration = "guest.qvmconf"
observe = "{observe}"

[platform]
iommu = "{iommu}"

[[platform.device]]
name = "dev0"
interrupt = 171
{device}
[end]
{end}
[timing]
guest_boot = "100us..300us"
process_exit_base = "50us..200us"
release_skew = "0ns..20us"
host_shutdown = "1ms..2ms"
restart = "300us..600us"
"""


def system(
    device: str,
    end: str,
    *steps: str,
    iommu: str = "none",
    observe: str = "20ms",
    choices: str = "",
    restart: bool = False,
) -> str:
    text = DEVICE.format(device=device, end=end, iommu=iommu, observe=observe)
    if restart:
        text = "restart = true\n" + text
    if steps:
        listed = ", ".join(steps)
        text += f'\n[[quiesce]]\nvdev = "quiesce-dev0"\ndevice = "dev0"\nsteps = [{listed}]\n'
    return 'description = "A device and the end of its owner."\n' + text + choices


AHCI_WRITE = system(
    """kind = "sata"
trigger = "message"
operation = "write"
service = "3ms..4ms"
requests = 2
depth = 1
slots = 1
""",
    'cause = "sigquit"\nafter = { event = "IrqTaken", count = 1, delay = "1ms..2ms" }\n',
    '"mask-interrupts"',
    '"stop-engine"',
    '"stop-fis-receive"',
    '{ name = "await-fis-receive", bound = "1s" }',
    '"read-back"',
)
EDU = system(
    'kind = "edu"\n',
    'cause = "host-dss"\nafter = { event = "DmaRequested", delay = "10ms..30ms" }\n',
    observe="150ms",
    choices='\n[choices]\n"bsp.reboot-callout" = "resets-peripherals"\n',
)
NVME_READ = system(
    """kind = "nvme"
trigger = "message"
service = "8ms..9ms"
requests = 2
in_flight = 2
""",
    'cause = "sigquit"\nafter = { event = "DmaFetched", count = 2, delay = "500us..1ms" }\n',
    '"mask-messages"',
    '{ name = "await-transactions", bound = "50ms" }',
    '"read-back"',
    restart=True,
)
DISK_WRITE = system(
    """kind = "{kind}"
trigger = "message"
operation = "write"
service = "5ms..6ms"
requests = {requests}
""",
    'cause = "sigquit"\nafter = {{ event = "{after}", count = {count}, delay = "1ms..2ms" }}\n',
    '"mask-interrupts"',
    iommu="smmuv3",
    choices='\n[choices]\n"procnto.cleanup-order" = "iommu-before-memory"\n',
)


def runs(path: Path) -> list[RunResult]:
    found = resolve(load(path))
    every = (Nominal(), Earliest(), Latest(), *map(Seeded, range(6)))
    return [run_scenario(found, choices, "a run") for choices in every]


def words(result: RunResult) -> dict[str, str]:
    return {one.property: one.verdict for one in result.judgement.verdicts}


def events(result: RunResult, kind: type[Any]) -> list[tuple[int, Any]]:
    return [(r.at_ns, r.event) for r in result.trace.records if isinstance(r.event, kind)]


def proved(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    main(["prove", str(path), "--property", LATE, "--json", "--no-plot"])
    verdict: str = json.loads(capsys.readouterr().out)["properties"][LATE]["verdict"]
    return verdict


def test_a_port_without_fis_receiver_writes_the_byte_count_of_its_command(write: Write) -> None:
    for result in runs(write(AHCI_WRITE, guest=GUEST)):
        assert words(result)[LATE] == "violated"
        released_ns = events(result, FramesReleased)[-1][0]
        late = [event for at_ns, event in events(result, DmaLanded) if at_ns >= released_ns]
        found = [(event.content, event.length) for event in late]
        was_told = any(event.outcome == "done" for _, event in events(result, CallbackEnded))
        assert found == (
            [("completion", 4)] if was_told else [("completion", 4), ("completion", 20)]
        )


def test_the_timer_of_the_teaching_device_outlives_the_reset_of_the_host(write: Write) -> None:
    for result in runs(write(EDU, guest=GUEST)):
        assert words(result)[LATE] == words(result)["teardown-order"] == "violated"
        assert events(result, StopConfirmed) == []
        reset_ns = events(result, HostReset)[0][0]
        assert [at_ns > reset_ns for at_ns, _ in events(result, DmaLanded)] == [True]


def test_a_wait_for_transactions_does_not_wait_for_a_disk(write: Write) -> None:
    for result in runs(write(NVME_READ, guest=GUEST)):
        assert words(result)[LATE] == "violated"


@pytest.mark.parametrize(("kind", "after"), [("nvme", "IrqUnmasked"), ("sata", "IrqTaken")])
def test_a_disk_write_has_its_data_before_the_mappings_go(
    write: Write, kind: str, after: str
) -> None:
    """The IOMMU afterwards refuses the entries that report the end of the command."""
    count, requests = (3, 4) if kind == "nvme" else (1, 8)
    text = DISK_WRITE.format(kind=kind, after=after, count=count, requests=requests)
    for result in runs(write(text, guest=GUEST)):
        assert events(result, DmaReadBlocked) == []
        blocked = [event.length for _, event in events(result, DmaBlocked)]
        assert blocked
        assert set(blocked) <= {4, 16, 20}
        assert words(result)[LATE] == "holds"


@pytest.mark.slow
@pytest.mark.parametrize("text", [AHCI_WRITE, EDU, NVME_READ])
def test_a_proof_says_the_same(write: Write, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert proved(write(text, guest=GUEST), capsys) == "violated"


@pytest.mark.parametrize(
    ("traits", "data"),
    [
        ("", "drain-and-post"),
        ("traits = { keeps_interrupt = true }", "drain-and-post"),
        ('traits = { reset = { data = "cancel" } }', "cancel"),
        ('traits = { reset = { completion = "nothing" } }', "cancel"),
    ],
)
def test_a_reset_policy_that_is_left_out_is_that_of_most_devices_of_the_kind(
    write: Write, traits: str, data: str
) -> None:
    text = NVME_READ.replace("in_flight = 2\n", f"in_flight = 2\n{traits}\n")
    (device,) = resolve(load(write(text, guest=GUEST))).plan.devices
    assert device.traits.reset.data == data
