"""smmuman: the host process that programs the IOMMU for its clients, of which qvm is one.

A client asks for maps and for their removal by messages.  A removal is complete when three things
have happened:

- the caches of the IOMMU are invalidated;
- devices that cache translations themselves have dropped them;
- writes that were translated before have landed.

Two things are not documented: what happens to a device whose client dies without asking
(`smmuman.client-death`), and what happens to devices that the IOMMU cannot distinguish
(`smmuman.shared-stream`).

smmuman takes the IOMMU's fault interrupt and sorts the records into a list for each client.  A list
holds 64 records (QNX smmuman guide, smmu_xfer_status).  When smmuman restarts, the IOMMU has lost
its maps; smmuman asks the clients that live for them again, and not the dead ones.

Left out: the reader of the lists.

Choice points: `smmuman.request`, `smmuman.death_pulse`, `smmuman.fault`, `smmuman.fault_ack`,
`smmuman.crash`, `smmuman.restart`, `smmuman.entry_write`.
"""

from typing import NamedTuple

from simpy.events import Event

from ..base.clock import Span
from ..bus.fabric import Port
from ..bus.iommu import Iommu
from ..bus.stream import StreamMode
from ..plan.faults import NO_FAULTS, Faults
from ..plan.open_questions import SHARED_STREAM, SMMUMAN_CLIENT_DEATH
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..trace.events import FaultRecordsRead

CLIENT_RECORDS_MAX = 64
"""Fault records that smmuman keeps for a client; later ones are dropped (smmu_xfer_status)."""

Ranges = tuple[tuple[int, int, int], ...]
"""(device address, host address, length) of each."""


class ClientMaps(NamedTuple):
    """The maps that a living client has asked for, for one device."""

    port: Port
    epoch: int
    ranges: Ranges


class Smmuman(Component):
    """The manager of one IOMMU.

    Args:
        faults: Which of its duties smmuman neglects.

    Attributes:
        clients: The maps to be programmed again after a restart, by bus master.
        record_counts: How many fault records each client's list holds, by epoch.
        is_up: Whether it answers.
        restarted: Fires when it answers again.
    """

    def __init__(
        self, kernel: Kernel, timing: Timing, iommu: Iommu, faults: Faults = NO_FAULTS
    ) -> None:
        super().__init__(kernel, "smmuman", timing)
        self.iommu = iommu
        self.faults = faults
        self.clients: dict[str, ClientMaps] = {}
        self.record_counts: dict[int, int] = {}
        self.is_up = True
        self.restarted = Signal(kernel)
        self.serving = self.start(self._serve_faults)

    # For clients.

    def map(self, port: Port, epoch: int, ranges: Ranges) -> None:
        """Map these ranges for a device; the IOMMU refuses every other address."""
        # Invariant: `clients` holds one entry for each bus master, that of its last owner.
        client = self.clients[port.master] = ClientMaps(port, epoch, ranges)
        if self.is_up:
            self._program(client)

    def remove(self, port: Port, epoch: int) -> Steps:
        """Remove a device's maps, and wait until no write translated by them is under way.

        Gives whether that is so: False if a device did not answer the invalidation.
        """
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.request")
        while not self.is_up:
            yield self.restarted.wait()
        return (yield from self._remove_maps(port, epoch))

    def remove_after_client_death(self, port: Port, epoch: int) -> Steps:
        """Carry out this smmuman's answer to a client's death; gives what `remove` gives."""
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.death_pulse")
        while not self.is_up:
            yield self.restarted.wait()
        answer = self.kernel.choose(SMMUMAN_CLIENT_DEATH)
        if answer == "deny":
            return (yield from self._remove_maps(port, epoch))
        self.clients.pop(port.master, None)
        if answer == "unrestricted":
            self.iommu.unmap_all(port.master, epoch, StreamMode.UNRESTRICTED)
        return True

    def _program(self, client: ClientMaps) -> None:
        for addr, host_addr, length in client.ranges:
            self.iommu.map(client.port.master, client.epoch, addr, host_addr, length)

    def _remove_maps(self, port: Port, epoch: int) -> Steps:
        """Remove a client's maps, as shared streams and faults allow; gives whether it is done."""
        master, iommu = port.master, self.iommu
        # Invariant: the client is dropped first, so a restart meanwhile does not map it again.
        self.clients.pop(master, None)
        gone: tuple[int, ...]
        if self.faults.entry_in_halves:
            iommu.open(master)
            yield self.kernel.delay(self.timing.iommu_entry_write, f"{self.name}.entry_write")
        if self.faults.unmap_stops_early:
            gone = iommu.unmap_all_but_first(master, epoch)
        elif self.faults.bypass_after_unmap:
            gone = iommu.unmap_all(master, epoch, StreamMode.UNRESTRICTED)
        elif iommu.is_shared(master, epoch):
            answer = self.kernel.choose(SHARED_STREAM)
            if answer == "kept-until-last":
                iommu.abandon(master)
                return True
            remove = iommu.refuse if answer == "all-refused" else iommu.unmap_all
            gone = remove(master, epoch)
        else:
            gone = iommu.unmap_all(master, epoch)
        return (yield from self._invalidate(master, epoch, gone))

    def _invalidate(self, master: str, epoch: int, gone: tuple[int, ...]) -> Steps:
        faults = self.faults
        # Invariant: the caches are invalidated after the maps are removed.  An invalidation before
        # that would let the IOMMU cache a translation again.
        done = self.iommu.submit(
            master,
            epoch,
            translations=not faults.no_invalidate,
            device_caches=not faults.no_atc_invalidate,
            drains=self.iommu.plan.write_drain and not faults.no_drain,
        )
        is_complete = True
        if not faults.no_sync:
            is_complete = (yield done) or faults.atc_timeout_is_success
        # Invariant: frames count as unreachable for the device only after the sync.
        if is_complete:
            self.iommu.synced(master, *gone)
        return is_complete

    # Its own life.

    def stop_threads(self) -> None:
        """Stop serving, as at the end of the host."""
        self.is_up = False
        self.kernel.kill(self.serving)

    def crash(self, due: Event, delay: Span) -> None:
        """Crash some time after an event, and restart."""
        self.start(lambda: self._restart_after_crash(due, delay))

    def _restart_after_crash(self, due: Event, delay: Span) -> Steps:
        yield due
        yield self.kernel.delay(delay, f"{self.name}.crash")
        self.is_up = False
        self.iommu.reset()
        yield self.kernel.delay(self.timing.smmuman_restart, f"{self.name}.restart")
        # Invariant: the maps of all clients are programmed before a removal that waits goes on.
        self.is_up = True
        for client in self.clients.values():
            self._program(client)
        self.restarted.notify()

    # Faults.

    def _serve_faults(self) -> Steps:
        records = self.iommu.faults
        while True:
            while not (records.records or records.has_overflowed):
                yield self.iommu.faulted.wait()
            yield self.kernel.delay(self.timing.irq_to_host_handler, f"{self.name}.fault")
            # Invariant: records that come between the read and the acknowledgement are read in the
            # next round; only an overflow loses records.
            taken = records.take()
            yield self.kernel.delay(self.timing.mmio_read_flush, f"{self.name}.fault_ack")
            lost = records.clear_overflow()
            for epoch in dict.fromkeys(taken):
                self._keep_fault_records(epoch, taken.count(epoch), lost=lost)

    def _keep_fault_records(self, epoch: int, count: int, *, lost: bool) -> None:
        """Put records into the list of their client; drop those for which it has no room."""
        held = self.record_counts.get(epoch, 0)
        kept = min(count, CLIENT_RECORDS_MAX - held)
        self.record_counts[epoch] = held + kept
        self.emit(FaultRecordsRead(epoch, kept, count - kept, lost))
