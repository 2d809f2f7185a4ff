"""State: the list registers of a CPU, through which a hypervisor gives interrupts to a guest.

A virtual interrupt stands in a list register from its injection until the guest has ended it.  An
interrupt that finds no register waits in qvm.  The registers belong to the CPU: the next virtual
CPU there finds what was left in them.  Software can clear them when a virtual CPU goes for good.

Source:
    Arm GICv3 (IHI 0069), ICH_LR<n>_EL2; Xen bccfbe70a36f for what a register left behind does.
"""

from typing import NamedTuple

REGISTERS = 4
"""As many as a GIC-400 has and most implementations of GICv3 (GICH_VTR, ICH_VTR_EL2)."""


class VirtualIrq(NamedTuple):
    """An interrupt on its way to a guest: its number, the epoch of its request, its source."""

    intid: int
    requested_epoch: int
    source: str


class ListRegisters:
    """The registers of one CPU, and the interrupts that wait for a register.

    Attributes:
        held: Interrupts in a register, oldest first.
        waiting: Interrupts without one, oldest first; this is memory of qvm and goes with it.
    """

    def __init__(self, count: int = REGISTERS) -> None:
        assert count > 0
        self.count = count
        self.held: list[VirtualIrq] = []
        self.waiting: list[VirtualIrq] = []

    def fill(self, irq: VirtualIrq) -> None:
        """Make an interrupt pending; does nothing if it already is."""
        if irq.intid in [other.intid for other in (*self.held, *self.waiting)]:
            return
        (self.held if len(self.held) < self.count else self.waiting).append(irq)

    def end(self, intid: int) -> None:
        """Empty the register of an interrupt that the guest has ended; the next one moves in."""
        # Invariant: interrupts wait only while every register is in use.
        self.held = [irq for irq in self.held if irq.intid != intid]
        while self.waiting and len(self.held) < self.count:
            self.held.append(self.waiting.pop(0))

    def leave(self, *, scrubbed: bool) -> None:
        """Let the virtual CPU go for good; unless scrubbed, the registers keep what they hold."""
        self.waiting.clear()
        if scrubbed:
            self.held.clear()
