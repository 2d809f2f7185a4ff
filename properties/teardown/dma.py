"""Judges writes: none after teardown, none into another owner's memory, few refused accesses.

Every writer counts: bus masters, worker threads of qvm, and host drivers that copy for a guest.
Each frame has its own teardown point, because a VM's memory is not released at one instant.
"""

from collections.abc import Hashable
from typing import ClassVar, NamedTuple

from ...model.base.addresses import HOST_EPOCH
from ...model.trace.events import (
    DmaBlocked,
    DmaReadBlocked,
    FramesReleased,
    Header,
    RegistersHit,
    StillUnderWay,
)
from ..core.monitor import Closing, Property, Reads, Trackers
from ..core.verdict import Severity, Violation, how_late
from ..trackers.bus_masters import BusMasters
from ..trackers.instants import JudgedAtEndOfInstant
from ..trackers.interrupt_lines import Lines, MisdirectedIrq
from ..trackers.owed import interrupt_owed, write_owed
from ..trackers.ownership import NO_OWNER, Frames, MisdirectedLanding


class NoDmaAfterTeardown(JudgedAtEndOfInstant):
    """No write lands in a frame that its own epoch has released, nor late in registers.

    A write into a frame that is free by then is `stray`; into a frame of another VM it is
    `corruption`. A write at registers is `corruption` if the device works for the host or for a VM
    that still has memory. A write that the device refuses has changed nothing and is `contained`.
    """

    name = "no-dma-after-teardown"
    claim = (
        "No write made for a VM lands in a frame at or after the instant of its release; none "
        "arrives at registers of a device once the VM has given up all its memory."
    )
    formula = (
        "G (released(frame, epoch) -> G not landed(frame, epoch)) and "
        "G (given up all(epoch) -> G not registers-hit(epoch))"
    )
    antecedent = "frames released by a VM for which writes were requested, landed or hit registers"
    boundary = (
        "a landing at the instant of release counts as after it, whichever record comes first; "
        "registers have no release of their own: the point is that of the VM's last frame, be it "
        "released or put into quarantine, and what arrives at that instant counts as after it"
    )
    source = "QNX 7.1 hypervisor guide, quiescing: no DMA writes once resources are released"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.bus_masters = self.tracker(BusMasters)
        self.frames.misdirected.append(self._judge_landing)
        self.hitters: set[int] = set()

    def _judge_landing(self, write: MisdirectedLanding) -> None:
        if write.released_ns is None:
            return
        frames, epoch, released_ns = self.frames, write.landing.epoch, write.released_ns
        severity: Severity = "stray" if write.owner == NO_OWNER else "corruption"
        if write.owner == NO_OWNER:
            now = "the frame is free"
        else:
            now = f"the frame now belongs to {frames.name(write.owner)}"
        self.violate(
            write.index,
            write.at_ns,
            severity,
            f"{write.writer} wrote {write.landing.length} bytes into frame {write.frame:#x}, "
            f"{how_late(write.at_ns - released_ns)} {frames.name(epoch)} released it; {now}",
            writer=write.writer,
            epoch=epoch,
            frame=write.frame,
            owner=write.owner,
            late_by_ns=write.at_ns - released_ns,
        )

    def _hit(self, index: int, at_ns: int, event: RegistersHit) -> None:
        if event.epoch != HOST_EPOCH:
            self.hitters.add(event.epoch)
            self.note(index, at_ns, (event, self._others(event)))

    def _others(self, event: RegistersHit) -> tuple[int, ...]:
        """Return the other epochs that have given work to the device that is hit."""
        known = sorted(self.bus_masters.known.items())
        return tuple(
            epoch
            for (name, epoch), master in known
            if name == event.device and epoch != event.epoch and master.has_requests
        )

    def form(self, event: tuple[RegistersHit, tuple[int, ...]]) -> Hashable:
        """Return the writer's epoch, the outcome, and the epochs that the device works for."""
        hit, others = event
        return (hit.epoch, hit.outcome, others)

    def judge(self, index: int, at_ns: int, event: tuple[RegistersHit, tuple[int, ...]]) -> None:
        """Note a write at registers for a VM that has no memory left."""
        hit, others = event
        frames, epoch = self.frames, hit.epoch
        if not frames.has_given_up_all(epoch):
            return
        severity, fate = self._fate(hit, others)
        late_by_ns = at_ns - frames.given_up_ns[epoch]
        self.violate(
            index,
            at_ns,
            severity,
            f"{hit.master} wrote {hit.length} bytes at registers of {hit.device}, "
            f"{how_late(late_by_ns)} {frames.name(epoch)} gave up its last frame; {fate}",
            writer=hit.master,
            epoch=epoch,
            device=hit.device,
            late_by_ns=late_by_ns,
        )

    def _fate(self, hit: RegistersHit, others: tuple[int, ...]) -> tuple[Severity, str]:
        """Return the severity of a write at registers, and its effect in words."""
        if hit.outcome != "taken":
            return "contained", f"{hit.device} refused it"
        for epoch in others:
            if epoch == HOST_EPOCH:
                return "corruption", f"{hit.device} works for the host"
            if not self.frames.has_given_up_all(epoch):
                return "corruption", f"{hit.device} works for {self.frames.name(epoch)}"
        return "stray", f"{hit.device} works for no other VM"

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count the frames released by epochs with writers."""
        writers = self.frames.writers.union(self.bus_masters.epochs, self.hitters)
        return Closing(sum(self.frames.released_count.get(epoch, 0) for epoch in writers))

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what would still write released memory."""
        return write_owed(rest, self.frames, self.bus_masters)

    def state(self) -> Hashable:
        """Return the epochs for which registers were hit."""
        return tuple(sorted(self.hitters))

    reads: ClassVar[Reads] = {RegistersHit: _hit}


class EpochsMatch(Property):
    """Every write and every injected interrupt reaches the epoch for which it was made."""

    name = "epochs-match"
    claim = (
        "Every write lands in memory of the VM instance for which it was requested; every "
        "interrupt injected into a guest comes from a source that works for a present or former "
        "owner of the line."
    )
    formula = (
        "G (landed(frame, epoch) -> owner(frame) in {epoch, none after epoch}) and "
        "G (injected(line, epoch) -> P attached(line, epoch))"
    )
    antecedent = "writes landed and interrupts injected"
    boundary = "owners are those at the end of the instant, whichever record comes first"
    source = (
        "the definition of an epoch; no-dma-after-teardown judges writes into a free frame, "
        "irq-contained-after-teardown judges interrupts of a former owner"
    )

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.lines = self.tracker(Lines)
        self.bus_masters = self.tracker(BusMasters)
        self.frames.misdirected.append(self._judge_landing)
        self.lines.misdirected.append(self._judge_interrupt)

    def _judge_landing(self, write: MisdirectedLanding) -> None:
        epoch = write.landing.epoch
        if write.owner != NO_OWNER:
            whose = f"which belongs to {self.frames.name(write.owner)}"
        elif write.released_ns is None:
            whose = "which it never owned"
        else:
            return
        self.violate(
            write.index,
            write.at_ns,
            "corruption",
            f"{write.writer} wrote {write.landing.length} bytes for {self._who(epoch)} into frame "
            f"{write.frame:#x}, {whose}",
            writer=write.writer,
            epoch=epoch,
            frame=write.frame,
            owner=write.owner,
        )

    def _judge_interrupt(self, irq: MisdirectedIrq) -> None:
        injection = irq.injection
        if injection is None or injection.epoch == irq.requested_epoch:
            return
        if irq.detached_ns is not None:
            return  # irq-contained-after-teardown judges the interrupts of a former owner
        self.violate(
            irq.index,
            irq.at_ns,
            "spurious",
            f"{injection.vm} (epoch {injection.epoch}) received an interrupt of "
            f"{injection.source} that was requested for {self._who(irq.requested_epoch)}",
            device=injection.source,
            intid=irq.intid,
            epoch=irq.requested_epoch,
            receiver=injection.epoch,
        )

    def _who(self, epoch: int) -> str:
        return "the host" if epoch == HOST_EPOCH else self.frames.name(epoch)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count landings and injections."""
        return Closing(self.frames.landings + self.lines.injections)

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what would still reach memory or a guest of another epoch."""
        reaches_others = self.frames.are_reused(rest.epoch) or self.bus_masters.is_bypassed(
            rest.component, rest.epoch
        )
        owed = write_owed(rest, self.frames, self.bus_masters) if reaches_others else ""
        return owed or interrupt_owed(rest, self.lines, self.bus_masters)


class FaultsContained(Property):
    """A dead VM's devices do not flood the host with refused accesses."""

    MAX: ClassVar[int] = 64
    """Refused accesses allowed for each epoch. smmuman keeps 64 fault records for each client and
    drops the rest (smmuman user's guide, smmu_xfer_status)."""

    name = "faults-contained"
    claim = "After a VM has released its last frame, its devices have at most 64 accesses refused."
    formula = "G (all released(epoch) -> G count(blocked(epoch)) <= 64)"
    antecedent = "accesses refused after a VM's last release"
    boundary = "an access refused at the instant of the last release counts as after it"
    source = "smmuman user's guide, smmu_xfer_status: 64 fault records for each client"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.bus_masters = self.tracker(BusMasters)
        self._after_release: dict[int, _Refused] = {}
        self._at_ns = -1
        self._instant: dict[int, _Refused] = {}

    def _turn(self, at_ns: int) -> None:
        # Invariant: `_instant` counts the refusals of `_at_ns` alone; a release at that instant
        # takes them over.
        if at_ns != self._at_ns:
            self._at_ns = at_ns
            self._instant.clear()

    def _block(self, index: int, at_ns: int, event: DmaBlocked | DmaReadBlocked) -> None:
        self._turn(at_ns)
        refused = self._instant.get(event.epoch, _NONE_REFUSED)
        self._instant[event.epoch] = refused.plus(index, at_ns, event.master)
        after = self._after_release.get(event.epoch)
        if after is not None:
            self._after_release[event.epoch] = after.plus(index, at_ns, event.master)

    def _release(self, index: int, at_ns: int, event: FramesReleased) -> None:  # noqa: ARG002
        self._turn(at_ns)
        # Invariant: only accesses after the last release count, so each release restarts the count.
        self._after_release[event.epoch] = self._instant.get(event.epoch, _NONE_REFUSED)

    def settle(self) -> None:
        """Drop the refused accesses of the instant that is over."""
        self._instant.clear()

    def waiting(self) -> Hashable:
        """Return how many accesses were refused at the instant, by epoch."""
        return tuple((epoch, refused.total) for epoch, refused in self._instant.items())

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report the epochs with too many refused accesses."""
        violations = tuple(
            Violation(
                refused.record,
                refused.at_ns,
                f"{refused.master} had access number {self.MAX + 1} of {refused.total} refused "
                f"after {self.frames.name(epoch)} released its last frame; the bound is {self.MAX}",
                "contained",
                {"device": refused.master, "epoch": epoch, "count": refused.total},
            )
            for epoch, refused in self._after_release.items()
            if refused.total > self.MAX
        )
        total = sum(each.total for each in self._after_release.values())
        return Closing(total, violations)

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what the IOMMU would go on to refuse."""
        refused = self._after_release.get(rest.epoch)
        if refused is None or rest.effect == "interrupt":
            return ""
        if refused.total or self.bus_masters.is_shut_out(rest.component, rest.epoch):
            return f"{rest.component} was never stopped: {rest.what} would go on being refused"
        return ""

    def state(self) -> Hashable:
        """Return the counts, up to the bound."""
        return tuple(
            (epoch, min(refused.total, self.MAX + 1))
            for epoch, refused in sorted(self._after_release.items())
        )

    reads: ClassVar[Reads] = {
        DmaBlocked: _block,
        DmaReadBlocked: _block,
        FramesReleased: _release,
    }


class _Refused(NamedTuple):
    """How many accesses were refused, and which of them was the first above the bound."""

    total: int
    record: int
    at_ns: int
    master: str

    def plus(self, index: int, at_ns: int, master: str) -> "_Refused":
        if self.total <= FaultsContained.MAX:
            return _Refused(self.total + 1, index, at_ns, master)
        return self._replace(total=self.total + 1)


_NONE_REFUSED = _Refused(0, -1, -1, "")
