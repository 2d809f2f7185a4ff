"""The block drivers of the host, by the kind of their controller."""

from typing import Protocol

from ..fabric import Port
from ..interrupts import InterruptController
from ..kernel import Kernel
from ..plan import DiskPlan
from ..timing import Timing
from .block_server import BlockServer, ServerSite
from .devb_ahci import DevbAhci
from .devb_nvme import DevbNvme
from .devb_sdmmc import DevbSdmmc


class MakesServer(Protocol):
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


BLOCK_SERVERS: dict[str, MakesServer] = {
    "ahci": DevbAhci,
    "nvme": DevbNvme,
    "sdmmc": DevbSdmmc,
}
"""One for each of `plan.DISK_KINDS`."""
