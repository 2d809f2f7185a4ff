"""The state that the rules for drawing a trace share while they read it."""

from collections.abc import Callable
from typing import Any

import msgspec

from ...model.base.addresses import frame_of
from ...model.trace.event_base import TraceEvent
from ...model.trace.events import NO_CAUSE, DmaIssued, FramesReleased, Trace
from ..core.frames import FrameLedger
from ..draw.chart import Chart, Level, Mark, Moment, Zone
from .drafting import LaneDraft, LaneDrafts

MASTERS = ("hardware", "dma_engine")
"""The kinds of component that write memory by DMA."""

WORKERS = ("vdev", "host_driver", "qvm", "virtqueue", *MASTERS)
"""The kinds of component that act on behalf of a guest."""

_WALK_MAX = 8
"""How far back the issue of a write is looked for among its causes."""


class At(msgspec.Struct, frozen=True, gc=False):
    """The place of the record that is being read: its index, its instant and its source."""

    index: int
    ns: int
    source: str


class LaneReader:
    """Collects the lanes of a trace, record by record.

    Args:
        trace: The trace; its header names the lanes.

    Attributes:
        book: The lanes so far.
        moments: The lines through the whole picture so far.
        queues: Lanes with requests, which end with their VM.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.book = LaneDrafts(trace.header.parts)
        self.moments: list[Moment] = []
        self.queues: list[LaneDraft] = []
        self._ledger = FrameLedger(trace)
        self._owned: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._released: dict[int, tuple[str, int, int]] = {}
        self._forbidden: list[tuple[LaneDraft, str, Zone]] = []
        self._started: set[str] = set()
        self._workers: dict[tuple[int, str], tuple[LaneDraft, str, int]] = {}

    def working(self, lane: LaneDraft, epoch: int) -> str:
        """Return the track in which a component works for an epoch.

        After the teardown of that epoch the track is a forbidden zone.
        """
        track = self.track_of(epoch)
        # Invariant: a track of work belongs to one epoch, so its zone begins at that epoch's
        # release.
        self._workers[id(lane), track] = (lane, track, epoch)
        return track

    @staticmethod
    def track_of(epoch: int) -> str:
        """Return the name of the track of what is done for an epoch."""
        return f"epoch {epoch}" if epoch else "host"

    def is_restart(self, vm: str) -> bool:
        """Note that a VM starts; return whether it has started before."""
        again = vm in self._started
        self._started.add(vm)
        return again

    def forbid(self, lane: LaneDraft, track: str, zone: Zone) -> None:
        """Note a forbidden zone that does not follow from the release of frames."""
        self._forbidden.append((lane, track, zone))

    def is_late(self, epoch: int, addr: int, index: int) -> bool:
        """Return whether an epoch had given up a frame when a record reads it.

        Reads in time are not drawn: they do no harm, and there are many.
        """
        if not epoch:
            return False
        records, at_ns = self.trace.records, self.trace.records[index].at_ns
        may_be_late = epoch in self._released
        # Invariant: a release at the same instant counts as before the read, whichever record comes
        # first.
        while index < len(records) and records[index].at_ns == at_ns:
            event = records[index].event
            may_be_late |= isinstance(event, FramesReleased) and event.epoch == epoch
            index += 1
        frame = frame_of(addr)
        return may_be_late and self._ledger.released_by(epoch, frame, index) is not None

    def mark_memory(self, mark: Mark, addr: int) -> None:
        """Add the mark of an access to the frames of the present or last owner of its frame."""
        owned = self._ledger.owner(frame_of(addr), mark.index)
        vm = owned.vm or "other"
        self.book.home("memory", "memory").mark(f"{vm} frames", mark)

    def grant(self, vm: str, epoch: int, count: int, at_ns: int) -> None:
        """Note that an epoch owns more frames; fewer for a negative count."""
        # Invariant: the trace is read in order, so the steps of an epoch never fall in time.
        steps = self._owned.setdefault((vm, epoch), [])
        steps.append((at_ns, max((steps[-1][1] if steps else 0) + count, 0)))
        if count > 0:
            return
        _, first_ns, _ = self._released.get(epoch, (vm, at_ns, at_ns))
        if epoch not in self._released:
            text = f"TEARDOWN of {vm}: first frame returned"
            self.moments.append(Moment(at_ns, "teardown", epoch, text))
        # Invariant: `_released` keeps the first release of an epoch, and moves the last one.
        self._released[epoch] = (vm, first_ns, at_ns)

    def issue_of(self, index: int, master: str) -> int:
        """Return the record in which the write of a record left the device, or -1."""
        # Invariant: a cause comes before its effect, so the walk ends; `_WALK_MAX` bounds its cost.
        for _ in range(_WALK_MAX):
            event = self.trace.records[index].event
            if isinstance(event, DmaIssued):
                return index if event.master == master else NO_CAUSE
            index = self.trace.records[index].cause
            if index == NO_CAUSE:
                break
        return NO_CAUSE

    def chart(self) -> Chart:
        """Return the chart collected so far, with levels and zones."""
        instants = sorted({record.at_ns for record in self.trace.records})
        start_ns, end_ns = (instants[0], instants[-1]) if instants else (0, 0)
        # Invariant: zones come last, because only the whole trace shows an epoch's last release.
        self._draw_ownership(end_ns)
        self._draw_zones()
        for epoch, (vm, first_ns, last_ns) in self._released.items():
            if last_ns > first_ns:
                self.moments.append(
                    Moment(last_ns, "released", epoch, f"{vm}: last frame returned")
                )
        moments = sorted(self.moments, key=lambda moment: moment.at_ns)
        lanes = self.book.done(end_ns)
        return Chart(lanes, tuple(moments), start_ns, end_ns, tuple(instants))

    def _draw_ownership(self, end_ns: int) -> None:
        for (vm, epoch), steps in self._owned.items():
            if not any(count for _, count in steps):
                continue
            last_ns = steps[-1][0] if steps[-1][1] == 0 else end_ns
            level = Level(tuple(steps), last_ns, epoch, f"owned by epoch {epoch}")
            self.book.home("memory", "memory").track(f"{vm} frames").levels.append(level)

    def _draw_zones(self) -> None:
        for lane, track, epoch in self._workers.values():
            if epoch in self._released:
                _, first_ns, last_ns = self._released[epoch]
                zone = Zone(epoch, first_ns, last_ns, "no write allowed")
                lane.track(track).zone = zone
        for lane, track, zone in self._forbidden:
            lane.track(track).zone = zone


Rule = Callable[[Any, LaneReader, At], None]
"""Draws an event of the type that the rule is for."""

Rules = dict[type[TraceEvent], Rule]
