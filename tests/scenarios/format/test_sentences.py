"""Sentences about whole runs: what a device did, and what it only left behind."""

import json
from pathlib import Path

import pytest

from quiesce.scenarios.cli import main
from quiesce.scenarios.cli.output import exit_status

from ..conftest import Write

GUEST = """\
system guest1
ram 0x80000000,1M
pass loc mem:0x1b000000,0x20000,rw=0x1b000000
        intr gic:44=179
vdev quiesce-it
        name quiesce-it
"""

USB = """\
description = "The controller is halted; its level interrupt was asserted before."
configuration = "guest.qvmconf"
restart = true
[platform]
iommu = "none"
[[platform.device]]
kind = "xhci"
name = "usb0"
interval = "125us"
[end]
cause = "guest-crash"
after = { event = "DmaIssued", count = 6, delay = "0ns..200us" }
[[quiesce]]
vdev = "quiesce-it"
device = "usb0"
steps = ["stop", { name = "await-halted", bound = "500ms" }, "clear-bus-master", "confirm"]
[timing]
guest_boot = "100us..300us"
process_exit_base = "10us..50us"
release_skew = "0ns..5us"
[choices]
"guest.crash-reaches-qvm" = "at-once"
"""

NIC = """\
description = "The vdev looks once and stops nothing."
configuration = "guest.qvmconf"
[platform]
iommu = "none"
[[platform.device]]
kind = "nic"
name = "nic0"
[workload.nic0]
gap = "50us..100us"
[end]
cause = "guest-crash"
after = { event = "DmaIssued", source = "nic0.dma", count = 3, delay = "0ns..100us" }
[[quiesce]]
vdev = "quiesce-it"
device = "nic0"
steps = [{ name = "confirm", bound = "100ms" }]
[timing]
guest_boot = "100us..300us"
"""


@pytest.mark.slow
def test_a_device_that_left_its_line_asserted_did_not_go_on(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(USB, guest=GUEST)
    assert main(["run", "s.toml", "--no-plot", "--no-explain", "--json"]) == exit_status.VIOLATED
    sentence = json.loads(capsys.readouterr().out)["why"]
    for words in (
        "usb0 was confirmed quiet at",
        "and did nothing of its own afterwards",
        "its line was left asserted: no step masked its interrupts",
        "when epoch 2 of guest1 attached to it",
    ):
        assert words in sentence, words
    assert "went on" not in sentence
    assert "yet" not in sentence


@pytest.mark.slow
def test_a_write_at_the_instant_of_release_is_told_with_the_order_in_the_record(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(NIC, guest=GUEST)
    command = ["prove", "s.toml", "--property", "no-dma-after-teardown", "--seconds", "600"]
    assert main([*command, "--no-plot"]) == exit_status.VIOLATED
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "No step asked nic0 to stop, since confirm only looked or waited and saw it idle at",
        "and yet it took in a frame that arrived at",
        "at the very instant at which guest1 released that frame",
        "a tie counts as after the release (in the record: write, then release)",
        "the frame was free then",
    ):
        assert words in said, words
    assert Path("out/s/prove/trace.jsonl").exists()
