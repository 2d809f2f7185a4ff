"""The memory that both sides of a virtqueue share, and a simple one for tests.

A queue keeps no copy of memory: each look at a ring is a read through `GuestMemory`, as on a bus.
The implementation of the protocol decides what an access means: plain bytes here, frames with
owners and epochs in a full model.
"""

from typing import Protocol


class GuestMemory(Protocol):
    """Memory addressed by guest-physical addresses, as a driver or a device reaches it.

    Reading or writing outside of memory is a mistake of the caller: a device asks `contains` for
    every address that a guest gave it.
    """

    def contains(self, addr: int, length: int) -> bool:
        """Return whether all of the `length` bytes from `addr` are memory."""
        ...

    def read(self, addr: int, length: int) -> bytes:
        """Return the `length` bytes from `addr`."""
        ...

    def write(self, addr: int, data: bytes) -> None:
        """Store the bytes from `addr` on."""
        ...


class FlatMemory:
    """One contiguous piece of memory that starts as zeros.

    Args:
        size: Bytes.
        base: Address of the first byte.
    """

    def __init__(self, size: int, base: int = 0) -> None:
        assert size > 0
        assert base >= 0
        self.base = base
        self.end = base + size
        self.content = bytearray(size)

    def contains(self, addr: int, length: int) -> bool:
        """Return whether all of the `length` bytes from `addr` are memory."""
        return self.base <= addr <= self.end - length

    def read(self, addr: int, length: int) -> bytes:
        """Return the `length` bytes from `addr`.

        Raises:
            AssertionError: If some of them are not memory.
        """
        assert self.base <= addr <= self.end - length, hex(addr)
        start = addr - self.base
        return bytes(self.content[start : start + length])

    def write(self, addr: int, data: bytes) -> None:
        """Store the bytes from `addr` on.

        Raises:
            AssertionError: If some of them would not be in memory.
        """
        assert self.base <= addr <= self.end - len(data), hex(addr)
        start = addr - self.base
        self.content[start : start + len(data)] = data
