"""What the guest's drivers for passed-through devices have in common.

A driver sets its device up, keeps it busy from its interrupt handler alone, and at an orderly end
stops it by the documented procedure.  It is one process, so that the death of the guest ends it
where it stands; the device goes on.
"""

from typing import Generic, TypeVar

from ..component import Component
from ..hardware.physical_device import PhysicalDevice
from ..hardware.procedure import Procedure, pursue
from ..kernel import Kernel, Mailbox, Steps
from ..timing import Timing
from ..trace import DmaRequested
from .layout import GuestAllocator

DeviceKind = TypeVar("DeviceKind", bound=PhysicalDevice)


class DeviceDriver(Component, Generic[DeviceKind]):
    """A guest's driver for one device.

    Args:
        vm: Name of the VM; the driver is called `vm.device.driver`.
        epoch: The instance of the VM.
        device: What it drives.
        allocator: Where its rings and buffers come from.

    Attributes:
        interrupts: Injected interrupts of the device.
        handled: What has been served, for qvm to unmask.
        is_stopping: The driver asks for nothing more.
    """

    procedure: Procedure

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        device: DeviceKind,
        allocator: GuestAllocator,
    ) -> None:
        super().__init__(kernel, f"{vm}.{device.name}.driver", timing)
        self.epoch = epoch
        self.device = device
        self.ram = allocator.ram
        self.interrupts: Mailbox[int] = Mailbox(kernel)
        self.handled: Mailbox[int] = Mailbox(kernel)
        self.is_stopping = False

    # What a driver of a kind supplies.

    def set_up(self) -> Steps:
        """Bring the device from whatever state it is in to work."""
        raise NotImplementedError

    def serve(self) -> None:
        """Take what the device has done and give it more to do."""
        raise NotImplementedError

    # What the guest calls.

    def run(self) -> Steps:
        """Set the device up, then serve its interrupts."""
        yield from self.set_up()
        while True:
            while not self.interrupts:
                yield self.interrupts.wait()
            intid = self.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            if self.device.read_cause():
                self.serve()
            yield self.kernel.delay(self.timing.guest_irq_service, f"{self.name}.service")
            self.handled.put(intid)

    def shut_down(self) -> Steps:
        """Stop the device by the documented procedure, as a driver does at its own end."""
        self.is_stopping = True
        yield from pursue(self.kernel, self.device, self.epoch, self.procedure)

    # For the kinds.

    def post(self, register: str, value: int) -> None:
        """Write a register of the device."""
        self.device.port.post(register, value, self.epoch)

    def requested(self, addr: int, length: int) -> None:
        """Note that the device may write a buffer from here on."""
        self.emit(DmaRequested(self.device.name, self.epoch, addr, length))
