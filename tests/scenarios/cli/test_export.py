"""`quiesce export` as a user calls it."""

import json
from pathlib import Path

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output.exit_status import BAD_INPUT, OK

Capture = pytest.CaptureFixture[str]


def test_a_scenario_is_exported_in_every_format(tmp_path: Path, capsys: Capture) -> None:
    assert main(["export", "nic-crash-bare", "--out", str(tmp_path), "--json"]) == OK
    files = [Path(file) for file in json.loads(capsys.readouterr().out)["files"]]
    assert sorted(file.name for file in files) == [
        "findings.sarif",
        "junit.xml",
        "needs.json",
        "sequence.mmd",
        "trace.btf",
        "trace.perfetto.json",
        "trace.vcd",
    ]
    assert all(file.stat().st_size > 500 for file in files)


@pytest.mark.slow
def test_the_folder_of_a_run_is_exported_without_running_it_again(
    tmp_path: Path, capsys: Capture
) -> None:
    main(["run", "nic-crash-bare", "--no-plot", "--out", str(tmp_path / "one")])
    folder = str(tmp_path / "one" / "nic-crash-bare")
    main(["export", folder, "--out", str(tmp_path / "two")])
    main(["export", "nic-crash-bare", "--out", str(tmp_path / "three")])
    for file in ("nic-crash-bare/trace.vcd", "nic-crash-bare/trace.btf", "findings.sarif"):
        data = (tmp_path / "two" / file).read_bytes()
        assert data == (tmp_path / "three" / file).read_bytes()


def test_findings_point_into_the_configuration(tmp_path: Path) -> None:
    main(["export", "nic-crash-bare", "--as", "sarif", "--out", str(tmp_path)])
    log = json.loads((tmp_path / "findings.sarif").read_bytes())
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    uri = place["artifactLocation"]["uri"]
    line = place["region"]["startLine"]
    text = Path(uri.removeprefix("file://")).read_text().splitlines()[line - 1]
    assert text.startswith("pass ")


def test_two_runs_of_one_name_are_refused(tmp_path: Path, capsys: Capture) -> None:
    status = main(["export", "nic-crash-bare", "nic-crash-bare", "--out", str(tmp_path)])
    assert status == BAD_INPUT
    assert "two runs are called 'nic-crash-bare'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nic-crash-bare", "--as", "vdc"], "did you mean 'vcd'?"),
        (["nic-crash-bar"], "nic-crash-bare"),
        (["."], "there is no trace.jsonl in it"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == BAD_INPUT
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.slow
def test_a_damaged_trace_leaves_no_file_behind(tmp_path: Path, capsys: Capture) -> None:
    main(["run", "nic-crash-bare", "--no-plot", "--out", str(tmp_path / "one")])
    folder = tmp_path / "one" / "nic-crash-bare"
    trace = folder / "trace.jsonl"
    trace.write_bytes(trace.read_bytes()[:-40])
    assert main(["export", str(folder), "--out", str(tmp_path / "two")]) == BAD_INPUT
    assert "trace.jsonl:" in capsys.readouterr().err
    assert not [file for file in (tmp_path / "two").rglob("*") if file.is_file()]
