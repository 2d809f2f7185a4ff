"""The guest's driver for the teaching device: one buffer, filled again and again."""

from ..hardware.edu import BUFFER_START, DMA_START, DMA_TO_RAM, DMA_WANTS_IRQ, EduFunction
from ..hardware.edu_procedure import PROCEDURE
from ..hardware.procedure import wait_until
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite

_POLL_NS_MAX = 1_000_000_000


class EduDriver(DeviceDriver[EduFunction]):
    """The driver.

    Attributes:
        buffer: Where the device puts its bytes.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: EduFunction) -> None:
        super().__init__(site, device)
        self.buffer = site.allocator.allocate(device.plan.length, 64)

    def set_up(self) -> Steps:
        """Wait for a former owner's transfer, then open the gate and start the first transfer."""
        device = self.device
        yield from wait_until(self.kernel, device, lambda: not device.is_transferring, _POLL_NS_MAX)
        device.read_cause()
        self.post("MSI.ENABLE", int(device.wants_messages))
        self.post("PCI.BME", 1)
        self._start_transfer()

    def serve(self) -> None:
        """Start the next transfer."""
        if not self.is_stopping:
            self._start_transfer()

    def _start_transfer(self) -> None:
        length = self.device.plan.length
        self.emit_dma_requested(self.buffer, length)
        self.post("DMA_SOURCE", BUFFER_START)
        self.post("DMA_DESTINATION", self.buffer)
        self.post("DMA_COUNT", length)
        self.post("DMA_COMMAND", DMA_START | DMA_TO_RAM | DMA_WANTS_IRQ)
