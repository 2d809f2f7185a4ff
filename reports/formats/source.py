"""The input of a writer of a format: a header and records, from memory or from a file."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from ...model.trace.events import Header, Record
from ...properties.core.verdict import Judgement


class TraceSource(Protocol):
    """A trace whose records can be gone through more than once; `Trace` and `TraceFile` are."""

    @property
    def header(self) -> Header:
        """What must be known besides the records."""
        ...

    @property
    def records(self) -> Iterable[Record]:
        """The records, from the first on at each reading."""
        ...

    @property
    def causes(self) -> Iterable[int]:
        """The cause of each record, likewise."""
        ...


class Flag(NamedTuple):
    """A violation as a mark on the time line.

    Attributes:
        record: Index of the record that shows it.
        at_ns: Its instant.
        property: Name of the violated property.
        message: A sentence.
    """

    record: int
    at_ns: int
    property: str
    message: str


def flags_of(judgement: Judgement | None) -> list[Flag]:
    """Return the violations of a judgement in the order of the trace."""
    if judgement is None:
        return []
    flags = [
        Flag(each.index, each.at_ns, verdict.property, each.message)
        for verdict in judgement.verdicts
        for each in verdict.violations
    ]
    return sorted(flags)
