"""Rules for drawing interrupts: each line or vector has a track for each epoch it serves."""

from ..model import trace as events
from .chart import Bar, Mark, Zone
from .drafting import LaneDraft
from .lane_reader import At, Reader, Rules


def _lane(reader: Reader) -> LaneDraft:
    return reader.book.home("interrupts", "interrupts")


def _track(intid: int, epoch: int) -> str:
    return f"irq {intid} epoch {epoch}" if epoch else f"irq {intid} host"


def _attached(event: events.IrqAttached, reader: Reader, at: At) -> None:
    bar = Bar(at.ns, at.ns, "attached", event.epoch, f"attached by {event.owner}")
    key = ("attached", event.intid, event.owner, event.epoch)
    _lane(reader).begin(_track(event.intid, event.epoch), key, bar)


def _detached(event: events.IrqDetached, reader: Reader, at: At) -> None:
    key = ("attached", event.intid, event.owner, event.epoch)
    _lane(reader).end(key, at.ns)
    if event.epoch:
        zone = Zone(event.epoch, at.ns, at.ns, "no interrupt allowed")
        reader.forbid(_lane(reader), _track(event.intid, event.epoch), zone)


def _asserted(event: events.IrqAsserted, reader: Reader, at: At) -> None:
    track = _track(event.intid, event.epoch)
    if event.kind == "level":
        key = ("asserted", event.intid, event.device)
        _lane(reader).begin(track, key, Bar(at.ns, at.ns, "asserted", event.epoch))
    else:
        _lane(reader).mark(track, Mark(at.ns, "message", event.epoch, at.index))


def _deasserted(event: events.IrqDeasserted, reader: Reader, at: At) -> None:
    _lane(reader).end(("asserted", event.intid, event.device), at.ns)


def _taken(event: events.IrqTaken, reader: Reader, at: At) -> None:
    mark = Mark(at.ns, "taken", event.epoch, at.index)
    _lane(reader).mark(_track(event.intid, event.epoch), mark)


def _masked(event: events.IrqMasked, reader: Reader, at: At) -> None:
    bar = Bar(at.ns, at.ns, "masked", 0, event.reason)
    _lane(reader).begin(f"irq {event.intid} masked", ("masked", event.intid), bar)


def _unmasked(event: events.IrqUnmasked, reader: Reader, at: At) -> None:
    _lane(reader).end(("masked", event.intid), at.ns)


def _injected(event: events.IrqInjected, reader: Reader, at: At) -> None:
    lane = reader.book.home(event.vm, "guest")
    lane.mark("interrupts", Mark(at.ns, "injected", event.requested_epoch, at.index))


IRQ_RULES: Rules = {
    events.IrqAttached: _attached,
    events.IrqDetached: _detached,
    events.IrqAsserted: _asserted,
    events.IrqDeasserted: _deasserted,
    events.IrqTaken: _taken,
    events.IrqMasked: _masked,
    events.IrqUnmasked: _unmasked,
    events.IrqInjected: _injected,
}
"""The rules by type of event; `IrqHandled` says nothing that the unmasking does not show."""
