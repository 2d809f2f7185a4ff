"""The tracker of bus masters: which frames each can write for which epoch, and what stopped it.

`BusMasters` reads the events of DMA, of the IOMMU and of quiesce procedures. Where an IOMMU
translates, a device can reach the host ranges that are mapped for it. Where no mapping is known,
its addresses are the host's own. It can then reach the buffers and rings that it received, or has
written already.
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.base.addresses import FRAME_SHIFT, HOST_EPOCH, frames_of
from ...model.trace.events import (
    AtcInvalidationEnded,
    DmaIssued,
    DmaRequested,
    IommuMapped,
    IommuReset,
    IommuSynced,
    IommuUnmapped,
    QuiesceStepBegun,
    QuiesceStepEnded,
    StopConfirmed,
)
from ..core.monitor import Listener, Reads
from .frame_map import FrameMap

Ranges = tuple[tuple[int, int], ...]
"""Start and end of ranges of addresses."""

MESSAGE = "message"
"""The content of a write that is an interrupt message and reaches no memory; see `DmaIssued`."""


class BusMaster:
    """A device as it works for one epoch.

    Attributes:
        name: Name of the device.
        epoch: The epoch that it works for.
        mapped: Frames that the IOMMU lets it write.
        ranges: Start and end of each mapping, in the addresses that the device uses.
        given: Frames that it received or has written while no mapping was known.
        has_requests: Whether it received memory, or has written some.
        is_mapped: Whether the IOMMU ever held a mapping for it.
        quiesce_begun: Whether a quiesce step for it has begun.
        timed_out: Whether a quiesce step timed out after its stop was last confirmed.
        stop_confirmed: Whether a driver or qvm has seen that it writes no more.
        unmapped: Whether the IOMMU has removed its translations.
        synced: Whether that removal is complete.
        is_bypassed: Whether its accesses pass untranslated an IOMMU that has lost its tables.
        keeps_translations: Whether its request to invalidate its own translation cache timed out.
    """

    def __init__(self, name: str, epoch: int) -> None:
        self.name = name
        self.epoch = epoch
        self.mapped: FrameMap[bool] = FrameMap()
        self.ranges: Ranges = ()
        self.given: set[int] = set()
        self.has_requests = False
        self.is_mapped = False
        self.quiesce_begun = False
        self.timed_out = False
        self.stop_confirmed = False
        self.unmapped = False
        self.synced = False
        self.keeps_translations = False
        self.is_bypassed = False

    def reaches(self, first: int, end: int) -> bool:
        """Return whether it can write any frame of a range, stopped or not."""
        if self.is_mapped:
            return self.mapped.meets(first, end)
        if end - first == 1:
            return first in self.given
        return any(first <= frame < end for frame in self.given)

    @property
    def is_harmless(self) -> bool:
        """Whether its writes are confirmed to have stopped, or cannot reach memory.

        A step that times out after the confirmation voids it: a driver has done more to the device
        and does not know the result.
        """
        return self.synced or (self.stop_confirmed and not self.timed_out)

    def key(self) -> Hashable:
        """Return all attributes, for comparison."""
        return (
            self.name,
            self.epoch,
            tuple(self.mapped),
            self.ranges,
            tuple(sorted(self.given)),
            self.has_requests,
            self.is_mapped,
            self.quiesce_begun,
            self.timed_out,
            self.stop_confirmed,
            self.unmapped,
            self.synced,
            self.keeps_translations,
            self.is_bypassed,
        )


class BusMasters(Listener):
    """The tracker of bus masters.

    Attributes:
        known: Every bus master by name and epoch.
    """

    # Invariant: `_writing[epoch]` lists exactly the masters of that epoch with `has_requests`, each
    # once.

    def __init__(self) -> None:
        self.known: dict[tuple[str, int], BusMaster] = {}
        self._writing: dict[int, list[BusMaster]] = {}

    def master(self, name: str, epoch: int) -> BusMaster:
        """Return a device as it works for an epoch; add it if it is new."""
        master = self.known.get((name, epoch))
        if master is None:
            master = self.known[name, epoch] = BusMaster(name, epoch)
        return master

    def writing_for(self, epoch: int) -> list[BusMaster]:
        """Return the devices that can write for a VM's epoch, as far as the records show."""
        if epoch == HOST_EPOCH:
            return []
        return self._writing.get(epoch, [])

    def is_shut_out(self, name: str, epoch: int) -> bool:
        """Return whether nothing that a device does for an epoch can reach memory any more.

        A translation for another VM that covers the same addresses lets it in again. The device
        still has its addresses, and the IOMMU knows no epochs.
        """
        master = self.known.get((name, epoch))
        if master is None or not master.synced:
            return False
        # Invariant: `synced` implies `unmapped`; a new mapping clears both.
        others = (each for each in self.known.values() if each.name == name)
        return not any(
            not other.unmapped and _overlap(master.ranges, other.ranges) for other in others
        )

    def is_bypassed(self, name: str, epoch: int) -> bool:
        """Return whether the accesses of a device for an epoch pass the IOMMU untranslated."""
        master = self.known.get((name, epoch))
        return master is not None and master.is_bypassed

    @property
    def epochs(self) -> list[int]:
        """The epochs for which some device can write."""
        return list(self._writing)

    def key(self) -> Hashable:
        """Return what is known of each bus master."""
        return tuple(master.key() for _, master in sorted(self.known.items()))

    def _request(self, index: int, at_ns: int, event: DmaRequested) -> None:  # noqa: ARG002
        master = self._given(event.master, event.epoch, event.addr, event.length)
        # Invariant: a device that receives work is not stopped, even if its stop was confirmed
        # before.
        master.stop_confirmed = False

    def _issue(self, index: int, at_ns: int, event: DmaIssued) -> None:  # noqa: ARG002
        """Note that a device can write what it writes, even if no event shows its rings."""
        if event.content != MESSAGE and event.epoch != HOST_EPOCH:
            self._given(event.master, event.epoch, event.addr, event.length)

    def _given(self, name: str, epoch: int, addr: int, length: int) -> BusMaster:
        """Note that a device can write a range for an epoch."""
        master = self.known.get((name, epoch))
        if master is None:
            master = self.master(name, epoch)
        if not master.has_requests:
            master.has_requests = True
            self._writing.setdefault(epoch, []).append(master)
        # Invariant: once `is_mapped`, `mapped` alone says what the device reaches; `given` no
        # longer grows.
        if not master.is_mapped:
            first = addr >> FRAME_SHIFT
            if (addr + length - 1) >> FRAME_SHIFT == first:
                master.given.add(first)
            else:
                master.given.update(frames_of(addr, length))
        return master

    def _map(self, index: int, at_ns: int, event: IommuMapped) -> None:  # noqa: ARG002
        master = self.master(event.master, event.epoch)
        master.is_mapped, master.is_bypassed = True, False
        master.unmapped = master.synced = False
        bounds = (event.addr, event.addr + event.length)
        if bounds not in master.ranges:
            master.ranges = (*master.ranges, bounds)
        frames = frames_of(event.host_addr, event.length)
        if frames:
            master.mapped.change(frames.start, frames.stop, lambda _: True)

    def _unmap(self, index: int, at_ns: int, event: IommuUnmapped) -> None:  # noqa: ARG002
        self.master(event.master, event.epoch).unmapped = True

    def _sync(self, index: int, at_ns: int, event: IommuSynced) -> None:  # noqa: ARG002
        master = self.master(event.master, event.epoch)
        # Invariant: a removal is complete only if the device has dropped its own cached
        # translations too.
        master.synced = master.unmapped and not master.keeps_translations

    def _reset(self, index: int, at_ns: int, event: IommuReset) -> None:  # noqa: ARG002
        # Invariant: after a reset the IOMMU treats every master alike: it aborts, or it lets all
        # pass.
        for master in self.known.values():
            master.synced = master.unmapped = event.unprogrammed == "abort"
            master.is_bypassed = event.unprogrammed == "bypass"

    def _end_atc(self, index: int, at_ns: int, event: AtcInvalidationEnded) -> None:  # noqa: ARG002
        self.master(event.master, event.epoch).keeps_translations = event.outcome == "timed_out"

    def _begin(self, index: int, at_ns: int, event: QuiesceStepBegun) -> None:  # noqa: ARG002
        self.master(event.device, event.epoch).quiesce_begun = True

    def _end(self, index: int, at_ns: int, event: QuiesceStepEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            self.master(event.device, event.epoch).timed_out = True

    def _confirm(self, index: int, at_ns: int, event: StopConfirmed) -> None:  # noqa: ARG002
        master = self.master(event.device, event.epoch)
        master.stop_confirmed, master.timed_out = True, False

    reads: ClassVar[Reads] = {
        DmaRequested: _request,
        DmaIssued: _issue,
        IommuMapped: _map,
        IommuUnmapped: _unmap,
        IommuSynced: _sync,
        IommuReset: _reset,
        AtcInvalidationEnded: _end_atc,
        QuiesceStepBegun: _begin,
        QuiesceStepEnded: _end,
        StopConfirmed: _confirm,
    }


def _overlap(one: Ranges, other: Ranges) -> bool:
    return any(start < end and first < stop for start, stop in one for first, end in other)
