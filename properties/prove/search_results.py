"""What a search through dense time finds, and how far it has come."""

from collections.abc import Callable
from typing import NamedTuple

from .symbolic_state import Predecessor


class Reading(NamedTuple):
    """An extreme of a distance.

    Attributes:
        ns: How long.
        by: The event that reads it.
        observer: Number of the observer that reads it.
    """

    ns: int
    by: Predecessor
    observer: int = 1


class Extremes(NamedTuple):
    """The exact bounds of a distance."""

    least: Reading
    greatest: Reading


class Broken(NamedTuple):
    """A claim that is broken at the end of a path.

    Attributes:
        claim: Its name.
        message: What was found.
        by: The last event of the path.
        distance_ns: What is measured must be so long there; None for anything.
    """

    claim: str
    message: str
    by: Predecessor
    distance_ns: int | None = None


class Progress(NamedTuple):
    """How far a search has come."""

    classes: int
    frontier: int
    depth: int
    elapsed_s: float


Tell = Callable[[Progress], None]
