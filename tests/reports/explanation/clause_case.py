"""A clause with the trace that it is checked against, and what all checks of clauses share."""

from collections.abc import Iterator

from quiesce.model.trace import events as ev
from quiesce.model.trace.events import Record, Trace
from quiesce.properties.core.verdict import Violation
from quiesce.reports.core.clauses import Clause

LOOKS = ("await", "confirm", "read-back", "settle")
MASKS = ("mask-", "disable-messages", "disable-line", "disable-interrupts", "disable-events")


class Case:
    """A clause with what it is checked against."""

    def __init__(self, trace: Trace, violation: Violation, clause: Clause) -> None:
        self.trace = trace
        self.records = trace.records
        self.clause = clause
        self.violation = violation
        self.end = violation.index
        self.device = clause.about.get("device", "")
        self.epoch = clause.about.get("epoch", -1)
        self.causes = set(trace.causes_of(violation.index))

    def event(self, place: int) -> ev.AnyEvent:
        return self.records[self.clause.records[place]].event

    def at(self, place: int) -> Record:
        return self.records[self.clause.records[place]]

    def between(self, first: int, last: int) -> Iterator[ev.AnyEvent]:
        """Give the events strictly between two records."""
        for record in self.records[first + 1 : last]:
            yield record.event

    def is_own(self, event: ev.AnyEvent) -> bool:
        """Return whether an event is of the device and epoch that the clause speaks of."""
        fields = ("device", "master", "writer", "reader", "server")
        names = {getattr(event, field) for field in fields if hasattr(event, field)}
        # Steps name a vdev without its VM, its writes with it.
        named = {str(self.device), str(self.device).split(".", 1)[-1]}
        return bool(names) and names <= named and getattr(event, "epoch", self.epoch) == self.epoch


def wrong(case: Case, *claims: tuple[bool, str]) -> Iterator[str]:
    for is_true, words in claims:
        if not is_true:
            yield f"{words}: {case.clause.text!r} on {case.clause.records}"


def steps_of(case: Case, before: int) -> list[ev.QuiesceStepBegun]:
    return [
        record.event
        for record in case.records[: min(before, case.end)]
        if isinstance(record.event, ev.QuiesceStepBegun) and case.is_own(record.event)
    ]
