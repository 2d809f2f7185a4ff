"""Control messages and configuration of a virtio console, byte for byte.

Port 0 has queues 0 (receive) and 1 (transmit); with MULTIPORT queues 2 and 3 carry control
messages and port n > 0 has queues 2n + 2 and 2n + 3.  `emergency_write` works before the
device is set up at all.

Source:
    VIRTIO 1.2, 5.3.
"""

from enum import IntEnum
from struct import Struct

import msgspec

VIRTIO_CONSOLE_F_SIZE = 0
VIRTIO_CONSOLE_F_MULTIPORT = 1
VIRTIO_CONSOLE_F_EMERG_WRITE = 2

CONTROL_RECEIVE_QUEUE = 2
CONTROL_TRANSMIT_QUEUE = 3
EMERGENCY_WRITE_OFFSET = 8


class ConsoleEvent(IntEnum):
    """The events of control messages."""

    DEVICE_READY = 0
    PORT_ADD = 1
    PORT_REMOVE = 2
    PORT_READY = 3
    CONSOLE_PORT = 4
    RESIZE = 5
    PORT_OPEN = 6
    PORT_NAME = 7


class ConsoleControl(msgspec.Struct, frozen=True):
    """A control message, 8 bytes.

    Attributes:
        port: The port it is about.
        event: A `ConsoleEvent`, or another number that was written.
        value: Depends on the event.
    """

    port: int
    event: int
    value: int = 0

    def pack(self) -> bytes:
        """Return the 8 bytes."""
        return _CONTROL.pack(self.port, self.event, self.value)

    @classmethod
    def unpack(cls, data: bytes) -> "ConsoleControl":
        """Return the message that 8 bytes are."""
        return cls(*_CONTROL.unpack(data))


class ConsoleConfig(msgspec.Struct, frozen=True):
    """The configuration space.

    Attributes:
        columns: Of the screen (SIZE).
        rows: Of the screen (SIZE).
        ports_max: Most ports (MULTIPORT).
        emergency_write: Written by the driver only (EMERG_WRITE).
    """

    columns: int = 0
    rows: int = 0
    ports_max: int = 0
    emergency_write: int = 0

    def pack(self) -> bytes:
        """Return the 12 bytes."""
        return _CONFIG.pack(self.columns, self.rows, self.ports_max, self.emergency_write)

    @classmethod
    def unpack(cls, data: bytes) -> "ConsoleConfig":
        """Return the configuration that 12 bytes are."""
        return cls(*_CONFIG.unpack(data))


def port_queues(port: int) -> tuple[int, int]:
    """Return the receive and the transmit queue of a port."""
    return (0, 1) if port == 0 else (2 * port + 2, 2 * port + 3)


_CONTROL = Struct("<IHH")
_CONFIG = Struct("<HHII")
CONTROL_SIZE = _CONTROL.size
CONFIG_SIZE = _CONFIG.size
