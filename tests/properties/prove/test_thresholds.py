"""The one threshold search, over thresholds that are known."""

from itertools import pairwise

import pytest

from quiesce.properties.prove.thresholds import REACH, Edge, Trial, edge_of, least_of

UNLIMITED = 1 << 60


class Proofs:
    """Proves all values up to a threshold; some cannot be proved in time."""

    def __init__(self, greatest: int, cut_from: int = UNLIMITED + 1, needed: int = 0) -> None:
        self.greatest = greatest
        self.cut_from = cut_from
        self.needed = needed
        self.tried: list[int] = []

    def __call__(self, value: int) -> Trial:
        self.tried.append(value)
        if value >= self.cut_from:
            return Trial("inconclusive")
        if value <= self.greatest:
            return Trial("proved")
        return Trial("violated", max(self.greatest + 1, value - self.needed))


@pytest.mark.parametrize("greatest", [3, 7, 100, 12_345])
@pytest.mark.parametrize("needed", [0, 1, 1 << 30])
def test_the_edge_is_found_exactly(greatest: int, needed: int) -> None:
    """`needed` says how much less than the value tried the path of a violation needs."""
    proofs = Proofs(greatest, needed=needed)
    edge = edge_of(proofs, 3, 10, 1_000_000)
    assert edge == Edge("bounded", greatest, greatest + 1, len(proofs.tried))


def test_values_are_sought_from_below_in_steps_of_bounded_reach() -> None:
    proofs = Proofs(12_345)
    edge_of(proofs, 0, 10, 1_000_000)
    known = [value for value in proofs.tried if value <= 12_345]
    assert all(later <= REACH * earlier for earlier, later in pairwise(known))


def test_a_proof_without_any_limit_is_tried_first_and_ends_the_search() -> None:
    proofs = Proofs(UNLIMITED)
    assert edge_of(proofs, 0, 10, 1_000, unlimited=UNLIMITED) == Edge("kept", UNLIMITED, None, 1)
    assert proofs.tried == [UNLIMITED]


def test_without_any_limit_violated_the_edge_is_sought_from_above() -> None:
    proofs = Proofs(500, needed=1 << 60)
    edge = edge_of(proofs, 0, 10, 1_000, unlimited=UNLIMITED)
    assert edge == Edge("bounded", 500, 501, 2)
    assert proofs.tried == [UNLIMITED, 500]


def test_without_any_limit_cut_short_the_edge_is_sought_from_below() -> None:
    proofs = Proofs(500, cut_from=UNLIMITED)
    edge = edge_of(proofs, 0, 10, 1_000, unlimited=UNLIMITED)
    assert (edge.verdict, edge.kept, edge.broken) == ("bounded", 500, 501)
    assert proofs.tried[:2] == [UNLIMITED, 10]


def test_what_is_proved_up_to_the_greatest_value_is_kept_and_not_bounded() -> None:
    edge = edge_of(Proofs(5_000), 0, 10, 1_000)
    assert (edge.verdict, edge.kept, edge.broken) == ("kept", 1_000, None)


def test_not_even_the_least_value_may_be_proved() -> None:
    edge = edge_of(Proofs(2), 3, 10, 1_000)
    assert (edge.verdict, edge.kept, edge.broken) == ("violated", 2, 3)


def test_a_proof_that_is_cut_short_leaves_what_is_known() -> None:
    edge = edge_of(Proofs(5_000, cut_from=700), 0, 10, 1_000)
    assert (edge.verdict, edge.kept, edge.broken) == ("inconclusive", 640, None)


def test_known_values_are_not_tried_again() -> None:
    proofs = Proofs(500)
    edge = edge_of(proofs, 0, 10, 1_000, kept=499, broken=501)
    assert edge == Edge("bounded", 500, 501, 1)
    assert proofs.tried == [500]


@pytest.mark.parametrize("least", [1, 5, 64])
def test_the_least_possible_value_is_found_by_halving(least: int) -> None:
    assert least_of(lambda value: value >= least, 0, 64) == least


def test_what_a_path_needs_spares_the_values_between() -> None:
    """The path that is violated first exists down to the threshold: one more value decides."""
    proofs = Proofs(12_345, needed=1 << 30)
    edge_of(proofs, 0, 10, 1_000_000)
    violated = [value for value in proofs.tried if value > 12_345]
    assert len(violated) == 1
    assert proofs.tried[-1] == 12_345


def test_a_known_edge_beyond_the_greatest_value_is_an_edge() -> None:
    edge = edge_of(Proofs(10), 0, 5, 10, broken=11)
    assert edge == Edge("bounded", 10, 11, 2)
