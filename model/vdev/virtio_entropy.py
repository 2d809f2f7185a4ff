"""The virtio-entropy vdev: its worker asks the host's random source and waits for it.

The bytes are the same in every run, since no verdict depends on them.

Source:
    VIRTIO 1.2, 5.4.
"""

from typing import Any

from ..plan.virtio_plan import EntropyPlan
from ..sim.kernel import Steps
from ..virtio.device_ids import VirtioDeviceId
from ..virtio.device_registers import DeviceRegisters
from ..virtio.entropy_format import is_entropy_request
from .register_side import offered_by
from .site import VdevSite
from .vdev_queue import VdevQueue
from .virtio_vdev import VirtioVdev

CLASS_CODE = 0x00FF00
"""Other: QNX documents no class for it."""

_BYTES = bytes((37 * place + 11) & 0xFF for place in range(256))


class VirtioEntropy(VirtioVdev):
    """The vdev.

    Args:
        site: What it gets from its qvm.
        plan: What it offers.
    """

    def __init__(self, site: VdevSite, plan: EntropyPlan) -> None:
        registers = DeviceRegisters(VirtioDeviceId.RNG, offered_by(plan), [plan.queue_size])
        super().__init__(site, plan, plan.name, registers, CLASS_CODE)
        self.plan = plan

    def serve_queue(self, queue: VdevQueue) -> Steps:
        """Fill each buffer when the random source has answered."""
        while (chain := self.take(queue)) is not None:
            if not is_entropy_request(chain):
                self.drop(queue)
                self.fail()
                return
            yield self.kernel.delay(self.timing.entropy_req, f"{self.name}.entropy")
            if not self.may_give_back(queue):
                self.drop(queue)
                return
            for addr, length in chain.writable:
                repeats = -(-length // len(_BYTES))
                queue.write(chain, addr, (_BYTES * repeats)[:length])
            self.complete(queue, chain.head_index, chain.writable_length)

    def serve_message(self, message: Any) -> Steps:
        """Never called: the worker itself waits for the random source."""
        raise AssertionError(message)
