"""`quiesce explain`: its output, and the files in the folder afterwards."""

import json
from pathlib import Path

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status

from ..conftest import CRASH_AT_WORK, GUEST, Write


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a fresh folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_violation_is_explained_with_a_change_that_was_tried(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "nic-crash-bare", "--no-plot"]) == exit_status.VIOLATED
    said = " ".join(capsys.readouterr().out.split())
    for expected in (
        "nic-crash-bare: no-dma-after-teardown is violated",
        "eth0 was never asked to stop",
        "change was tried in ",
        "runs): give eth0 a vdev with a TERMINATE callback: follow the documented procedure",
        "other timings, none violated.",
        "The point of no return was",
        "to silence eth0 before",
    ):
        assert expected in said, expected
    names = {path.name for path in (here / "out/nic-crash-bare").iterdir()}
    assert names == {
        "explanation.txt",
        "causes.dot",
        "causes.mmd",
        "explanation.json",
        "replay.json",
    }
    sentences = Path("out/nic-crash-bare/explanation.txt").read_text(encoding="utf-8").splitlines()
    assert 3 <= len(sentences) <= 6


@pytest.mark.slow
def test_the_folder_of_a_run_is_explained_like_the_run(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(CRASH_AT_WORK, guest=GUEST.replace("16M", "1M"))
    assert main(["run", "s.toml", "--seed", "3", "--no-plot", "--json"]) == exit_status.VIOLATED
    ran = json.loads(capsys.readouterr().out)
    assert main(["explain", "out/s", "--no-plot", "--json"]) == exit_status.VIOLATED
    explained = json.loads(capsys.readouterr().out)["explanation"]
    # An explanation that was asked for tries more timings than one by the way.
    by_the_way, asked_for = ran["explanation"]["saving"], explained["saving"]
    assert by_the_way.pop("timings") < asked_for.pop("timings")
    assert by_the_way == asked_for
    assert ran["explanation"]["slice"] == explained["slice"]
    assert explained["saving"]["is_entire"]
    assert explained["no_return"]["at_ns"] <= explained["at_ns"]


def test_there_is_nothing_to_explain_where_all_is_well(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "nic-crash-quiesced"]) == exit_status.OK
    assert "nothing to explain" in capsys.readouterr().out
    assert not (here / "out").exists()


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(tmp_path)]) == exit_status.BAD_INPUT
    assert "replay.json" in capsys.readouterr().err
    assert main(["explain", "nic-crash-bare", "--timing", "latest", "--seed", "1"]) == (
        exit_status.BAD_INPUT
    )
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.slow
def test_two_runs_are_drawn_in_one_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "nic-crash-quiesced", "nic-crash-bare", "--json"]) == exit_status.OK
    document = json.loads(capsys.readouterr().out)
    assert document["differences"]["no-dma-after-teardown"] == ["holds", "violated"]
    folder = here / "out" / "nic-crash-quiesced-and-nic-crash-bare"
    assert {path.name for path in folder.iterdir()} == {"compare.svg", "compare.png"}
