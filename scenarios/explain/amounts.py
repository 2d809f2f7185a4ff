"""Finds how much of something is enough, when more of it is never worse."""

from collections.abc import Callable

__all__ = ["least_enough", "round_up"]

_PRECISION = 16
"""The least amount is found to within one part in so many."""


def least_enough(is_enough: Callable[[int], bool], most: int) -> int:
    """Return an amount that is enough, at most one part in 16 above the least.

    Args:
        is_enough: Whether an amount is; true of `most`, and of all above one that is.
        most: The greatest amount, at least 1.

    Example:
        >>> 1000 <= least_enough(lambda amount: amount >= 1000, 60_000_000_000) <= 1063
        True
    """
    too_little, enough = _between_powers(is_enough, most)
    while enough - too_little > max(enough // _PRECISION, 1):
        middle = (too_little + enough) // 2
        if is_enough(middle):
            enough = middle
        else:
            too_little = middle
    return enough


def _between_powers(is_enough: Callable[[int], bool], most: int) -> tuple[int, int]:
    """Return a power of two that is too little (or 0), and the next that is enough (or `most`)."""
    low, high = -1, most.bit_length()
    # Invariant: 1 << low is too little, and min(1 << high, most) is enough.
    while high - low > 1:
        middle = (low + high) // 2
        if is_enough(1 << middle):
            high = middle
        else:
            low = middle
    return (0 if low < 0 else 1 << low), min(1 << high, most)


def round_up(amount: int) -> int:
    """Return the next number of the form 1, 2 or 5 times a power of ten.

    Example:
        >>> round_up(1), round_up(21), round_up(300), round_up(501)
        (1, 50, 500, 1000)
    """
    scale = 1
    while 10 * scale < amount:
        scale *= 10
    return next(step * scale for step in (1, 2, 5, 10) if step * scale >= amount)
