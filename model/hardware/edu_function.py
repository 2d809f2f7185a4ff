"""The teaching device as a function that is passed through to a guest: plan, wiring, interrupts.

Source:
    QEMU 7.2, docs/specs/edu.txt.
"""

from ..device_plans import EduPlan
from ..interrupts import LEVEL
from ..kernel import Kernel
from ..timing import Timing
from .edu import Edu
from .physical_device import Wiring


class EduFunction(Edu):
    """An `Edu` with a plan and an owner.

    Attributes:
        is_powered: Whether it does anything at all.
    """

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
        self.is_powered = True

    @property
    def wants_messages(self) -> bool:
        """Whether its driver is to enable MSI."""
        return self.wiring.trigger != LEVEL

    @property
    def is_idle(self) -> bool:
        """Whether no transfer is to come and none is on its way."""
        return not self.is_transferring and self.port.outstanding == 0

    def read_cause(self) -> bool:
        """Read IRQ_STATUS and acknowledge what it says; gives whether it said anything."""
        value = self.registers["IRQ_STATUS"]
        self.write_register("IRQ_ACK", value, self.dma_epoch)
        return bool(value)

    def write_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a register write that has arrived, if there is power."""
        if self.is_powered:
            super().write_register(register, value, epoch)

    def power_off(self) -> None:
        """Be reset with the whole board: nothing of it writes or interrupts any more."""
        self.reset_cancels = self.reset_closes_gate = True
        self.reset()
        self.is_powered = False
        self.port.cut_off()
