"""`quiesce evidence` as a user calls it."""

import hashlib
import json
from pathlib import Path

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output.exit_status import BAD_INPUT, OK, VIOLATED

Capture = pytest.CaptureFixture[str]
QUICK = ["--runs", "5", "--prove-seconds", "0", "--no-mutants"]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evidence") / "pack"
    names = ["nic-crash-bare", "nic-crash-quiesced"]
    assert main(["evidence", *names, *QUICK, "--out", str(folder)]) == VIOLATED
    return folder


@pytest.mark.slow
def test_every_file_of_a_pack_is_in_its_sums(pack: Path) -> None:
    lines = (pack / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    files = {path.relative_to(pack).as_posix(): path for path in pack.rglob("*") if path.is_file()}
    assert set(sums) == set(files) - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest


def test_a_pack_keeps_its_inputs_and_names_every_method(pack: Path) -> None:
    content = json.loads((pack / "evidence.json").read_bytes())
    bare, quiesced = content["scenarios"]
    assert (bare["name"], quiesced["name"]) == ("nic-crash-bare", "nic-crash-quiesced")
    assert {Path(name).name for name in bare["inputs"]} == {"nic-crash-bare.toml", "nic.qvmconf"}
    labels = [method["judgement"]["label"] for method in bare["methods"]]
    assert labels == ["run", "sampled(5)"]
    commands = [method["command"] for method in bare["methods"]]
    assert commands[1] == "quiesce fuzz nic-crash-bare --examples 5 --forget"
    assert bare["why"].startswith("eth0 was never asked to stop")
    assert not quiesced["why"]


def test_every_link_of_the_page_leads_to_a_file_of_the_pack(pack: Path) -> None:
    text = (pack / "evidence.html").read_text()
    links = [part.split('"')[0] for part in text.split('href="')[1:]]
    files = [link for link in links if not link.startswith("#")]
    assert files
    assert all((pack / file).is_file() for file in files)


def test_a_pack_is_never_written_over(pack: Path, capsys: Capture) -> None:
    before = (pack / "SHA256SUMS").read_bytes()
    assert main(["evidence", "nic-crash-bare", *QUICK, "-o", str(pack)]) == BAD_INPUT
    assert "a pack is never changed" in capsys.readouterr().err
    assert (pack / "SHA256SUMS").read_bytes() == before


@pytest.mark.slow
def test_a_pack_that_cannot_be_finished_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from quiesce.scenarios.evidence import pack  # noqa: PLC0415

    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(pack, "fuzz_scenario", stop)
    status = main(["evidence", "nic-crash-bare", *QUICK, "-o", str(tmp_path / "pack")])
    assert status == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_two_packs_are_compared(pack: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["evidence", "diff", str(pack), str(pack)]) == OK
    assert "nothing that matters has changed" in capsys.readouterr().out
    main(["evidence", "nic-crash-quiesced", *QUICK, "-o", str(tmp_path / "new")])
    capsys.readouterr()
    status = main(["evidence", "diff", str(pack), str(tmp_path / "new"), "--json"])
    assert status == VIOLATED
    found = json.loads(capsys.readouterr().out)["differences"]
    assert {"where": "nic-crash-bare", "what": "is no longer there"} in found


@pytest.mark.slow
def test_requirements_of_a_project_are_traced(tmp_path: Path) -> None:
    file = tmp_path / "requirements.toml"
    file.write_text(
        '[[requirement]]\nid = "SR-7"\ntext = "No late write."\n'
        'properties = ["no-dma-after-teardown"]\n'
    )
    words = ["evidence", "nic-crash-quiesced", *QUICK, "--requirements", str(file)]
    assert main([*words, "-o", str(tmp_path / "pack")]) == OK
    content = json.loads((tmp_path / "pack" / "evidence.json").read_bytes())
    assert [each["id"] for each in content["requirements"]] == ["SR-7"]
    assert "SR-7" in (tmp_path / "pack" / "evidence.html").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("requirement = 3", "write [[requirement]]"),
        ("[[requirement]\n", "write [[requirement]]"),
        (
            '[[requirement]]\nid = "A"\ntext = "t"\nproperties = [\n"no-dma-after-teardwn"]\n',
            ":5: ",
        ),
        ('[[requirement]]\nid = "A"\ntext = "t"\nproperties = []\n', "'A' has no property"),
    ],
)
def test_requirements_that_cannot_be_used_are_refused_with_their_place(
    text: str, message: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "requirements.toml"
    file.write_text(text)
    words = ["evidence", "nic-crash-bare", *QUICK, "--requirements", str(file)]
    assert main([*words, "-o", str(tmp_path / "pack")]) == BAD_INPUT
    error = capsys.readouterr().err
    assert message in error
    assert "requirements.toml" in error
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("words", [["diff"], ["diff", "a"], ["diff", "a", "b", "c"]])
def test_a_comparison_takes_two_packs(words: list[str], capsys: Capture) -> None:
    assert main(["evidence", *words]) == BAD_INPUT
    assert "two packs" in capsys.readouterr().err


def test_what_is_no_pack_is_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "evidence.json").write_text("{}")
    assert main(["evidence", "diff", str(tmp_path), str(tmp_path)]) == BAD_INPUT
    assert "not the data of an evidence pack" in capsys.readouterr().err
