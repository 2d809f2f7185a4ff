"""The interface of a transport that a device model uses, the same for MMIO and PCI."""

from typing import Protocol

from .device_registers import DeviceRegisters
from .effects import MsiMessage


class Transport(Protocol):
    """A register file with interrupts: `MmioTransport` or `PciTransport`.

    Register accesses are not part of it: each transport has its own way of being addressed.
    """

    @property
    def registers(self) -> DeviceRegisters:
        """Status, features, queues and configuration."""
        ...

    @property
    def line_is_asserted(self) -> bool:
        """Whether the device asserts its level interrupt; it may change with every access."""
        ...

    def notify_used(self, index: int) -> MsiMessage | None:
        """Send a used buffer notification for a queue; return the message if it is one."""
        ...

    def notify_config(self) -> MsiMessage | None:
        """Send a configuration change notification; return the message if it is one."""
        ...

    def complete_reset(self) -> None:
        """End a device reset that `ResetRequested` has begun."""
        ...

    def complete_queue_reset(self, index: int) -> None:
        """End a queue reset that `QueueResetRequested` has begun."""
        ...

    def state(self) -> tuple[object, ...]:
        """Return all that changes, as one hashable value."""
        ...
