"""The rings of an xHCI controller: transfer request blocks as bytes, cycle bits, link blocks.

Source:
    eXtensible Host Controller Interface 1.2: 4.9 (rings), 6.4 (TRBs), 6.2.3 (endpoint context).
"""

import struct
from typing import NamedTuple

TRB = struct.Struct("<QII")
TRB_SIZE = 16

NORMAL = 1
LINK = 6
CONFIGURE_ENDPOINT = 12
STOP_ENDPOINT = 15
TRANSFER_EVENT = 32
COMMAND_EVENT = 33
PORT_EVENT = 34

CYCLE = 1 << 0
TOGGLE_CYCLE = 1 << 1
INTERRUPT_ON_COMPLETION = 1 << 5

SUCCESS = 1
STOPPED = 26
CONTEXT_STATE_ERROR = 19

ENDPOINT_CONTEXT = struct.Struct("<IIQ16x")
"""State with the rest of the first word, type, dequeue pointer with its cycle bit."""

ENDPOINT_RUNNING = 1
ENDPOINT_STOPPED = 3
ENDPOINT_INPUT_OFFSET = 4 * 32
"""Of the context of endpoint 1 IN in an input context."""

ENDPOINT_OUTPUT_OFFSET = 3 * 32
"""Of the same in a device context."""

SLOT = 1
ENDPOINT = 3
TARGET = SLOT << 24 | ENDPOINT << 16


class Trb(NamedTuple):
    """A transfer request block.

    Attributes:
        parameter: An address, mostly.
        status: A length, or a completion code in the highest byte.
        control: Type, flags, cycle bit.
    """

    parameter: int
    status: int
    control: int

    @property
    def kind(self) -> int:
        """The TRB type."""
        return self.control >> 10 & 0x3F


def control_of(kind: int, flags: int = 0) -> int:
    """Return the control word of a type and flags, without the cycle bit."""
    return kind << 10 | flags


class RingCursor:
    """The consumer's place in a ring that software fills.

    Attributes:
        addr: Of the next block.
        cycle: The cycle bit that marks the block as given to the controller.
        epoch: The epoch that gave the ring.
    """

    def __init__(self, pointer: int, epoch: int) -> None:
        self.addr = pointer & ~0xF
        self.cycle = pointer & CYCLE
        self.epoch = epoch

    @property
    def pointer(self) -> int:
        """Address and cycle bit in one word, as contexts have it."""
        return self.addr | self.cycle

    def accept(self, trb: Trb) -> bool:
        """Go past a block if software has given it; gives whether it is to be carried out."""
        if trb.control & CYCLE != self.cycle:
            return False
        if trb.kind == LINK:
            self.addr = trb.parameter & ~0xF
            if trb.control & TOGGLE_CYCLE:
                self.cycle ^= CYCLE
            return False
        self.addr += TRB_SIZE
        return True


class EventRing:
    """The ring with one segment that the controller fills.

    Attributes:
        epoch: The epoch that gave it.
        index: The next free place.
        cycle: The producer's cycle bit.
    """

    def __init__(self, base: int, size: int, epoch: int) -> None:
        self.base = base
        self.size = size
        self.epoch = epoch
        self.index = 0
        self.cycle = CYCLE

    def place(self, parameter: int, status: int, control: int) -> tuple[int, bytes]:
        """Return the next entry and its address, and go on to the one after it."""
        addr = self.base + TRB_SIZE * self.index
        entry = TRB.pack(parameter, status, control | self.cycle)
        self.index += 1
        if self.index == self.size:
            self.index = 0
            self.cycle ^= CYCLE
        return addr, entry
