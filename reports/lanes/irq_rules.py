"""Draws interrupts into lanes: each line or vector has a track for each epoch that it serves."""

from ...model.trace import events
from ..draw.chart import Bar, Mark, Zone
from .drafting import LaneDraft
from .lane_reader import At, LaneReader, Rules


def _lane(reader: LaneReader) -> LaneDraft:
    return reader.book.home("interrupts", "interrupts")


def _track(intid: int, epoch: int) -> str:
    return f"irq {intid} epoch {epoch}" if epoch else f"irq {intid} host"


def _attached(event: events.IrqAttached, reader: LaneReader, at: At) -> None:
    bar = Bar(at.ns, at.ns, "attached", event.epoch, f"attached by {event.owner}")
    key = ("attached", event.intid, event.owner, event.epoch)
    _lane(reader).begin(_track(event.intid, event.epoch), key, bar)


def _detached(event: events.IrqDetached, reader: LaneReader, at: At) -> None:
    key = ("attached", event.intid, event.owner, event.epoch)
    _lane(reader).end(key, at.ns)
    # Invariant: the zone begins at the last detach of the epoch: a later one replaces it.
    if event.epoch:
        zone = Zone(event.epoch, at.ns, at.ns, "no interrupt allowed")
        reader.forbid(_lane(reader), _track(event.intid, event.epoch), zone)


def _asserted(event: events.IrqAsserted, reader: LaneReader, at: At) -> None:
    track = _track(event.intid, event.epoch)
    if event.kind == "level":
        key = ("asserted", event.intid, event.device)
        _lane(reader).begin(track, key, Bar(at.ns, at.ns, "asserted", event.epoch))
    else:
        _lane(reader).mark(track, Mark(at.ns, "message", event.epoch, at.index))


def _deasserted(event: events.IrqDeasserted, reader: LaneReader, at: At) -> None:
    _lane(reader).end(("asserted", event.intid, event.device), at.ns)


def _taken(event: events.IrqTaken, reader: LaneReader, at: At) -> None:
    mark = Mark(at.ns, "taken", event.epoch, at.index)
    _lane(reader).mark(_track(event.intid, event.epoch), mark)


def _masked(event: events.IrqMasked, reader: LaneReader, at: At) -> None:
    # Invariant: a line has one mask, whichever process set it: the bar belongs to no epoch.
    bar = Bar(at.ns, at.ns, "masked", 0, event.reason)
    _lane(reader).begin(f"irq {event.intid} masked", ("masked", event.intid), bar)


def _unmasked(event: events.IrqUnmasked, reader: LaneReader, at: At) -> None:
    _lane(reader).end(("masked", event.intid), at.ns)


def _injected(event: events.IrqInjected, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.vm, "guest")
    lane.mark("interrupts", Mark(at.ns, "injected", event.requested_epoch, at.index))


def _activated(event: events.IrqActivated, reader: LaneReader, at: At) -> None:
    bar = Bar(at.ns, at.ns, "active", event.epoch, "active until its owner ends it")
    _lane(reader).begin(f"irq {event.intid} active", ("active", event.intid), bar)


def _deactivated(event: events.IrqDeactivated, reader: LaneReader, at: At) -> None:
    _lane(reader).end(("active", event.intid), at.ns)


def _route_mapped(event: events.IrqRouteMapped, reader: LaneReader, at: At) -> None:
    label = f"leads {event.device} to irq {event.intid}"
    bar = Bar(at.ns, at.ns, "mapped", event.epoch, label)
    _routes(reader, at).begin(f"for {event.device}", _route_key("route", event), bar)


def _route_removed(event: events.IrqRouteRemoved, reader: LaneReader, at: At) -> None:
    lane = _routes(reader, at)
    lane.end(_route_key("route", event), at.ns)
    bar = Bar(at.ns, at.ns, "invalidating", event.epoch, "not yet synced")
    lane.begin(f"for {event.device}", _route_key("sync", event), bar)


def _route_synced(event: events.IrqRouteSynced, reader: LaneReader, at: At) -> None:
    _routes(reader, at).end(_route_key("sync", event), at.ns)


def _message_refused(event: events.IrqMessageRefused, reader: LaneReader, at: At) -> None:
    mark = Mark(at.ns, "refused", event.epoch, at.index)
    _routes(reader, at).mark(f"for {event.device}", mark)


def _routes(reader: LaneReader, at: At) -> LaneDraft:
    return reader.book.home(at.source, "interrupts")


def _route_key(
    kind: str, event: events.IrqRouteMapped | events.IrqRouteRemoved | events.IrqRouteSynced
) -> tuple[str, str, int, int]:
    return (kind, event.device, event.intid, event.epoch)


IRQ_RULES: Rules = {
    events.IrqAttached: _attached,
    events.IrqDetached: _detached,
    events.IrqAsserted: _asserted,
    events.IrqDeasserted: _deasserted,
    events.IrqTaken: _taken,
    events.IrqMasked: _masked,
    events.IrqUnmasked: _unmasked,
    events.IrqInjected: _injected,
    events.IrqActivated: _activated,
    events.IrqDeactivated: _deactivated,
    events.IrqRouteMapped: _route_mapped,
    events.IrqRouteRemoved: _route_removed,
    events.IrqRouteSynced: _route_synced,
    events.IrqMessageRefused: _message_refused,
}
"""The rules by type of event; `IrqHandled` shows nothing that the unmasking does not show."""
