"""State: where an IOMMU records refused accesses: a few places, and a flag for those it lost.

SMMUv3 has an event queue in memory.  When it is full, events are lost and the overflow flag of
EVENTQ_PROD toggles.  Once there is room, events are recorded again (Arm IHI 0070, event queue
overflow).  VT-d has a few fault recording registers.  When all are in use, the unit sets the
primary fault overflow bit.  It records nothing more until software has cleared the bit (Intel VT-d,
primary fault logging, FSTS_REG.PFO).
"""


class FaultQueue:
    """The records that software has not read yet.

    Args:
        size: The greatest number of unread records.
        overflow_stops: Whether nothing is recorded while the overflow flag is set.

    Attributes:
        records: The epoch of each recorded fault, oldest first.
        has_overflowed: The flag: records were lost since it was cleared.
    """

    def __init__(self, size: int, *, overflow_stops: bool) -> None:
        assert size > 0, size
        self.size = size
        self.overflow_stops = overflow_stops
        self.records: list[int] = []
        self.has_overflowed = False

    def record(self, epoch: int) -> bool:
        """Record a fault if there is room; returns whether there was."""
        is_stopped = self.overflow_stops and self.has_overflowed
        if is_stopped or len(self.records) == self.size:
            self.has_overflowed = True
            return False
        self.records.append(epoch)
        return True

    def take(self) -> list[int]:
        """Read all records, which makes room; the flag stays."""
        taken, self.records = self.records, []
        return taken

    def clear_overflow(self) -> bool:
        """Clear the flag; returns whether it was set."""
        was_set, self.has_overflowed = self.has_overflowed, False
        return was_set
