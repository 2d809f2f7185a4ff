"""Symbolic durations: what holds for all their values at once."""

import operator
from collections.abc import Callable

import pytest

from quiesce.model.base.clock import Span
from quiesce.model.base.symbolic_duration import (
    SymbolicDuration,
    SymbolicDurationError,
    divided_up,
    name_of,
    settled,
)

EXIT = SymbolicDuration("vm_exit", 200, 3_000)


def test_products_and_quotients_are_those_of_the_value() -> None:
    for value_ns in (200, 201, 2_999, 3_000):
        assert (EXIT * 3).at(value_ns) == value_ns * 3
        assert (7 * EXIT // 256).at(value_ns) == value_ns * 7 // 256
        assert (EXIT // 3 // 5).at(value_ns) == value_ns // 3 // 5


def test_a_span_may_have_an_open_end() -> None:
    span = Span(100, EXIT)  # type: ignore[arg-type]  # that is what is tested
    assert settled(span.hi_ns, {"vm_exit": 500}) == 500
    assert settled(span.lo_ns, {"vm_exit": 500}) == 100
    assert (name_of(span.hi_ns), name_of(span.lo_ns)) == ("vm_exit", "")


@pytest.mark.parametrize("compare", [operator.le, operator.lt, operator.ge, operator.gt])
@pytest.mark.parametrize("other", [0, 199, 200, 201, 2_999, 3_000, 3_001])
def test_a_comparison_is_answered_where_it_is_the_same_for_all_values(
    compare: Callable[[object, object], bool], other: int
) -> None:
    answers = {compare(value_ns, other) for value_ns in range(200, 3_001)}
    if len(answers) == 1:
        assert compare(EXIT, other) == answers.pop()
    else:
        with pytest.raises(SymbolicDurationError, match="vm_exit"):
            compare(EXIT, other)


@pytest.mark.parametrize(
    "use",
    [
        lambda: EXIT + 1,
        lambda: 1 - EXIT,
        lambda: EXIT * -1,
        lambda: EXIT * EXIT,  # type: ignore[operator]  # that is what is tested
        lambda: (EXIT // 2) * 2 // 2,
        lambda: EXIT % 7,
        lambda: int(EXIT),
        lambda: list(range(EXIT)),
        lambda: bool(SymbolicDuration("wait", 0, 5)),
    ],
)
def test_any_other_use_is_an_error(use: Callable[[], object]) -> None:
    with pytest.raises(SymbolicDurationError, match="race between delays"):
        use()


@pytest.mark.parametrize("value_ns", [200, 255, 256, 257, 3_000])
def test_a_part_is_rounded_up_and_taken_several_times(value_ns: int) -> None:
    share = divided_up(EXIT, 256) * 3  # type: ignore[arg-type]  # a model takes it for a number
    assert settled(share, {"vm_exit": value_ns}) == divided_up(value_ns, 256) * 3
    assert divided_up(value_ns, 256) == (value_ns + 255) // 256
