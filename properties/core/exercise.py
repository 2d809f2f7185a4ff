"""Finds what put the central properties to the test: which device worked for a VM that ended.

A property may hold only because no device could break it: the guest died before its drivers had set
a device up, or no driver gave the device work. `exercises_of` therefore looks at each device that
can write or interrupt for a VM. It reads the header and the events alone.
"""

from collections.abc import Iterable

import msgspec

from ...model.base.clock import format_ns
from ...model.trace.events import (
    Actor,
    AnyEvent,
    CpuWriteLanded,
    DmaLanded,
    DmaRequested,
    FramesQuarantined,
    FramesReleased,
    GuestEnded,
    Header,
    IrqAsserted,
    IrqDetached,
    Record,
    RequestCompleted,
    RequestSubmitted,
    TerminationBegun,
    Trace,
    VmStarted,
)

__all__ = ["Exercise", "exercises_of", "together"]


WRITES = "no-dma-after-teardown"
INTERRUPTS = "no-irq-after-teardown"
CENTRAL = (WRITES, INTERRUPTS)
"""The central properties: what a device's writes, and its interrupts, put to the test."""


class Exercise(msgspec.Struct, frozen=True):
    """What a device did for a VM that ended.

    Attributes:
        device: The device, vdev or back end, by name.
        vm: The VM, by name.
        can_write: Whether the device can write memory for the VM.
        can_interrupt: Whether the device can interrupt for the VM.
        landings: How many of its writes landed for instances of the VM that ended.
        interrupts: How many interrupts it raised for those instances.
        was_at_work: Whether it had a request or a buffer to fill when such an instance ended.
        is_written: Whether its writes were put to the test.
        is_heard: Whether its interrupts were put to the test.
        reason: Why its writes or interrupts were not put to the test, in a sentence; empty if all
            were.
    """

    device: str
    vm: str
    can_write: bool
    can_interrupt: bool
    landings: int = 0
    interrupts: int = 0
    was_at_work: bool = False
    is_written: bool = False
    is_heard: bool = False
    reason: str = ""

    @property
    def tested(self) -> frozenset[str]:
        """The central properties that the device put to the test."""
        names = ((self.is_written, WRITES), (self.is_heard, INTERRUPTS))
        return frozenset(name for is_tested, name in names if is_tested)

    @property
    def untested(self) -> frozenset[str]:
        """The central properties that the device could break and did not put to the test."""
        missing = []
        if self.can_write and not self.is_written:
            missing.append(WRITES)
        if self.can_interrupt and not self.is_heard:
            missing.append(INTERRUPTS)
        return frozenset(missing)

    @property
    def is_whole(self) -> bool:
        """Whether everything that the device can do was put to the test."""
        return not self.untested


def exercises_of(trace: Trace) -> tuple[Exercise, ...]:
    """Return what each device that can write or interrupt for a VM did; none for a bare trace."""
    actors = trace.header.actors
    if not actors:
        return ()
    facts = _Facts(trace.records, actors)
    return tuple(_exercise(actor, facts, trace.header) for actor in actors)


def together(parts: Iterable[tuple[Exercise, ...]]) -> tuple[Exercise, ...]:
    """Return what several runs of the same system put to the test between them."""
    found: dict[tuple[str, str], Exercise] = {}
    for part in parts:
        for each in part:
            before = found.get((each.device, each.vm))
            found[each.device, each.vm] = each if before is None else _joined(before, each)
    return tuple(found.values())


def _joined(one: Exercise, other: Exercise) -> Exercise:
    joined = msgspec.structs.replace(
        one,
        landings=one.landings + other.landings,
        interrupts=one.interrupts + other.interrupts,
        was_at_work=one.was_at_work or other.was_at_work,
        is_written=one.is_written or other.is_written,
        is_heard=one.is_heard or other.is_heard,
    )
    reason = "" if joined.is_whole else one.reason or other.reason
    return msgspec.structs.replace(joined, reason=reason)


class _Facts:
    """What the records say of each device and epoch.

    Attributes:
        ended: Epochs that ended, with the instant.
        released: Epochs that released memory.
        kept: Epochs whose memory the host keeps in quarantine.
        detached: Epochs that detached from a line.
    """

    def __init__(self, records: Iterable[Record], actors: Iterable[Actor]) -> None:
        self._wanted = {actor.device for actor in actors}
        self._requested: dict[tuple[str, int], int] = {}
        self._landed: dict[tuple[str, int], int] = {}
        self._landed_bytes: dict[tuple[str, int], int] = {}
        self._requests: dict[tuple[str, int], int] = {}
        self._asserted: dict[tuple[str, int], int] = {}
        self._at_work: set[tuple[str, int]] = set()
        self._epochs: dict[str, list[int]] = {}
        self.ended: dict[int, int] = {}
        self.released: set[int] = set()
        self.kept: set[int] = set()
        self.detached: set[int] = set()
        for record in records:
            self._read(record)

    def _read(self, record: Record) -> None:
        match record.event:
            case FramesReleased(epoch=epoch):
                self.released.add(epoch)
            case FramesQuarantined(epoch=epoch):
                self.kept.add(epoch)
            case IrqDetached(epoch=epoch):
                self.detached.add(epoch)
            case VmStarted(vm=vm, epoch=epoch):
                self._epochs.setdefault(vm, []).append(epoch)
            case GuestEnded(vm=vm, epoch=epoch) | TerminationBegun(vm=vm, epoch=epoch):
                self._end(vm, epoch, record.at_ns)
            case _:
                self._read_work(record.event)

    def _read_work(self, event: AnyEvent) -> None:
        match event:
            case DmaRequested(master=name, epoch=epoch, length=length):
                self._add(self._requested, name, epoch, length)
            case DmaLanded(master=name, epoch=epoch, length=length, content=content):
                self._add(self._landed, name, epoch, 1)
                self._add(self._landed_bytes, name, epoch, length if content == "data" else 0)
            case CpuWriteLanded(writer=name, epoch=epoch):
                self._add(self._landed, name, epoch, 1)
            case RequestSubmitted(vdev=name, epoch=epoch):
                self._add(self._requests, name, epoch, 1)
            case RequestCompleted(vdev=name, epoch=epoch):
                self._add(self._requests, name, epoch, -1)
            case IrqAsserted(device=name, epoch=epoch):
                self._add(self._asserted, name, epoch, 1)
            case _:
                pass

    def _add(self, counts: dict[tuple[str, int], int], name: str, epoch: int, count: int) -> None:
        if name in self._wanted:
            counts[name, epoch] = counts.get((name, epoch), 0) + count

    def _end(self, vm: str, epoch: int, at_ns: int) -> None:
        """Note which devices were at work when an instance ended."""
        if epoch in self.ended:
            return
        self.ended[epoch] = at_ns
        if epoch not in self._epochs.setdefault(vm, []):
            self._epochs[vm].append(epoch)
        for name in self._wanted:
            key = (name, epoch)
            open_bytes = self._requested.get(key, 0) - self._landed_bytes.get(key, 0)
            if open_bytes > 0 or self._requests.get(key, 0) > 0:
                self._at_work.add(key)

    def ended_epochs(self, vm: str) -> list[int]:
        """Return the epochs of a VM that ended."""
        return [epoch for epoch in self._epochs.get(vm, ()) if epoch in self.ended]

    def had_work(self, name: str, epoch: int) -> bool:
        """Return whether a device received a buffer or a request, or wrote at all."""
        key = (name, epoch)
        return any(key in counts for counts in (self._requested, self._requests, self._landed))

    def landings(self, name: str, epoch: int) -> int:
        """Return how many writes of a device landed."""
        return self._landed.get((name, epoch), 0)

    def interrupts(self, name: str, epoch: int) -> int:
        """Return how many interrupts a device raised."""
        return self._asserted.get((name, epoch), 0)

    def was_at_work(self, name: str, epoch: int) -> bool:
        """Return whether a device had a request, or a buffer to fill, when the instance ended."""
        return (name, epoch) in self._at_work


def _exercise(actor: Actor, facts: _Facts, header: Header) -> Exercise:
    name = actor.device
    epochs = facts.ended_epochs(actor.vm)
    worked = [epoch for epoch in epochs if facts.had_work(name, epoch)]
    heard = [epoch for epoch in epochs if facts.interrupts(name, epoch) or epoch in worked]
    exercise = Exercise(
        name,
        actor.vm,
        actor.writes,
        actor.interrupts,
        landings=sum(facts.landings(name, epoch) for epoch in epochs),
        interrupts=sum(facts.interrupts(name, epoch) for epoch in epochs),
        was_at_work=any(facts.was_at_work(name, epoch) for epoch in epochs),
        is_written=any(epoch in facts.released for epoch in worked),
        is_heard=any(epoch in facts.detached for epoch in heard),
    )
    if exercise.is_whole:
        return exercise
    return msgspec.structs.replace(exercise, reason=_reason(actor, facts, header, bool(worked)))


def _reason(actor: Actor, facts: _Facts, header: Header, had_work: bool) -> str:
    """Return why a device put nothing to the test."""
    epochs = facts.ended_epochs(actor.vm)
    if not epochs:
        return f"{actor.vm} did not end"
    if had_work and facts.kept.intersection(epochs):
        return f"the memory of {actor.vm} went into quarantine and was never released"
    if had_work:
        return f"{actor.vm} released neither memory nor a line that {actor.device} can reach"
    ended = format_ns(facts.ended[epochs[0]])
    others = [other.device for other in header.actors if other.vm == actor.vm]
    if any(facts.had_work(other, epoch) for other in others for epoch in epochs):
        return f"its driver had given it no work when the guest ended at {ended}"
    boot = next((each.value for each in header.assumptions if each.name == "guest_boot"), "")
    takes = f" (guest_boot takes {boot})" if boot else ""
    return f"the guest ended at {ended}, before its drivers had set their devices up{takes}"
