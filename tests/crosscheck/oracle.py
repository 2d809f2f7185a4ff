"""What is wrong in a run, told from its records alone, as plainly as can be.

This shares nothing with the properties of the project: a map from frame to owner, sets of who is
attached to which line, and one rule about ties.  *All that happens at one instant is put together:
a write or an interrupt is judged by the owners at the end of its instant.*
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from quiesce.model.trace.events import (
    CallbackEnded,
    CpuWriteLanded,
    DmaLanded,
    DmaRequested,
    FramesGranted,
    FramesQuarantined,
    FramesReleased,
    IrqAttached,
    IrqDetached,
    IrqInjected,
    IrqMasked,
    IrqTaken,
    IrqUnmasked,
    QuiesceStepEnded,
    QvmExited,
    Record,
    StopConfirmed,
    TerminationBegun,
    Trace,
)

PAGE = 4096

ORDERED = (
    "no-dma-after-teardown",
    "epochs-match",
    "no-irq-after-teardown",
    "irq-contained-after-teardown",
    "timeout-quarantines",
)
JUDGED = (*ORDERED, "teardown-bounded")
"""The properties that are judged here, for systems without an IOMMU."""


def broken(trace: Trace) -> set[str]:
    """Return the names of the properties that a run breaks."""
    return {
        *_memory(trace.records),
        *_interrupts(trace.records, trace.header.irq_after_teardown_max),
        *_time_outs(trace.records),
        *_durations(trace.records, trace.header.teardown_ns_max),
    }


def _instants(records: Iterable[Record]) -> Iterator[list[Any]]:
    for _, group in groupby(records, key=lambda record: record.at_ns):
        yield [record.event for record in group]


def _frames(event: Any) -> range:
    return range(event.first_frame, event.first_frame + event.count)


def _memory(records: Iterable[Record]) -> Iterator[str]:
    owner: dict[int, int] = {}
    gave_up: set[tuple[int, int]] = set()
    for events in _instants(records):
        for event in events:
            if isinstance(event, FramesGranted):
                owner |= dict.fromkeys(_frames(event), event.epoch)
            elif isinstance(event, FramesReleased):
                for frame in _frames(event):
                    gave_up.add((event.epoch, frame))
                    if owner.get(frame) == event.epoch:
                        del owner[frame]
        for event in events:
            if not isinstance(event, DmaLanded | CpuWriteLanded):
                continue
            frame, epoch = event.addr // PAGE, event.epoch
            now = owner.get(frame)
            if now == epoch or (now is None and epoch == 0):
                continue
            if (epoch, frame) in gave_up:
                yield "no-dma-after-teardown"
            if now is not None or (epoch, frame) not in gave_up:
                yield "epochs-match"


def _interrupts(records: Iterable[Record], allowed: int) -> Iterator[str]:
    attached: dict[int, list[tuple[str, int]]] = {}
    left: set[tuple[int, int]] = set()
    masked: set[int] = set()
    never_masked: set[int] = set()
    taken: dict[tuple[int, int], int] = {}
    for events in _instants(records):
        for event in events:
            match event:
                case IrqAttached():
                    attached.setdefault(event.intid, []).append((event.owner, event.epoch))
                case IrqDetached():
                    owners = attached.setdefault(event.intid, [])
                    if (event.owner, event.epoch) in owners:
                        owners.remove((event.owner, event.epoch))
                    left.add((event.intid, event.epoch))
                    masked.discard(event.intid)
                    if event.masked:
                        masked.add(event.intid)
                case IrqMasked():
                    masked.add(event.intid)
                    never_masked.discard(event.intid)
                case IrqUnmasked():
                    masked.discard(event.intid)
        for event in events:
            if isinstance(event, IrqTaken):
                epoch = event.epoch
            elif isinstance(event, IrqInjected):
                epoch = event.requested_epoch
                if event.intid < 0 and epoch == event.epoch:
                    continue
            else:
                continue
            line = event.intid
            if any(each == epoch for _, each in attached.get(line, ())):
                continue
            is_dead = epoch != 0 and (line, epoch) in left
            if isinstance(event, IrqInjected):
                if is_dead:
                    yield "irq-contained-after-teardown"
                elif event.epoch != epoch:
                    yield "epochs-match"
            elif is_dead:
                yield "no-irq-after-teardown"
                taken[line, epoch] = taken.get((line, epoch), 0) + 1
                if taken[line, epoch] > allowed:
                    yield "irq-contained-after-teardown"
                if line not in masked:
                    never_masked.add(line)
    if never_masked:
        yield "irq-contained-after-teardown"


def _time_outs(records: Iterable[Record]) -> Iterator[str]:
    """Judge releases after a wait in vain; those of the same instant come after it too."""
    given: dict[tuple[str, int], set[int]] = {}
    quiet: set[tuple[str, int]] = set()
    in_vain: dict[int, list[str]] = {}
    kept: set[tuple[int, int]] = set()
    for events in _instants(records):
        early: list[FramesReleased] = []
        for event in events:
            match event:
                case DmaRequested():
                    buffers = given.setdefault((event.master, event.epoch), set())
                    last = (event.addr + event.length - 1) // PAGE
                    buffers.update(range(event.addr // PAGE, last + 1))
                    quiet.discard((event.master, event.epoch))
                case StopConfirmed():
                    quiet.add((event.device, event.epoch))
                case FramesQuarantined():
                    kept.update((event.epoch, frame) for frame in _frames(event))
                case QuiesceStepEnded(outcome="timed_out") | CallbackEnded(outcome="timed_out"):
                    name = event.device if isinstance(event, QuiesceStepEnded) else event.vdev
                    if isinstance(event, QuiesceStepEnded):
                        quiet.discard((name, event.epoch))
                    is_first = event.epoch not in in_vain
                    in_vain.setdefault(event.epoch, []).append(name)
                    if is_first and any(
                        _is_unsafe(each, given, quiet, in_vain, kept) for each in early
                    ):
                        yield "timeout-quarantines"
                case FramesReleased():
                    early.append(event)
                    if _is_unsafe(event, given, quiet, in_vain, kept):
                        yield "timeout-quarantines"


def _is_unsafe(
    event: FramesReleased,
    given: dict[tuple[str, int], set[int]],
    quiet: set[tuple[str, int]],
    in_vain: dict[int, list[str]],
    kept: set[tuple[int, int]],
) -> bool:
    epoch = event.epoch
    if epoch not in in_vain:
        return False
    if any((epoch, frame) in kept for frame in _frames(event)):
        return True
    writers = [name for name, each in given if each == epoch]
    if not writers:
        return True
    suspects = {
        suspect
        for name in in_vain[epoch]
        for suspect in ([name] if name in writers else writers)
        if (suspect, epoch) not in quiet
    }
    return any(not given[name, epoch].isdisjoint(_frames(event)) for name in suspects)


def _durations(records: tuple[Record, ...], bound_ns: int) -> Iterator[str]:
    begun: dict[int, int] = {}
    for record in records:
        event = record.event
        if isinstance(event, TerminationBegun):
            begun.setdefault(event.epoch, record.at_ns)
        elif isinstance(event, QvmExited) and event.epoch in begun:
            if record.at_ns - begun.pop(event.epoch) > bound_ns:
                yield "teardown-bounded"
    if any(records[-1].at_ns - at_ns > bound_ns for at_ns in begun.values()):
        yield "teardown-bounded"
