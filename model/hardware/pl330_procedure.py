"""How software stops a channel of a PL330.

Linux's dmaengine names the two halves: `terminate_async` issues the stop and may return while
transfers still run, `synchronize` returns when they are over; memory may be freed only after both
(`Documentation/driver-api/dmaengine/client.rst`).  The kill goes through the debug registers, which
take one instruction at a time (Arm PL330 technical reference manual, DDI 0424, 3.3 and 3.5;
vendors' libraries poll 4,000 times).
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from .pl330 import DMAKILL, Pl330
from .procedure import Procedure, carry_out_common, wait_until

_CHANNEL_THREAD = 1


def carry_out(kernel: Kernel, pl330: Pl330, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    port = pl330.port
    match step:
        case "disable-events":
            port.post("INTEN", 0, epoch)
            yield from port.flush()
        case "kill":
            port.post("DBGINST0", DMAKILL << 16 | _CHANNEL_THREAD, epoch)
            port.post("DBGINST1", 0, epoch)
            port.post("DBGCMD", 0, epoch)
        case "clear-events":
            port.post("INTCLR", 1, epoch)
        case "soc-reset":
            port.post("SOC.RESET", 1, epoch)
        case "await-debug-idle":
            return (yield from wait_until(kernel, pl330, lambda: not pl330.debug_busy, bound_ns))
        case "await-stopped":
            return (yield from wait_until(kernel, pl330, lambda: pl330.is_stopped, bound_ns))
        case "await-reset":
            return (yield from wait_until(kernel, pl330, lambda: pl330.is_reset_done, bound_ns))
        case _:
            return (yield from carry_out_common(kernel, pl330, epoch, step, bound_ns))
    return True


PROCEDURE = Procedure(procedures.PL330, carry_out)
