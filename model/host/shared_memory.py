"""Memory that guests share with each other: it belongs to the host and outlives every VM.

Each client has a bit.  A client that notifies sets its own bit at the others and interrupts them.
A client that dies may leave notifications behind that it has not read.  If the host keeps them, the
next client with its index gets them too.

Source:
    QNX 7.1 hypervisor guide, share_mem.
"""

from typing import Protocol

from ..bus.memory import PhysicalMemory

CLIENTS_MAX = 16
NOTIFY_ALL = 0xFFFF_FFFF


class RegionClient(Protocol):
    """The factory vdev of an attached guest."""

    @property
    def epoch(self) -> int:
        """The VM instance that it belongs to."""

    def interrupt(self, requested_epoch: int) -> None:
        """Interrupt the guest for a notification that was meant for an epoch."""


class SharedRegion:
    """Memory of the host that several guests have mapped.

    Args:
        length: Bytes, whole frames.
        host_addr: Where it is.

    Attributes:
        clients: By index; `None` where no client is attached.
        pending: For each index the clients that have notified it, as bits.
        pending_for: For each index the epoch that these notifications were meant for.
    """

    def __init__(self, length: int, host_addr: int) -> None:
        self.length = length
        self.host_addr = host_addr
        self.clients: list[RegionClient | None] = [None] * CLIENTS_MAX
        self.pending = [0] * CLIENTS_MAX
        self.pending_for = [0] * CLIENTS_MAX

    def attach(self, client: RegionClient) -> int | None:
        """Attach a client and return its index; `None` if there is no room."""
        if None not in self.clients:
            return None
        index = self.clients.index(None)
        self.clients[index] = client
        if self.pending[index]:
            client.interrupt(self.pending_for[index])
        return index

    def detach(self, index: int, *, keeps_pending: bool = False) -> None:
        """Detach a client and drop the notifications that it has not read, unless they are kept."""
        self.clients[index] = None
        if not keeps_pending:
            self.pending[index] = 0

    def read_status(self, index: int) -> int:
        """Return the bits of attached clients and of those that have notified; clear the latter."""
        attached = sum(1 << place for place, one in enumerate(self.clients) if one is not None)
        pending, self.pending[index] = self.pending[index], 0
        return attached << 16 | pending

    def notify(self, index: int, bits: int) -> None:
        """Interrupt clients."""
        for place, client in enumerate(self.clients):
            wanted = bits >> place & 1 and (bits != NOTIFY_ALL or place != index)
            if client is not None and wanted:
                is_first = not self.pending[place]
                self.pending[place] |= 1 << index
                self.pending_for[place] = client.epoch
                if is_first:
                    client.interrupt(client.epoch)


class SharedMemoryPool:
    """All regions of the host, by name."""

    def __init__(self, memory: PhysicalMemory, start: int) -> None:
        self.memory = memory
        self.regions: dict[str, SharedRegion] = {}
        self._next = start

    def get(self, name: str, length: int) -> SharedRegion:
        """Return the region of a name; create it if there is none."""
        region = self.regions.get(name)
        if region is None:
            region = self.regions[name] = SharedRegion(length, self._next)
            self._next += length
        return region
