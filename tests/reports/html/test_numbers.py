"""Numbers and columns survive the way into the page and back."""

import json

from hypothesis import given
from hypothesis import strategies as st

from quiesce.reports.html.numbers import (
    EXACT_MAX,
    column,
    deltas,
    of_column,
    packed,
    summed,
    unpacked,
)

WHOLE = st.integers(-(1 << 70), 1 << 70)
FIELDS = st.one_of(WHOLE, st.booleans(), st.tuples(WHOLE, WHOLE), st.tuples(st.tuples(WHOLE)))


@given(FIELDS)
def test_a_field_survives(value: object) -> None:
    text = json.dumps(packed(value))
    back = unpacked(json.loads(text))
    assert json.dumps(back) == json.dumps(value)


def test_a_number_that_javascript_would_round_stands_as_digits() -> None:
    assert packed(EXACT_MAX) == EXACT_MAX
    assert packed(EXACT_MAX + 1) == [str(EXACT_MAX + 1)]


@given(st.lists(WHOLE))
def test_a_rising_list_survives_as_steps(values: list[int]) -> None:
    assert summed(json.loads(json.dumps(deltas(values)))) == values


@given(st.one_of(st.lists(st.text()), st.lists(WHOLE), st.lists(st.booleans())))
def test_a_column_survives(values: list[object]) -> None:
    back = of_column(json.loads(json.dumps(column(values))))
    assert back == values
    assert list(map(type, back)) == list(map(type, values))


def test_equal_fields_are_written_once() -> None:
    assert column([7] * 1000) == {"same": 7, "count": 1000}
    assert column([1, True]) == [1, True]
    assert column(["a", "b", "a"]) == {"words": ["a", "b"], "at": [0, 1, 0]}
