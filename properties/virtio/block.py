"""Rules of block devices: valid requests, and what an answer promises.

A write is *cached* when the back end has it, and *committed* when a power cut can no longer lose
it. What an answer promises must have happened since the device took the request: an earlier commit
of the same sectors does not count.
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.trace.events import Header
from ...model.trace.virtio_events import (
    BlockRequestAnswered,
    BlockRequestTaken,
    BlockWriteCached,
    BlockWriteCommitted,
    ResetCompleted,
)
from ..core.monitor import Trackers
from ..trackers.frame_map import FrameMap
from .device_state import DeviceState
from .rule import Hears, VirtioRule
from .tracker import Seen

SECTOR = 512
BLK_RO, BLK_FLUSH, BLK_CONFIG_WCE = 5, 9, 11
WRITES = ("out", "write_zeroes", "discard", "secure_erase")

Request = tuple[str, int, int, int]
"""Vdev, epoch, queue and head."""

NOWHERE, CACHED, COMMITTED = 0, 1, 2


class BlockRequestsValid(VirtioRule):
    """N43."""

    rule = "N43"
    name = "virtio-n43-block-requests-valid"
    claim = (
        "A driver reads and writes whole sectors within the capacity, and flushes with sector 0 "
        "and, as a SHOULD, without data."
    )
    formula = (
        "G (taken(r) -> end(r) <= capacity and length(r) mod 512 = 0 and "
        "(flush(r) -> sector(r) = 0))"
    )
    antecedent = "reads, writes and flushes"
    section = "5.2.6.1"
    blames = "driver"

    def _take(self, seen: Seen[BlockRequestTaken]) -> None:
        event = seen.event
        if event.kind in {"in", "out"}:
            self.tests += 1
            self._judge_transfer(seen)
        elif event.kind == "flush":
            self.tests += 1
            if event.sector:
                self._report(seen, f"flush with sector {event.sector}")
            if event.length:
                message = f"the driver of {seen.device} sent {event.length} bytes with a flush"
                self.fault(seen, message, "unadvised", head=event.head)

    def _judge_transfer(self, seen: Seen[BlockRequestTaken]) -> None:
        event = seen.event
        what = f"{event.length} bytes at sector {event.sector}"
        if event.length % SECTOR:
            self._report(seen, f"transfer of {what}, which are not whole sectors")
        elif event.sector + event.length // SECTOR > event.capacity:
            self._report(seen, f"transfer of {what} on a disk of {event.capacity} sectors")

    def _report(self, seen: Seen[BlockRequestTaken], what: str) -> None:
        self.fault(seen, f"the driver of {seen.device} asked for a {what}", head=seen.event.head)

    hears: ClassVar[Hears] = {BlockRequestTaken: _take}


class AcknowledgedWritesStable(VirtioRule):
    """N44: a power cut loses no write that was acknowledged as stable.

    An acknowledged write must have reached the back end. It must be stable in two cases:

    - `is_stable` says so;
    - a driver could not ask for more, because the device offers FLUSH and neither FLUSH nor
      CONFIG_WCE was negotiated.

    A flush covers the writes that were answered before the device took it.
    """

    rule = "N44"
    name = "virtio-n44-acknowledged-writes-stable"
    claim = (
        "A write acknowledged as stable is committed before it is acknowledged, and all writes "
        "acknowledged before a flush are committed before the flush is acknowledged."
    )
    formula = (
        "G (acknowledged(w) and stable(w) -> committed(w)) and "
        "G (acknowledged(f) and acknowledged(w) before taken(f) -> committed(w))"
    )
    antecedent = "writes and flushes acknowledged"
    boundary = (
        "at one instant the order of the records decides: a commit recorded after the "
        "acknowledgement is late"
    )
    section = "5.2.6.2"
    blames = "device"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._writes: dict[Request, FrameMap[int]] = {}
        self._flushes: dict[Request, FrameMap[int]] = {}
        self._volatile: dict[str, FrameMap[int]] = {}

    def _take(self, seen: Seen[BlockRequestTaken]) -> None:
        event, device = seen.event, seen.device
        request = (*seen.place, event.head)
        if event.kind == "out":
            parts = self._writes[request] = FrameMap()
            first, end = _sectors(event.sector, event.length)
            if end > first:
                parts.change(first, end, lambda _: NOWHERE)
        elif event.kind == "flush":
            # Invariant: a flush covers a copy of the answered writes; later answers do not concern
            # it.
            copied = self._flushes[request] = FrameMap()
            for first, end, state in self._volatile.get(device.name, ()):
                if state == CACHED:
                    copied.change(first, end, lambda _: CACHED)

    def _cache(self, seen: Seen[BlockWriteCached]) -> None:
        first, end = _sectors(seen.event.sector, seen.event.length)
        for request, parts in self._writes.items():
            if request[0] == seen.device.name:
                for start, stop, value in parts.within(first, end):
                    if value == NOWHERE:
                        parts.change(start, stop, lambda _: CACHED)

    def _commit(self, seen: Seen[BlockWriteCommitted]) -> None:
        name = seen.device.name
        first, end = _sectors(seen.event.sector, seen.event.length)
        for request, parts in self._writes.items():
            if request[0] == name:
                _overwrite(parts, first, end, COMMITTED)
        lost = [runs for request, runs in self._flushes.items() if request[0] == name]
        if name in self._volatile:
            lost.append(self._volatile[name])
        for runs in lost:
            _overwrite(runs, first, end, COMMITTED)

    def _answer(self, seen: Seen[BlockRequestAnswered]) -> None:
        event = seen.event
        request = (*seen.place, event.head)
        if event.kind == "out":
            parts = self._writes.pop(request, None)
            if parts is not None and event.status == "ok":
                self._answer_write(seen, parts)
        elif event.kind == "flush":
            runs = self._flushes.pop(request, None)
            if runs is not None and event.status == "ok":
                self._answer_flush(seen, runs)

    def _answer_write(self, seen: Seen[BlockRequestAnswered], parts: FrameMap[int]) -> None:
        self.tests += 1
        must_be_stable = seen.event.is_stable or _has_no_flush(seen.device)
        need = COMMITTED if must_be_stable else CACHED
        volatile = self._volatile.setdefault(seen.device.name, FrameMap())
        is_reported = False
        for first, end, value in parts:
            if value < COMMITTED:
                volatile.change(first, end, lambda _: CACHED)
            if value < need and not is_reported:
                is_reported = True
                state = "was only cached" if value == CACHED else "had not reached the back end"
                self._report(seen, f"acknowledged a write whose sector {first} {state}", first)

    def _answer_flush(self, seen: Seen[BlockRequestAnswered], runs: FrameMap[int]) -> None:
        self.tests += 1
        for first, _, state in runs:
            if state == CACHED:
                lost = f"although sector {first}, acknowledged before, was not committed"
                self._report(seen, f"acknowledged a flush {lost}", first)
                return

    def _report(self, seen: Seen[BlockRequestAnswered], what: str, sector: int) -> None:
        message = f"{seen.device} {what}: a power cut would lose it"
        self.fault(seen, message, head=seen.event.head, sector=sector)

    def _reset(self, seen: Seen[ResetCompleted]) -> None:
        place = (seen.device.name, seen.device.epoch)
        for kept in (self._writes, self._flushes):
            for request in [each for each in kept if each[:2] == place]:
                del kept[request]

    def state(self) -> Hashable:
        """Return how far each open request has come, and which sectors are volatile."""
        requests = [
            tuple((each, tuple(runs)) for each, runs in sorted(kept.items()))
            for kept in (self._writes, self._flushes)
        ]
        volatile = tuple(
            (name, tuple(run for run in runs if run[2] == CACHED))
            for name, runs in sorted(self._volatile.items())
        )
        return (*requests, volatile)

    hears: ClassVar[Hears] = {
        BlockRequestTaken: _take,
        BlockWriteCached: _cache,
        BlockWriteCommitted: _commit,
        BlockRequestAnswered: _answer,
        ResetCompleted: _reset,
    }


def _sectors(sector: int, length: int) -> tuple[int, int]:
    return sector, sector + -(-length // SECTOR)


def _overwrite(runs: FrameMap[int], first: int, end: int, value: int) -> None:
    """Change the values in a range; what has no value keeps none."""
    for start, stop, _ in runs.within(first, end):
        runs.change(start, stop, lambda _: value)


def _has_no_flush(device: DeviceState) -> bool:
    """Return whether the device offers a flush that its driver cannot request."""
    if device.offered < 0 or not device.offered >> BLK_FLUSH & 1:
        return False
    return not (device.has(BLK_FLUSH) or device.has(BLK_CONFIG_WCE))


class ReadOnlyKept(VirtioRule):
    """N45."""

    rule = "N45"
    name = "virtio-n45-read-only-kept"
    claim = "A read-only block device answers every write with IOERR, and writes nothing."
    formula = "G (read-only -> (answered(w) -> ioerr) and not (cached or committed))"
    antecedent = "writes to read-only devices"
    section = "5.2.6.2"
    blames = "device"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._read_only: set[str] = set()

    def _take(self, seen: Seen[BlockRequestTaken]) -> None:
        if seen.event.is_read_only:
            self._read_only.add(seen.device.name)

    def _is_read_only(self, device: DeviceState) -> bool:
        is_offered = device.offered >= 0 and bool(device.offered >> BLK_RO & 1)
        return is_offered or device.name in self._read_only

    def _answer(self, seen: Seen[BlockRequestAnswered]) -> None:
        event = seen.event
        if event.kind not in WRITES or not self._is_read_only(seen.device):
            return
        self.tests += 1
        if event.status != "ioerr":
            message = f"{seen.device} is read-only and answered a write with {event.status}"
            self.fault(seen, message, head=event.head)

    def _write(self, seen: Seen[BlockWriteCached] | Seen[BlockWriteCommitted]) -> None:
        if self._is_read_only(seen.device):
            self.tests += 1
            message = f"{seen.device} is read-only and wrote sector {seen.event.sector}"
            self.fault(seen, message, sector=seen.event.sector)

    def state(self) -> Hashable:
        """Return which devices are known to be read-only."""
        return tuple(sorted(self._read_only))

    hears: ClassVar[Hears] = {
        BlockRequestTaken: _take,
        BlockRequestAnswered: _answer,
        BlockWriteCached: _write,
        BlockWriteCommitted: _write,
    }
