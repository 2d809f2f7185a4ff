"""The teaching device as a function that is passed through to a guest: plan, wiring, interrupts.

Source:
    QEMU 7.2, docs/specs/edu.txt.
"""

from ..interrupts.interrupt_controller import LEVEL
from ..plan.device_plans import EduPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel
from .edu import Edu
from .physical_device import Wiring


class EduFunction(Edu):
    """An `Edu` with a plan and an owner."""

    def __init__(self, kernel: Kernel, timing: Timing, plan: EduPlan, wiring: Wiring) -> None:
        super().__init__(
            kernel,
            timing,
            wiring.port,
            wiring.interrupts,
            wiring.intid,
            dma_delay=plan.dma_delay,
            dma_mask=plan.dma_mask,
        )
        self.plan = plan
        self.wiring = wiring

    @property
    def wants_messages(self) -> bool:
        """Whether its driver is to enable MSI."""
        return self.wiring.trigger != LEVEL

    @property
    def is_idle(self) -> bool:
        """Whether no transfer waits for its timer and none is on its way."""
        return not self.is_transferring and self.port.outstanding == 0

    def read_cause(self) -> bool:
        """Read IRQ_STATUS and acknowledge its bits; gives whether a bit was set."""
        value = self.registers["IRQ_STATUS"]
        self.write_register("IRQ_ACK", value, self.dma_epoch)
        return bool(value)

    def power_off(self) -> bool:
        """Take the reset of the whole board; gives whether it writes no memory from here on.

        Its timer does not notice the reset, and its gate stays open: the commanded transfer comes
        (observed on QEMU 7.2).
        """
        self.port.lose_posted()
        self.reset()
        if self.is_transferring and self.engine.bus_master:
            return False
        self.port.cut_off()
        return True
