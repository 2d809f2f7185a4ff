"""How software quiesces an e1000-class controller.

The documented order is that of Linux's e1000e (`e1000e_down`, `e1000e_disable_pcie_master`):
disable receive, settle, mask interrupts, disable bus mastering, await the idle bit, reset.
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from .nic import Nic
from .procedure import Procedure, carry_out_pcie, confirm_idle

_WRITES = {
    "mask-interrupts": ("IMC", 1),
    "disable-receive": ("RCTL.EN", 0),
    "disable-bus-master": ("CTRL.GIO_MASTER_DISABLE", 1),
    "reset": ("CTRL.RST", 1),
}


def carry_out(kernel: Kernel, nic: Nic, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step in _WRITES:
        register, value = _WRITES[step]
        nic.port.post(register, value, epoch)
        if step == "mask-interrupts":
            yield from nic.port.flush()
        return True
    if step == "clear-cause":
        yield from nic.port.flush()
        nic.read_cause()
        return True
    if step == "settle":
        yield kernel.delay(nic.timing.nic_settle, f"{nic.name}.settle")
        return True
    if step == "await-idle":
        return (yield from confirm_idle(kernel, nic, epoch, lambda: nic.is_master_idle, bound_ns))
    return (yield from carry_out_pcie(kernel, nic, epoch, step, bound_ns))


PROCEDURE = Procedure(procedures.NIC, carry_out)
