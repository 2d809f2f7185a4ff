"""The tracker of interrupt lines: which process and epoch is attached to which line, and its masks.

`Lines` reads events only, and several properties share it. It judges the interrupts of an instant
when that instant is over, and passes on every one that met no owner of its own epoch.
"""

from collections.abc import Callable, Hashable
from typing import ClassVar

import msgspec

from ...model.base.addresses import HOST_EPOCH
from ...model.trace.events import (
    IrqActivated,
    IrqAsserted,
    IrqAttached,
    IrqDeactivated,
    IrqDetached,
    IrqHandled,
    IrqInjected,
    IrqMasked,
    IrqRouteMapped,
    IrqRouteSynced,
    IrqTaken,
    IrqUnmasked,
)
from ..core.monitor import Listener, Reads

Owner = tuple[str, int]
"""The name and epoch of a process that is attached to a line."""


class Line:
    """An interrupt line or vector.

    Attributes:
        attached: The present owners.
        detached: When each VM epoch last gave up an attachment.
        last_detached: The owner that detached last, with index and instant; None before any detach.
        is_masked: Whether the kernel holds it masked.
        awaited: Owners, ended ones too, that the kernel has signalled and that have not answered.
        is_active: Whether the controller holds it active until an owner ends it.
        active_for: Owners, ended ones too, that were attached when the line became active.
    """

    def __init__(self) -> None:
        # Invariant: `awaited` is empty while the line is unmasked, `active_for` while it is
        # inactive.
        self.attached: list[Owner] = []
        self.detached: dict[int, int] = {}
        self.last_detached: tuple[Owner, int, int] | None = None
        self.is_masked = False
        self.awaited: list[Owner] = []
        self.is_active = False
        self.active_for: list[Owner] = []

    def is_owned_by(self, epoch: int) -> bool:
        """Return whether an owner of that epoch is attached."""
        return any(owner[1] == epoch for owner in self.attached)

    @property
    def is_orphaned(self) -> bool:
        """Whether it is masked, and no attached owner will unmask it."""
        return self.is_masked and not any(owner in self.attached for owner in self.awaited)

    @property
    def is_stuck(self) -> bool:
        """Whether it is active, and no attached owner will end it."""
        return self.is_active and not any(owner in self.attached for owner in self.active_for)

    @property
    def held(self) -> str:
        """How the line is kept from its attached owners: `masked`, `active`, or an empty string."""
        return "masked" if self.is_orphaned else "active" if self.is_stuck else ""

    @property
    def held_for(self) -> list[Owner]:
        """The owners that should have answered and have all detached."""
        expected = self.awaited if self.is_orphaned else self.active_for
        return [owner for owner in expected if owner not in self.attached]


class MisdirectedIrq(msgspec.Struct, frozen=True):
    """An interrupt whose requesting epoch is not attached to the line, or no longer.

    Attributes:
        injection: The injection, or None if the host took the interrupt.
        requested_epoch: The epoch for which the source raised it.
        detached_ns: When that epoch detached, or None if it never did.
    """

    index: int
    at_ns: int
    intid: int
    requested_epoch: int
    injection: IrqInjected | None
    detached_ns: int | None


class Lines(Listener):
    """The tracker of interrupts: owners of lines, masks, and interrupts that met no own owner.

    A VM's epoch is dead for a line from the instant at which its last attachment goes. The host's
    epoch 0 never dies.

    Attributes:
        lines: The lines by number.
        misdirected: Called with each misdirected interrupt, when its instant is over.
        injections: How many interrupts qvm injected.
        dead_count: How many attachments of VMs have ended.
    """

    # Invariant: `_instant` holds only interrupts of `_at_ns`; `settle` empties it before `_at_ns`
    # moves.

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.misdirected: list[Callable[[MisdirectedIrq], None]] = []
        self.injections = 0
        self.dead_count = 0
        self._used_by: dict[str, tuple[int, str]] = {}
        self._closed_routes: set[tuple[str, int]] = set()
        self._at_ns = -1
        self._instant: list[tuple[int, IrqTaken | IrqInjected]] = []

    def line(self, intid: int) -> Line:
        """Return a line by its number."""
        line = self.lines.get(intid)
        if line is None:
            line = self.lines[intid] = Line()
        return line

    def open_for(self, device: str, epoch: int) -> list[int]:
        """Return the lines that an epoch has left and on which its device could still interrupt.

        Only its next owner unmasks a line that is masked and has no owner. A message is lost if its
        route was removed and the removal synced.
        """
        if (device, epoch) in self._closed_routes:
            return []
        known = self._used_by.get(device)
        lines = self.lines.items() if known is None else [(known[0], self.line(known[0]))]
        return [
            intid
            for intid, line in lines
            if epoch in line.detached and (line.attached or not line.is_masked)
        ]

    def sends_messages(self, device: str) -> bool:
        """Return whether a device is known to interrupt by messages."""
        return self._used_by.get(device, (0, ""))[1] == "message"

    def settle(self) -> None:
        """Judge the interrupts of the present instant against the owners at its end."""
        # Invariant: owners are those after every record of the instant, since `_turn` runs before a
        # later record.
        for index, event in self._instant:
            line = self.line(event.intid)
            if isinstance(event, IrqTaken):
                epoch, injection = event.epoch, None
            else:
                epoch, injection = event.requested_epoch, event
                # A vdev's own interrupt has no line: no process can be attached to it.
                if event.intid < 0 and event.epoch == epoch:
                    continue
            if line.is_owned_by(epoch):
                continue
            irq = MisdirectedIrq(
                index, self._at_ns, event.intid, epoch, injection, line.detached.get(epoch)
            )
            for hand_on in self.misdirected:
                hand_on(irq)
        self._instant.clear()

    def waiting(self) -> Hashable:
        """Return the interrupts of the present instant."""
        return tuple(event for _, event in self._instant)

    def key(self) -> Hashable:
        """Return owners, masks and routes, without times."""
        lines = tuple(
            (
                intid,
                tuple(line.attached),
                tuple(sorted(line.detached)),
                line.last_detached and line.last_detached[0],
                line.is_masked,
                tuple(line.awaited),
                line.is_active,
                tuple(line.active_for),
            )
            for intid, line in sorted(self.lines.items())
        )
        return lines, tuple(sorted(self._used_by.items())), tuple(sorted(self._closed_routes))

    def _turn(self, at_ns: int) -> None:
        if at_ns != self._at_ns:
            if self._instant:
                self.settle()
            self._at_ns = at_ns

    def _attach(self, index: int, at_ns: int, event: IrqAttached) -> None:  # noqa: ARG002
        self._turn(at_ns)
        line = self.line(event.intid)
        line.attached.append((event.owner, event.epoch))

    def _detach(self, index: int, at_ns: int, event: IrqDetached) -> None:
        self._turn(at_ns)
        line = self.line(event.intid)
        owner = (event.owner, event.epoch)
        if owner in line.attached:
            line.attached.remove(owner)
        line.last_detached = (owner, index, at_ns)
        if event.epoch != HOST_EPOCH:
            self.dead_count += 1
            line.detached[event.epoch] = at_ns
        self._set_mask(line, event.masked)

    def _mask(self, index: int, at_ns: int, event: IrqMasked) -> None:  # noqa: ARG002
        self._turn(at_ns)
        line = self.line(event.intid)
        line.is_masked = True
        line.awaited += [owner for owner in line.attached if owner not in line.awaited]

    def _unmask(self, index: int, at_ns: int, event: IrqUnmasked) -> None:  # noqa: ARG002
        self._turn(at_ns)
        self._set_mask(self.line(event.intid), False)

    def _set_mask(self, line: Line, is_masked: bool) -> None:
        line.is_masked = is_masked
        if not is_masked:
            line.awaited.clear()

    def _handle(self, index: int, at_ns: int, event: IrqHandled) -> None:  # noqa: ARG002
        self._turn(at_ns)
        awaited = self.line(event.intid).awaited
        if (event.owner, event.epoch) in awaited:
            awaited.remove((event.owner, event.epoch))

    def _activate(self, index: int, at_ns: int, event: IrqActivated) -> None:  # noqa: ARG002
        self._turn(at_ns)
        line = self.line(event.intid)
        line.is_active, line.active_for = True, list(line.attached)

    def _deactivate(self, index: int, at_ns: int, event: IrqDeactivated) -> None:  # noqa: ARG002
        self._turn(at_ns)
        line = self.line(event.intid)
        line.is_active, line.active_for = False, []

    def _assert(self, index: int, at_ns: int, event: IrqAsserted) -> None:  # noqa: ARG002
        self._used_by[event.device] = (event.intid, event.kind)

    def _map_route(self, index: int, at_ns: int, event: IrqRouteMapped) -> None:  # noqa: ARG002
        self._closed_routes = {each for each in self._closed_routes if each[0] != event.device}

    def _sync_route(self, index: int, at_ns: int, event: IrqRouteSynced) -> None:  # noqa: ARG002
        self._closed_routes.add((event.device, event.epoch))

    def _take(self, index: int, at_ns: int, event: IrqTaken) -> None:
        self._turn(at_ns)
        self._instant.append((index, event))

    def _inject(self, index: int, at_ns: int, event: IrqInjected) -> None:
        self._turn(at_ns)
        self._instant.append((index, event))
        self.injections += 1

    reads: ClassVar[Reads] = {
        IrqAttached: _attach,
        IrqDetached: _detach,
        IrqMasked: _mask,
        IrqUnmasked: _unmask,
        IrqHandled: _handle,
        IrqActivated: _activate,
        IrqDeactivated: _deactivate,
        IrqAsserted: _assert,
        IrqRouteMapped: _map_route,
        IrqRouteSynced: _sync_route,
        IrqTaken: _take,
        IrqInjected: _inject,
    }
