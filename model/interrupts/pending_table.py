"""State: the table in memory in which a redistributor keeps which LPIs are pending.

The table has one bit for each LPI.  The redistributor caches changes and writes them back in its
own time.  So the memory is in use from the moment at which LPIs are enabled, even if no device
sends anything.  Software can move the table only while LPIs are disabled (Arm GICv3, IHI 0069,
GICR_PENDBASER and GICR_CTLR.EnableLPIs).
"""

_BITS = 8


class PendingTable:
    """The table of one redistributor.

    Attributes:
        addr: Where it lies, or None before software has said so.
        epoch: The epoch for which it was put there.
        enabled: GICR_CTLR.EnableLPIs as the hardware holds it.
        pending: Numbers of the pending LPIs, ascending.
        dirty: Offsets of the bytes that memory does not have yet, oldest first.
    """

    def __init__(self) -> None:
        self.addr: int | None = None
        self.epoch = 0
        self.enabled = False
        self.pending: list[int] = []
        self.dirty: list[int] = []

    def program(self, epoch: int, addr: int) -> bool:
        """Write PENDBASER and enable LPIs; returns whether that had any effect."""
        if self.enabled:
            return False
        self.addr, self.epoch, self.enabled = addr, epoch, True
        self.pending.clear()
        self.dirty.clear()
        return True

    def disable(self) -> None:
        """Clear EnableLPIs; what is dirty is still written back."""
        self.enabled = False

    def reset(self) -> None:
        """Forget everything, as a reset of the machine does."""
        self.addr, self.enabled = None, False
        self.pending.clear()
        self.dirty.clear()

    def note(self, intid: int, *, is_pending: bool) -> None:
        """Change the bit of an LPI; the table needs an address, but LPIs may be disabled."""
        assert self.addr is not None, "the table has a place"
        if is_pending == (intid in self.pending):
            return
        if is_pending:
            self.pending = sorted([*self.pending, intid])
        else:
            self.pending.remove(intid)
        # Invariant: `dirty` names each changed byte once; `write_back` writes its newest value.
        offset = intid // _BITS
        if offset not in self.dirty:
            self.dirty.append(offset)

    def write_back(self) -> tuple[int, bytes]:
        """Return the address and the byte of the oldest change, which then counts as written."""
        assert self.addr is not None, "what is dirty has a place"
        offset = self.dirty.pop(0)
        bits = [intid % _BITS for intid in self.pending if intid // _BITS == offset]
        return self.addr + offset, bytes([sum(1 << bit for bit in bits)])
