"""The assumptions name what the model leaves out and what it ignores in a configuration."""

import pytest

from quiesce.model.machine.assumptions import assumptions_of
from quiesce.scenarios.format.loader import load
from quiesce.scenarios.resolve.library import resolved
from quiesce.scenarios.resolve.resolve import resolve

from ..busy_nic import BARE, CARED_FOR, MACHINE
from ..conftest import CRASH_AT_WORK, GUEST, Write


def ignored(write: Write, text: str, guest: str) -> list[str]:
    found = resolve(load(write(text, guest=guest))).assumptions
    return [word for each in found if each.name.endswith(".options") for word in words(each.value)]


def words(value: str) -> list[str]:
    return value.split(", ")


def test_a_machine_of_which_everything_is_heeded_says_nothing(write: Write) -> None:
    assert ignored(write, BARE, MACHINE) == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("cmdline 'console=1'", "cmdline"),
        ("cpu sched 10", "cpu"),
        ("load /images/guest.ifs", "load"),
        ("dump /var/dumps", "dump"),
        ("logger fatal slog", "logger"),
        ("unsupported reference abort", "unsupported"),
        ("safety warn", "safety"),
        ("rom 0xc0000,0x40000", "rom"),
        ("reserve loc 0xa0000,0x20000", "reserve"),
        ("set exit-on-halt off", "set exit-on-halt"),
        ("set message-block-timeout 5000", "set message-block-timeout"),
        ("dryrun", "dryrun"),
    ],
)
def test_an_option_that_changes_nothing_is_named(write: Write, line: str, word: str) -> None:
    found = ignored(write, BARE, MACHINE + line + "\n")
    assert [each for each in found if each == word] == [word]


def test_the_place_is_told(write: Write) -> None:
    found = resolve(load(write(BARE, guest=MACHINE + "cpu\n"))).assumptions
    (said,) = [each for each in found if each.name == "guest1.options"]
    assert said.basis == "no effect: read, and not heeded by a run (line 7 of the configuration)"


def test_a_time_out_that_a_drain_waits_for_is_heeded(write: Write) -> None:
    guest = GUEST + "set message-block-timeout 5000\n"
    assert "set message-block-timeout" in ignored(write, CRASH_AT_WORK, guest)
    drained = CRASH_AT_WORK + '\n[[quiesce]]\nvdev = "qvmterm"\ndevice = "disk0"\n'
    assert "set message-block-timeout" not in ignored(write, drained, guest)


def test_t_of_a_line_and_what_is_left_of_a_window_are_named(write: Write) -> None:
    guest = MACHINE.replace("intr gic:44=179", "intr gic:44,t=179")
    assert "t of intr" in ignored(write, CARED_FOR, guest)
    guest = MACHINE.replace("0x20000,rw=", "0x20000,rwe=")
    assert "pass attributes e" in ignored(write, CARED_FOR, guest)


def test_an_option_of_a_modelled_vdev_is_named_with_its_vdev(write: Write) -> None:
    guest = GUEST.replace("hostdev /dev/hd0t131", "hostdev /dev/hd0t131 delayed 3")
    assert "virtio-blk delayed" in ignored(write, CRASH_AT_WORK, guest)


def test_what_a_part_leaves_out_is_said_where_the_part_is_used() -> None:
    def said(name: str) -> dict[str, str]:
        found = assumptions_of(resolved(name).plan)
        return {each.name: each.value for each in found if each.basis.startswith("not modelled")}

    assert set(said("nic-crash-bare")) == {"nic.left-out"}
    assert said("nic-crash-bare")["nic.left-out"].startswith("transmission")
    assert {"ahci.left-out", "virtio.left-out", "virtio-blk.left-out"} == set(
        said("blk-crash-bounce")
    )
    assert "sdmmc.left-out" in said("host-sdmmc-crash")


def test_what_is_taken_to_go_well_is_said_unless_the_scenario_knows_better() -> None:
    def by_the_book(name: str) -> set[str]:
        found = assumptions_of(resolved(name).plan)
        return {each.name for each in found if each.value == "by the book"}

    assert by_the_book("nic-crash-bare") == {"eth0.traits", "host.faults"}
    assert by_the_book("sigquit-in-callback") == {"host.faults"}, "its NIC is never idle"
    assert "host.faults" not in by_the_book("irq-rwp-not-awaited")


def test_what_a_watchdog_is_told_to_do_is_named_as_the_cause_of_the_end_decides_it(
    write: Write,
) -> None:
    guest = MACHINE + "vdev wdt-sp805 loc 0x1c0f0000 intr gic:43 action fiq\n"
    assert "wdt-sp805 action" in ignored(write, BARE, guest)
