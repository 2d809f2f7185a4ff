"""The block drivers of the host, by the kind of their controller."""

from typing import Protocol

from ..bus.fabric import Port
from ..interrupts.interrupt_controller import InterruptController
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel
from .block_server import BlockServer, ServerSite
from .devb_ahci import DevbAhci
from .devb_nvme import DevbNvme
from .devb_sdmmc import DevbSdmmc


class BlockServerFactory(Protocol):
    """Builds controller and driver of a disk."""

    def __call__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        port: Port,
        interrupts: InterruptController,
        site: ServerSite,
    ) -> BlockServer:
        """Return the driver, at work."""
        ...


BLOCK_SERVERS: dict[str, BlockServerFactory] = {
    "ahci": DevbAhci,
    "nvme": DevbNvme,
    "sdmmc": DevbSdmmc,
}
"""The factory for each of `plan.DISK_KINDS`."""
