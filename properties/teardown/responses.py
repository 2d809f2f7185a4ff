"""Judges what a teardown owes: complete procedures, memory returned, and a restart.

A run can be safe because it gives something up: a procedure is cut short, the host keeps memory in
quarantine, or a restart never comes. These properties report that. They are bounded responses: an
event must follow by the end of the observation. They compare no times, so a search through dense
time judges them as any run does. An event that has not come when all is quiet never comes. A trace
that does not report quiet leaves it undecided.
"""

from collections.abc import Hashable
from typing import ClassVar, NamedTuple

from ...model.base.addresses import FRAME_SIZE
from ...model.trace.events import (
    AtcInvalidationEnded,
    CallbackBegun,
    CallbackEnded,
    FramesQuarantined,
    Header,
    HostShutdownBegun,
    QuiesceStepBegun,
    QuiesceStepEnded,
    QvmExited,
    RestartGivenUp,
    RestartRequested,
    TerminationBegun,
    VmStarted,
)
from ..core.monitor import Closing, Property, Reads, Trackers
from ..core.quiet import Quiet
from ..core.verdict import Severity, Violation
from ..trackers.ownership import Frames

_KIB = 1 << 10


class QuiesceCompleted(Property):
    """Every quiesce procedure that begins is completed, and no step of it gives up waiting."""

    name = "quiesce-completed"
    claim = (
        "Every TERMINATE callback that begins returns before its qvm is gone, and none of its "
        "steps gives up waiting."
    )
    formula = (
        "G (callback begun(vdev, epoch) -> F (callback done(vdev, epoch) and "
        "not exited(epoch) before it)) and G not timed-out(step, epoch)"
    )
    antecedent = "TERMINATE callbacks that began"
    boundary = (
        "a wait that is over exactly at its bound is what its record says; a callback that "
        "returns at the instant of the exit is complete if its record comes first"
    )
    source = (
        "QNX 7.1 hypervisor guide, quiescing: the vdev's callback makes its device dormant before "
        "resources are released; a step that gives up waiting has not seen that"
    )
    ends_search = False

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.quiet = self.tracker(Quiet)
        self._callbacks = 0
        self._open: dict[tuple[int, str], tuple[bool, _Begun]] = {}
        self._steps: dict[int, tuple[str, str]] = {}

    def _begin(self, index: int, at_ns: int, event: CallbackBegun) -> None:
        self._callbacks += 1
        self._open[event.epoch, event.vdev] = (False, _Begun(index, at_ns))

    def _end(self, index: int, at_ns: int, event: CallbackEnded) -> None:
        # Invariant: a callback is reported once: by its step that timed out, or else by its own
        # end.
        is_reported, _ = self._open.pop((event.epoch, event.vdev), (False, None))
        if event.outcome != "done" and not is_reported:
            who = self.frames.name(event.epoch)
            message = f"the TERMINATE callback of {event.vdev} for {who} gave up waiting"
            self._report(index, at_ns, message, event.epoch, event.vdev)

    def _begin_step(self, index: int, at_ns: int, event: QuiesceStepBegun) -> None:  # noqa: ARG002
        self._steps[event.epoch] = (event.step, event.device)

    def _end_step(self, index: int, at_ns: int, event: QuiesceStepEnded) -> None:
        self._steps.pop(event.epoch, None)
        if event.outcome == "done":
            return
        for key, (_, begun) in self._open.items():
            if key[0] == event.epoch:
                self._open[key] = (True, begun)
        message = (
            f"the step {event.step} of {event.device} for {self.frames.name(event.epoch)} gave up "
            "waiting"
        )
        self._report(index, at_ns, message, event.epoch, event.device)

    def _exit(self, index: int, at_ns: int, event: QvmExited) -> None:
        step = self._steps.pop(event.epoch, None)
        # Invariant: a callback cannot return once its qvm is gone.
        for key in [key for key in self._open if key[0] == event.epoch]:
            del self._open[key]
            inside = f" in the step {step[0]} of {step[1]}" if step else ""
            message = (
                f"the TERMINATE callback of {key[1]} for {self.frames.name(event.epoch)} was cut "
                f"off{inside}, and its qvm is gone"
            )
            self._report(index, at_ns, message, event.epoch, key[1])

    def _report(self, index: int, at_ns: int, message: str, epoch: int, device: str) -> None:
        self.violate(index, at_ns, "unfinished", message, device=device, epoch=epoch)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report callbacks that will never return; name those that may still return."""
        open_ = []
        for (epoch, vdev), (_, begun) in self._open.items():
            who = self.frames.name(epoch)
            what = f"the TERMINATE callback of {vdev} for {who} has not returned"
            open_.append(begun.violation(what, "unfinished", device=vdev, epoch=epoch))
        return _closing(self._callbacks, open_, self.quiet)

    def state(self) -> Hashable:
        """Return which callbacks and steps are under way."""
        callbacks = ((key, is_reported) for key, (is_reported, _) in self._open.items())
        return (tuple(sorted(callbacks)), tuple(sorted(self._steps.items())))

    reads: ClassVar[Reads] = {
        CallbackBegun: _begin,
        CallbackEnded: _end,
        QuiesceStepBegun: _begin_step,
        QuiesceStepEnded: _end_step,
        QvmExited: _exit,
    }


class MemoryReclaimed(Property):
    """All memory of a VM that has ended goes back to the host."""

    name = "memory-reclaimed"
    claim = "Every frame that a VM owns when it begins to end is released before its qvm is gone."
    formula = (
        "G (termination begun(epoch) and granted(frame, epoch) -> "
        "not exited(epoch) U released(frame, epoch)) and G not quarantined(frame, epoch)"
    )
    antecedent = "VMs with memory that began to end"
    boundary = (
        "a release at the instant of the exit is in time if its record comes before that of the "
        "exit"
    )
    source = (
        "QNX hypervisor guide, quiescing: resources are released when qvm ends; memory in "
        "quarantine is lost until the host restarts, our choice for devices that do not stop"
    )
    ends_search = False

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.quiet = self.tracker(Quiet)
        self._ending: dict[int, _Begun] = {}
        self._ended: set[int] = set()
        self._kept: dict[int, int] = {}
        self._timed_out: dict[int, tuple[str, str]] = {}

    def _begin(self, index: int, at_ns: int, event: TerminationBegun) -> None:
        if event.epoch not in self._ended and self.frames.held_by(event.epoch):
            self._ending.setdefault(event.epoch, _Begun(index, at_ns))

    def _end_step(self, index: int, at_ns: int, event: QuiesceStepEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            what = f"the step {event.step} of {event.device}"
            self._timed_out.setdefault(event.epoch, (event.device, what))

    def _end_atc(self, index: int, at_ns: int, event: AtcInvalidationEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            what = f"the invalidation of the translations that {event.master} keeps itself"
            self._timed_out.setdefault(event.epoch, (event.master, what))

    def _quarantine(self, index: int, at_ns: int, event: FramesQuarantined) -> None:
        # Invariant: one violation for each epoch, with all the memory that it still holds.
        is_first = event.epoch not in self._kept
        self._kept[event.epoch] = self._kept.get(event.epoch, 0) + event.count
        if is_first:
            held = self.frames.held_by(event.epoch)
            device, what = self._timed_out.get(event.epoch, ("", ""))
            message = (
                f"{self.frames.name(event.epoch)} keeps frames from {event.first_frame:#x} on in "
                "quarantine for good; it had not released "
                f"{_size(held)}"
                f"{f' after {what} had timed out' if what else ''}"
            )
            self.violate(
                index,
                at_ns,
                "withheld",
                message,
                device=device,
                epoch=event.epoch,
                frame=event.first_frame,
                frames=held,
            )

    def _exit(self, index: int, at_ns: int, event: QvmExited) -> None:
        if self._ending.pop(event.epoch, None):
            self._ended.add(event.epoch)
        # Invariant: frames in quarantine still belong to the epoch and are reported already.
        left = self.frames.held_by(event.epoch) - self._kept.get(event.epoch, 0)
        if left > 0:
            message = f"{self.frames.name(event.epoch)} is gone and still holds {_size(left)}"
            self.violate(index, at_ns, "withheld", message, epoch=event.epoch, frames=left)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report VMs that are gone and hold memory; name those that are still ending."""
        open_ = []
        for epoch, begun in self._ending.items():
            what = f"{self.frames.name(epoch)} is still ending and has not released all memory"
            open_.append(begun.violation(what, "withheld", epoch=epoch))
        count = len({*self._ending, *self._ended, *self._kept})
        return _closing(count, open_, self.quiet)

    def state(self) -> Hashable:
        """Return which VMs are ending, have ended, or keep memory."""
        kept = tuple(sorted(self._kept.items()))
        return (tuple(sorted(self._ending)), tuple(sorted(self._ended)), kept)

    reads: ClassVar[Reads] = {
        TerminationBegun: _begin,
        QuiesceStepEnded: _end_step,
        AtcInvalidationEnded: _end_atc,
        FramesQuarantined: _quarantine,
        QvmExited: _exit,
    }


class RestartHappened(Property):
    """A VM that is to be restarted after its end starts again."""

    name = "restart-happened"
    claim = "A VM whose restart is requested starts as a new instance."
    formula = (
        "G (restart requested(vm, epoch) -> F started(vm, later epoch)) unless the host goes down"
    )
    antecedent = "restarts that were requested"
    boundary = (
        "a start at the instant at which the observation ends counts, whichever record comes first"
    )
    source = (
        "QNX hypervisor guide, guest_stop: a guest's reboot ends its qvm; to get the guest "
        "back, the host starts a new qvm"
    )
    ends_search = False

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.quiet = self.tracker(Quiet)
        self._requested: dict[str, tuple[int, _Begun]] = {}
        self._decided = 0
        self._goes_down = False

    def _request(self, index: int, at_ns: int, event: RestartRequested) -> None:
        if not self._goes_down:
            self._requested[event.vm] = (event.epoch, _Begun(index, at_ns))

    def _start(self, index: int, at_ns: int, event: VmStarted) -> None:  # noqa: ARG002
        requested = self._requested.get(event.vm)
        if requested is not None and event.epoch > requested[0]:
            del self._requested[event.vm]
            self._decided += 1

    def _give_up(self, index: int, at_ns: int, event: RestartGivenUp) -> None:
        if self._requested.pop(event.vm, None) is None:
            return
        self._decided += 1
        message = (
            f"{event.vm} (epoch {event.epoch}) is never started again: "
            f"{event.reason.replace('_', ' ')}"
        )
        self.violate(index, at_ns, "withheld", message, epoch=event.epoch)

    def _go_down(self, index: int, at_ns: int, event: HostShutdownBegun) -> None:  # noqa: ARG002
        # Invariant: once the host goes down, no supervisor is left that could start a VM.
        self._goes_down = True
        self._requested.clear()

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report restarts that will never come; name those that may still come."""
        open_ = []
        for vm, (epoch, begun) in self._requested.items():
            what = f"{vm} (epoch {epoch}) has not been started again"
            open_.append(begun.violation(what, "withheld", epoch=epoch))
        return _closing(self._decided + len(self._requested), open_, self.quiet)

    def state(self) -> Hashable:
        """Return which restarts are awaited."""
        requested = ((vm, epoch) for vm, (epoch, _) in self._requested.items())
        return (tuple(sorted(requested)), self._goes_down)

    reads: ClassVar[Reads] = {
        RestartRequested: _request,
        VmStarted: _start,
        RestartGivenUp: _give_up,
        HostShutdownBegun: _go_down,
    }


class _Begun(NamedTuple):
    """The record with which something begins that another event must follow."""

    record: int
    at_ns: int

    def violation(self, what: str, severity: Severity, **data: str | int) -> Violation:
        """Return the violation for the case that nothing more can follow."""
        message = f"{what}, and nothing is under way any more"
        return Violation(self.record, self.at_ns, message, severity, data)


def _closing(antecedents: int, open_: list[Violation], quiet: Quiet) -> Closing:
    """Return what is left open: as violations if all is quiet, else as a doubt."""
    if quiet.is_reached or not open_:
        return Closing(antecedents, tuple(open_))
    what = open_[0].message.rpartition(", and ")[0]
    return Closing(antecedents, doubt=f"{what} when the trace ends")


def _size(frames: int) -> str:
    """Return a number of frames in words, with their size.

    Example:
        >>> _size(1), _size(512)
        ('1 frame (4 KiB)', '512 frames (2 MiB)')
    """
    kib = frames * FRAME_SIZE // _KIB
    size = f"{kib} KiB" if kib % _KIB else f"{kib // _KIB} MiB"
    return f"{frames} frame{'' if frames == 1 else 's'} ({size})"
