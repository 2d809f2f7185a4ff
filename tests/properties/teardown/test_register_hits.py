"""Writes of a dead VM's devices that end in registers, judged by no-dma-after-teardown."""

import pytest

from quiesce.model.trace.events import DmaRequested, FramesQuarantined, RegistersHit

from ..story import ADDR, FRAME, at, granted, released, requested, verdict

AFTER = "no-dma-after-teardown"


def hit(epoch: int, device: str = "dev1", outcome: str = "taken") -> RegistersHit:
    return RegistersHit("eth0", epoch, 0xF000_0000, 8, device, outcome)


def given(epoch: int, device: str = "dev1") -> DmaRequested:
    return DmaRequested(device, epoch, ADDR, 64)


LIFE = (at(0, granted(1)), at(1, requested(1)), at(10, released(1)))


def test_a_hit_while_the_vm_has_memory_holds() -> None:
    found = verdict(AFTER, at(0, granted(1)), at(9, hit(1)), at(10, released(1)))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_a_hit_of_a_device_that_works_for_no_other_vm_is_stray() -> None:
    found = verdict(AFTER, *LIFE, at(35, hit(1)))
    assert (found.verdict, found.severity) == ("violated", "stray")
    assert found.violations[0].message == (
        "eth0 wrote 8 bytes at registers of dev1, 25ns after vm1 (epoch 1) gave up its last frame; "
        "dev1 works for no other VM"
    )


def test_a_hit_of_a_device_that_works_for_another_vm_is_corruption() -> None:
    found = verdict(AFTER, *LIFE, at(20, granted(2)), at(21, given(2)), at(35, hit(1)))
    assert found.severity == "corruption"
    assert found.violations[0].message.endswith("dev1 works for vm2 (epoch 2)")


def test_a_hit_of_a_device_of_the_host_is_corruption() -> None:
    assert verdict(AFTER, *LIFE, at(21, given(0)), at(35, hit(1))).severity == "corruption"


def test_work_that_came_after_the_hit_does_not_count() -> None:
    found = verdict(AFTER, *LIFE, at(20, granted(2)), at(35, hit(1)), at(36, given(2)))
    assert found.severity == "stray"


def test_a_vm_that_is_dead_as_well_does_not_count() -> None:
    dead = (at(12, granted(2)), at(13, given(2)), at(14, released(2)))
    assert verdict(AFTER, *LIFE, *dead, at(35, hit(1))).severity == "stray"


def test_a_hit_that_the_device_refuses_is_contained() -> None:
    found = verdict(AFTER, *LIFE, at(21, given(0)), at(35, hit(1, outcome="refused")))
    assert (found.verdict, found.severity) == ("violated", "contained")


def test_as_long_as_the_vm_has_a_frame_left_a_hit_is_not_late() -> None:
    found = verdict(
        AFTER, at(0, granted(1, 2)), at(10, released(1)), at(20, hit(1)), at(30, released(1, 1, 0))
    )
    assert found.verdict == "holds"


def test_quarantine_gives_memory_up_as_well() -> None:
    kept = FramesQuarantined("vm1", 1, FRAME + 1, 1)
    found = verdict(AFTER, at(0, granted(1, 2)), at(10, released(1)), at(15, kept), at(20, hit(1)))
    assert found.violations[0].data["late_by_ns"] == 5


@pytest.mark.parametrize(
    "instant",
    [at(10, hit(1), released(1)), at(10, released(1), hit(1))],
    ids=["hit-first", "release-first"],
)
def test_a_hit_at_the_instant_of_the_last_release_counts_as_after_it(instant: list) -> None:  # type: ignore[type-arg]
    found = verdict(AFTER, at(0, granted(1)), instant)
    assert (found.verdict, found.violation_count) == ("violated", 1)


def test_a_hit_for_the_host_is_not_judged() -> None:
    assert verdict(AFTER, *LIFE, at(20, hit(0))).verdict == "holds"


def test_a_hit_alone_puts_the_property_to_the_test() -> None:
    found = verdict(AFTER, at(0, granted(1)), at(5, hit(1)), at(10, released(1)))
    assert found.antecedents == 1
    assert verdict(AFTER, at(0, granted(1)), at(10, released(1))).verdict == "vacuous"
