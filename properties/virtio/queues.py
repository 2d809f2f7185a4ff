"""Rules of whole queues: set-up, reset of one queue, and when their memory may be reused."""

from collections.abc import Hashable
from typing import ClassVar

from ...model.trace.events import Header
from ...model.trace.virtio_events import (
    BufferFreed,
    ChainTaken,
    QueueEnableRead,
    QueueEnableWritten,
    QueueFieldWritten,
    QueueResetRead,
    QueueVectorRead,
    ResetCompleted,
    UsedElementWritten,
    UsedPublished,
)
from ..core.monitor import Trackers
from .queue_state import QueueState
from .rule import Hears, VirtioRule
from .tracker import Seen
from .words import NO_VECTOR, overlaps

AREAS = ("descriptor_area", "driver_area", "device_area")
SIZE_MAX = 1 << 15


class QueueResetStartsAnew(VirtioRule):
    """N12.  The trace shows it by the first chain that the device takes, and the first it uses."""

    rule = "N12"
    name = "virtio-n12-queue-reset-starts-anew"
    claim = (
        "After the reset of a queue the first chain that the device takes, and the first that it "
        "marks used, stand at the start of the ring, with wrap counter 1."
    )
    formula = "G (queue-reset-completed(q) -> first position after enabling(q) = start)"
    antecedent = "first accesses after a queue reset"
    section = "2.6.1.1.1"
    since = "1.2"
    blames = "device"

    def _take(self, seen: Seen[ChainTaken]) -> None:
        if not seen.queue.is_first_taken:
            self._judge(seen, "took its first chain", seen.event.position)

    def _use(self, seen: Seen[UsedElementWritten]) -> None:
        if not seen.queue.is_first_used:
            self._judge(seen, "wrote its first used element", seen.event.position)

    def _judge(self, seen: Seen[ChainTaken] | Seen[UsedElementWritten], what: str, at: int) -> None:
        self.tests += 1
        if at:
            queue = seen.queue.index
            message = (
                f"{seen.device} {what} after the reset of queue {queue} at position {at}, not at 0"
            )
            self.fault(seen, message, queue=queue, position=at)

    def _publish(self, seen: Seen[UsedPublished]) -> None:
        queue, idx = seen.queue, seen.event.idx
        if queue.is_first_published:
            return
        self.tests += 1
        if queue.is_packed:
            # Invariant: positions start at 0 with wrap 1 and run for at most one round; the end of
            # it is wrap 0.
            position, wrap = idx >> 1, idx & 1
            is_first_round = position > 0 if wrap else position == 0
            fault = "" if is_first_round else f"position {position} with wrap counter {wrap}"
        else:
            count = len(queue.unpublished)
            fault = "" if idx == count else f"used index {idx} after {count} used elements"
        if fault:
            message = f"{seen.device} published {fault} after the reset of queue {queue.index}"
            self.fault(seen, message, queue=queue.index)

    hears: ClassVar[Hears] = {
        ChainTaken: _take,
        UsedElementWritten: _use,
        UsedPublished: _publish,
    }


class MemoryKeptUntilResetSeen(VirtioRule):
    """N13: the guest's error that lets its device write reused memory.

    A buffer is the driver's again when its chain is visibly used. All else, the rings included, is
    the device's until the driver has *read* that the reset is done.
    """

    rule = "N13"
    name = "virtio-n13-memory-kept-until-reset-seen"
    claim = (
        "A driver uses the memory of a queue otherwise, rings or buffers not yet used, only after "
        "it has seen the reset of the queue or the device."
    )
    formula = "G (freed(m) and m in (rings(q) or in-flight(q)) -> reset(q) seen)"
    antecedent = "buffers taken back"
    boundary = "a release at the instant of the read is in time if its record comes later"
    section = "2.6.1.1.2, 3.3.1"
    blames = "driver"

    def _free(self, seen: Seen[BufferFreed]) -> None:
        event, queue = seen.event, seen.queue
        self.tests += 1
        what = self._why_kept(queue, event.addr, event.length)
        if what:
            message = (
                f"the driver of {seen.device} freed {event.length} bytes at {event.addr:#x}, "
                f"{what} queue {queue.index}, before it had seen a reset"
            )
            self.fault(seen, message, queue=queue.index, addr=event.addr)

    def _why_kept(self, queue: QueueState, addr: int, length: int) -> str:
        """Return what memory of a queue a range meets that it must not, or an empty string."""
        if (queue.is_enabled or queue.is_stale or queue.is_stopping) and overlaps(
            addr, length, queue.ring_ranges
        ):
            return "part of the rings of"
        for head in (*queue.outstanding, *queue.unpublished):
            chain = queue.chains.get(head)
            if chain is not None and chain.meets(addr, length):
                return f"in flight in chain {head} of"
        return ""

    hears: ClassVar[Hears] = {BufferFreed: _free}


class QueueResetReadable(VirtioRule):
    """N14."""

    rule = "N14"
    name = "virtio-n14-queue-reset-readable"
    claim = (
        "`queue_reset` reads as 1 from the request to the end of a queue reset; from there it "
        "and `queue_enable` read as 0 until the queue is enabled again."
    )
    formula = (
        "G (queue-reset-requested(q) -> (reads 1 U completed(q))) and "
        "G (queue-reset-completed(q) -> (both read 0 U enabled(q)))"
    )
    antecedent = "reads of `queue_reset` or `queue_enable` during a queue reset or after one"
    section = "4.1.4.3.1, 4.2.2.1"
    since = "1.2"
    blames = "device"

    def _read(self, seen: Seen[QueueResetRead]) -> None:
        queue, event = seen.queue, seen.event
        if queue.is_resetting:
            self._judge(seen, "queue_reset", event.value, 1, "before the reset was complete")
        elif queue.is_reset_done:
            when = "after the reset was complete"
            self._judge(seen, "queue_reset", event.value, 0, when)
            self._judge(seen, "queue_enable", event.enable, 0, when)

    def _read_enable(self, seen: Seen[QueueEnableRead]) -> None:
        if seen.queue.is_reset_done:
            value = seen.event.value
            self._judge(seen, "queue_enable", value, 0, "after the reset was complete")

    def _judge(
        self,
        seen: Seen[QueueResetRead] | Seen[QueueEnableRead],
        register: str,
        value: int,
        right: int,
        when: str,
    ) -> None:
        self.tests += 1
        if value != right:
            queue = seen.queue.index
            message = f"{register} of queue {queue} of {seen.device} read as {value} {when}"
            self.fault(seen, message, queue=queue)

    hears: ClassVar[Hears] = {QueueResetRead: _read, QueueEnableRead: _read_enable}


class QueueEnableNeverCleared(VirtioRule):
    """N15."""

    rule = "N15"
    name = "virtio-n15-queue-enable-never-cleared"
    claim = "A driver on PCI never writes 0 to `queue_enable`."
    formula = "G (queue-enable-written(v) -> v != 0)"
    antecedent = "writes of `queue_enable`"
    section = "4.1.4.3.2"
    blames = "driver"
    transport = "pci"

    def _write(self, seen: Seen[QueueEnableWritten]) -> None:
        self.tests += 1
        if seen.event.value == 0:
            queue = seen.queue.index
            message = f"the driver of {seen.device} wrote 0 to queue_enable of queue {queue}"
            self.fault(seen, message, queue=queue)

    hears: ClassVar[Hears] = {QueueEnableWritten: _write}


class QueueSetBeforeEnable(VirtioRule):
    """N16.

    A field counts as set if it was written since the last reset, or is not 0: a driver may take
    the size that it finds.  A vector may be mapped later (4.1.5.1.2).
    """

    rule = "N16"
    name = "virtio-n16-queue-set-before-enable"
    claim = "A driver sets size and areas of a queue before it enables the queue, and not after."
    formula = "G (enabled(q) -> set(size(q)) and set(areas(q)) and G not written(fields(q)))"
    antecedent = "queues enabled"
    section = "4.1.4.3.2; MMIO 4.2.3.2"
    blames = "driver"

    def _enable(self, seen: Seen[QueueEnableWritten]) -> None:
        event = seen.event
        if not event.value:
            return
        self.tests += 1
        values = (event.size, event.descriptor_area, event.driver_area, event.device_area)
        for field, value in zip(("size", *AREAS), values, strict=True):
            if value == 0 and (field == "size" or field not in seen.queue.fields):
                queue = seen.queue.index
                message = f"the driver of {seen.device} enabled queue {queue} without its {field}"
                self.fault(seen, message, queue=queue)

    def _write(self, seen: Seen[QueueFieldWritten]) -> None:
        # For MMIO this is N19.
        queue, field = seen.queue, seen.event.field
        if queue.is_enabled and field != "vector" and seen.device.transport == "pci":
            message = (
                f"the driver of {seen.device} wrote {field} of the enabled queue {queue.index}"
            )
            self.fault(seen, message, queue=queue.index)

    hears: ClassVar[Hears] = {QueueEnableWritten: _enable, QueueFieldWritten: _write}


class QueueReadyReadBack(VirtioRule):
    """N17."""

    rule = "N17"
    name = "virtio-n17-queue-ready-read-back"
    claim = (
        "A driver on MMIO that stops a queue by writing 0 to QueueReady reads it back as 0 before "
        "it uses memory of the queue otherwise."
    )
    formula = "G (QueueReady-written(q, 0) -> (not freed(q) U QueueReady-read(q, 0)))"
    antecedent = "queues stopped whose memory was used otherwise"
    section = "4.2.2.2"
    blames = "driver"
    transport = "mmio"

    def __init__(self, header: Header, trackers: Trackers | None = None) -> None:
        super().__init__(header, trackers)
        self._stopped: set[tuple[str, int, int]] = set()

    def _write(self, seen: Seen[QueueEnableWritten]) -> None:
        if seen.event.value == 0 and seen.queue.is_enabled:
            self._stopped.add(seen.place)
        elif seen.event.value:
            self._stopped.discard(seen.place)

    def _free(self, seen: Seen[BufferFreed]) -> None:
        if seen.place not in self._stopped:
            return
        self._stopped.discard(seen.place)  # only the first release counts
        self.tests += 1
        if seen.queue.is_stopping:
            queue = seen.queue.index
            message = (
                f"the driver of {seen.device} freed memory of queue {queue} without reading its "
                "QueueReady back"
            )
            self.fault(seen, message, queue=queue)

    def state(self) -> Hashable:
        """Return the queues that are stopped."""
        return tuple(sorted(self._stopped))

    hears: ClassVar[Hears] = {QueueEnableWritten: _write, BufferFreed: _free}


class QueueFieldsLeftAlone(VirtioRule):
    """N19."""

    rule = "N19"
    name = "virtio-n19-queue-fields-left-alone"
    claim = "A driver on MMIO writes size and areas of a queue only while its QueueReady is 0."
    formula = "G (written(fields(q)) -> QueueReady(q) = 0)"
    antecedent = "writes of the size or an area of a queue"
    section = "4.2.2.2"
    blames = "driver"
    transport = "mmio"

    def _write(self, seen: Seen[QueueFieldWritten]) -> None:
        queue, field = seen.queue, seen.event.field
        if field == "vector":
            return
        self.tests += 1
        if queue.is_enabled or queue.is_stopping:
            message = f"the driver of {seen.device} wrote {field} of the ready queue {queue.index}"
            self.fault(seen, message, queue=queue.index)

    hears: ClassVar[Hears] = {QueueFieldWritten: _write}


class RingsAligned(VirtioRule):
    """N27."""

    rule = "N27"
    name = "virtio-n27-rings-aligned"
    claim = (
        "The parts of a split ring are aligned to 16, 2 and 4 bytes and its size is a power of "
        "two, those of a packed ring to 16, 4 and 4; no queue has more than 32768 entries."
    )
    formula = "G (enabled(q) -> aligned(areas(q)) and allowed(size(q)))"
    antecedent = "queues enabled"
    section = "2.7, 2.7.1; packed 2.8, 2.8.10"
    blames = "driver"

    def _enable(self, seen: Seen[QueueEnableWritten]) -> None:
        event = seen.event
        if not event.value:
            return
        self.tests += 1
        queue = seen.queue.index
        who = f"the driver of {seen.device} gave queue {queue}"
        aligns = (16, 4, 4) if event.is_packed else (16, 2, 4)
        areas = (event.descriptor_area, event.driver_area, event.device_area)
        for name, addr, align in zip(AREAS, areas, aligns, strict=True):
            if addr % align:
                message = f"{who} a {name} at {addr:#x}, which is not aligned to {align}"
                self.fault(seen, message, queue=queue, addr=addr)
        is_power = event.size & (event.size - 1) == 0
        if event.size > SIZE_MAX or not (event.is_packed or is_power):
            self.fault(seen, f"{who} {event.size} entries", queue=queue, size=event.size)

    hears: ClassVar[Hears] = {QueueEnableWritten: _enable}


class ResetUnmapsVectors(VirtioRule):
    """N24."""

    rule = "N24"
    name = "virtio-n24-reset-unmaps-vectors"
    claim = "After a reset no event of a device on PCI is mapped to a vector."
    formula = "G (reset-completed -> (vectors read as NO_VECTOR U vector-written))"
    antecedent = "completed resets, and vectors read after one"
    section = "4.1.5.1.2.1"
    blames = "device"
    transport = "pci"

    def _reset(self, seen: Seen[ResetCompleted]) -> None:
        self.tests += 1
        mapped = seen.event.vectors_mapped
        if mapped:
            message = f"{seen.device} had {mapped} events mapped to vectors after its reset"
            self.fault(seen, message, mapped=mapped)

    def _read(self, seen: Seen[QueueVectorRead]) -> None:
        value = seen.event.value
        if not seen.device.is_reset_done or "vector" in seen.queue.fields:
            return
        self.tests += 1
        if value != NO_VECTOR:
            message = f"{seen.device} gave vector {value} after its reset, before any was mapped"
            self.fault(seen, message, vector=value)

    hears: ClassVar[Hears] = {ResetCompleted: _reset, QueueVectorRead: _read}
