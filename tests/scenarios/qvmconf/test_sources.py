"""Files: several, nested, missing, hostile."""

import os
from pathlib import Path

import pytest

from quiesce.model.base.errors import ConfigError
from quiesce.scenarios.qvmconf.parser import parse_arguments, parse_files, parse_text
from quiesce.scenarios.qvmconf.sources import MAX_FILE_BYTES


def only_problem(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        parse_files([path])
    assert len(error.value.problems) == 1
    return str(error.value).replace(str(path.parent) + os.sep, "")


def test_several_files_make_one_machine(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("system a\nram 1M\nvdev virtio-blk")
    (tmp_path / "b.conf").write_text("hostdev /dev/hd0\ncpu")
    config = parse_files([tmp_path / "a.conf", tmp_path / "b.conf"])
    assert config.files == (str(tmp_path / "a.conf"), str(tmp_path / "b.conf"))
    assert config.vdevs[0].hostdev[0].path == "/dev/hd0"
    assert config.vdevs[0].hostdev[0].place.file == str(tmp_path / "b.conf")


def test_a_file_names_others_relative_to_itself(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "vm.conf").write_text("ram 1M\n@parts/disks.conf\ncpu")
    (tmp_path / "parts" / "disks.conf").write_text("@disk.conf name d")
    (tmp_path / "parts" / "disk.conf").write_text("vdev virtio-blk hostdev /dev/hd0")
    config = parse_arguments([f"@{tmp_path / 'vm.conf'}", "cpu"])
    assert config.vdevs[0].name == "d"
    assert config.vcpu_count == 2
    assert [Path(file).name for file in config.files] == ["vm.conf", "disks.conf", "disk.conf"]


def test_an_argument_is_not_taken_from_the_next_file(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("vdev pl011 loc")
    (tmp_path / "b.conf").write_text("0x1000 intr gic:37")
    with pytest.raises(ConfigError, match="loc needs an argument, but the text ends"):
        parse_files([tmp_path / "a.conf", tmp_path / "b.conf"])


def test_files_that_include_each_other_are_told_as_a_chain(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("ram 1M @b.conf")
    (tmp_path / "b.conf").write_text("cpu\n@a.conf")
    with pytest.raises(ConfigError, match=r"includes itself: a.conf -> b.conf -> a.conf"):
        parse_files([tmp_path / "a.conf"])


def test_one_file_read_twice_in_turn_is_no_cycle(tmp_path: Path) -> None:
    (tmp_path / "cpu.conf").write_text("cpu")
    assert parse_files([tmp_path / "cpu.conf"] * 2).vcpu_count == 2


def test_files_that_multiply_are_stopped(tmp_path: Path) -> None:
    for level in range(12):
        (tmp_path / f"{level}.conf").write_text(f"cpu @{level + 1}.conf @{level + 1}.conf\n")
    (tmp_path / "12.conf").write_text("cpu")
    with pytest.raises(ConfigError, match="more than 64 files"):
        parse_files([tmp_path / "0.conf"])


def test_a_missing_file_is_answered_with_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "guest.qvmconf").write_text("cpu")
    message = only_problem(tmp_path / "gest.qvmconf")
    assert message == "gest.qvmconf: there is no such file; did you mean 'guest.qvmconf'?"


def test_a_missing_file_inside_a_file_is_reported_there(tmp_path: Path) -> None:
    (tmp_path / "vm.conf").write_text("cpu\n  @other.conf")
    assert only_problem(tmp_path / "vm.conf") == (
        "vm.conf:2:3: 'other.conf': there is no such file; check the path"
    )


def test_a_placeholder_is_not_taken_for_a_file() -> None:
    with pytest.raises(ConfigError, match="'@SET_LINES@' is a placeholder"):
        parse_text("system a @SET_LINES@ ram 1M")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vm").mkdir()
    assert "vm: this is a directory" in only_problem(tmp_path / "vm")


def test_what_is_neither_file_nor_directory_is_refused_before_it_is_opened() -> None:
    """Opening a pipe could wait for ever; the null device stands for all of its kind."""
    assert "this is not a regular file" in only_problem(Path(os.devnull))


@pytest.mark.parametrize("content", ["", "\n \n", "# only a comment\n", "\ufeff"])
def test_an_empty_configuration_says_that_nothing_is_configured(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "vm.conf"
    path.write_text(content, encoding="utf-8")
    assert only_problem(path).startswith("vm.conf: nothing is configured")


def test_a_binary_file_is_told_by_its_first_odd_byte(tmp_path: Path) -> None:
    (tmp_path / "ifs.bin").write_bytes(b"cpu\n\x7fELF\0\0")
    assert only_problem(tmp_path / "ifs.bin") == (
        "ifs.bin:2: the file is binary: it holds a NUL byte; name a text file"
    )
    (tmp_path / "latin.conf").write_bytes(b"# Ger\xe4t\ncpu")
    assert "latin.conf:1: byte 0xe4 is not UTF-8 text" in only_problem(tmp_path / "latin.conf")


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(50 << 20)
    assert "disk.img: the file is larger than the 1024 KiB" in only_problem(path)
    path.write_text("cpu".ljust(MAX_FILE_BYTES))
    assert parse_files([path]).vcpu_count == 1


def test_no_file_at_all_says_that_nothing_is_configured() -> None:
    with pytest.raises(ConfigError, match="nothing is configured"):
        parse_files([])
