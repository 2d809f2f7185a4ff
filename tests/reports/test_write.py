"""The folder of a report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from quiesce.model.trace import codec
from quiesce.model.trace.events import Trace
from quiesce.properties.core.verdict import Judgement
from quiesce.reports.pictures import timing
from quiesce.reports.write import verdict_json, write

Judge = Callable[[Trace], Judgement]


def test_a_report_is_five_whole_files(late_writes: Trace, judge: Judge, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    files = write(folder, late_writes, judge(late_writes), replay=b"{}\n")
    names = ["trace.jsonl", "verdict.json", "replay.json", "timing.svg", "timing.png"]
    assert [file.name for file in files] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert codec.read(folder / "trace.jsonl") == late_writes
    assert (folder / "replay.json").read_bytes() == b"{}\n"


def test_a_recorded_trace_has_no_replay_file(
    late_writes: Trace, judge: Judge, tmp_path: Path
) -> None:
    write(tmp_path, late_writes, judge(late_writes), replay=b"")
    assert not (tmp_path / "replay.json").exists()


@pytest.mark.slow
def test_a_picture_that_cannot_be_made_leaves_nothing_behind(
    late_writes: Trace, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(picture: timing.TimingPicture) -> bytes:
        raise MemoryError

    monkeypatch.setattr(timing.TimingPicture, "png", fail)
    with pytest.raises(MemoryError):
        write(tmp_path, late_writes, judge(late_writes), replay=b"{}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_verdict_file_says_all_that_the_judgement_says(
    late_writes: Trace, judge: Judge
) -> None:
    content = json.loads(verdict_json(late_writes, judge(late_writes)))
    assert (content["scenario"], content["label"]) == ("nic-guest-crash", "run")
    assert (content["verdict"], content["severity"]) == ("violated", "corruption")
    assert content["bounds"] == ["one run"]
    assert [each["name"] for each in content["assumptions"]] == [
        "qvm.callback-order",
        "pcie_posted_write",
    ]
    dma = content["properties"]["no-dma-after-teardown"]
    assert (dma["verdict"], dma["severity"], dma["antecedents"]) == ("violated", "corruption", 256)
    assert (dma["violation_count"], len(dma["violations"])) == (23, 20)
    assert dma["violations"][0]["at_ns"] == 775_700
    assert content["properties"]["no-irq-after-teardown"]["verdict"] == "vacuous"
    assert content["why"].startswith("eth0 was never asked to stop")
