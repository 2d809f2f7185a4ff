"""Driver command lines against the configuration: what fits, and what is wrong where."""

import pytest

from quiesce.model.base.errors import InputError
from quiesce.scenarios.discovery.driver_check import DriverCheck, check_driver_line
from quiesce.scenarios.discovery.driver_lines import direct_line, function_line

from .conftest import BLK, CONSOLE, NET, SHMEM, Guest, boot

MAPPED = (
    BLK
    + "name disk0 loc 0x1c0d0000 intr gic:41\n"
    + CONSOLE
    + "name con loc 0x20000000 intr gic:42\n"
    + NET
    + "name net loc 0x1c0e0000 intr gic:43 "
)
ON_PCI = NET + BLK + "name a " + BLK + "name b " + CONSOLE


def check(line: str, text: str = MAPPED) -> DriverCheck:
    guest = boot(text)
    return check_driver_line(line, guest.config, guest.hardware, guest.found)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("devb-virtio virtio smem=0x1c0d0000,irq=41", MAPPED),
        ("/sbin/devb-virtio blk cache=10m cam pnp virtio irq=0x29,smem=470614016 &", MAPPED),
        ("devb-virtio virtio smem=0x1c0d0000,irq=41,qsize=128 qnx6 sync=optional", MAPPED),
        ("devc-virtio 0x20000000,42", MAPPED),
        ("devc-virtio -E -I 4096 -u3 -eFn 64 0x20000000,42 &", MAPPED),
        ("io-pkt-v6-hc -d virtio smem=0x1c0e0000,irq=43", MAPPED),
        ("io-pkt-v4-hc -p tcpip -dvirtio smem=0x1c0e0000", MAPPED),
        ("devb-virtio", ON_PCI),
        ("devb-virtio cam pnp", ON_PCI),
        ("devb-virtio virtio pci=0", ON_PCI),
        ("devb-virtio virtio pci=1", ON_PCI),
        ("devc-virtio -e", ON_PCI),
        ("io-pkt-v6-hc -d /lib/dll/devnp-virtio.so pci=0", ON_PCI),
    ],
)
def test_a_line_that_is_right_fits(line: str, text: str) -> None:
    result = check(line, text)
    assert result.problems == ()
    assert len(result.matches) == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "devb-virtio virtio smem=0x1c0d0000,irq=43",
            (
                "the interrupt is 43, but vdev virtio-blk disk0 (vm:2:6) is on gic:41, and 43 "
                "belongs to vdev virtio-net net (vm:4:6); write "
                "devb-virtio virtio smem=0x1c0d0000,irq=41"
            ),
        ),
        (
            "devb-virtio virtio smem=0x1c0d0100,irq=41",
            (
                "0x1c0d0100 is inside vdev virtio-blk disk0 (vm:2:6), whose registers begin at "
                "0x1c0d0000; write devb-virtio virtio smem=0x1c0d0000,irq=41"
            ),
        ),
        (
            "devb-virtio virtio smem=0x1c0d0200,irq=41",
            (
                "no vdev is at 0x1c0d0200; vdev virtio-blk disk0 (vm:2:6) takes "
                "devb-virtio virtio smem=0x1c0d0000,irq=41"
            ),
        ),
        (
            "devb-virtio virtio smem=0x20000000,irq=42",
            (
                "0x20000000 is vdev virtio-console con (vm:3:6), which devb-virtio does not drive; "
                "its driver line is devc-virtio 0x20000000,42"
            ),
        ),
        (
            "devb-virtio virtio smem=0x80001000,irq=41",
            (
                "0x80001000 is guest RAM (vm:1:15); vdev virtio-blk disk0 (vm:2:6) takes "
                "devb-virtio virtio smem=0x1c0d0000,irq=41"
            ),
        ),
        (
            "devb-virtio virtio smem=0x1c0d0000",
            "smem= without irq=: the driver needs both",
        ),
        ("devb-virtio virtio irq=41", "irq= without smem=: the driver needs both"),
        ("devc-virtio 0x20000000", "location without irq: the driver needs both"),
        (
            "devb-virtio",
            (
                "without an address devb-virtio looks for a PCI function, and the guest finds no "
                "virtio-blk there; vdev virtio-blk disk0 (vm:2:6) takes "
                "devb-virtio virtio smem=0x1c0d0000,irq=41"
            ),
        ),
        (
            "devb-virtio virtio smem=1c0d0000,irq=41",
            "smem: '1c0d0000' is no number; a hexadecimal one begins with 0x",
        ),
        (
            "devb-virtio virtio smem=0x1c0d0000,irq=041",
            "irq: '041' begins with 0, and may be read as octal",
        ),
        (
            "devb-virtio virtio smen=0x1c0d0000,irq=41",
            "'smen' is no option of the driver; did you mean smem=?",
        ),
        (
            "devb-virtio smem=0x1c0d0000,irq=41",
            "smem=0x1c0d0000,irq=41 does not stand behind the word virtio",
        ),
        (
            "devb-virtio virtio smem=0x1c0d0000,irq=41,qsize=100",
            "qsize=100 is no power of 2",
        ),
        ("devb-virtio virtio smem=0x1c0d0000,smem=0x1,irq=41", "smem= is given twice"),
        ("devb-virtio virtio smem,irq=41", "smem has no value"),
        ("devb-virtio virtio", "no option follows the word virtio"),
        ("devc-virtio console", "'console' is neither an option nor location,irq"),
        ("io-pkt-v6-hc -d e1000 pci=0", "there is no -d virtio in it"),
    ],
)
def test_a_line_for_a_direct_mapped_device_that_is_wrong_is_explained(
    line: str, problem: str
) -> None:
    assert check(line).problems == (problem,)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "devb-virtio virtio smem=0x1c0d0000,irq=41",
            (
                "no vdev is at 0x1c0d0000; vdev virtio-blk a is the PCI function B000:D02:F00: "
                "write devb-virtio virtio pci=0"
            ),
        ),
        (
            "devb-virtio virtio pci=4",
            (
                "pci=4 is out of range: the guest finds 2 virtio-blk on PCI, counted from 0; idx 4 "
                "of the listing is B000:D04:F00, 1af4/1043"
            ),
        ),
        (
            "devb-virtio virtio pci=3",
            (
                "pci=3 is out of range: the guest finds 2 virtio-blk on PCI, counted from 0; idx 3 "
                "of the listing is B000:D03:F00, 1af4/1042, so write pci=1"
            ),
        ),
        (
            "devb-virtio virtio pci=99",
            "pci=99 is out of range: the guest finds 2 virtio-blk on PCI, counted from 0",
        ),
        ("devb-virtio virtio pci=0,irq=41", "pci= and irq= exclude each other"),
    ],
)
def test_a_line_for_a_pci_function_that_is_wrong_is_explained(line: str, problem: str) -> None:
    assert check(line, ON_PCI).problems == (problem,)


def test_both_ways_at_once_exclude_each_other() -> None:
    result = check("devb-virtio virtio smem=0x1c0d0000,irq=41,pci=0", MAPPED + BLK)
    assert result.problems == ("pci= and smem= exclude each other",)
    assert result.matches == ()


def test_an_address_that_is_passed_through_is_named_as_such() -> None:
    text = MAPPED + "pass loc 0x1b000000,0x1000,rwn intr gic:99"
    (problem,) = check("devb-virtio virtio smem=0x1b000000,irq=99", text).problems
    assert problem.startswith("0x1b000000 is passed-through mem:0x1b000000 (vm:4:")


def test_a_machine_without_such_a_device_is_told_so() -> None:
    (problem,) = check("devc-virtio 0x20000000,42", BLK).problems
    assert problem.endswith("the machine has no virtio-console that a guest could find")


def test_each_network_interface_of_one_stack_is_compared_on_its_own() -> None:
    line = "io-pkt-v6-hc -d virtio smem=0x1c0e0000,irq=43 -d virtio smem=0x1c0f0000,irq=44"
    result = check(line)
    assert [match.split(" at ")[0] for match in result.matches] == ["vdev virtio-net net (vm:4:6)"]
    assert len(result.problems) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("devb-virtoi virtio pci=0", "'devb-virtoi', which is no driver known here; did you mean"),
        ("cat x", "the known ones are devb-virtio, devc-virtio, io-pkt-v6-hc, io-pkt-v4-hc"),
        ("", "is empty"),
        ("# devb-virtio", "is empty"),
        ("devb-virtio 'virtio", "cannot be split into words: No closing quotation"),
    ],
)
def test_what_is_no_driver_line_is_refused(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(line)


def test_every_line_that_is_proposed_fits() -> None:
    """Each proposed line passes the check itself, for every type and number of devices."""
    for text in (MAPPED, ON_PCI, MAPPED + ON_PCI, NET + NET + BLK + SHMEM):
        guest: Guest = boot(text)
        lines = [direct_line(device).command for device in guest.hardware.direct]
        lines += [function_line(function, guest.found).command for function in guest.found]
        assert any(lines)
        for line in filter(None, lines):
            result = check_driver_line(line, guest.config, guest.hardware, guest.found)
            assert result.problems == (), line
