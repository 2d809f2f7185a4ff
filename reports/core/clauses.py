"""Clauses: the parts of a sentence that says why a run went wrong, each with its records."""

from collections.abc import Iterable

import msgspec

from ...model.trace.events import Trace
from .words import EXACT, about_ns

__all__ = ["Clause", "RecordTimes", "joined"]


class Clause(msgspec.Struct, frozen=True):
    """A part of a sentence, with the records that back it.

    A clause without records cannot be made. A clause that denies an event rests on the records
    between which it did not happen.

    Attributes:
        kind: What the clause says; a checker derives from it what the records must show.
        text: The words.
        records: Indices in the trace.
        about: Names and numbers that the words name: `device`, `epoch`, `frame`, `intid`, ...
        lead: What stands between this clause and the one before.
    """

    kind: str
    text: str
    records: tuple[int, ...]
    about: dict[str, str | int] = {}
    lead: str = "; "

    def __post_init__(self) -> None:
        assert self.records, f"nothing backs {self.text!r}"
        assert min(self.records) >= 0, self.records


def joined(clauses: Iterable[Clause]) -> str:
    """Return the clauses as the beginning of a sentence, without a full stop."""
    text = ""
    for clause in clauses:
        text += f"{clause.lead if text else ''}{clause.text}"
    return text


class RecordTimes:
    """Gives instants and distances of records in words.

    Args:
        trace: The trace with the records.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.records = trace.records

    def at(self, index: int) -> str:
        """Return the instant of a record."""
        return about_ns(self.records[index].at_ns, EXACT)

    def between(self, earlier: int, later: int) -> str:
        """Return how long after one record another came."""
        return about_ns(self.records[later].at_ns - self.records[earlier].at_ns, EXACT)

    def is_tie(self, one: int, other: int) -> bool:
        """Return whether two records are of the same instant."""
        return self.records[one].at_ns == self.records[other].at_ns

    def end_of_instant(self, index: int) -> int:
        """Return the index of the first record that is later than a record's instant."""
        at_ns = self.records[index].at_ns
        while index < len(self.records) and self.records[index].at_ns == at_ns:
            index += 1
        return index
