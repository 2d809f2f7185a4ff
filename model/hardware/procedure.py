"""Carries out quiesce procedures: named steps of software, each a register access.

This module carries out the steps of every PCIe function; the `*_procedure` module of a kind of
device carries out the steps of that kind.  The steps and their orders are plain data in
`plan.procedures`.  A wait has a bound; when it is hit, software goes on with the fallbacks, in
order.  Register writes are posted.  A step that reads a register back shows that they have arrived,
and pushes the device's own writes into memory.

Source:
    Linux `Documentation/PCI/pci.rst` for the order (interrupts, then DMA, then memory); VFIO's
    `vfio_pci_core_disable` clears bus mastering first; PCI Express 6.6.2 for function level reset.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..base.clock import exactly
from ..bus.fabric import Port
from ..plan.procedures import COMMON_STEPS, PCIE_STEPS, DocumentedProcedure, Order
from ..sim.kernel import Kernel, Signal, Steps
from ..trace.events import AnyEvent, StopConfirmed
from .edu import EduFunction
from .physical_device import PhysicalDevice

_WRITES = {
    "mask-messages": ("MSIX.MASKALL", 1),
    "disable-messages": ("MSIX.ENABLE", 0),
    "disable-line": ("PCI.INTX_DISABLE", 1),
    "clear-bus-master": ("PCI.BME", 0),
    "function-level-reset": ("PCI.FLR", 1),
}
_READ_BACK = {"mask-messages", "disable-messages", "disable-line"}

AnyDevice = PhysicalDevice | EduFunction
"""The devices that a procedure can be followed on."""


class PolledMaster(Protocol):
    """What a poll needs of a bus master: of a device or of a part of the interrupt controller."""

    name: str
    port: Port
    changed: Signal

    def emit(self, event: AnyEvent) -> int:
        """Append an event of the bus master to the trace."""


class Procedure(NamedTuple):
    """How software quiesces devices of one kind, with the function that carries the steps out.

    Attributes:
        definition: Steps, orders and source.
        carry_out: Does one step; gives whether it was done, as opposed to timed out.
    """

    definition: DocumentedProcedure
    carry_out: Callable[[Kernel, Any, int, str, int], Steps]

    @property
    def steps(self) -> dict[str, str]:
        """Every step by name, with what it does."""
        return self.definition.steps

    @property
    def documented(self) -> Order:
        """The documented order."""
        return self.definition.order

    @property
    def fallbacks(self) -> tuple[Order, ...]:
        """The orders that software follows when a wait of the order before has timed out."""
        return self.definition.fallbacks

    @property
    def source(self) -> str:
        """Where the documented order comes from."""
        return self.definition.source


def follow_with_fallbacks(
    kernel: Kernel, device: object, epoch: int, procedure: Procedure
) -> Steps:
    """Follow a procedure with its fallbacks on a device of its kind.

    Gives the number of the order that was done to its end, 0 being the documented order.  Gives
    None if all timed out: then the device's memory must not be released.
    """
    # Invariant: an order ends at its first step that times out; no later step of it is done.
    for number, order in enumerate((procedure.documented, *procedure.fallbacks)):
        for step, bound_ns in order:
            if not (yield from procedure.carry_out(kernel, device, epoch, step, bound_ns)):
                break
        else:
            return number
    return None


def carry_out_pcie(
    kernel: Kernel, device: PhysicalDevice, epoch: int, step: str, bound_ns: int
) -> Steps:
    """Do a step that every PCIe function understands; gives whether it was done."""
    assert step in PCIE_STEPS, f"no step {step} for {device.name}"
    # Invariant: a write is posted and takes effect later; only a read-back step waits for it.
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
    elif step in COMMON_STEPS:
        return (yield from carry_out_common(kernel, device, epoch, step, bound_ns))
    return True


def carry_out_common(
    kernel: Kernel, device: AnyDevice, epoch: int, step: str, bound_ns: int
) -> Steps:
    """Do a step that every device understands; gives whether it was done."""
    assert step in COMMON_STEPS, f"no step {step} for {device.name}"
    if step == "read-back":
        yield from device.port.flush()
        return True
    return (yield from confirm_idle(kernel, device, epoch, lambda: device.is_idle, bound_ns))


def wait_until(
    kernel: Kernel, device: PolledMaster, is_so: Callable[[], bool], bound_ns: int
) -> Steps:
    """Poll a register until it reads as wanted; gives whether it did within the bound.

    The first and the last poll are reads of the device, and push its writes ahead of them.
    """
    # Invariant: the condition is true after the last flush as well, unless the device changes in
    # it; a stop is confirmed only after writes that were issued before have been pushed out.
    bound = kernel.delay(exactly(bound_ns), f"{device.name}.poll_bound")
    yield from device.port.flush()
    while not is_so():
        if (yield kernel.first(device.changed.wait(), device.port.moved.wait(), bound)) == 2:
            return False
    yield from device.port.flush()
    return True


def confirm_idle(
    kernel: Kernel,
    device: PolledMaster,
    epoch: int,
    is_so: Callable[[], bool],
    bound_ns: int,
) -> Steps:
    """Wait as `wait_until` does, and emit that software has seen the device idle."""
    if not (yield from wait_until(kernel, device, is_so, bound_ns)):
        return False
    device.emit(StopConfirmed(device.name, epoch))
    return True


def write_queue_entry(device: PhysicalDevice, epoch: int, addr: int, entry: bytes) -> bool:
    """Write a queue entry into memory for a device; gives whether the device can read there.

    A vdev does so through its own mapping of the guest's memory.

    Args:
        device: The device that will read it.
        epoch: The epoch that the queue belongs to.
        addr: As the device sees it; the entry does not cross a frame.
        entry: Its bytes.
    """
    fabric = device.port.fabric
    host_addr: int | None = addr
    if fabric.iommu is not None:
        host_addr = fabric.iommu.translate_read(device.name, epoch, addr, len(entry))
    if host_addr is None:
        return False
    fabric.memory.write(host_addr, entry)
    return True
