"""Says how a late or stray write or read came about, where it went, and whose the frame was."""

from ...model.base.addresses import HOST_EPOCH, frame_of
from ...model.trace import events
from ...model.trace.events import NO_CAUSE
from ..core.clauses import Clause, RecordTimes
from ..core.findings import READS, WRITES, Access, actor_of
from ..core.frames import FREE, FrameLedger
from .why_iommu import iommu_clauses
from .why_stop import Deed, stop_clauses

__all__ = ["write_clauses", "write_deed"]


def write_deed(times: RecordTimes, index: int) -> Deed:
    """Return the deed of a write or a read: its actor, its epoch, and the release before it."""
    event = _access(times, index)
    actor = actor_of(event)
    frame = frame_of(event.addr)
    ledger = FrameLedger(times.trace)
    released = ledger.released_by(event.epoch, frame, times.end_of_instant(index))
    issued = _issue(times, index, actor)
    begun = index if issued == NO_CAUSE else issued
    if released is None:
        return Deed(index, actor, event.epoch, begun, index, f"the {_what(event)}")
    words = f"the release of frame {frame:#x}"
    return Deed(index, actor, event.epoch, begun, released.index, words)


def write_clauses(times: RecordTimes, index: int) -> list[Clause]:
    """Return why a write could land, or a read take, where and when it did."""
    deed = write_deed(times, index)
    return [
        *stop_clauses(times, deed),
        *_story(times, deed),
        *_lateness(times, deed),
        _owner(times, deed),
        *iommu_clauses(times, deed),
    ]


def _access(times: RecordTimes, index: int) -> Access:
    event = times.records[index].event
    assert isinstance(event, (*WRITES, *READS))
    return event


def _what(access: Access) -> str:
    return "read" if isinstance(access, READS) else "write"


def _issue(times: RecordTimes, index: int, actor: str) -> int:
    """Return the record in which a write left its device; none if its causes do not show it."""
    if isinstance(times.records[index].event, READS):
        return NO_CAUSE
    for cause in _own_causes(times, index):
        event = times.records[cause].event
        if isinstance(event, events.DmaIssued) and event.master == actor:
            return cause
    return NO_CAUSE


def _own_causes(times: RecordTimes, index: int) -> list[int]:
    """Return what led to an access, latest first, back to a write or a completed request."""
    own = []
    for cause in times.trace.causes_of(index):
        event = times.records[cause].event
        if isinstance(event, (*WRITES, events.RequestCompleted)):
            break
        own.append(cause)
        if isinstance(event, events.FrameArrived | events.BackendRequestBegun):
            break
    return own


def _story(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return how the access came about, as far back as its causes show, up to memory."""
    parts: dict[str, Clause] = {}
    left = times.records[deed.begun].event
    for cause in _own_causes(times, deed.index):
        kind, words, about = _station(times, deed, cause)
        fetched = times.records[cause].event
        if isinstance(fetched, events.DmaFetched) and not _is_for(fetched, left):
            continue
        if kind:
            text = f"{words} at {times.at(cause)}"
            parts.setdefault(kind, Clause(kind, text, (cause,), about, ", "))
    stations = list(reversed(parts.values()))
    return _as_one(stations, _landing(times, deed), deed, _what(_access(times, deed.index)))


def _as_one(stations: list[Clause], landing: Clause, deed: Deed, what: str) -> list[Clause]:
    """Return the stages of a write or a read as one clause."""
    first, *rest = (*stations, landing)
    subject = f"its {what} for {_whom(deed.epoch)} {first.text}"
    return [Clause(first.kind, subject, first.records, first.about), *rest]


def _landing(times: RecordTimes, deed: Deed) -> Clause:
    event = _access(times, deed.index)
    frame = frame_of(event.addr)
    about: dict[str, str | int] = {"device": deed.actor, "epoch": deed.epoch, "frame": frame}
    if isinstance(event, READS):
        text = f"took {event.length} bytes from frame {frame:#x} at {times.at(deed.index)}"
        return Clause("read", text, (deed.index,), about, " and ")
    text = f"landed in frame {frame:#x} at {times.at(deed.index)}"
    return Clause("landed", text, (deed.index,), about, " and ")


def _is_for(fetched: events.DmaFetched, left: events.AnyEvent) -> bool:
    """Return whether a descriptor is that of the buffer that a write goes to."""
    if not isinstance(left, events.DmaIssued):
        return False
    return fetched.addr <= left.addr < fetched.addr + fetched.length


def _station(times: RecordTimes, deed: Deed, index: int) -> tuple[str, str, dict[str, str | int]]:
    event = times.records[index].event
    about: dict[str, str | int] = {"device": deed.actor, "epoch": deed.epoch}
    if isinstance(event, events.BackendRequestBegun):
        about["device"] = event.server
        return "accepted", f"was part of a {event.operation} that {event.server} accepted", about
    if isinstance(event, events.FrameArrived) and event.device == deed.actor:
        return "arrived", "was for a frame that arrived", about
    kind, words = _station_of_write(event, deed.actor)
    # Invariant: a write that left the device on the way to a read is another access.
    is_write = isinstance(times.records[deed.index].event, WRITES)
    return (kind, words, about) if kind and is_write else ("", "", {})


def _station_of_write(event: events.AnyEvent, actor: str) -> tuple[str, str]:
    if getattr(event, "master", "") != actor:
        return "", ""
    if isinstance(event, events.DmaFetched):
        return "fetched", "used a descriptor that was read"
    if isinstance(event, events.DmaIssued):
        return "issued", "left the device"
    if isinstance(event, events.DmaTranslated):
        return "translated", "passed the IOMMU"
    return "", ""


def _lateness(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return how long after the release it came; a landing at the same instant counts as after."""
    if deed.limit == deed.index:
        return []
    released = times.records[deed.limit].event
    assert isinstance(released, events.FramesReleased)
    about: dict[str, str | int] = {"epoch": deed.epoch}
    records = (deed.limit, deed.index)
    if not times.is_tie(deed.limit, deed.index):
        text = f"{times.between(deed.limit, deed.index)} after the release of that frame"
        return [Clause("late", text, records, about, ", ")]
    what = _what(_access(times, deed.index))
    order = f"release, then {what}" if deed.limit < deed.index else f"{what}, then release"
    text = (
        f"at the very instant at which {released.vm} released that frame, and a tie counts as "
        f"after the release (in the record: {order})"
    )
    return [Clause("tie", text, records, {**about, "order": order}, ", ")]


def _owner(times: RecordTimes, deed: Deed) -> Clause:
    """Return the owner of the frame at the end of the instant of the access."""
    event = _access(times, deed.index)
    frame = frame_of(event.addr)
    owner = FrameLedger(times.trace).owner(frame, times.end_of_instant(deed.index))
    about: dict[str, str | int] = {"frame": frame, "owner": owner.epoch}
    if owner.index == NO_CAUSE:
        return Clause("owner", "no VM ever owned that frame", (deed.index,), about)
    if owner.epoch == FREE:
        text = "the frame was free then"
    else:
        text = f"the frame belonged to {_whom(owner.epoch)} then"
    return Clause("owner", text, (owner.index, deed.index), about)


def _whom(epoch: int) -> str:
    return "the host" if epoch == HOST_EPOCH else f"epoch {epoch}"
