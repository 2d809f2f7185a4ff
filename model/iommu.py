"""The IOMMU as state: streams, their maps, cached translations, faults.

A stream of which nothing was ever programmed passes untranslated ("unrestricted access", QNX
smmuman guide); once mapped it reaches just what is mapped; once refused it reaches
nothing.  Removing a map does not touch the cached translations: those go with the invalidation, and
what was translated before is on its way until a sync has waited for it (Arm SMMUv3, IHI 0070,
TLBI and CMD_SYNC; VT-d calls the wait draining).
"""

from enum import Enum

from .addresses import FRAME_SHIFT, FRAME_SIZE
from .component import Component
from .kernel import Kernel
from .timing import Timing
from .trace import DmaBlocked, DmaReadBlocked, IommuMapped, IommuSynced, IommuUnmapped

FAULT_RECORDS_MAX = 64
"""Fault records that smmuman keeps for a client; later ones are dropped (smmu_xfer_status)."""

MESSAGE_LENGTH = 4
"""Bytes of an interrupt message."""

_OFFSET_MASK = FRAME_SIZE - 1


class StreamMode(Enum):
    """What happens to an access that no map covers."""

    UNRESTRICTED = "unrestricted"
    TRANSLATED = "translated"
    REFUSED = "refused"


class Stream:
    """What the IOMMU knows of one bus master."""

    def __init__(self) -> None:
        self.mode = StreamMode.UNRESTRICTED
        self.maps: list[tuple[int, int, int]] = []
        self.cached: dict[int, int] = {}

    def translate(self, addr: int, length: int) -> int | None:
        """Return the host address for an access that does not cross a frame, or None."""
        if self.mode is StreamMode.UNRESTRICTED:
            return addr
        frame = self.cached.get(addr >> FRAME_SHIFT)
        if frame is not None:
            return (frame << FRAME_SHIFT) | (addr & _OFFSET_MASK)
        for start, host, size in self.maps:
            if start <= addr and addr + length <= start + size:
                found = addr - start + host
                self.cached[addr >> FRAME_SHIFT] = found >> FRAME_SHIFT
                return found
        return None


class Iommu(Component):
    """The translation unit between all bus masters and memory.

    Attributes:
        records: Fault records that nobody has fetched yet, at most `FAULT_RECORDS_MAX`.
        lost: Whether a record was dropped since.
    """

    def __init__(self, kernel: Kernel, timing: Timing) -> None:
        super().__init__(kernel, "iommu", timing)
        self.streams: dict[str, Stream] = {}
        self.records = 0
        self.lost = False

    def map(self, master: str, epoch: int, addr: int, host_addr: int, length: int) -> None:
        """Let a master reach a range; from now on it reaches nothing that is not mapped."""
        stream = self._stream(master)
        if stream.mode is not StreamMode.TRANSLATED:
            stream.mode = StreamMode.TRANSLATED
            stream.cached.clear()
        stream.maps.append((addr, host_addr, length))
        self.emit(IommuMapped(master, epoch, addr, host_addr, length))

    def unmap_all(self, master: str, epoch: int, mode: StreamMode = StreamMode.REFUSED) -> None:
        """Remove all maps of a master; cached translations still hold."""
        stream = self._stream(master)
        stream.mode = mode
        stream.maps.clear()
        self.emit(IommuUnmapped(master, epoch))

    def unmap_all_but_first(self, master: str, epoch: int) -> None:
        """Stop half-way and say that it is done: a faulty manager's way."""
        stream = self._stream(master)
        del stream.maps[1:]
        self.emit(IommuUnmapped(master, epoch))

    def invalidate(self, master: str) -> None:
        """Forget the cached translations of a master."""
        self._stream(master).cached.clear()

    def synced(self, master: str, epoch: int) -> None:
        """Note that all that was translated with the old maps has landed."""
        self.emit(IommuSynced(master, epoch))

    def translate_write(self, master: str, epoch: int, addr: int, length: int) -> int | None:
        """Return the host address of a write, or record a fault and return None."""
        host_addr = self._stream(master).translate(addr, length)
        if host_addr is None:
            self.emit(DmaBlocked(master, epoch, addr, length, self._record_fault()))
        return host_addr

    def translate_read(self, master: str, epoch: int, addr: int, length: int) -> int | None:
        """Return the host address of a read, or record a fault and return None."""
        host_addr = self._stream(master).translate(addr, length)
        if host_addr is None:
            self.emit(DmaReadBlocked(master, epoch, addr, length, self._record_fault()))
        return host_addr

    def translate_message(self, master: str, epoch: int, intid: int) -> int | None:
        """Return the interrupt number of a message, or record a fault and return None.

        The doorbell is mapped together with everything else, so a refused stream's messages are
        refused too.
        """
        if self._stream(master).mode is not StreamMode.REFUSED:
            return intid
        self.emit(DmaBlocked(master, epoch, intid, MESSAGE_LENGTH, self._record_fault()))
        return None

    def _record_fault(self) -> str:
        if self.records == FAULT_RECORDS_MAX:
            self.lost = True
            return "lost"
        self.records += 1
        return "recorded"

    def _stream(self, master: str) -> Stream:
        return self.streams.setdefault(master, Stream())
