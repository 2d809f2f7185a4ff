"""How software quiesces the teaching device.

Software cannot cancel a transfer: the command register takes no writes while bit 0 reads 1.  A
closed bus-master gate drops the transfer, but the next owner opens the gate again.  So software
waits for the timer as well.

Source:
    QEMU 7.2, docs/specs/edu.txt: DMA command, bit 0, and interrupt acknowledge; the order follows.
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from .edu import EduFunction
from .procedure import Procedure, carry_out_common, wait_until


def carry_out(kernel: Kernel, edu: EduFunction, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step == "clear-bus-master":
        edu.port.post("PCI.BME", 0, epoch)
    elif step == "await-transfer":
        return (yield from wait_until(kernel, edu, lambda: not edu.is_transferring, bound_ns))
    elif step == "acknowledge":
        yield from edu.port.flush()
        edu.read_cause()
    else:
        return (yield from carry_out_common(kernel, edu, epoch, step, bound_ns))
    return True


PROCEDURE = Procedure(procedures.EDU, carry_out)
