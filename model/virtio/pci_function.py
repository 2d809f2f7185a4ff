"""The configuration space of one PCI function: identity, BARs, command, capabilities, INTx.

Every register is a byte of configuration space with a mask of the bits that software may write;
sizing a BAR by writing ones follows from that.  A write returns its other consequences as effects.

`bus_master_enable` is the register.  The device model decides whether the hardware behind it obeys,
and what happens to a message that was due while the bit is clear.

Source:
    PCI Local Bus 3.0, 6.1, 6.2 (header, BARs) and 6.7 (capabilities).
"""

from collections.abc import Sequence

import msgspec

from .effects import (
    AccessRefused,
    BarMoved,
    CapabilityWritten,
    CommandChanged,
    Effect,
    MsixControlChanged,
)
from .msix import MSIX_ENABLE, MSIX_MASKALL, PCI_CAP_ID_MSIX, MsixTable

PCI_VENDOR_ID = 0x00
PCI_DEVICE_ID = 0x02
PCI_COMMAND = 0x04
PCI_STATUS = 0x06
PCI_REVISION_ID = 0x08
PCI_CLASS_PROG = 0x09
PCI_CACHE_LINE_SIZE = 0x0C
PCI_LATENCY_TIMER = 0x0D
PCI_HEADER_TYPE = 0x0E
PCI_BASE_ADDRESS_0 = 0x10
PCI_SUBSYSTEM_VENDOR_ID = 0x2C
PCI_SUBSYSTEM_ID = 0x2E
PCI_CAPABILITY_LIST = 0x34
PCI_INTERRUPT_LINE = 0x3C
PCI_INTERRUPT_PIN = 0x3D

PCI_COMMAND_IO = 0x1
PCI_COMMAND_MEMORY = 0x2
PCI_COMMAND_MASTER = 0x4
PCI_COMMAND_PARITY = 0x40
PCI_COMMAND_SERR = 0x100
PCI_COMMAND_INTX_DISABLE = 0x400
PCI_STATUS_INTERRUPT = 0x08
PCI_STATUS_CAP_LIST = 0x10

PCI_BASE_ADDRESS_SPACE_IO = 0x1
PCI_BASE_ADDRESS_MEM_TYPE_64 = 0x4
PCI_BASE_ADDRESS_MEM_PREFETCH = 0x8

CONFIG_SPACE_SIZE = 256
BAR_COUNT = 6
_COMMAND_WRITABLE = (
    PCI_COMMAND_IO
    | PCI_COMMAND_MEMORY
    | PCI_COMMAND_MASTER
    | PCI_COMMAND_PARITY
    | PCI_COMMAND_SERR
    | PCI_COMMAND_INTX_DISABLE
)


class PciIdentity(msgspec.Struct, frozen=True):
    """The identity of a function in its configuration header.

    Attributes:
        vendor_id: 16 bits.
        device_id: 16 bits.
        class_code: 24 bits: base class, sub-class, programming interface.
        revision: 8 bits.
        subsystem_vendor_id: 16 bits.
        subsystem_id: 16 bits.
        interrupt_pin: 0 for none, 1 to 4 for INTA to INTD.
    """

    vendor_id: int
    device_id: int
    class_code: int
    revision: int = 0
    subsystem_vendor_id: int = 0
    subsystem_id: int = 0
    interrupt_pin: int = 0


class Bar(msgspec.Struct, frozen=True):
    """A window of a function into memory or I/O space.

    Attributes:
        index: Number of its (first) base address register, 0 to 5.
        size: Bytes, a power of two, at least 16 for memory and 4 for I/O.
        is_io: Whether it is in I/O space.
        is_64bit: Whether it takes two registers.
        is_prefetchable: Whether reads have no side effects.
    """

    index: int
    size: int
    is_io: bool = False
    is_64bit: bool = False
    is_prefetchable: bool = False


QVM_HOST_BRIDGE = PciIdentity(0x1C05, 0x0002, 0x060000)
"""The host bridge of a VM, at 0:0.0 (QNX 7.1 hypervisor guide, virtio guest)."""

QVM_SHARED_MEMORY_FACTORY = PciIdentity(0x1C05, 0x0001, 0x058000)
"""The factory of guest shared memory (QNX 7.1 hypervisor guide, virtio guest)."""


class PciFunction:
    """The configuration space of one function with a header of type 0.

    Args:
        identity: Its identity.
        bars: Its base address registers, in any order.
        msix_vectors: How many MSI-X vectors it has; 0 for no MSI-X capability.
        msix_bar: The BAR that holds the MSI-X table at 0 and the pending bits in its second half.
    """

    def __init__(
        self,
        identity: PciIdentity,
        bars: Sequence[Bar] = (),
        *,
        msix_vectors: int = 0,
        msix_bar: int = 1,
    ) -> None:
        self.identity = identity
        self.bars = {bar.index: bar for bar in bars}
        self.space = bytearray(CONFIG_SPACE_SIZE)
        self.writable = bytearray(CONFIG_SPACE_SIZE)
        self.capabilities: tuple[tuple[int, int, int], ...] = ()
        """Id, offset and length of every capability, in the order of the list."""
        self.msix: MsixTable | None = None
        self.msix_bar = msix_bar
        self._fill_header()
        for bar in bars:
            self._fill_bar(bar)
        if msix_vectors:
            half = self.bars[msix_bar].size // 2
            self.msix = MsixTable(msix_vectors, pending_offset=half)
            self.add_capability(PCI_CAP_ID_MSIX, *self.msix.capability(msix_bar))
        self._initial = bytes(self.space)

    @property
    def command(self) -> int:
        """The command register."""
        return self._get(PCI_COMMAND, 2)

    @property
    def bus_master_enable(self) -> bool:
        """Whether the function may start memory requests, message interrupts among them."""
        return bool(self.command & PCI_COMMAND_MASTER)

    @property
    def intx_is_pending(self) -> bool:
        """Whether the function wants its INTx interrupt (status bit 3)."""
        return bool(self._get(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT)

    @property
    def intx_is_asserted(self) -> bool:
        """Whether it asserts the line: pending, not disabled, and MSI-X is not enabled."""
        is_disabled = bool(self.command & PCI_COMMAND_INTX_DISABLE)
        uses_messages = self.msix is not None and self.msix.is_enabled
        return self.intx_is_pending and not is_disabled and not uses_messages

    def set_intx(self, is_pending: bool) -> None:
        """Set or clear the interrupt status."""
        status = self._get(PCI_STATUS, 2) & ~PCI_STATUS_INTERRUPT
        self._put(PCI_STATUS, 2, status | (PCI_STATUS_INTERRUPT if is_pending else 0))

    def add_capability(self, capability_id: int, body: bytes, writable: bytes = b"") -> int:
        """Put a capability at the end of the list.

        Args:
            capability_id: Its id.
            body: The bytes behind id and next pointer.
            writable: Mask of the writable bits of the body; shorter means read-only.

        Returns:
            Its offset in configuration space.
        """
        at = 0x40
        last_pointer = PCI_CAPABILITY_LIST
        if self.capabilities:
            _, offset, length = self.capabilities[-1]
            at = (offset + length + 3) & ~3
            last_pointer = offset + 1
        end = at + 2 + len(body)
        assert end <= CONFIG_SPACE_SIZE, "no room for another capability"
        self.space[last_pointer] = at
        self.space[at : at + 2] = bytes((capability_id, 0))
        self.space[at + 2 : end] = body
        self.writable[at + 2 : at + 2 + len(writable)] = writable
        self.capabilities += ((capability_id, at, 2 + len(body)),)
        self._put(PCI_STATUS, 2, self._get(PCI_STATUS, 2) | PCI_STATUS_CAP_LIST)
        self._initial = bytes(self.space)
        return at

    def read(self, offset: int, length: int) -> int:
        """Return the value of a configuration read; all ones if not aligned or out of range."""
        if length not in {1, 2, 4} or offset % length or offset + length > CONFIG_SPACE_SIZE:
            return (1 << 8 * length) - 1
        return self._get(offset, length)

    def write(self, offset: int, length: int, value: int) -> list[Effect]:
        """Carry out a configuration write; bits that are not writable stay as they are."""
        if length not in {1, 2, 4} or offset % length or offset + length > CONFIG_SPACE_SIZE:
            return [AccessRefused(offset, length, "not an aligned access of 8, 16 or 32 bits")]
        command = self.command
        for place, byte in enumerate(value.to_bytes(length, "little"), start=offset):
            mask = self.writable[place]
            self.space[place] = self.space[place] & ~mask | byte & mask
        effects: list[Effect] = []
        if self.command != command:
            effects.append(CommandChanged(command, self.command))
        for index in sorted(self.bars):
            bar = self.bars[index]
            start = PCI_BASE_ADDRESS_0 + 4 * index
            if start <= offset < start + (8 if bar.is_64bit else 4):
                effects.append(BarMoved(index))
        return effects + self._capability_effects(offset, length, value)

    def bar_address(self, index: int) -> int | None:
        """Return the address of a BAR; `None` if the command register disables its decoding."""
        bar = self.bars[index]
        needed = PCI_COMMAND_IO if bar.is_io else PCI_COMMAND_MEMORY
        if not self.command & needed:
            return None
        value = self._get(PCI_BASE_ADDRESS_0 + 4 * index, 8 if bar.is_64bit else 4)
        return value & ~(3 if bar.is_io else 15)

    def decode(self, addr: int, length: int, *, is_io: bool = False) -> tuple[int, int] | None:
        """Return the BAR and the offset in it that an address belongs to, if any."""
        for index, bar in self.bars.items():
            start = self.bar_address(index)
            if bar.is_io != is_io or start is None:
                continue
            if start <= addr and addr + length <= start + bar.size:
                return index, addr - start
        return None

    def reset(self) -> None:
        """Return every register to its value after power-on, as a function level reset does."""
        self.space[:] = self._initial
        if self.msix is not None:
            self.msix.reset()

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        return (bytes(self.space), None if self.msix is None else self.msix.state())

    def _capability_effects(self, offset: int, length: int, value: int) -> list[Effect]:
        for capability_id, start, size in self.capabilities:
            if not start <= offset < start + size:
                continue
            if capability_id != PCI_CAP_ID_MSIX or self.msix is None:
                return [CapabilityWritten(offset, length, value)]
            control = self._get(start + 2, 2)
            was = (self.msix.is_enabled, self.msix.is_function_masked)
            now = (bool(control & MSIX_ENABLE), bool(control & MSIX_MASKALL))
            if now == was:
                return []
            return [MsixControlChanged(*now), *self.msix.set_control(*now)]
        return []

    def _fill_header(self) -> None:
        identity = self.identity
        self._put(PCI_VENDOR_ID, 2, identity.vendor_id)
        self._put(PCI_DEVICE_ID, 2, identity.device_id)
        self._put(PCI_REVISION_ID, 1, identity.revision)
        self._put(PCI_CLASS_PROG, 3, identity.class_code)
        self._put(PCI_SUBSYSTEM_VENDOR_ID, 2, identity.subsystem_vendor_id)
        self._put(PCI_SUBSYSTEM_ID, 2, identity.subsystem_id)
        self._put(PCI_INTERRUPT_PIN, 1, identity.interrupt_pin)
        self.writable[PCI_COMMAND : PCI_COMMAND + 2] = _COMMAND_WRITABLE.to_bytes(2, "little")
        for place in (PCI_CACHE_LINE_SIZE, PCI_LATENCY_TIMER, PCI_INTERRUPT_LINE):
            self.writable[place] = 0xFF

    def _fill_bar(self, bar: Bar) -> None:
        assert 0 <= bar.index < BAR_COUNT - bar.is_64bit
        assert bar.size & (bar.size - 1) == 0
        assert bar.size >= (4 if bar.is_io else 16)
        kind = PCI_BASE_ADDRESS_SPACE_IO if bar.is_io else 0
        kind |= PCI_BASE_ADDRESS_MEM_TYPE_64 if bar.is_64bit else 0
        kind |= PCI_BASE_ADDRESS_MEM_PREFETCH if bar.is_prefetchable else 0
        width = 8 if bar.is_64bit else 4
        start = PCI_BASE_ADDRESS_0 + 4 * bar.index
        self._put(start, width, kind)
        mask = ((1 << 8 * width) - 1) & ~(bar.size - 1)
        self.writable[start : start + width] = mask.to_bytes(width, "little")

    def _get(self, offset: int, length: int) -> int:
        return int.from_bytes(self.space[offset : offset + length], "little")

    def _put(self, offset: int, length: int, value: int) -> None:
        self.space[offset : offset + length] = value.to_bytes(length, "little")
