"""What a teardown owes: the procedure is carried through, memory comes back, the VM starts again.

A run can be safe because it gives something up: a procedure is cut short, memory is kept from
everybody, a restart never comes.  These properties say so.  They are bounded responses: something
must follow by the end of the observation.  None of them compares times, so that a search through
dense time judges them as any run does; what is still under way at the end leaves them undecided.
"""

from collections.abc import Hashable
from typing import ClassVar

from ..model.addresses import FRAME_SIZE
from ..model.trace import (
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
from .monitor import Closing, Property, Reads, Shelf
from .ownership import Frames

_KIB = 1 << 10


class QuiesceCompleted(Property):
    """Every quiesce procedure that begins is carried through, and no wait in it is given up."""

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
        "resources are released; a wait that is given up has not seen that"
    )
    ends_search = False

    def __init__(self, header: Header, shelf: Shelf | None = None) -> None:
        super().__init__(header, shelf)
        self.frames = self.book(Frames)
        self._callbacks = 0
        self._open: dict[tuple[int, str], bool] = {}
        self._steps: dict[int, tuple[str, str]] = {}

    def _begin(self, index: int, at_ns: int, event: CallbackBegun) -> None:  # noqa: ARG002
        self._callbacks += 1
        self._open[event.epoch, event.vdev] = False

    def _end(self, index: int, at_ns: int, event: CallbackEnded) -> None:
        is_told = self._open.pop((event.epoch, event.vdev), False)
        if event.outcome != "done" and not is_told:
            who = self.frames.name(event.epoch)
            message = f"the TERMINATE callback of {event.vdev} for {who} gave up waiting"
            self._report(index, at_ns, message, event.epoch, event.vdev)

    def _begin_step(self, index: int, at_ns: int, event: QuiesceStepBegun) -> None:  # noqa: ARG002
        self._steps[event.epoch] = (event.step, event.device)

    def _end_step(self, index: int, at_ns: int, event: QuiesceStepEnded) -> None:
        self._steps.pop(event.epoch, None)
        if event.outcome == "done":
            return
        for key in self._open:
            if key[0] == event.epoch:
                self._open[key] = True
        message = (
            f"the step {event.step} of {event.device} for {self.frames.name(event.epoch)} gave up "
            "waiting"
        )
        self._report(index, at_ns, message, event.epoch, event.device)

    def _exit(self, index: int, at_ns: int, event: QvmExited) -> None:
        step = self._steps.pop(event.epoch, None)
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
        """Name a callback that has not returned yet."""
        doubt = ""
        for epoch, vdev in self._open:
            who = self.frames.name(epoch)
            doubt = f"the TERMINATE callback of {vdev} for {who} has not returned yet"
        return Closing(self._callbacks, doubt=doubt)

    def state(self) -> Hashable:
        """Return what is under way."""
        return (tuple(sorted(self._open.items())), tuple(sorted(self._steps.items())))

    reads: ClassVar[Reads] = {
        CallbackBegun: _begin,
        CallbackEnded: _end,
        QuiesceStepBegun: _begin_step,
        QuiesceStepEnded: _end_step,
        QvmExited: _exit,
    }


class MemoryReclaimed(Property):
    """The memory of a VM that has ended goes back to the host, all of it."""

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
        "quarantine is lost until the host starts anew, our choice for devices that do not stop"
    )
    ends_search = False

    def __init__(self, header: Header, shelf: Shelf | None = None) -> None:
        super().__init__(header, shelf)
        self.frames = self.book(Frames)
        self._ending: set[int] = set()
        self._ended: set[int] = set()
        self._kept: dict[int, int] = {}
        self._timed_out: dict[int, tuple[str, str]] = {}

    def _begin(self, index: int, at_ns: int, event: TerminationBegun) -> None:  # noqa: ARG002
        if event.epoch not in self._ended and self.frames.held_by(event.epoch):
            self._ending.add(event.epoch)

    def _end_step(self, index: int, at_ns: int, event: QuiesceStepEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            what = f"the step {event.step} of {event.device}"
            self._timed_out.setdefault(event.epoch, (event.device, what))

    def _end_atc(self, index: int, at_ns: int, event: AtcInvalidationEnded) -> None:  # noqa: ARG002
        if event.outcome == "timed_out":
            what = f"the invalidation of what {event.master} keeps itself"
            self._timed_out.setdefault(event.epoch, (event.master, what))

    def _quarantine(self, index: int, at_ns: int, event: FramesQuarantined) -> None:
        is_first = event.epoch not in self._kept
        self._kept[event.epoch] = self._kept.get(event.epoch, 0) + event.count
        if is_first:
            held = self.frames.held_by(event.epoch)
            device, what = self._timed_out.get(event.epoch, ("", ""))
            message = (
                f"{self.frames.name(event.epoch)} keeps frames from {event.first_frame:#x} on from "
                f"everybody for good; it had not released {_size(held)}"
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
        if event.epoch in self._ending:
            self._ending.discard(event.epoch)
            self._ended.add(event.epoch)
        left = self.frames.held_by(event.epoch) - self._kept.get(event.epoch, 0)
        if left > 0:
            message = f"{self.frames.name(event.epoch)} is gone and still holds {_size(left)}"
            self.violate(index, at_ns, "withheld", message, epoch=event.epoch, frames=left)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Name a VM that still holds memory because it is still ending."""
        doubt = ""
        for epoch in sorted(self._ending):
            doubt = f"{self.frames.name(epoch)} is still ending and has not released all memory"
        return Closing(len(self._ending | self._ended | set(self._kept)), doubt=doubt)

    def state(self) -> Hashable:
        """Return who is ending, who has ended and who keeps memory."""
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
    """A VM that is to be started again after its end is started again."""

    name = "restart-happened"
    claim = "A VM whose restart is asked for starts as a new instance."
    formula = (
        "G (restart requested(vm, epoch) -> F started(vm, later epoch)) unless the host goes down"
    )
    antecedent = "restarts that were asked for"
    boundary = (
        "a start at the instant at which the observation ends counts, whichever record comes first"
    )
    source = (
        "QNX hypervisor guide, guest_stop: a guest's reboot ends its qvm, and whoever wants the "
        "guest back starts a new one"
    )
    ends_search = False

    def __init__(self, header: Header, shelf: Shelf | None = None) -> None:
        super().__init__(header, shelf)
        self._requested: dict[str, int] = {}
        self._decided = 0
        self._goes_down = False

    def _request(self, index: int, at_ns: int, event: RestartRequested) -> None:  # noqa: ARG002
        if not self._goes_down:
            self._requested[event.vm] = event.epoch

    def _start(self, index: int, at_ns: int, event: VmStarted) -> None:  # noqa: ARG002
        if event.epoch > self._requested.get(event.vm, event.epoch):
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
        # Nobody is left who could start anything.
        self._goes_down = True
        self._requested.clear()

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Name a restart that has neither come nor been given up."""
        doubt = ""
        for vm, epoch in self._requested.items():
            doubt = f"{vm} (epoch {epoch}) has not been started again when the trace ends"
        return Closing(self._decided + len(self._requested), doubt=doubt)

    def state(self) -> Hashable:
        """Return whose restart is awaited."""
        return (tuple(sorted(self._requested.items())), self._goes_down)

    reads: ClassVar[Reads] = {
        RestartRequested: _request,
        VmStarted: _start,
        RestartGivenUp: _give_up,
        HostShutdownBegun: _go_down,
    }


def _size(frames: int) -> str:
    """Return so many frames in words, with their size.

    Example:
        >>> _size(1), _size(512)
        ('1 frame (4 KiB)', '512 frames (2 MiB)')
    """
    kib = frames * FRAME_SIZE // _KIB
    size = f"{kib} KiB" if kib % _KIB else f"{kib // _KIB} MiB"
    return f"{frames} frame{'' if frames == 1 else 's'} ({size})"
