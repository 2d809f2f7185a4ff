"""Says why no IOMMU stopped a write or a read, from the records of maps and translation caches.

The state at the instant at which the write passed the IOMMU counts, not that at its landing. The
removal of a map does not stop a write that has been translated. No record shows whether a cache
kept a copy of a removed translation, or the removal was incomplete. The sentence names both.
"""

from ...model.trace import events
from ...model.trace.events import NO_CAUSE
from ..core.clauses import Clause, RecordTimes
from .why_stop import Deed

__all__ = ["iommu_clauses"]


class _IommuHistory:
    """What happened to the translations of a master before its write passed the IOMMU.

    Attributes:
        has_iommu: Whether the system has an IOMMU.
        is_known: Whether the IOMMU was ever programmed for the master.
        maps: Records of the maps in force, by epoch.
        removed: Record of the last removal of the maps of the write's own epoch.
        gone: The records of the maps that it removed.
        unanswered: Record at which the IOMMU gave up waiting for the device's answer.
        opened: Record of the reset after which the IOMMU let everything pass.
    """

    def __init__(self, times: RecordTimes, deed: Deed, passed: int) -> None:
        self.has_iommu = any(part.kind == "iommu" for part in times.trace.header.parts)
        self.is_known = False
        self.maps: dict[int, list[int]] = {}
        self.gone: list[int] = []
        self.removed = self.unanswered = self.opened = NO_CAUSE
        for index, record in enumerate(times.records[:passed]):
            event = record.event
            if isinstance(event, events.IommuReset):
                self.maps.clear()
                self.opened = index if event.unprogrammed == "bypass" else NO_CAUSE
            elif getattr(event, "master", "") == deed.actor:
                self._note(event, index, deed.epoch)

    def _note(self, event: events.AnyEvent, index: int, epoch: int) -> None:
        if isinstance(event, events.IommuMapped):
            self.has_iommu = self.is_known = True
            self.maps.setdefault(event.epoch, []).append(index)
            self.opened = NO_CAUSE
        elif isinstance(event, events.IommuUnmapped):
            self.has_iommu = self.is_known = True
            gone = self.maps.pop(event.epoch, [])
            if event.epoch == epoch:
                self.removed, self.gone = index, gone
        elif isinstance(event, events.AtcInvalidationEnded) and event.outcome == "timed_out":
            self.unanswered = index


def iommu_clauses(times: RecordTimes, deed: Deed) -> list[Clause]:
    """Return why no IOMMU stopped a write; empty if the records do not show it."""
    if not isinstance(times.records[deed.index].event, events.DmaLanded | events.DmaRead):
        return []
    return _why_it_passed(times, deed)


def _why_it_passed(times: RecordTimes, deed: Deed) -> list[Clause]:
    translated = _translation(times, deed)
    passed = deed.index if translated == NO_CAUSE else translated
    seen = _IommuHistory(times, deed, passed)
    about: dict[str, str | int] = {"device": deed.actor, "epoch": deed.epoch}
    if not seen.has_iommu:
        return [Clause("no-iommu", "no IOMMU stood in its way", (deed.index,), about)]
    if seen.opened != NO_CAUSE:
        text = f"the IOMMU was reset at {times.at(seen.opened)} and let everything pass"
        return [Clause("reset-open", text, (seen.opened, passed), about)]
    if not seen.is_known:
        text = f"the IOMMU was never programmed for {deed.actor}"
        return [Clause("iommu-not-programmed", text, (deed.index,), about)]
    mapped = _mapped(times, deed, seen, passed)
    if mapped:
        return [*mapped, *_removed_since(times, deed, passed)]
    if seen.removed != NO_CAUSE:
        return _past_removal(times, deed, seen, translated)
    return _untranslated(times, translated, about)


def _untranslated(times: RecordTimes, translated: int, about: dict[str, str | int]) -> list[Clause]:
    """Return that the IOMMU let a write through untranslated, against the maps in force."""
    if translated == NO_CAUSE:
        return []
    write = times.records[translated].event
    assert isinstance(write, events.DmaTranslated)
    if write.host_addr != write.addr:
        return []
    text = "the IOMMU let it pass untranslated, and no map in force led there"
    return [Clause("passed-as-is", text, (translated,), about)]


def _translation(times: RecordTimes, deed: Deed) -> int:
    """Return the record in which the write passed the IOMMU, before or after it left the device."""
    landing = times.records[deed.index].event
    if not isinstance(landing, events.DmaLanded):
        return NO_CAUSE  # the translation of a read leaves no record of its own
    for cause in times.trace.causes_of(deed.index):
        event = times.records[cause].event
        if isinstance(event, events.DmaLanded):
            break
        if (
            isinstance(event, events.DmaTranslated)
            and event.master == deed.actor
            and event.host_addr <= landing.addr < event.host_addr + event.length
        ):
            return cause
    return NO_CAUSE


def _mapped(times: RecordTimes, deed: Deed, seen: _IommuHistory, passed: int) -> list[Clause]:
    """Return which maps, in force when the write passed, led to where it landed."""
    event = times.records[deed.index].event
    assert isinstance(event, events.DmaLanded | events.DmaRead)
    for epoch in sorted(seen.maps, key=lambda one: (one != deed.epoch, one)):
        for index in seen.maps[epoch]:
            mapped = times.records[index].event
            assert isinstance(mapped, events.IommuMapped)
            if not mapped.host_addr <= event.addr < mapped.host_addr + mapped.length:
                continue
            about: dict[str, str | int] = {"device": deed.actor, "epoch": epoch}
            still = "still " if epoch == deed.epoch else ""
            text = f"the IOMMU {still}let {deed.actor} reach the memory of epoch {epoch}"
            return [Clause("mapped", text, (index, passed), about)]
    return []


def _removed_since(times: RecordTimes, deed: Deed, passed: int) -> list[Clause]:
    """Return that the map was removed while the write was on its way; empty if it was not."""
    about: dict[str, str | int] = {"device": deed.actor, "epoch": deed.epoch}
    removed = NO_CAUSE
    for index in range(passed + 1, deed.index):
        event = times.records[index].event
        key = (getattr(event, "master", ""), getattr(event, "epoch", NO_CAUSE))
        if key != (deed.actor, deed.epoch):
            continue
        if isinstance(event, events.IommuUnmapped):
            removed = index
        elif isinstance(event, events.IommuSynced) and removed != NO_CAUSE:
            text = (
                f"its removal at {times.at(removed)} was called complete at {times.at(index)}, "
                "with this write still on its way"
            )
            records = (passed, removed, index, deed.index)
            return [Clause("synced-too-early", text, records, about, "; ")]
    if removed == NO_CAUSE:
        return []
    text = (
        f"its removal at {times.at(removed)} was not waited for, and this write had passed before"
    )
    return [Clause("not-waited-for", text, (passed, removed, deed.index), about, "; ")]


def _past_removal(
    times: RecordTimes, deed: Deed, seen: _IommuHistory, translated: int
) -> list[Clause]:
    """Return how a write got past the reported removal of its translation."""
    about: dict[str, str | int] = {"device": deed.actor, "epoch": deed.epoch}
    parts = []
    if translated != NO_CAUSE:
        text = (
            f"the IOMMU let it pass although the removal of its translations was reported at "
            f"{times.at(seen.removed)}"
        )
        parts.append(Clause("past-removal", text, (seen.removed, translated), about))
    if seen.unanswered != NO_CAUSE:
        text = (
            f"{deed.actor} had not answered by {times.at(seen.unanswered)} that it had dropped "
            "the translations that it keeps itself"
        )
        return [*parts, Clause("unanswered", text, (seen.unanswered,), about)]
    return [*parts, *_how_it_passed(times, seen, translated, about)] if parts else []


def _how_it_passed(
    times: RecordTimes, seen: _IommuHistory, translated: int, about: dict[str, str | int]
) -> list[Clause]:
    """Return how a write passed after a removal, as far as its addresses show."""
    write = times.records[translated].event
    assert isinstance(write, events.DmaTranslated)
    for index in seen.gone:
        mapped = times.records[index].event
        assert isinstance(mapped, events.IommuMapped)
        if not mapped.addr <= write.addr < mapped.addr + mapped.length:
            continue
        led_to = mapped.host_addr + write.addr - mapped.addr
        if write.host_addr != led_to and write.host_addr == write.addr:
            text = "it passed untranslated"
            return [Clause("untranslated", text, (index, translated), about, ": ")]
        if write.host_addr == led_to != write.addr:
            text = "a copy of the translation was kept, or not all was removed"
            return [Clause("old-way", text, (index, translated), about, ": ")]
    text = "a copy was kept, not all was removed, or all was let through"
    return [Clause("some-way", text, (seen.removed, translated), about, ": ")]
