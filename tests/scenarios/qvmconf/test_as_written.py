"""Configurations as people write them: templates, other programs' forms, vdevs of their own."""

from pathlib import Path

import pytest

from quiesce.model.base.errors import ConfigError
from quiesce.scenarios.cli import main
from quiesce.scenarios.qvmconf.config import VmConfig
from quiesce.scenarios.qvmconf.parser import parse_arguments, parse_files, parse_text


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse_text(text, "vm")
    return [str(problem) for problem in raised.value.problems]


def read(text: str) -> VmConfig:
    return parse_text(f"system g ram 0x80000000,64M cpu load g.ifs {text}", "vm")


@pytest.mark.parametrize(
    "template", ["@{}@", "${{{}}}", "<{}>", "‹{}›"], ids=["at", "dollar", "angle", "guillemet"]
)
def test_each_placeholder_of_a_template_gets_one_message_that_calls_it_so(template: str) -> None:
    names = ["NAME", "MEMORY", "DISK", "ADDRESS", "LINE", "TYPE", "WINDOW"]
    holes = [template.format(name) for name in names]
    name, memory, disk, address, line, kind, window = holes
    text = (
        f"system {name}\nram {memory}\ncpu\nload g.ifs\n"
        f"vdev virtio-blk hostdev {disk} loc {address} intr gic:{line}\n"
        f"vdev {kind} name x\npass loc {window},0x1000,rw intr gic:44\n"
    )
    problems = problems_of(text)
    assert len(problems) == len(holes), problems
    for hole, problem in zip(holes, problems, strict=True):
        assert f"'{hole}' is a placeholder" in problem


def test_a_placeholder_hides_no_error_of_other_words() -> None:
    problems = problems_of("system @NAME@\nram many\nvdev pl011 loc @WHERE@ intr gic:nine")
    assert len(problems) == 4
    assert "many" in problems[1]
    assert "nine" in problems[3]


def test_a_placeholder_among_arguments_of_a_command_line_is_one_too() -> None:
    with pytest.raises(ConfigError, match="'@RAM@' is a placeholder"):
        parse_arguments(["system", "g", "ram", "@RAM@"])


def test_a_file_with_an_at_in_its_name_is_no_placeholder(tmp_path: Path) -> None:
    (tmp_path / "a@b.conf").write_text("system g ram 0x80000000,64M")
    (tmp_path / "vm.conf").write_text("@a@b.conf cpu")
    assert parse_files([tmp_path / "vm.conf"]).name == "g"


def test_a_host_end_point_to_be_read_is_no_placeholder() -> None:
    disk, console = read("vdev virtio-blk hostdev </img/root vdev virtio-console hostdev >-").vdevs
    assert [(each.path, each.mode) for each in (*disk.hostdev, *console.hostdev)] == [
        ("/img/root", "read"),
        ("-", "write"),
    ]


def test_a_template_full_of_placeholders_ends_in_a_bounded_list() -> None:
    assert len(problems_of("system g\n" + "ram @A@\n" * 5_000)) == 200


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("system name=guest1", "write system guest1"),
        ("load addr=0x80000000,file=guest1.img", "write load 0x80000000,guest1.img"),
        ("vdev virtio-blk hostdev path=/dev/disk0", "write hostdev /dev/disk0"),
        ("vdev virtio-blk name=disk0", "write name disk0"),
        ("vdev virtio-blk,file=/dev/hd0", "write vdev virtio-blk, then file /dev/hd0"),
        ("vdev virtio-blk,legacy", "write vdev virtio-blk, then legacy"),
        ("ram base=0x80000000,size=64M", "write ram 0x80000000,64M"),
        ("system=guest1", "write system guest1"),
    ],
)
def test_a_key_with_a_value_is_refused_with_the_form_that_qvm_knows(text: str, remedy: str) -> None:
    assert any(problem.endswith(remedy) for problem in problems_of(text))


def test_an_equals_sign_inside_a_path_is_no_key() -> None:
    config = read('vdev virtio-blk hostdev /dev/a=b load 0x88000000,/img/x=y cmdline "a=b"')
    assert config.vdevs[0].hostdev[0].path == "/dev/a=b"
    assert config.loads[-1].path == "/img/x=y"


@pytest.mark.parametrize(
    "word", ["vdev-virtio-test.so", "virtio-9p", "pl031", "shmem2", "virtio-blck", "gic2"]
)
def test_a_vdev_of_the_users_own_is_a_note_also_when_it_is_spelled_like_a_shipped_one(
    word: str,
) -> None:
    config = read(f"vdev {word} loc 0x1c310000 intr gic:66 verbose 2 name test0")
    (vdev,) = config.vdevs
    assert not vdev.shipped
    assert any("is taken as your own" in note.message for note in config.notes)
    assert [option.name for option in vdev.options] == ["verbose"]


def test_a_watchdog_needs_an_interrupt_only_if_it_raises_one() -> None:
    assert read("vdev wdt-sp805 loc 0x1c160000").vdevs[0].intr == ()
    assert read("vdev wdt-sp805 action dump,terminate").vdevs[0].intr == ()
    (problem,) = problems_of("ram 0x80000000,64M vdev wdt-sp805 action fiq")
    assert problem.endswith("raises its interrupt, but no intr; add intr")


def test_an_input_device_takes_size_display_protocol_and_a_change_of_its_options() -> None:
    (vdev,) = read(
        "vdev virtio-input loc 0x1c300000 intr gic:48 size 800,480 display 2 protocol b "
        "options +0x10"
    ).vdevs
    numbers = {option.name: option.numbers for option in vdev.options}
    assert numbers == {"size": (800, 480), "display": (2,), "protocol": (), "options": (16,)}


def test_lint_counts_the_notes_that_it_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vm.qvmconf"
    file.write_text("system g\nram 0x80000000,64M\ncpu\nload g.ifs\nvdev mine name a\n")
    assert main(["lint", str(file)]) == 0
    shown = capsys.readouterr().out
    assert shown.count("note:") == 2
    assert "2 notes" in shown
