"""How software quiesces an NVMe controller.

The order is that of the base specification 2.0, 3.6.1 (delete I/O queues, then shutdown
notification), and of Linux's `nvme_dev_disable`: delete queues, shut down, clear CC.EN, and fence
with bus mastering before a request is cancelled or memory is freed.  A hung command keeps the
queues for ever.  So the first fallback leaves the queues and is an abrupt shutdown and CC.EN; the
second is a function level reset.

A controller that is not ready has no queues to delete and needs no shutdown; Linux asks first
(`nvme_pci_ctrl_is_dead`) and goes on to the fence.  So it is after a guest that shut down in order.

A vdev that does this after its guest's death enters the delete commands into the guest's own admin
queue.  It knows the queue's address and tail, for it saw the writes of registers and doorbells.
"""

from ..plan import procedures
from ..sim.kernel import Kernel, Steps
from . import nvme_queues as queues
from .nvme import ABRUPT_SHUTDOWN, NORMAL_SHUTDOWN, SHUTDOWN_COMPLETE, Nvme
from .nvme_queues import SUBMISSION_SIZE, NvmeCommand
from .procedure import Procedure, carry_out_pcie, wait_until, write_queue_entry

_WRITES = {
    "shutdown": ("CC.SHN", NORMAL_SHUTDOWN),
    "abrupt-shutdown": ("CC.SHN", ABRUPT_SHUTDOWN),
    "disable": ("CC.EN", 0),
}
_DELETES = {
    "delete-submission-queue": queues.ADMIN_DELETE_SQ,
    "delete-completion-queue": queues.ADMIN_DELETE_CQ,
}
_IDENTIFIER = 0xD000


def carry_out(kernel: Kernel, nvme: Nvme, epoch: int, step: str, bound_ns: int) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out or refused."""
    if step in _WRITES:
        register, value = _WRITES[step]
        nvme.port.post(register, value, epoch)
        return True
    if step == "mask-interrupts":
        is_level = nvme.wiring.is_wire
        nvme.port.post(*(("INTMS", 1) if is_level else ("MSIX.MASKALL", 1)), epoch)
        yield from nvme.port.flush()
        return True
    if step in _DELETES:
        return (yield from _delete(kernel, nvme, epoch, _DELETES[step], bound_ns))
    if step == "await-shutdown":
        return (
            yield from wait_until(
                kernel,
                nvme,
                lambda: nvme.shutdown == SHUTDOWN_COMPLETE or not nvme.is_ready,
                bound_ns,
            )
        )
    if step == "await-disabled":
        return (yield from wait_until(kernel, nvme, lambda: not nvme.is_ready, bound_ns))
    return (yield from carry_out_pcie(kernel, nvme, epoch, step, bound_ns))


def _delete(kernel: Kernel, nvme: Nvme, epoch: int, opcode: int, bound_ns: int) -> Steps:
    """Enter a delete command for queue 1 and wait for the answer; gives whether it succeeded."""
    yield from nvme.port.flush()
    if not nvme.is_ready:
        return True
    admin = nvme.submission.get(0)
    if admin is None or not nvme.is_working:
        return False
    command = NvmeCommand(opcode, _IDENTIFIER | opcode, dword10=1)
    if not write_queue_entry(
        nvme, epoch, admin.base + SUBMISSION_SIZE * admin.tail, command.to_bytes()
    ):
        return False
    nvme.port.post("SQ0TDBL", (admin.tail + 1) % admin.size, epoch)
    if not (yield from wait_until(kernel, nvme, lambda: nvme.is_admin_idle, bound_ns)):
        return False
    # A delete command for a queue that was never created ends with "invalid queue identifier",
    # which means the same: there is no queue.
    return nvme.last_status in {queues.STATUS_SUCCESS, queues.STATUS_INVALID_QUEUE_ID}


PROCEDURE = Procedure(procedures.NVME, carry_out)
