"""How software quiesces a generic device."""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from .generic_device import GenericDevice
from .procedure import Procedure, carry_out_pcie, wait_until

_WRITES = {"mask-interrupts": ("IRQ.ENABLE", 0), "stop": ("ENABLE", 0), "reset": ("RESET", 1)}


def carry_out(kernel: Kernel, device: GenericDevice, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step in _WRITES:
        device.port.post(*_WRITES[step], epoch)
        if step == "mask-interrupts":
            yield from device.port.flush()
        return True
    if step == "await-idle":
        return (yield from wait_until(kernel, device, lambda: device.is_idle, bound_ns))
    if step == "await-reset":
        return (yield from wait_until(kernel, device, lambda: device.is_reset_done, bound_ns))
    return (yield from carry_out_pcie(kernel, device, epoch, step, bound_ns))


PROCEDURE = Procedure(procedures.GENERIC, carry_out)
