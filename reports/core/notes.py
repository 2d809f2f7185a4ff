"""Notes on a run that its verdicts do not show: causes of an end that changed nothing."""

from ...model.trace.events import EndNotObeyed, Trace
from .event_words import in_words
from .words import EXACT, about_ns

__all__ = ["notes_of"]


def notes_of(trace: Trace) -> tuple[str, ...]:
    """Return one sentence for each cause of an end that came and changed nothing."""
    return tuple(
        f"{in_words(record.event)}, at {about_ns(record.at_ns, EXACT)}"
        for record in trace.records
        if isinstance(record.event, EndNotObeyed)
    )
