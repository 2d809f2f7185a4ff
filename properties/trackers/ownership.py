"""Trackers of ownership: which epoch owns which frame and which interrupt line, and since when.

Several properties share the trackers `Frames` and `Lines`, which read events only. Each judges the
events of an instant when that instant is over. It passes on every write and interrupt that found
another owner than its own epoch.
"""

from collections.abc import Callable, Hashable
from typing import ClassVar, NamedTuple

import msgspec

from ...model.base.addresses import FRAME_SHIFT, HOST_EPOCH
from ...model.trace.events import (
    CpuWriteLanded,
    DmaLanded,
    FramesGranted,
    FramesQuarantined,
    FramesReleased,
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
from .frame_map import FrameMap

NO_OWNER = -1
"""The owner of a frame that the host may grant to any VM."""


class Holding(NamedTuple):
    """The owner of a frame, and (epoch, instant of its last release) of every earlier owner."""

    owner: int
    past: tuple[tuple[int, int], ...]

    def released_ns(self, epoch: int) -> int | None:
        """Return when an epoch last released the frame, or None if it never did."""
        return dict(self.past).get(epoch)


Landing = DmaLanded | CpuWriteLanded


class MisdirectedLanding(msgspec.Struct, frozen=True):
    """A write whose frame did not belong to the epoch for which the writer worked.

    Attributes:
        owner: The epoch that owns the frame, or `NO_OWNER`.
        released_ns: When the write's own epoch last released the frame, or None if it never did.
    """

    index: int
    at_ns: int
    landing: Landing
    owner: int
    released_ns: int | None

    @property
    def writer(self) -> str:
        """The name of the bus master or host thread."""
        landing = self.landing
        return landing.master if isinstance(landing, DmaLanded) else landing.writer

    @property
    def frame(self) -> int:
        """The index of the frame."""
        return self.landing.addr >> FRAME_SHIFT


_NEVER_OWNED = Holding(NO_OWNER, ())
_NOWHERE = (0, 0, NO_OWNER)


class Frames(Listener):
    """The tracker of memory: the owners of frames, and the writes that hit another owner's frame.

    A write of the host itself (epoch 0) into memory that no VM owns is in order. Frames in
    quarantine stay with their epoch, because a device may still write for that epoch.

    Attributes:
        odd: Called with each misdirected landing, when its instant is over.
        changing: Called with the instant, before owners change at it.
        landings: How many writes have landed.
        writers: Epochs for which at least one write has landed.
        released_count: How many frames each epoch has released.
        held: How many frames each epoch owns outside quarantine.
        parted_ns: When each epoch last gave up frames, to the host or into quarantine.
        names: Name of the VM of each epoch.
    """

    # Invariant: `_instant` holds only landings of `_at_ns`; `settle` empties it before `_at_ns`
    # moves.

    def __init__(self) -> None:
        self.odd: list[Callable[[MisdirectedLanding], None]] = []
        self.changing: list[Callable[[int], None]] = []
        self.landings = 0
        self.writers: set[int] = set()
        self.released_count: dict[int, int] = {}
        self.held: dict[int, int] = {}
        self.parted_ns: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self._holdings: FrameMap[Holding] = FrameMap()
        self._at_ns = -1
        self._instant: list[tuple[int, Landing]] = []
        # The run of frames of the last landing in its own epoch's memory: the next landing is
        # likely there.
        # Invariant: `_near` is a run of `_holdings` or `_NOWHERE`; every change of owners resets
        # it.
        self._near: tuple[int, int, int] = _NOWHERE

    def name(self, epoch: int) -> str:
        """Return an epoch with the name of its VM, as reports show it."""
        return f"{self.names[epoch]} (epoch {epoch})" if epoch in self.names else f"epoch {epoch}"

    def are_reused(self, epoch: int) -> bool:
        """Return whether another VM now owns a frame that an epoch has released."""
        return any(
            holding.owner not in {NO_OWNER, epoch} and holding.released_ns(epoch) is not None
            for _, _, holding in self._holdings
        )

    def held_by(self, epoch: int) -> int:
        """Return how many frames an epoch owns, those in quarantine included."""
        return sum(end - first for first, end, holding in self._holdings if holding.owner == epoch)

    def has_given_up_all(self, epoch: int) -> bool:
        """Return whether an epoch has released, or put into quarantine, all its frames."""
        return epoch in self.parted_ns and self.held.get(epoch, 0) <= 0

    def holding_of_others(self, epoch: int, frame: int) -> Holding | None:
        """Return who holds a frame, or None if this epoch owns it."""
        first, end, owner = self._near
        if epoch == owner and first <= frame < end:
            return None
        run = self._holdings.run_at(frame)
        if run is None:
            return _NEVER_OWNED
        if run[2].owner != epoch:
            return run[2]
        self._near = (run[0], run[1], epoch)
        return None

    def settle(self) -> None:
        """Judge the landings of the present instant against the owners at its end."""
        for index, landing in self._instant:
            holding = self.holding_of_others(landing.epoch, landing.addr >> FRAME_SHIFT)
            if holding is not None:
                self._hand_on(index, landing, holding)
        self._instant.clear()

    def _hand_on(self, index: int, landing: Landing, holding: Holding) -> None:
        """Pass on a landing whose epoch does not own the frame."""
        if landing.epoch == HOST_EPOCH and holding.owner == NO_OWNER:
            return
        released_ns = holding.released_ns(landing.epoch)
        odd = MisdirectedLanding(index, self._at_ns, landing, holding.owner, released_ns)
        for hand_on in self.odd:
            hand_on(odd)

    def waiting(self) -> Hashable:
        """Return the landings of the present instant, without times."""
        return tuple((landing.epoch, landing.addr >> FRAME_SHIFT) for _, landing in self._instant)

    def key(self) -> Hashable:
        """Return the owners of frames and their order, without the times of release."""
        # Invariant: runs with the same owners count as one run, however they came to be split.
        holdings: list[tuple[int, int, int, tuple[int, ...]]] = []
        for first, end, holding in self._holdings:
            now = (holding.owner, tuple(epoch for epoch, _ in holding.past))
            if holdings and holdings[-1][1] == first and holdings[-1][2:] == now:
                holdings[-1] = (holdings[-1][0], end, *now)
            else:
                holdings.append((first, end, *now))
        epochs = (self.writers, self.released_count, self.held.items())
        return (tuple(holdings), *(tuple(sorted(each)) for each in epochs))

    def _change(self, at_ns: int) -> None:
        """Judge earlier instants, then announce a change of owners."""
        # Invariant: a landing meets the owners at the end of its own instant, so earlier landings
        # are judged first.
        if at_ns != self._at_ns:
            if self._instant:
                self.settle()
            self._at_ns = at_ns
        for tell in self.changing:
            tell(at_ns)
        self._near = _NOWHERE

    def _land(self, index: int, at_ns: int, event: Landing) -> None:
        if at_ns != self._at_ns:
            if self._instant:
                self.settle()
            self._at_ns = at_ns
        self._instant.append((index, event))
        self.landings += 1
        self.writers.add(event.epoch)

    def _grant(self, index: int, at_ns: int, event: FramesGranted) -> None:  # noqa: ARG002
        self._change(at_ns)
        self.names[event.epoch] = event.vm
        self.held[event.epoch] = self.held.get(event.epoch, 0) + event.count
        first, end = event.first_frame, event.first_frame + event.count
        self._holdings.change(first, end, lambda holding: _granted(holding, event.epoch))

    def _release(self, index: int, at_ns: int, event: FramesReleased) -> None:  # noqa: ARG002
        self._change(at_ns)
        self.names[event.epoch] = event.vm
        self._part(at_ns, event)
        first, end = event.first_frame, event.first_frame + event.count
        count = self.released_count.get(event.epoch, 0)
        self.released_count[event.epoch] = count + event.count
        self._holdings.change(first, end, lambda holding: _released(holding, event.epoch, at_ns))

    def _quarantine(self, index: int, at_ns: int, event: FramesQuarantined) -> None:  # noqa: ARG002
        self._change(at_ns)
        self._part(at_ns, event)

    # `held` may fall below 0 where a trace begins after the grant: `has_given_up_all` allows for
    # that.

    def _part(self, at_ns: int, event: FramesReleased | FramesQuarantined) -> None:
        self.held[event.epoch] = self.held.get(event.epoch, 0) - event.count
        self.parted_ns[event.epoch] = at_ns

    reads: ClassVar[Reads] = {
        DmaLanded: _land,
        CpuWriteLanded: _land,
        FramesGranted: _grant,
        FramesReleased: _release,
        FramesQuarantined: _quarantine,
    }


def _granted(holding: Holding | None, epoch: int) -> Holding:
    return Holding(epoch, () if holding is None else holding.past)


def _released(holding: Holding | None, epoch: int, at_ns: int) -> Holding:
    if holding is None:
        return Holding(NO_OWNER, ((epoch, at_ns),))
    owner = NO_OWNER if holding.owner == epoch else holding.owner
    past = [each for each in holding.past if each[0] != epoch] if holding.past else []
    return Holding(owner, (*past, (epoch, at_ns)))


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
        odd: Called with each misdirected interrupt, when its instant is over.
        injections: How many interrupts qvm injected.
        dead_count: How many attachments of VMs have ended.
    """

    # Invariant: `_instant` holds only interrupts of `_at_ns`; `settle` empties it before `_at_ns`
    # moves.

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.odd: list[Callable[[MisdirectedIrq], None]] = []
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
            odd = MisdirectedIrq(
                index, self._at_ns, event.intid, epoch, injection, line.detached.get(epoch)
            )
            for hand_on in self.odd:
                hand_on(odd)
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
