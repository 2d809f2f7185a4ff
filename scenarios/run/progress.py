"""How a use case says how far it has come, without knowing a terminal."""

from collections.abc import Callable

__all__ = ["TellProgress", "tell_nothing"]

TellProgress = Callable[[str], None]
"""Called with one line on how far a search has come; with an empty line when it has ended."""


def tell_nothing(_line: str) -> None:
    """Drop the line."""
