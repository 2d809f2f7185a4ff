"""The state of a queue and of each of its chains, as the trace shows it.

Plain state with one transition for each kind of event.  It holds no times and no indices, so it
serves as a key as it is.  Two views are kept apart: what the device has *done* (the reset of the
queue is complete) and what the driver has *seen* (it has read so); memory may be reused on the
second alone.

Source:
    VIRTIO 1.2, 2.6.1 (queue reset), 2.7 and 2.8 (rings).
"""

from collections.abc import Hashable

from ...model.trace.virtio_events import (
    AvailablePublished,
    BarrierPassed,
    ChainExposed,
    QueueEnableWritten,
    SuppressionWritten,
    UsedElementWritten,
    UsedPublished,
)
from .words import (
    DESCRIPTOR_SIZE,
    IDX_MODULUS,
    NO_VECTOR,
    NOT_READY,
    QUEUE_RESET,
    READINESS_UNKNOWN,
    Stage,
    frozen,
    overlaps,
)


class Chain:
    """A chain of buffers on its way from the driver to the device and back.

    Attributes:
        written: Bytes that the device has written into it.
        used_length: Bytes that its used element claims, or -1 without one of its own.
        is_skipped: Whether it was used as part of a batch, without an element (2.7.9).
        is_doubtful: Whether it was in flight when the device set DEVICE_NEEDS_RESET.
    """

    __slots__ = (
        "is_doubtful",
        "is_skipped",
        "readable",
        "stage",
        "used_length",
        "writable",
        "written",
    )

    def __init__(self, event: ChainExposed) -> None:
        self.stage = Stage.EXPOSED
        self.readable = event.readable
        self.writable = event.writable
        self.written = 0
        self.used_length = -1
        self.is_skipped = False
        self.is_doubtful = False

    def meets(self, addr: int, length: int) -> bool:
        """Return whether any of its buffers lies in a range."""
        return overlaps(addr, length, self.readable) or overlaps(addr, length, self.writable)

    def key(self) -> Hashable:
        """Return the whole state of the chain."""
        return tuple(getattr(self, name) for name in self.__slots__)


class QueueState:
    """A queue.

    Attributes:
        silence: Why the device has to keep away from it, the device's own reasons apart.
        fields: The fields written since the last reset.
        is_resetting: From the driver's request for a queue reset to its completion.
        is_reset_done: From there until it is enabled again.
        is_stopping: The driver has written 0 to QueueReady and not read it back.
        is_first_taken, is_first_used, is_first_published: Whether that has happened since it was
            enabled after a queue reset; true without one.
        chains: By head; those that are done stay until their head is used again.
        exposed: Heads that the device cannot see yet, in order.
        outstanding: Heads that are available and not used, in order.
        unpublished: Heads of used elements that the driver cannot see yet, in order.
        doubtful: Heads that were in flight when the device asked for a reset.
        wishes: What each side has said about notifications: mode and position.
        unfenced: Writes of the driver that no barrier has followed: `ring`, `idx`.
        has_driver: Whether the driver's side of the ring is in the trace at all.
    """

    def __init__(self, index: int, silence: int) -> None:
        self.index = index
        self.silence = silence
        self.is_enabled = False
        self.is_packed = False
        self.size = 0
        self.areas = (0, 0, 0)
        self.fields: set[str] = set()
        self.vector = NO_VECTOR
        self.is_resetting = False
        self.is_reset_done = False
        self.is_stopping = False
        self.is_stale = False
        self.is_first_taken = True
        self.is_first_used = True
        self.is_first_published = True
        self.has_driver = False
        self.clear()

    def clear(self) -> None:
        """Drop what was in the ring: the driver knows that the device does not have it."""
        self.chains: dict[int, Chain] = {}
        self.exposed: list[int] = []
        self.outstanding: dict[int, None] = {}
        self.unpublished: list[int] = []
        self.doubtful: set[int] = set()
        self.wishes: dict[str, tuple[str, int]] = {}
        self.unfenced: set[str] = set()
        self.available_idx = self.used_idx = 0
        self.is_stale = False

    def key(self) -> Hashable:
        """Return the whole state; the order of the outstanding chains matters."""
        known = {**vars(self), "outstanding": tuple(self.outstanding)}
        return tuple((name, frozen(value)) for name, value in sorted(known.items()))

    # Set-up and reset.

    def enable(self, event: QueueEnableWritten) -> None:
        """Take a write of `queue_enable` or QueueReady."""
        if event.value == 0:
            self.is_stopping = self.is_enabled
            self.is_enabled = False
            if self.is_stopping:
                self.silence |= READINESS_UNKNOWN
            return
        if self.is_stale:
            self.clear()
        if self.is_reset_done:
            self.is_first_taken = self.is_first_used = self.is_first_published = False
        self.is_enabled = True
        self.is_packed = event.is_packed
        self.size = event.size
        self.areas = (event.descriptor_area, event.driver_area, event.device_area)
        self.available_idx = self.used_idx = int(event.is_packed)
        self.is_resetting = self.is_reset_done = self.is_stopping = False
        self.silence &= ~(QUEUE_RESET | NOT_READY | READINESS_UNKNOWN)

    def read_enable(self, value: int) -> None:
        """Take a read of `queue_enable` or QueueReady; 0 shows the driver that it has stopped."""
        if value:
            return
        if self.is_stopping:
            self.silence |= NOT_READY
            self.clear()
        self.silence &= ~READINESS_UNKNOWN
        self.is_stopping = False

    def begin_reset(self) -> None:
        """Take the driver's request for a queue reset."""
        self.is_resetting = True
        self.is_reset_done = False

    def complete_reset(self) -> None:
        """Take the end of a queue reset."""
        self.is_resetting = False
        self.is_reset_done = True
        self.silence |= QUEUE_RESET
        self._switch_off()

    def complete_device_reset(self) -> None:
        """Take the end of a reset of the whole device."""
        self.is_resetting = self.is_reset_done = self.is_stopping = False
        self.is_first_taken = self.is_first_used = self.is_first_published = True
        self.vector = NO_VECTOR
        self.silence &= ~(QUEUE_RESET | READINESS_UNKNOWN)
        self._switch_off()

    def _switch_off(self) -> None:
        self.is_enabled = False
        self.is_stale = True
        self.fields.clear()

    @property
    def ring_ranges(self) -> tuple[tuple[int, int], ...]:
        """Where its parts lie: (address, length) of each; none while it was never enabled."""
        if not self.size:
            return ()
        descriptors, driver, device = self.areas
        table = (descriptors, DESCRIPTOR_SIZE * self.size)
        if self.is_packed:
            return table, (driver, 4), (device, 4)
        return table, (driver, 6 + 2 * self.size), (device, 6 + 8 * self.size)

    # The driver's side.

    def expose(self, event: ChainExposed) -> None:
        """Take a chain that the driver has written into the ring."""
        self.outstanding.pop(event.head, None)
        self.doubtful.discard(event.head)
        self.chains[event.head] = Chain(event)
        if len(self.exposed) < IDX_MODULUS:
            self.exposed.append(event.head)
        self.unfenced.add("ring")
        self.has_driver = True

    def publish_available(self, event: AvailablePublished) -> None:
        """Take chains that the driver makes visible."""
        for head in self.exposed[: event.count]:
            self.chains[head].stage = Stage.AVAILABLE
            self.outstanding[head] = None
        del self.exposed[: event.count]
        self.available_idx = event.idx
        self.unfenced.add("idx")
        self.has_driver = True

    def fence(self, event: BarrierPassed) -> None:
        """Take a memory barrier; that before an index orders writes alone."""
        if event.before == "idx":
            self.unfenced.discard("ring")
        elif event.before in {"suppression_read", "kick"}:
            self.unfenced.clear()

    def wish(self, event: SuppressionWritten) -> None:
        """Take what one side says about notifications."""
        self.wishes[event.side] = (event.mode, event.position)

    # The device's side.

    def take(self) -> None:
        """Take note that the device has taken a chain."""
        self.is_first_taken = True

    def write(self, head: int, length: int) -> None:
        """Take note of bytes written into a chain."""
        chain = self.chains.get(head)
        if chain is not None:
            chain.written += length

    def batch_before(self, head: int) -> list[int]:
        """Return the heads that are used with a head if buffers are used in order (2.7.9)."""
        if head not in self.outstanding:
            return []
        batch = []
        for each in self.outstanding:
            if each == head:
                break
            batch.append(each)
        return batch

    def use(self, event: UsedElementWritten, is_in_order: bool) -> None:
        """Take a used element."""
        self.is_first_used = True
        for head in self.batch_before(event.head) if is_in_order else ():
            self.chains[head].is_skipped = True
            self._mark_used(head, -1)
        self._mark_used(event.head, event.length)

    def _mark_used(self, head: int, length: int) -> None:
        if len(self.unpublished) < IDX_MODULUS:
            self.unpublished.append(head)
        if head in self.outstanding:
            del self.outstanding[head]
            chain = self.chains[head]
            chain.stage = Stage.USED
            chain.used_length = length

    def published_by(self, event: UsedPublished) -> int:
        """Return by how many used elements the ring claims to have grown."""
        if self.is_packed:
            return len(self.unpublished)
        return (event.idx - self.used_idx) % IDX_MODULUS

    def publish_used(self, event: UsedPublished) -> None:
        """Take used elements that the driver can see now."""
        count = self.published_by(event)
        for head in self.unpublished[:count]:
            chain = self.chains.get(head)
            if chain is not None and chain.stage == Stage.USED:
                chain.stage = Stage.DONE
                if not chain.is_doubtful:
                    chain.readable = chain.writable = ()
        del self.unpublished[:count]
        self.used_idx = event.idx
        self.is_first_published = True

    def doubt(self) -> None:
        """Mark the chains in flight: the device asks for a reset."""
        for head in (*self.outstanding, *self.unpublished):
            chain = self.chains.get(head)
            if chain is not None:
                chain.is_doubtful = True
                self.doubtful.add(head)
