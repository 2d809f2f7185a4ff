"""Finds the owner of a frame at a record of a trace."""

import msgspec

from ...model.trace.events import FramesGranted, FramesQuarantined, FramesReleased, Trace

FREE = -1
"""The epoch that stands for a frame without an owner."""


class Ownership(msgspec.Struct, frozen=True):
    """The owner of a frame, and since when.

    Attributes:
        epoch: The owner, or `FREE`.
        vm: The VM of that epoch; for a free frame, the VM that released it; empty if it had none.
        since_ns: Instant of the change, or 0 if there was none.
        index: Record of the change, or -1.
    """

    epoch: int
    vm: str
    since_ns: int
    index: int


NEVER_OWNED = Ownership(FREE, "", 0, -1)


class FrameLedger:
    """Finds the owner of a frame before a record; fast for rising records.

    Args:
        trace: The trace; its grants and releases are read once.
    """

    def __init__(self, trace: Trace) -> None:
        self._changes: list[tuple[int, int, int, Ownership]] = []
        for index, record in enumerate(trace.records):
            event = record.event
            if isinstance(event, FramesGranted | FramesReleased | FramesQuarantined):
                epoch = FREE if isinstance(event, FramesReleased) else event.epoch
                owned = Ownership(epoch, event.vm, record.at_ns, index)
                stop = event.first_frame + event.count
                self._changes.append((index, event.first_frame, stop, owned))
        self._known: dict[int, tuple[int, Ownership]] = {}

    def owner(self, frame: int, before: int) -> Ownership:
        """Return the owner of the frame just before the record with the index `before`."""
        seen, owned = self._known.get(frame, (0, NEVER_OWNED))
        if seen and self._changes[seen - 1][0] >= before:
            seen, owned = 0, NEVER_OWNED
        while seen < len(self._changes) and self._changes[seen][0] < before:
            _, first, stop, change = self._changes[seen]
            if first <= frame < stop:
                owned = change
            seen += 1
        self._known[frame] = (seen, owned)
        return owned

    def released_by(self, epoch: int, frame: int, before: int) -> Ownership | None:
        """Return the last release of the frame by that epoch before a record, if any."""
        owner = NEVER_OWNED
        found = None
        for index, first, stop, change in self._changes:
            if index >= before:
                break
            if first <= frame < stop:
                if change.epoch == FREE and owner.epoch == epoch:
                    found = change
                owner = change
        return found
