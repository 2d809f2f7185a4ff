"""A configuration in several files, on standard input, and with placeholders that are filled in."""

import io
import sys
from pathlib import Path

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.resolve.library import one_word, words_of

BASE = "system @NAME@\nram ${RAM}\ncpu\n"
DEVICES = "vdev virtio-net loc <where> intr gic:‹LINE› peer /dev/vp4 name net0\n"
VALUES = {"NAME": "g", "RAM": "0x80000000,16M", "where": "0x1c180000", "LINE": "49"}
DEFINED = [word for name, value in VALUES.items() for word in ("--define", f"{name}={value}")]
COMMANDS = [
    ["run", "--no-plot", "--no-explain"],
    ["explain", "--no-plot"],
    ["assumptions"],
    ["report", "--points", "0"],
    ["export", "--as", "junit"],
    ["verify"],
    ["lint"],
    ["discover"],
    ["fuzz", "--examples", "1", "--no-plot", "--forget"],
]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    for name, text in (("base.conf", BASE), ("devices.conf", DEVICES)):
        (tmp_path / name).write_text(text)
    return ["base.conf", "devices.conf"]


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def output_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Return all that was printed since the last call, as one line."""
    printed = capsys.readouterr()
    return " ".join(f"{printed.out} {printed.err}".split())


@pytest.mark.parametrize("command", COMMANDS, ids=[words[0] for words in COMMANDS])
def test_every_command_takes_several_files_and_fills_placeholders_in(
    command: list[str], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command[0], *(f"@{name}" for name in files), *command[1:]]
    assert main([*words, *DEFINED]) in {0, 1, 5}, output_of(capsys)
    capsys.readouterr()
    assert main(words) == 4
    complaint = output_of(capsys)
    for name in ("@NAME@", "${RAM}", "<where>", "‹LINE›"):
        assert complaint.count(f"'{name}' is a placeholder") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=[words[0] for words in COMMANDS])
@pytest.mark.usefixtures("files")
def test_a_dash_reads_the_configuration_from_standard_input(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, BASE + DEVICES)
    assert main([command[0], "-", *command[1:], *DEFINED]) in {0, 1, 5}, capsys.readouterr().err
    give(monkeypatch, "system g\nrm 1M\n")
    assert main([command[0], "-", *command[1:]]) == 4
    assert "<stdin>:2:1: unknown option 'rm'" in output_of(capsys)


@pytest.mark.usefixtures("files")
def test_standard_input_and_a_file_are_one_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(monkeypatch, DEVICES)
    words = ["run", "base.conf", "-", "--no-plot", "--no-explain", "--out", "o"]
    assert main([*words, *DEFINED]) in {0, 1}, capsys.readouterr().err
    assert "net0 for g:" in capsys.readouterr().out


def test_a_scenario_is_no_file_of_a_configuration(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text('configuration = "base.conf"\n')
    assert main(["run", *files, "s.toml", *DEFINED]) == 4
    assert "'s.toml' is a scenario, and several files are one configuration" in (
        capsys.readouterr().err
    )


def test_a_value_without_a_placeholder_is_noted_and_one_without_a_name_refused(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", *files, *DEFINED, "--define", "OTHER=1"]) == 0
    assert "the value of OTHER has no placeholder to go to" in capsys.readouterr().out
    assert main(["lint", *files, "--define", "OTHER"]) == 4
    assert "write NAME=VALUE" in capsys.readouterr().err


def test_values_of_one_call_do_not_reach_the_next(files: list[str]) -> None:
    assert main(["lint", *files, *DEFINED]) == 0
    assert main(["lint", *files]) == 4


def test_words_with_an_at_sign_that_follow_each_other_are_one_configuration() -> None:
    words = ["@a.conf", "@b.conf", "nic-crash-bare", "@c.conf"]
    assert words_of(words) == [one_word(["a.conf", "b.conf"]), "nic-crash-bare", "c.conf"]


@pytest.mark.parametrize(
    "word", ["/dev/qvm/@NAME@/net", "@NAME@/net", "@NAME@.img", "x%NAME%", "{{NAME}}", "$NAME"]
)
def test_a_placeholder_is_found_wherever_it_stands_in_a_word(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "guest.conf"
    file.write_text(f"system g\nram 16M\nvdev virtio-net peer {word} name net0\n")
    assert main(["lint", str(file)]) == 4
    assert "NAME" in output_of(capsys)
    assert main(["lint", str(file), "--define", "NAME=q"]) == 0


def test_a_placeholder_may_stand_for_a_whole_entry_or_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "guest.conf"
    file.write_text("system g\nram @START@,@LENGTH@\n@GIC@\nvdev pl011 loc 0x1000 intr gic:37\n")
    words = ["lint", str(file), "--define", "START=0x80000000", "--define", "LENGTH=16M"]
    assert main([*words, "--define", "GIC=vdev gic version 2"]) == 0
    assert main([*words, "--define", "GIC="]) == 0
    capsys.readouterr()
    assert main([*words, "--define", "GIC=vdev gic version 4"]) == 4
    assert ":3:1: version: '4' is not in 2..3" in output_of(capsys)
    assert main(["lint", str(file)]) == 4
    complaint = output_of(capsys)
    for name in ("@START@", "@LENGTH@", "@GIC@"):
        assert complaint.count(f"'{name}' is a placeholder") == 1
