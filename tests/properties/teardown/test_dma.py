"""Writes after teardown, one story each: holds, violated, never tested, and at the very instant."""

import pytest

from quiesce.model.trace.events import AnyEvent, DmaBlocked
from quiesce.properties.teardown.dma import FaultsContained

from ..story import (
    FRAME,
    at,
    attached,
    detached,
    granted,
    injected,
    landed,
    released,
    requested,
    verdict,
    written,
)

AFTER = "no-dma-after-teardown"
MATCH = "epochs-match"
FAULTS = "faults-contained"


# no-dma-after-teardown


def test_last_write_before_release_holds() -> None:
    found = verdict(AFTER, at(0, granted(1)), at(9, landed(1)), at(10, released(1)))
    assert (found.verdict, found.severity, found.antecedents) == ("holds", "none", 1)


def test_write_into_a_freed_frame_is_stray() -> None:
    found = verdict(AFTER, at(0, granted(1)), at(10, released(1)), at(312_410, landed(1)))
    assert (found.verdict, found.severity) == ("violated", "stray")
    assert found.violations[0].message == (
        "eth0 wrote 1024 bytes into frame 0x80012, 312.4us after vm1 (epoch 1) released it; "
        "the frame is free"
    )
    assert found.violations[0].data["late_by_ns"] == 312_400
    assert found.violations[0].index == 2


def test_write_into_a_frame_of_the_next_vm_is_corruption() -> None:
    found = verdict(
        AFTER, at(0, granted(1)), at(10, released(1)), at(20, granted(2)), at(30, landed(1))
    )
    assert found.severity == "corruption"
    assert found.violations[0].message.endswith("the frame now belongs to vm2 (epoch 2)")


def test_worker_thread_counts_as_a_writer() -> None:
    found = verdict(AFTER, at(0, granted(1)), at(10, released(1)), at(11, written(1)))
    assert found.violations[0].data["writer"] == "vm1.blk0"


def test_only_the_released_frame_is_taboo_while_its_neighbour_is_not() -> None:
    moments = (at(0, granted(1, count=4)), at(10, released(1, count=1, first=FRAME + 1)))
    assert verdict(AFTER, *moments, at(20, landed(1, FRAME + 2))).verdict == "holds"
    assert verdict(AFTER, *moments, at(20, landed(1, FRAME))).verdict == "holds"
    assert verdict(AFTER, *moments, at(20, landed(1, FRAME + 1))).verdict == "violated"


def test_release_by_a_vm_without_any_writer_is_vacuous() -> None:
    found = verdict(AFTER, at(0, granted(1)), at(10, released(1)))
    assert (found.verdict, found.antecedents) == ("vacuous", 0)
    assert "frames released" in found.reason


def test_requested_write_that_never_lands_puts_the_property_to_the_test() -> None:
    found = verdict(AFTER, at(0, granted(1, count=8)), at(5, requested(1)), at(9, released(1, 8)))
    assert (found.verdict, found.antecedents) == ("holds", 8)


@pytest.mark.parametrize("order", [(landed(1), released(1)), (released(1), landed(1))])
def test_write_at_the_instant_of_release_counts_as_after_it(order: tuple[AnyEvent, ...]) -> None:
    found = verdict(AFTER, at(0, granted(1)), at(10, *order))
    assert (found.verdict, found.severity) == ("violated", "stray")
    assert "at the very instant at which vm1 (epoch 1) released it" in found.reason


def test_write_one_nanosecond_before_release_is_in_time() -> None:
    assert (
        verdict(AFTER, at(0, granted(1)), at(9, landed(1)), at(10, released(1))).verdict == "holds"
    )


def test_cut_off_trace_never_holds() -> None:
    moments = (at(0, granted(1)), at(9, landed(1)), at(10, released(1)))
    assert verdict(AFTER, *moments, ends_ns=None).verdict == "inconclusive"
    assert verdict(AFTER, *moments, at(11, landed(1)), ends_ns=None).verdict == "violated"


def test_hundred_violations_are_counted_and_twenty_kept() -> None:
    late = [at(20 + n, landed(1)) for n in range(100)]
    found = verdict(AFTER, at(0, granted(1)), at(10, released(1)), *late)
    assert (found.violation_count, len(found.violations)) == (100, 20)
    assert found.violations[0].index == 2


@pytest.mark.parametrize("order", [(landed(1), granted(2)), (granted(2), landed(1))])
def test_write_at_the_instant_of_the_next_grant_hits_the_next_owner(
    order: tuple[AnyEvent, ...],
) -> None:
    moments = (at(0, granted(1)), at(10, released(1)))
    assert verdict(AFTER, *moments, at(20, *order)).severity == "corruption"


def test_next_vm_undisturbed_holds() -> None:
    found = verdict(
        AFTER, at(0, granted(1), landed(1)), at(10, released(1)), at(20, granted(2), landed(2))
    )
    assert found.verdict == "holds"


# epochs-match


def test_writes_and_interrupts_to_their_own_vm_hold() -> None:
    found = verdict(MATCH, at(0, granted(1), attached(1)), at(5, landed(1), injected(1, 1)))
    assert (found.verdict, found.antecedents) == ("holds", 2)


def test_write_into_memory_of_another_vm_is_corruption() -> None:
    found = verdict(MATCH, at(0, granted(1)), at(5, landed(2)))
    assert found.severity == "corruption"
    assert found.violations[0].message == (
        "eth0 wrote 1024 bytes for epoch 2 into frame 0x80012, which belongs to vm1 (epoch 1)"
    )


def test_write_into_memory_that_was_never_granted_is_corruption() -> None:
    found = verdict(MATCH, at(5, landed(1)))
    assert "which it never owned" in found.reason


def test_write_into_a_frame_merely_free_is_another_propertys_business() -> None:
    found = verdict(MATCH, at(0, granted(1)), at(9, released(1)), at(10, landed(1)))
    assert found.verdict == "holds"


def test_frame_handed_over_without_release_belongs_to_the_new_owner() -> None:
    moments = (at(0, granted(1)), at(5, landed(1)), at(6, granted(2)))
    assert verdict(MATCH, *moments, at(7, landed(2))).verdict == "holds"
    assert verdict(MATCH, *moments, at(7, landed(1))).verdict == "violated"


def test_release_by_another_owner_takes_nothing_from_the_owner() -> None:
    found = verdict(MATCH, at(0, granted(1)), at(5, released(2)), at(6, landed(1)))
    assert found.verdict == "holds"


def test_interrupt_given_to_its_own_vm_after_detach_is_another_propertys_business() -> None:
    moments = (at(0, attached(1)), at(5, detached(1)), at(6, injected(1, 1)))
    assert verdict(MATCH, *moments).verdict == "holds"
    assert verdict("irq-contained-after-teardown", *moments).verdict == "violated"


def test_host_may_write_its_own_memory_but_not_a_vms() -> None:
    assert verdict(MATCH, at(5, landed(0))).verdict == "holds"
    assert (
        verdict(MATCH, at(0, granted(1)), at(9, released(1)), at(10, landed(0))).verdict == "holds"
    )
    assert verdict(MATCH, at(0, granted(1)), at(5, landed(0))).verdict == "violated"


def test_interrupt_of_the_dead_given_to_the_next_vm_is_another_propertys_business() -> None:
    moments = (at(0, attached(1)), at(10, detached(1)), at(20, attached(2)), at(30, injected(2, 1)))
    assert verdict(MATCH, *moments).verdict == "holds"
    assert verdict("irq-contained-after-teardown", *moments).verdict == "violated"


def test_interrupt_of_an_epoch_that_never_had_the_line_is_spurious() -> None:
    found = verdict(MATCH, at(20, attached(2)), at(30, injected(2, 1)))
    assert (found.verdict, found.severity) == ("violated", "spurious")


def test_interrupt_of_a_co_owner_on_a_shared_line_is_as_it_should_be() -> None:
    # Every owner of a shared line receives every interrupt on it.
    found = verdict(MATCH, at(0, attached(1), attached(0, "devb-ahci")), at(30, injected(1, 0)))
    assert found.verdict == "holds"


def test_interrupt_of_a_vdev_has_no_line_and_matches_by_epoch() -> None:
    assert verdict(MATCH, at(5, injected(1, 1, intid=-1))).verdict == "holds"
    assert verdict(MATCH, at(5, injected(2, 1, intid=-1))).verdict == "violated"


def test_trace_without_writes_and_interrupts_is_vacuous() -> None:
    assert verdict(MATCH, at(0, granted(1)), at(10, released(1))).verdict == "vacuous"


@pytest.mark.parametrize("order", [(landed(2), granted(2)), (granted(2), landed(2))])
def test_write_at_the_instant_of_its_own_grant_is_inside_it(order: tuple[AnyEvent, ...]) -> None:
    assert verdict(MATCH, at(10, *order)).verdict == "holds"


@pytest.mark.parametrize("order", [(injected(2, 1), attached(1)), (attached(1), injected(2, 1))])
def test_injection_at_the_instant_of_attach_counts_as_within(order: tuple[AnyEvent, ...]) -> None:
    moments = at(0, attached(2))
    assert verdict(MATCH, moments, at(10, *order)).verdict == "holds"
    assert verdict(MATCH, moments, at(9, injected(2, 1)), at(10, attached(1))).verdict == "violated"


# faults-contained


def blocked(count: int) -> list[AnyEvent]:
    return [DmaBlocked("eth0", 1, 0, 1024, "recorded")] * count


def test_few_refused_accesses_hold_and_one_too_many_does_not() -> None:
    gone = (at(0, granted(1)), at(10, released(1)))
    assert verdict(FAULTS, *gone, at(20, *blocked(FaultsContained.MAX))).verdict == "holds"
    found = verdict(FAULTS, *gone, at(20, *blocked(FaultsContained.MAX + 3)))
    assert (found.verdict, found.severity) == ("violated", "contained")
    assert found.violations[0].data["count"] == FaultsContained.MAX + 3
    assert found.violations[0].index == 2 + FaultsContained.MAX


def test_refused_accesses_before_the_last_release_do_not_count() -> None:
    found = verdict(
        FAULTS,
        at(0, granted(1, count=2)),
        at(10, released(1)),
        at(20, *blocked(100)),
        at(30, released(1, first=FRAME + 1)),
    )
    assert found.verdict == "vacuous"


@pytest.mark.parametrize("is_release_first", [True, False])
def test_access_refused_at_the_instant_of_the_last_release_counts(is_release_first: bool) -> None:
    burst = blocked(FaultsContained.MAX + 1)
    order = [released(1), *burst] if is_release_first else [*burst, released(1)]
    found = verdict(FAULTS, at(0, granted(1)), at(10, *order))
    assert (found.verdict, found.antecedents) == ("violated", len(burst))


def test_access_refused_just_before_the_last_release_does_not_count() -> None:
    found = verdict(
        FAULTS, at(0, granted(1)), at(9, *blocked(100)), at(10, released(1), *blocked(1))
    )
    assert (found.verdict, found.antecedents) == ("holds", 1)
