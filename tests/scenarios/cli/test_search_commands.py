"""`quiesce fuzz`, `quiesce sweep` and `quiesce prove` as a user calls them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quiesce.properties.search.sweep import SweepPart
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.format import shipped
from quiesce.scenarios.run import crash_sweep


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_fuzzing_a_bare_crash_leaves_a_small_counterexample_that_can_be_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["fuzz", "nic-crash-bare", "--examples", "20", "--no-plot", "--json"]
    assert main(words) == exit_status.VIOLATED
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == 20
    assert document["label"] == "sampled(20)"
    found = document["counterexample"]
    assert found["property"] == "no-dma-after-teardown"
    assert found["is_minimal"]
    assert found["events_from_last_submit"] <= 25
    replay = next(name for name in document["files"] if name.endswith("replay.json"))
    assert main(["run", "--replay", replay, "--no-plot", "--json"]) == exit_status.VIOLATED
    again = json.loads(capsys.readouterr().out)
    assert again["properties"]["no-dma-after-teardown"]["verdict"] == "violated"


@pytest.mark.slow
def test_the_counterexample_is_a_scenario_that_can_be_kept_and_mended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["fuzz", "nic-crash-bare", "--examples", "20", "--no-plot"])
    said = capsys.readouterr().out
    scenario = "out/nic-crash-bare/fuzz/counterexample.toml"
    assert f"again: quiesce run {scenario}\n" in said
    text = Path(scenario).read_text()
    assert text.startswith("# A run that violates no-dma-after-teardown")
    assert "# 1-minimal: no single step makes it smaller." in text
    assert main(["run", scenario, "--no-plot"]) == exit_status.VIOLATED
    assert "bound: as recorded: found by drawing and shrunk" in capsys.readouterr().out
    assert main(["verify", scenario]) == exit_status.OK, "[expect] has what the run shows"
    Path(scenario).write_text(text.replace('iommu = "none"', 'iommu = "smmuv3"'))
    capsys.readouterr()
    assert main(["run", scenario, "--no-plot"]) == exit_status.OK
    assert "recorded run of another system, as far as they fit" in capsys.readouterr().out


def test_a_replay_that_is_not_there_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("vm.qvmconf").write_text("system vm\nram 0x80000000,1M\n")
    Path("s.toml").write_text('configuration = "vm.qvmconf"\nreplay = "gone.json"\n')
    assert main(["run", "s.toml"]) == exit_status.BAD_INPUT
    assert "gone.json: the file cannot be read" in capsys.readouterr().err


def test_clean_runs_are_told_with_what_they_are_worth(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fuzz", "nic-crash-quiesced", "--examples", "30", "--forget"]) == exit_status.OK
    said = capsys.readouterr().out
    assert "nic-crash-quiesced: holds [sampled(30)]" in said
    assert "with 95% confidence at most 1 run in 10" in said
    assert not Path(".hypothesis").exists()
    assert Path("out/nic-crash-quiesced/fuzz/campaign.json").exists()


def test_a_second_campaign_with_the_same_seed_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fuzz", "nic-crash-iommu", "--no-plot", "--json", "--examples"]
    main([*words, "100"])
    capsys.readouterr()
    main([*words, "120"])
    document = json.loads(capsys.readouterr().out)
    assert (document["runs"], document["resumed"]) == (120, 100)


@pytest.mark.slow
def test_a_campaign_stops_after_its_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fuzz", "nic-crash-quiesced", "--seconds", "1", "--forget", "--json", "--no-plot"]
    assert main(words) == exit_status.OK
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] > 0
    assert document["label"] == f"sampled({document['runs']})"


@pytest.mark.slow
def test_a_sweep_tells_the_points_and_draws_the_windows(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "nic-crash-bare", "--until", "220us", "--json"]
    words += ["--cause", "guest-crash", "--cause", "guest-suspend"]
    assert main(words) == exit_status.VIOLATED
    document = json.loads(capsys.readouterr().out)
    assert document["label"] == "swept(all crash points, nominal timing)"
    crash, dormant = document["causes"]["guest-crash"], document["causes"]["guest-suspend"]
    assert crash["points"] == crash["gaps"] + crash["orders"]
    assert document["points"] == crash["points"] + dormant["points"]
    assert crash["left_out"] == 0
    assert crash["unsafe"] > 0
    assert crash["windows"][0]["to_ns"] == 220_000
    assert (dormant["unsafe"], dormant["windows"]) == (0, [])
    names = {Path(name).name for name in document["files"]}
    assert names == {"sweep.json", "replay-guest-crash.json", "windows.svg", "windows.png"}
    picture = Path("out/nic-crash-bare/sweep/windows.svg").read_text(encoding="utf-8")
    assert "guest-suspend" in picture
    assert "all safe" in picture
    replay = "out/nic-crash-bare/sweep/replay-guest-crash.json"
    assert main(["run", "--replay", replay, "--no-plot"]) == exit_status.VIOLATED


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_sweep_that_is_stopped_tells_what_was_covered_and_that_the_rest_is_open(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, jobs: str
) -> None:
    pieces = crash_sweep._swept_pieces

    def one_piece(*words: Any) -> Iterator[SweepPart]:
        yield next(pieces(*words))
        raise KeyboardInterrupt

    monkeypatch.setattr(crash_sweep, "_swept_pieces", one_piece)
    monkeypatch.setattr(crash_sweep, "_INSTANTS_AT_A_TIME", 20)
    words = ["sweep", "nic-crash-quiesced", "--jobs", jobs, "--no-plot"]
    words += ["--cause", "guest-crash", "--cause", "sigkill"]
    assert main(words) == exit_status.INTERRUPTED
    said = " ".join(capsys.readouterr().out.split())
    assert "nic-crash-quiesced: inconclusive [swept(cut short, nominal timing)]" in said
    assert "were not tried, nor any further cause" in said
    document = json.loads(Path("out/nic-crash-quiesced/sweep/sweep.json").read_text())
    (cause,) = document["causes"].values()
    assert not cause["is_whole"]
    assert cause["gaps"] + cause["empty_gaps"] == 20
    assert "guest-crash open" in said
    found = {each["verdict"] for each in document["properties"].values()}
    assert found <= {"inconclusive", "vacuous"}


def test_a_sweep_that_is_stopped_at_once_has_nothing_to_tell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> SweepPart:
        raise KeyboardInterrupt

    monkeypatch.setattr(crash_sweep, "_sweep_piece", nothing)
    assert main(["sweep", "nic-crash-bare"]) == exit_status.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_stopped_sweep_that_has_found_a_violation_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep_piece = crash_sweep._sweep_piece
    parts: list[SweepPart] = []

    def until_it_goes_wrong(*words: Any) -> SweepPart:
        if parts and parts[-1].tally.violated:
            raise KeyboardInterrupt
        parts.append(sweep_piece(*words))
        return parts[-1]

    monkeypatch.setattr(crash_sweep, "_sweep_piece", until_it_goes_wrong)
    monkeypatch.setattr(crash_sweep, "_INSTANTS_AT_A_TIME", 10)
    assert main(["sweep", "nic-crash-bare", "--json"]) == exit_status.INTERRUPTED
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "violated"
    cause = document["causes"]["guest-crash"]
    assert cause["windows"][-1]["to_ns"] <= cause["covered_ns"]
    assert cause["points"] == sum(part.points for part in parts)
    picture = Path("out/nic-crash-bare/sweep/windows.svg").read_text(encoding="utf-8")
    assert "swept(cut short, nominal timing)" in picture


def test_a_sweep_in_two_processes_finds_what_one_finds(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for jobs in ("1", "2"):
        main(["sweep", "nic-crash-bare", "--until", "300us", "--jobs", jobs, "--json", "--no-plot"])
        found.append(json.loads(capsys.readouterr().out)["causes"])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("cause", "said"),
    [("guest-crsh", "did you mean 'guest-crash'"), ("fatal-before-start", "one crash point")],
)
def test_a_cause_that_cannot_be_swept_is_refused(
    cause: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "nic-crash-bare", "--cause", cause]) == exit_status.BAD_INPUT
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_last_instant_without_a_unit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "nic-crash-bare", "--until", "600"]) == exit_status.BAD_INPUT
    said = capsys.readouterr().err
    assert "--until" in said
    assert "unit" in said


def test_a_proof_that_is_cut_short_says_so_and_proves_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["prove", "can-crash-bare", "--max-states", "12"]
    assert main(words) == exit_status.NOTHING_CHECKED
    said = " ".join(capsys.readouterr().out.split())
    assert "can-crash-bare: inconclusive [searched(dense time, cut short)]" in said
    assert "go on with a greater --seconds or --max-states" in said
    assert "proved" not in said.replace("nothing is proved", "")
    found = re.search(r"with (\d+) of (\d+) known classes not followed \((\d+) %\)", said)
    assert found is not None
    left, known, share = map(int, found.groups())
    assert 0 < left < known
    assert share == -(-100 * left // known)
    document = json.loads(Path("out/can-crash-bare/prove/proof.json").read_text())
    assert not document["is_whole"]
    assert document["distances"] == []


def test_a_violation_that_a_sample_found_is_called_a_counterexample_of_the_sample(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["prove", "nic-crash-bare", "--max-states", "5", "--no-plot"]
    assert main(words) == exit_status.VIOLATED
    said = " ".join(capsys.readouterr().out.split())
    assert "nic-crash-bare: violated (stray) [counterexample(sampled)]" in said
    assert "proved" not in said


def test_only_properties_of_a_teardown_are_proved(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["prove", "can-crash-bare", "--property", "virtio-n48-silence-while-stopped"])
        == exit_status.BAD_INPUT
    )
    assert "proofs are about the teardown" in capsys.readouterr().err


@pytest.mark.slow
def test_a_refuted_property_comes_with_the_run_that_breaks_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["prove", "early-release.toml", "--property", "teardown-order", "--no-plot", "--json"]
    library = Path(shipped.__file__).parents[1] / "library"
    text = (library / "nic-crash-bare.toml").read_text()
    text = text.replace("nic.qvmconf", str(library / "nic.qvmconf"))
    early = 'after = { event = "DmaRequested", count = 1, delay = "1us" }'
    text = "\n".join(early if line.startswith("after") else line for line in text.split("\n"))
    Path("early-release.toml").write_text(text.replace('"50us..100us"', '"400us"'))
    assert main(words) == exit_status.VIOLATED
    document = json.loads(capsys.readouterr().out)
    assert document["counterexample"]["property"] == "teardown-order"
    assert document["label"] == "counterexample(dense time)"
    replay = next(name for name in document["files"] if name.endswith("replay.json"))
    assert main(["run", "--replay", replay, "--no-plot", "--json"]) == exit_status.VIOLATED
    again = json.loads(capsys.readouterr().out)
    assert again["properties"]["teardown-order"]["verdict"] == "violated"
