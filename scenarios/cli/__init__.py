"""The command line.

`main` is the entry point: the program `quiesce` of an installation calls it by this place.
"""

from .entry import main

__all__ = ["main"]
