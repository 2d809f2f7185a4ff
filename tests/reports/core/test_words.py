"""Numbers and names in reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quiesce.model.base.clock import parse_ns
from quiesce.reports.core.words import EXACT, about_ns, printable, shortened, squeezed


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0ns"),
        (999, "999ns"),
        (1_000, "1us"),
        (312_000, "312us"),
        (1_234_567, "1.234ms"),
        (9_999_999_999, "9.999s"),
        (12_345_678_900_000, "12340s"),
    ],
)
def test_four_digits_are_enough_and_never_too_late(value_ns: int, text: str) -> None:
    assert about_ns(value_ns) == text


@given(st.integers(0, 10**15))
def test_with_all_digits_nothing_is_lost(value_ns: int) -> None:
    assert parse_ns(about_ns(value_ns, EXACT)) == value_ns


@given(st.integers(0, 10**15))
def test_rounding_goes_down(value_ns: int) -> None:
    assert 0 <= value_ns - parse_ns(about_ns(value_ns)) <= value_ns // 1000


def test_control_characters_and_line_ends_are_replaced() -> None:
    assert printable("a\x1b[31m\nb\x00µ") == "a?[31m?b?µ"


def test_a_long_name_is_cut_with_an_ellipsis() -> None:
    assert shortened("quiesce-eth0", 8) == "quiesce…"
    assert shortened("eth0", 4) == "eth0"


def test_names_that_begin_and_end_alike_stay_apart_when_squeezed() -> None:
    names = ["qvm178.virtio-net_qvm178", "qvm178.virtio-blk_qvm178"]
    squeezed_names = [squeezed(name, 20) for name in names]
    assert all(len(name) == 20 for name in squeezed_names)
    assert squeezed("short", 20) == "short"
    assert squeezed("abcdef", 1) == "…"
