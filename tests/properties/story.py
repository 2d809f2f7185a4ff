"""Tiny traces, written event by event."""

from quiesce.model.trace.events import (
    AnyEvent,
    CpuWriteLanded,
    DmaLanded,
    DmaRequested,
    FramesGranted,
    FramesReleased,
    Header,
    IrqActivated,
    IrqAsserted,
    IrqAttached,
    IrqDeactivated,
    IrqDetached,
    IrqHandled,
    IrqInjected,
    IrqMasked,
    IrqTaken,
    IrqUnmasked,
    ObservationEnded,
    Record,
    Service,
    Trace,
)
from quiesce.properties.check import check
from quiesce.properties.core.verdict import Verdict

HEADER = Header(
    scenario="a story",
    teardown_ns_max=1_000,
    irq_after_teardown_max=1,
    services=(Service("vm2", "vm2.blk0", "completed", begins="asked"),),
)

FRAME = 0x80012
"""The frame in which everything happens."""

ADDR = FRAME << 12
LINE = 37

Moment = tuple[int, AnyEvent]


def at(at_ns: int, *events: AnyEvent) -> list[Moment]:
    """Let events happen at one instant, in this order."""
    return [(at_ns, event) for event in events]


def story(
    *moments: list[Moment], ends_ns: int | None = 1_000_000, header: Header = HEADER
) -> Trace:
    """Return the trace of moments; it is cut off where `ends_ns` is None."""
    timed = [moment for group in moments for moment in group]
    if ends_ns is not None:
        timed.append((ends_ns, ObservationEnded()))
    assert [at_ns for at_ns, _ in timed] == sorted(at_ns for at_ns, _ in timed), (
        "time runs backwards"
    )
    return Trace(header, tuple(Record(at_ns, "story", -1, event) for at_ns, event in timed))


def verdict(name: str, *moments: list[Moment], ends_ns: int | None = 1_000_000) -> Verdict:
    """Return what one property says of a story."""
    (only,) = check(story(*moments, ends_ns=ends_ns), [name])
    return only


def granted(epoch: int, count: int = 1, first: int = FRAME) -> FramesGranted:
    return FramesGranted(f"vm{epoch}", epoch, first, count)


def released(epoch: int, count: int = 1, first: int = FRAME) -> FramesReleased:
    return FramesReleased(f"vm{epoch}", epoch, first, count)


def requested(epoch: int, master: str = "eth0", addr: int = ADDR) -> DmaRequested:
    return DmaRequested(master, epoch, addr, 1024)


def landed(epoch: int, frame: int = FRAME) -> DmaLanded:
    return DmaLanded("eth0", epoch, frame << 12, 1024, "data")


def written(epoch: int, frame: int = FRAME) -> CpuWriteLanded:
    return CpuWriteLanded("vm1.blk0", epoch, frame << 12, 512, "data")


def attached(epoch: int, owner: str = "") -> IrqAttached:
    return IrqAttached(LINE, owner or f"vm{epoch}", epoch)


def detached(epoch: int, *, masked: bool = True) -> IrqDetached:
    return IrqDetached(LINE, f"vm{epoch}", epoch, masked)


def asserted(epoch: int, device: str = "eth0") -> IrqAsserted:
    return IrqAsserted(LINE, device, epoch, "level")


def taken(epoch: int) -> IrqTaken:
    return IrqTaken(LINE, epoch)


def masked() -> IrqMasked:
    return IrqMasked(LINE, "assertion")


def unmasked() -> IrqUnmasked:
    return IrqUnmasked(LINE, "handled")


def activated(epoch: int) -> IrqActivated:
    return IrqActivated(LINE, epoch)


def deactivated(by: str = "owner") -> IrqDeactivated:
    return IrqDeactivated(LINE, by)


def handled(epoch: int, owner: str = "") -> IrqHandled:
    return IrqHandled(LINE, owner or f"vm{epoch}", epoch)


def injected(receiver: int, requested_epoch: int, intid: int = LINE) -> IrqInjected:
    return IrqInjected(intid, f"vm{receiver}", receiver, requested_epoch, "eth0")
