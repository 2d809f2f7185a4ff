"""`quiesce report` as a user calls it, and the deaths that its slider shows."""

import html
import json
import re
from pathlib import Path

import pytest

from quiesce.model.base.choices import Nominal
from quiesce.model.machine.system import run
from quiesce.properties.check import check
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output.choice_rows import choice_rows
from quiesce.scenarios.cli.output.exit_status import BAD_INPUT, OK
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.crash_points import crash_strip, target_of

Capture = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_a_scenario_becomes_one_file(tmp_path: Path, capsys: Capture) -> None:
    words = ["report", "nic-crash-bare", "--points", "5", "--out", str(tmp_path), "--json"]
    assert main(words) == OK
    files = json.loads(capsys.readouterr().out)["files"]
    assert files == [str(tmp_path / "nic-crash-bare" / "report.html")]
    assert "violated" in Path(files[0]).read_text()


@pytest.mark.slow
def test_the_folder_of_a_run_gets_its_page_and_nothing_is_run_for_the_trace(
    tmp_path: Path,
) -> None:
    main(["run", "nic-crash-bare", "--no-plot", "--timing", "latest", "--out", str(tmp_path)])
    folder = tmp_path / "nic-crash-bare"
    assert main(["report", str(folder), "--points", "5"]) == OK
    text = (folder / "report.html").read_text()
    assert "one choice for every delay (latest)" in text
    assert f"quiesce run --replay {folder / 'replay.json'}" in text
    assert 'id="crash-slider"' in text


@pytest.mark.slow
def test_without_a_replay_file_the_page_says_what_is_missing(tmp_path: Path) -> None:
    main(["run", "nic-crash-bare", "--no-plot", "--out", str(tmp_path)])
    folder = tmp_path / "nic-crash-bare"
    (folder / "replay.json").unlink()
    assert main(["report", str(folder)]) == OK
    text = (folder / "report.html").read_text()
    assert "There is no replay file beside the trace" in text
    assert 'id="crash-slider"' not in text


@pytest.mark.slow
def test_the_explanation_in_the_folder_is_shown(tmp_path: Path, capsys: Capture) -> None:
    main(["run", "nic-crash-bare", "--no-plot", "--out", str(tmp_path)])
    folder = tmp_path / "nic-crash-bare"
    explanation = json.loads((folder / "explanation.json").read_bytes())
    assert main(["report", str(folder), "--points", "0"]) == OK
    text = html.unescape((folder / "report.html").read_text())
    assert explanation["saving"]["text"] in text
    assert all(sentence in text for sentence in explanation["sentences"])
    for node in explanation["slice"]["nodes"]:
        node["index"] += 100_000
    (folder / "explanation.json").write_text(json.dumps(explanation))
    assert main(["report", str(folder), "--points", "0"]) == BAD_INPUT
    assert "it explains another trace" in capsys.readouterr().err


@pytest.mark.slow
def test_the_slider_is_left_out_where_it_is_not_wanted_or_makes_no_sense(tmp_path: Path) -> None:
    main(["report", "nic-crash-bare", "--points", "0", "--out", str(tmp_path)])
    text = (tmp_path / "nic-crash-bare" / "report.html").read_text()
    assert "No other instant was tried, as was asked for." in text
    main(["report", "back-end-missing", "--out", str(tmp_path)])
    text = (tmp_path / "back-end-missing" / "report.html").read_text()
    assert "ends before its guest runs" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no-such-scenario"], "no-such-scenario"),
        (["."], "not the folder of a run"),
        (["nic-crash-bare", "--points", "0", "--out", "file"], "the file cannot be written"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_message(
    words: list[str],
    message: str,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["report", *words]) == BAD_INPUT
    assert message in capsys.readouterr().err


# The deaths


@pytest.mark.slow
def test_each_gap_is_tried_once_and_the_verdict_is_that_of_its_run() -> None:
    target = target_of(resolved("nic-crash-bare").plan)
    assert target is not None
    strip = crash_strip(target, 100_000)
    assert len(strip.points) == strip.gaps > 20
    for point in strip.points[::7]:
        assert point.from_ns < point.at_ns < point.to_ns
        verdicts = check(run(target.ending_at(point.at_ns), Nominal()))
        violated = {verdict.property for verdict in verdicts if verdict.violation_count}
        assert set(point.properties) == violated
        assert (point.verdict == "violated") == bool(violated) == bool(point.first)
    assert {point.verdict for point in strip.points} >= {"violated"}


@pytest.mark.slow
def test_fewer_deaths_than_gaps_are_spread_over_the_whole_run() -> None:
    target = target_of(resolved("nic-crash-bare").plan)
    assert target is not None
    whole, some = crash_strip(target, 100_000), crash_strip(target, 8)
    assert len(some.points) == 8
    assert some.gaps == whole.gaps
    assert some.points[0] == whole.points[0]
    assert set(some.points) <= set(whole.points)
    assert some.points[-1].at_ns > whole.until_ns // 2


def test_a_quiesced_system_is_safe_at_every_instant_tried() -> None:
    target = target_of(resolved("nic-crash-quiesced").plan)
    assert target is not None
    assert {point.severity for point in crash_strip(target, 25).points} == {"none"}


@pytest.mark.slow
def test_a_long_run_gets_fewer_deaths_unless_more_are_asked_for(tmp_path: Path) -> None:
    main(["report", "article-walk", "--out", str(tmp_path)])
    text = (tmp_path / "article-walk" / "report.html").read_text()
    found = re.search(r"One instant was tried in the middle of\s+(\d+) of the (\d+) gaps", text)
    assert found is not None
    assert 10 <= int(found.group(1)) < 50 < int(found.group(2))


# The choices


def test_choices_are_told_label_by_label() -> None:
    rows = choice_rows(
        [
            ("eth0.gap", 5001, 10),
            ("qvm.callback-order", 2, 1),
            ("eth0.gap", 5001, 3),
            ("kernel.tie", 3, 0),
        ]
    )
    shown = [(row.label, row.kind, row.asked, row.answers) for row in rows]
    assert shown == [
        ("eth0.gap", "delay", 2, "3, 10 of 5001"),
        ("qvm.callback-order", "option", 1, "reversed"),
        ("kernel.tie", "option", 1, "number 0 of 3"),
    ]


def test_many_different_delays_become_a_range() -> None:
    rows = choice_rows([("eth0.gap", 5001, value) for value in range(100, 0, -1)])
    assert [row.answers for row in rows] == ["100 different ones from 1 to 100 of 5001"]
