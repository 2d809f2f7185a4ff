"""The properties of the project as the monitor of a search through dense time.

The search numbers the events of a path, and a record's time is the number of its event; a `Judge`
needs no more than that equal numbers mean the same instant.  What else can happen at the instant
of an event is explored by the search itself: while something waits for the end of an instant
(`open_key`), it follows the runs in which the next delay ends at that instant too.
"""

from collections.abc import Hashable, Iterable
from copy import deepcopy

from ...model.base.addresses import FRAME_SHIFT
from ...model.dense.step import Mark
from ...model.trace.events import (
    CallbackBegun,
    CallbackEnded,
    CpuWriteLanded,
    DmaLanded,
    FramesQuarantined,
    FramesReleased,
    Header,
    IrqDetached,
    IrqTaken,
    QvmExited,
    Record,
    TerminationBegun,
)
from ..core.monitor import Judge, Property
from .measures import IDLE, Measure


class JudgeMonitor:
    """Judges one run by several properties.  It reads every record.

    Args:
        header: Of the trace.
        kinds: The properties, without those that compare times.
        starts_again: Whether memory is granted again after a VM is gone.
        watches_always: Whether all that happens at one instant is put together at any time; else
            only while a VM is ending.
    """

    name = "properties"

    def __init__(
        self,
        header: Header,
        kinds: Iterable[type[Property]],
        *,
        starts_again: bool = False,
        watches_always: bool = False,
    ) -> None:
        self.judge = Judge(header, kinds)
        self._starts_again = starts_again
        self._watches_always = watches_always
        self._ending: set[str | int] = set()
        self._counts = [0] * len(self.judge.properties)

    def reads(self, record: Record) -> bool:  # noqa: ARG002
        """Return that a record matters."""
        return True

    def step(self, index: int, record: Record) -> None:
        """Read a record."""
        self.judge.step(index, record)
        for mark in marks_of(record):
            if mark[0] == "ending":
                self._ending.add(mark[1])
            elif mark[0] == "gone" and not self._starts_again:
                self._ending.discard(mark[1])

    def settle(self) -> None:
        """Judge the instant that is over."""
        self.judge.settle()

    def key(self) -> Hashable:
        """Return what later verdicts depend on."""
        return self.judge.key()

    def open_key(self) -> Hashable | None:
        """Return what waits for the end of the instant.

        Memory and lines change hands only while a VM is ending.  Whoever searches makes sure that
        they do so later than at the instant at which the end begins, or has all instants watched.
        """
        if not self._ending and not self._watches_always:
            return None
        waiting = self.judge.open_key()
        return waiting if any(waiting) else None

    def broken(self) -> tuple[tuple[str, str], ...]:
        """Return the properties that were violated since this was last asked."""
        found = []
        for at, each in enumerate(self.judge.properties):
            if each.violation_count > self._counts[at]:
                found.append((each.name, each.violations[-1].message))
                self._counts[at] = each.violation_count
        return tuple(found)

    def tested(self) -> frozenset[str]:
        """Return the properties that have been put to the test."""
        return frozenset(
            each.name for each in self.judge.properties if each.close(0).antecedents > 0
        )

    def copy(self) -> "JudgeMonitor":
        """Return an equal one that goes its own way."""
        header = self.judge.properties[0].header
        return deepcopy(self, {id(header): header})

    def endings(self) -> tuple[tuple[str, str, str], ...]:
        """Return the properties that only the end of the trace shows to be violated, or open."""
        found = []
        for each in self.judge.properties:
            closing = each.close(0)
            if closing.violations:
                found.append((each.name, "violated", closing.violations[0].message))
            elif doubt := each.doubt_of(closing):
                found.append((each.name, "inconclusive", doubt))
        return tuple(found)


def without_times(kinds: Iterable[type[Property]]) -> tuple[type[Property], ...]:
    """Return the properties that depend on the order of records alone."""
    return tuple(kind for kind in kinds if not kind.compares_times)


def decisive(kinds: Iterable[type[Property]]) -> tuple[type[Property], ...]:
    """Return the properties whose violation ends a search: all, if all are costs of holding.

    Example:
        >>> from ..teardown.ordering import TeardownOrder
        >>> from ..teardown.responses import MemoryReclaimed
        >>> [kind.name for kind in decisive((MemoryReclaimed, TeardownOrder))]
        ['teardown-order']
        >>> [kind.name for kind in decisive((MemoryReclaimed,))]
        ['memory-reclaimed']
    """
    kinds = tuple(kinds)
    return tuple(kind for kind in kinds if kind.ends_search) or kinds


def going_on(kinds: Iterable[type[Property]]) -> frozenset[str]:
    """Return the names of the properties whose violation does not end a search."""
    kinds = tuple(kinds)
    ending = decisive(kinds)
    return frozenset(kind.name for kind in kinds if kind not in ending)


def marks_of(record: Record) -> tuple[Mark, ...]:
    """Return what a record means to measures."""
    marks: tuple[Mark, ...] = ()
    match record.event:
        case (
            DmaLanded(master=writer, epoch=epoch, addr=addr)
            | CpuWriteLanded(writer=writer, epoch=epoch, addr=addr)
        ):
            marks = (("landed", writer, epoch, addr >> FRAME_SHIFT),)
        case FramesReleased(epoch=epoch, first_frame=first, count=count):
            released = ("released", epoch, first, first + count)
            marks = (released, ("teardown point", epoch), ("parted", epoch))
        case FramesQuarantined(epoch=epoch):
            marks = (("parted", epoch),)
        case TerminationBegun(epoch=epoch):
            marks = (("ending", epoch),)
        case QvmExited(epoch=epoch):
            marks = (("gone", epoch),)
        case CallbackBegun(epoch=epoch, vdev=vdev) | CallbackEnded(epoch=epoch, vdev=vdev):
            word = "called" if isinstance(record.event, CallbackBegun) else "returned"
            marks = ((word, epoch, vdev),)
        case IrqTaken(intid=intid, epoch=epoch):
            marks = (("taken", intid, epoch),)
        case IrqDetached(intid=intid, epoch=epoch):
            marks = (("detached", intid, epoch), ("parted", epoch))
    return marks


def readings_of(measure: Measure, records: Iterable[Record]) -> set[int]:
    """Return what a measure reads in one run, in nanoseconds, by all turns that it leaves open."""
    clocks: set[tuple[Hashable, int]] = {(IDLE, 0)}
    found = set()
    for record in records:
        marks = marks_of(record)
        if not marks:
            continue
        after: set[tuple[Hashable, int]] = set()
        for mode, started_ns in clocks:
            for turn in measure.turns(mode, marks):
                start_ns = record.at_ns if turn.is_started else started_ns
                if turn.is_read:
                    found.add(0 if turn.is_read_at_once else record.at_ns - start_ns)
                after.add((turn.mode, start_ns))
        clocks = after
    return found
