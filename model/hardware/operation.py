"""An operation of a physical device: what it reads and writes, and whether it interrupts."""

from enum import Enum

from ..base.clock import Span


class OperationEffect(Enum):
    """The three things that an operation does to the rest of the system."""

    DATA = "data"
    COMPLETION = "completion"
    INTERRUPT = "interrupt"


class Operation:
    """A unit of work that the device does for an epoch.

    Args:
        epoch: In which it was requested.
        data: (device address, bytes) in order.
        completion: (device address, bytes) of the completion entry; None if there is none, or if
            the device finds its place only when the data is done (`completions_of`).
        service: How long it takes before its data is there, or None.
        interrupts: Whether its end raises the interrupt.
        reads: (device address, length) of what it reads from memory before it works on it.
        owner_epoch: The epoch that gets completion entry and interrupt, if not `epoch`: a host
            driver that works on behalf of a guest gets both itself.

    Attributes:
        was_reset: Whether the device was reset since it began.
    """

    __slots__ = (
        "completion",
        "data",
        "epoch",
        "interrupts",
        "owner_epoch",
        "reads",
        "service",
        "was_reset",
    )

    def __init__(
        self,
        epoch: int,
        data: tuple[tuple[int, bytes], ...],
        completion: tuple[int, bytes] | None = None,
        *,
        service: Span | None = None,
        interrupts: bool = True,
        reads: tuple[tuple[int, int], ...] = (),
        owner_epoch: int | None = None,
    ) -> None:
        self.epoch = epoch
        self.data = data
        self.completion = completion
        self.service = service
        self.interrupts = interrupts
        self.reads = reads
        self.owner_epoch = epoch if owner_epoch is None else owner_epoch
        self.was_reset = False

    @property
    def known_completions(self) -> tuple[tuple[int, bytes], ...]:
        """The writes after the data whose addresses are known when the operation begins."""
        return () if self.completion is None else (self.completion,)

    def serve(self, fetched: bytes) -> None:
        """Do the device's own part, between its reads and its writes of memory."""
