"""MSI-X: the table of messages, the pending bits, masking of one vector or of all.

A vector that is signalled while it is masked becomes pending.  Its message goes out when the vector
is unmasked, and only once, also after several signals.

Source:
    PCI Local Bus 3.0, 6.8.2.
"""

from .effects import AccessRefused, Effect, MsiMessage

PCI_CAP_ID_MSIX = 0x11
MSIX_ENABLE = 0x8000
MSIX_MASKALL = 0x4000
MSIX_ENTRY_SIZE = 16
MSIX_ENTRY_CTRL_MASKBIT = 1
MSIX_VECTORS_MAX = 2048


class MsixEntry:
    """One vector: address and data of its message, and whether it is masked."""

    def __init__(self) -> None:
        self.addr = 0
        self.data = 0
        self.is_masked = True

    def words(self) -> list[int]:
        """Return the four 32-bit words of the entry."""
        return [self.addr & 0xFFFFFFFF, self.addr >> 32, self.data, int(self.is_masked)]

    def set_word(self, index: int, value: int) -> None:
        """Set one of the four 32-bit words."""
        if index == 0:
            self.addr = self.addr & ~0xFFFFFFFF | value & ~3
        elif index == 1:
            self.addr = self.addr & 0xFFFFFFFF | value << 32
        elif index == 2:
            self.data = value
        else:
            self.is_masked = bool(value & MSIX_ENTRY_CTRL_MASKBIT)


class MsixTable:
    """All vectors of one function.

    Args:
        vectors: How many, 1 to 2048.
        pending_offset: Where the pending bits are in the BAR whose start holds the table.
    """

    def __init__(self, vectors: int, pending_offset: int) -> None:
        assert 0 < vectors <= MSIX_VECTORS_MAX
        assert MSIX_ENTRY_SIZE * vectors <= pending_offset
        self.pending_offset = pending_offset
        self.entries = [MsixEntry() for _ in range(vectors)]
        self.pending = 0
        """One bit for each vector, as in the pending bit array."""
        self.is_enabled = False
        self.is_function_masked = False

    def capability(self, bar: int) -> tuple[bytes, bytes]:
        """Return body and writable bits of the capability."""
        control = len(self.entries) - 1
        body = control.to_bytes(2, "little") + bar.to_bytes(4, "little")
        body += (self.pending_offset | bar).to_bytes(4, "little")
        return body, (MSIX_ENABLE | MSIX_MASKALL).to_bytes(2, "little")

    def is_masked(self, vector: int) -> bool:
        """Return whether a vector's message is held back, by its own mask or the function's."""
        return self.is_function_masked or self.entries[vector].is_masked

    def signal(self, vector: int) -> MsiMessage | None:
        """Raise a vector; return its message, or `None` if it is held back or MSI-X is off."""
        if not self.is_enabled:
            return None
        if self.is_masked(vector):
            self.pending |= 1 << vector
            return None
        entry = self.entries[vector]
        return MsiMessage(vector, entry.addr, entry.data)

    def withdraw(self, vector: int) -> None:
        """Clear a pending interrupt whose cause has been cleared."""
        self.pending &= ~(1 << vector)

    def set_control(self, is_enabled: bool, is_function_masked: bool) -> list[Effect]:
        """Take the enable and mask bits of the capability; return the messages that go out."""
        self.is_enabled = is_enabled
        self.is_function_masked = is_function_masked
        return self._released()

    def read(self, offset: int, length: int) -> int:
        """Return the value of a read of table or pending bits; 0 between them."""
        if length not in {4, 8} or offset % length:
            return 0
        if length == 8:
            return self.read(offset, 4) | self.read(offset + 4, 4) << 32
        vector, place = divmod(offset, MSIX_ENTRY_SIZE)
        if vector < len(self.entries):
            return self.entries[vector].words()[place // 4]
        if offset < self.pending_offset:
            return 0
        return self.pending >> 8 * (offset - self.pending_offset) & 0xFFFFFFFF

    def write(self, offset: int, length: int, value: int) -> list[Effect]:
        """Carry out a write of the table; the pending bits are read-only.

        Returns:
            The messages that go out because a vector was unmasked.
        """
        if length not in {4, 8} or offset % length:
            return [AccessRefused(offset, length, "not an aligned access of 32 or 64 bits")]
        if offset // MSIX_ENTRY_SIZE >= len(self.entries):
            return [AccessRefused(offset, length, "behind the MSI-X table")]
        for part in range(0, length, 4):
            vector, place = divmod(offset + part, MSIX_ENTRY_SIZE)
            self.entries[vector].set_word(place // 4, value >> 8 * part & 0xFFFFFFFF)
        return self._released()

    def reset(self) -> None:
        """Return to the state after power-on: all vectors masked, none pending."""
        self.entries = [MsixEntry() for _ in self.entries]
        self.pending = 0
        self.is_enabled = False
        self.is_function_masked = False

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (
            tuple(tuple(entry.words()) for entry in self.entries),
            self.pending,
            self.is_enabled,
            self.is_function_masked,
        )

    def _released(self) -> list[Effect]:
        if not self.is_enabled:
            return []
        released: list[Effect] = []
        for vector, entry in enumerate(self.entries):
            if self.pending >> vector & 1 and not self.is_masked(vector):
                self.pending &= ~(1 << vector)
                released.append(MsiMessage(vector, entry.addr, entry.data))
        return released
