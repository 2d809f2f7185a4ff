"""The prover against every integer timing, counted one by one, on models drawn at random.

For closed bounds that are whole numbers the integers suffice (Henzinger, Manna and Pnueli, ICALP
1992), so that verdict and bounds must be the same, and they must be so however the model is
explored.  `QUIESCE_DENSE_EXAMPLES=1000` draws that many.
"""

import os

import pytest
from hypothesis import assume, given, settings

from quiesce.model.base.choices import Seeded

from .small_models import (
    Act,
    Found,
    Play,
    Program,
    brute_force,
    claim,
    distance,
    judged,
    programs,
    records_of,
)
from .small_proofs import bounds, prove

EXAMPLES = int(os.environ.get("QUIESCE_DENSE_EXAMPLES", "60"))


def proved(play: Play, in_parts: bool) -> Found:
    proof = prove(play, [claim], [distance], in_parts=in_parts, stop_at_fault=False, seconds=20)
    assert proof.verdict != "inconclusive", proof.reason
    return Found(proof.verdict == "violated", bounds(proof).get("a to b"))


@pytest.mark.slow
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(programs)
def test_verdict_and_bounds_are_those_of_all_integer_timings(program: Program) -> None:
    play = Play(program)
    expected = brute_force(play)
    assume(expected is not None)
    assert expected is not None
    assert proved(play, in_parts=False) == expected
    assert proved(play, in_parts=True) == expected


def test_what_a_stopwatch_reads_while_it_stands_still_is_ordered_too() -> None:
    """b speaks before a, which is vain; then a must not be taken to have spoken before that."""
    at_once = Act("wait")
    program = (
        (at_once, at_once, Act("say")),
        (at_once, at_once, Act("race", first=(2, 2), second=(0, 1)),
         Act("race", first=(0, 1), second=(1, 1)), Act("say")),
    )  # fmt: skip
    for in_parts in (False, True):
        assert proved(Play(program), in_parts=in_parts).bounds == (0, 1)


def test_a_class_with_two_equal_outcomes_does_not_take_the_place_of_another() -> None:
    """c asks and does the same either way, in one stack with classes that have another zone."""
    at_once, one = Act("wait"), Act("wait", first=(1, 1))
    program = (
        (at_once, one, at_once, at_once, Act("say")),
        (Act("skip"), at_once, Act("await", first=(0, 1)), Act("say")),
        (at_once, Act("wait", first=(1, 2)), Act("await"), Act("ask"), Act("say")),
    )
    for in_parts in (False, True):
        assert proved(Play(program), in_parts=in_parts) == Found(is_broken=True, bounds=(0, 0))


@pytest.mark.slow
@settings(max_examples=EXAMPLES // 2, derandomize=True, deadline=None, database=None)
@given(programs)
def test_no_random_run_leaves_what_was_proved(program: Program) -> None:
    play = Play(program)
    found = proved(play, in_parts=True)
    for seed in range(20):
        is_broken, distances = judged(records_of(play, Seeded(seed)))
        assert found.is_broken or not is_broken
        for each in distances:
            assert found.bounds is not None
            assert found.bounds[0] <= each <= found.bounds[1]
