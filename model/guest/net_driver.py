"""The guest's driver for a passed-through e1000-class controller.

It resets the controller and writes a ring of receive buffers into guest memory.  As soon as a
buffer has been filled, the driver gives it to the controller again.
"""

from ..hardware.nic import DESCRIPTOR, DESCRIPTOR_SIZE, STATUS_DONE, Nic
from ..hardware.nic_procedure import PROCEDURE
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite

_STATUS_BYTE_OFFSET = 12


class NetDriver(DeviceDriver[Nic]):
    """The driver.

    Attributes:
        next_to_clean: The descriptor that the controller fills next.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: Nic) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        size, length = device.plan.ring_size, device.plan.buffer_length
        self.ring = allocator.allocate(size * DESCRIPTOR_SIZE, 128)
        self.buffers = [allocator.allocate(length, length) for _ in range(size)]
        self.next_to_clean = 0

    def set_up(self) -> Steps:
        """Reset the controller, write the ring, and enable receive."""
        size = self.device.plan.ring_size
        self.post("CTRL.RST", 1)
        yield from self.device.port.flush()
        for index in range(size):
            self._write_descriptor(index)
        for index in range(size - 1):
            self._request(index)
        self.emit_dma_requested(self.ring, size * DESCRIPTOR_SIZE)
        if not self.device.wiring.is_wire:
            self.post("MSIX.ENABLE", 1)
            self.post("MSIX.MASKALL", 0)
        self.post("RDBA", self.ring)
        self.post("RDLEN", size)
        self.post("RDT", size - 1)
        self.post("IMS", 1)
        self.post("RCTL.EN", 1)
        yield from self.device.port.flush()

    def serve(self) -> None:
        """Take every filled descriptor and give it back to the controller."""
        size = self.device.plan.ring_size
        cleaned = 0
        while cleaned < size and self._is_done(self.next_to_clean):
            self._write_descriptor(self.next_to_clean)
            # Invariant: one descriptor stays a gap, which distinguishes a full ring from an empty
            # one.  The gap moves to the descriptor just cleaned.
            self._request((self.next_to_clean - 1) % size)
            self.next_to_clean = (self.next_to_clean + 1) % size
            cleaned += 1
        if cleaned:
            self.post("RDT", (self.next_to_clean - 1) % size)

    def _is_done(self, index: int) -> bool:
        status = self.ram.read(self.ring + DESCRIPTOR_SIZE * index + _STATUS_BYTE_OFFSET, 1)
        return status[0] & STATUS_DONE == STATUS_DONE

    def _write_descriptor(self, index: int) -> None:
        descriptor = DESCRIPTOR.pack(self.buffers[index], 0, 0, 0, 0, 0)
        self.ram.write(self.ring + DESCRIPTOR_SIZE * index, descriptor)

    def _request(self, index: int) -> None:
        self.emit_dma_requested(self.buffers[index], self.device.plan.buffer_length)
