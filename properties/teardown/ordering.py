"""Judges the order of a teardown, its duration, and what follows a time-out.

The order is structural: it shows a missing wait even in a run with lucky timing. The steps of a
procedure wait for each other, so within an instant the order of the records decides.
"""

from collections.abc import Hashable
from typing import ClassVar, NamedTuple

from ...model.base.clock import format_ns
from ...model.trace.event_base import TraceEvent
from ...model.trace.events import (
    AtcInvalidationEnded,
    CallbackEnded,
    FramesQuarantined,
    FramesReleased,
    Header,
    IommuUnmapped,
    QuiesceStepEnded,
    QvmExited,
    StopConfirmed,
    TerminationBegun,
    WorkerEnded,
)
from ..core.monitor import Closing, Property, Reads, Trackers
from ..core.verdict import Violation
from ..trackers.bus_masters import BusMaster, BusMasters
from ..trackers.frame_map import FrameMap
from ..trackers.ownership import Frames


class TeardownOrder(Property):
    """qvm releases memory only after devices and threads can no longer write it."""

    name = "teardown-order"
    claim = (
        "Before the frames that a device can write are released, its stop was confirmed or its "
        "translations were removed and synced, in that order; and no thread of qvm outlives them."
    )
    formula = (
        "stop-confirmed(device, epoch) < unmapped(device, epoch) < synced(device, epoch) < "
        "released(frame, epoch) for each frame in reach(device, epoch); "
        "ended(worker, epoch) < released(frame, epoch)"
    )
    antecedent = "devices and threads that could write for a VM when it released memory"
    boundary = "at one instant the order of the records decides"
    source = (
        "QNX 7.1 hypervisor guide, quiescing: the vdev's callback runs before resources are "
        "released; Arm SMMUv3 (IHI 0070), invalidation followed by CMD_SYNC"
    )

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.bus_masters = self.tracker(BusMasters)
        self._reported: set[tuple[str, int, str]] = set()
        self._judged: set[tuple[str, int]] = set()
        self._released: set[int] = set()
        self._workers: dict[int, int] = {}

    def _unmap(self, index: int, at_ns: int, event: IommuUnmapped) -> None:
        master = self.bus_masters.master(event.master, event.epoch)
        is_meant_to_stop = master.quiesce_begun and not master.timed_out
        if master.has_requests and is_meant_to_stop and not master.stop_confirmed:
            self._report_late_stop(index, at_ns, master)

    def _confirm(self, index: int, at_ns: int, event: StopConfirmed) -> None:
        master = self.bus_masters.master(event.device, event.epoch)
        if master.has_requests and master.unmapped:
            self._report_late_stop(index, at_ns, master)

    def _report_late_stop(self, index: int, at_ns: int, master: BusMaster) -> None:
        message = (
            f"the translations of {master.name} for {self.frames.name(master.epoch)} were removed "
            "before its stop was confirmed"
        )
        self._report(index, at_ns, master, "late-stop", message)

    def _release(self, index: int, at_ns: int, event: FramesReleased) -> None:
        # Invariant: the records of one instant are in the order of the procedure's steps.
        self._released.add(event.epoch)
        first, end = event.first_frame, event.first_frame + event.count
        for master in self.bus_masters.writing_for(event.epoch):
            key = (master.name, master.epoch)
            fault = _why_unsafe(master)
            is_new = (
                (*key, "early-release") not in self._reported if fault else key not in self._judged
            )
            if not is_new or not master.reaches(first, end):
                continue
            self._judged.add(key)
            if fault:
                who = self.frames.name(master.epoch)
                message = f"{who} released frame {first:#x} although {master.name} {fault}"
                self._report(index, at_ns, master, "early-release", message, frame=first)

    def _end_worker(self, index: int, at_ns: int, event: WorkerEnded) -> None:
        self._workers[event.epoch] = self._workers.get(event.epoch, 0) + 1
        if event.epoch in self._released:
            self.violate(
                index,
                at_ns,
                "exposed",
                f"thread {event.worker} of {event.vm} (epoch {event.epoch}) ended only after "
                "memory of its VM had been released",
                device=event.worker,
                epoch=event.epoch,
                rule="late-worker",
            )

    def _report(
        self,
        index: int,
        at_ns: int,
        master: BusMaster,
        rule: str,
        message: str,
        **data: str | int,
    ) -> None:
        """Note a violation once for each device, epoch and rule."""
        key = (master.name, master.epoch, rule)
        if key not in self._reported:
            self._reported.add(key)
            known: dict[str, str | int] = {"device": master.name, "epoch": master.epoch}
            self.violate(index, at_ns, "exposed", message, **known, rule=rule, **data)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count the devices and threads that had to be gone."""
        threads = sum(self._workers.get(epoch, 0) for epoch in self._released)
        return Closing(len(self._judged) + threads)

    def state(self) -> Hashable:
        """Return what is reported and released, and which epochs had threads."""
        reported, released = tuple(sorted(self._reported)), tuple(sorted(self._released))
        return (reported, released, tuple(sorted(self._workers)))

    reads: ClassVar[Reads] = {
        IommuUnmapped: _unmap,
        StopConfirmed: _confirm,
        FramesReleased: _release,
        WorkerEnded: _end_worker,
    }


def _why_unsafe(master: BusMaster) -> str:
    """Return why a device still reaches its frames, or an empty string."""
    if not master.is_mapped:
        return "" if master.stop_confirmed else "was never seen to stop and no IOMMU confines it"
    if master.synced:
        return ""
    if master.keeps_translations:
        return "had not answered that it has dropped the translations that it keeps itself"
    if not master.stop_confirmed:
        return "was neither seen to stop nor cut off by a completed IOMMU invalidation"
    if not master.unmapped:
        return "still had it mapped in the IOMMU"
    return "was unmapped but the invalidation was not complete"


class Deadline(NamedTuple):
    """A bounded response as data, for an engine that computes with exact times.

    Attributes:
        begin: Type of the event that starts the clock.
        end: Type of the event that must follow.
        key: Field in which both events agree.
        bound_ns: The greatest distance that is in time.
    """

    begin: type[TraceEvent]
    end: type[TraceEvent]
    key: str
    bound_ns: int


class TeardownBounded(Property):
    """A qvm process is gone in time after it begins to end."""

    name = "teardown-bounded"
    claim = "A qvm process is gone within the bound of the header after it begins to end."
    formula = "G (termination begun(epoch) -> F[0, bound] exited(epoch))"
    antecedent = "terminations"
    boundary = "an exit exactly at the bound is in time"
    source = (
        "QNX 7.1 hypervisor guide, quiescing: clean up as fast as possible; the bound is the user's"
    )
    compares_times = True

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.deadline = deadline_of(header)
        self._begun: dict[int, tuple[int, int, str]] = {}
        self._ended = 0

    def _begin(self, index: int, at_ns: int, event: TerminationBegun) -> None:
        self._begun.setdefault(event.epoch, (index, at_ns, event.vm))

    def _end(self, index: int, at_ns: int, event: QvmExited) -> None:
        begun = self._begun.pop(event.epoch, None)
        if begun is None:
            return
        self._ended += 1
        took_ns = at_ns - begun[1]
        if took_ns > self.deadline.bound_ns:
            self.violate(
                index,
                at_ns,
                "starved",
                f"{event.vm} (epoch {event.epoch}) took {format_ns(took_ns)} to end; the bound is "
                f"{format_ns(self.deadline.bound_ns)}",
                epoch=event.epoch,
                took_ns=took_ns,
                late_by_ns=took_ns - self.deadline.bound_ns,
            )

    def close(self, last_ns: int) -> Closing:
        """Report terminations whose bound has passed; those still in time decide nothing."""
        violations: list[Violation] = []
        doubt = ""
        for epoch, (index, at_ns, vm) in self._begun.items():
            waited_ns = last_ns - at_ns
            who = f"{vm} (epoch {epoch})"
            if waited_ns <= self.deadline.bound_ns:
                doubt = f"{who} is still ending when the trace ends, and its bound has not passed"
                continue
            bound = format_ns(self.deadline.bound_ns)
            message = (
                f"{who} had not ended {format_ns(waited_ns)} after it began; the bound is {bound}"
            )
            data: dict[str, str | int] = {"epoch": epoch, "waited_ns": waited_ns}
            violations.append(Violation(index, at_ns, message, "starved", data))
        return Closing(self._ended + len(self._begun), tuple(violations), doubt)

    def state(self) -> Hashable:
        """Return which terminations are under way."""
        return tuple(sorted(self._begun))

    reads: ClassVar[Reads] = {TerminationBegun: _begin, QvmExited: _end}


def deadline_of(header: Header) -> Deadline:
    """Return the deadline of `teardown-bounded` for traces with this header."""
    return Deadline(TerminationBegun, QvmExited, "epoch", header.teardown_ns_max)


class TimeoutQuarantines(Property):
    """The host keeps the memory of a device whose quiescing timed out, and does not release it."""

    name = "timeout-quarantines"
    claim = (
        "After quiescing a device has timed out, no frame that the device can still write is "
        "released."
    )
    formula = (
        "G (timed-out(device, epoch) -> G not released(frame, epoch)) for frame in reach(device)"
    )
    antecedent = "time-outs"
    boundary = (
        "a release at the instant of the time-out counts as after it, whichever record comes first"
    )
    source = "a time-out is no proof of silence: memory may then be leaked, never reused"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.bus_masters = self.tracker(BusMasters)
        self._timed_out: dict[int, list[str]] = {}
        self._quarantined: dict[int, FrameMap[bool]] = {}
        self._time_outs = 0
        self._at_ns = -1
        self._instant: list[tuple[int, FramesReleased]] = []

    def _end_callback(self, index: int, at_ns: int, event: CallbackEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            self._time_out(at_ns, event.epoch, event.vdev)

    def _end_step(self, index: int, at_ns: int, event: QuiesceStepEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            self._time_out(at_ns, event.epoch, event.device)

    def _end_atc(self, index: int, at_ns: int, event: AtcInvalidationEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            self._time_out(at_ns, event.epoch, event.master)

    def _time_out(self, at_ns: int, epoch: int, name: str) -> None:
        self._turn(at_ns)
        self._time_outs += 1
        is_first = epoch not in self._timed_out
        names = self._timed_out.setdefault(epoch, [])
        if name not in names:
            names.append(name)
        # Invariant: a release at the instant of the first time-out counts as after it, so earlier
        # releases of that instant are judged now.
        if is_first:
            for index, released in self._instant:
                self._judge(index, at_ns, released)

    def _release(self, index: int, at_ns: int, event: FramesReleased) -> None:
        self._turn(at_ns)
        self._instant.append((index, event))
        if event.epoch in self._timed_out:
            self._judge(index, at_ns, event)

    def _turn(self, at_ns: int) -> None:
        if at_ns != self._at_ns:
            self._at_ns = at_ns
            self._instant.clear()

    def _judge(self, index: int, at_ns: int, event: FramesReleased) -> None:
        names = self._timed_out.get(event.epoch)
        if names is None:
            return
        first, end = event.first_frame, event.first_frame + event.count
        why = self._why_kept(event.epoch, names, first, end)
        if why:
            self.violate(
                index,
                at_ns,
                "exposed",
                f"{self.frames.name(event.epoch)} released frame {first:#x} although {why}",
                device=names[0],
                epoch=event.epoch,
                frame=first,
            )

    def _why_kept(self, epoch: int, names: list[str], first: int, end: int) -> str:
        """Return why frames may not be released after these time-outs, or an empty string."""
        kept = self._quarantined.get(epoch)
        if kept is not None and kept.meets(first, end):
            return "it had been put into quarantine"
        bus_masters = {master.name: master for master in self.bus_masters.writing_for(epoch)}
        # Invariant: if the trace shows no bus master of the epoch, any frame may be in a device's
        # reach.
        if not bus_masters:
            return f"quiescing {names[0]} had timed out"
        for name in names:
            # Invariant: the time-out of a vdev does not show which device behind it goes on
            # writing.
            suspects = [bus_masters[name]] if name in bus_masters else list(bus_masters.values())
            for master in suspects:
                if not master.is_harmless and master.reaches(first, end):
                    return f"quiescing {name} had timed out and {master.name} can still write it"
        return ""

    def _quarantine(self, index: int, at_ns: int, event: FramesQuarantined) -> None:  # noqa: ARG002
        kept = self._quarantined.setdefault(event.epoch, FrameMap())
        # Invariant: quarantine lasts for good; frames are only added to it.
        kept.change(event.first_frame, event.first_frame + event.count, lambda _: True)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count the time-outs."""
        return Closing(self._time_outs)

    def settle(self) -> None:
        """Drop the releases of the instant that is over."""
        self._instant.clear()

    def waiting(self) -> Hashable:
        """Return the releases of the present instant."""
        return tuple(released for _, released in self._instant)

    def state(self) -> Hashable:
        """Return which devices have timed out, and what the host keeps."""
        timed_out = ((epoch, tuple(names)) for epoch, names in self._timed_out.items())
        kept = ((epoch, tuple(runs)) for epoch, runs in self._quarantined.items())
        return (tuple(sorted(timed_out)), tuple(sorted(kept)))

    reads: ClassVar[Reads] = {
        CallbackEnded: _end_callback,
        QuiesceStepEnded: _end_step,
        AtcInvalidationEnded: _end_atc,
        FramesReleased: _release,
        FramesQuarantined: _quarantine,
    }
