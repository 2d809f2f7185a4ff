"""smmuman: the host process that programs the IOMMU for its clients, of which qvm is one.

A client asks for maps and for their removal by messages; removal is complete when caches are
invalidated and what was translated before has landed.  What happens to a device whose client dies
without asking is not documented (`smmuman.client-death`).
"""

from ..component import Component
from ..fabric import Port
from ..faults import NO_FAULTS, Faults
from ..iommu import Iommu, StreamMode
from ..kernel import Kernel, Steps
from ..open_questions import SMMUMAN_CLIENT_DEATH
from ..timing import Timing


class Smmuman(Component):
    """The manager of one IOMMU.

    Args:
        faults: Which of its duties it neglects.
    """

    def __init__(
        self, kernel: Kernel, timing: Timing, iommu: Iommu, faults: Faults = NO_FAULTS
    ) -> None:
        super().__init__(kernel, "smmuman", timing)
        self.iommu = iommu
        self.faults = faults

    def map(self, port: Port, epoch: int, ranges: tuple[tuple[int, int, int], ...]) -> None:
        """Let a device reach (device address, host address, length) ranges and nothing else."""
        for addr, host_addr, length in ranges:
            self.iommu.map(port.master, epoch, addr, host_addr, length)

    def remove(self, port: Port, epoch: int) -> Steps:
        """Take a device's maps away, and wait until nothing translated by them is under way."""
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.request")
        if self.faults.unmap_stops_early:
            self.iommu.unmap_all_but_first(port.master, epoch)
        elif self.faults.bypass_after_unmap:
            self.iommu.unmap_all(port.master, epoch, StreamMode.UNRESTRICTED)
        else:
            self.iommu.unmap_all(port.master, epoch)
        yield from self._invalidate(port, epoch)

    def on_client_death(self, port: Port, epoch: int) -> Steps:
        """Do with a dead client's device whatever this smmuman does."""
        yield self.kernel.delay(self.timing.ctx_switch, f"{self.name}.death_pulse")
        answer = self.kernel.choose(SMMUMAN_CLIENT_DEATH)
        if answer == "deny":
            self.iommu.unmap_all(port.master, epoch)
            yield from self._invalidate(port, epoch)
        elif answer == "unrestricted":
            self.iommu.unmap_all(port.master, epoch, StreamMode.UNRESTRICTED)

    def _invalidate(self, port: Port, epoch: int) -> Steps:
        if not self.faults.no_invalidate:
            self.iommu.invalidate(port.master)
        if not self.faults.no_sync:
            yield self.kernel.delay(self.timing.iommu_tlbi_sync, f"{self.name}.tlbi_sync")
            yield from port.drained()
        self.iommu.synced(port.master, epoch)
