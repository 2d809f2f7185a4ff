"""What happens when a host server stops answering: time-out, unblock pulse, and the reaction.

    stall > a message of the VM waits > message-block-timeout > unblock pulse > the server's answer

qvm bounds its messages to host servers, unless its configuration says 0 for the bound.  Then a
message waits as long as the server stalls, and the VM goes on.  When the bound is over the server
gets a pulse that asks it to unblock the sender.  How the server reacts is an open question, and so
is how qvm reacts to the error.  Meanwhile the server's hardware works on the requests it has.

Source:
    QNX 7.0 hypervisor user's guide, set (message-block-timeout); 8.0 vdev API reference,
    qvm_msgblock_oneshot.
"""

from ..base.clock import Span, exactly
from ..host.block_server import BlockServer
from ..plan.open_questions import QVM_AFTER_SERVER_ERROR, SERVER_MONITOR, SERVER_UNBLOCKED
from ..sim.kernel import Steps
from ..trace.events import UnblockPulseSent
from .qvm import Qvm

NO_PART = "a server without a part in this system"


def stall_server(qvm: Qvm, server: BlockServer | None) -> Steps:
    """Stall a server that a VM depends on; gives whether the VM's qvm ends because of it.

    Args:
        qvm: The process whose messages wait.
        server: The server that stalls; None for a server that the model does not contain.
    """
    kernel, timing, bound_ns = qvm.kernel, qvm.timing, qvm.plan.block_timeout_ns
    if server is not None:
        server.stall()
    if bound_ns == 0:
        return False
    timeout = timing.message_block_timeout if bound_ns is None else exactly(bound_ns)
    if server is not None and not (yield from _receives_message(qvm, server, timeout)):
        return False
    yield kernel.delay(timeout, f"{qvm.name}.message_block_timeout")
    if qvm.has_exited:
        return False
    name = NO_PART if server is None else server.name
    qvm.emit(UnblockPulseSent(qvm.name, qvm.epoch, name))
    yield kernel.delay(timing.ctx_switch, f"{qvm.name}.unblock_pulse")
    answer = kernel.choose(SERVER_UNBLOCKED)
    if answer == "ignores":
        if kernel.choose(SERVER_MONITOR) == "absent":
            return False
        if server is not None:
            yield from server.die()
    elif server is not None:
        server.abandon(qvm.epoch, in_hardware=answer == "replies-at-once")
        server.recover()
    return kernel.choose(QVM_AFTER_SERVER_ERROR) == "terminates"


def _receives_message(qvm: Qvm, server: BlockServer, span: Span) -> Steps:
    """Wait for a message of the VM, at most a span; gives whether there is a message."""
    # Invariant: a VM that sends the stalled server no message does not notice the stall.
    bound = qvm.kernel.delay(span, f"{qvm.name}.next_message")
    while not server.outstanding_of(qvm.epoch):
        if (yield qvm.kernel.first(server.settled.wait(), bound)) == 1:
            return False
    return True
