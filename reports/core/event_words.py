"""Describes every event in a few words, for graphs, tables and tooltips."""

from collections.abc import Callable
from typing import Any

from ...model.base.addresses import frame_of
from ...model.trace import events
from ...model.trace.event_base import TraceEvent

_CONTENTS = {"data": "data", "completion": "completion", "message": "interrupt message"}


def in_words(event: TraceEvent) -> str:
    """Return what happens in an event, without its component and its instant.

    Example:
        >>> in_words(events.GuestEnded("vm", 1, "shut_down"))
        'guest of vm shut down (epoch 1)'
    """
    phrase = _PHRASES.get(type(event))
    return phrase(event) if phrase is not None else _by_fields(event)


def _by_fields(event: TraceEvent) -> str:
    """Return the words of an event's name and what it is about, for the events of VIRTIO."""
    name = "".join(f" {each.lower()}" if each.isupper() else each for each in type(event).__name__)
    values = [
        str(getattr(event, field))
        for field in event.__struct_fields__
        if field not in ("epoch", "vdev", "vm")
    ]
    return f"{name.strip()}{' ' if values else ''}{' '.join(values)}"


def _frames(event: Any) -> str:
    first = f"{event.first_frame:#x}"
    if event.count == 1:
        return f"frame {first}"
    return f"frames {first}..{event.first_frame + event.count - 1:#x}"


def _content(event: Any) -> str:
    return f"{_CONTENTS.get(event.content, event.content)}, {event.length} bytes"


def _buffer(event: Any) -> str:
    return f"{event.length} bytes at {event.addr:#x}"


_PHRASES: dict[type[TraceEvent], Callable[[Any], str]] = {
    events.VmStarted: lambda e: f"{e.vm} starts (epoch {e.epoch})",
    events.MilestoneReached: lambda e: f"{e.vm}: {e.milestone}",
    events.GuestEnded: lambda e: f"guest of {e.vm} {e.manner.replace('_', ' ')} (epoch {e.epoch})",
    events.SignalSent: lambda e: f"{e.signal} sent to {e.vm}",
    events.TerminationBegun: lambda e: (
        f"qvm begins to end: {e.cause}{'' if e.orderly else ', without callbacks'}"
    ),
    events.EndNotObeyed: lambda e: (
        f"{e.signal or e.cause} changes nothing: qvm of {e.vm} is calling its vdevs"
    ),
    events.CallbackBegun: lambda e: f"TERMINATE of {e.vdev} is called",
    events.CallbackEnded: lambda e: (
        f"TERMINATE of {e.vdev} returns ({e.outcome.replace('_', ' ')})"
    ),
    events.WorkerEnded: lambda e: f"worker of {e.worker} {e.manner}",
    events.ConnectionClosed: lambda e: f"{e.vm} disconnected from {e.server}",
    events.QvmExited: lambda e: f"qvm of {e.vm} exits with {e.status}",
    events.RestartRequested: lambda e: f"{e.vm} is to start again after epoch {e.epoch}",
    events.RestartGivenUp: lambda e: f"{e.vm} is not started again: {e.reason.replace('_', ' ')}",
    events.ObservationEnded: lambda _: "end of the observation",
    events.FramesGranted: lambda e: f"{_frames(e)} granted to {e.vm} (epoch {e.epoch})",
    events.FramesReleased: lambda e: f"{_frames(e)} returned by {e.vm} (epoch {e.epoch})",
    events.FramesQuarantined: lambda e: f"{_frames(e)} put into quarantine",
    events.CpuWriteLanded: lambda e: (
        f"write lands in frame {frame_of(e.addr):#x} ({e.content.replace('_', ' ')}, "
        f"{e.length} bytes, epoch {e.epoch})"
    ),
    events.CpuRead: lambda e: (
        f"frame {frame_of(e.addr):#x} is read ({e.content}, {e.length} bytes, epoch {e.epoch})"
    ),
    events.FrameArrived: lambda e: f"frame arrives from the wire, {e.length} bytes",
    events.DmaRequested: lambda e: f"buffer given to {e.master}: {_buffer(e)} (epoch {e.epoch})",
    events.DmaFetched: lambda e: f"descriptor read: {_buffer(e)} (epoch {e.epoch})",
    events.DmaIssued: lambda e: f"write leaves the device ({_content(e)}, epoch {e.epoch})",
    events.DmaTranslated: lambda e: f"write passes the IOMMU to {e.host_addr:#x}",
    events.DmaLanded: lambda e: (
        f"write lands in frame {frame_of(e.addr):#x} ({_content(e)}, epoch {e.epoch})"
    ),
    events.DmaRead: lambda e: (
        f"frame {frame_of(e.addr):#x} is read ({e.content}, {e.length} bytes, epoch {e.epoch})"
    ),
    events.RegistersHit: lambda e: (
        f"write arrives at registers of {e.device}, {e.outcome} (epoch {e.epoch})"
    ),
    events.DmaBlocked: lambda e: f"write refused by the IOMMU (epoch {e.epoch})",
    events.DmaReadBlocked: lambda e: f"read refused by the IOMMU (epoch {e.epoch})",
    events.DmaDropped: lambda e: f"write dropped: {e.reason.replace('_', ' ')}",
    events.IommuMapped: lambda e: f"IOMMU lets {e.master} reach memory of epoch {e.epoch}",
    events.IommuUnmapped: lambda e: f"maps of {e.master} removed (epoch {e.epoch})",
    events.IommuSynced: lambda e: f"invalidation of {e.master} complete (epoch {e.epoch})",
    events.IrqAttached: lambda e: f"irq {e.intid} attached by {e.owner}",
    events.IrqDetached: lambda e: (
        f"irq {e.intid} detached by {e.owner}{', masked' if e.masked else ''}"
    ),
    events.IrqAsserted: lambda e: f"irq {e.intid} raised by {e.device} (epoch {e.epoch})",
    events.IrqDeasserted: lambda e: f"irq {e.intid} lowered by {e.device}",
    events.IrqTaken: lambda e: f"irq {e.intid} taken (epoch {e.epoch})",
    events.IrqMasked: lambda e: f"irq {e.intid} masked ({e.reason})",
    events.IrqUnmasked: lambda e: f"irq {e.intid} unmasked ({e.reason})",
    events.IrqInjected: lambda e: f"interrupt of {e.source} injected into {e.vm} (epoch {e.epoch})",
    events.IrqHandled: lambda e: f"irq {e.intid} handled by {e.owner}",
    events.QuiesceStepBegun: lambda e: f"{e.step} of {e.device} begins",
    events.QuiesceStepEnded: lambda e: f"{e.step} of {e.device} {e.outcome.replace('_', ' ')}",
    events.StopConfirmed: lambda e: f"{e.device} seen to be quiet (epoch {e.epoch})",
    events.RequestSubmitted: lambda e: f"request {e.head} given to {e.vdev} (epoch {e.epoch})",
    events.RequestCompleted: lambda e: f"request {e.head} completed by {e.vdev}",
    events.BackendRequestBegun: lambda e: (
        f"{e.server} accepts a {e.operation} of {e.length} bytes (epoch {e.epoch})"
    ),
    events.BackendRequestEnded: lambda e: f"{e.server}: {e.operation} {e.outcome}",
}
"""The words of each type of event."""
