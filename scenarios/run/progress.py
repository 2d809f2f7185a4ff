"""How a use case reports its progress, without knowing a terminal."""

from collections.abc import Callable

__all__ = ["ReportProgress", "report_nothing"]

ReportProgress = Callable[[str], None]
"""Called with one line on how far a search has come; with an empty line when it has ended."""


def report_nothing(_line: str) -> None:
    """Report nothing."""
