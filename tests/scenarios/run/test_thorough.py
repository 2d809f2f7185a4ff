"""`quiesce verify --thorough` checks expectations at the ends of spans as well."""

import json
from pathlib import Path

import pytest

from quiesce.model.base.choices import Earliest, Ends
from quiesce.model.machine.system import run
from quiesce.properties.check import check
from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.run.thorough import run_thoroughly

from ..conftest import Write

Capture = pytest.CaptureFixture[str]

CONF = """\
system vm1
ram 0x80000000,4M
pass loc mem:0x1b000000,0x20000,rw=0x1b000000
        intr gic:44=179
vdev quiesce-e1000
        name quiesce-eth0
"""

SETTLES = """\
description = "A callback lets the NIC settle and waits for nothing; qvm takes its time to end."
configuration = "guest.qvmconf"
observe = "1ms"

[platform]
iommu = "none"

[[platform.device]]
kind = "nic"
name = "eth0"

[workload.eth0]
gap = "40us..80us"

[end]
cause = "guest-crash"
after = { event = "DmaLanded", source = "memory", count = 6, delay = "0ns..20us" }

[[quiesce]]
vdev = "quiesce-eth0"
device = "eth0"
steps = ["disable-receive", "mask-interrupts"]

[timing]
pcie_dma_read_rtt = "1us..900us"
process_exit_base = "0ns..2ms"

[choices]
"guest.crash-reaches-qvm" = "at-once"
"""
"""With nominal timing the exit outlasts what is under way; a short one beside a slow read does
not."""

EXPECTS_NO_LATE_WRITE = (
    '\n[expect]\nteardown-order = "violated"\nno-dma-after-teardown = "holds"\n'
    'epochs-match = "holds"\n'
)


def test_a_timing_that_breaks_what_should_hold_is_named_and_can_be_run(
    write: Write, capsys: Capture
) -> None:
    write(SETTLES + EXPECTS_NO_LATE_WRITE, guest=CONF)
    assert main(["verify", "s.toml"]) == exit_status.OK, "the nominal run shows nothing"
    assert main(["verify", "s.toml", "--thorough"]) == exit_status.VIOLATED
    said = " ".join(capsys.readouterr().out.split())
    assert "no-dma-after-teardown should hold, but is violated: eth0 wrote" in said
    assert "of 18 timings at the ends of spans; again: quiesce run s --timing" in said
    again = said.split("again: quiesce run s ")[1].split(" - ")[0].split()
    options = again[: 4 if again[1] == "ends" else 2]
    assert main(["run", "s.toml", *options, "--no-plot", "--no-explain", "--json"]) == (
        exit_status.VIOLATED
    )
    found = json.loads(capsys.readouterr().out)["properties"]
    assert found["no-dma-after-teardown"]["verdict"] == "violated"


@pytest.mark.parametrize("name", ["vtd-no-drain", "irq-rwp-not-awaited"])
def test_a_violation_that_is_expected_is_asked_of_the_nominal_run_alone(
    name: str, capsys: Capture
) -> None:
    """With the least delays nothing comes too late, and that is no breach."""
    assert main(["verify", name, "--thorough"]) == exit_status.OK, capsys.readouterr().out
    scenario = resolved(name)
    violated = {each for each, word in scenario.expect.items() if word == "violated"}
    found = {each.property: each.verdict for each in check(run(scenario.plan, Earliest()))}
    assert any(found[each] == "holds" for each in violated)


def test_a_scenario_that_expects_nothing_bad_must_show_nothing_bad(write: Write) -> None:
    write(SETTLES + '\n[expect]\nteardown-bounded = "holds"\n', guest=CONF)
    tried = run_thoroughly(resolved("s.toml"), 16)
    assert tried.runs == 18
    broken = {text.split()[0]: text for text in tried.differences}
    assert "no-dma-after-teardown" in broken
    assert "is not expected, but is violated" in broken["no-dma-after-teardown"]
    assert "in 18 of 18 timings" in broken["teardown-order"]


@pytest.mark.parametrize("expect", ['[expect]\nepochs-match = "violated"\n', ""])
def test_where_nothing_is_expected_to_hold_nothing_is_tried(write: Write, expect: str) -> None:
    write(SETTLES + "\n" + expect, guest=CONF)
    assert run_thoroughly(resolved("s.toml"), 4).runs == 0


def test_a_recorded_run_has_no_other_timing(write: Write) -> None:
    write(SETTLES, guest=CONF)
    main(["run", "s.toml", "--timing", "latest", "--no-plot", "--no-explain"])
    replay = Path("out/s/replay.json")
    text = f'replay = "{replay}"\n' + SETTLES + '\n[expect]\nteardown-bounded = "holds"\n'
    write(text, guest=CONF, name="kept.toml")
    assert run_thoroughly(resolved("kept.toml"), 4).runs == 0


def test_a_run_that_cannot_be_judged_breaks_the_expectation(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(SETTLES + '\n[expect]\nteardown-bounded = "holds"\n', guest=CONF)
    scenario = resolved("s.toml")
    monkeypatch.setattr("quiesce.model.sim.kernel.EVENTS_MAX", 50)
    (difference,) = run_thoroughly(scenario, 2).differences
    assert difference.startswith("the run cannot be judged: the run hit its bound of 50 events")
    assert "in 4 of 4 timings" in difference


def test_several_processes_say_what_one_says(capsys: Capture) -> None:
    names = ["nic-crash-quiesced", "nic-crash-bare", "no-such-scenario"]
    documents = []
    for jobs in ("1", "2"):
        words = ["verify", *names, "--thorough", "--samples", "2", "--jobs", jobs, "--json"]
        assert main(words) == exit_status.BAD_INPUT
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0] == documents[1]
    runs = [each["runs"] for each in documents[0]["scenarios"]]
    assert runs[:2] == [5, 5]


REPAIRED = (
    "bug-b16-cached-translation-repaired",
    "bug-b46-remapping-entry-repaired",
    "bug-b52-reset-not-awaited-repaired",
    "bug-b57-back-to-the-line-repaired",
    "bug-b60-bus-master-left-on-repaired",
)
"""Repairs that failed when a fast register write met a slow read or a late message."""


@pytest.mark.slow
@pytest.mark.parametrize("name", REPAIRED)
def test_a_repair_holds_at_the_ends_of_spans_as_well(name: str) -> None:
    differences = run_thoroughly(resolved(name), 60).differences
    assert [text for text in differences if "violated" in text] == []


RING_LAID_AGAIN = """\
description = "The next owner lays its ring where the old one was, while descriptors are read."
configuration = "guest.qvmconf"
restart = true
observe = "172us"

[platform]
iommu = "none"

[[platform.device]]
kind = "nic"
name = "eth0"
ring_size = 64

[workload.eth0]
gap = "4us..12us"
length = 1500

[end]
cause = "guest-crash"
after = { event = "DmaLanded", source = "memory", count = 6, delay = "0ns..20us" }

[[quiesce]]
vdev = "quiesce-eth0"
device = "eth0"
steps = ["mask-interrupts", "disable-bus-master", { name = "await-idle", bound = "80ms" }]

[timing]
pcie_posted_write = "100ns..10us"
process_exit_base = "0ns..500ns"
process_exit_per_mib = "100ns..2us"
release_skew = "0ns"
guest_boot = "20us..60us"
gic_disable_rwp = "50ns..500ns"
ctx_switch = "100ns..1us"
restart = "50us..100us"

[choices]
"guest.crash-reaches-qvm" = "at-once"
"""


@pytest.mark.parametrize("seed", [53, 107, 114, 143])
def test_a_ring_that_is_laid_where_the_old_one_was_gets_no_old_descriptors(
    write: Write, seed: int
) -> None:
    """With these ends the reset of the next driver meets a descriptor read that is under way."""
    write(RING_LAID_AGAIN, guest=CONF)
    found = check(run(resolved("s.toml").plan, Ends(seed)))
    assert [each.property for each in found if each.verdict == "violated"] == []


# The choices.


def test_with_an_even_seed_each_label_keeps_to_one_end() -> None:
    choices = Ends(4)
    drawn = {label: {choices.between(3, 9, label) for _ in range(40)} for label in "abcdefgh"}
    assert all(len(ends) == 1 for ends in drawn.values())
    assert set().union(*drawn.values()) == {3, 9}


def test_with_an_odd_seed_each_delay_is_drawn_by_itself_and_only_from_the_ends() -> None:
    choices = Ends(5)
    assert {choices.between(3, 9, "a") for _ in range(40)} == {3, 9}


def test_ties_come_in_any_order_and_open_questions_get_their_default() -> None:
    choices = Ends(1)
    assert {choices.below(3, "kernel.tie") for _ in range(60)} == {0, 1, 2}
    assert {choices.below(3, "qvm.callback-order") for _ in range(60)} == {0}


def test_the_same_seed_takes_the_same_ends() -> None:
    def drawn(seed: int) -> list[int]:
        choices = Ends(seed)
        return [choices.between(0, 100, label) for label in "abcabcabc"]

    assert drawn(7) == drawn(7)
    assert len({tuple(drawn(seed)) for seed in range(20)}) > 5
