"""Draws the events of devices and the IOMMU into lanes."""

from ...model.trace import events
from ..draw.chart import Bar, Mark, Moment
from .lane_reader import MASTERS, WORKERS, At, LaneReader, Rules


def _may_write(
    event: events.DmaRequested | events.DmaFetched | events.DmaIssued, reader: LaneReader, at: At
) -> None:
    lane = reader.book.home(event.master, *MASTERS)
    track = reader.working(lane, event.epoch)
    whom = f"for epoch {event.epoch}" if event.epoch else "for the host"
    label = f"may write {whom}"
    lane.begin(track, event.epoch, Bar(at.ns, at.ns, "may_write", event.epoch, label))


def _dma_requested(event: events.DmaRequested, reader: LaneReader, at: At) -> None:
    _may_write(event, reader, at)
    lane = reader.book.find(at.source, "guest_driver", "virtqueue")
    if lane is not None:
        mark = Mark(at.ns, "requested", event.epoch, at.index)
        lane.mark(reader.track_of(event.epoch), mark)


def _dma_issued(event: events.DmaIssued, reader: LaneReader, at: At) -> None:
    _may_write(event, reader, at)
    lane = reader.book.home(event.master, *MASTERS)
    track = reader.working(lane, event.epoch)
    # Invariant: the record of the issue identifies the write, so its end finds this bar.
    lane.begin(track, ("issued", at.index), Bar(at.ns, at.ns, "in_flight", event.epoch))


def _dma_landed(event: events.DmaLanded, reader: LaneReader, at: At) -> None:
    mark = _flight_ended(event, reader, at, "landed")
    reader.mark_memory(mark, event.addr)


def _dma_read(event: events.DmaRead, reader: LaneReader, at: At) -> None:
    if reader.is_late(event.epoch, event.addr, at.index):
        lane = reader.book.home(event.master, *MASTERS)
        mark = Mark(at.ns, "read", event.epoch, at.index)
        lane.mark(reader.working(lane, event.epoch), mark)
        reader.mark_memory(mark, event.addr)


def _registers_hit(event: events.RegistersHit, reader: LaneReader, at: At) -> None:
    _flight_ended(event, reader, at, "landed" if event.outcome == "taken" else "blocked")


def _dma_blocked(event: events.DmaBlocked, reader: LaneReader, at: At) -> None:
    mark = _flight_ended(event, reader, at, "blocked")
    reader.book.home("iommu", "iommu").mark(f"for {event.master}", mark)


def _flight_ended(
    event: events.DmaLanded | events.RegistersHit | events.DmaBlocked,
    reader: LaneReader,
    at: At,
    kind: str,
) -> Mark:
    lane = reader.book.home(event.master, *MASTERS)
    lane.end(("issued", reader.issue_of(at.index, event.master)), at.ns)
    mark = Mark(at.ns, kind, event.epoch, at.index)
    lane.mark(reader.working(lane, event.epoch), mark)
    return mark


def _read_blocked(event: events.DmaReadBlocked, reader: LaneReader, at: At) -> None:
    mark = Mark(at.ns, "blocked", event.epoch, at.index)
    reader.book.home("iommu", "iommu").mark(f"for {event.master}", mark)


def _dma_dropped(event: events.DmaDropped, reader: LaneReader, at: At) -> None:
    # A vdev drops writes as a device does, and has a lane of its own.
    lane = reader.book.find(event.master, *WORKERS) or reader.book.home(event.master, *MASTERS)
    mark = Mark(at.ns, "dropped", event.epoch, at.index)
    lane.mark(reader.working(lane, event.epoch), mark)


def _iommu_mapped(event: events.IommuMapped, reader: LaneReader, at: At) -> None:
    bar = Bar(at.ns, at.ns, "mapped", event.epoch, f"lets {event.master} reach epoch {event.epoch}")
    lane = reader.book.home("iommu", "iommu")
    lane.begin(f"for {event.master}", ("mapped", event.master, event.epoch), bar)


def _iommu_unmapped(event: events.IommuUnmapped, reader: LaneReader, at: At) -> None:
    lane = reader.book.home("iommu", "iommu")
    lane.end(("mapped", event.master, event.epoch), at.ns)
    bar = Bar(at.ns, at.ns, "invalidating", event.epoch, "invalidating")
    lane.begin(f"for {event.master}", ("sync", event.master, event.epoch), bar)


def _iommu_synced(event: events.IommuSynced, reader: LaneReader, at: At) -> None:
    lane = reader.book.home("iommu", "iommu")
    lane.end(("sync", event.master, event.epoch), at.ns)


def _iommu_reset(event: events.IommuReset, reader: LaneReader, at: At) -> None:
    lane = reader.book.home("iommu", "iommu")
    lane.end_all(("mapped",), at.ns)
    lane.end_all(("sync",), at.ns)
    effect = "lets everything pass" if event.unprogrammed == "bypass" else "refuses everything"
    mark = Mark(at.ns, "reset", 0, at.index, f"reset: {effect}")
    lane.mark("unit", mark)
    text = f"the IOMMU loses its tables and {effect}"
    reader.moments.append(Moment(at.ns, "end", 0, text))


def _atc_begun(event: events.AtcInvalidationBegun, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.master, *MASTERS)
    bar = Bar(at.ns, at.ns, "step", event.epoch, "translation cache invalidation")
    lane.begin("quiesce", ("atc", event.epoch), bar)


def _atc_ended(event: events.AtcInvalidationEnded, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.master, *MASTERS)
    key = ("atc", event.epoch)
    if event.outcome == "timed_out":
        lane.end(key, at.ns, kind="timed_out", label="ATC invalidation TIMED OUT")
    else:
        lane.end(key, at.ns)


def _faults_read(event: events.FaultRecordsRead, reader: LaneReader, at: At) -> None:
    lane = reader.book.home("smmuman", "host_driver")
    kind = "records_lost" if event.lost or event.dropped else "records_read"
    lane.mark("fault records", Mark(at.ns, kind, event.epoch, at.index))


def _step_begun(event: events.QuiesceStepBegun, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.device, *MASTERS, *WORKERS)
    bar = Bar(at.ns, at.ns, "step", event.epoch, event.step)
    lane.begin("quiesce", ("step", event.epoch, event.step), bar)


def _step_ended(event: events.QuiesceStepEnded, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.device, *MASTERS, *WORKERS)
    key = ("step", event.epoch, event.step)
    if event.outcome == "timed_out":
        lane.end(key, at.ns, kind="timed_out", label=f"{event.step} TIMED OUT")
    else:
        lane.end(key, at.ns)


def _stop_confirmed(event: events.StopConfirmed, reader: LaneReader, at: At) -> None:
    lane = reader.book.home(event.device, *MASTERS, *WORKERS)
    lane.end(event.epoch, at.ns)
    mark = Mark(at.ns, "stop_confirmed", event.epoch, at.index, "confirmed quiet")
    lane.mark("quiesce", mark)


DEVICE_RULES: Rules = {
    events.DmaRequested: _dma_requested,
    events.DmaFetched: _may_write,
    events.DmaIssued: _dma_issued,
    events.DmaLanded: _dma_landed,
    events.DmaRead: _dma_read,
    events.RegistersHit: _registers_hit,
    events.DmaBlocked: _dma_blocked,
    events.DmaReadBlocked: _read_blocked,
    events.DmaDropped: _dma_dropped,
    events.IommuMapped: _iommu_mapped,
    events.IommuUnmapped: _iommu_unmapped,
    events.IommuSynced: _iommu_synced,
    events.IommuReset: _iommu_reset,
    events.AtcInvalidationBegun: _atc_begun,
    events.AtcInvalidationEnded: _atc_ended,
    events.FaultRecordsRead: _faults_read,
    events.QuiesceStepBegun: _step_begun,
    events.QuiesceStepEnded: _step_ended,
    events.StopConfirmed: _stop_confirmed,
}
"""The rules by type of event."""
