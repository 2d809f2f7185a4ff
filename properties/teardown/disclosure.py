"""Judges reads: no device or thread reads memory that its VM has released.

The guide of the QNX hypervisor names two dangers: late writes and late interrupts. A late read is a
third. It changes nothing, so the next owner of the memory notices nothing. But the next owner's
data goes where the dead guest wanted its own data to go: to a disk, onto a wire, or into the
device, which takes it for orders.

Every reader counts:

- bus masters;
- worker threads of qvm;
- host drivers that copy what a guest wants written.
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.base.addresses import FRAME_SHIFT, HOST_EPOCH
from ...model.trace.events import CpuRead, DmaRead, DmaReadBlocked, Header, StillUnderWay
from ..core.monitor import Closing, Reads, Trackers
from ..core.verdict import how_late
from ..trackers.bus_masters import BusMasters
from ..trackers.instants import JudgedAtEndOfInstant
from ..trackers.owed import write_owed
from ..trackers.ownership import NO_OWNER


class NoDmaReadAfterTeardown(JudgedAtEndOfInstant):
    """No read takes data from a frame that its own epoch has released.

    The violation is a `disclosure`, whether the frame is free by then or belongs to another VM. The
    message and `owner` show which.
    """

    name = "no-dma-read-after-teardown"
    claim = "No read made for a VM reads a frame at or after the instant at which it released it."
    formula = "G (released(frame, epoch) -> G not read(frame, epoch))"
    antecedent = "frames released by a VM for which memory was read, or would have been"
    boundary = (
        "a read at the instant of release counts as after it, whichever record comes first; what "
        "counts is the instant at which memory is read, not the one at which it is asked for; a "
        "read that the IOMMU refuses reads nothing; reads for the host itself are not judged"
    )
    source = (
        "PCI Express base specification: bus mastering covers memory reads as well as writes; the "
        "QNX 7.1 hypervisor guide, quiescing, speaks of writes and interrupts alone"
    )

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.bus_masters = self.tracker(BusMasters)
        self.readers: set[tuple[str, int]] = set()

    def _read(self, index: int, at_ns: int, event: DmaRead | CpuRead) -> None:
        if event.epoch != HOST_EPOCH:
            self.readers.add((_reader(event), event.epoch))
            self.note(index, at_ns, event)

    def _block(self, index: int, at_ns: int, event: DmaReadBlocked) -> None:  # noqa: ARG002
        self.readers.add((event.master, event.epoch))

    def form(self, event: DmaRead | CpuRead) -> Hashable:
        """Return the epoch of a read, and its frame."""
        return (event.epoch, event.addr >> FRAME_SHIFT)

    def judge(self, index: int, at_ns: int, event: DmaRead | CpuRead) -> None:
        """Note a read of a frame that its epoch has released."""
        frames, epoch, frame = self.frames, event.epoch, event.addr >> FRAME_SHIFT
        holding = frames.holding_of_others(epoch, frame)
        released_ns = None if holding is None else holding.released_ns(epoch)
        # Invariant: an epoch that never owned the frame is not judged here: `epochs-match` is for
        # that.
        if holding is None or released_ns is None:
            return
        reader = _reader(event)
        now = "the frame is free"
        if holding.owner != NO_OWNER:
            now = f"the frame now belongs to {frames.name(holding.owner)}"
        self.violate(
            index,
            at_ns,
            "disclosure",
            f"{reader} read {event.length} bytes of frame {frame:#x}, "
            f"{how_late(at_ns - released_ns)} {frames.name(epoch)} released it; {now}",
            reader=reader,
            epoch=epoch,
            frame=frame,
            owner=holding.owner,
            late_by_ns=at_ns - released_ns,
        )

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count the frames released by epochs with readers."""
        epochs = {epoch for _, epoch in self.readers}
        return Closing(sum(self.frames.released_count.get(epoch, 0) for epoch in epochs))

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what would still read released memory.

        A device that has only written so far is taken to go on writing only. A device that does
        both, such as a controller with a ring, may go on to read.
        """
        has_read = any(name == rest.component for name, _ in self.readers)
        if not has_read and rest.effect == "write":
            return ""
        return write_owed(rest, self.frames, self.bus_masters)

    def state(self) -> Hashable:
        """Return the epochs for which memory was read."""
        return tuple(sorted(self.readers))

    reads: ClassVar[Reads] = {DmaRead: _read, CpuRead: _read, DmaReadBlocked: _block}


def _reader(event: DmaRead | CpuRead) -> str:
    return event.master if isinstance(event, DmaRead) else event.reader
