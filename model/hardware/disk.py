"""What the commands of all disk controllers have in common.

Passed through to a guest, every byte of a disk reads the same.  Behind a host driver a disk has
content.  The disk reads it at the instant at which the service time is over.  It writes it at the
instant at which the last byte has come from memory.
"""

from typing import NamedTuple, Protocol

from ..base.clock import Span
from .operation import Operation


class DiskWork(Protocol):
    """What a disk with content does in the course of a command."""

    def execute(self, data: bytes) -> bytes:
        """Take the bytes read from memory; return the bytes to write to memory."""
        ...


class DiskCommand(NamedTuple):
    """A command as a controller carries it out.

    Attributes:
        epoch: The epoch that it is carried out for; 0 for the host.
        operation: `read`, `write`, or something that moves no data.
        pieces: (address, length) of the data, as the device sees it.
        work: What the disk does, if it has content.
    """

    epoch: int
    operation: str
    pieces: tuple[tuple[int, int], ...]
    work: DiskWork | None = None


class DiskOperation(Operation):
    """The transfer of one command.

    Args:
        command: The command to carry out.
        filler: The byte that a disk without content gives.
        service: How long the disk takes.
        completion: Status or ring entry, and its address, if known beforehand.
        owner_epoch: The epoch that gets completion and interrupt.
        interrupts: Whether its end interrupts.
    """

    __slots__ = ("work",)

    def __init__(
        self,
        command: DiskCommand,
        filler: bytes,
        service: Span | None,
        *,
        completion: tuple[int, bytes] | None = None,
        owner_epoch: int,
        interrupts: bool = True,
    ) -> None:
        is_read = command.operation == "read"
        data = tuple((addr, filler * length) for addr, length in command.pieces)
        super().__init__(
            command.epoch,
            data if is_read else (),
            completion,
            service=service,
            interrupts=interrupts,
            reads=() if is_read else command.pieces,
            owner_epoch=owner_epoch,
        )
        self.work = command.work

    def serve(self, fetched: bytes) -> None:
        """Let the disk do its work, and take the data that it has read."""
        if self.work is None:
            return
        content = self.work.execute(fetched)
        start = 0
        pieces = []
        for addr, room in self.data:
            pieces.append((addr, content[start : start + len(room)]))
            start += len(room)
        self.data = tuple(pieces)
