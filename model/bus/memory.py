"""Host memory: frames with an owner, an epoch and real bytes.

Frames that were never written hold zeros and take no space.  Granting frames clears them, as
the host's process manager does before it hands memory to a process; releasing them leaves the
bytes where they are.  Nothing here stops a write: a write that arrives changes the frame, even if
the frame has another owner by then.
"""

from ..base.addresses import FRAME_SHIFT, FRAME_SIZE, pages_of
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel
from ..trace.events import (
    CpuRead,
    CpuWriteLanded,
    DmaLanded,
    DmaRead,
    FramesGranted,
    FramesQuarantined,
    FramesReleased,
)

DATA = "data"
DESCRIPTOR = "descriptor"
"""The contents of reads: what the device moves, and what says what it shall do (`DmaRead`)."""

_OFFSET_MASK = FRAME_SIZE - 1


class Extent:
    """Consecutive frames of one owner: `count` frames from `first`."""

    def __init__(self, first: int, count: int, vm: str, epoch: int) -> None:
        self.first = first
        self.count = count
        self.vm = vm
        self.epoch = epoch

    @property
    def end(self) -> int:
        """The first frame after it."""
        return self.first + self.count


class PhysicalMemory(Component):
    """All memory of the host.  `extents` are disjoint; free and host frames are in none.

    Attributes:
        pages: The bytes of each frame that was touched, by frame number.
        extents: Which frames belong to which epoch.
        quarantined: (first, count) of frames that are not granted again in this run.
        silenced: Host threads whose accesses have no effect.
    """

    def __init__(self, kernel: Kernel, timing: Timing) -> None:
        super().__init__(kernel, "memory", timing)
        self.pages: dict[int, bytearray] = {}
        self.extents: list[Extent] = []
        self.quarantined: list[tuple[int, int]] = []
        self.silenced: tuple[str, ...] = ()

    # Ownership.

    def grant(self, vm: str, epoch: int, first: int, count: int) -> None:
        """Give free frames to an epoch, cleared."""
        # Invariant: a frame has at most one owner, so `extents` stay disjoint.
        assert self.is_free(first, count), "frames are granted only when no epoch owns them"
        # A frame without a page reads as zeros: dropping the page is the clearing.
        for frame in [frame for frame in self.pages if first <= frame < first + count]:
            del self.pages[frame]
        self.extents.append(Extent(first, count, vm, epoch))
        self.emit(FramesGranted(vm, epoch, first, count))

    def release(self, vm: str, epoch: int, first: int, count: int) -> None:
        """Take frames from an epoch: from this instant another epoch may own them."""
        # The pages stay: what the epoch wrote is readable until the next grant clears it.
        self._disown(epoch, first, count)
        self.emit(FramesReleased(vm, epoch, first, count))

    def quarantine(self, vm: str, epoch: int, first: int, count: int) -> None:
        """Take frames from an epoch and keep them from every other for the rest of the run."""
        self._disown(epoch, first, count)
        self.quarantined.append((first, count))
        self.emit(FramesQuarantined(vm, epoch, first, count))

    def is_free(self, first: int, count: int) -> bool:
        """Return whether all of these frames may be granted."""
        taken = [(extent.first, extent.count) for extent in self.extents] + self.quarantined
        return all(first >= start + size or start >= first + count for start, size in taken)

    def pieces_of(self, epoch: int) -> list[tuple[int, int]]:
        """Return the (first, count) pieces in which an epoch's frames are released, ascending.

        A frame that has been written is a piece of its own.  Each untouched stretch between such
        frames is one piece.
        """
        pieces: list[tuple[int, int]] = []
        touched = sorted(self.pages)
        for extent in sorted(self._of(epoch), key=lambda extent: extent.first):
            # Invariant: the pieces so far cover the extent up to `position`, without a gap.
            position = extent.first
            for frame in touched:
                if extent.first <= frame < extent.end:
                    if frame > position:
                        pieces.append((position, frame - position))
                    pieces.append((frame, 1))
                    position = frame + 1
            if position < extent.end:
                pieces.append((position, extent.end - position))
        return pieces

    def _of(self, epoch: int) -> list[Extent]:
        return [extent for extent in self.extents if extent.epoch == epoch]

    def _disown(self, epoch: int, first: int, count: int) -> None:
        # Invariant: frames go in parts of one extent, never across two.  `pieces_of` makes such
        # parts, and adjacent grants of one epoch are not merged.
        end = first + count
        for extent in self._of(epoch):
            if extent.first <= first and end <= extent.end:
                self.extents.remove(extent)
                for start, stop in ((extent.first, first), (end, extent.end)):
                    if stop > start:
                        self.extents.append(Extent(start, stop - start, extent.vm, epoch))
                return
        raise AssertionError(f"epoch {epoch} does not own frames {first:#x}..{end - 1:#x}")

    # Bytes.

    def forget_content(self, epoch: int) -> None:
        """Clear what an epoch's frames hold, so that equal states compare equal.

        For use only when no reader of these frames is left.
        """
        # The pages stay, as zeros: which frames were touched decides the pieces of the release.
        for extent in self._of(epoch):
            for frame in self.pages:
                if extent.first <= frame < extent.end:
                    self.pages[frame] = bytearray(FRAME_SIZE)

    def commit(self, addr: int, length: int) -> None:
        """Touch every frame of a range, as a driver does when it clears its buffers."""
        for frame in range(addr >> FRAME_SHIFT, ((addr + length - 1) >> FRAME_SHIFT) + 1):
            if frame not in self.pages:
                self.pages[frame] = bytearray(FRAME_SIZE)

    def read(self, addr: int, length: int) -> bytes:
        """Return the bytes of a range."""
        offset = addr & _OFFSET_MASK
        if offset + length <= FRAME_SIZE:
            page = self.pages.get(addr >> FRAME_SHIFT)
            return bytes(page[offset : offset + length]) if page is not None else bytes(length)
        head = FRAME_SIZE - offset
        return self.read(addr, head) + self.read(addr + head, length - head)

    def write(self, addr: int, data: bytes) -> None:
        """Change the bytes of a range without an event.

        For writers that cannot write after their end, such as the guest's CPU.
        """
        while data:
            # Invariant: `data` is what is left to write, and `addr` is where it begins.
            offset = addr & _OFFSET_MASK
            piece = data[: FRAME_SIZE - offset]
            frame = addr >> FRAME_SHIFT
            page = self.pages.get(frame)
            if page is None:
                page = self.pages[frame] = bytearray(FRAME_SIZE)
            page[offset : offset + len(piece)] = piece
            addr += len(piece)
            data = data[len(piece) :]

    def land(self, master: str, epoch: int, addr: int, data: bytes, content: str) -> None:
        """Let a DMA write land; it does not cross a frame."""
        self.write(addr, data)
        self.emit(DmaLanded(master, epoch, addr, len(data), content))

    def land_from_cpu(self, writer: str, epoch: int, addr: int, data: bytes, content: str) -> None:
        """Let a write by a host thread on a guest's behalf land; it does not cross a frame."""
        if writer in self.silenced:
            return
        self.write(addr, data)
        self.emit(CpuWriteLanded(writer, epoch, addr, len(data), content))

    def give(self, master: str, epoch: int, addr: int, length: int, content: str) -> bytes:
        """Answer a DMA read with the bytes; it does not cross a frame."""
        self.emit(DmaRead(master, epoch, addr, length, content))
        return self.read(addr, length)

    def give_to_cpu(self, reader: str, epoch: int, addr: int, length: int, content: str) -> bytes:
        """Let a host thread read on a guest's behalf, frame by frame, and return the bytes."""
        # A silenced thread leaves no read in the trace, but still gets the bytes: it works on.
        if reader not in self.silenced:
            for piece_addr, size in pages_of(addr, length):
                self.emit(CpuRead(reader, epoch, piece_addr, size, content))
        return self.read(addr, length)

    def silence(self, thread: str) -> None:
        """Let a host thread's accesses have no effect from here on (an intervention)."""
        self.silenced = (*self.silenced, thread)


class StageTwo:
    """The map from guest-physical to host-physical addresses of one VM.

    Args:
        ranges: (guest start, host start, length) in bytes, disjoint.
    """

    def __init__(self, ranges: tuple[tuple[int, int, int], ...]) -> None:
        self.ranges = ranges

    def to_host(self, addr: int, length: int) -> int | None:
        """Return where a guest-physical range lies in the host, if it lies inside one range."""
        # A range that crosses two maps is refused, even where both lie side by side in the host.
        for guest, host, size in self.ranges:
            if guest <= addr and addr + length <= guest + size:
                return addr - guest + host
        return None


class GuestRam:
    """Guest memory as the guest's CPU and its vdevs see it, by guest-physical address.

    Args:
        memory: Where the bytes are.
        stage_two: How to get there.
    """

    def __init__(self, memory: PhysicalMemory, stage_two: StageTwo) -> None:
        self._memory = memory
        self._stage_two = stage_two

    def contains(self, addr: int, length: int) -> bool:
        """Return whether the whole range is guest RAM."""
        return self._stage_two.to_host(addr, length) is not None

    def host_addr(self, addr: int, length: int) -> int:
        """Return the host-physical address of a range of guest RAM."""
        host = self._stage_two.to_host(addr, length)
        assert host is not None, f"{addr:#x}+{length} is not guest RAM"
        return host

    def read(self, addr: int, length: int) -> bytes:
        """Return the bytes of a range of guest RAM."""
        return self._memory.read(self.host_addr(addr, length), length)

    def write(self, addr: int, data: bytes) -> None:
        """Change the bytes of a range of guest RAM."""
        self._memory.write(self.host_addr(addr, len(data)), data)
