"""What each guest starts for a device, and what then appears."""

import json

import msgspec

from quiesce.scenarios.discovery.document import discovery_document
from quiesce.scenarios.discovery.guests import GuestName, first_disk, guest_devices

from .conftest import BLK, CONSOLE, NET, SHMEM, Guest, boot


def table(guest: GuestName, machine: Guest) -> list[tuple[str, str, str]]:
    devices = guest_devices(guest, machine.hardware, machine.found)
    return [(each.where, each.driver, each.appears) for each in devices]


def test_a_qnx_guest_starts_the_drivers_of_the_guide(four_vdevs: Guest) -> None:
    assert table("qnx", four_vdevs) == [
        ("B000:D00:F00", "", ""),
        ("B000:D01:F00", "devb-virtio", "/dev/hd0"),
        ("B000:D02:F00", "io-pkt-v6-hc -d virtio", "interface vt0"),
        ("B000:D03:F00", "", ""),
        ("B000:D04:F00", "devc-virtio", "a console below /dev"),
    ]


def test_of_several_disks_a_qnx_guest_tells_each_driver_its_instance() -> None:
    machine = boot(BLK + CONSOLE + BLK + BLK + "loc 0x1c0d0000 intr gic:41")
    assert [row for row in table("qnx", machine) if "hd" in row[2]] == [
        ("B000:D01:F00", "devb-virtio virtio pci=0", "/dev/hd0"),
        ("B000:D03:F00", "devb-virtio virtio pci=1", "/dev/hd1"),
        ("0x1c0d0000 gic:41", "devb-virtio virtio smem=0x1c0d0000,irq=41", "/dev/hd2"),
    ]
    devices = guest_devices("qnx", machine.hardware, machine.found)
    assert first_disk(devices) == "/dev/hd0"
    assert first_disk(devices[:1]) == ""


def test_a_linux_guest_binds_its_modules_and_the_first_disk_is_vda(four_vdevs: Guest) -> None:
    assert table("linux", four_vdevs) == [
        ("00:00.0", "", ""),
        ("00:01.0", "virtio_blk", "/dev/vda"),
        ("00:02.0", "virtio_net", "a network interface"),
        ("00:03.0", "", ""),
        ("00:04.0", "virtio_console", "/dev/hvc0"),
    ]


def test_disks_of_both_kinds_have_no_determined_order_in_linux() -> None:
    machine = boot(BLK + CONSOLE + BLK + "loc 0x1c0d0000 intr gic:41")
    devices = guest_devices("linux", machine.hardware, machine.found)
    unsure = [each.where for each in devices if "not determined" in each.remark]
    assert unsure == ["00:01.0", "0x1c0d0000 gic:41"]


def test_what_is_not_documented_is_said_and_no_driver_is_invented() -> None:
    machine = boot(
        "vdev virtio-entropy pass loc pci:0:9=pci:0x8086/0x10d3 "
        "vdev pl011 loc 0x1c090000 intr gic:37 hostdev -"
    )
    rows = guest_devices("qnx", machine.hardware, machine.found)
    assert [row.driver for row in rows] == ["", "", "", ""]
    assert [row.remark for row in rows[1:]] == [
        "no driver line for this type is documented",
        "the driver of the hardware that is passed through",
        "no driver line for this type is documented",
    ]


def test_a_device_at_io_ports_gets_no_line_with_a_memory_address() -> None:
    machine = boot("vdev ioapic loc 0xf8000000 intr apic name io " + BLK + "loc io:0x100 intr io:5")
    (row,) = guest_devices("qnx", machine.hardware, machine.found)[2:]
    assert (row.driver, row.remark) == (
        "",
        "its loc is no memory, and the driver takes an address there",
    )


def test_the_document_holds_numbers_and_their_text_and_encodes() -> None:
    machine = boot(BLK + NET + "loc 0x1c0e0000 intr gic:43 " + SHMEM)
    document = discovery_document(
        machine.config, machine.hardware, machine.found, bus_scan_limit=8, guests=["linux"]
    )
    decoded = json.loads(msgspec.json.encode(document))
    disk = decoded["pci"][1]
    assert disk["device_id"] == {"value": 0x1042, "hex": "0x1042"}
    assert disk["subsystem_id"] == {"value": 0x42, "hex": "0x0042"}
    assert disk["capabilities"][0]["msix"]["vectors"] == 2
    assert disk["capabilities"][4]["virtio"]["length"] == {"value": 72, "hex": "0x48"}
    net = decoded["direct"][0]
    assert net["address"] == {"value": 0x1C0E0000, "hex": "0x1c0e0000"}
    assert net["device_tree_interrupts"] == [0, 11, 4]
    assert net["qnx_driver_line"] == "io-pkt-v6-hc -d virtio smem=0x1c0e0000,irq=43"
    assert list(decoded["guests"]) == ["linux"]
