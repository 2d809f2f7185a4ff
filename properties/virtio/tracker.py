"""The tracker of virtio devices, which shows each event to the rules that it concerns.

Fifty rules read much the same events. The tracker reads each event once and finds its device and
queue. It shows the event to the rules that bind such a device, and only then changes the state. A
rule therefore sees the event beside the state before it.

Accesses to a queue from which the device must keep away go to the rules about silence alone. These
rules cost nothing while no such access happens.
"""

from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_args

from ...model.trace.event_base import TraceEvent
from ...model.trace.events import (
    DmaIssued,
    DmaLanded,
    DmaRead,
    GuestEnded,
    QvmExited,
    TerminationBegun,
    WorkerEnded,
)
from ...model.trace.virtio_events import (
    AvailablePublished,
    BarrierPassed,
    BlockWriteCached,
    BlockWriteCommitted,
    BufferRead,
    BufferWritten,
    ChainExposed,
    ChainTaken,
    ConfigChanged,
    DescriptorRead,
    DeviceActivated,
    DeviceStopped,
    FeaturesOffered,
    FeaturesWritten,
    LineLowered,
    NeedsResetSet,
    NotificationSent,
    QueueEnableRead,
    QueueEnableWritten,
    QueueFieldWritten,
    QueueResetCompleted,
    QueueResetRead,
    QueueResetWritten,
    QueueVectorRead,
    ResetCompleted,
    StatusRead,
    StatusWritten,
    SuppressionWritten,
    SuspendEnded,
    SuspendShown,
    UsedElementWritten,
    UsedPublished,
    VirtioEvent,
)
from ..core.monitor import Listener, Reads
from .device_state import DeviceState
from .queue_state import QueueState
from .words import CONFIG, FEATURES_OK, IN_ORDER, STOPPED, SUSPENDED

E = TypeVar("E", bound=TraceEvent)


class Seen(NamedTuple, Generic[E]):
    """What the tracker shows to a rule: an event, and the state of its device and queue before it.

    `record` is its index in the trace. An event that concerns no queue has the queue `CONFIG`.
    """

    record: int
    at_ns: int
    event: E
    device: DeviceState
    queue: QueueState

    @property
    def place(self) -> tuple[str, int, int]:
        """Vdev, epoch and queue, as a key."""
        return self.device.name, self.device.epoch, self.queue.index


Hear = Callable[[Seen[Any]], None]
Binds = Callable[[DeviceState], bool]
Update = Callable[[DeviceState, QueueState, Any], None]

Audience = dict[type[TraceEvent], list[Hear]]

ACCESSES: frozenset[type[TraceEvent]] = frozenset(
    (
        DescriptorRead,
        ChainTaken,
        BufferRead,
        BufferWritten,
        UsedElementWritten,
        UsedPublished,
        NotificationSent,
        SuppressionWritten,
    )
)
"""What a device does to a queue or for it; the last two only if the device itself did it."""

_OF_QUEUE = tuple(kind for kind in get_args(VirtioEvent) if "queue" in kind.__struct_fields__)
_OF_DEVICE = tuple(kind for kind in get_args(VirtioEvent) if kind not in _OF_QUEUE)


class Devices(Listener):
    """The tracker of virtio devices.

    Attributes:
        devices: The state of each device, by name and epoch.
    """

    def __init__(self) -> None:
        self.devices: dict[tuple[str, int], DeviceState] = {}
        self._latest: dict[str, DeviceState] = {}
        self._rules: list[tuple[type[TraceEvent], Hear, Binds]] = []
        self._silences: list[tuple[int, Hear, Binds]] = []
        # Invariant: rules bind by version and transport alone, so devices with equal ones share a
        # list of rules.
        self._audiences: dict[tuple[int, str], Audience] = {}

    def subscribe(self, event_type: type[TraceEvent], hear: Hear, binds: Binds) -> None:
        """Register a rule's method for an event type; all rules do so before the first event.

        Args:
            event_type: The type.
            hear: The method; called before the state changes.
            binds: Whether the rule binds a device, by its version and transport.
        """
        self._rules.append((event_type, hear, binds))

    def subscribe_to_breaches(self, silence: int, hear: Hear, binds: Binds) -> None:
        """Register a rule's method for accesses that one of these reasons forbids."""
        self._silences.append((silence, hear, binds))

    def key(self) -> Hashable:
        """Return the state of every device."""
        return tuple((place, device.key()) for place, device in sorted(self.devices.items()))

    def _device(self, name: str, epoch: int) -> DeviceState:
        device = self.devices.get((name, epoch))
        if device is None:
            device = self.devices[name, epoch] = DeviceState(name, epoch)
            self._latest[name] = device
        return device

    def _audience(self, device: DeviceState) -> Audience:
        kind = (device.version, device.transport)
        found = self._audiences.get(kind)
        if found is None:
            found = self._audiences[kind] = {}
            for event_type, hear, binds in self._rules:
                if binds(device):
                    found.setdefault(event_type, []).append(hear)
        return found

    def _read_of_device(self, index: int, at_ns: int, event: VirtioEvent) -> None:
        assert not isinstance(event, BlockWriteCommitted | BlockWriteCached)
        device = self._device(event.vdev, event.epoch)
        if type(event) is FeaturesOffered:
            # The version and transport choose a device's rules: they read this event with the new
            # values.
            device.offer(event.features, event.version, event.transport, event.device_id)
        self._show(index, at_ns, event, device, device.queue(CONFIG))

    def _read_of_queue(self, index: int, at_ns: int, event: Any) -> None:
        device = self.devices.get((event.vdev, event.epoch))
        if device is None:
            device = self._device(event.vdev, event.epoch)
        queue = device.queues.get(event.queue)
        if queue is None:
            queue = device.queue(event.queue)
        silence = device.silence | queue.silence
        if silence and type(event) in ACCESSES and _is_of_device(event):
            self._report_breach(silence, Seen(index, at_ns, event, device, queue))
        self._show(index, at_ns, event, device, queue)

    def _read_of_backend(
        self, index: int, at_ns: int, event: BlockWriteCommitted | BlockWriteCached
    ) -> None:
        device = self._latest.get(event.vdev)
        if device is not None:
            self._show(index, at_ns, event, device, device.queue(CONFIG))

    def _show(
        self, index: int, at_ns: int, event: Any, device: DeviceState, queue: QueueState
    ) -> None:
        kind = type(event)
        hears = self._audience(device).get(kind)
        if hears is not None:
            seen = Seen(index, at_ns, event, device, queue)
            for hear in hears:
                hear(seen)
        update = _UPDATES.get(kind)
        if update is not None:
            update(device, queue, event)

    def _report_breach(self, silence: int, seen: Seen[Any]) -> None:
        for reason, hear, binds in self._silences:
            if silence & reason and binds(seen.device):
                hear(seen)

    def _read_config_change(self, index: int, at_ns: int, event: ConfigChanged) -> None:
        device = self._device(event.vdev, event.epoch)
        if device.silence & SUSPENDED:
            self._report_breach(SUSPENDED, Seen(index, at_ns, event, device, device.queue(CONFIG)))
        self._read_of_device(index, at_ns, event)

    def _read_of_vm(
        self, index: int, at_ns: int, event: GuestEnded | TerminationBegun | QvmExited
    ) -> None:
        for device in [each for each in self.devices.values() if each.epoch == event.epoch]:
            self._show(index, at_ns, event, device, device.queue(CONFIG))
            device.is_vm_ending = True

    def _read_worker_end(self, index: int, at_ns: int, event: WorkerEnded) -> None:
        device = self.devices.get((event.worker, event.epoch))
        if device is not None:
            self._show(index, at_ns, event, device, device.queue(CONFIG))

    def _read_dma(self, index: int, at_ns: int, event: DmaIssued | DmaLanded | DmaRead) -> None:
        device = self.devices.get((event.master, event.epoch))
        if device is not None and device.silence & STOPPED:
            self._report_breach(STOPPED, Seen(index, at_ns, event, device, device.queue(CONFIG)))

    reads: ClassVar[Reads] = {
        **dict.fromkeys(_OF_QUEUE, _read_of_queue),
        **dict.fromkeys(_OF_DEVICE, _read_of_device),
        ConfigChanged: _read_config_change,
        BlockWriteCommitted: _read_of_backend,
        BlockWriteCached: _read_of_backend,
        GuestEnded: _read_of_vm,
        TerminationBegun: _read_of_vm,
        QvmExited: _read_of_vm,
        WorkerEnded: _read_worker_end,
        DmaIssued: _read_dma,
        DmaLanded: _read_dma,
        DmaRead: _read_dma,
    }


def _is_of_device(event: Any) -> bool:
    """Return whether the access was really sent, and by the device."""
    if type(event) is NotificationSent:
        return event.carrier != "none"
    return type(event) is not SuppressionWritten or event.side == "device"


def _accept(device: DeviceState, _: QueueState, event: FeaturesWritten) -> None:
    if not device.status & FEATURES_OK:
        device.accepted = event.features


def _write_field(_: DeviceState, queue: QueueState, event: QueueFieldWritten) -> None:
    if event.field == "vector":
        queue.vector = event.value
    queue.fields.add(event.field)


def _read_vector(_: DeviceState, queue: QueueState, event: QueueVectorRead) -> None:
    queue.vector = event.value


def _read_queue_reset(_: DeviceState, queue: QueueState, event: QueueResetRead) -> None:
    if queue.is_reset_done and event.value == event.enable == 0:
        queue.clear()


def _notify(device: DeviceState, _: QueueState, event: NotificationSent) -> None:
    if event.carrier == "line":
        device.is_line_high = True


def _lower(device: DeviceState, _queue: QueueState, _event: LineLowered) -> None:
    device.is_line_high = False


def _stop(device: DeviceState, _queue: QueueState, _event: DeviceStopped) -> None:
    device.silence |= STOPPED


def _activate(device: DeviceState, _queue: QueueState, _event: DeviceActivated) -> None:
    device.silence &= ~STOPPED


_UPDATES: dict[type[TraceEvent], Update] = {
    StatusWritten: lambda device, _, event: device.write_status(event.value),
    StatusRead: lambda device, _, event: device.read_status(event.value),
    FeaturesWritten: _accept,
    QueueFieldWritten: _write_field,
    QueueVectorRead: _read_vector,
    QueueEnableWritten: lambda _, queue, event: queue.enable(event),
    QueueEnableRead: lambda _, queue, event: queue.read_enable(event.value),
    QueueResetWritten: lambda _, queue, __: queue.begin_reset(),
    QueueResetRead: _read_queue_reset,
    QueueResetCompleted: lambda _, queue, __: queue.complete_reset(),
    ResetCompleted: lambda device, _, __: device.complete_reset(),
    NeedsResetSet: lambda device, _, __: device.need_reset(),
    SuspendShown: lambda device, _, __: device.suspend(),
    SuspendEnded: lambda device, _, __: device.resume(),
    DeviceStopped: _stop,
    DeviceActivated: _activate,
    ChainExposed: lambda _, queue, event: queue.expose(event),
    AvailablePublished: lambda _, queue, event: queue.publish_available(event),
    BarrierPassed: lambda _, queue, event: queue.fence(event),
    SuppressionWritten: lambda _, queue, event: queue.wish(event),
    ChainTaken: lambda _, queue, __: queue.take(),
    BufferWritten: lambda _, queue, event: queue.write(event.head, event.length),
    UsedElementWritten: lambda device, queue, event: queue.use(event, device.has(IN_ORDER)),
    UsedPublished: lambda _, queue, event: queue.publish_used(event),
    NotificationSent: _notify,
    LineLowered: _lower,
}
"""The change of state for each event, made after the rules have seen it."""
