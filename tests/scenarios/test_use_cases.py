"""Use cases return what their files say, and leave the terminal to the commands."""

import json
from functools import partial
from pathlib import Path

import pytest

from quiesce.properties.core.verdict import Judgement
from quiesce.reports.verdict_file import document_of
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output.exit_status import INTERRUPTED
from quiesce.scenarios.evidence import pack
from quiesce.scenarios.explain.explaining import explain_run
from quiesce.scenarios.mutants.mutant_suite import score_mutants
from quiesce.scenarios.mutants.mutants import BY_NAME
from quiesce.scenarios.prove.prove_scenario import ProveRequest, prove_scenario
from quiesce.scenarios.run.crash_sweep import SweepRequest, sweep_scenario
from quiesce.scenarios.run.fuzz_campaign import FuzzRequest, FuzzResult, fuzz_scenario
from quiesce.scenarios.run.one_run import RunRequest, run_once

Capture = pytest.CaptureFixture[str]
BARE = "nic-crash-bare"


def assert_says(file: Path, judgement: Judgement) -> None:
    """Assert that a file says of each property what a judgement says."""
    content = json.loads(file.read_bytes())
    said = {name: each["verdict"] for name, each in content["properties"].items()}
    assert said == {each.property: each.verdict for each in judgement.verdicts}
    assert (content["verdict"], content["label"]) == (judgement.headline, judgement.label)
    assert content.keys() >= document_of(judgement).keys()


def test_a_run_returns_what_its_files_say_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    explain = partial(explain_run, is_quick=True, progress=lines.append)
    run = run_once(RunRequest(scenario=BARE, out=tmp_path, plot=False), explain)
    assert_says(run.folder / "verdict.json", run.result.judgement)
    assert {file.parent for file in run.files} == {tmp_path / BARE}
    assert run.explanation is not None
    assert str(run.folder / "replay.json") in run.replay_command
    assert any("changes tried" in line for line in lines)
    assert capfd.readouterr() == ("", "")


def test_a_run_without_an_explainer_is_not_explained(tmp_path: Path) -> None:
    run = run_once(RunRequest(scenario=BARE, out=tmp_path, plot=False))
    assert run.explanation is None
    assert not (tmp_path / BARE / "explanation.json").exists()


def test_a_campaign_returns_what_its_files_say_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    request = FuzzRequest(scenario=BARE, out=tmp_path, examples=5, forget=True, plot=False)
    result = fuzz_scenario(request, lambda _: None, lines.append)
    assert result.judgement is not None
    assert result.judgement.label == "sampled(5)"
    assert_says(tmp_path / BARE / "fuzz" / "campaign.json", result.judgement)
    assert result.example is not None
    assert lines[0].startswith("5 runs, ")
    assert lines[-1] == "", "the last line clears the progress"
    assert capfd.readouterr() == ("", "")


def test_a_sweep_returns_what_its_files_say_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    request = SweepRequest(scenario=BARE, out=tmp_path, until="40us", plot=False)
    result = sweep_scenario(request, lines.append)
    file = tmp_path / BARE / "sweep" / "sweep.json"
    assert_says(file, result.judgement)
    (swept,) = result.swept
    content = json.loads(file.read_bytes())["causes"]["guest-crash"]
    assert (content["points"], content["instants"]) == (swept.part.points, swept.instants)
    assert lines[-1] == ""
    assert capfd.readouterr() == ("", "")


def test_a_proof_returns_what_its_files_say_and_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    request = ProveRequest(scenario=BARE, out=tmp_path, classes_max=50, plot=False)
    result = prove_scenario(request, lines.append)
    file = tmp_path / BARE / "prove" / "proof.json"
    assert_says(file, result.judgement)
    content = json.loads(file.read_bytes())
    assert content["classes"] == result.proven.proof.classes
    assert content["counterexample"]["property"] == result.proven.violated
    assert file in result.files
    assert lines[-1] == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_some_mutants_are_scored_without_controls() -> None:
    suite = score_mutants([BY_NAME["M14"]])
    assert not suite.is_whole
    assert list(suite.scores) == ["M14"]
    assert (suite.survivors, suite.controls, suite.sole_killers) == ([], {}, {})


@pytest.mark.slow
def test_a_pack_whose_campaign_is_stopped_before_its_first_run_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def stopped(*words: object) -> FuzzResult:
        result = fuzz_scenario(*words)  # type: ignore[arg-type]
        return result._replace(judgement=None)

    monkeypatch.setattr(pack, "fuzz_scenario", stopped)
    words = ["evidence", BARE, "--runs", "1", "--prove-seconds", "0", "--no-mutants"]
    assert main([*words, "-o", str(tmp_path / "pack")]) == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
