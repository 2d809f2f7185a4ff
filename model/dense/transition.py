"""What a search learns of a model: transitions between its states, as plain data.

A search explores a model in *parts*: its components, each with the pending delays of its own
processes, and the monitors that judge it.  Or it explores the whole model as one part.  The
`fingerprint` of a part is a small number that stands for its state; equal numbers mean equal
states.  A state of the model is the tuple of the fingerprints of all parts.  A pending delay is
known by its part and its position there.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, Protocol

from ..trace.events import Record
from .step import Mark, PartAfter, Pick, Step

State = tuple[int, ...]
"""The number of the fingerprint of each part."""


class Transition(NamedTuple):
    """What the end of one delay does to a model, for one set of answers to the questions asked.

    Attributes:
        picks: Those answers.
        after: The parts that it enters, as it leaves them.
        open_fingerprint: The fingerprint of the one part if the instant goes on; -1 if nothing
            depends on that.
        marks: What has happened, for observers of the search.
        hurried: (claim, message) of claims that it breaks in any case.
        faults: (claim, message) of claims that it breaks if nothing more happens at its instant.
        tested: Claims that have been put to the test by then.
        endings: (claim, word, reason) of claims that do not hold if nothing more happens at all.
        is_last: Whether the run ends with it.
        label: Of the delay that ended.
        step: End of a path that ends with it.
    """

    picks: tuple[Pick, ...]
    after: tuple[PartAfter, ...]
    open_fingerprint: int
    marks: tuple[Mark, ...]
    hurried: tuple[tuple[str, str], ...]
    faults: tuple[tuple[str, str], ...]
    tested: frozenset[str]
    endings: tuple[tuple[str, str, str], ...]
    is_last: bool
    label: str
    step: Step


class Monitor(Protocol):
    """Judges one run of a model.

    Attributes:
        name: Of the part that it is, in a model explored in parts.
    """

    name: str

    def reads(self, record: Record) -> bool:
        """Return whether the record matters to it; free of side effects and of its own state."""
        ...

    def step(self, index: int, record: Record) -> None:
        """Read a record that matters."""
        ...

    def settle(self) -> None:
        """Judge the instant that is over."""
        ...

    def key(self) -> Hashable:
        """Return what later faults depend on, free of times."""
        ...

    def open_key(self) -> Hashable | None:
        """Return what waits for the end of the present instant, or None if nothing does."""
        ...

    def broken(self) -> tuple[tuple[str, str], ...]:
        """Return (claim, message) of what was broken since this was last asked."""
        ...

    def tested(self) -> frozenset[str]:
        """Return the claims that have been put to the test so far."""
        ...

    def copy(self) -> "Monitor":
        """Return an equal one that goes its own way."""
        ...

    def endings(self) -> tuple[tuple[str, str, str], ...]:
        """Return (claim, word, reason) of what is not well when no more records follow."""
        ...


MakeMonitor = Callable[[], Monitor]
MarksOf = Callable[[Record], Iterable[Mark]]
"""What a record means to the observers of a search; depends on the record alone."""
