"""Says in one sentence why a run went wrong.

The sentence consists of clauses, and records back each clause:

- which component acted, and for which epoch;
- what led to the act;
- which steps that should have stopped it did not happen.

The sentence claims nothing that the trace does not show. For a violation of an unknown kind it
gives the message of the property.
"""

from ...model.trace import events
from ...model.trace.events import Trace
from ...properties.core.verdict import Judgement, Violation
from ..core.clauses import Clause, RecordTimes, joined
from ..core.findings import READS, WRITES, Finding, findings_of
from .why_irq import interrupt_clauses, interrupt_deed
from .why_write import write_clauses

__all__ = ["clauses_of", "sentence", "why"]


def why(trace: Trace, judgement: Judgement) -> str:
    """Return in one sentence why the worst violation could happen; empty without a violation.

    If a device does not work for its next owner, an interrupt may have been left behind for it. A
    second sentence then names that interrupt.
    """
    found = findings_of(trace, judgement)
    if not found:
        return ""
    violation = found[0].first
    if not 0 <= violation.index < len(trace.records):
        return _sentence(violation.message, "")
    parts = sentence(clauses_of(trace, violation))
    left = _left_behind(trace, found) if _NEXT_OWNER in found[0].names else None
    return f"{parts} {sentence(clauses_of(trace, left))}" if left is not None else parts


_NEXT_OWNER = "next-owner-works"


def _left_behind(trace: Trace, found: list[Finding]) -> Violation | None:
    """Return the interrupt of a device that was taken late, if the device does not work later."""
    device = found[0].first.data.get("device", "")
    for finding in found[1:]:
        index = finding.first.index
        if not 0 <= index < len(trace.records):
            continue
        is_taken = isinstance(trace.records[index].event, events.IrqTaken)
        if is_taken and interrupt_deed(RecordTimes(trace), index).actor == device:
            return finding.first
    return None


def clauses_of(trace: Trace, violation: Violation) -> tuple[Clause, ...]:
    """Return the clauses about a violation, whose record must be in the trace."""
    times = RecordTimes(trace)
    event = trace.records[violation.index].event
    if isinstance(event, (*WRITES, *READS)):
        return tuple(write_clauses(times, violation.index))
    if isinstance(event, events.IrqTaken):
        return tuple(interrupt_clauses(times, violation.index))
    return (
        Clause("said", violation.message, (violation.index,)),
        *_unfinished(times, violation.index),
    )


def sentence(clauses: tuple[Clause, ...]) -> str:
    """Return clauses as one sentence with a full stop."""
    name = str(clauses[0].about.get("device", "")) if clauses else ""
    return _sentence(joined(clauses), name)


def _unfinished(times: RecordTimes, index: int) -> list[Clause]:
    """Return the quiesce step that was still running; empty if none was."""
    running: dict[tuple[str, int, str], int] = {}
    for at, record in enumerate(times.records[: index + 1]):
        event = record.event
        if isinstance(event, events.QuiesceStepBegun):
            running[event.device, event.epoch, event.step] = at
        elif isinstance(event, events.QuiesceStepEnded):
            running.pop((event.device, event.epoch, event.step), None)
    if not running:
        return []
    (device, epoch, step), since = min(running.items(), key=lambda item: item[1])
    text = f"the quiesce step {step} of {device} had been running since {times.at(since)}"
    about: dict[str, str | int] = {"device": device, "epoch": epoch, "step": step}
    return [Clause("still-running", text, (since, index), about)]


_COMMON = ("the", "its", "no", "a", "it")
"""The first words that begin with a capital letter; a name keeps its case."""


def _sentence(text: str, name: str) -> str:
    first = text.split(" ", 1)[0]
    is_name = (name and first == name) or first not in _COMMON
    return f"{text if is_name else text[:1].upper() + text[1:]}."
