"""Says why no IOMMU has stopped a write, from what the trace shows of maps, resets and caches."""

from ..model import trace as events
from ..model.trace import Trace
from .words import EXACT, about_ns


class _Seen:
    """What happened, up to a write, to the translations of its master.

    Attributes:
        has_iommu: Whether there is one at all.
        is_known: Whether it was ever told about the master.
        mapped: Epochs whose memory the master may reach.
        removed_ns: When the maps of the write's own epoch were removed; -1 if never.
        synced_ns: When that removal was called complete; -1 if never.
        unanswered_ns: When the IOMMU gave up waiting for the device's answer; -1 if never.
        open_since_ns: When a reset has let everything pass; -1 if none has.
    """

    def __init__(self, trace: Trace, before: int, actor: str, epoch: int) -> None:
        self.has_iommu = any(part.kind == "iommu" for part in trace.header.parts)
        self.is_known = False
        self.mapped: set[int] = set()
        self.removed_ns = self.synced_ns = self.unanswered_ns = self.open_since_ns = -1
        for record in trace.records[:before]:
            event = record.event
            if isinstance(event, events.IommuReset):
                self._reset(event, record.at_ns)
            elif getattr(event, "master", "") == actor:
                self._note(event, record.at_ns, epoch)

    def _reset(self, event: events.IommuReset, at_ns: int) -> None:
        self.mapped.clear()
        self.open_since_ns = at_ns if event.unprogrammed == "bypass" else -1

    def _note(self, event: events.AnyEvent, at_ns: int, epoch: int) -> None:
        if isinstance(event, events.IommuMapped | events.IommuUnmapped):
            self.has_iommu = self.is_known = True
        if isinstance(event, events.IommuMapped):
            self.mapped.add(event.epoch)
            self.open_since_ns = -1
        elif isinstance(event, events.IommuUnmapped):
            self.mapped.discard(event.epoch)
            self.removed_ns = at_ns if event.epoch == epoch else self.removed_ns
        elif isinstance(event, events.IommuSynced) and event.epoch == epoch:
            self.synced_ns = at_ns
        elif isinstance(event, events.AtcInvalidationEnded) and event.outcome == "timed_out":
            self.unanswered_ns = at_ns


def missing_iommu(trace: Trace, index: int, actor: str, epoch: int) -> str:
    """Return why no IOMMU stopped the write of a record; empty if the trace does not tell."""
    seen = _Seen(trace, index, actor, epoch)
    if not seen.has_iommu:
        return "no IOMMU stood in its way"
    if seen.open_since_ns >= 0:
        return f"the IOMMU was reset at {_at(seen.open_since_ns)} and let everything pass"
    return _confined(actor, epoch, seen) or _past_removal(trace, index, actor, seen)


def _confined(actor: str, epoch: int, seen: _Seen) -> str:
    """Return why an IOMMU that confines a device lets a write pass, if the maps tell."""
    if epoch in seen.mapped:
        return f"the IOMMU still let {actor} reach the memory of epoch {epoch}"
    if seen.unanswered_ns >= 0:
        return (
            f"{actor} had not answered by {_at(seen.unanswered_ns)} that it had forgotten the "
            "translations that it keeps itself"
        )
    if seen.mapped:
        epochs = " and ".join(str(each) for each in sorted(seen.mapped))
        return f"the IOMMU let {actor} reach the memory of epoch {epochs} by then"
    return ""


def _past_removal(trace: Trace, index: int, actor: str, seen: _Seen) -> str:
    """Return how a write got past the removal of its translation, if there was one."""
    if not seen.is_known:
        return f"the IOMMU was never told about {actor}"
    passed_ns = next(
        (
            trace.records[cause].at_ns
            for cause in trace.causes_of(index)
            if isinstance(trace.records[cause].event, events.DmaTranslated)
        ),
        -1,
    )
    if passed_ns < 0 or seen.removed_ns < 0:
        return ""
    removal = f"its translation was removed at {_at(seen.removed_ns)}"
    if passed_ns > max(seen.removed_ns, seen.synced_ns):
        return f"{removal}, but {actor} or the IOMMU still had a copy of it"
    return f"{removal}, but nothing waited for what had passed the IOMMU before"


def _at(value_ns: int) -> str:
    return about_ns(value_ns, EXACT)
