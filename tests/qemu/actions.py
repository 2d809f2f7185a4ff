"""What a driver can do to a block device, step by step, well or badly, as plain data."""

import msgspec

from quiesce.model.virtio.block_format import BlockRequestType

SLOTS = 8
"""How many requests may be under way; each has memory of its own."""

SLOT_SIZE = 0x2000
SLOT_BASE = 0x4_0000
SLOT_DATA_MAX = 0x1800
"""Bytes of data of one request; header, status and indirect table stand behind them."""


class Action(msgspec.Struct, frozen=True, tag=True):
    """One step."""


class Initialise(Action, frozen=True):
    """Reset the device and bring it to life in the proper order.

    Attributes:
        bits: Features beside VIRTIO_F_VERSION_1; those not offered are left out.
        queue_size: Descriptors; rounded down to a power of two for a split queue.
        msix: Whether message interrupts are used, otherwise INTx.
        mapped: Whether queue and configuration changes have a vector each.
    """

    bits: frozenset[int] = frozenset()
    queue_size: int = 16
    msix: bool = True
    mapped: bool = True


class Submit(Action, frozen=True):
    """Write a request into the ring; the device does not see it yet.

    Attributes:
        kind: A `BlockRequestType`, or anything else.
        sector: Where.
        length: Bytes of data, read or written.
        fill: What the data to be written is made of.
        segment: For DISCARD and WRITE_ZEROES: sector, count, flags in place of data.
        cuts: After how many bytes the readable and the writable part go on in another buffer.
        indirect: Whether an indirect table is used, where that is negotiated.
    """

    kind: int = BlockRequestType.IN
    sector: int = 0
    length: int = 512
    fill: int = 1
    segment: tuple[int, int, int] | None = None
    cuts: tuple[int, ...] = (16,)
    indirect: bool = False


class Kick(Action, frozen=True):
    """Publish what was submitted; ring the doorbell if the device asks for it, or always."""

    always: bool = False


class Collect(Action, frozen=True):
    """Take back what was used."""


class Suppress(Action, frozen=True):
    """Ask for no used buffer notifications."""


class Allow(Action, frozen=True):
    """Ask for used buffer notifications again."""


class ReadIsr(Action, frozen=True):
    """Read the interrupt status."""


class Reset(Action, frozen=True):
    """Reset the device and leave it alone."""


class KickAndReset(Action, frozen=True):
    """Publish, ring the doorbell, and reset without looking."""


class ResetQueue(Action, frozen=True):
    """Reset the queue alone and set it up again, where that is negotiated."""


class SetWriteback(Action, frozen=True):
    """Write the cache mode."""

    value: int = 0


class MaskVector(Action, frozen=True):
    """Mask or unmask the message of the queue."""

    masked: bool = True


class Corrupt(Action, frozen=True):
    """Submit a sound read, then spoil its chain in memory, publish it and ring the doorbell.

    Attributes:
        how: Name of a corruption, see `corruptions`.
        indirect: Whether the chain stands in an indirect table.
    """

    how: str
    indirect: bool = False


class Misbehave(Action, frozen=True):
    """Break a rule of initialisation or of the registers; see `misbehaviour`."""

    how: str
