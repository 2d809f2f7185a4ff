"""The IOMMU: streams, their maps, cached translations, its command queue and its faults.

What a stream reaches depends on what software has programmed:

- nothing so far: all memory, untranslated ("unrestricted access", QNX smmuman guide), unless the
  platform says otherwise;
- maps: just what is mapped;
- refused: nothing.

Removing a map does not touch what is cached: the invalidation removes that.  A write that was
translated before is on its way until a sync has waited for it.  (Arm SMMUv3, IHI 0070, TLBI and
CMD_SYNC; VT-d calls the wait draining.)

Software puts invalidations into one queue.  Where devices keep translations themselves, the unit
carries invalidations out one after the other.  A device that does not answer holds up all later
ones, until the unit gives it up.  Otherwise invalidations run side by side, since none waits for
another longer than its own span says.

Choice points: `iommu.tlbi_sync`, `iommu.atc_inv_timeout`.
"""

from typing import TYPE_CHECKING, NamedTuple

from simpy.events import Event

from ..plan.iommu_plan import BYPASS, IommuPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Signal, Steps
from ..trace.events import (
    AtcInvalidationBegun,
    AtcInvalidationEnded,
    DmaBlocked,
    DmaReadBlocked,
    DmaTranslated,
    IommuMapped,
    IommuReset,
    IommuSynced,
    IommuUnmapped,
)
from .fault_queue import FaultQueue
from .stream import Map, Stream, StreamMode

if TYPE_CHECKING:
    from .fabric import Port

MESSAGE_LENGTH = 4
"""Bytes of an interrupt message."""


class Invalidation(NamedTuple):
    """A batch of commands: the entry of a stream, its translations, device caches, and the wait.

    Attributes:
        master: Whose stream.
        epoch: For whom it is done.
        translations: Whether cached translations are named in it, or the entry alone.
        device_caches: Whether the unit also invalidates the caches of devices.
        drains: Whether the unit waits until translated writes have landed.
        done: Fires at its end; its value says whether every device has answered.
    """

    master: str
    epoch: int
    translations: bool
    device_caches: bool
    drains: bool
    done: Event


class Iommu(Component):
    """The translation unit between bus masters and memory.

    Attributes:
        streams: By bus master; several may share one.
        ports: The ports that it stands before, by bus master.
        faults: Refused accesses that software has not read yet.
        faulted: Fires when an access is refused.
        commands: Invalidations that wait.
    """

    def __init__(self, kernel: Kernel, timing: Timing, plan: IommuPlan | None = None) -> None:
        super().__init__(kernel, "iommu", timing)
        self.plan = plan = plan or IommuPlan()
        self.streams: dict[str, Stream] = {}
        for group in plan.groups:
            # Invariant: all masters of a group share one `Stream` object, in any order of maps,
            # refusals and invalidations.
            shared = Stream(group, self._unprogrammed)
            self.streams |= dict.fromkeys(group, shared)
        self.ports: dict[str, Port] = {}
        self.faults = FaultQueue(plan.fault_records, overflow_stops=plan.kind.overflow_stops)
        self.faulted = Signal(kernel)
        self.commands: Mailbox[Invalidation] = Mailbox(kernel)
        self.start(self._execute)

    @property
    def _unprogrammed(self) -> StreamMode:
        is_open = self.plan.unprogrammed == BYPASS
        return StreamMode.UNRESTRICTED if is_open else StreamMode.REFUSED

    def _stream(self, master: str) -> Stream:
        stream = self.streams.get(master)
        if stream is None:
            stream = self.streams[master] = Stream((master,), self._unprogrammed)
        return stream

    # Tables, written by software.

    def map(self, master: str, epoch: int, addr: int, host_addr: int, length: int) -> None:
        """Let a stream reach a range; from now on it reaches nothing that is not mapped."""
        stream = self._stream(master)
        if stream.add(Map(addr, host_addr, length, master, epoch)):
            for member in stream.members:
                self.emit(IommuMapped(member, epoch, addr, host_addr, length))

    def unmap_all(
        self, master: str, epoch: int, mode: StreamMode = StreamMode.REFUSED
    ) -> tuple[int, ...]:
        """Remove all maps of a master; cached translations still hold.

        The stream falls into the mode when no other master of it has a map left.

        Returns:
            The epochs whose memory the stream's tables no longer lead to.
        """
        # Only the tables change here.  `stream.cached` keeps its frames, and `passes_translated`
        # its value, until an invalidation (`invalidate`) removes them.
        stream = self._stream(master)
        before = [epoch, *(entry.epoch for entry in stream.maps)]
        stream.remove(master)
        if not stream.others(master):
            stream.mode = mode
        # Removing one master's maps may also end the maps of a master that is gone.  An epoch
        # counts as unmapped only when no map of the shared stream leads to its memory.
        gone = tuple(old for old in dict.fromkeys(before) if not stream.reaches(old))
        self._emit_unmapped(stream, gone)
        return gone

    def unmap_all_but_first(self, master: str, epoch: int) -> tuple[int, ...]:
        """Stop half-way and report that it is done, as a faulty manager does."""
        stream = self._stream(master)
        del stream.maps[1:]
        self._emit_unmapped(stream, (epoch,))
        return (epoch,)

    def open(self, master: str) -> None:
        """Write half of a stream's entry: valid, and translating nothing (Xen XSA-347)."""
        self._stream(master).mode = StreamMode.UNRESTRICTED

    def refuse(self, master: str, epoch: int) -> tuple[int, ...]:
        """Let a stream reach nothing, even if others use it; returns as `unmap_all` does."""
        gone = self.unmap_all(master, epoch)
        # `unmap_all` keeps the mode of a stream that others use; this one is refused all the same.
        self._stream(master).mode = StreamMode.REFUSED
        return gone

    def abandon(self, master: str) -> None:
        """Leave a master's maps in a stream that others use; they go with the last user's maps."""
        self._stream(master).abandon(master)

    def is_shared(self, master: str, epoch: int) -> bool:
        """Return whether another VM has maps in a master's stream."""
        return self._stream(master).serves_others(master, epoch)

    def reset(self) -> None:
        """Forget everything that was programmed, as a driver that starts does; caches too."""
        for stream in self.streams.values():
            stream.reset(self._unprogrammed)
        self.faults.take()
        self.faults.clear_overflow()
        self.emit(IommuReset(self.plan.unprogrammed))

    def _emit_unmapped(self, stream: Stream, epochs: tuple[int, ...]) -> None:
        for epoch in epochs:
            for member in stream.members:
                self.emit(IommuUnmapped(member, epoch))

    def synced(self, master: str, *epochs: int) -> None:
        """Note that all that was translated with the old maps has landed."""
        for epoch in epochs:
            for member in self._stream(master).members:
                self.emit(IommuSynced(member, epoch))

    # Invalidation.

    def invalidate(self, master: str) -> None:
        """Forget the cached translations and the cached entry of a master's stream."""
        stream = self._stream(master)
        stream.forget_entry(checks=self.plan.checks_translated)
        stream.cached.clear()

    def submit(
        self, master: str, epoch: int, *, translations: bool, device_caches: bool, drains: bool
    ) -> Event:
        """Put an invalidation into the queue; returns its `done`."""
        done = self.kernel.event()
        batch = Invalidation(master, epoch, translations, device_caches, drains, done)
        # Which of the two ways a unit takes never changes in a run: devices get their caches when
        # they are built, before software submits anything.
        if any(port.cache is not None for port in self.ports.values()):
            self.commands.put(batch)
        else:
            self.start(lambda: self._carry_out(batch))
        return done

    def _execute(self) -> Steps:
        while True:
            while not self.commands:
                yield self.commands.wait()
            yield from self._carry_out(self.commands.take())

    def _carry_out(self, batch: Invalidation) -> Steps:
        yield self.kernel.delay(self.timing.iommu_tlbi_sync, f"{self.name}.tlbi_sync")
        # Order: the unit's own caches, then those of devices, then the writes in the drain.  A
        # device that refills its cache in between finds the tables as software has left them.
        stream = self._stream(batch.master)
        if batch.translations:
            self.invalidate(batch.master)
        else:
            stream.forget_entry(checks=self.plan.checks_translated)
        ports = [self.ports[name] for name in stream.members if name in self.ports]
        is_complete = True
        for port in ports:
            # Devices are asked one after the other: each may cost a whole time-out.
            if batch.device_caches and port.cache is not None:
                is_complete &= yield from self._invalidate_device(port, batch.epoch)
        # After this wait no write remains under way that an old translation let through.
        if batch.drains or self.plan.kind.sync_drains:
            for port in ports:
                yield from port.drained()
        batch.done.succeed(is_complete)

    def _invalidate_device(self, port: "Port", epoch: int) -> Steps:
        """Invalidate the cache of a device; gives whether the device has answered in time."""
        self.emit(AtcInvalidationBegun(port.master, epoch))
        answered = self.start(port.forget_translations)
        bound = self.kernel.delay(self.timing.atc_inv_timeout, f"{self.name}.atc_inv_timeout")
        # After a time-out the process goes on: the device may clear its cache later.
        is_answered = (yield self.kernel.first(answered, bound)) == 0
        outcome = "done" if is_answered else "timed_out"
        self.emit(AtcInvalidationEnded(port.master, epoch, outcome))
        return is_answered

    # Accesses, made by devices.

    def translate_write(self, master: str, epoch: int, addr: int, length: int) -> int | None:
        """Return the host address of a write, or record a fault and return None."""
        host_addr = self._stream(master).translate(addr, length)
        if host_addr is None:
            self.emit(DmaBlocked(master, epoch, addr, length, self._record_fault(epoch)))
        return host_addr

    def translate_read(self, master: str, epoch: int, addr: int, length: int) -> int | None:
        """Return the host address of a read, or record a fault and return None."""
        host_addr = self._stream(master).translate(addr, length)
        if host_addr is None:
            self.emit(DmaReadBlocked(master, epoch, addr, length, self._record_fault(epoch)))
        return host_addr

    def translate_message(self, master: str, epoch: int, intid: int) -> int | None:
        """Return the interrupt number of a message, or record a fault and return None.

        The doorbell is mapped together with everything else, so a refused stream's messages are
        refused too.
        """
        if self._stream(master).mode is not StreamMode.REFUSED:
            return intid
        record = self._record_fault(epoch)
        self.emit(DmaBlocked(master, epoch, intid, MESSAGE_LENGTH, record))
        return None

    def translate_for_device(self, master: str, addr: int, length: int) -> int | None:
        """Answer the translation request of a device; None, and no fault, if there is no map."""
        stream = self._stream(master)
        return stream.translate(addr, length) if stream.mode is StreamMode.TRANSLATED else None

    def pass_translated(
        self, master: str, epoch: int, addr: int, host_addr: int, length: int
    ) -> int | None:
        """Return where a write lands that the device has translated itself, or None."""
        if self._stream(master).passes_translated:
            self.emit(DmaTranslated(master, epoch, addr, host_addr, length))
            return host_addr
        self.emit(DmaBlocked(master, epoch, addr, length, self._record_fault(epoch)))
        return None

    def pass_translated_read(
        self, master: str, epoch: int, addr: int, host_addr: int, length: int
    ) -> int | None:
        """Return where a read reads that the device has translated itself, or None."""
        if self._stream(master).passes_translated:
            return host_addr
        self.emit(DmaReadBlocked(master, epoch, addr, length, self._record_fault(epoch)))
        return None

    def _record_fault(self, epoch: int) -> str:
        is_recorded = self.faults.record(epoch)
        self.faulted.notify()
        return "recorded" if is_recorded else "lost"
