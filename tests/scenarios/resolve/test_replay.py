"""Runs and replay files: the same file makes the same trace, and a wrong file is refused."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from quiesce.model.base.choices import Seeded
from quiesce.model.base.errors import ReplayMismatch, TraceFormatError
from quiesce.model.trace import codec
from quiesce.scenarios.resolve import replay
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.replay import Recording
from quiesce.scenarios.run.runner import choices_for, run_recording, run_scenario

from ..conftest import GUEST, SCENARIO, Write


def recorded(write: Write, seed: int = 1) -> Recording:
    write()
    return run_scenario(resolved("s.toml"), *choices_for(seed=seed)).recording


@pytest.mark.parametrize(("timing", "seed"), [("nominal", None), ("latest", None), ("nominal", 7)])
def test_a_replay_file_makes_the_same_trace_byte_for_byte(
    write: Write, timing: str, seed: int | None
) -> None:
    write()
    first = run_scenario(resolved("s.toml"), *choices_for(timing, seed))
    replay.write(first.recording, Path("replay.json"))
    Path("s.toml").unlink()
    Path("guest.qvmconf").unlink()
    again = run_recording(replay.read(Path("replay.json")))
    assert codec.encode(again.trace) == codec.encode(first.trace)
    assert again.judgement == first.judgement
    assert again.trace.header.replay_sha256 == first.recording.identity()


def test_the_trace_does_not_depend_on_where_the_scenario_lies(write: Write, tmp_path: Path) -> None:
    write()
    here = run_scenario(resolved("s.toml"), *choices_for())
    there = run_scenario(resolved(str(tmp_path / "s.toml")), *choices_for())
    assert codec.encode(there.trace) == codec.encode(here.trace)


def test_other_choices_have_another_identity(write: Write) -> None:
    assert recorded(write, seed=1).identity() != recorded(write, seed=2).identity()


def test_what_was_assumed_stands_in_the_header_of_the_trace(write: Write) -> None:
    write()
    result = run_scenario(resolved("s.toml"), *choices_for())
    names = [each.name for each in result.trace.header.assumptions]
    assert names[0] == "linux-net.pass mem:0xee090000"
    assert {"pcie_posted_write", "procnto.release-order"} <= set(names)
    assert result.judgement.assumptions == result.trace.header.assumptions


def test_the_choices_of_another_scenario_do_not_fit(write: Write) -> None:
    recording = recorded(write)
    label, bound, _ = recording.choices[0]
    other = msgspec.structs.replace(recording, choices=((label, bound + 1, 0),))
    with pytest.raises(ReplayMismatch, match="the scenario or the model has changed"):
        run_recording(other)


def test_a_drivers_memory_need_is_never_underestimated(write: Write) -> None:
    """The least RAM that the resolver accepts must be enough for the model's allocators."""
    work = """
        [workload.disk0]
        depth = 8
        length = 512
        queue_size = 8
        requests = 40
    """
    need = 64 + -(-(32 * (2048 + 16) + 4096 + 8 * 32 + 8 * (512 + 4096) + 2 * 4096) // 1024)
    pages = -(-need // 4) * 4
    write(SCENARIO + work, guest=GUEST.replace("16M", f"{pages}K"))
    result = run_scenario(resolved("s.toml"), Seeded(3), "a seed")
    assert result.trace.records


# Files that are no replay.


def complaint(data: bytes) -> str:
    with pytest.raises(TraceFormatError) as caught:
        replay.decode(data, "r.json")
    assert len(caught.value.problems) == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a replay file: Input data was truncated"),
        (b"not json", "not a replay file: JSON is malformed"),
        (b"\xff\xfe", "not a replay file: "),
        (b"[1, 2]", "not a replay file: Expected `object`, got `array`"),
        (b"{}", "not a replay file: Object missing required field `quiesce_replay`"),
        (b"[" * 100_000, "not a replay file: "),
        (b'{"quiesce_replay":2}', "replay version 2, but this quiesce reads 1"),
        (b'{"quiesce_replay":1}', "the replay file is damaged: "),
    ],
)
def test_a_foreign_file_is_one_clear_error(data: bytes, message: str) -> None:
    assert complaint(data).startswith(f"r.json: {message}")


def changed(recording: Recording, path: list[Any], value: Any) -> bytes:
    document = json.loads(replay.encode(recording))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["recording", "choices", 0, 2], 1),
        (["recording", "plan", "iommu"], True),
        (["recording", "plan", "vms", 0, "ram", 0, "length"], 8192),
        (["recording", "plan", "vms", 0, "ram", 0, "length"], 17),
        (["recording", "plan", "timing", "restart", "lo_ns"], 10**15),
        (["recording", "plan", "new_field"], 1),
        (["recording", "assumptions", 0, "basis"], "none"),
        (["recording", "chosen"], "by hand"),
        (["recording", "extra"], 1),
        (["sha256"], "0" * 64),
    ],
)
def test_a_changed_file_is_refused(write: Write, path: list[Any], value: Any) -> None:
    recording = recorded(write)
    assert path[1:] != ["choices", 0, 2] or recording.choices[0][2] != value
    data = changed(recording, path, value)
    if path[-1] == "new_field":
        # A field that this release does not know says nothing to it and changes nothing.
        assert replay.decode(data) == recording
    else:
        assert "the replay file is damaged" in complaint(data)


@pytest.mark.parametrize("name", ["../escape", "/absolute", "a/b", "", "..", "a\0b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(write: Write, name: str) -> None:
    recording = recorded(write)
    plan = msgspec.structs.replace(recording.plan, name=name)
    data = replay.encode(msgspec.structs.replace(recording, plan=plan))
    assert "is no name for a scenario" in complaint(data)


def test_words_that_this_release_does_not_know_are_refused(write: Write) -> None:
    recording = recorded(write)
    pinned = msgspec.structs.replace(recording.plan, pinned={"qvm.mood": "good"})
    data = replay.encode(msgspec.structs.replace(recording, plan=pinned))
    assert "'good' is no answer to 'qvm.mood' in this release" in complaint(data)


def test_a_cut_file_is_refused_wherever_it_is_cut(write: Write) -> None:
    data = replay.encode(recorded(write))
    for length in range(0, len(data) - 2, len(data) // 40):
        assert "replay file" in complaint(data[:length])


@pytest.mark.parametrize("kind", ["missing", "folder", "empty"])
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "r.json"
    if kind == "folder":
        path.mkdir()
    if kind == "empty":
        path.touch()
    with pytest.raises(TraceFormatError, match=r"r\.json: the file (cannot be read|is empty)"):
        replay.read(path)
