"""The verdict file of a run says the same when it is read back."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from quiesce.model.base.errors import Place, TraceFormatError
from quiesce.model.trace.events import Trace
from quiesce.properties.core.verdict import Judgement
from quiesce.reports import verdict_file
from quiesce.reports.write import write

Judge = Callable[[Trace], Judgement]


def test_what_was_written_is_read_back(late_writes: Trace, judge: Judge, tmp_path: Path) -> None:
    origins = {"eth0": Place("nic.qvmconf", 6, 1)}
    judgement = judge(late_writes)
    write(tmp_path, late_writes, judgement, replay=b"", plot=False, origins=origins)
    assert verdict_file.read(tmp_path / "verdict.json") == judgement
    assert verdict_file.read_origins(tmp_path / "origins.json") == origins


def test_what_is_written_fits_the_published_schema(
    late_writes: Trace, judge: Judge, tmp_path: Path
) -> None:
    write(tmp_path, late_writes, judge(late_writes), replay=b"", plot=False)
    document = json.loads((tmp_path / "verdict.json").read_bytes())
    schema = verdict_file.verdict_schema()
    validator = importlib.import_module("jsonschema").Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(document)] == []
    del document["properties"]["no-dma-after-teardown"]["violation_count"]
    assert any("violation_count" in error.message for error in validator.iter_errors(document))


def test_a_run_without_files_of_the_user_has_no_places(tmp_path: Path) -> None:
    assert verdict_file.read_origins(tmp_path / "origins.json") == {}


def test_damaged_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "origins.json").write_bytes(b"[]")
    with pytest.raises(TraceFormatError, match=r"origins\.json: not the places of a run"):
        verdict_file.read_origins(tmp_path / "origins.json")


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b"[1, 2]", b'{"quiesce_verdict": 1}'])
def test_what_is_no_verdict_file_is_refused_with_its_name(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_bytes(data)
    with pytest.raises(TraceFormatError, match=r"verdict\.json: not the verdict file of a run"):
        verdict_file.read(tmp_path / "verdict.json")


def test_a_verdict_that_contradicts_itself_is_refused(
    late_writes: Trace, judge: Judge, tmp_path: Path
) -> None:
    write(tmp_path, late_writes, judge(late_writes), replay=b"", plot=False)
    path = tmp_path / "verdict.json"
    path.write_bytes(path.read_bytes().replace(b'"violation_count": 23', b'"violation_count": 0'))
    with pytest.raises(TraceFormatError, match="contradicts itself"):
        verdict_file.read(path)
