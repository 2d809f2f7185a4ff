"""The queues of an NVMe controller: entries as bytes, and the positions of head and tail.

Source:
    NVM Express base specification 2.0: 3.3 (queues), 4.1 (submission queue entry), 4.2
    (completion queue entry), 5 (admin commands); NVM command set for read and write.
"""

import struct
from typing import NamedTuple

SUBMISSION = struct.Struct("<BBHIQQQQIIIIII")
"""Opcode, flags, identifier, namespace, reserved, metadata, PRP1, PRP2, dwords 10 to 15."""

SUBMISSION_SIZE = 64

COMPLETION = struct.Struct("<IIHHHH")
"""Result, reserved, submission queue head and id, identifier, status with phase bit."""

COMPLETION_SIZE = 16

ADMIN_DELETE_SQ = 0x00
ADMIN_CREATE_SQ = 0x01
ADMIN_DELETE_CQ = 0x04
ADMIN_CREATE_CQ = 0x05
ADMIN_ASYNC_EVENT = 0x0C
ADMIN_DOORBELL_BUFFER = 0x7C
IO_FLUSH = 0x00
IO_WRITE = 0x01
IO_READ = 0x02
IO_DATASET_MANAGEMENT = 0x09

STATUS_SUCCESS = 0
STATUS_INVALID_QUEUE_ID = 0x101
STATUS_INVALID_QUEUE_DELETION = 0x10C
STATUS_INVALID_OPCODE = 0x01

BLOCK_SIZE = 512
INTERRUPTS_ENABLED = 1 << 1
"""In dword 11 of Create I/O Completion Queue; bit 0 means that the queue is contiguous."""


class NvmeCommand(NamedTuple):
    """A submission queue entry.

    Attributes:
        opcode: Of the admin or the NVM command set.
        identifier: Comes back in the completion.
        prp1, prp2: Data pointers.
        dword10, dword11, dword12: Arguments.
    """

    opcode: int
    identifier: int
    prp1: int = 0
    prp2: int = 0
    dword10: int = 0
    dword11: int = 0
    dword12: int = 0

    def to_bytes(self) -> bytes:
        """Return the entry as it stands in the queue."""
        return SUBMISSION.pack(
            self.opcode,
            0,
            self.identifier,
            1,
            0,
            0,
            self.prp1,
            self.prp2,
            self.dword10,
            self.dword11,
            self.dword12,
            0,
            0,
            0,
        )

    @classmethod
    def from_bytes(cls, entry: bytes) -> "NvmeCommand":
        """Return what an entry says."""
        opcode, _, identifier, _, _, _, prp1, prp2, *dwords = SUBMISSION.unpack(entry)
        return cls(opcode, identifier, prp1, prp2, *dwords[:3])


class SubmissionQueue:
    """A submission queue as the controller knows it.

    Attributes:
        epoch: The epoch that rang its doorbell last.
        head: The next entry to be fetched.
        tail: The first entry that is not there yet.
    """

    def __init__(self, identifier: int, base: int, size: int, completions: "CompletionQueue"):
        self.identifier = identifier
        self.base = base
        self.size = size
        self.completions = completions
        self.epoch = completions.epoch
        self.head = self.tail = 0

    @property
    def next_addr(self) -> int:
        """Where the next entry to be fetched stands."""
        return self.base + SUBMISSION_SIZE * self.head


class CompletionQueue:
    """A completion queue as the controller knows it.

    Attributes:
        epoch: The epoch that created it.
        interrupts: Whether an entry interrupts.
        tail: Where the next entry goes.
        phase: The phase bit of this round.
    """

    def __init__(self, identifier: int, base: int, size: int, epoch: int, *, interrupts: bool):
        self.identifier = identifier
        self.base = base
        self.size = size
        self.epoch = epoch
        self.interrupts = interrupts
        self.tail = 0
        self.phase = 1

    def place(
        self, queue: SubmissionQueue, identifier: int, status: int, result: int = 0
    ) -> tuple[int, bytes]:
        """Return the next entry and its address, and go on to the one after it."""
        addr = self.base + COMPLETION_SIZE * self.tail
        status_field = status << 1 | self.phase
        entry = COMPLETION.pack(result, 0, queue.head, queue.identifier, identifier, status_field)
        self.tail += 1
        if self.tail == self.size:
            self.tail = 0
            self.phase ^= 1
        return addr, entry


class ShadowDoorbells(NamedTuple):
    """The two pages of Doorbell Buffer Config.

    Attributes:
        epoch: The epoch that gave them.
        doorbell_addr: Where the driver writes instead of the doorbells.
        event_addr: Where the controller writes how far it has read them.
    """

    epoch: int
    doorbell_addr: int
    event_addr: int
