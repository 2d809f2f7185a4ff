"""The guest's driver for a passed-through CAN controller: it takes frames and keeps none."""

from ..hardware.can import Can
from ..hardware.can_procedure import PROCEDURE
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite


class CanDriver(DeviceDriver[Can]):
    """The driver.

    Attributes:
        has_foreign_frame: It got a frame that the controller had received for a former owner.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: Can) -> None:
        super().__init__(site, device)
        self.has_foreign_frame = False

    def set_up(self) -> Steps:
        """Reset the controller, enable its interrupts, and join the bus."""
        self.post("SOC.RESET", 1)
        self.post("IE", 1)
        self.post("CCCR.INIT", 0)
        yield from self.device.port.flush()

    def serve(self) -> None:
        """Take every frame."""
        while (epoch := self.device.take_frame()) is not None:
            self.has_foreign_frame |= epoch != self.epoch
