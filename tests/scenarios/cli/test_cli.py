"""The command line: what it prints and where, what it writes, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quiesce import __version__
from quiesce.model.dense import liveness
from quiesce.properties.core.verdict import Judgement, Verdict, Violation, Word
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.commands.verify import compared
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.format.shipped import shipped_names
from quiesce.scenarios.run import runner

from ..conftest import CRASH_AT_WORK, GUEST, SCENARIO, Write

Capture = pytest.CaptureFixture[str]

ROOT = str(Path(exit_status.__file__).resolve().parents[3] / ".src")


def python(*words: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": ROOT},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )


# run


@pytest.mark.slow
def test_a_run_writes_its_files_and_tells_what_was_found(write: Write, capsys: Capture) -> None:
    write(CRASH_AT_WORK)
    assert main(["run", "s.toml", "--timing", "latest"]) == exit_status.VIOLATED
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("The guest crashes while frames arrive.\n")
    for part in ("no-dma-after-teardown", "[run]", "bound: ", "assumptions: ", "why: "):
        assert part in out
    assert "\nreplay: quiesce run --replay out/s/replay.json\n" in out
    assert sorted(path.name for path in Path("out/s").iterdir()) == [
        "causes.dot",
        "causes.mmd",
        "causes.png",
        "causes.svg",
        "explanation.json",
        "explanation.txt",
        "origins.json",
        "replay.json",
        "timing.png",
        "timing.svg",
        "trace.jsonl",
        "verdict.json",
    ]


@pytest.mark.slow
def test_the_replay_line_reproduces_the_run_exactly(write: Write, capsys: Capture) -> None:
    write(CRASH_AT_WORK)
    main(["run", "s.toml", "--seed", "5", "--no-plot", "--json"])
    document = json.loads(capsys.readouterr().out)
    words = document["replay"].split()[1:]
    before = Path("out/s/trace.jsonl").read_bytes()
    verdict = Path("out/s/verdict.json").read_bytes()
    Path("s.toml").unlink()
    assert main([*words, "--out", "again", "--no-plot"]) == document["exit_status"]
    assert Path("again/s/trace.jsonl").read_bytes() == before
    assert Path("again/s/verdict.json").read_bytes() == verdict


@pytest.mark.parametrize(
    ("scenario", "status"),
    [("nic-crash-bare", 1), ("nic-crash-quiesced", 0)],
)
def test_the_status_of_a_run_is_its_verdict_expected_or_not(
    write: Write, capsys: Capture, scenario: str, status: int
) -> None:
    write()
    assert main(["run", scenario, "--no-plot"]) == status
    assert main(["verify", scenario]) == exit_status.OK
    assert "1 of 1 as expected" in capsys.readouterr().out


def test_a_run_in_which_nothing_was_put_to_the_test_says_so(write: Write, capsys: Capture) -> None:
    text = SCENARIO.replace('[end]\ncause = "guest-crash"\nat = "250us"\n', "")
    write(text)
    assert main(["run", "s.toml", "--no-plot"]) == exit_status.NOTHING_CHECKED
    assert "s: not exercised [run]" in capsys.readouterr().out


def test_a_proof_under_an_interpreter_without_a_test_is_refused(
    write: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.setattr(liveness, "TESTED", ((3, 9),))
    assert main(["prove", "s.toml"]) == exit_status.BAD_INPUT
    out, err = capsys.readouterr()
    assert "proved" not in out
    assert "never tested under cpython 3." in err


def test_json_is_one_document_and_nothing_else(write: Write, capsys: Capture) -> None:
    write()
    main(["run", "s.toml", "--json", "--no-plot"])
    document = json.loads(capsys.readouterr().out)
    assert document["scenario"] == "s"
    assert document["label"] == "run"
    assert document["exit_status"] == exit_status.NOTHING_CHECKED
    assert document["verdict"] == "not exercised"
    assert document["properties"]["teardown-bounded"]["verdict"] == "holds"
    assert document["properties"]["no-dma-after-teardown"]["verdict"] == "vacuous"
    assert document["files"] == [
        "out/s/trace.jsonl",
        "out/s/verdict.json",
        "out/s/replay.json",
        "out/s/origins.json",
    ]


@pytest.mark.slow
def test_a_bare_configuration_runs_and_lists_what_it_assumes(write: Write, capsys: Capture) -> None:
    write()
    main(["run", "guest.qvmconf", "--no-plot", "--verbose"])
    out = " ".join(capsys.readouterr().out.split())
    assert (
        "nic0 = mem:0xee080000 (assumed: it may do DMA; a NIC with traffic stands for it (line 4))"
        in out
    )
    assert "end = guest-crash (assumed: within 1ms of the second read of a disk," in out


# Everything else


@pytest.mark.slow
def test_scenarios_are_listed_with_a_line_each(capsys: Capture) -> None:
    assert main(["scenarios"]) == exit_status.OK
    out = capsys.readouterr().out
    assert main(["scenarios", "--json"]) == exit_status.OK
    document = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in document["scenarios"]] == shipped_names()
    assert all(each["description"] for each in document["scenarios"])
    assert all(f"{name} " in out for name in shipped_names())


def test_verify_tells_what_did_not_come_true(write: Write, capsys: Capture) -> None:
    write(
        CRASH_AT_WORK + '[expect]\nno-dma-after-teardown = "vacuous"\nteardown-order = "violated"\n'
    )
    assert main(["verify", "s.toml"]) == exit_status.VIOLATED
    out = " ".join(capsys.readouterr().out.split())
    assert "s violated not as expected" in out
    assert "- no-dma-after-teardown should be vacuous, but is " in out
    assert "0 of 1 as expected, 1 not" in out


def test_verify_tells_of_a_violation_that_nothing_expects(write: Write, capsys: Capture) -> None:
    write(CRASH_AT_WORK + '[expect]\nteardown-bounded = "holds"\n')
    assert main(["verify", "s.toml", "--json"]) == exit_status.VIOLATED
    (document,) = json.loads(capsys.readouterr().out)["scenarios"]
    assert document["differences"][0].split(":")[0].endswith("is violated, which nothing expects")


def test_verify_of_what_expects_nothing_has_checked_nothing(write: Write, capsys: Capture) -> None:
    write()
    assert main(["verify", "s.toml"]) == exit_status.NOTHING_CHECKED
    assert "has no [expect]" in capsys.readouterr().out


def test_one_unusable_scenario_does_not_stop_the_others(write: Write, capsys: Capture) -> None:
    write("restrat = true")
    assert main(["verify", "s.toml", "nic-crash-bare"]) == exit_status.BAD_INPUT
    out = capsys.readouterr().out
    assert "unusable" in out
    assert "1 of 2 as expected, 1 not" in out


def test_lint_shows_findings_with_their_place(write: Write, capsys: Capture) -> None:
    write()
    status = main(["lint", "guest.qvmconf", "--safety", "--no-iommu"])
    assert status == exit_status.VIOLATED
    assert "guest.qvmconf:4:1: error:" in capsys.readouterr().out
    assert main(["lint", "guest.qvmconf", "--json", "--iommu"]) == exit_status.OK
    document = json.loads(capsys.readouterr().out)
    assert {"severity", "rule", "file", "line", "remedy"} <= set(document["findings"][0])


def test_lint_of_a_broken_configuration_is_bad_input(write: Write, capsys: Capture) -> None:
    write(guest=GUEST.replace("gic:41", "gic:x"))
    assert main(["lint", "guest.qvmconf"]) == exit_status.BAD_INPUT
    assert "error: guest.qvmconf:3:" in capsys.readouterr().err


def test_assumptions_mark_what_the_scenario_says(write: Write, capsys: Capture) -> None:
    write(SCENARIO + '[timing]\nvm_exit = "7us"\n[choices]\n"qvm.mask-tracking" = "tracked"\n')
    assert main(["assumptions", "s.toml"]) == exit_status.OK
    lines = capsys.readouterr().out.split("\n")
    assert "+ vm_exit = 7us" in lines
    assert "* qvm.mask-tracking = tracked" in lines
    assert "  gic_to_cpu = 100ns..1us" in lines
    main(["assumptions", "s.toml", "--json"])
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)["assumptions"]}
    assert (listed["vm_exit"]["set"], listed["qvm.mask-tracking"]["set"]) == ("given", "pinned")


def test_the_schema_is_printed_as_json(capsys: Capture) -> None:
    assert main(["schema"]) == exit_status.OK
    assert json.loads(capsys.readouterr().out)["title"] == "quiesce scenario"


def test_the_version_is_printed(capsys: Capture) -> None:
    assert main(["--version"]) == exit_status.OK
    assert capsys.readouterr().out == f"quiesce {__version__}\n"


@pytest.mark.parametrize("command", ["run", "scenarios", "verify", "lint", "assumptions", "schema"])
def test_every_command_explains_itself(capsys: Capture, command: str) -> None:
    assert main([command, "--help"]) == exit_status.OK
    out = capsys.readouterr().out
    assert f"Usage: quiesce {command}" in out
    assert "--json" in out


@pytest.mark.slow
@pytest.mark.parametrize("words", [["run", "nic-crash-bare", "--no-plot"], ["scenarios"]])
def test_forty_columns_are_enough(
    write: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    write()
    monkeypatch.setenv("COLUMNS", "40")
    main(words)
    lines = capsys.readouterr().out.split("\n")
    # What is there to be copied stays in one piece.
    wide = [line for line in lines if len(line.rstrip()) > 40 and "replay: " not in line]
    assert wide == []


def test_control_characters_of_a_file_do_not_reach_the_terminal(
    write: Write, capsys: Capture
) -> None:
    write(SCENARIO.replace("The guest", "The \\u001b]0;guest\\u0007"))
    main(["run", "s.toml", "--no-plot"])
    out = capsys.readouterr().out
    assert "The \\x1b]0;guest\\x07 crashes" in out
    assert "\x1b" not in out


# Bad input: one clear error, status 4, no traceback.


def folder_of_traps(write: Write) -> None:
    write()
    Path("folder").mkdir()
    Path("empty.toml").touch()
    Path("binary.toml").write_bytes(b"\x7fELF\x00\x00")
    for name in ("huge.toml", "huge.qvmconf"):
        with Path(name).open("wb") as file:
            file.truncate(50_000_000)
    Path("key.toml").write_text("restrat = true")
    Path("conf.toml").write_text("configuration = 'missing.qvmconf'")
    Path("foreign.json").write_text("{}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "folder"], "folder: this is a directory"),
        (["run", "empty.toml"], "empty.toml: the file is empty"),
        (["run", "binary.toml"], "binary.toml:1: the file is binary"),
        (["run", "huge.toml"], "huge.toml: the file is larger than"),
        (["run", "huge.qvmconf"], "the file is larger than"),
        (["run", "key.toml"], "key.toml:1:1: key 'restrat' is unknown"),
        (["run", "conf.toml"], "conf.toml:1:17: there is no configuration file"),
        (["run", "missing.toml"], "missing.toml: there is no such file"),
        (["run", "missing.qvmconf"], "there is no such file"),
        (["run", "nic-crash-bear"], "did you mean 'nic-crash-bare'?"),
        (["run", "s.toml", "--out", "s.toml"], "cannot be written: "),
        (["run"], "no scenario is named"),
        (["run", "s.toml", "--replay", "x.json"], "a replay brings its own scenario"),
        (["run", "--replay", "x.json", "--seed", "1"], "a replay fixes all choices"),
        (["run", "s.toml", "--seed", "1", "--timing", "latest"], "exclude each other"),
        (["run", "--replay", "missing.json"], "missing.json: the file cannot be read"),
        (["run", "--replay", "foreign.json"], "foreign.json: not a replay file"),
        (["run", "s.toml", "--timing", "late"], "Invalid value for '--timing'"),
        (["run", "s.toml", "--seed", "x"], "Invalid value for '--seed'"),
        (["run", "s.toml", "--sed", "1"], "No such option: --sed"),
        (["lint"], "Missing argument"),
        (["lint", "missing.qvmconf"], "there is no such file"),
        (["assumptions", "folder"], "this is a directory"),
        (["rnu"], "No such command 'rnu'"),
    ],
)
def test_bad_input_is_one_clear_error(
    write: Write, capsys: Capture, words: list[str], message: str
) -> None:
    folder_of_traps(write)
    assert main(words) == exit_status.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert message in " ".join(err.split())
    assert err.startswith("error: ")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words", [["run", "key.toml", "--json"], ["run", "--json", "--sed"], ["rnu", "--json"]]
)
def test_bad_input_with_json_is_a_document_as_well(
    write: Write, capsys: Capture, words: list[str]
) -> None:
    folder_of_traps(write)
    assert main(words) == exit_status.BAD_INPUT
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error["exit_status"] == exit_status.BAD_INPUT
    assert error["message"] in err


def test_a_problem_in_json_has_its_place_and_word(write: Write, capsys: Capture) -> None:
    folder_of_traps(write)
    main(["run", "key.toml", "--json"])
    (problem,) = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert problem == {
        "file": "key.toml",
        "line": 1,
        "column": 1,
        "message": "key 'restrat' is unknown",
        "word": "restrat",
        "remedy": "did you mean 'restart'?",
    }


def test_asking_for_nothing_shows_the_help_and_is_no_success(capsys: Capture) -> None:
    assert main([]) == exit_status.BAD_INPUT
    out, err = capsys.readouterr()
    assert (out, "Commands:" in err) == ("", True)


# Interruption, bugs, and readers that have enough.


def test_an_interrupt_is_one_line(
    write: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    assert main(["run", "s.toml"]) == exit_status.INTERRUPTED
    assert capsys.readouterr().err == "interrupted; nothing was left half written\n"
    assert not Path("out").exists()


def test_a_bug_is_one_line_and_a_traceback_in_a_file(
    write: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write()

    def broken(*_: object) -> None:
        raise AssertionError("two\nlines")

    monkeypatch.setattr(runner, "run", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["run", "s.toml"]) == exit_status.INTERNAL
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("internal error: AssertionError: two lines; this is a bug of quiesce")
    assert "in broken" in Path(line.split()[-1]).read_text(encoding="utf-8")
    monkeypatch.setenv("QUIESCE_DEBUG", "1")
    assert main(["run", "s.toml"]) == exit_status.INTERNAL
    assert "Traceback" in capsys.readouterr().err


INTERRUPTED_IN_ITS_RUN = """
import os, signal, sys, time
from quiesce.scenarios import cli
from quiesce.scenarios.run import runner
def run(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(200)
runner.run = run
sys.exit(cli.main(["run", "s.toml"]))
"""


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_ends_the_process_with_its_status(write: Write) -> None:
    write()
    done = python("-c", INTERRUPTED_IN_ITS_RUN)
    assert (done.returncode, done.stdout) == (exit_status.INTERRUPTED, "")
    assert done.stderr == "interrupted; nothing was left half written\n"


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = python("-m", "quiesce.scenarios", "scenarios", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (exit_status.OK, "")


def test_help_and_completion_load_nothing_heavy() -> None:
    code = (
        "import sys; from quiesce.scenarios.cli import main; main(['--help']);"
        "heavy = {'simpy', 'matplotlib', 'networkx', 'rich', 'hypothesis', 'numpy'};"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout
    assert done.stdout.endswith("loaded: []\n")


def verdict(word: Word) -> Verdict:
    violation = Violation(0, 0, "it happened", "stray")
    return Verdict(
        property="teardown-order",
        verdict=word,
        severity="stray" if word == "violated" else "none",
        antecedents=0 if word == "vacuous" else 1,
        reason="because",
        violations=(violation,) if word == "violated" else (),
        violation_count=1 if word == "violated" else 0,
    )


@pytest.mark.parametrize(
    ("word", "surprises"),
    [("holds", False), ("vacuous", False), ("violated", True), ("inconclusive", True)],
)
def test_only_alarming_verdicts_must_be_expected(word: Word, surprises: bool) -> None:
    judgement = Judgement(
        scenario="s", label="run", bounds=("one",), assumptions=(), verdicts=(verdict(word),)
    )
    assert bool(compared(judgement, {}).differences) == surprises
    assert compared(judgement, {"teardown-order": word}).differences == ()
