"""How software makes a device quiet that is known only by its rules in words."""

from ..sim.kernel import Kernel, Steps
from .generic_device import PolicyDevice
from .procedure import PCIE_STEPS, Order, Procedure, carry_out_pcie, wait_until

STEPS: dict[str, str] = {
    "mask-interrupts": "the device's own interrupt mask, read back",
    "stop": "its stop request",
    "await-idle": "until it reads as idle, at most the bound",
    "reset": "its reset request",
    "await-reset": "until the reset reads as done, at most the bound",
} | PCIE_STEPS
"""Every step by name; those of PCIe are for a device that is a PCIe function."""

_RESET: Order = (("reset", 0), ("await-reset", 1_000_000_000), ("confirm", 1_000_000))

DOCUMENTED: Order = (
    ("mask-interrupts", 0),
    ("stop", 0),
    ("await-idle", 1_000_000_000),
    *_RESET,
)
"""Stop, wait, reset, see: what fits every device unless its maker says otherwise."""

FALLBACKS: tuple[Order, ...] = (_RESET,)

_WRITES = {"mask-interrupts": ("IRQ.ENABLE", 0), "stop": ("ENABLE", 0), "reset": ("RESET", 1)}


def carry_out(kernel: Kernel, device: PolicyDevice, epoch: int, step: str, bound_ns: int) -> Steps:
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


PROCEDURE = Procedure(STEPS, DOCUMENTED, carry_out, "assumed: stop, wait, reset, see", FALLBACKS)
