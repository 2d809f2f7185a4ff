"""Judges restarts: each device of a restarted VM must work for its new instance.

A device that no procedure stopped, or that was only half stopped, can harm its next owner without a
write. Its line stays masked for the dead owner, or the device waits for an answer that never comes.
After a restart each device of the VM must therefore do a piece of work for the new instance. The
header names the devices of a VM, and the events that show their work (`Service`).
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.base.addresses import HOST_EPOCH
from ...model.trace.events import (
    BackendRequestEnded,
    DmaLanded,
    DmaRequested,
    GuestEnded,
    Header,
    IrqAsserted,
    IrqDeasserted,
    IrqHandled,
    IrqInjected,
    QvmExited,
    RequestCompleted,
    RequestSubmitted,
    RestartRequested,
    Service,
    TerminationBegun,
    VmStarted,
)
from ..core.monitor import Closing, Property, Reads, Trackers
from ..core.quiet import Quiet
from ..core.verdict import Violation
from ..trackers.interrupt_lines import Lines
from ..trackers.ownership import Frames


class _Awaited:
    """A device of a new instance that has not yet worked for it.

    Attributes:
        service: What the device does, and which event shows it.
        index, at_ns: The record that gave it work; before that, the start of the instance.
        is_at_work: Whether it has work to do.
        has_acted: Whether it has acted for the new instance and must report that by an interrupt.
        is_reported: Whether qvm has injected an interrupt of its line since, or its driver has
            lowered the line.
    """

    def __init__(self, service: Service, index: int, at_ns: int) -> None:
        self.service = service
        self.index = index
        self.at_ns = at_ns
        self.is_at_work = False
        self.has_acted = False
        self.is_reported = False

    def begin(self, index: int, at_ns: int) -> None:
        """Note that the device has work to do."""
        if not self.is_at_work:
            self.is_at_work, self.index, self.at_ns = True, index, at_ns


class NextOwnerWorks(Property):
    """After a restart, each device of the VM does a piece of work for the new instance.

    The property does not judge an instance that ends before all of its devices have worked.
    """

    name = "next-owner-works"
    claim = (
        "After a restart each device of the VM does a piece of work for the new instance: its "
        "interrupt is handled, its write lands, or its request completes."
    )
    formula = (
        "G (restarted(vm, epoch) and device in services(vm) -> "
        "F (worked(device, epoch) or ended(epoch)))"
    )
    antecedent = "devices of VMs that were started again"
    boundary = (
        "work done at the instant at which the observation ends counts, whichever record comes "
        "first"
    )
    source = (
        "QNX hypervisor guide, qvmirqs: a line is masked on assertion and unmasked when the guest "
        "has handled it; VIRTIO 1.2, 3.1: a driver resets its device and initialises it; that a "
        "restarted guest is to work is our reading of a restart"
    )
    ends_search = False

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.lines = self.tracker(Lines)
        self.quiet = self.tracker(Quiet)
        self._known: set[str] = set()
        self._exited: set[int] = set()
        self._awaited: dict[tuple[int, str], _Awaited] = {}
        self._worked = 0

    # Which instances and devices are awaited.

    def _request(self, index: int, at_ns: int, event: RestartRequested) -> None:  # noqa: ARG002
        self._known.add(event.vm)

    def _start(self, index: int, at_ns: int, event: VmStarted) -> None:
        # Invariant: only a restarted VM is awaited: `_known` has VMs that started, or whose restart
        # was requested.
        if event.vm in self._known:
            for each in self.header.services:
                if each.vm == event.vm:
                    self._awaited[event.epoch, each.device] = _Awaited(each, index, at_ns)
        self._known.add(event.vm)

    def _end(
        self,
        index: int,  # noqa: ARG002
        at_ns: int,  # noqa: ARG002
        event: GuestEnded | TerminationBegun,
    ) -> None:
        # Invariant: an instance that ends is not judged, so none of its devices is awaited any
        # more.
        for key in [key for key in self._awaited if key[0] == event.epoch]:
            del self._awaited[key]

    def _exit(self, index: int, at_ns: int, event: QvmExited) -> None:  # noqa: ARG002
        self._exited.add(event.epoch)

    # What devices do.

    def _give(self, index: int, at_ns: int, event: DmaRequested) -> None:
        awaited = self._awaited.get((event.epoch, event.master))
        if awaited is not None and awaited.service.begins == "asked":
            awaited.begin(index, at_ns)

    def _submit(self, index: int, at_ns: int, event: RequestSubmitted) -> None:
        awaited = self._awaited.get((event.epoch, event.vdev))
        if awaited is not None and awaited.service.begins == "asked":
            awaited.begin(index, at_ns)

    def _land(self, index: int, at_ns: int, event: DmaLanded) -> None:
        awaited = self._awaited.get((event.epoch, event.master))
        if awaited is not None and awaited.service.begins == "landed":
            awaited.begin(index, at_ns)
        if awaited is not None and awaited.service.begins and awaited.is_at_work:
            # Invariant: a level that is already raised, even for an ended epoch, reports this write
            # as well.
            awaited.has_acted = True
        self._answer(event.epoch, event.master, "landed")

    def _assert(self, index: int, at_ns: int, event: IrqAsserted) -> None:
        awaited = self._awaited.get((event.epoch, event.device))
        if awaited is not None and awaited.service.intid == event.intid:
            awaited.begin(index, at_ns)
            awaited.has_acted = True

    def _deassert(self, index: int, at_ns: int, event: IrqDeasserted) -> None:  # noqa: ARG002
        """Note that the driver has read what the device did, whichever interrupt woke it."""
        awaited = self._awaited.get((event.epoch, event.device))
        if awaited is not None and awaited.service.intid == event.intid:
            awaited.is_reported |= awaited.has_acted

    def _inject(self, index: int, at_ns: int, event: IrqInjected) -> None:  # noqa: ARG002
        for (epoch, _), awaited in self._awaited.items():
            if epoch == event.epoch and awaited.service.intid == event.intid >= 0:
                awaited.is_reported |= awaited.has_acted

    def _handle(self, index: int, at_ns: int, event: IrqHandled) -> None:  # noqa: ARG002
        for (epoch, device), awaited in list(self._awaited.items()):
            # Invariant: an answer counts only after an interrupt that reports what the device has
            # done.
            is_its = epoch == event.epoch and awaited.service.intid == event.intid
            if is_its and awaited.is_reported:
                self._answer(epoch, device, "handled")

    def _complete(self, index: int, at_ns: int, event: RequestCompleted) -> None:  # noqa: ARG002
        self._answer(event.epoch, event.vdev, "completed")

    def _serve(self, index: int, at_ns: int, event: BackendRequestEnded) -> None:  # noqa: ARG002
        if event.outcome == "done":
            self._answer(event.epoch, event.server, "completed")

    def _answer(self, epoch: int, device: str, answer: str) -> None:
        awaited = self._awaited.get((epoch, device))
        if awaited is not None and awaited.service.answer == answer:
            del self._awaited[epoch, device]
            self._worked += 1

    # What is left at the end.

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report devices that will never work for their next owner; name the undecided ones."""
        violations: list[Violation] = []
        doubt = ""
        for (epoch, device), awaited in self._awaited.items():
            why = self._why_never(epoch, device, awaited)
            if why:
                data: dict[str, str | int] = {"device": device, "epoch": epoch}
                data["intid"] = awaited.service.intid
                violations.append(Violation(awaited.index, awaited.at_ns, why, "starved", data))
            elif not doubt:
                doubt = (
                    f"{device} has not yet worked for {self.frames.name(epoch)} when the trace ends"
                )
        return Closing(self._worked + len(self._awaited), tuple(violations), doubt)

    def _why_never(self, epoch: int, device: str, awaited: _Awaited) -> str:
        """Return why a device will never work for an instance, or an empty string."""
        who = self.frames.name(epoch)
        held = self._held(epoch, awaited.service.intid)
        if held:
            return f"{device} never works for {who}: {held}"
        if not awaited.is_at_work or not self.quiet.is_reached:
            return ""
        if awaited.has_acted:
            return f"{device} never works for {who}: no interrupt reports what it has done"
        return f"{device} never works for {who}: it has work to do and does not answer"

    def _held(self, epoch: int, intid: int) -> str:
        """Return how owners that are gone keep a line from an instance, or an empty string."""
        line = self.lines.lines.get(intid)
        if line is None or not line.is_owned_by(epoch) or not line.held:
            return ""
        gone = line.held_for
        if any(left_by not in self._exited for _, left_by in gone if left_by != HOST_EPOCH):
            return ""
        names = [name if by == HOST_EPOCH else self.frames.name(by) for name, by in gone]
        on_behalf = f" on behalf of {names[0]}, which is gone" if names else ""
        return f"line {intid} stays {line.held}{on_behalf}"

    def state(self) -> Hashable:
        """Return the awaited devices, how far each is, and which epochs have exited."""
        awaited = (
            (key, each.is_at_work, each.has_acted, each.is_reported)
            for key, each in self._awaited.items()
        )
        known, exited = tuple(sorted(self._known)), tuple(sorted(self._exited))
        return (tuple(sorted(awaited)), known, exited)

    reads: ClassVar[Reads] = {
        RestartRequested: _request,
        VmStarted: _start,
        GuestEnded: _end,
        TerminationBegun: _end,
        QvmExited: _exit,
        DmaRequested: _give,
        RequestSubmitted: _submit,
        DmaLanded: _land,
        IrqAsserted: _assert,
        IrqDeasserted: _deassert,
        IrqInjected: _inject,
        IrqHandled: _handle,
        RequestCompleted: _complete,
        BackendRequestEnded: _serve,
    }
