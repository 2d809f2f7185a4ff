"""What a guest finds on its bus, and what stays hidden from it."""

import pytest

from quiesce.model.base.errors import ConfigError
from quiesce.model.base.pci_address import PciAddress
from quiesce.model.pci.bus import PciBus, PciSlot
from quiesce.model.pci.walk import enumerate_functions
from quiesce.model.virtio.pci_function import Bar, PciFunction, PciIdentity
from quiesce.scenarios.discovery.remarks import remarks_on

from .conftest import BLK, CONSOLE, NET, SHMEM, Guest, boot


def remarks(guest: Guest, limit: int = 255) -> str:
    return "\n".join(remarks_on(guest.hardware, guest.found, limit))


def test_a_forced_place_is_honoured_and_the_others_go_around_it() -> None:
    guest = boot(BLK + NET + "loc pci:0:1 " + CONSOLE + "loc pci:0:7.0 " + SHMEM)
    assert guest.places() == ["0:0.0", "0:1.0", "0:2.0", "0:3.0", "0:7.0"]
    ids = {place: guest.at(place).device_id for place in guest.places()}
    assert ids == {
        "0:0.0": 0x0002,
        "0:1.0": 0x1041,
        "0:2.0": 0x1042,
        "0:3.0": 0x0001,
        "0:7.0": 0x1043,
    }


def test_the_functions_of_one_device_are_found_by_its_multi_function_bit() -> None:
    guest = boot(BLK + "loc pci:0:3.0 " + NET + "loc pci:0:3.5 ")
    assert guest.places() == ["0:0.0", "0:3.0", "0:3.5"]
    assert guest.hardware.bus.read(PciAddress(0, 3), 0x0E, 1) == 0x80
    assert guest.hardware.bus.read(PciAddress(0, 0), 0x0E, 1) == 0x00


def test_behind_an_unknown_function_0_every_function_is_tried() -> None:
    guest = boot(NET + "loc pci:0:3.1 pass loc pci:0:3.0=pci:0:31.2 intr apic")
    assert guest.places() == ["0:0.0", "0:3.0", "0:3.1"]


def test_a_function_without_a_function_0_is_never_found_and_said_to_be_hidden() -> None:
    """PCI software looks at function 0 first; the vdev exists, and no guest sees it."""
    guest = boot(BLK + "name disk0 loc pci:0:3.1 ")
    assert guest.places() == ["0:0.0"]
    assert remarks(guest) == (
        "vdev virtio-blk disk0 at pci:0:3.1 is not found: device 3 has no function 0, "
        "and a guest then looks no further"
    )


@pytest.mark.parametrize(("limit", "is_found"), [(8, True), (7, False), (0, False)])
def test_the_bus_scan_limit_is_the_last_bus_that_is_tried(limit: int, is_found: bool) -> None:
    guest = boot(BLK + "loc pci:8:1.0 ", limit)
    assert ("8:1.0" in guest.places()) is is_found
    assert (f"beyond the bus-scan limit of {limit}" in remarks(guest, limit)) is not is_found


def test_a_place_that_is_the_bridges_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigError, match=r"vm:2:\d+: pci:0:0.0 is taken already by the host bri"):
        boot(BLK + "loc pci:0:0.0")


def test_the_33rd_function_has_no_device_number_left() -> None:
    assert len(boot(31 * "vdev virtio-entropy ").found) == 32
    with pytest.raises(ConfigError, match="32 device numbers of PCI bus 0 are used up"):
        boot(32 * "vdev virtio-entropy ")


def test_with_two_of_a_kind_the_open_question_of_numbering_is_told_and_can_be_answered() -> None:
    text = BLK + "name a " + BLK + "name b "
    plain, reversed_ = boot(text), boot(text, numbering="reversed")
    assert plain.origin("0:1.0") == "vdev virtio-blk a"
    assert reversed_.origin("0:1.0") == "vdev virtio-blk b"
    assert "qvm.pci-numbering" in remarks(plain)
    assert "qvm.pci-numbering" not in remarks(boot(BLK + NET))
    assert "qvm.pci-numbering" not in remarks(boot(BLK + BLK + "loc pci:0:9"))


def test_a_bar_is_sized_and_left_as_it_was(four_vdevs: Guest) -> None:
    disk = four_vdevs.at("0:1.0")
    assert [(bar.index, bar.size, bar.is_64bit) for bar in disk.bars] == [
        (1, 0x1000, False),
        (4, 0x4000, True),
    ]
    again = enumerate_functions(four_vdevs.hardware.bus)
    assert again == four_vdevs.found


def test_a_bar_of_more_than_4_gib_has_its_whole_size() -> None:
    function = PciFunction(PciIdentity(1, 2, 0), (Bar(2, 1 << 34, is_64bit=True),))
    (found,) = enumerate_functions(PciBus([PciSlot.of_function(PciAddress(0, 0), "x", function)]))
    assert [(bar.index, bar.size) for bar in found.bars] == [(2, 1 << 34)]


def test_all_but_the_bridge_have_an_interrupt_pin(four_vdevs: Guest) -> None:
    assert [function.interrupt_pin for function in four_vdevs.found] == [0, 1, 1, 1, 1]


def test_an_io_bar_has_its_size_without_the_upper_half() -> None:
    legacy = boot(BLK + "legacy").at("0:1.0")
    assert (legacy.device_id, legacy.subsystem_id, legacy.virtio_id) == (0x1001, 2, 2)
    (bar,) = legacy.bars
    assert (bar.is_io, bar.size) == (True, 128)


def test_the_capabilities_of_a_virtio_function_lie_inside_its_bars(four_vdevs: Guest) -> None:
    for function in four_vdevs.found:
        sizes = {bar.index: bar.size for bar in function.bars}
        structures = [each.data for each in function.capabilities if each.capability_id == 9]
        assert len(structures) == (5 if function.virtio_id else 0)
        for data in structures:
            offset, length = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12))
            assert data[3] == 5 or offset + length <= sizes[data[4]]


def test_a_capability_list_that_bites_its_tail_ends() -> None:
    function = PciFunction(PciIdentity(1, 2, 0), (Bar(0, 16),))
    at = function.add_capability(0x01, bytes(2))
    function.space[at + 1] = at
    bus = PciBus([PciSlot.of_function(PciAddress(0, 0), "broken", function)])
    (found,) = enumerate_functions(bus)
    assert 1 <= len(found.capabilities) <= 48


def test_a_user_vdev_at_a_pci_place_is_there_with_nothing_known() -> None:
    guest = boot("vdev my-vdev loc pci:0:4")
    assert (guest.at("0:4.0").vendor_id, guest.at("0:4.0").space) == (None, b"")
    assert "its identifiers only the hardware knows" in remarks(guest)
