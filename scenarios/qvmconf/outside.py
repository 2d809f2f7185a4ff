"""What a configuration gets from outside its files: values for placeholders, standard input.

Both belong to one call of the command line, which sets them before it reads a configuration.
"""

import functools
import sys
from collections.abc import Mapping
from contextvars import ContextVar

STANDARD_INPUT = "-"
"""The file name that stands for standard input."""

STANDARD_INPUT_TITLE = "<stdin>"
"""What places call standard input."""

_definitions: ContextVar[Mapping[str, str] | None] = ContextVar("definitions", default=None)


def start_of_call() -> None:
    """Forget what an earlier call of the command line has defined or read."""
    _definitions.set(None)
    standard_input.cache_clear()


def define(values: Mapping[str, str]) -> None:
    """Give placeholders of templates their values."""
    _definitions.set(dict(values))


def defined() -> Mapping[str, str]:
    """Return the values of placeholders by their names."""
    return _definitions.get() or {}


@functools.cache
def standard_input(limit: int) -> bytes:
    """Return standard input up to one byte more than `limit`; a second reader gets the same."""
    return sys.stdin.buffer.read(limit + 1)
