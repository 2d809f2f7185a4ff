"""State: what an IOMMU knows of one bus master, or of several under one stream identifier.

A stream that was never programmed does what the unit does by default.  Once mapped it reaches just
what is mapped; once refused it reaches nothing.  Removing a map does not touch what is cached of
it.  The unit caches translations of frames, and the entry of the stream itself.  The entry says
whether the unit lets translated requests of the stream through (Arm SMMUv3, IHI 0070: STE.EATS
and CR0.ATSCHK; VT-d: translation type of the context entry).
"""

from enum import Enum
from typing import NamedTuple

from ..base.addresses import FRAME_SHIFT, FRAME_SIZE

_OFFSET_MASK = FRAME_SIZE - 1

NO_MASTER = ""
"""The owner of an abandoned map: its bus master has gone."""


class StreamMode(Enum):
    """What happens to an access that no map covers."""

    UNRESTRICTED = "unrestricted"
    TRANSLATED = "translated"
    REFUSED = "refused"


class Map(NamedTuple):
    """A range that a stream may reach, with the master and the epoch for which it was mapped."""

    start: int
    host_start: int
    length: int
    master: str
    epoch: int


class Stream:
    """One entry of the stream table.

    Attributes:
        members: Its bus masters; several if they have one stream identifier.
        mode: What its entry says.
        maps: What its page tables say.
        cached: Frames translated before, device frame to host frame.
        passes_translated: Whether requests that the device has translated itself pass.
    """

    def __init__(
        self, members: tuple[str, ...] = (), mode: StreamMode = StreamMode.UNRESTRICTED
    ) -> None:
        self.members = members
        self.mode = mode
        self.maps: list[Map] = []
        self.cached: dict[int, int] = {}
        self.passes_translated = mode is not StreamMode.REFUSED

    def translate(self, addr: int, length: int) -> int | None:
        """Return the host address for an access that does not cross a frame, or None."""
        if self.mode is StreamMode.UNRESTRICTED:
            return addr
        # The cache is asked before the mode and the maps: a stale translation still works.
        frame = self.cached.get(addr >> FRAME_SHIFT)
        if frame is not None:
            return (frame << FRAME_SHIFT) | (addr & _OFFSET_MASK)
        if self.mode is StreamMode.REFUSED:
            return None
        for start, host, size, _, _ in self.maps:
            if start <= addr and addr + length <= start + size:
                found = addr - start + host
                self.cached[addr >> FRAME_SHIFT] = found >> FRAME_SHIFT
                return found
        return None

    def add(self, new: Map) -> bool:
        """Add a map; returns whether the stream could not reach that memory before."""
        if self.mode is not StreamMode.TRANSLATED:
            # The entry changes here, and its cached translations go with the old one.
            self.mode = StreamMode.TRANSLATED
            self.cached.clear()
        self.passes_translated = True
        is_new = all(old[:3] != new[:3] or old.epoch != new.epoch for old in self.maps)
        self.maps.append(new)
        return is_new

    def remove(self, master: str) -> None:
        """Remove the maps of one master, and abandoned ones if no other is left."""
        left = [entry for entry in self.maps if entry.master != master]
        is_used = any(entry.master != NO_MASTER for entry in left)
        self.maps = left if is_used else []

    def abandon(self, master: str) -> None:
        """Keep the maps of a master under `NO_MASTER`."""
        self.maps = [
            entry._replace(master=NO_MASTER) if entry.master == master else entry
            for entry in self.maps
        ]

    def reset(self, mode: StreamMode) -> None:
        """Forget everything and fall into a mode."""
        self.mode = mode
        self.maps.clear()
        self.cached.clear()
        self.passes_translated = mode is not StreamMode.REFUSED

    def reaches(self, epoch: int) -> bool:
        """Return whether some map still leads to an epoch's memory."""
        return any(entry.epoch == epoch for entry in self.maps)

    def others(self, master: str) -> bool:
        """Return whether a map of another of its masters is left."""
        return any(entry.master not in {master, NO_MASTER} for entry in self.maps)

    def serves_others(self, master: str, epoch: int) -> bool:
        """Return whether a map of another of its masters is there for another epoch."""
        return any(
            entry.master not in {master, NO_MASTER} and entry.epoch != epoch for entry in self.maps
        )

    def forget_entry(self, *, checks: bool) -> None:
        """Forget the cached entry of the stream: what it says now takes effect.

        Args:
            checks: Whether the unit looks the entry up for translated requests at all.
        """
        self.passes_translated = self.mode is not StreamMode.REFUSED or not checks
