"""Judges interrupts: a dead VM's do no harm, and a living owner's arrive.

The host masks a line when it takes an interrupt. It unmasks the line when every owner that the
kernel has signalled has answered. An owner that dies in between leaves the line masked, unless the
kernel tracks its masks.
"""

from collections.abc import Hashable
from typing import ClassVar

from ...model.base.addresses import HOST_EPOCH
from ...model.trace.events import (
    Header,
    IrqAsserted,
    IrqDeasserted,
    IrqDetached,
    IrqHandled,
    IrqMasked,
    IrqTaken,
    QvmExited,
    StillUnderWay,
)
from ..core.monitor import Closing, Property, Reads, Trackers
from ..core.verdict import Violation, how_late
from ..trackers.bus_masters import BusMasters
from ..trackers.interrupt_lines import Line, Lines, MisdirectedIrq, Owner
from ..trackers.owed import interrupt_owed
from ..trackers.ownership import Frames


class NoIrqAfterTeardown(Property):
    """No CPU takes an interrupt of a VM once the VM has detached from its line or vector."""

    name = "no-irq-after-teardown"
    claim = "No CPU takes an interrupt requested for a VM at or after the instant of its detach."
    formula = "G (detached(line, epoch) -> G not taken(line, epoch))"
    antecedent = "lines and vectors from which a VM has detached"
    boundary = (
        "an interrupt taken at the instant of detach counts as after it, whichever record comes "
        "first"
    )
    source = "QNX 7.1 hypervisor guide, quiescing: no interrupts once resources are released"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.lines = self.tracker(Lines)
        self.bus_masters = self.tracker(BusMasters)
        self.lines.misdirected.append(self._judge)

    def _judge(self, irq: MisdirectedIrq) -> None:
        if irq.injection is not None or irq.detached_ns is None:
            return
        late_by_ns = irq.at_ns - irq.detached_ns
        self.violate(
            irq.index,
            irq.at_ns,
            "spurious",
            f"the host took interrupt {irq.intid} of {self.frames.name(irq.requested_epoch)}, "
            f"{how_late(late_by_ns)} it detached",
            intid=irq.intid,
            epoch=irq.requested_epoch,
            late_by_ns=late_by_ns,
        )

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Count the attachments that VMs have given up."""
        return Closing(self.lines.dead_count)

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what would still interrupt for a VM that has detached."""
        return interrupt_owed(rest, self.lines, self.bus_masters)


class IrqContainedAfterTeardown(Property):
    """The host may take a dead VM's interrupt, but masks it again and injects it into no guest."""

    name = "irq-contained-after-teardown"
    claim = (
        "An interrupt requested for a VM that has detached is injected into no guest; its line is "
        "masked again, and the host takes it no more often than the header allows."
    )
    formula = (
        "G (detached(line, epoch) -> G not injected(line, epoch) and "
        "G (taken(line, epoch) -> F masked(line)) and count(taken(line, epoch)) <= bound)"
    )
    antecedent = "lines and vectors from which a VM has detached"
    boundary = (
        "what happens at the instant of detach counts as after it; the bound itself is allowed"
    )
    source = (
        "QNX 7.1 hypervisor guide, quiescing: leftover interrupts are less dangerous, since the "
        "host can acknowledge and ignore them"
    )

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.lines = self.tracker(Lines)
        self.bus_masters = self.tracker(BusMasters)
        self.lines.misdirected.append(self._judge)
        self._counts: dict[tuple[int, int], int] = {}
        self._open: dict[int, tuple[int, int, int]] = {}

    def _judge(self, irq: MisdirectedIrq) -> None:
        if irq.detached_ns is None:
            return
        if irq.injection is not None:
            self._judge_injection(irq)
            return
        key = (irq.intid, irq.requested_epoch)
        count = min(self._counts.get(key, 0), self.header.irq_after_teardown_max) + 1
        self._counts[key] = count
        if count > self.header.irq_after_teardown_max:
            self.violate(
                irq.index,
                irq.at_ns,
                "spurious",
                f"the host took interrupt {irq.intid} of {self.frames.name(irq.requested_epoch)} "
                f"once more after the detach; {self.header.irq_after_teardown_max} is the bound",
                intid=irq.intid,
                epoch=irq.requested_epoch,
            )
        if not self.lines.line(irq.intid).is_masked:
            self._open.setdefault(
                irq.intid,
                (irq.index, irq.at_ns, irq.requested_epoch),
            )

    def _judge_injection(self, irq: MisdirectedIrq) -> None:
        injection = irq.injection
        assert injection is not None
        self.violate(
            irq.index,
            irq.at_ns,
            "spurious",
            f"{injection.vm} (epoch {injection.epoch}) received interrupt {irq.intid} of "
            f"{injection.source}, requested for {self.frames.name(irq.requested_epoch)}, which "
            "has detached",
            device=injection.source,
            intid=irq.intid,
            epoch=irq.requested_epoch,
            receiver=injection.epoch,
        )

    def _mask(self, index: int, at_ns: int, event: IrqMasked) -> None:  # noqa: ARG002
        self._open.pop(event.intid, None)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report lines that the host took after the detach and never masked."""
        violations = tuple(
            Violation(
                index,
                at_ns,
                f"interrupt {intid} of {self.frames.name(epoch)} was taken after the detach, and "
                "its line was not masked again",
                "spurious",
                {"intid": intid, "epoch": epoch},
            )
            for intid, (index, at_ns, epoch) in self._open.items()
        )
        return Closing(self.lines.dead_count, violations)

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what would still interrupt for a VM that has detached."""
        return interrupt_owed(rest, self.lines, self.bus_masters)

    def state(self) -> Hashable:
        """Return the counts up to the bound, and the lines still to be masked."""
        return (tuple(sorted(self._counts.items())), tuple(sorted(self._open)))

    reads: ClassVar[Reads] = {IrqMasked: _mask}


class _PendingAssertion:
    """An assertion that no CPU has taken yet."""

    def __init__(self, index: int, at_ns: int, is_counted: bool) -> None:
        self.index = index
        self.at_ns = at_ns
        self.is_counted = is_counted


class NextOwnerGetsInterrupts(Property):
    """An owner that shares or inherits a line from a former owner still gets its own interrupts.

    The property judges lines that one owner has left and to which another is attached. It calls
    such a line starved in two cases:

    - the line ends masked, and no owner whose answer the kernel awaits is attached any more;
    - the line ends active at the controller, and no owner that could end it is attached any more.

    An assertion that is still on its way when the observation ends decides nothing.
    """

    name = "next-owner-gets-interrupts"
    claim = (
        "Every interrupt asserted for a living owner of a line that another owner has left is "
        "taken; the line does not stay masked or active on behalf of the dead."
    )
    formula = (
        "G (detached(line, other) and asserted(line, epoch) and attached(line, epoch) -> "
        "F taken(line, epoch)) and not F G (masked(line) and awaited(line) all dead) and "
        "not F G (active(line) and ending(line) all dead)"
    )
    antecedent = "interrupts asserted for a living owner of a line that another owner has left"
    boundary = "an assertion at the instant of detach counts as after it"
    source = (
        "QNX hypervisor guide, qvmirqs: masked on assertion, unmasked when the guest has handled "
        "it; Neutrino library reference, InterruptDetach, and _NTO_INTR_FLAGS_TRK_MSK; Arm GIC "
        "(IHI 0069), active state and GICD_ICACTIVER"
    )

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self.frames = self.tracker(Frames)
        self.lines = self.tracker(Lines)
        self.bus_masters = self.tracker(BusMasters)
        self._pending: dict[tuple[int, int, str], _PendingAssertion] = {}
        self._exited: set[int] = set()
        self._asserted = 0

    def _assert(self, index: int, at_ns: int, event: IrqAsserted) -> None:
        line = self.lines.line(event.intid)
        is_counted = line.last_detached is not None and line.is_owned_by(event.epoch)
        self._asserted += is_counted
        key = (event.intid, event.epoch, event.device)
        if key not in self._pending:
            self._pending[key] = _PendingAssertion(index, at_ns, is_counted)

    def _deassert(self, index: int, at_ns: int, event: IrqDeasserted) -> None:  # noqa: ARG002
        self._pending.pop((event.intid, event.epoch, event.device), None)

    def _take(self, index: int, at_ns: int, event: IrqTaken) -> None:  # noqa: ARG002
        self._drop(event.intid, event.epoch)

    def _handle(self, index: int, at_ns: int, event: IrqHandled) -> None:  # noqa: ARG002
        self._drop(event.intid, event.epoch)

    def _drop(self, intid: int, epoch: int) -> None:
        for key in [key for key in self._pending if key[0] == intid and key[1] == epoch]:
            del self._pending[key]

    def _detach(self, index: int, at_ns: int, event: IrqDetached) -> None:  # noqa: ARG002
        # Invariant: trackers read a record before properties, so `line` shows the owners after this
        # detach.
        line = self.lines.line(event.intid)
        # Invariant: `_asserted` counts each pending assertion once: when it comes, or at the first
        # detach.
        for key, pending in list(self._pending.items()):
            if key[0] != event.intid:
                continue
            if not line.is_owned_by(key[1]):
                del self._pending[key]
            elif not pending.is_counted:
                pending.is_counted = True
                self._asserted += 1

    def _exit(self, index: int, at_ns: int, event: QvmExited) -> None:  # noqa: ARG002
        self._exited.add(event.epoch)

    def close(self, last_ns: int) -> Closing:  # noqa: ARG002
        """Report lines left masked or active; name an interrupt that is still on its way."""
        violations: list[Violation] = []
        doubt = ""
        starved = 0
        for intid, line in self.lines.lines.items():
            if line.last_detached is None or not line.attached:
                continue
            pending = self._of(intid, line)
            if line.is_orphaned or line.is_stuck:
                dead = _dead_owners(line)
                if all(epoch in self._exited for _, epoch in dead if epoch != HOST_EPOCH):
                    violations.append(self._starved(intid, line, pending))
                    starved += not pending
                else:
                    state = _state(line)
                    doubt = f"line {intid} is {state} for a process that is not gone yet"
            elif pending:
                device = pending[0][0][2]
                doubt = f"interrupt {intid} of {device} is still on its way when the trace ends"
        return Closing(self._asserted + starved, tuple(violations), doubt)

    def weigh(self, rest: StillUnderWay) -> str:
        """Return what of an ended epoch could still hold up a line of a living owner."""
        return interrupt_owed(rest, self.lines, self.bus_masters)

    def _of(self, intid: int, line: Line) -> list[tuple[tuple[int, int, str], _PendingAssertion]]:
        """Return what is asserted on a line for its living owners, oldest first."""
        mine = [(key, each) for key, each in self._pending.items() if key[0] == intid]
        mine = [(key, each) for key, each in mine if line.is_owned_by(key[1])]
        return sorted(mine, key=lambda pair: pair[1].index)

    def _starved(
        self, intid: int, line: Line, pending: list[tuple[tuple[int, int, str], _PendingAssertion]]
    ) -> Violation:
        assert line.last_detached is not None
        (name, epoch), index, at_ns = line.last_detached
        dead = _dead_owners(line)
        owner, owner_epoch = line.attached[0]
        for_whom = f" on behalf of {_name(dead[0])}, which is gone" if dead else ""
        who = _name((owner, owner_epoch))
        message = f"line {intid} stays {_state(line)}{for_whom}; {who} waits for ever"
        device = ""
        if pending:
            (_, owner_epoch, device), first = pending[0]
            index, at_ns = first.index, first.at_ns
            message += f", and the interrupt of {device} is never taken"
        data: dict[str, str | int] = {
            "intid": intid,
            "device": device,
            "owner": owner,
            "epoch": owner_epoch,
            "left_by": dead[0][0] if dead else name,
            "left_by_epoch": dead[0][1] if dead else epoch,
        }
        return Violation(index, at_ns, message, "starved", data)

    def state(self) -> Hashable:
        """Return what is pending, and which epochs have exited."""
        pending = ((key, each.is_counted) for key, each in self._pending.items())
        return (tuple(sorted(pending)), tuple(sorted(self._exited)))

    reads: ClassVar[Reads] = {
        IrqAsserted: _assert,
        IrqDeasserted: _deassert,
        IrqTaken: _take,
        IrqHandled: _handle,
        IrqDetached: _detach,
        QvmExited: _exit,
    }


def _dead_owners(line: Line) -> list[Owner]:
    expected = line.awaited if line.is_orphaned else line.active_for
    return [owner for owner in expected if owner not in line.attached]


def _state(line: Line) -> str:
    return "masked" if line.is_orphaned else "active"


def _name(owner: Owner) -> str:
    return owner[0] if owner[1] == HOST_EPOCH else f"{owner[0]} (epoch {owner[1]})"
