"""What the guest's drivers for passed-through devices have in common.

A driver sets its device up, gives it work from its interrupt handler alone, and at an orderly end
stops it by the documented procedure.  It is one process, so the death of the guest ends it at any
point; the device goes on.
"""

from typing import Generic, NamedTuple, TypeVar

from ..hardware.edu import EduFunction
from ..hardware.physical_device import PhysicalDevice
from ..hardware.procedure import Procedure, follow_with_fallbacks
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Steps
from ..trace.events import DmaRequested
from .layout import GuestAllocator


class GuestSite(NamedTuple):
    """The surroundings of a driver in its guest.

    Attributes:
        vm: Name of the VM.
        epoch: The instance of it.
        allocator: Where rings and buffers come from.
    """

    kernel: Kernel
    timing: Timing
    vm: str
    epoch: int
    allocator: GuestAllocator


Driven = TypeVar("Driven", bound=Component)
PassedDevice = TypeVar("PassedDevice", bound=PhysicalDevice | EduFunction)


class GuestDriver(Component, Generic[Driven]):
    """A guest's driver for a device or a back end that is no vdev of qvm.

    Args:
        site: Its surroundings in the guest.
        device: The device; the driver is called `vm.device.driver`.

    Attributes:
        interrupts: Interrupts that qvm has injected for it.
        handled: Interrupts that it has served, for qvm to unmask.
        is_stopping: The driver makes no further request.
        is_set_up: It has set its device up.
    """

    procedure: Procedure

    def __init__(self, site: GuestSite, device: Driven) -> None:
        super().__init__(site.kernel, f"{site.vm}.{device.name}.driver", site.timing)
        self.epoch = site.epoch
        self.device = device
        self.ram = site.allocator.ram
        self.interrupts: Mailbox[int] = Mailbox(site.kernel)
        self.handled: Mailbox[int] = Mailbox(site.kernel)
        self.is_stopping = False
        self.is_set_up = False

    def run(self) -> Steps:
        """Set up, then work for ever."""
        raise NotImplementedError

    def stop_requests_after_set_up(self) -> None:
        """Make no further request if the device is set up; a set-up runs to its end."""
        self.is_stopping |= self.is_set_up

    def shut_down(self) -> Steps:
        """Stop the device by the documented procedure, as a driver does at its own end."""
        self.is_stopping = True
        yield from follow_with_fallbacks(self.kernel, self.device, self.epoch, self.procedure)


class DeviceDriver(GuestDriver[PassedDevice]):
    """A guest's driver for one passed-through device."""

    # What a driver of a kind supplies.

    def set_up(self) -> Steps:
        """Bring the device from any state to work."""
        raise NotImplementedError

    def serve(self) -> None:
        """Take the results of the device and give it further work."""
        raise NotImplementedError

    # What the guest calls.

    def run(self) -> Steps:
        """Set the device up, then serve its interrupts."""
        yield from self.set_up()
        self.is_set_up, self.is_stopping = True, self.is_alone
        while True:
            while not self.interrupts:
                yield self.interrupts.wait()
            intid = self.interrupts.take()
            yield self.kernel.delay(self.timing.irq_to_guest, f"{self.name}.irq")
            # Invariant: the cause is read before the device is served, so an interrupt during the
            # service sets the cause again.
            if self.device.read_cause():
                self.serve()
            yield self.kernel.delay(self.timing.guest_irq_service, f"{self.name}.service")
            self.handled.put(intid)

    # For the kinds.

    def post(self, register: str, value: int) -> None:
        """Write a register of the device."""
        self.device.port.post(register, value, self.epoch)

    def emit_dma_requested(self, addr: int, length: int) -> None:
        """Emit that the device may write memory from here on: a buffer, a ring, a status area."""
        self.emit(DmaRequested(self.device.name, self.epoch, addr, length))
