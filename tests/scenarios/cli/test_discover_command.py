"""`quiesce discover`: what it prints and where, and how it ends."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output.exit_status import BAD_INPUT, OK, VIOLATED

Capture = pytest.CaptureFixture[str]

GOLDEN = Path(__file__).parents[2] / "golden" / "article-listing.txt"
"""The listing of the QNX 7.1 hypervisor guide (virtio guest); it is theirs, and never rewritten."""

LIBRARY = Path(__file__).parents[3] / "scenarios" / "library"


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine with devices found in every way, in a fresh folder."""
    monkeypatch.chdir(tmp_path)
    Path("g.qvmconf").write_text(
        "system vm\nram 0x80000000,16M\n"
        "vdev virtio-blk hostdev /dev/hd0 name disk0 loc 0x1c0d0000 intr gic:41\n"
        "vdev virtio-console hostdev >- loc 0x20000000 intr gic:42\n"
        "vdev virtio-blk hostdev /dev/hd1 name disk1\n"
        "vdev virtio-net peer /dev/vdevpeer/vp0 loc pci:9:1\n"
        "vdev pl011 loc 0x1c090000 intr gic:37 hostdev -\n",
        encoding="utf-8",
    )
    return "g.qvmconf"


@pytest.mark.parametrize(
    "words",
    [
        ["article-pci"],
        ["article-pci", "--as", "pci-tool", "--bus-scan-limit", "8"],
        [str(LIBRARY / "article-pci.qvmconf"), "--as", "pci-tool", "--guest", "qnx"],
    ],
)
def test_the_listing_of_the_guide_comes_out_byte_for_byte(
    words: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["discover", *words]) == OK
    out, err = capfdbinary.readouterr()
    assert (out, err) == (GOLDEN.read_bytes(), b"")


def test_the_bus_scan_limit_hides_what_is_beyond_and_says_so(guest: str, capsys: Capture) -> None:
    assert main(["discover", guest, "--bus-scan-limit", "8"]) == OK
    out, err = capsys.readouterr()
    assert "1af4/1041" not in out
    assert "vdev virtio-net at pci:9:1.0 is not found: its bus is beyond" in err
    assert main(["discover", guest, "--bus-scan-limit", "9"]) == OK
    out, err = capsys.readouterr()
    assert "B009:D01:F00 @ idx 2\n        vid/did: 1af4/1041\n" in out
    assert err == ""


def test_a_direct_mapped_machine_shows_its_bridge_and_a_hint(capsys: Capture) -> None:
    assert main(["discover", "article-mmio"]) == OK
    out, err = capsys.readouterr()
    assert out.count("@ idx") == 1
    assert "see --as mmio" in err


def test_the_driver_lines_of_direct_mapped_devices_can_be_run_as_they_are(
    guest: str, capsys: Capture
) -> None:
    assert main(["discover", guest, "--as", "mmio"]) == OK
    out, err = capsys.readouterr()
    assert out == "devb-virtio virtio smem=0x1c0d0000,irq=41\ndevc-virtio 0x20000000,42\n"
    assert "vdev pl011 (g.qvmconf:7:6): no driver line for this type is documented" in err
    for line in out.splitlines():
        assert main(["discover", guest, "--check", line]) == OK


@pytest.mark.parametrize(
    ("line", "status", "part"),
    [
        ("devb-virtio virtio smem=0x1c0d0000,irq=41", OK, "fits: vdev virtio-blk disk0"),
        ("devb-virtio virtio smem=0x1c0d0000,irq=42", VIOLATED, "does not fit: the interrupt is"),
        ("devb-virtio virtio pci=0", OK, "fits: B000:D01:F00"),
        ("devb-virtio virtio pci=1", VIOLATED, "pci=1 is out of range"),
    ],
)
def test_a_driver_line_is_compared_and_the_status_tells(
    guest: str, capsys: Capture, line: str, status: int, part: str
) -> None:
    assert main(["discover", guest, "--check", line]) == status
    out, err = capsys.readouterr()
    assert part in " ".join(out.split())
    assert err == ""
    assert main(["discover", guest, "--check", line, "--as", "json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == status
    assert bool(document["check"]["problems"]) is (status == VIOLATED)


def test_a_qnx_guest_gets_the_steps_of_the_guide(guest: str, capsys: Capture) -> None:
    assert main(["discover", "article-pci", "--guest", "qnx"]) == OK
    out = capsys.readouterr().out
    steps = [line for line in out.splitlines() if line[0].isdigit()]
    assert [step.split("  ")[1].strip() for step in steps] == [
        "pci-server --bus-scan-limit=8",
        "pci-tool -v",
        "devb-virtio",
        "io-pkt-v6-hc -d virtio",
        "devc-virtio",
        "mount -t qnx6 /dev/hd0 /mydisk",
    ]
    assert main(["discover", "article-mmio", "--guest", "qnx"]) == OK
    out = capsys.readouterr().out
    assert "pci-server" not in out
    assert out.startswith("1.  devb-virtio virtio smem=0x1c0d0000,irq=41  /dev/hd0")


def test_a_linux_guest_gets_modules_and_disks(guest: str, capsys: Capture) -> None:
    assert main(["discover", guest, "--guest", "linux"]) == OK
    out = capsys.readouterr().out
    assert "/dev/vda from vdev virtio-blk disk1" in " ".join(out.split())
    assert "/dev/vdb from vdev virtio-blk disk0" in " ".join(out.split())


def test_the_document_is_one_json_document_whichever_way_it_is_asked_for(
    guest: str, capsys: Capture
) -> None:
    assert main(["discover", guest, "--json"]) == OK
    first = capsys.readouterr().out
    assert main(["discover", guest, "--as", "json"]) == OK
    second = capsys.readouterr()
    assert (first, "") == (second.out, second.err)
    document = json.loads(first)
    assert [each["type"] for each in document["direct"]] == [
        "virtio-blk",
        "virtio-console",
        "pl011",
    ]
    assert sorted(document["guests"]) == ["linux", "qnx"]


def test_the_tree_is_source_on_the_output_and_a_binary_in_a_file(
    guest: str, capsys: Capture
) -> None:
    assert main(["discover", guest, "--as", "fdt", "--dtb", "vm.dtb"]) == OK
    out, err = capsys.readouterr()
    assert out.startswith("/dts-v1/;\n")
    assert "note: vdev pl011 has no node" in err
    data = Path("vm.dtb").read_bytes()
    assert data[:4] == b"\xd0\x0d\xfe\xed"
    dtc = shutil.which("dtc")
    if dtc is None:
        pytest.skip("dtc (Debian: device-tree-compiler) is not installed")
    done = subprocess.run(
        [dtc, "-I", "dts", "-O", "dtb"], input=out.encode(), capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (data, b"")


def test_the_dump_goes_into_the_real_lspci(guest: str, capsys: Capture) -> None:
    program = shutil.which("lspci")
    if program is None:
        pytest.skip("lspci (Debian: pciutils) is not installed")
    assert main(["discover", guest, "--as", "lspci-dump"]) == OK
    Path("dump").write_text(capsys.readouterr().out, encoding="utf-8")
    done = subprocess.run([program, "-F", "dump", "-n"], capture_output=True, text=True, check=True)
    assert "00:01.0 0180: 1af4:1042 (rev 01)\n09:01.0 0280: 1af4:1041 (rev 01)\n" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch"], "nosuch: there is no such file"),
        (["g.qvmconf", "--as", "lspci", "--guest", "qnx"], "is a program of a linux guest"),
        (["g.qvmconf", "--as", "fdt", "--check", "devb-virtio"], "no form but text and json"),
        (["g.qvmconf", "--check", "devb-virtoi"], "did you mean devb-virtio?"),
        (["g.qvmconf", "--as", "dump"], "'dump'"),
        (["g.qvmconf", "--bus-scan-limit", "256"], "--bus-scan-limit"),
        (["g.qvmconf", "--dtb", "no/such/folder"], "no/such/folder: cannot be written"),
        (["bad.qvmconf"], "bad.qvmconf:1:6: pci:0:0.0 is taken already by the host bridge"),
        (["sgi.qvmconf", "--as", "fdt"], "a device tree has no interrupt for gic:7"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line_and_status_4(
    guest: str, capsys: Capture, words: list[str], message: str
) -> None:
    place = "vdev virtio-blk hostdev /dev/hd0 loc "
    Path("bad.qvmconf").write_text(f"{place}pci:0:0", encoding="utf-8")
    Path("sgi.qvmconf").write_text(f"{place}0x1000 intr gic:7", encoding="utf-8")
    assert main(["discover", *words]) == BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_a_name_with_control_characters_reaches_no_terminal(guest: str, capsys: Capture) -> None:
    Path("e.qvmconf").write_text(
        'vdev virtio-blk hostdev x name "a\x1b[2Jb" loc 0x1000 intr gic:40\nvdev shmem\n'
        'vdev pl011 hostdev - name "c\x1b[2Jd" loc 0x2000 intr gic:41',
        encoding="utf-8",
    )
    forms = [["--as", form] for form in ("pci-tool", "lspci", "lspci-dump", "fdt", "mmio", "json")]
    for words in [*forms, ["--guest", "qnx"], ["--guest", "linux"], ["--check", "devb-virtio"]]:
        main(["discover", "e.qvmconf", *words])
        out, err = capsys.readouterr()
        assert "\x1b" not in out + err
        assert out + err


DOCUMENT = (Path(__file__).parents[3] / "docs" / "discovery.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ (quiesce discover .*)\n((?s:.*?))```", DOCUMENT)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_the_document_shows_what_the_command_prints(
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """A line `[...]` at the end stands for what is left out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for file in LIBRARY.glob("*.qvmconf"):
        Path(file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    main(shlex.split(command)[1:])
    printed = "".join(capsys.readouterr()).rstrip() + "\n"
    beginning, cut, rest = shown.partition("[...]\n")
    assert rest == ""
    assert printed.startswith(beginning) if cut else printed == shown


def test_every_form_is_shown_in_the_document() -> None:
    words = {word for command, _ in SHOWN for word in shlex.split(command)}
    assert {"lspci", "lspci-dump", "fdt", "mmio", "json", "qnx", "linux", "--check"} <= words
