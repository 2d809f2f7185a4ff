"""`quiesce prove --windows` and `--budget` as a user calls it, compared with ordinary runs.

One frame comes at 298us.  All durations are fixed but that of a posted write, so what comes out can
be worked out by hand.  From the crash to the release of the frame that is written last it takes

    1us vm_exit + 10us exit_to_vmm_process + 1us gic_disable_rwp + 50us process_exit_base
    + 3.2us for 16 frames + 0.2us for one = 65.4us,

and that write lands at 298us + 1us + 2 * pcie_posted_write + 0.5us.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from quiesce.model.base.choices import Earliest, Latest, Seeded
from quiesce.model.base.clock import exactly
from quiesce.model.plan.system_plan import EndPlan
from quiesce.properties.prove.observers import UnsafeWindows
from quiesce.properties.prove.symbolic_state import SymbolicState
from quiesce.properties.prove.zone_search import ZoneSearch
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.prove import wait_budget
from quiesce.scenarios.prove.proof import prove_plan
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.resolve import ResolvedScenario
from quiesce.scenarios.run.runner import run_scenario

pytestmark = pytest.mark.slow

Write = Callable[..., Path]
GUEST = """\
system qvm178
ram 0x80000000,4M
pass loc mem:0x1b000000,0x20000,rw=0x1b000000
        intr gic:40=179
vdev quiesce-e1000 name quiesce-eth0
"""
SCENARIO = """\
description = "One frame comes about when the guest crashes."
configuration = "guest.qvmconf"
observe = "30us"

[platform]
iommu = "none"

[[platform.device]]
kind = "nic"
name = "eth0"
ring_size = 8
prefetch = 1

[workload.eth0]
gap = "298us"
frames = 1

[end]
cause = "guest-crash"
at = "300us"

[timing]
guest_boot = "100us"
mmio_read_flush = "1us"
pcie_posted_write = "100ns..1us"
pcie_dma_read_rtt = "1us"
axi_write_drain = "500ns"
gic_to_cpu = "100ns"
irq_to_host_handler = "5us"
irq_to_guest = "10us"
gic_disable_rwp = "1us"
vm_exit = "1us"
exit_to_vmm_process = "10us"
process_exit_base = "50us"
process_exit_per_mib = "51.2us"
release_skew = "0ns"

[choices]
"guest.crash-reaches-qvm" = "at-once"
"procnto.release-order" = "ascending"
"qvm.mask-tracking" = "untracked"
"""
AT_WORK = SCENARIO.replace('at = "300us"', 'at = "60us..420us"')
LATE = """
[[quiesce]]
vdev = "quiesce-eth0"
device = "eth0"
steps = [
    "disable-receive",
    "disable-bus-master",
    { name = "await-idle", bound = "80ms" },
    "read-back",
]

[bounds]
teardown = "270us"
"""
SILENT = ["--property", "no-dma-after-teardown"]
CAUSE = "qvm178: guest-crash"
EDGE_NS = 32_949
"""Of a posted write: 299.5us + 2 * 32.949us is 2ns before 300us + 65.4us."""


@pytest.fixture
def scenario(write: Write) -> Callable[..., str]:
    """Write a scenario whose guest owns the NIC, and return the word for it."""
    return lambda text=SCENARIO: str(write(text, guest=GUEST))


def proved(capsys: pytest.CaptureFixture[str], *words: str, status: int = exit_status.OK) -> str:
    assert main(["prove", *words, "--no-plot"]) == status
    return capsys.readouterr().out


def in_one_line(said: str) -> str:
    return re.sub(r"\s+", " ", said)


def goes_wrong(found: ResolvedScenario, name: str) -> bool:
    """Return whether some ordinary run violates a property: extreme timing, or drawn ties."""
    every = (Earliest(), Latest(), *map(Seeded, range(40)))
    runs = (run_scenario(found, choices, "a run at an edge") for choices in every)
    return any(
        verdict.property == name and verdict.verdict == "violated"
        for result in runs
        for verdict in result.judgement.verdicts
    )


def crashing_at(found: ResolvedScenario, at_ns: int) -> ResolvedScenario:
    vm = replace(found.plan.vms[0], end=EndPlan("guest-crash", exactly(at_ns)))
    return replace(found, plan=replace(found.plan, vms=(vm,)))


def test_unsafe_windows_are_told_in_words_and_their_edges_are_those_of_ordinary_runs(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    word = scenario(AT_WORK)
    said = in_one_line(proved(capsys, word, "--windows", *SILENT, status=exit_status.VIOLATED))
    # From 101us on the NIC may receive; the last write lands by 301.5us, 65.4us after 236.1us.
    assert f"unsafe if it begins at, {CAUSE}: 101us to 236.1us" in said
    assert "cut short, the rest is open" not in said
    for at_ns, is_unsafe in ((236_099, 1), (236_100, 1), (236_101, 0), (101_001, 1), (100_999, 0)):
        alone = crashing_at(resolved(word), at_ns)
        assert goes_wrong(alone, SILENT[1]) == bool(is_unsafe), at_ns


def test_an_end_that_takes_too_long_belongs_to_the_windows(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = AT_WORK.replace('"60us..420us"', '"240us..330us"')
    word = scenario(text.replace('rtt = "1us"', 'rtt = "20us"') + LATE)
    names = ["--property", "teardown-bounded"]
    words = [word, "--windows", *names, "--json"]
    document = json.loads(proved(capsys, *words, status=exit_status.VIOLATED))
    # The frame is still taken if receiving is stopped at 298us: 11us + 1us after the crash.  The
    # read that it begins keeps the NIC from being idle; a crash at 294.8us ends 270us later.
    assert document["unsafe_windows"] == {
        "is_whole": True,
        "violated_before_any_end": [],
        "by_end": {CAUSE: [{"first_ns": 286_000, "last_ns": 294_799}]},
    }
    for at_ns, is_unsafe in ((285_999, 0), (286_000, 1), (294_799, 1), (294_800, 0)):
        alone = crashing_at(resolved(word), at_ns)
        assert goes_wrong(alone, names[1]) == bool(is_unsafe), at_ns


def test_a_budget_is_exact_and_its_file_is_the_run_that_breaks_it(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    word = scenario()
    words = ["--budget", "pcie_posted_write", *SILENT]
    said = in_one_line(proved(capsys, word, *words))
    assert "budget of pcie_posted_write (declared 1us): 32.949us, exact; a nanosecond more;" in said
    assert "DmaLanded of memory at 365.4us violates no-dma-after-teardown" in said
    found = resolved(word)
    for ns, is_unsafe in ((EDGE_NS, False), (EDGE_NS + 1, True)):
        span = replace(found.plan.timing.pcie_posted_write, hi_ns=ns)
        timing = replace(found.plan.timing, pcie_posted_write=span)
        at_the_edge = replace(found, plan=replace(found.plan, timing=timing))
        assert goes_wrong(at_the_edge, SILENT[1]) == is_unsafe, ns
    replay = "out/s/prove/budget-pcie_posted_write.json"
    assert main(["run", "--replay", replay, "--no-plot"]) == exit_status.VIOLATED
    assert "365.4us" in capsys.readouterr().out


def test_budgets_are_told_as_json(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["pcie_posted_write", "gic_to_cpu", "sata_hdd_req"]
    words = [word for name in names for word in ("--budget", name)]
    document = json.loads(proved(capsys, scenario(), *words, *SILENT, "--json"))
    budgets = {each["name"]: each for each in document["budgets"]}
    bounded = budgets["pcie_posted_write"]
    assert (bounded["verdict"], bounded["declared_ns"]) == ("bounded", 1_000)
    assert (bounded["safe_ns"], bounded["unsafe_ns"]) == (EDGE_NS, EDGE_NS + 1)
    assert bounded["proofs"] <= 4, "what a path needs is read off it"
    assert bounded["property"] == "no-dma-after-teardown"
    assert "wrote 8 bytes into frame 0x80010" in bounded["limited_by"]
    kept = budgets["gic_to_cpu"]
    assert (kept["verdict"], kept["safe_ns"]) == ("kept", 100_000)
    assert kept["unsafe_ns"] is None
    assert budgets["sata_hdd_req"]["verdict"] == "unused"
    files = {Path(name).name for name in document["files"]}
    assert files & {f"budget-{name}.json" for name in names} == {"budget-pcie_posted_write.json"}
    kept_document = json.loads(Path("out/s/prove/proof.json").read_text())
    assert kept_document["budgets"] == document["budgets"]


def test_all_waits_are_spans_that_are_used_and_waiting_steps(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    late = scenario(SCENARIO + LATE)
    said = in_one_line(proved(capsys, late, "--budget", "all", "--property", "teardown-bounded"))
    # Two writes to registers come one after the other, then a poll: 257.8us + 2 * 6.1us is 270us.
    assert "budget of pcie_posted_write (declared 1us): 6.1us, exact" in said
    assert "budget of eth0.await-idle (declared 80ms): at least 80s, no more was tried" in said
    assert said.count("budget of") == 14, "no run comes to irq_to_guest"
    assert "sata_hdd_req" not in said


def test_a_wait_that_breaks_a_property_whatever_it_is_has_no_budget(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = AT_WORK.replace('"60us..420us"', '"200us"')
    names = ["--budget", "pcie_posted_write", *SILENT]
    said = in_one_line(proved(capsys, scenario(text), *names, status=exit_status.VIOLATED))
    assert "budget of pcie_posted_write (declared 1us): none; violated however short it is;" in said


def test_what_is_to_spare_is_drawn_and_stands_in_the_page_of_the_run(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    word = scenario()
    folder = Path("out/s/prove")
    assert main(["prove", word, "--windows", *SILENT]) == exit_status.OK
    assert "margins.svg, margins.png, windows.svg, windows.png" in in_one_line(
        capsys.readouterr().out
    )
    drawn = (folder / "margins.svg").read_text()
    # The last write lands between 299.7us + 0.5us and 301.5us; the release comes at 365.4us.
    for expected in ("eth0, before release by qvm178", "63.9us to ", "line 179 of eth0, before"):
        assert expected in drawn
    main(["run", word, "--no-plot"])
    assert main(["report", "out/s", "--points", "1"]) == exit_status.OK
    page = Path("out/s/report.html").read_text()
    for name in ("margins.svg", "windows.svg"):
        assert base64.b64encode((folder / name).read_bytes()).decode() in page
    assert main(["prove", word, "--windows", "--no-plot", *SILENT]) == exit_status.OK
    assert not [*folder.glob("*.svg"), *folder.glob("*.png")], "what was drawn is of another proof"


def test_lines_fit_a_narrow_terminal(
    scenario: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    words = [scenario(AT_WORK), "--windows", "--budget", "pcie_posted_write", *SILENT]
    said = proved(capsys, *words, status=exit_status.VIOLATED)
    wide = [line for line in said.splitlines() if len(line) > 40]
    assert [line.split()[0] for line in wide] == ["replay:"]
    assert f"unsafe if it begins at, {CAUSE}: 101us to 236.1us" in in_one_line(said)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("pcie_posted_writ", "did you mean 'pcie_posted_write'?"),
        ("eth0.await-idel", "did you mean 'eth0.await-idle'?"),
        ("zzzzzz", "write --budget all to see what there is"),
    ],
)
def test_a_wait_that_there_is_not_is_one_clear_error(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str], wrong: str, hint: str
) -> None:
    assert main(["prove", scenario(SCENARIO + LATE), "--budget", wrong]) == exit_status.BAD_INPUT
    said = in_one_line(capsys.readouterr().err)
    assert f"'{wrong}' is no span of [timing] and no waiting step" in said
    assert hint in said
    assert not Path("out").exists()


def test_what_is_cut_short_is_told_as_open(
    scenario: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [scenario(), "--windows", "--budget", "pcie_posted_write", "--max-states", "12"]
    said = in_one_line(proved(capsys, *words, *SILENT, status=exit_status.NOTHING_CHECKED))
    assert f"{CAUSE}: no instant found yet; cut short, the rest is open" in said
    assert "budget of pcie_posted_write (declared 1us): open; no value is proved; " in said
    document = json.loads(Path("out/s/prove/proof.json").read_text())
    assert not document["unsafe_windows"]["is_whole"]
    assert document["budgets"][0]["verdict"] == "inconclusive"
    assert not Path("out/s/prove/windows.svg").exists(), "a strip would say that all is safe"


def test_an_interrupt_keeps_the_windows_that_are_certain(
    scenario: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expand = ZoneSearch._expand

    def until_a_window_is_found(search: ZoneSearch, batch: Sequence[SymbolicState]) -> None:
        if isinstance(search.claims, UnsafeWindows) and any(search.claims.found.values()):
            raise KeyboardInterrupt
        expand(search, batch)

    monkeypatch.setattr(ZoneSearch, "_expand", until_a_window_is_found)
    words = [scenario(AT_WORK), "--windows", "--budget", "pcie_posted_write", *SILENT]
    said = in_one_line(proved(capsys, *words, status=exit_status.INTERRUPTED))
    certain = re.search(rf"{CAUSE}: (\S+)us to (\S+)us for certain; cut short, the rest", said)
    assert certain is not None
    assert 101 <= float(certain[1]) <= float(certain[2]) <= 236.1
    assert "budget of" not in said
    assert json.loads(Path("out/s/prove/proof.json").read_text())["was_stopped"]


def test_an_interrupt_keeps_the_lengths_that_are_proved(
    scenario: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def twice(*words: object, **more: object) -> object:
        calls.append(words)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return prove_plan(*words, **more)  # type: ignore[arg-type]  # as the caller has them

    monkeypatch.setattr(wait_budget, "prove_plan", twice)
    names = ["--budget", "gic_to_cpu", "--budget", "pcie_posted_write"]
    said = in_one_line(proved(capsys, scenario(), *names, *SILENT, status=exit_status.INTERRUPTED))
    # The declared value is known; eight and sixty-four times as much were proved by then.
    assert "budget of gic_to_cpu (declared 100ns): open; 6.4us is proved; a proof was" in said
    assert "pcie_posted_write (declared" not in said
    assert json.loads(Path("out/s/prove/proof.json").read_text())["was_stopped"]
