"""Joins `pass` entries that describe one device: windows, and an `intr` in a `pass` of its own.

The line belongs to the windows of the entries directly before it, if none of them has a line yet.
Windows that are marked free of DMA and windows that are not belong to different devices.
In every other place the line is a device without a window.

Source:
    QNX 7.1 hypervisor guide, config/acpi_fdt: three `pass loc` entries and one `pass intr`
    describe one USB device.  That only the entries directly before count is an assumption.
"""

from .collector import Collector
from .config import InterruptPin, PassConfig
from .drafts import PassDraft

JOINED = "pass intr"
"""The word of the notes about lines that were joined to windows."""


def grouped(drafts: list[PassDraft], collector: Collector) -> tuple[PassConfig, ...]:
    """Return the pass-through devices, with a note for each line that joins windows."""
    groups: list[list[PassDraft]] = []
    for draft in drafts:
        if draft.interrupts and not draft.windows and _joins(draft, groups):
            continue
        groups.append([draft])
    passes = [_joined(group) for group in groups]
    for group, item in zip(groups, passes, strict=True):
        if len(group) > 1:
            _note(group, item, collector)
    return tuple(passes)


def _joins(draft: PassDraft, groups: list[list[PassDraft]]) -> bool:
    """Put a line into the group before it; false if it has no windows directly before it."""
    run: list[PassDraft] = []
    position = draft.position
    first = len(groups)
    while first and groups[first - 1][-1].position == position - 1:
        group = groups[first - 1]
        may_join = all(_is_plain_window(member) for member in group)
        follows_line = first == len(groups) and any(not member.windows for member in group)
        is_other = bool(run) and _is_marked_free(run[0]) != _is_marked_free(group[0])
        if is_other or (not may_join and not follows_line):
            break
        first -= 1
        run = [*group, *run]
        position = group[0].position
        if follows_line:
            break
    if not any(member.windows for member in run):
        return False
    groups[first:] = [[*run, draft]]
    return True


def _is_plain_window(draft: PassDraft) -> bool:
    """Return whether an entry has only windows on memory or ports, and no line."""
    windows_only = bool(draft.windows) and not draft.interrupts
    return windows_only and all(window.space != "pci" for window in draft.windows)


def _is_marked_free(draft: PassDraft) -> bool:
    """Return whether the windows of an entry are marked free of DMA."""
    return not any(window.can_do_dma for window in draft.windows)


def _joined(group: list[PassDraft]) -> PassConfig:
    first = group[0]
    windows = tuple(window for draft in group for window in draft.windows)
    interrupts = tuple(line for draft in group for line in draft.interrupts)
    return PassConfig(first.place, windows, interrupts, first.blob)


def _note(group: list[PassDraft], item: PassConfig, collector: Collector) -> None:
    lines = ", ".join(
        str(InterruptPin(line.place, line.pic, line.number)) for line in item.interrupts
    )
    count = len(item.windows)
    windows = "the window" if count == 1 else f"the {count} windows"
    where = f"from line {item.place.line} on"
    message = f"{lines} stands in a pass of its own; it is taken to belong to {windows} {where}"
    place = next(draft.place for draft in group if not draft.windows)
    remedy = "write intr directly behind the loc of its device if it belongs to another one"
    collector.note(place, message, word=JOINED, remedy=remedy)
