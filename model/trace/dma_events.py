"""Events of the writes and reads of bus masters.

Five instants of a DMA write have events of their own:

- `DmaRequested`: a driver asked for it;
- `DmaFetched`: the device owns the descriptor;
- `DmaIssued`: it left the device;
- `DmaTranslated`: it passed the IOMMU;
- `DmaLanded`: memory has changed.

A reset stops what is not yet issued, an unmap stops what is not yet translated, and nothing stops
what is translated.

A read has one event, at the instant at which memory is read: `DmaRead` for a device, `CpuRead`
for a host thread.  Before it a reset or an unmap can still stop the read; after it the device or
the thread has the bytes.

`addr` is what the device puts on the bus, until the write has landed.
"""

from .event_base import TraceEvent


class FrameArrived(TraceEvent, frozen=True):
    """An unsolicited frame has come from the wire, and the device will store it."""

    device: str
    length: int


class DmaRequested(TraceEvent, frozen=True):
    """A driver gives the device memory that the device may write: a buffer, a ring, a status area.

    Attributes:
        master: The bus master that will write it.
        addr: Its address as the device sees it.
        length: Bytes.
    """

    master: str
    epoch: int
    addr: int
    length: int


class DmaFetched(TraceEvent, frozen=True):
    """The device has read the descriptor; what the driver does to memory no longer matters."""

    master: str
    epoch: int
    addr: int
    length: int


class DmaIssued(TraceEvent, frozen=True):
    """A write has left the device.

    Attributes:
        content: `data`, `completion` (a status or ring entry) or `message` (an MSI).
    """

    master: str
    epoch: int
    addr: int
    length: int
    content: str


class DmaTranslated(TraceEvent, frozen=True):
    """A write has passed the IOMMU; `host_addr` is where it will land."""

    master: str
    epoch: int
    addr: int
    host_addr: int
    length: int


class DmaLanded(TraceEvent, frozen=True):
    """A write has changed memory.

    Attributes:
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
    """

    master: str
    epoch: int
    addr: int
    length: int
    content: str


class RegistersHit(TraceEvent, frozen=True):
    """A write of a bus master has arrived at the registers of a device and not in memory.

    Attributes:
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        device: Whose registers they are; may be the master's own.
        outcome: `taken`, or `refused` because the device lets no bus master write them.
    """

    master: str
    epoch: int
    addr: int
    length: int
    device: str
    outcome: str


class DmaBlocked(TraceEvent, frozen=True):
    """The IOMMU has refused a write; memory is unchanged.

    Attributes:
        record: `recorded` in the fault queue, or `lost` because the queue was full.
    """

    master: str
    epoch: int
    addr: int
    length: int
    record: str


class DmaRead(TraceEvent, frozen=True):
    """A device has read memory: at this instant the bytes are those that it gets.

    Attributes:
        epoch: The epoch for which it reads, fixed when the work was requested.
        addr: Host-physical address.
        length: Bytes; the range does not cross a frame.
        content: `data`, or `descriptor` (what says what the device shall do: an entry of a ring, a
            command, a list of addresses, an instruction).
    """

    master: str
    epoch: int
    addr: int
    length: int
    content: str


class DmaReadBlocked(TraceEvent, frozen=True):
    """The IOMMU has refused a read; the device gets nothing.

    Attributes:
        record: As in `DmaBlocked`.
    """

    master: str
    epoch: int
    addr: int
    length: int
    record: str


class DmaDropped(TraceEvent, frozen=True):
    """A device has dropped a write before issuing it.

    Attributes:
        reason: `no_descriptor`, `bus_master_off` or `reset`.
    """

    master: str
    epoch: int
    length: int
    reason: str
