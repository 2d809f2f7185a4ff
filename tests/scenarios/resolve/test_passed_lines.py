"""Which device a passed-through line belongs to; a run neither drops a line nor makes one up."""

from pathlib import Path

import pytest

from quiesce.model.base.errors import NothingToJudge
from quiesce.scenarios.cli import main
from quiesce.scenarios.qvmconf.config import PassConfig
from quiesce.scenarios.qvmconf.parser import parse_text
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.resolve import ResolvedScenario

HEAD = "system g\nram 0x80000000,16M\n"
GPIO = "pass loc mem:0x0e600000,0x100000,rwn=0x0e600000\n  intr gic:45=165\n"
SCENARIO = """
configuration = "guest.qvmconf"
end = { cause = "guest-crash", after = { event = "IrqTaken", count = 4 } }

[[platform.device]]
kind = "policy"
name = "gpio0"
lengths = []
completion_length = 0
"""


def bare(folder: Path, text: str) -> ResolvedScenario:
    file = folder / "guest.qvmconf"
    file.write_text(HEAD + text)
    return resolved(str(file))


def shape(passes: tuple[PassConfig, ...]) -> list[tuple[int, list[int | None]]]:
    """Return for each entry how many windows it has, and its lines."""
    return [(len(each.windows), [line.number for line in each.interrupts]) for each in passes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pass loc 0x1000,0x1000,rw pass loc 0x3000,0x1000,rw pass intr gic:50", [(2, [50])]),
        ("pass loc 0x1000,0x1000,rw pass intr gic:50 pass intr gic:51", [(1, [50, 51])]),
        ("pass loc 0x1000,0x1000,rw intr gic:50 pass intr gic:51", [(1, [50]), (0, [51])]),
        (
            "pass loc 0x1000,0x1000,rw intr gic:50 pass loc 0x3000,0x1000,rw pass intr gic:51",
            [(1, [50]), (1, [51])],
        ),
        (
            "pass loc 0x1000,0x1000,rw pass intr gic:50 pass loc 0x3000,0x1000,rw pass intr gic:51",
            [(1, [50]), (1, [51])],
        ),
        (
            "pass loc 0x1000,0x1000,rwn pass loc 0x3000,0x1000,rw pass intr gic:51",
            [(1, []), (1, [51])],
        ),
        ("pass loc 0x1000,0x1000,rw cpu pass intr gic:50", [(1, []), (0, [50])]),
        ("pass loc pci:0:1.0 pass intr gic:50", [(1, []), (0, [50])]),
        ("pass intr gic:50 pass loc 0x1000,0x1000,rw", [(0, [50]), (1, [])]),
    ],
)
def test_a_line_of_its_own_joins_the_windows_directly_before_it(
    text: str, expected: list[tuple[int, list[int | None]]]
) -> None:
    assert shape(parse_text(f"ram 0x80000000,1M {text}").passes) == expected


def test_a_line_that_joins_windows_is_noted_in_the_text_and_in_the_run(tmp_path: Path) -> None:
    text = "pass loc 0x1000,0x1000,rw\npass loc 0x3000,0x1000,rw\npass intr gic:150\n"
    found = bare(tmp_path, text)
    assert [(nic.name, nic.intid) for nic in found.plan.nics] == [("nic0", 150)]
    noted = {each.name: each.basis for each in found.assumptions}["g.pass"]
    assert "gic:150 stands in a pass of its own" in noted
    assert "the 2 windows from line 3 on" in noted


def test_windows_without_a_line_get_a_device_that_never_interrupts(tmp_path: Path) -> None:
    found = bare(tmp_path, "pass loc 0x1000,0x1000,rw\n")
    (device,) = found.plan.devices
    assert device.name == "dma0"
    assert not getattr(device, "interrupts", True)
    assert "dma0.interrupt" not in {each.name for each in found.assumptions}


@pytest.mark.parametrize(("text", "vector"), [(GPIO, 165), ("pass intr gic:48\n", 48)])
def test_a_line_without_dma_gets_a_device_that_interrupts(
    tmp_path: Path, text: str, vector: int
) -> None:
    (device,) = bare(tmp_path, text).plan.devices
    assert (device.name, device.intid) == ("irq0", vector)
    assert getattr(device, "lengths", None) == ()


@pytest.mark.parametrize(
    "word", ["", "mem:0x0e600000", "mem:0xe600000", "0x0E600000", "mem:0d241172480", "165"]
)
def test_a_device_behind_a_window_marked_n_is_found_by_any_spelling(
    tmp_path: Path, word: str
) -> None:
    (tmp_path / "guest.qvmconf").write_text(HEAD + GPIO)
    file = tmp_path / "gpio.toml"
    file.write_text(SCENARIO + (f'pass = "{word}"\n' if word else ""))
    (device,) = resolved(str(file)).plan.devices
    assert device.intid == 165


@pytest.mark.parametrize(
    "text",
    [
        "vdev virtio-net loc 0x1c180000 intr gic:49 peer /dev/vdevpeers/vp4 name v0",
        "vdev virtio-console loc 0x20010000 intr gic:47 hostdev /dev/ptyp0 name v0",
    ],
)
def test_a_virtual_network_or_a_console_alone_is_judged(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "guest.qvmconf").write_text(HEAD + text)
    words = ["run", str(tmp_path / "guest.qvmconf"), "--no-plot", "--no-explain"]
    assert main([*words, "--out", str(tmp_path / "out")]) in {0, 1}
    assert "not exercised" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "vdev shmem create a,0x1000",
        "pass loc 0x1000,0x1000,rwn",
        "vdev virtio-console hostdev >/dev/ptyp0",
    ],
)
def test_a_machine_that_cannot_be_judged_ends_with_status_5_and_the_reason(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NothingToJudge):
        bare(tmp_path, text)
    assert main(["run", str(tmp_path / "guest.qvmconf"), "--out", str(tmp_path / "out")]) == 5
    assert "nothing here can be judged" in capsys.readouterr().err


def test_a_further_line_of_a_device_is_named_as_without_effect(tmp_path: Path) -> None:
    found = bare(tmp_path, "pass loc 0x1000,0x1000,rw\npass intr gic:50\npass intr gic:51\n")
    assert [nic.intid for nic in found.plan.nics] == [50]
    (options,) = [each for each in found.assumptions if each.name == "g.options"]
    assert options.value == "further intr of a pass"
    assert "line 5" in options.basis
