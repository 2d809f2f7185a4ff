"""The search for the least amount that is enough, and its rounding to a plain number."""

import pytest

from quiesce.scenarios.explain.amounts import least_enough, round_up


@pytest.mark.parametrize("most", [1, 2, 3, 1_000, 60_000_000_000])
@pytest.mark.parametrize("least", [1, 2, 7, 1_000, 999_999_999])
def test_the_amount_is_enough_and_hardly_more_than_that(most: int, least: int) -> None:
    least = min(least, most)
    asked: list[int] = []

    def is_enough(amount: int) -> bool:
        asked.append(amount)
        return amount >= least

    found = least_enough(is_enough, most)
    assert least <= found <= least + max(least // 8, 1)
    assert all(1 <= amount <= most for amount in asked)
    assert len(asked) < 16


@pytest.mark.parametrize(("amount", "rounded"), [(1, 1), (3, 5), (10, 10), (11, 20), (501, 1000)])
def test_an_amount_is_rounded_up_to_a_round_number(amount: int, rounded: int) -> None:
    assert round_up(amount) == rounded
