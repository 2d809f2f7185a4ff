"""How software quiesces an AHCI port.

The order is that of AHCI 1.3.1, 10.1.2 and Linux's libahci (`ahci_stop_engine`, then
`ahci_stop_fis_rx`): command engine first, FIS receive after it, since a command that ends sends a
FIS.  When a wait times out: command list override (`ahci_kick_engine`), then COMRESET (10.4.2),
then HBA reset (10.4.3, `ahci_reset_controller`).  A COMRESET makes the disk send its signature, so
software stops FIS receive only after the link is up again.
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from .ahci import AhciController
from .procedure import Procedure, carry_out_pcie, wait_until

_WRITES = {
    "mask-interrupts": ("PxIE", 0),
    "stop-engine": ("PxCMD.ST", 0),
    "stop-fis-receive": ("PxCMD.FRE", 0),
    "command-list-override": ("PxCMD.CLO", 1),
    "hba-reset": ("GHC.HR", 1),
}


def carry_out(kernel: Kernel, ahci: AhciController, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step in _WRITES:
        register, value = _WRITES[step]
        ahci.port.post(register, value, epoch)
        if step == "mask-interrupts":
            yield from ahci.port.flush()
        return True
    if step == "comreset":
        ahci.port.post("PxSCTL.DET", 1, epoch)
        yield kernel.delay(ahci.timing.ahci_comreset_hold, f"{ahci.name}.comreset")
        ahci.port.post("PxSCTL.DET", 0, epoch)
        return True
    waits = {
        "await-engine": lambda: not ahci.is_engine_running,
        "await-fis-receive": lambda: not ahci.is_fis_running,
        "await-link": lambda: ahci.link_up,
        "await-hba-reset": lambda: ahci.is_reset_done,
    }
    if step in waits:
        return (yield from wait_until(kernel, ahci, waits[step], bound_ns))
    return (yield from carry_out_pcie(kernel, ahci, epoch, step, bound_ns))


PROCEDURE = Procedure(procedures.AHCI, carry_out)
