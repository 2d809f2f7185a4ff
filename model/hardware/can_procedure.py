"""How software quiesces a CAN controller of the M_CAN kind.

As Linux's `m_can_stop`: interrupts off first, then software initialisation.  The bit crosses clock
domains, so software reads it back until it reads 1 (Bosch M_CAN user's manual, CCCR.INIT).  Then
software clears the causes that came meanwhile; otherwise the next owner gets them with its first
unmask.
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from .can import Can
from .procedure import Procedure, carry_out_common, wait_until

_WRITES = {
    "enter-initialization": ("CCCR.INIT", 1),
    "clear-interrupts": ("IR", 1),
    "soc-reset": ("SOC.RESET", 1),
}


def carry_out(kernel: Kernel, can: Can, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step in _WRITES:
        can.port.post(*_WRITES[step], epoch)
        return True
    if step == "disable-interrupts":
        can.port.post("IE", 0, epoch)
        yield from can.port.flush()
        return True
    if step == "empty-buffer":
        for _ in range(can.plan.fifo_size):
            can.port.post("RXF0A", 1, epoch)
        return True
    if step == "await-initialization":
        return (yield from wait_until(kernel, can, lambda: can.is_initialized, bound_ns))
    return (yield from carry_out_common(kernel, can, epoch, step, bound_ns))


PROCEDURE = Procedure(procedures.CAN, carry_out)
