"""The tracker of memory: which epoch owns which frame, and since when.

`Frames` reads events only, and several properties share it. It judges the events of an instant when
that instant is over, and passes on every write that found another owner than its own epoch.
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
        misdirected: Called with each misdirected landing, when its instant is over.
        changing: Called with the instant, before owners change at it.
        landings: How many writes have landed.
        writers: Epochs for which at least one write has landed.
        released_count: How many frames each epoch has released.
        held: How many frames each epoch owns outside quarantine.
        given_up_ns: When each epoch last gave up frames, to the host or into quarantine.
        names: Name of the VM of each epoch.
    """

    # Invariant: `_instant` holds only landings of `_at_ns`; `settle` empties it before `_at_ns`
    # moves.

    def __init__(self) -> None:
        self.misdirected: list[Callable[[MisdirectedLanding], None]] = []
        self.changing: list[Callable[[int], None]] = []
        self.landings = 0
        self.writers: set[int] = set()
        self.released_count: dict[int, int] = {}
        self.held: dict[int, int] = {}
        self.given_up_ns: dict[int, int] = {}
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
        return epoch in self.given_up_ns and self.held.get(epoch, 0) <= 0

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
        write = MisdirectedLanding(index, self._at_ns, landing, holding.owner, released_ns)
        for hand_on in self.misdirected:
            hand_on(write)

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
        for announce in self.changing:
            announce(at_ns)
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
        self._give_up(at_ns, event)
        first, end = event.first_frame, event.first_frame + event.count
        count = self.released_count.get(event.epoch, 0)
        self.released_count[event.epoch] = count + event.count
        self._holdings.change(first, end, lambda holding: _released(holding, event.epoch, at_ns))

    def _quarantine(self, index: int, at_ns: int, event: FramesQuarantined) -> None:  # noqa: ARG002
        self._change(at_ns)
        self._give_up(at_ns, event)

    # `held` may fall below 0 where a trace begins after the grant: `has_given_up_all` allows for
    # that.

    def _give_up(self, at_ns: int, event: FramesReleased | FramesQuarantined) -> None:
        self.held[event.epoch] = self.held.get(event.epoch, 0) - event.count
        self.given_up_ns[event.epoch] = at_ns

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
