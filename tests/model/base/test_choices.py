"""Choices: who decides, what is remembered, and how a recording finds its way back."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.base.choices import (
    AdaptedReplay,
    ChoicePoint,
    Choices,
    Drawn,
    Earliest,
    Latest,
    Nominal,
    Replay,
    Seeded,
    Varied,
)
from quiesce.model.base.errors import ReplayMismatch

EVERY_KIND: list[Callable[[], Choices]] = [
    Nominal,
    Earliest,
    Latest,
    lambda: Seeded(7),
    lambda: Drawn(lambda bound, _: bound // 3),
]


def questions(choices: Choices) -> list[object]:
    """Ask a little of everything."""
    return [
        choices.between(100, 1_000, "eth0.write"),
        choices.pick(("deny", "stale"), "smmuman.client-death"),
        choices.below(5, "kernel.tie"),
        choices.happens("fault"),
        choices.between(7, 7, "fixed"),
        choices.below(1, "only-one"),
    ]


@pytest.mark.parametrize("make", EVERY_KIND)
def test_every_kind_answers_in_bounds_and_logs_only_real_choices(
    make: Callable[[], Choices],
) -> None:
    choices = make()
    questions(choices)
    labels = [label for label, _, _ in choices.log]
    assert labels == ["eth0.write", "smmuman.client-death", "kernel.tie", "fault"]
    assert all(0 <= value < bound for _, bound, value in choices.log)


@pytest.mark.parametrize("make", EVERY_KIND)
def test_a_replay_gives_the_same_answers(make: Callable[[], Choices]) -> None:
    first = make()
    answers = questions(first)
    again = Replay(first.log)
    assert questions(again) == answers
    assert again.log == first.log
    again.finish()


def test_nominal_takes_the_middle_of_spans_and_the_default_of_options() -> None:
    assert questions(Nominal()) == [550, "deny", 0, False, 7, 0]


def test_earliest_and_latest_take_the_ends() -> None:
    assert questions(Earliest())[0] == 100
    assert questions(Latest())[0] == 1_000
    assert questions(Latest())[1] == "deny", "an end of a span says nothing about options"


def test_the_same_seed_agrees_and_another_differs() -> None:
    def many(seed: int) -> list[int]:
        choices = Seeded(seed)
        return [choices.between(0, 10**9, "x") for _ in range(20)]

    assert many(1) == many(1)
    assert many(1) != many(2)


def test_a_seeded_delay_takes_both_ends_often() -> None:
    choices = Seeded(3)
    drawn = [choices.between(0, 10**9, "x") for _ in range(400)]
    assert drawn.count(0) > 20
    assert drawn.count(10**9) > 20


@pytest.mark.parametrize(
    ("recorded", "recorded_words"),
    [
        ([("other", 901, 3)], "'other' below 901 with answer 3"),
        ([("eth0.write", 900, 3)], "'eth0.write' below 900 with answer 3"),
        ([("eth0.write", 901, 901)], "'eth0.write' below 901 with answer 901"),
        ([], "already over"),
    ],
)
def test_a_replay_that_does_not_fit_says_both_sides(
    recorded: list[ChoicePoint], recorded_words: str
) -> None:
    with pytest.raises(ReplayMismatch) as caught:
        Replay(recorded).between(100, 1_000, "eth0.write")
    assert recorded_words in str(caught.value)
    assert "asks for 'eth0.write' below 901" in str(caught.value)


def test_a_replay_that_is_not_used_up_is_a_mismatch() -> None:
    with pytest.raises(ReplayMismatch, match="nothing more"):
        Replay([("late", 2, 1)]).finish()


@given(st.data())
def test_drawn_choices_replay(data: st.DataObject) -> None:
    drawn = Drawn(lambda bound, label: data.draw(st.integers(0, bound - 1), label))
    answers = questions(drawn)
    assert questions(Replay(drawn.log)) == answers


def test_a_run_that_is_told_once_more_keeps_each_labels_answers_in_order() -> None:
    choices = AdaptedReplay([("a", 10, 3), ("b", 5, 4), ("a", 10, 7)])
    assert choices.between(0, 4, "b") == 4
    assert [choices.between(100, 109, "a") for _ in range(4)] == [103, 107, 107, 107]
    assert choices.between(0, 8, "new") == 4
    assert choices.pick(("default", "other"), "question") == "default"


def test_a_delay_of_another_length_takes_the_same_share_of_it() -> None:
    choices = AdaptedReplay([("a", 11, 10), ("b", 11, 0), ("c", 11, 5)])
    assert choices.between(0, 100, "a") == 100
    assert choices.between(0, 100, "b") == 0
    assert choices.between(0, 100, "c") == 50


def test_an_option_that_is_gone_becomes_the_last_there_is() -> None:
    choices = AdaptedReplay([("order", 3, 2)])
    assert choices.pick(("x", "y"), "order") == "y"


def test_a_varied_run_draws_some_labels_anew_and_retells_the_rest() -> None:
    labels = [f"label{number}" for number in range(60)]
    log = [(label, 1_001, 500) for label in labels for _ in range(3)]
    varied = Varied(log, seed=4)
    answers = {label: {varied.between(0, 1_000, label) for _ in range(3)} for label in labels}
    repeated = [label for label in labels if answers[label] == {500}]
    assert 30 < len(repeated) < 55
    again = Varied(log, seed=4)
    assert all(
        {again.between(0, 1_000, label) for _ in range(3)} == answers[label] for label in answers
    )
    assert len(varied.log) == 180
