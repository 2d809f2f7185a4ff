"""Cuts from a trace what led to a violation: a small graph as plain data.

A violation has three threads:

- the *deed*: how the write or interrupt came about, from the frame, request or buffer with which it
  began;
- the *limit*: how memory or line came to be given back, from the end of the guest on;
- the *stops*: what was done about the device in between.

Most links are the causes that the trace records. If only an address or the order of time connects
two records, the link says so.

The critical path is the chain of recorded causes that ends in the violation. Without any of its
events the violation could not have happened.
"""

import msgspec

from ...model.trace import events
from ...model.trace.events import NO_CAUSE, Record, Trace
from ...properties.core.verdict import Judgement
from ..core.culprit import Culprit, culprit_of, main_finding
from ..core.event_words import in_words
from ..core.findings import READS, WRITES

__all__ = ["CausalSlice", "Link", "Node", "slice_of", "slice_of_culprit"]

_BEGINNINGS = (
    events.FrameArrived,
    events.RequestSubmitted,
    events.GuestEnded,
    events.SignalSent,
    events.VmStarted,
)
"""The events with which a deed begins; their own causes belong to another story."""

_DEEDS = (
    *WRITES,
    *READS,
    events.FrameArrived,
    events.DmaRequested,
    events.DmaFetched,
    events.DmaIssued,
    events.DmaTranslated,
    events.IrqAsserted,
    events.IrqTaken,
    events.IrqMasked,
    events.IrqUnmasked,
    events.IrqAttached,
    events.RequestSubmitted,
    events.BackendRequestBegun,
    events.BackendRequestEnded,
)
"""The events of a deed; where its causes lead to another event, a teardown or start, it ends."""

_TEARDOWN = (
    events.GuestEnded,
    events.SignalSent,
    events.TerminationBegun,
    events.CallbackBegun,
    events.CallbackEnded,
    events.QuiesceStepBegun,
    events.QuiesceStepEnded,
    events.WorkerEnded,
    events.ConnectionClosed,
    events.IrqMasked,
    events.IrqDetached,
    events.IommuUnmapped,
    events.IommuSynced,
    events.FramesReleased,
    events.FramesQuarantined,
    events.QvmExited,
)
"""The events of a teardown."""

_STOPS = (
    events.QuiesceStepBegun,
    events.QuiesceStepEnded,
    events.StopConfirmed,
)
_UNMAPS = (events.IommuUnmapped, events.IommuSynced)
_STOPS_MAX = 16
"""How many steps about one device the slice shows, the last ones."""


class Node(msgspec.Struct, frozen=True):
    """A record of the slice.

    Attributes:
        index: Index in the trace.
        at_ns: Its instant.
        component: The component in which it happened.
        role: `violation`, `deed`, `limit` (the release or detach that came first), `teardown`
            (what led to that) or `stop` (what was done about the device).
        text: What happened, in a few words.
        is_critical: Whether it lies on the critical path.
    """

    index: int
    at_ns: int
    component: str
    role: str
    text: str
    is_critical: bool = False


class Link(msgspec.Struct, frozen=True):
    """A connection from one record to another that it led to.

    Attributes:
        cause: Index of the earlier record.
        effect: Index of the later one.
        kind: `cause` (recorded), `buffer` (the same buffer), `pending` (the interrupt waited),
            `order` (earlier by the same process); `open` (the device might still write) or
            `late` (the limit had passed).
        skipped: How many records the link leaves out on the chain of causes.
        is_critical: Whether it lies on the critical path.
    """

    cause: int
    effect: int
    kind: str = "cause"
    skipped: int = 0
    is_critical: bool = False


class CausalSlice(msgspec.Struct, frozen=True):
    """The graph of what led to a violation.

    Attributes:
        nodes: In the order of the trace.
        links: By effect, then cause.
        critical: Indices of the critical path, the violation last.
        late_by_ns: How long after the limit the violation came; None without a limit.
    """

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    critical: tuple[int, ...]
    late_by_ns: int | None = None

    @property
    def components(self) -> tuple[str, ...]:
        """The components, in the order of their first appearance."""
        return tuple(dict.fromkeys(node.component for node in self.nodes))


def slice_of(trace: Trace, judgement: Judgement) -> CausalSlice | None:
    """Return what led to the worst violation of a judgement; None without a violation."""
    finding = main_finding(trace, judgement)
    return slice_of_culprit(trace, culprit_of(trace, finding)) if finding is not None else None


def slice_of_culprit(trace: Trace, culprit: Culprit) -> CausalSlice:
    """Return what led to a violation."""
    return _Slicer(trace, culprit).slice()


class _Slicer:
    """Collects records by role; a record keeps the first role that it receives."""

    def __init__(self, trace: Trace, culprit: Culprit) -> None:
        self._records = trace.records
        self._trace = trace
        self._culprit = culprit
        self._roles: dict[int, str] = {}
        self._extra: list[Link] = []

    def slice(self) -> CausalSlice:
        violation, limit = self._culprit.violation.index, self._culprit.limit
        # Invariant: a record keeps its first role; only the violation and the limit are set
        # outright.
        self._roles[violation] = "violation"
        event = self._records[violation].event
        if isinstance(event, (*WRITES, *READS, events.IrqTaken)):
            self._add_deed(violation)
        else:
            self._add_teardown(violation)
            self._add_open_end(violation)
        if isinstance(event, events.IrqTaken):
            self._add_raise(violation, event)
        if limit != NO_CAUSE:
            self._roles[limit] = "limit"
            self._add_teardown(limit)
            self._extra.append(Link(limit, violation, "late"))
        owner = self._culprit.owner
        if owner is not None and owner.epoch > 0 and owner.index != NO_CAUSE:
            self._roles.setdefault(owner.index, "teardown")
        for index in self._stops():
            self._roles.setdefault(index, "stop")
        return self._finished(violation, limit)

    # The deed.

    def _add_deed(self, last: int) -> None:
        """Add the records of the story that a record belongs to, and its buffer."""
        types: set[type] = {type(self._records[last].event)}
        issued = NO_CAUSE
        for index in self._trace.causes_of(last):
            event = self._records[index].event
            # Invariant: a deed has one landing; an earlier landing, or a request of the guest's
            # driver, ends the story.
            is_earlier_landing = isinstance(event, WRITES) and types & set(WRITES)
            if is_earlier_landing or self._is_guest_driver(index):
                break
            if isinstance(event, events.FramesGranted):
                self._roles.setdefault(index, "teardown")
            if not isinstance(event, _DEEDS):
                break
            if isinstance(event, (events.DmaRequested, events.DmaFetched, *READS)):
                continue
            if type(event) not in types:
                types.add(type(event))
                self._roles.setdefault(index, "deed")
                if isinstance(event, events.DmaIssued):
                    issued = index
            if isinstance(event, _BEGINNINGS):
                break
        if issued != NO_CAUSE:
            self._add_buffers(issued)

    def _is_guest_driver(self, index: int) -> bool:
        record = self._records[index]
        if not isinstance(record.event, events.DmaRequested):
            return False
        return not any(
            part.name == record.source and part.kind == "host_driver"
            for part in self._trace.header.parts
        )

    def _add_buffers(self, issued: int) -> None:
        """Add how the device received the buffer that it wrote."""
        write = self._records[issued].event
        assert isinstance(write, events.DmaIssued)
        # Invariant: the search goes backward: issue, fetch, request.
        later = issued
        for kind in (events.DmaFetched, events.DmaRequested):
            found = self._buffer_before(later, kind, write)
            if found == NO_CAUSE:
                continue
            self._roles.setdefault(found, "deed")
            if found not in self._trace.causes_of(later):
                self._extra.append(Link(found, later, "buffer"))
            later = found

    def _buffer_before(self, before: int, kind: type, write: events.DmaIssued) -> int:
        for index in range(before - 1, -1, -1):
            event = self._records[index].event
            if (
                isinstance(event, events.DmaFetched | events.DmaRequested)
                and type(event) is kind
                and (event.master, event.epoch) == (write.master, write.epoch)
                and event.addr <= write.addr < event.addr + event.length
            ):
                return index
        return NO_CAUSE

    def _add_raise(self, violation: int, taken: events.IrqTaken) -> None:
        """Add how the interrupt was raised, if the causes of its taking do not show that."""
        for index in range(violation - 1, -1, -1):
            event = self._records[index].event
            if isinstance(event, events.IrqAsserted) and (event.intid, event.epoch) == (
                taken.intid,
                taken.epoch,
            ):
                if index not in self._roles:
                    self._roles[index] = "deed"
                    self._add_deed(index)
                    self._extra.append(Link(index, violation, "pending"))
                return

    # The teardown.

    def _add_teardown(self, last: int) -> None:
        """Add what led to a record of the teardown, back to the end of the guest.

        A step of a process often ends because a device has done something. The order of the
        process's own records then shows what the process did before.
        """
        index = last
        # Invariant: `before` lies before `index`, so the walk ends.
        while (before := self._before(index)) != NO_CAUSE:
            event = self._records[before].event
            is_one_of_many = self._is_release(before) and self._is_release(self._before(before))
            if is_one_of_many or self._is_instant_step(before):
                index = before
                continue
            self._roles.setdefault(before, "teardown")
            if isinstance(event, events.SignalSent):
                break
            if isinstance(event, events.GuestEnded) and event.manner != "stopped":
                break
            if before not in self._trace.causes_of(index):
                self._extra.append(Link(before, index, "order"))
            index = before

    def _before(self, index: int) -> int:
        """Return the record of the teardown that came before another, by cause or else by order."""
        if index == NO_CAUSE:
            return NO_CAUSE
        record = self._records[index]
        if record.cause != NO_CAUSE and self._is_teardown(record.cause):
            return record.cause
        if isinstance(record.event, events.GuestEnded | events.TerminationBegun):
            return NO_CAUSE
        for before in range(index - 1, -1, -1):
            if self._is_teardown(before) and not self._is_of_controller(before):
                return before
        return NO_CAUSE

    def _is_teardown(self, index: int) -> bool:
        event, epoch = self._records[index].event, self._culprit.epoch
        return isinstance(event, _TEARDOWN) and getattr(event, "epoch", epoch) == epoch

    def _is_of_controller(self, index: int) -> bool:
        return isinstance(self._records[index].event, events.IrqMasked)

    def _is_release(self, index: int) -> bool:
        if index == NO_CAUSE:
            return False
        event = self._records[index].event
        return isinstance(event, events.FramesReleased | events.FramesQuarantined)

    def _is_instant_step(self, index: int) -> bool:
        """Return whether a record is the end of a step that took no time and was done."""
        record = self._records[index]
        if not isinstance(record.event, events.QuiesceStepEnded) or record.cause == NO_CAUSE:
            return False
        begun = self._records[record.cause]
        return (
            isinstance(begun.event, events.QuiesceStepBegun)
            and record.event.outcome == "done"
            and begun.at_ns == record.at_ns
        )

    def _add_open_end(self, violation: int) -> None:
        """Add the last sign that the actor might still write."""
        culprit = self._culprit
        for index in range(violation - 1, -1, -1):
            event = self._records[index].event
            if isinstance(event, events.DmaRequested | events.DmaFetched | events.DmaIssued) and (
                event.master,
                event.epoch,
            ) == (culprit.actor, culprit.epoch):
                self._roles.setdefault(index, "deed")
                self._extra.append(Link(index, violation, "open"))
                return

    # Steps about the device.

    def _stops(self) -> list[int]:
        culprit = self._culprit
        # Invariant: only a step before the limit could have stopped the deed.
        end = culprit.limit if culprit.limit != NO_CAUSE else culprit.violation.index
        found = [
            index
            for index, record in enumerate(self._records[:end])
            if self._is_stop(record) and not self._is_instant_step(index)
        ]
        return found[-_STOPS_MAX:]

    def _is_stop(self, record: Record) -> bool:
        event, culprit = record.event, self._culprit
        if isinstance(event, _STOPS):
            return (event.device, event.epoch) == (culprit.actor, culprit.epoch)
        if isinstance(event, _UNMAPS):
            return (event.master, event.epoch) == (culprit.actor, culprit.epoch)
        return False

    # Assembly of the graph.

    def _finished(self, violation: int, limit: int) -> CausalSlice:
        links = [link for index in sorted(self._roles) if (link := self._link_to(index))]
        # Invariant: `links` are recorded causes, one for each effect at most: the critical path is
        # a chain of them, and `extra` links never lie on it.
        by_effect = {link.effect: link.cause for link in links}
        critical = [violation]
        while critical[-1] in by_effect:
            critical.append(by_effect[critical[-1]])
        path = frozenset(critical)
        marked = [
            msgspec.structs.replace(link, is_critical={link.cause, link.effect} <= path)
            for link in links
        ]
        known = {(link.cause, link.effect) for link in links}
        extra = {
            (link.cause, link.effect): link
            for link in self._extra
            if (link.cause, link.effect) not in known and link.cause in self._roles
        }
        late_ns = None
        if limit != NO_CAUSE:
            late_ns = self._records[violation].at_ns - self._records[limit].at_ns
        return CausalSlice(
            nodes=tuple(self._node(index, path) for index in sorted(self._roles)),
            links=tuple(
                sorted([*marked, *extra.values()], key=lambda link: (link.effect, link.cause))
            ),
            critical=tuple(reversed(critical)),
            late_by_ns=late_ns,
        )

    def _node(self, index: int, critical: frozenset[int]) -> Node:
        record = self._records[index]
        text = in_words(record.event)
        role = self._roles[index]
        return Node(index, record.at_ns, record.source, role, text, index in critical)

    def _link_to(self, effect: int) -> Link | None:
        """Return the link to a record from its nearest cause in the slice."""
        if isinstance(self._records[effect].event, (*_BEGINNINGS, events.DmaRequested)):
            # Invariant: what caused a guest's end, or a frame's arrival, belongs to another story.
            cause = self._records[effect].cause
            has_same_role = self._roles.get(cause) == self._roles[effect]
            return Link(cause, effect) if has_same_role else None
        if any(link.effect == effect and link.kind == "order" for link in self._extra):
            return None
        for skipped, cause in enumerate(self._trace.causes_of(effect)):
            if cause in self._roles:
                return Link(cause, effect, skipped=skipped)
        return None
