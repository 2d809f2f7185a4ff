"""`devb-ahci`: the host driver that owns an AHCI controller."""

from ..bus.fabric import Port
from ..hardware.ahci import FIS_AREA_SIZE, LIST_SIZE, Ahci
from ..hardware.disk import DiskCommand
from ..interrupts.interrupt_controller import InterruptController
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel
from .block_server import HOST_EPOCH, OWN_MEMORY, BlockServer, ServerSite


class DevbAhci(BlockServer):
    """The driver process; its own memory begins with the command list and the FIS receive area."""

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        port: Port,
        interrupts: InterruptController,
        site: ServerSite,
    ) -> None:
        self.ahci = ahci = Ahci(kernel, timing, disk, port, interrupts)
        super().__init__(kernel, timing, disk, ahci, site)
        assert LIST_SIZE + FIS_AREA_SIZE <= OWN_MEMORY
        ahci.port.post("PxCLB", site.base, HOST_EPOCH)
        ahci.port.post("PxFB", site.base + LIST_SIZE, HOST_EPOCH)
        ahci.port.post("PxCMD.ST", 1, HOST_EPOCH)
        self.begin()

    def issue(self, slot: int, command: DiskCommand) -> None:
        """Enter the command into the command list and set its bit in PxCI."""
        self.ahci.command_list[slot] = command
        self.ahci.port.post("PxCI", slot, HOST_EPOCH)

    def acknowledge_completed(self) -> list[int]:
        """Clear PxIS; returns the slots that are done."""
        done = self.ahci.acknowledge()
        for slot in done:
            self.ahci.command_list.pop(slot, None)
        return done
