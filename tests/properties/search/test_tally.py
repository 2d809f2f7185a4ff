"""Counting runs in little memory gives the verdict that combining all of them would give."""

import msgspec
import pytest

from quiesce.model.base.choices import Seeded
from quiesce.model.machine.system import run
from quiesce.properties.check import check
from quiesce.properties.core.verdict import Verdict, combined
from quiesce.properties.generate.byte_draws import ByteDraws
from quiesce.properties.search.tally import Tally
from quiesce.scenarios.resolve.library import resolved

SCENARIOS = ("nic-crash-bare", "nic-crash-iommu", "nic-crash-restart")


@pytest.fixture(scope="module")
def judged() -> list[tuple[Verdict, ...]]:
    plans = [resolved(name).plan for name in SCENARIOS]
    return [check(run(plan, Seeded(seed))) for seed in range(6) for plan in plans]


def test_a_tally_of_runs_says_what_combining_their_verdicts_says(
    judged: list[tuple[Verdict, ...]],
) -> None:
    tally = Tally()
    for verdicts in judged:
        tally.add(verdicts)
    assert tally.verdicts() == tuple(map(combined, zip(*judged, strict=True)))
    assert tally.runs == len(judged)
    assert 0 < tally.violated < len(judged)


@pytest.mark.parametrize("cut", [0, 1, 7, 18])
def test_it_does_not_matter_whether_runs_are_counted_in_parts(
    judged: list[tuple[Verdict, ...]], cut: int
) -> None:
    whole, first, second = Tally(), Tally(), Tally()
    for number, verdicts in enumerate(judged):
        whole.add(verdicts)
        (first if number < cut else second).add(verdicts)
    first.absorb(msgspec.msgpack.decode(msgspec.msgpack.encode(second), type=Tally))
    assert first.runs == whole.runs
    assert first.violated == whole.violated
    parts = {verdict.property: verdict for verdict in first.verdicts()}
    assert parts == {verdict.property: verdict for verdict in whole.verdicts()}


def test_dice_without_bytes_fall_on_the_plainest_side() -> None:
    draws = ByteDraws(b"")
    assert (draws.below(6), draws.pick("abc"), draws.happens(), draws.within(3, 9)) == (
        0,
        "a",
        False,
        3,
    )


def test_dice_reach_every_side_and_both_ends() -> None:
    assert {ByteDraws(bytes([byte])).below(6) for byte in range(256)} == set(range(6))
    assert ByteDraws(b"\xff\xff").below(65_536) == 65_535
    found = {ByteDraws(bytes([side, 99, 99])).within(10, 1_000) for side in range(256)}
    assert {10, 1_000} < found
    assert len(found) > 2
