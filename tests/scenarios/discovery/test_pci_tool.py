"""What `pci-tool -v` shows in a QNX guest."""

from pathlib import Path

from quiesce.model.pci.walk import enumerate_functions
from quiesce.scenarios.discovery.pci_tool import pci_tool_listing

from .conftest import BLK, CONSOLE, NET, Guest, boot

GOLDEN = Path(__file__).parents[2] / "golden" / "article-listing.txt"
"""The listing of the QNX 7.1 hypervisor guide (virtio guest); it is theirs, and never rewritten."""


def test_the_machine_of_the_guide_gives_its_listing_byte_for_byte(four_vdevs: Guest) -> None:
    assert pci_tool_listing(four_vdevs.found).encode() == GOLDEN.read_bytes()


def test_another_order_of_the_vdevs_gives_another_listing() -> None:
    listing = pci_tool_listing(boot(NET + BLK).found)
    assert listing.index("1af4/1041") < listing.index("1af4/1042")
    assert listing.count("@ idx ") == 3


def test_a_function_passed_through_shows_what_the_configuration_tells_of_it() -> None:
    guest = boot("pass loc pci:0:5.0=pci:0x8086/0x10d3 intr apic")
    assert pci_tool_listing(guest.found[1:]) == (
        "B000:D05:F00 @ idx 1\n"
        "        vid/did: 8086/10d3\n"
        "                <vendor id - unknown>, <device id - unknown>\n"
        "        class/subclass/reg: ??/??/??\n"
        "                <only the hardware knows>\n"
    )


def test_a_function_of_which_only_the_place_is_known_has_no_invented_identifiers() -> None:
    guest = boot("pass loc pci:0:5.0=pci:0:31.2 intr apic")
    listing = pci_tool_listing(guest.found[1:])
    assert "vid/did: ????/????\n                <only the hardware knows>\n" in listing
    assert guest.found[1].vendor_id is None
    assert guest.origin("0:5.0") == "the host's pci:0:31.2, passed through"


def test_a_type_without_a_documented_class_shows_none() -> None:
    listing = pci_tool_listing(boot("vdev virtio-entropy").found[1:])
    assert "vid/did: 1af4/1044\n" in listing
    assert "class/subclass/reg: ??/??/??\n" in listing


def test_a_direct_mapped_machine_has_nothing_but_its_bridge() -> None:
    guest = boot(CONSOLE + "loc 0x20000000 intr gic:42")
    assert guest.places() == ["0:0.0"]
    assert [device.type for device in guest.hardware.direct] == ["virtio-console"]


def test_what_is_listed_comes_from_configuration_space_and_not_from_the_text(
    four_vdevs: Guest,
) -> None:
    """A function whose vendor reads as all ones is absent, against the configuration."""
    bus = four_vdevs.hardware.bus
    slot = bus.slots[four_vdevs.at("0:2.0").address]
    slot._read = lambda offset, length: (1 << 8 * length) - 1
    listing = pci_tool_listing(enumerate_functions(bus))
    assert "1af4/1041" not in listing
    assert "B000:D03:F00 @ idx 2\n" in listing
