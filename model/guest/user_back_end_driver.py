"""The guest's side of a back end in another process: it gives buffers and takes them back."""

from ..component import Component
from ..hardware.procedure import pursue
from ..host.user_back_end import USED_ELEMENT, USED_RING_HEADER, SharedMemory, UserBackEnd
from ..host.user_back_end_procedure import PROCEDURE
from ..kernel import Kernel, Mailbox, Steps
from ..timing import Timing
from .layout import GuestAllocator


class UserBackEndDriver(Component):
    """The driver, and the part of qvm that connects it.

    Attributes:
        interrupts: Calls of the back end.
        handled: What has been served.
        is_stopping: The driver gives no more buffers.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        device: UserBackEnd,
        allocator: GuestAllocator,
    ) -> None:
        super().__init__(kernel, f"{vm}.{device.name}.driver", timing)
        self.epoch = epoch
        self.device = device
        self.ram = allocator.ram
        self.interrupts: Mailbox[int] = Mailbox(kernel)
        self.handled: Mailbox[int] = Mailbox(kernel)
        self.is_stopping = False
        count = device.plan.buffers
        self.used_addr = allocator.allocate(USED_RING_HEADER + USED_ELEMENT * count, 4096)
        self.buffers = [allocator.allocate(device.plan.length, 64) for _ in range(count)]
        self.next_buffer = 0

    def run(self) -> Steps:
        """Connect, give all buffers, and give each again when it has been used."""
        shared = SharedMemory(self.epoch, self.ram, self.used_addr, len(self.buffers))
        self.device.connect(shared, self.interrupts)
        for addr in self.buffers:
            self.device.kick(addr)
        while True:
            while not self.interrupts:
                yield self.interrupts.wait()
            intid = self.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            if not self.is_stopping:
                self.device.kick(self.buffers[self.next_buffer])
                self.next_buffer = (self.next_buffer + 1) % len(self.buffers)
            self.handled.put(intid)

    def shut_down(self) -> Steps:
        """Stop the ring and close the socket, as a virtio reset does."""
        self.is_stopping = True
        yield from pursue(self.kernel, self.device, self.epoch, PROCEDURE)
