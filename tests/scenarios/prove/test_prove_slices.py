"""`quiesce prove` on devices that cannot influence each other."""

import json
from pathlib import Path
from typing import Any

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.format.shipped import LIBRARY
from quiesce.scenarios.prove import sliced_proof

NAMES = ["qvm178.virtio-blk_qvm178", "qvm178.virtio-net_qvm178", "qvm178.virtio-console"]


@pytest.fixture(autouse=True)
def article(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Put the article's machine here; its guest crashes before it has booted."""
    monkeypatch.chdir(tmp_path)
    text = (LIBRARY / "article-pci.toml").read_text()
    text = text.replace("article-pci.qvmconf", str(LIBRARY / "article-pci.qvmconf"))
    after = 'after = { event = "RequestSubmitted", count = 8, delay = "0ns..200us" }'
    assert after in text
    text = text.replace(after, 'at = "60us..90us"').replace("30s", "5us")
    Path("early.toml").write_text(text)


def proved(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return what the command tells as JSON, without the time that it took."""
    status = main(["prove", "early.toml", "--no-plot", "--json", *words])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == status
    del document["seconds"]
    return document


@pytest.mark.slow
def test_each_slice_is_told_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "early.toml", "--no-plot"]) == exit_status.NOTHING_CHECKED
    said = " ".join(capsys.readouterr().out.split())
    # The guest dies before its drivers work, so nothing is proved of what they could break.
    assert "early: not exercised [searched(dense time)]" in said
    assert "4 of them explored" in said
    assert "assumed of others in a slice: the callback of qvm178.virtio-blk_qvm178 takes" in said
    for name in NAMES:
        assert f"slice of {name}: " in said
    assert "from the beginning of its end to its exit: " in said


@pytest.mark.slow
def test_with_and_without_slices_the_verdicts_are_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sliced, whole = proved(capsys), proved(capsys, "--no-slicing")
    assert [each["name"] for each in sliced["slices"]] == [*NAMES, "qvm178.shmem"]
    assert sliced["slices"][0]["components"][0] == "qvm178.virtio-blk_qvm178.driver"
    assert sliced["classes"] == sum(each["classes"] for each in sliced["slices"])
    assert whole["slices"] == []
    verdicts = [
        {name: each["verdict"] for name, each in document["properties"].items()}
        for document in (sliced, whole)
    ]
    assert verdicts[0] == verdicts[1]
    exact = {each["name"]: each for each in whole["distances"]}
    assert all(each["least_is_attained"] for each in exact.values())
    for each in sliced["distances"]:
        known = exact[each["name"]]
        assert each["least_ns"] <= known["least_ns"]
        assert known["greatest_ns"] <= each["greatest_ns"]


@pytest.mark.slow
def test_any_number_of_processes_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert proved(capsys, "--jobs", "3") == proved(capsys)


@pytest.mark.slow
def test_windows_are_those_of_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["prove", "early.toml", "--no-plot", "--windows"])
    assert status == exit_status.NOTHING_CHECKED
    said = " ".join(capsys.readouterr().out.split())
    assert "not in slices: unsafe windows and budgets are found in the whole system" in said


def test_a_limit_is_that_of_each_slice(capsys: pytest.CaptureFixture[str]) -> None:
    document = proved(capsys, "--max-states", "3")
    assert document["exit_status"] == exit_status.NOTHING_CHECKED
    assert not document["is_whole"]
    assert [each["is_whole"] for each in document["slices"]] == [False] * 4
    bounds = document["bounds"]
    assert any(each.startswith(f"the slice of {NAMES[0]}: cut short") for each in bounds)


def test_the_users_interrupt_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sliced_proof, "explore_all", interrupted)
    document = proved(capsys, "--jobs", "2")
    assert document["exit_status"] == exit_status.INTERRUPTED
    assert document["was_stopped"]
    assert {each["verdict"] for each in document["properties"].values()} == {"inconclusive"}


def test_a_missing_edge_ends_it_as_our_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def torn(*_: object) -> None:
        raise sliced_proof.InfluenceError("vm.one", "vm.other", "touch")

    monkeypatch.setattr(sliced_proof, "explore_all", torn)
    assert main(["prove", "early.toml", "--no-plot"]) == exit_status.INTERNAL
    said = " ".join(capsys.readouterr().err.split())
    assert "vm.one reaches vm.other (touch)" in said
    assert "--no-slicing" in said
