"""How software quiesces an xHCI controller.

Stop the endpoint (xHCI 1.2, 4.6.9), clear Run/Stop and await HCHalted, then reset.  The
specification promises HCHalted within 16 ms; Linux waits 32 ms (since ca09b1bea63a).  Without
HCHalted the reset is the only step left; it ends transactions at once.
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from . import xhci_rings as rings
from .procedure import Procedure, carry_out_pcie, wait_until, write_queue_entry
from .xhci import Xhci

_WRITES = {
    "mask-interrupts": ("USBCMD.INTE", 0),
    "stop": ("USBCMD.RS", 0),
    "reset": ("USBCMD.HCRST", 1),
}


def carry_out(kernel: Kernel, xhci: Xhci, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step in _WRITES:
        register, value = _WRITES[step]
        xhci.port.post(register, value, epoch)
        if step == "mask-interrupts":
            yield from xhci.port.flush()
        return True
    if step == "stop-endpoint":
        return (yield from _stop_endpoint(kernel, xhci, epoch, bound_ns))
    if step == "await-halted":
        return (yield from wait_until(kernel, xhci, lambda: xhci.is_halted, bound_ns))
    if step == "await-reset":
        return (yield from wait_until(kernel, xhci, lambda: xhci.is_reset_done, bound_ns))
    return (yield from carry_out_pcie(kernel, xhci, epoch, step, bound_ns))


def _stop_endpoint(kernel: Kernel, xhci: Xhci, epoch: int, bound_ns: int) -> Steps:
    """Enter Stop Endpoint into the command ring; gives whether its completion event came."""
    yield from xhci.port.flush()
    ring, events = xhci.command_ring, xhci.events
    if ring is None or events is None or xhci.is_halted:
        # The controller has no ring since its last reset, or carries no command out.  There is no
        # endpoint to stop.
        return True
    if not xhci.run_stop:
        return False
    control = rings.control_of(rings.STOP_ENDPOINT, rings.TARGET) | ring.cycle
    if not write_queue_entry(xhci, epoch, ring.addr, rings.TRB.pack(0, 0, control)):
        return False
    xhci.port.post("DB0", 0, epoch)
    return (yield from wait_until(kernel, xhci, lambda: xhci.endpoint_stopped, bound_ns))


PROCEDURE = Procedure(procedures.XHCI, carry_out)
