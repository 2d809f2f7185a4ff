"""How software makes an e1000-class controller quiet: the steps, each with what it waits for.

The documented order is that of Linux's e1000e (`e1000e_down`, `e1000e_disable_pcie_master`):
disable receive, settle, mask interrupts, disable bus mastering, await the idle bit, reset.
Register writes are posted; a step that reads a register back shows that they have arrived, and
pushes the device's own writes into memory.
"""

from ..clock import exactly
from ..kernel import Kernel, Steps
from ..trace import StopConfirmed
from .nic import Nic

STEPS: dict[str, str] = {
    "mask-interrupts": "IMC=~0, read back",
    "disable-receive": "RCTL.EN=0",
    "settle": "wait 10 to 11 ms for a frame half received",
    "disable-bus-master": "CTRL.GIO_MASTER_DISABLE=1",
    "await-idle": "until STATUS.GIO_MASTER_ENABLE reads 0, at most the bound (80 ms in e1000e)",
    "read-back": "read a register: posted writes have arrived, DMA writes have landed",
    "reset": "CTRL.RST=1",
}
"""Every step by name, with the register access that it is."""

DOCUMENTED: tuple[tuple[str, int], ...] = (
    ("disable-receive", 0),
    ("mask-interrupts", 0),
    ("settle", 0),
    ("disable-bus-master", 0),
    ("await-idle", 80_000_000),
    ("reset", 0),
    ("read-back", 0),
)
"""The procedure as e1000e does it: step and bound in nanoseconds."""


def carry_out(kernel: Kernel, nic: Nic, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    port = nic.port
    match step:
        case "mask-interrupts":
            port.post("IMC", 1, epoch)
            yield from port.flush()
        case "disable-receive":
            port.post("RCTL.EN", 0, epoch)
        case "settle":
            yield kernel.delay(nic.timing.nic_settle, f"{nic.name}.settle")
        case "disable-bus-master":
            port.post("CTRL.GIO_MASTER_DISABLE", 1, epoch)
        case "await-idle":
            return (yield from _await_idle(kernel, nic, epoch, bound_ns))
        case "read-back":
            yield from port.flush()
        case "reset":
            port.post("CTRL.RST", 1, epoch)
        case _:
            raise AssertionError(f"no step {step} for a NIC")
    return True


def _await_idle(kernel: Kernel, nic: Nic, epoch: int, bound_ns: int) -> Steps:
    bound = kernel.delay(exactly(bound_ns), f"{nic.name}.await_idle_bound")
    yield from nic.port.flush()
    while not nic.is_master_idle:
        winner = yield kernel.first(nic.changed.wait(), nic.port.moved.wait(), bound)
        if winner == 2:
            return False
    yield from nic.port.flush()
    nic.emit(StopConfirmed(nic.name, epoch))
    return True
