"""The CPU interface through which qvm injects interrupts into one VM."""

from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel
from .list_registers import ListRegisters, VirtualIrq


class VirtualInterface(Component):
    """The list registers of the CPU on which a VM runs.

    A VM has one virtual CPU here, and its next instance runs on the same CPU: the worst case for
    what is left in the registers.

    Attributes:
        registers: Their contents.
    """

    def __init__(self, kernel: Kernel, timing: Timing, vm: str) -> None:
        super().__init__(kernel, f"{vm}.vgic", timing)
        self.registers = ListRegisters()

    def inject(self, intid: int, requested_epoch: int, source: str) -> None:
        """Put an interrupt into a list register."""
        self.registers.fill(VirtualIrq(intid, requested_epoch, source))

    def end(self, intid: int) -> None:
        """Note that the guest has ended an interrupt."""
        self.registers.end(intid)

    def leave(self, *, scrubbed: bool) -> None:
        """Let the virtual CPU go for good."""
        self.registers.leave(scrubbed=scrubbed)

    def left_behind(self) -> tuple[VirtualIrq, ...]:
        """Return what a virtual CPU finds when it enters for the first time."""
        return tuple(self.registers.held)
