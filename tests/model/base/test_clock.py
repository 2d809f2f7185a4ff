"""Durations: what people write and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.base.clock import Span, TimeFormatError, exactly, format_ns, parse_ns, parse_span


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("0ns", 0),
        ("250ns", 250),
        ("1.5us", 1_500),
        ("2µs", 2_000),
        ("10 ms", 10_000_000),
        ("0.001s", 1_000_000),
    ],
)
def test_a_duration_with_a_unit_is_read_exactly(text: str, expected_ns: int) -> None:
    assert parse_ns(text) == expected_ns


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("250", "a unit is missing"),
        ("", "not a duration"),
        ("-5ns", "not a duration"),
        ("5 parsecs", "'parsecs' is not one of"),
        ("0.5ns", "not a whole number of nanoseconds"),
        ("1e3ns", "not a duration"),
        ("80000000s", "longer than two years"),
    ],
)
def test_a_duration_that_cannot_be_read_says_why_and_how(text: str, reason: str) -> None:
    with pytest.raises(TimeFormatError) as caught:
        parse_ns(text)
    assert reason in str(caught.value)
    assert "write it like" in str(caught.value)


def test_a_span_has_two_ends_in_order() -> None:
    assert parse_span("100ns..1us") == Span(100, 1_000)
    assert parse_span("5us") == exactly(5_000)
    with pytest.raises(TimeFormatError, match="later than the second"):
        parse_span("1us..100ns")
    with pytest.raises(TimeFormatError, match="two ends"):
        parse_span("1us..2us..3us")


@given(st.integers(0, 10**15))
def test_a_formatted_duration_reads_back_equal(value_ns: int) -> None:
    assert parse_ns(format_ns(value_ns)) == value_ns


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_formatted_span_reads_back_equal(lo_ns: int, width_ns: int) -> None:
    span = Span(lo_ns, lo_ns + width_ns)
    assert parse_span(str(span)) == span
    assert span.lo_ns <= span.nominal_ns <= span.hi_ns
