"""The guest's driver for a passed-through e1000-class controller.

It resets the controller, lays a ring of receive buffers into guest memory, and hands each buffer
back as soon as it has been filled.
"""

from ..component import Component
from ..hardware.nic import DESCRIPTOR, DESCRIPTOR_SIZE, STATUS_DONE, Nic
from ..hardware.nic_procedure import DOCUMENTED, carry_out
from ..kernel import Kernel, Mailbox, Steps
from ..timing import Timing
from ..trace import DmaRequested
from .layout import GuestAllocator

_STATUS_BYTE_OFFSET = 12


class NetDriver(Component):
    """The driver.

    Attributes:
        interrupts: Injected interrupts of the controller.
        handled: What has been served, for qvm to unmask.
        next_to_clean: The descriptor that is filled next.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        nic: Nic,
        allocator: GuestAllocator,
    ) -> None:
        super().__init__(kernel, f"{vm}.{nic.name}.driver", timing)
        self.epoch = epoch
        self.nic = nic
        self.ram = allocator.ram
        self.interrupts: Mailbox[int] = Mailbox(kernel)
        self.handled: Mailbox[int] = Mailbox(kernel)
        size, length = nic.plan.ring_size, nic.plan.buffer_length
        self.ring = allocator.allocate(size * DESCRIPTOR_SIZE, 128)
        self.buffers = [allocator.allocate(length, length) for _ in range(size)]
        self.next_to_clean = 0

    def run(self) -> Steps:
        """Set the controller up, then serve its interrupts."""
        yield from self._set_up()
        while True:
            while not self.interrupts:
                yield self.interrupts.wait()
            intid = self.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            if self.nic.read_cause():
                self._clean()
            yield self.kernel.delay(self.timing.guest_irq_service, f"{self.name}.service")
            self.handled.put(intid)

    def shut_down(self) -> Steps:
        """Stop the controller by the documented procedure, as a driver does at its own end."""
        for step, bound_ns in DOCUMENTED:
            yield from carry_out(self.kernel, self.nic, self.epoch, step, bound_ns)

    def _set_up(self) -> Steps:
        port, epoch, size = self.nic.port, self.epoch, self.nic.plan.ring_size
        port.post("CTRL.RST", 1, epoch)
        yield from port.flush()
        for index in range(size):
            self._write_descriptor(index)
        for index in range(size - 1):
            self._request(index)
        port.post("RDBA", self.ring, epoch)
        port.post("RDLEN", size, epoch)
        port.post("RDT", size - 1, epoch)
        port.post("IMS", 1, epoch)
        port.post("RCTL.EN", 1, epoch)
        yield from port.flush()

    def _clean(self) -> None:
        """Take every filled descriptor and give it back to the controller."""
        size = self.nic.plan.ring_size
        cleaned = 0
        while cleaned < size and self._is_done(self.next_to_clean):
            self._write_descriptor(self.next_to_clean)
            # The slot before the one just cleaned was the gap that marks a full ring.
            self._request((self.next_to_clean - 1) % size)
            self.next_to_clean = (self.next_to_clean + 1) % size
            cleaned += 1
        if cleaned:
            self.nic.port.post("RDT", (self.next_to_clean - 1) % size, self.epoch)

    def _is_done(self, index: int) -> bool:
        status = self.ram.read(self.ring + DESCRIPTOR_SIZE * index + _STATUS_BYTE_OFFSET, 1)
        return status[0] & STATUS_DONE == STATUS_DONE

    def _write_descriptor(self, index: int) -> None:
        descriptor = DESCRIPTOR.pack(self.buffers[index], 0, 0, 0, 0, 0)
        self.ram.write(self.ring + DESCRIPTOR_SIZE * index, descriptor)

    def _request(self, index: int) -> None:
        self.emit(
            DmaRequested(
                self.nic.name, self.epoch, self.buffers[index], self.nic.plan.buffer_length
            )
        )
