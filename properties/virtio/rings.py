"""Rules about rings: chains as the driver makes them, and how the device returns them."""

from typing import Any, ClassVar

from ...model.trace.virtio_events import (
    AvailablePublished,
    BufferRead,
    BufferWritten,
    ChainChanged,
    ChainExposed,
    ChainTaken,
    QueueKicked,
    UsedElementWritten,
    UsedPublished,
)
from .rule import Hears, VirtioRule
from .tracker import Seen
from .words import DESCRIPTOR_SIZE, DRIVER_OK, IDX_MODULUS, IN_ORDER, INDIRECT_DESC, Stage, overlaps

CHAIN_BYTES_MAX = 1 << 32


class WritesInsideBuffers(VirtioRule):
    """N28.  The rule judges chains whose exposure the trace shows; N34 judges the others."""

    rule = "N28"
    name = "virtio-n28-writes-inside-buffers"
    claim = (
        "A device writes only into the device-writable buffers of a chain, and never into a "
        "descriptor table."
    )
    formula = "G (written(chain, range) -> range subset of writable(chain) \\ table)"
    antecedent = "writes into buffers of known chains"
    section = "2.7.5.1"
    blames = "device"
    severity = "corruption"

    def _write(self, seen: Seen[BufferWritten]) -> None:
        event, queue = seen.event, seen.queue
        chain = queue.chains.get(event.head)
        if chain is None or chain.stage == Stage.DONE:
            return
        self.tests += 1
        addr, length = event.addr, event.length
        is_inside = any(
            start <= addr and addr + length <= start + size for start, size in chain.writable
        ) or _is_covered(addr, length, chain.writable)
        if not is_inside:
            where = "outside the writable buffers of"
        elif not queue.is_packed and overlaps(
            addr, length, ((queue.areas[0], DESCRIPTOR_SIZE * queue.size),)
        ):
            where = "into the descriptor table by way of"
        else:
            return
        message = (
            f"{seen.device} wrote {length} bytes at {addr:#x}, {where} chain {event.head} of "
            f"queue {queue.index}"
        )
        self.fault(seen, message, queue=queue.index, head=event.head, addr=addr)

    hears: ClassVar[Hears] = {BufferWritten: _write}


def _is_covered(addr: int, length: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    """Return whether a range lies in several ranges together."""
    end = addr + length
    for start, size in sorted(ranges):
        if start <= addr < start + size:
            addr = start + size
    return addr >= end


class ReadableBeforeWritable(VirtioRule):
    """N29."""

    rule = "N29"
    name = "virtio-n29-readable-before-writable"
    claim = "In a chain all device-writable buffers follow all device-readable ones."
    formula = "G (exposed(chain) -> readable(chain) before writable(chain))"
    antecedent = "chains exposed"
    section = "2.7.4.2"
    blames = "driver"

    def _expose(self, seen: Seen[ChainExposed]) -> None:
        self.tests += 1
        if seen.event.order != "readable_first":
            message = f"chain {seen.event.head} has a readable buffer after a writable one"
            self.fault(seen, f"{_queue(seen)}: {message}", head=seen.event.head)

    hears: ClassVar[Hears] = {ChainExposed: _expose}


class ChainsBounded(VirtioRule):
    """N30.  A chain in an indirect table is bounded by the size of the queue as well."""

    rule = "N30"
    name = "virtio-n30-chains-bounded"
    claim = (
        "A chain has no loop, at most as many buffers as the queue has entries, and at most 2^32 "
        "bytes."
    )
    formula = "G (exposed(c) -> loop-free(c) and count(c) <= size(q) and bytes(c) <= 2^32)"
    antecedent = "chains exposed"
    section = "2.7.5.2, 2.7.5.3.1"
    blames = "driver"

    def _expose(self, seen: Seen[ChainExposed]) -> None:
        event = seen.event
        self.tests += 1
        count = len(event.readable) + len(event.writable)
        total = sum(length for _, length in (*event.readable, *event.writable))
        if event.fault == "loop":
            fault = "has a loop"
        elif 0 < seen.queue.size < count:
            fault = f"has {count} buffers in a queue of {seen.queue.size}"
        elif total > CHAIN_BYTES_MAX:
            fault = f"has {total} bytes"
        else:
            return
        self.fault(seen, f"{_queue(seen)}: chain {event.head} {fault}", head=event.head)

    hears: ClassVar[Hears] = {ChainExposed: _expose}


class IndirectWellFormed(VirtioRule):
    """N31."""

    rule = "N31"
    name = "virtio-n31-indirect-well-formed"
    claim = (
        "A driver uses indirect tables only if that was negotiated, does not nest them, and does "
        "not combine INDIRECT with NEXT."
    )
    formula = "G (exposed(c) and indirect(c) -> negotiated and not nested(c) and not next(c))"
    antecedent = "chains in an indirect table"
    section = "2.7.5.3.1"
    blames = "driver"

    def _expose(self, seen: Seen[ChainExposed]) -> None:
        event = seen.event
        if not event.is_indirect and event.fault not in {"nested", "indirect_with_next"}:
            return
        self.tests += 1
        if event.fault == "nested":
            fault = "has an indirect table in an indirect table"
        elif event.fault == "indirect_with_next":
            fault = "has a descriptor with both INDIRECT and NEXT"
        elif not seen.device.has(INDIRECT_DESC) and seen.device.offered >= 0:
            fault = "is indirect, which was not negotiated"
        else:
            return
        self.fault(seen, f"{_queue(seen)}: chain {event.head} {fault}", head=event.head)

    hears: ClassVar[Hears] = {ChainExposed: _expose}


class AvailableIndexGrows(VirtioRule):
    """N32.  The second half follows from the size of the ring; the standard does not state it.

    An index that goes back looks like one that leaps forward by nearly 2^16.
    """

    rule = "N32"
    name = "virtio-n32-available-index-grows"
    claim = (
        "The available index of a split ring never goes back, and never overtakes the chains that "
        "the driver has not got back by more than the size of the queue."
    )
    formula = "G (available-published(n) -> n - previous <= size - outstanding, modulo 2^16)"
    antecedent = "available indices published"
    section = "2.7.6.1"
    blames = "driver"

    def _publish(self, seen: Seen[AvailablePublished]) -> None:
        queue = seen.queue
        if queue.is_packed or not queue.size:
            return
        self.tests += 1
        step = (seen.event.idx - queue.available_idx) % IDX_MODULUS
        outstanding = len(queue.outstanding) + len(queue.unpublished)
        if step > queue.size - outstanding:
            went = (
                f"from {queue.available_idx} to {seen.event.idx} with {outstanding} of "
                f"{queue.size} chains outstanding"
            )
            self.fault(seen, f"{_queue(seen)}: the available index went {went}")

    hears: ClassVar[Hears] = {AvailablePublished: _publish}


class UsedIndexLast(VirtioRule):
    """N33: what the driver sees as used is finished; the used index is a request's last write."""

    rule = "N33"
    name = "virtio-n33-used-index-last"
    claim = (
        "When the driver can see a used element, the element and at least as many bytes as it "
        "claims are written; the device writes nothing into the chain after that."
    )
    formula = "G (used-published(c) -> written(c) >= len(c) and G not written(c) until exposed(c))"
    antecedent = "used elements published"
    section = "2.7.8.2; packed 2.8.17"
    blames = "device"
    severity = "corruption"

    def _publish(self, seen: Seen[UsedPublished]) -> None:
        queue = seen.queue
        count = queue.published_by(seen.event)
        self.tests += min(count, len(queue.unpublished))
        if count > len(queue.unpublished) and not seen.device.has(IN_ORDER):
            message = f"{count} used elements were published, {len(queue.unpublished)} written"
            self.fault(seen, f"{_queue(seen)}: {message}", queue=queue.index)
        for head in queue.unpublished[:count]:
            chain = queue.chains.get(head)
            if (
                chain is not None
                and chain.stage == Stage.USED
                and chain.used_length > chain.written
            ):
                message = (
                    f"chain {head} was published as used with {chain.used_length} bytes, of which "
                    f"{chain.written} were written"
                )
                self.fault(seen, f"{_queue(seen)}: {message}", queue=queue.index, head=head)

    def _write(self, seen: Seen[BufferWritten]) -> None:
        chain = seen.queue.chains.get(seen.event.head)
        if chain is not None and chain.stage == Stage.DONE:
            message = f"chain {seen.event.head} was written after it was published as used"
            self.fault(seen, f"{_queue(seen)}: {message}", head=seen.event.head)

    hears: ClassVar[Hears] = {UsedPublished: _publish, BufferWritten: _write}


class UsedExactlyOnce(VirtioRule):
    """N34.  A chain is not used twice: this follows from the meaning of used (2.7.8).

    The rule judges nothing if the trace does not show the driver's side of the ring.
    """

    rule = "N34"
    name = "virtio-n34-used-exactly-once"
    claim = "Every used element names a chain that is available and has not been used yet."
    formula = "G (used-element(head) -> available(head) and not used(head) since)"
    antecedent = "used elements"
    section = "2.7.8"
    blames = "device"
    severity = "corruption"

    def _use(self, seen: Seen[UsedElementWritten]) -> None:
        queue, head = seen.queue, seen.event.head
        if not queue.has_driver:
            return
        self.tests += 1
        if head in queue.outstanding:
            return
        chain = queue.chains.get(head)
        if chain is None:
            fault = "which the driver never exposed"
        elif chain.stage == Stage.EXPOSED:
            fault = "which is not available yet"
        elif chain.is_skipped:
            fault = "which was used before, as part of a batch"
        else:
            fault = "which was used before"
        self.fault(seen, f"{_queue(seen)}: used chain {head}, {fault}", head=head)

    hears: ClassVar[Hears] = {UsedElementWritten: _use}


class BarriersPassed(VirtioRule):
    """N37.  The trace shows the second barrier only where a notification follows."""

    rule = "N37"
    name = "virtio-n37-barriers-passed"
    claim = (
        "A driver passes a memory barrier between writing the ring and publishing the index, and "
        "another between that and reading whether to notify."
    )
    formula = (
        "G (available-published -> barrier since exposed) and "
        "G (available-notification -> barrier since available-published)"
    )
    antecedent = "indices published after the ring was written, and notifications after that"
    section = "2.7.13.3.1, 2.7.13.4.1"
    blames = "driver"

    def _publish(self, seen: Seen[AvailablePublished]) -> None:
        self.tests += 1
        if "ring" in seen.queue.unfenced:
            message = "the available index was published without a barrier after the ring"
            self.fault(seen, f"{_queue(seen)}: {message}")

    def _kick(self, seen: Seen[QueueKicked]) -> None:
        self.tests += 1
        if "idx" in seen.queue.unfenced:
            message = "the notification was decided without a barrier after the available index"
            self.fault(seen, f"{_queue(seen)}: {message}")

    hears: ClassVar[Hears] = {AvailablePublished: _publish, QueueKicked: _kick}


class PackedOwnership(VirtioRule):
    """N38.  The flags of a packed descriptor name its owner; the other side must not touch it."""

    rule = "N38"
    name = "virtio-n38-packed-ownership"
    claim = (
        "In a packed ring the device touches a chain only from where it is available to where it "
        "is used, and the driver writes its descriptors only outside of that."
    )
    formula = (
        "G (touches(device, c) -> available(c) and not used(c)), and for the driver the reverse"
    )
    antecedent = "accesses to chains of packed rings"
    section = "2.8.15, 2.8.16"
    blames = "both"

    def _access(
        self,
        seen: Seen[ChainTaken] | Seen[BufferRead] | Seen[BufferWritten] | Seen[UsedElementWritten],
    ) -> None:
        queue, head = seen.queue, seen.event.head
        if not (queue.is_packed and queue.has_driver):
            return
        self.tests += 1
        chain = queue.chains.get(head)
        if chain is None or chain.stage == Stage.EXPOSED:
            when = "before it was available"
        elif head not in queue.outstanding:
            when = "after it was used"
        else:
            return
        message = f"the device touched chain {head} {when}"
        self.fault(seen, f"{_queue(seen)}: {message}", head=head, blamed="device")

    def _write(self, seen: Seen[ChainExposed] | Seen[ChainChanged]) -> None:
        queue, head = seen.queue, seen.event.head
        if not queue.is_packed:
            return
        self.tests += 1
        if head in queue.outstanding:
            message = f"the driver wrote chain {head} while it was the device's"
            self.fault(seen, f"{_queue(seen)}: {message}", head=head, blamed="driver")

    hears: ClassVar[Hears] = {
        ChainTaken: _access,
        BufferRead: _access,
        BufferWritten: _access,
        UsedElementWritten: _access,
        ChainExposed: _write,
        ChainChanged: _write,
    }


class PackedHeadLast(VirtioRule):
    """N39."""

    rule = "N39"
    name = "virtio-n39-packed-head-last"
    claim = (
        "In a packed ring the first descriptor of a list is made available after all others of it "
        "are written."
    )
    formula = "G (available(first(c)) -> all descriptors(c) written)"
    antecedent = "lists made available in packed rings"
    section = "2.8.17"
    blames = "driver"

    def _publish(self, seen: Seen[AvailablePublished]) -> None:
        queue, count = seen.queue, seen.event.count
        if not queue.is_packed:
            return
        self.tests += 1
        whole = len(queue.exposed)
        if count > whole:
            message = f"{count} lists were made available, {whole} of them wholly written"
            self.fault(seen, f"{_queue(seen)}: {message}")

    hears: ClassVar[Hears] = {AvailablePublished: _publish}


class UsedInOrder(VirtioRule):
    """N40.  A used element for a later buffer counts for all buffers before it (2.7.9).

    In a split ring the used index must then grow by the whole batch. In a packed ring it does not
    show how many chains it passes, so only a late buffer is visible there.
    """

    rule = "N40"
    name = "virtio-n40-used-in-order"
    claim = (
        "With VIRTIO_F_IN_ORDER a device uses buffers in the order in which they were made "
        "available."
    )
    formula = "G (IN_ORDER and used(c) -> all chains available before c are used)"
    antecedent = "used elements with VIRTIO_F_IN_ORDER"
    section = "6.1, 6.2; batches 2.7.9"
    blames = "device"

    def _use(self, seen: Seen[UsedElementWritten]) -> None:
        if not seen.device.has(IN_ORDER):
            return
        self.tests += 1
        head = seen.event.head
        chain = seen.queue.chains.get(head)
        if chain is not None and chain.is_skipped:
            message = f"chain {head} was used after one that had become available later"
            self.fault(seen, f"{_queue(seen)}: {message}", head=head)

    def _publish(self, seen: Seen[UsedPublished]) -> None:
        queue = seen.queue
        if queue.is_packed or not seen.device.has(IN_ORDER):
            return
        step, whole = queue.published_by(seen.event), len(queue.unpublished)
        last = queue.chains.get(queue.unpublished[step - 1]) if 0 < step <= whole else None
        if step > whole or (last is not None and last.is_skipped):
            message = f"the used index grew by {step}, which is not the end of a batch"
            self.fault(seen, f"{_queue(seen)}: {message}")

    hears: ClassVar[Hears] = {UsedElementWritten: _use, UsedPublished: _publish}


class ExposedChainsKept(VirtioRule):
    """N41.  A queue is live from DRIVER_OK until a reset of it or of the device is complete."""

    rule = "N41"
    name = "virtio-n41-exposed-chains-kept"
    claim = "A driver alters no chain that is available and not used while the queue is live."
    formula = "G (available(c) and live(q) -> (not changed(c) U used(c)))"
    antecedent = "publications of chains"
    section = "3.3.1"
    blames = "driver"

    def _publish(self, seen: Seen[AvailablePublished]) -> None:
        self.tests += seen.event.count > 0

    def _change(self, seen: Seen[ChainChanged]) -> None:
        queue, head = seen.queue, seen.event.head
        is_live = queue.is_enabled and seen.device.status & DRIVER_OK
        if is_live and head in queue.outstanding:
            message = f"chain {head} was altered while it was available and not used"
            self.fault(seen, f"{_queue(seen)}: {message}", head=head)

    hears: ClassVar[Hears] = {AvailablePublished: _publish, ChainChanged: _change}


def _queue(seen: Seen[Any]) -> str:
    return f"queue {seen.queue.index} of {seen.device}"
