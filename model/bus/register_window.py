"""The registers of devices, as bus masters reach them.

A CPU writes a register by its address, and that address is a place on the bus like any other.  A
guest that names it as the place of a buffer makes a device write registers and not memory.  These
may be the registers of another device, or its own in the midst of the request.  A correct device,
or the bridge before it, refuses such a write.  A device that accepts it re-enters its own code.

The model names only registers whose write has an effect that way; writes of the others have no
effect.  Behind an IOMMU no window is mapped.

Source:
    QEMU 736b01642d85 (CVE-2021-3929) and its memory re-entrancy guard; for writes between
    siblings PCI Express, access control services (peer-to-peer requests).
"""

from typing import NamedTuple, Protocol

WINDOWS_START = 0xD0_0000_0000
"""Where the windows lie; nothing above is given to a VM."""

WINDOW_LENGTH = 1 << 16
"""Bytes of each window."""

_REGISTER_LENGTH = 4


class RegisterBits(NamedTuple):
    """Where in its window a register, or a field of one, can be written.

    Attributes:
        offset: Of the aligned 32-bit word.
        register: As the device calls it.
        mask: The bits of the word that it takes, contiguous.
    """

    offset: int
    register: str
    mask: int = 0xFFFF_FFFF

    def value_in(self, word: int) -> int:
        """Return the value that a write of a word gives the register.

        Example:
            >>> RegisterBits(0, "CTRL.RST", 1 << 26).value_in(0xEEEE_EEEE)
            1
        """
        return (word & self.mask) // (self.mask & -self.mask)


class BusTarget(Protocol):
    """A device as bus masters see it."""

    name: str

    @property
    def takes_bus_writes(self) -> bool:
        """Whether it lets bus masters write its registers."""

    def take_bus_write(self, master: str, epoch: int, offset: int, data: bytes) -> None:
        """Carry out a write of registers by a bus master, which may be the device itself."""


def writes_of(known: tuple[RegisterBits, ...], offset: int, data: bytes) -> list[tuple[str, int]]:
    """Return (register, value) for each register that bytes at an offset cover, in their order.

    Example:
        >>> writes_of((RegisterBits(4, "GHC.HR", 1),), 0, bytes([0, 0, 0, 0, 0xD5, 0, 0, 0]))
        [('GHC.HR', 1)]
    """
    end = offset + len(data)
    found = []
    for bits in known:
        if offset <= bits.offset and bits.offset + _REGISTER_LENGTH <= end:
            start = bits.offset - offset
            word = int.from_bytes(data[start : start + _REGISTER_LENGTH], "little")
            found.append((bits.register, bits.value_in(word)))
    return found
