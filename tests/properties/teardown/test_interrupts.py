"""Interrupts of the dead and of the living, one story each."""

import pytest

from quiesce.model.trace.events import AnyEvent, IrqDeasserted, QvmExited

from ..story import (
    LINE,
    Moment,
    activated,
    asserted,
    at,
    attached,
    deactivated,
    detached,
    handled,
    injected,
    masked,
    taken,
    unmasked,
    verdict,
)

STRICT = "no-irq-after-teardown"
CONTAINED = "irq-contained-after-teardown"
NEXT = "next-owner-gets-interrupts"


# no-irq-after-teardown


def test_interrupt_before_detach_holds() -> None:
    found = verdict(STRICT, at(0, attached(1)), at(9, taken(1), masked()), at(10, detached(1)))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_interrupt_after_detach_is_spurious() -> None:
    found = verdict(STRICT, at(0, attached(1)), at(10, detached(1)), at(1_510, taken(1), masked()))
    assert (found.verdict, found.severity) == ("violated", "spurious")
    assert found.violations[0].data == {"intid": LINE, "epoch": 1, "late_by_ns": 1_500}
    assert "1.5us after it detached" in found.reason


def test_interrupt_of_the_next_owner_is_none_of_the_dead_ones() -> None:
    found = verdict(
        STRICT, at(0, attached(1)), at(10, detached(1)), at(20, attached(2)), at(30, taken(2))
    )
    assert found.verdict == "holds"


def test_interrupt_of_a_vm_that_never_attached_is_none_of_the_dead_ones() -> None:
    found = verdict(STRICT, at(0, attached(1)), at(10, detached(1)), at(20, taken(2), masked()))
    assert found.verdict == "holds"


def test_vm_with_a_second_attachment_is_not_dead_yet() -> None:
    found = verdict(
        STRICT, at(0, attached(1), attached(1, "vm1.other")), at(10, detached(1)), at(20, taken(1))
    )
    assert found.verdict == "holds"


def test_vm_that_never_detaches_is_vacuous() -> None:
    assert verdict(STRICT, at(0, attached(1)), at(10, taken(1), masked())).verdict == "vacuous"


@pytest.mark.parametrize("order", [(taken(1), detached(1)), (detached(1), taken(1))])
def test_interrupt_at_the_instant_of_detach_counts_as_after_it(order: tuple[AnyEvent, ...]) -> None:
    found = verdict(STRICT, at(0, attached(1)), at(10, *order))
    assert (found.verdict, found.violations[0].data["late_by_ns"]) == ("violated", 0)


# irq-contained-after-teardown


def test_interrupt_masked_and_given_to_no_guest_is_contained() -> None:
    open_line = detached(1, masked=False)
    moments = (at(0, attached(1)), at(10, open_line), at(20, taken(1)), at(21, masked()))
    assert verdict(CONTAINED, *moments).verdict == "holds"
    assert verdict(STRICT, *moments).verdict == "violated"


def test_interrupt_given_to_the_next_vm_is_not_contained() -> None:
    found = verdict(
        CONTAINED,
        at(0, attached(1)),
        at(10, detached(1)),
        at(20, attached(2)),
        at(30, taken(1), masked()),
        at(40, injected(2, 1)),
    )
    assert found.verdict == "violated"
    assert found.reason == (
        "vm2 (epoch 2) received interrupt 37 of eth0, requested for epoch 1, which has detached"
    )


def test_interrupt_taken_once_more_than_allowed_is_not_contained() -> None:
    once = (at(0, attached(1)), at(10, detached(1)), at(20, taken(1), masked()))
    assert verdict(CONTAINED, *once).verdict == "holds"
    assert verdict(CONTAINED, *once, at(30, taken(1), masked())).verdict == "violated"


def test_line_taken_and_never_masked_again_is_not_contained() -> None:
    found = verdict(
        CONTAINED, at(0, attached(1)), at(10, detached(1, masked=False)), at(20, taken(1))
    )
    assert "was not masked again" in found.reason


def test_detach_that_never_happens_is_vacuous() -> None:
    assert verdict(CONTAINED, at(0, attached(1)), at(9, injected(1, 1))).verdict == "vacuous"


@pytest.mark.parametrize(
    "order", [(injected(2, 1), detached(1)), (detached(1), injected(2, 1))], ids=["before", "after"]
)
def test_injection_at_the_instant_of_detach_is_not_contained(order: tuple[AnyEvent, ...]) -> None:
    shared = at(0, attached(1), attached(2))
    assert verdict(CONTAINED, shared, at(10, *order)).verdict == "violated"
    early = verdict(CONTAINED, shared, at(9, injected(2, 1)), at(10, detached(1)))
    assert early.verdict == "holds"


# next-owner-gets-interrupts

DIES_OWING = [
    *at(0, attached(1), attached(0, "devb-ahci"), unmasked()),
    *at(5, asserted(1), taken(1), masked()),
    *at(8, handled(0, "devb-ahci")),
    *at(10, detached(1)),
]
"""A VM shares a line with a host driver and dies before its guest has handled an interrupt."""


def gone(at_ns: int) -> list[Moment]:
    return at(at_ns, QvmExited("vm1", 1, 0))


def test_line_left_masked_starves_the_co_owner() -> None:
    found = verdict(NEXT, DIES_OWING, gone(15), at(20, asserted(0, "ahci0")))
    assert (found.verdict, found.severity) == ("violated", "starved")
    assert found.reason == (
        f"line {LINE} stays masked on behalf of vm1 (epoch 1), which is gone; devb-ahci waits for "
        "ever, and the interrupt of ahci0 is never taken"
    )
    assert found.violations[0].data["device"] == "ahci0"


def test_line_left_masked_starves_even_before_anybody_asserts_it() -> None:
    found = verdict(NEXT, DIES_OWING, gone(15))
    assert (found.verdict, found.violation_count) == ("violated", 1)


def test_line_masked_for_a_process_that_is_still_going_is_undecided() -> None:
    found = verdict(NEXT, DIES_OWING)
    assert found.verdict == "inconclusive"
    assert "not gone yet" in found.reason


def test_tracked_mask_is_undone_and_the_co_owner_is_served() -> None:
    found = verdict(
        NEXT,
        DIES_OWING[:-1],
        at(10, unmasked(), detached(1, masked=False)),
        gone(15),
        at(20, asserted(0, "ahci0")),
        at(21, taken(0), masked()),
        at(25, handled(0, "devb-ahci"), unmasked()),
    )
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_detach_that_masks_the_line_starves_the_co_owner() -> None:
    shared = at(0, attached(1), attached(2), unmasked())
    assert verdict(NEXT, shared, at(10, detached(1, masked=True)), gone(15)).verdict == "violated"


def test_detach_that_opens_the_line_starves_no_owner() -> None:
    shared = at(0, attached(1), attached(0, "devb-ahci"), masked(), handled(0, "devb-ahci"))
    found = verdict(NEXT, shared, at(10, detached(1, masked=False)), gone(15))
    assert found.verdict == "vacuous"


def test_only_the_one_who_left_it_masked_is_blamed() -> None:
    found = verdict(
        NEXT,
        DIES_OWING[:-1],
        at(10, unmasked(), detached(1, masked=False)),
        at(20, attached(2)),
        at(25, masked(), handled(0, "devb-ahci")),
        at(30, detached(2)),
        at(35, QvmExited("vm2", 2, 0)),
    )
    assert found.violations[0].data["left_by"] == "vm2"
    assert "on behalf of vm2 (epoch 2), which is gone" in found.reason


def test_next_owner_whose_attach_opens_the_line_is_served() -> None:
    found = verdict(
        NEXT,
        at(0, attached(1), unmasked()),
        at(5, masked()),
        at(10, detached(1)),
        gone(15),
        at(20, attached(2), unmasked()),
        at(30, asserted(2)),
        at(31, taken(2), masked()),
    )
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_next_owner_of_a_line_that_stays_masked_is_starved() -> None:
    found = verdict(
        NEXT,
        at(0, attached(1)),
        at(5, masked()),
        at(10, detached(1)),
        gone(15),
        at(20, attached(2)),
    )
    assert found.verdict == "violated"
    assert "vm2 (epoch 2) waits for ever" in found.reason


def test_interrupt_still_on_its_way_decides_nothing() -> None:
    found = verdict(
        NEXT,
        at(0, attached(1), attached(2), unmasked()),
        at(10, detached(1, masked=False)),
        gone(15),
        at(20, asserted(2)),
    )
    assert found.verdict == "inconclusive"
    assert "still on its way" in found.reason


def test_line_masked_for_a_living_owner_is_not_starved() -> None:
    found = verdict(
        NEXT,
        at(0, attached(1), attached(2), unmasked()),
        at(10, detached(1, masked=False)),
        gone(15),
        at(20, asserted(2), taken(2), masked()),
    )
    assert (found.verdict, found.antecedents) == ("holds", 1)


def test_line_lowered_before_anybody_took_it_is_not_waited_for() -> None:
    found = verdict(
        NEXT,
        at(0, attached(1), attached(2), unmasked()),
        at(10, detached(1, masked=False)),
        at(20, asserted(2)),
        at(30, IrqDeasserted(LINE, "eth0", 2)),
    )
    assert found.verdict == "holds"


def test_line_that_no_owner_left_is_vacuous() -> None:
    found = verdict(NEXT, at(0, attached(1), unmasked()), at(5, asserted(1)))
    assert found.verdict == "vacuous"


def test_line_without_an_heir_is_vacuous() -> None:
    assert (
        verdict(NEXT, at(0, attached(1)), at(5, masked()), at(10, detached(1))).verdict == "vacuous"
    )


@pytest.mark.parametrize("is_assertion_first", [True, False])
def test_assertion_at_the_instant_of_detach_puts_it_to_the_test(is_assertion_first: bool) -> None:
    pair: list[AnyEvent] = [asserted(2), detached(1, masked=False)]
    order = pair if is_assertion_first else pair[::-1]
    shared = at(0, attached(1), attached(2), unmasked())
    found = verdict(NEXT, shared, at(10, *order), gone(15), at(20, taken(2)))
    assert (found.verdict, found.antecedents) == ("holds", 1)


def left_active(*ending: list[Moment]) -> list[list[Moment]]:
    """Epoch 1 leaves a line that it must end itself, and epoch 2 inherits it, open."""
    return [
        at(0, attached(1), unmasked()),
        at(5, taken(1), activated(1), masked()),
        at(10, *[event for moment in ending for _, event in moment], detached(1)),
        gone(15),
        at(20, attached(2), unmasked()),
        at(30, asserted(2)),
    ]


def test_line_left_active_starves_the_next_owner() -> None:
    found = verdict(NEXT, *left_active())
    assert (found.verdict, found.severity) == ("violated", "starved")
    assert "stays active on behalf of vm1 (epoch 1), which is gone" in found.reason


def test_line_ended_by_the_kernel_starves_no_owner() -> None:
    moments = [*left_active(at(10, deactivated("kernel"))), at(31, taken(2), masked())]
    assert verdict(NEXT, *moments).verdict == "holds"


def test_line_active_for_a_process_that_is_still_going_is_undecided() -> None:
    moments = [moment for moment in left_active() if moment != gone(15)]
    assert verdict(NEXT, *moments).verdict == "inconclusive"


def test_line_active_for_a_living_owner_is_not_starved() -> None:
    moments = [*left_active(at(10, deactivated())), at(31, taken(2), activated(2), masked())]
    assert verdict(NEXT, *moments).verdict == "holds"


def test_line_active_that_no_owner_left_is_vacuous() -> None:
    assert verdict(NEXT, at(0, attached(1)), at(5, taken(1), activated(1))).verdict == "vacuous"


def test_line_ended_at_the_instant_of_detach_starves_no_owner_in_either_order() -> None:
    """Ending it has no forbidden zone: what counts is that it is done at all."""
    late = [
        at(0, attached(1), unmasked()),
        at(5, taken(1), activated(1), masked()),
        at(10, detached(1), deactivated("kernel")),
        gone(15),
        at(20, attached(2), unmasked()),
        at(30, asserted(2)),
        at(31, taken(2), masked()),
    ]
    assert verdict(NEXT, *late).verdict == "holds"
    early = [*left_active(at(10, deactivated("kernel"))), late[-1]]
    assert verdict(NEXT, *early).verdict == "holds"
