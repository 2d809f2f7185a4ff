"""Reading scenario files: what the loader returns, and its message for each mistake."""

from pathlib import Path

import pytest

from quiesce.model.base.errors import ScenarioError
from quiesce.scenarios.format.loader import load, parse
from quiesce.scenarios.format.schema import After, End, Scenario, Step
from quiesce.scenarios.format.schema_devices import AhciEntry, NicEntry


def read(text: str) -> Scenario:
    return parse(text, "s.toml", Path()).scenario


def complaints(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    return str(caught.value).split("\n")


def test_a_full_scenario_keeps_its_words() -> None:
    scenario = read("""
        description = "d"
        configuration = ["a.qvmconf", "b.qvmconf"]
        restart = true
        observe = "2ms"
        end = { cause = "sigkill", after = { event = "DmaIssued", source = "eth0.dma", count = 3 } }
        workload.eth0 = { frames = 10, gap = "1us..2us", length = 64 }
        timing.restart = "1ms..2ms"
        choices."qvm.callback-order" = "reversed"
        bounds = { teardown = "100ms", irq_after_teardown = 0 }
        expect.teardown-order = "violated"
        [[quiesce]]
        vdev = "qvmterm"
        device = "eth0"
        steps = ["disable-receive", { name = "await-idle", bound = "80ms" }]
        on_timeout = "release"
        [platform]
        iommu = "smmuv3"
        interrupt_controller = "gicv3"
        device = [
            { kind = "nic", name = "eth0", pass = 0xee080000, ring_size = 8 },
            { kind = "ahci", name = "ahci0", serves = ["/dev/hd0*"], zero_copy = false },
        ]
    """)
    assert scenario.configuration == ("a.qvmconf", "b.qvmconf")
    assert scenario.end == End("sigkill", after=After("DmaIssued", "eth0.dma", 3))
    nic, ahci = scenario.platform.device
    assert isinstance(nic, NicEntry)
    assert nic.pass_ == 0xEE080000
    assert isinstance(ahci, AhciEntry)
    assert ahci.serves == ("/dev/hd0*",)
    assert scenario.quiesce[0].steps == ("disable-receive", Step("await-idle", "80ms"))
    assert scenario.timing == {"restart": "1ms..2ms"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", 's.toml: the file is empty; write at least configuration = "guest.qvmconf"'),
        ("a = \nb = 1", "s.toml:1:5: not TOML: Invalid value"),
        ("a = 1\na = 2\n", "s.toml:2:6: not TOML: Cannot overwrite a value"),
        ("a = '''", "s.toml:1: not TOML: Expected \"'''\""),
        (
            "configuratoin = 'x'",
            "s.toml:1:1: key 'configuratoin' is unknown; did you mean 'configuration'?",
        ),
        (
            "[bounds]\nxyz = 1",
            "s.toml:2:1: key 'xyz' is unknown; write one of teardown, irq_after_teardown or quiet",
        ),
        (
            "description = 5",
            "s.toml:1:15: 'description' is a number, but must be a text; put it in quotes",
        ),
        (
            "restart = 'yes'",
            (
                "s.toml:1:11: 'restart' is a text, but must be true or false; "
                "write true or false without quotes"
            ),
        ),
        (
            "[bounds]\nirq_after_teardown = true",
            "s.toml:2:22: 'irq_after_teardown' is true or false, but must be a whole number",
        ),
        (
            "[bounds]\nirq_after_teardown = 1.5",
            (
                "s.toml:2:22: 'irq_after_teardown' is a number with a fraction, "
                "but must be a whole number"
            ),
        ),
        ("platform = 3", "s.toml:1:12: 'platform' is a number, but must be a table"),
        ("timing = 3", "s.toml:1:10: 'timing' is a number, but must be a table"),
        ("quiesce = {}", "s.toml:1:11: 'quiesce' is a table, but must be an array"),
        (
            "configuration = 2020-01-01",
            "s.toml:1:17: 'configuration' is a date, but must be a text or an array",
        ),
        (
            "[[quiesce]]\nvdev = 'v'\nsteps = [3]",
            "s.toml:3:10: this is a number, but must be a text or a table",
        ),
        ("[[quiesce]]\ndevice = 'd'", "s.toml:1:1: the key 'vdev' is missing; add vdev = ..."),
        (
            "[[platform.device]]\nname = 'x'",
            (
                "s.toml:1:1: the key 'kind' is missing; say one of nic, ahci, host-nvme, "
                "host-sdmmc, sata, nvme, xhci, pl330, can, edu, policy, back-end or unmodelled"
            ),
        ),
        (
            "[[platform.device]]\nkind = 'nix'",
            "s.toml:2:8: kind 'nix' is unknown; did you mean 'nic'?",
        ),
        (
            "[[platform.device]]\nkind = { a = 1 }",
            (
                "s.toml:2:8: 'kind' is a table, but must be one of 'nic', 'ahci', 'host-nvme', "
                "'host-sdmmc', 'sata', 'nvme', 'xhci', 'pl330', 'can', 'edu', 'policy', "
                "'back-end' or 'unmodelled'"
            ),
        ),
        (
            "[platform]\niommu = 'smmu'",
            "s.toml:2:9: iommu 'smmu' is unknown; did you mean 'smmuv3'?",
        ),
        (
            "end = { cause = 'crash' }",
            "s.toml:1:17: termination cause 'crash' is unknown; did you mean 'guest-crash'?",
        ),
        (
            "end = { cause = 'sigkill', after = { event = 'DmaIssue' } }",
            "s.toml:1:46: event 'DmaIssue' is unknown; did you mean 'DmaIssued'?",
        ),
        (
            "end = { cause = 'sigkill', after = { event = 'DmaIssued', count = 0 } }",
            "s.toml:1:67: 0 is less than 1",
        ),
        ("[workload.eth0]\nframes = 2_000_000", "s.toml:2:10: 2000000 is more than 1000000"),
        (
            "[[platform.device]]\nkind = 'nic'\nname = 'e'\nring_size = 12",
            "s.toml:4:13: 12 is not a multiple of 8",
        ),
        (
            "observe = '250'",
            's.toml:1:11: \'250\': a unit is missing; write it like "250ns", "1.5us" or "2ms"',
        ),
        (
            "bounds.teardown = '1ms..2ms'",
            's.toml:1:19: \'1ms..2ms\': not a duration; write it like "250ns", "1.5us" or "2ms"',
        ),
        (
            "observe = '25h'",
            (
                "s.toml:1:11: '25h': 'h' is not one of ns, us, ms, s; "
                'write it like "250ns", "1.5us" or "2ms"'
            ),
        ),
        ("observe = '86401s'", "s.toml:1:11: '86401s' is more than a day"),
        (
            f"observe = '{'9' * 5000}s'",
            f"s.toml:1:11: '{'9' * 37}...' is too long for a duration",
        ),
        (
            "[timing]\nrestrat = '1ms'",
            "s.toml:2:1: timing key 'restrat' is unknown; did you mean 'restart'?",
        ),
        (
            "[choices]\n'qvm.mask-tracking' = 'maybe'",
            (
                "s.toml:2:23: answer to qvm.mask-tracking, 'maybe' is unknown; "
                "write untracked or tracked"
            ),
        ),
        (
            "[choices]\n'qvm.mask-traking' = 'tracked'",
            (
                "s.toml:2:1: open question 'qvm.mask-traking' is unknown; "
                "did you mean 'qvm.mask-tracking'?"
            ),
        ),
        (
            "[expect]\nteardown-ordr = 'holds'",
            "s.toml:2:1: property 'teardown-ordr' is unknown; did you mean 'teardown-order'?",
        ),
        (
            "[expect]\nteardown-order = 'hold'",
            "s.toml:2:18: teardown-order 'hold' is unknown; did you mean 'holds'?",
        ),
    ],
)
def test_a_wrong_scenario_is_told_where_and_how(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


def test_all_problems_of_a_text_are_told_at_once_in_its_order() -> None:
    text = "[platform]\niommu = 3\n[end]\ncause = 'x'\nat = '1'\n[[vm]]\nnmae = 'a'\n"
    lines = [line.split(":")[1] for line in complaints(text)]
    assert lines == ["2", "4", "5", "7"]


def test_a_word_of_a_whole_page_is_cut() -> None:
    (complaint,) = complaints(f"[end]\ncause = '{'x' * 10_000}'")
    assert len(complaint) < 300


def test_very_deep_nesting_is_one_problem() -> None:
    assert complaints("a = " + "[" * 5_000 + "]" * 5_000) == [
        "s.toml: the text is nested too deeply"
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x00\x01", "the file is binary: it holds a NUL byte"),
        (b"a = '\xff'", "byte 0xff is not UTF-8 text; save the file as UTF-8"),
        (b"# " + b"x" * (1 << 21), "larger than the 1024 KiB that are read"),
    ],
)
def test_what_is_no_text_is_one_problem(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(data)
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "crash.toml").write_text("restart = true", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"there is no such file; did you mean '.*crash\.toml'"):
        load(tmp_path / "crush.toml")


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="this is a directory"):
        load(tmp_path)


def test_windows_line_ends_are_line_ends() -> None:
    assert complaints("restart = true\r\nrestrat = true\r\n") == [
        "s.toml:2:1: key 'restrat' is unknown; did you mean 'restart'?"
    ]


def test_what_is_missing_is_told_where_its_table_begins() -> None:
    lines = complaints("[[quiesce]]\nbogus = 1\n")
    assert [line.split(":")[1] for line in lines] == ["1", "2"]
