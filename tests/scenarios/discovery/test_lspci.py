"""The listing and the dump of a Linux guest, read and shown by the real `lspci` as well."""

import shutil
import subprocess
from pathlib import Path

import pytest

from quiesce.model.pci import pci_ids
from quiesce.scenarios.discovery.lspci import lspci_dump, lspci_listing, summary_line

from .conftest import BLK, CONSOLE, NET, SHMEM, Guest, boot

LSPCI = shutil.which("lspci")
needs_lspci = pytest.mark.skipif(LSPCI is None, reason="lspci (Debian: pciutils) is not installed")

MACHINES = {
    "article": BLK + NET + SHMEM + CONSOLE,
    "legacy": BLK + "legacy " + NET + "legacy ",
    "multi-function": BLK + "loc pci:0:3.0 " + CONSOLE + "loc pci:0:3.7 ",
    "far bus": NET + "loc pci:200:31.0 ",
    "partly unknown": BLK + "pass loc pci:0:5.0=pci:0x8086/0x10d3 intr apic ",
}


def lspci(folder: Path, guest: Guest, *options: str) -> str:
    """Return what the real program prints for our dump, with our names and not the machine's."""
    dump, ids = folder / "dump", folder / "pci.ids"
    dump.write_text(lspci_dump(guest.found))
    lines = []
    for vendor, name in sorted(pci_ids.LSPCI_VENDORS.items()):
        lines.append(f"{vendor:04x}  {name}")
        lines += [
            f"\t{device:04x}  {text}"
            for (owner, device), text in sorted(pci_ids.LSPCI_DEVICES.items())
            if owner == vendor
        ]
    for number, name in sorted(pci_ids.LSPCI_CLASSES.items()):
        lines += [f"C {number >> 8:02x}  base", f"\t{number & 0xFF:02x}  {name}"]
    ids.write_text("\n".join(lines) + "\n")
    assert LSPCI is not None
    done = subprocess.run(
        [LSPCI, "-F", str(dump), "-i", str(ids), *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_the_disk_has_the_subsystem_that_explains_1c05_0042(four_vdevs: Guest) -> None:
    """A Linux user may see 1c05/0042: it is the subsystem of 1af4:1042, not its identity."""
    assert lspci_listing(four_vdevs.found[1:2]) == (
        "00:01.0 Mass storage controller [0180]: "
        "Red Hat, Inc. Virtio 1.0 block device [1af4:1042] (rev 01)\n"
        "\tSubsystem: Device [1c05:0042]\n"
        "\tFlags: fast devsel\n"
        "\tMemory at <unassigned> (64-bit, prefetchable) [disabled]\n"
        "\tCapabilities: [40] MSI-X: Enable- Count=2 Masked-\n"
        "\tCapabilities: [4c] Vendor Specific Information: VirtIO: CommonCfg\n"
        "\tCapabilities: [5c] Vendor Specific Information: VirtIO: Notify\n"
        "\tCapabilities: [70] Vendor Specific Information: VirtIO: ISR\n"
        "\tCapabilities: [80] Vendor Specific Information: VirtIO: DeviceCfg\n"
        "\tCapabilities: [90] Vendor Specific Information: VirtIO: <unknown>\n"
        "\n"
    )


@needs_lspci
@pytest.mark.parametrize("machine", MACHINES)
def test_the_real_program_reads_back_the_dump_byte_for_byte(machine: str, tmp_path: Path) -> None:
    guest = boot(MACHINES[machine])
    known = [function for function in guest.found if function.space]
    assert lspci(tmp_path, guest, "-xxx") == lspci_dump(known)


@needs_lspci
@pytest.mark.parametrize("machine", MACHINES)
def test_the_real_program_shows_our_listing(machine: str, tmp_path: Path) -> None:
    guest = boot(MACHINES[machine])
    known = [function for function in guest.found if function.space]
    assert lspci(tmp_path, guest, "-nnv") == lspci_listing(known)
    short = "".join(f"{summary_line(function)}\n" for function in known)
    assert lspci(tmp_path, guest, "-nn") == short


@needs_lspci
def test_the_real_program_reads_identifiers_and_capabilities_out_of_the_bytes(
    four_vdevs: Guest, tmp_path: Path
) -> None:
    assert lspci(tmp_path, four_vdevs, "-n") == (
        "00:00.0 0600: 1c05:0002\n"
        "00:01.0 0180: 1af4:1042 (rev 01)\n"
        "00:02.0 0280: 1af4:1041 (rev 01)\n"
        "00:03.0 0580: 1c05:0001\n"
        "00:04.0 0780: 1af4:1043 (rev 01)\n"
    )
    details = lspci(tmp_path, four_vdevs, "-vv", "-s", "00:02.0")
    for part in (
        "Subsystem: Device 1c05:0041",
        "Interrupt: pin A",
        "MSI-X: Enable- Count=3 Masked-",
        "Vector table: BAR=1 offset=00000000",
        "PBA: BAR=1 offset=00000800",
        "VirtIO: Notify\n\t\tBAR=4 offset=00003000 size=00000008 multiplier=00000004",
        "VirtIO: DeviceCfg\n\t\tBAR=4 offset=00002000 size=00000018",
    ):
        assert part in details


def test_a_function_with_unknown_bytes_is_left_out_of_the_dump_and_not_filled_in() -> None:
    guest = boot(MACHINES["partly unknown"])
    dump = lspci_dump(guest.found)
    assert "# 00:05.0 Class ????: Device 8086:10d3 is left out" in dump
    assert dump.count("\n00: ") == 2
    listing = lspci_listing(guest.found)
    assert "00:05.0 Class [????]: Device [8086:10d3]\n\t(the rest of its" in listing


def test_our_names_are_those_of_the_public_list() -> None:
    path = Path("/usr/share/misc/pci.ids")
    if not path.exists():
        pytest.skip("pci.ids (Debian: pci.ids) is not installed")
    lines = path.read_text(encoding="utf-8").splitlines()
    start = lines.index("1af4  Red Hat, Inc.")
    ours = {f"\t{device:04x}  {name}" for (_, device), name in pci_ids.LSPCI_DEVICES.items()}
    assert ours <= set(lines[start : start + 40])
