"""How qvm stops a back end in another process from using the guest's memory.

- vhost-user: stop the ring with GET_VRING_BASE and await the answer, then close the socket.
- vfio-user: take the memory away with DMA_UNMAP and await the answer.

A back end that does not answer must be killed.  Before that, qvm must not release memory that the
back end has mapped.
"""

from ..base.clock import exactly
from ..hardware.procedure import Procedure
from ..plan.procedures import DocumentedProcedure, Order
from ..sim.kernel import Kernel, Steps
from ..trace.events import StopConfirmed
from .user_back_end import UserBackEnd

STEPS: dict[str, str] = {
    "get-vring-base": "VHOST_USER_GET_VRING_BASE; until it is answered, at most the bound",
    "unmap-memory": "VFIO_USER_DMA_UNMAP of all guest memory; until it is answered, at most the "
    "bound: the answer says that it is used no more",
    "disconnect": "close the socket",
    "await-worker": "until the worker holds no buffer, at most the bound",
}
"""Every step by name, with the message that it is."""

USUAL_BOUNDS: dict[str, int] = {"unmap-memory": 30_000_000_000}
"""Of the steps that wait and are no part of the documented order, in nanoseconds; an assumption."""

DOCUMENTED: Order = (
    ("get-vring-base", 30_000_000_000),
    ("await-worker", 1_000_000_000),
    ("disconnect", 0),
)


def carry_out(kernel: Kernel, back_end: UserBackEnd, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step == "disconnect":
        back_end.disconnect()
        return True
    bound = kernel.delay(exactly(bound_ns), f"{back_end.name}.poll_bound")
    if step == "get-vring-base":
        answer = back_end.start(back_end.stop_ring)
        return (yield kernel.first(answer, bound)) == 0
    if step == "unmap-memory":
        answer = back_end.start(back_end.unmap)
        if (yield kernel.first(answer, bound)) == 1:
            return False
        back_end.emit(StopConfirmed(back_end.name, epoch))
        return True
    assert step == "await-worker", f"no step {step} for {back_end.name}"
    while back_end.is_busy:
        if (yield kernel.first(back_end.changed.wait(), bound)) == 1:
            return False
    back_end.emit(StopConfirmed(back_end.name, epoch))
    return True


PROCEDURE = Procedure(
    DocumentedProcedure(STEPS, DOCUMENTED, "vhost-user protocol, VHOST_USER_GET_VRING_BASE"),
    carry_out,
)
