"""What split and packed virtqueues have in common: the two roles and the values they return.

Either format has a driver side that adds buffers and takes them back, and a device side that
takes chains and returns them used.  The steps are separate, because a guest, a device or a VM
process may die between any two of them:

        driver side                              device side
        add()       descriptors written          next_chain()          descriptors read
        publish()   visible to the device        write_used_element()  buffer handed back
        must_notify()                            publish_used()        visible to the driver
                                                 must_notify()
        pop_used()  buffer taken back

Neither side trusts the other.  A chain that breaks the rules is returned as a `MalformedChain`, a
used buffer that does as a `MalformedUsed`.  They are values, because a broken guest is an event of
the model and not a failure of it.

Source:
    VIRTIO 1.2, 2.6 to 2.8.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import msgspec

from .layout import RingLayout

Buffer = tuple[int, int]
"""A physically contiguous piece of a request: guest-physical address and length in bytes."""


class RingFeatures(msgspec.Struct, frozen=True):
    """The negotiated features that change how a ring is read and written.

    Attributes:
        event_index: VIRTIO_F_EVENT_IDX.
        indirect: VIRTIO_F_INDIRECT_DESC.
        in_order: VIRTIO_F_IN_ORDER.
    """

    event_index: bool = False
    indirect: bool = False
    in_order: bool = False


class DescriptorChain(msgspec.Struct, frozen=True):
    """A request as the device finds it in the ring.

    Attributes:
        head_index: Split: index of the first descriptor.  Packed: buffer id.  The device returns
            it when it has used the chain.
        readable: The device-readable buffers, in order.
        writable: The device-writable buffers, in order.
        fetched: Addresses of the descriptors that were read to find them, 16 bytes each, those
            of an indirect table included.
    """

    head_index: int
    readable: tuple[Buffer, ...]
    writable: tuple[Buffer, ...]
    fetched: tuple[int, ...]

    @property
    def readable_length(self) -> int:
        """Bytes that the device may read."""
        return sum(length for _, length in self.readable)

    @property
    def writable_length(self) -> int:
        """Bytes that the device may write."""
        return sum(length for _, length in self.writable)


class MalformedReason(Enum):
    """How a driver can break the rules of a virtqueue, with where the rule stands."""

    RING_SIZE = "the queue size is not one the format allows"  # 2.7, 2.8
    RING_MISALIGNED = "a part of the ring is not aligned"  # 2.7.1, 2.8.11
    RING_OUTSIDE_MEMORY = "a part of the ring is not in memory"
    AVAILABLE_INDEX_TOO_FAR = "more is made available than the ring holds"  # 2.7.13.3
    HEAD_OUTSIDE_TABLE = "the head of the chain is beyond the descriptor table"
    HEAD_IN_FLIGHT = "the head of the chain is made available twice"  # 3.3.1
    NEXT_OUTSIDE_TABLE = "a descriptor's next is beyond the descriptor table"
    LOOP = "the chain comes back to itself"  # 2.7.5.2, 2.8.16
    CHAIN_TOO_LONG = "the chain has more buffers than the queue has descriptors"  # 2.7.5.3.1
    CHAIN_TOO_BIG = "the chain has more than 2^32 bytes"  # 2.7.5.2
    CHAIN_INCOMPLETE = "the chain goes on in a descriptor that is not available"  # 2.8.16
    BUFFER_OUTSIDE_MEMORY = "a buffer is not in memory"
    ZERO_LENGTH = "a buffer has no bytes"
    READABLE_AFTER_WRITABLE = "a readable buffer follows a writable one"  # 2.7.4.2
    INDIRECT_NOT_NEGOTIATED = "an indirect table without VIRTIO_F_INDIRECT_DESC"  # 2.7.5.3.1
    INDIRECT_NESTED = "an indirect table inside an indirect table"  # 2.7.5.3.1
    INDIRECT_WITH_NEXT = "an indirect descriptor that is chained on"  # 2.7.5.3.1
    INDIRECT_LENGTH = "an indirect table's length is no positive multiple of 16"  # 2.7.5.3
    INDIRECT_OUTSIDE_MEMORY = "an indirect table is not in memory"


class MalformedChain(msgspec.Struct, frozen=True):
    """What the device found instead of a chain; it answers with DEVICE_NEEDS_RESET.

    The position in the ring does not advance: asking again gives the same answer as long as
    the driver leaves the ring as it is.

    Attributes:
        reason: Which rule is broken.
        addr: Guest-physical address of the field or descriptor that breaks it.
        value: The offending value: an index, a length or a buffer's address.
        fetched: Addresses of the descriptors read so far, 16 bytes each.
    """

    reason: MalformedReason
    addr: int
    value: int
    fetched: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Give the reason, the place and the value."""
        return f"{self.reason.value}: {self.value:#x} at {self.addr:#x}"


class UsedBuffer(msgspec.Struct, frozen=True):
    """A buffer that the device has handed back.

    Attributes:
        head_index: What `add` returned for it.
        length: Bytes written by the device, as the device says.
    """

    head_index: int
    length: int


class MalformedUsedReason(Enum):
    """How a device can break the rules towards a driver."""

    USED_INDEX_TOO_FAR = "more buffers are used than are in flight"
    UNKNOWN_HEAD = "the buffer that is used is not in flight"


class MalformedUsed(msgspec.Struct, frozen=True):
    """What the driver found instead of a used buffer; its position does not advance.

    Attributes:
        reason: Which rule is broken.
        addr: Guest-physical address of the field that breaks it.
        value: The offending value.
    """

    reason: MalformedUsedReason
    addr: int
    value: int

    def __str__(self) -> str:
        """Give the reason, the place and the value."""
        return f"{self.reason.value}: {self.value:#x} at {self.addr:#x}"


class DriverQueue(Protocol):
    """The driver side of a virtqueue, in either format."""

    @property
    def layout(self) -> RingLayout:
        """Size and addresses."""
        ...

    @property
    def free_count(self) -> int:
        """Number of descriptors that are not in use."""
        ...

    @property
    def in_flight_heads(self) -> tuple[int, ...]:
        """Heads of all added and not yet returned buffers, in the order in which they came."""
        ...

    def initialise(self) -> None:
        """Write the empty ring to memory, as a driver does before it writes the registers."""
        ...

    def add(
        self,
        readable: Sequence[Buffer],
        writable: Sequence[Buffer],
        indirect_table: int | None = None,
    ) -> int | None:
        """Write a chain and return its head, or `None` if too few descriptors are free."""
        ...

    def publish(self, count: int | None = None) -> int:
        """Make the oldest `count` added chains visible to the device, all if `None`."""
        ...

    def must_notify(self) -> bool:
        """Return whether the device must be notified of what was published since the last call."""
        ...

    def has_used(self) -> bool:
        """Return whether `pop_used` would find a used buffer, sound or malformed."""
        ...

    def pop_used(self) -> UsedBuffer | MalformedUsed | None:
        """Take the next used buffer back; `None` if there is none."""
        ...

    def allow_notifications(self) -> None:
        """Ask for used buffer notifications; look with `has_used` afterwards, before sleeping."""
        ...

    def suppress_notifications(self) -> None:
        """Write that the driver needs no used buffer notifications."""
        ...

    def notification_data(self, queue_index: int) -> int:
        """Return what to write to the doorbell with VIRTIO_F_NOTIFICATION_DATA."""
        ...

    def reset(self) -> tuple[int, ...]:
        """Return to the state before first use; return the heads that were in flight."""
        ...

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        ...


class DeviceQueue(Protocol):
    """The device side of a virtqueue, in either format."""

    @property
    def layout(self) -> RingLayout:
        """Size and addresses."""
        ...

    @property
    def in_flight_heads(self) -> tuple[int, ...]:
        """Heads of all chains taken and not yet used, in the order in which they were taken."""
        ...

    def has_available(self) -> bool:
        """Return whether `next_chain` would find a chain, sound or malformed."""
        ...

    def next_chain(self) -> DescriptorChain | MalformedChain | None:
        """Take the next available chain; `None` if there is none."""
        ...

    def write_used_element(self, head_index: int, length: int) -> int:
        """Write that a chain is used and return where; the driver does not see it yet."""
        ...

    def publish_used(self) -> int:
        """Let the driver see all used elements written so far; return the address written."""
        ...

    def must_notify(self) -> bool:
        """Return whether the driver must be notified of what was published since the last call."""
        ...

    def complete(self, head_index: int, length: int) -> bool:
        """Write and publish a used element; return whether the driver must be notified."""
        ...

    def allow_notifications(self) -> None:
        """Ask for available buffer notifications; look with `has_available` afterwards."""
        ...

    def suppress_notifications(self) -> None:
        """Write that the device needs no available buffer notifications."""
        ...

    def reset(self) -> tuple[int, ...]:
        """Return to the state before first use; return the heads that were in flight."""
        ...

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        ...
