"""What a quiesce procedure is: named steps of software, each with the register access that it is.

The steps every PCIe function understands are here; a device's own `*_procedure` module has the
rest.  Register writes are posted: a step that reads a register back shows that they have arrived,
and pushes the device's own writes into memory.

Source:
    Linux `Documentation/PCI/pci.rst` for the order (interrupts, then DMA, then memory); VFIO's
    `vfio_pci_core_disable` clears bus mastering first; PCI Express 6.6.2 for function level reset.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ..clock import exactly
from ..kernel import Kernel, Steps
from ..trace import StopConfirmed
from .physical_device import PhysicalDevice

PCIE_STEPS: dict[str, str] = {
    "mask-messages": "MSI-X function mask, read back",
    "disable-messages": "MSI-X enable off, read back",
    "disable-line": "INTX_DISABLE, read back",
    "clear-bus-master": "bus master enable off",
    "await-transactions": "until Transactions Pending reads 0, at most the bound",
    "function-level-reset": "Initiate Function Level Reset",
    "await-ready": "until the function answers again after its reset, at most the bound",
    "read-back": "read a register: posted writes have arrived, DMA writes have landed",
    "confirm": "see that the device is idle and its writes have landed, at most the bound",
}
"""Every step that any PCIe function understands."""

_WRITES = {
    "mask-messages": ("MSIX.MASKALL", 1),
    "disable-messages": ("MSIX.ENABLE", 0),
    "disable-line": ("PCI.INTX_DISABLE", 1),
    "clear-bus-master": ("PCI.BME", 0),
    "function-level-reset": ("PCI.FLR", 1),
}
_READ_BACK = {"mask-messages", "disable-messages", "disable-line", "read-back"}


class Procedure(NamedTuple):
    """How software makes devices of one kind quiet.

    Attributes:
        steps: Every step by name, with what it does.
        documented: The documented order: step and bound in nanoseconds, 0 for no wait.
        carry_out: Does one step; gives whether it was done, as opposed to timed out.
        source: Where the documented order comes from.
    """

    steps: dict[str, str]
    documented: tuple[tuple[str, int], ...]
    carry_out: Callable[[Kernel, Any, int, str, int], Steps]
    source: str


def carry_out_pcie(
    kernel: Kernel, device: PhysicalDevice, epoch: int, step: str, bound_ns: int
) -> Steps:
    """Do one of the steps that every function understands; gives whether it was done."""
    assert step in PCIE_STEPS, f"no step {step} for {device.name}"
    if step in _WRITES:
        register, value = _WRITES[step]
        device.port.post(register, value, epoch)
    if step in _READ_BACK:
        yield from device.port.flush()
    elif step == "await-transactions":
        return (
            yield from wait_until(kernel, device, lambda: not device.transactions_pending, bound_ns)
        )
    elif step == "await-ready":
        return (yield from wait_until(kernel, device, lambda: device.is_reset_done, bound_ns))
    elif step == "confirm":
        return (yield from confirm(kernel, device, epoch, lambda: device.is_idle, bound_ns))
    return True


def wait_until(
    kernel: Kernel, device: PhysicalDevice, is_so: Callable[[], bool], bound_ns: int
) -> Steps:
    """Poll a register until it reads as wanted; gives whether it did within the bound.

    The first and the last poll are reads of the device, and push its writes ahead of them.
    """
    bound = kernel.delay(exactly(bound_ns), f"{device.name}.poll_bound")
    yield from device.port.flush()
    while not is_so():
        if (yield kernel.first(device.changed.wait(), device.port.moved.wait(), bound)) == 2:
            return False
    yield from device.port.flush()
    return True


def confirm(
    kernel: Kernel,
    device: PhysicalDevice,
    epoch: int,
    is_so: Callable[[], bool],
    bound_ns: int,
) -> Steps:
    """Wait as `wait_until` does, and note that the device was seen to be quiet."""
    if not (yield from wait_until(kernel, device, is_so, bound_ns)):
        return False
    device.emit(StopConfirmed(device.name, epoch))
    return True
