"""Names the process that keeps a run going that does not end.

The kernel gives up a run that hits its bound of events.  A `Watch` looks at the last events: which
process each resumes, and whether a delay of its own or another process has woken it.  A process
that never waits for another one keeps the others going, so the message names it.  Where every
process waits for another one, the message names the busiest.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from simpy.events import Event, Initialize, Process

from ..base.errors import BoundHit
from ..plan.system_plan import SystemPlan
from ..trace.events import Record, TerminationBegun

__all__ = ["WATCHED_EVENTS", "Watch", "with_missing_ends"]

WATCHED_EVENTS = 2_000
"""How many of the last events before the bound are watched."""

_LABELS_SHOWN = 3
"""How many of the most frequent delays the message names."""

_ROOT = f"{Path(__file__).resolve().parents[2]}/"


class _Body(NamedTuple):
    """A process in words: its component and the function that it runs."""

    owner: str
    function: str


class Watch:
    """Counts which processes the events of a run resume, and which delays end."""

    def __init__(self) -> None:
        self._resumed: Counter[_Body] = Counter()
        self._woken_by_others: Counter[_Body] = Counter()
        self._places: dict[_Body, Counter[str]] = {}
        self._labels: Counter[str] = Counter()
        self._events = 0

    def note(self, event: Event) -> None:
        """Count an event that is about to be processed."""
        self._events += 1
        label = getattr(event, "label", "")
        if label:
            self._labels[label] += 1
        for callback in event.callbacks or ():
            process = getattr(callback, "__self__", None)
            if isinstance(process, Process) and process.is_alive:
                body = _body(process)
                self._resumed[body] += 1
                self._places.setdefault(body, Counter())[_place(process)] += 1
                if not _ends_a_delay(event):
                    self._woken_by_others[body] += 1

    def sentence(self) -> str:
        """Return which process does not end, where its code waits, and the busiest delays."""
        if not self._resumed:
            return ""
        # A process that only its own delays wake needs no other process in order to go on.
        alone = [body for body in self._resumed if not self._woken_by_others[body]]
        body = max(alone or self._resumed, key=lambda each: self._resumed[each])
        ((place, _),) = self._places[body].most_common(1)
        text = (
            f"{body.owner} goes on without end in {body.function} ({place}), "
            f"{self._resumed[body]} of the last {self._events} events"
        )
        busiest = ", ".join(
            f"{label} ({count})" for label, count in self._labels.most_common(_LABELS_SHOWN)
        )
        return f"{text}; most frequent delays: {busiest or 'none, all at one instant'}"


def _body(process: Process) -> _Body:
    generator: Any = process._generator  # noqa: SLF001 - SimPy has no public name for it
    frame = generator.gi_frame
    owner = getattr(frame.f_locals.get("self"), "name", "")
    return _Body(owner or "a process", generator.__qualname__)


def _place(process: Process) -> str:
    """Return file and line at which a process waits, in the innermost function that it is in."""
    inner: Any = process._generator  # noqa: SLF001 - as above
    while inner.gi_yieldfrom is not None:
        inner = inner.gi_yieldfrom
    return f"{_short(inner.gi_code.co_filename)}:{inner.gi_frame.f_lineno}"


def _short(file: str) -> str:
    """Return the path of a source file inside the project, or its last parts."""
    if file.startswith(_ROOT):
        return file[len(_ROOT) :]
    return "/".join(file.split("/")[-2:])


def _ends_a_delay(event: Event) -> bool:
    """Return whether a delay ends here, alone or as the first of several events.

    The beginning of a process counts as one: no other process needs to go on for it.
    """
    if hasattr(event, "label") or isinstance(event, Initialize):
        return True
    rivals = getattr(event, "_events", None)
    if rivals is None or not event.triggered:
        return False
    return hasattr(rivals[event.value], "label")


def with_missing_ends(hit: BoundHit, plan: SystemPlan, records: Iterable[Record]) -> BoundHit:
    """Return the bound that was hit, with the ends that no run of this length has seen.

    A guest whose end waits for an event that does not come lives until the horizon.
    """
    ended = {record.event.vm for record in records if isinstance(record.event, TerminationBegun)}
    waiting = [
        f"{vm.name} has not ended: its end waits for {vm.end.after.event}"
        for vm in plan.vms
        if vm.end is not None and vm.end.after is not None and vm.name not in ended
    ]
    process = "; ".join(filter(None, (hit.process, *waiting)))
    return BoundHit(hit.bound, hit.limit, hit.remedy, process)
