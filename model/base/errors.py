"""The errors that reach the user, each with place, word and remedy.

There are three families:

- bad input (`InputError` and its kinds);
- a replay that does not fit its scenario (`ReplayMismatch`);
- a limit that the run has reached (`BoundHit`).

A modelled fault is never an exception but an event of the trace; a bug of ours is a failed
assertion.

Invariant: every class hands all its arguments to `super().__init__` and builds its text in
`__str__`.  SimPy rebuilds a failed event's exception from its class and arguments.
"""

import difflib
from collections.abc import Iterable

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A position in a text file; line and column count from 1, and 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Give `file:line:column` as far as it is known."""
        if self.line == 0:
            return self.file
        if self.column == 0:
            return f"{self.file}:{self.line}"
        return f"{self.file}:{self.line}:{self.column}"


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with an input.

    Attributes:
        place: Where it stands.
        message: What stands there and what was expected, as a clause without a full stop.
        word: The offending word as written; empty where no single word is wrong.
        remedy: What the user can do, as an imperative; empty where the message says it.
    """

    place: Place
    message: str
    word: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        """Give the problem on one line: place, message, remedy."""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.place}: {self.message}{remedy}"


class QuiesceError(Exception):
    """The base of every error that quiesce raises on purpose."""


class InternalError(QuiesceError):
    """A result that must not be trusted: a bug of quiesce and no fault of the user."""


class InputError(QuiesceError):
    """An input that cannot be used, with all its problems and not only the first.

    Args:
        problems: At least one, in the order in which they stand in the input.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        assert self.problems, "an input error names at least one problem"
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Give one line per problem."""
        return "\n".join(str(problem) for problem in self.problems)


class ConfigError(InputError):
    """A `qvm` configuration that cannot be used."""


class ScenarioError(InputError):
    """A scenario file that cannot be used."""


class NothingToJudge(InputError):
    """An input in order in which the model has nothing to put to the test."""


class TraceFormatError(InputError):
    """A trace or replay file that is damaged or of another version."""


class ReplayMismatch(QuiesceError):
    """A replay whose recorded choices do not fit the run.

    Args:
        position: Index of the first choice in which the two differ, from 0.
        recorded: What the replay file has there, in words.
        asked: What the run asked for, in words.
    """

    def __init__(self, position: int, recorded: str, asked: str) -> None:
        self.position = position
        self.recorded = recorded
        self.asked = asked
        super().__init__(position, recorded, asked)

    def __str__(self) -> str:
        """Give both sides, and the usual cause."""
        return (
            f"choice {self.position} of the replay is {self.recorded}, but the run asks for "
            f"{self.asked}; the scenario or the model has changed since it was recorded"
        )


class BoundHit(QuiesceError):
    """A run has passed a bound; its result must not be used.

    Args:
        bound: Name of the bound.
        limit: Its value.
        remedy: What the user can do.
        process: Which process of the model does not end, in words; empty if none is known.
    """

    def __init__(self, bound: str, limit: int, remedy: str, process: str = "") -> None:
        self.bound = bound
        self.limit = limit
        self.remedy = remedy
        self.process = process
        super().__init__(bound, limit, remedy, process)

    def __str__(self) -> str:
        """Give the bound, what does not end, and the remedy."""
        hit = f"the run hit its bound of {self.limit} {self.bound}"
        return "; ".join(filter(None, (hit, self.process, self.remedy)))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return the allowed word that looks most like `word`, or an empty string if none does.

    Example:
        >>> nearest("virtio-blck", ["virtio-blk", "virtio-net", "shmem"])
        'virtio-blk'
    """
    lowered = {candidate.lower(): candidate for candidate in allowed}
    close = difflib.get_close_matches(word.lower(), sorted(lowered), n=1, cutoff=0.6)
    return lowered[close[0]] if close else ""
