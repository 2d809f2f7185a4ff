"""The guest of a VM: its PCI server, its drivers, and the ways in which it stops."""

from typing import Any, NamedTuple, Protocol

from simpy.events import Process

from ..plan.open_questions import SHUTDOWN_HANDLER
from ..plan.system_plan import ShutdownPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Steps
from ..trace.events import GuestEnded
from ..vdev.site import GuestPic
from .device_driver import DeviceDriver
from .pci_server import PciServer
from .site import DriverSite
from .user_back_end_driver import UserBackEndDriver


class VdevDriver(Protocol):
    """The driver of a vdev.

    Attributes:
        name: Of the component.
        site: What it shares with the guest's other drivers.
    """

    name: str
    site: DriverSite

    def run(self) -> Steps:
        """Set the device up and work."""
        ...

    def stop_requests_after_set_up(self) -> None:
        """Make no request beyond those of the set-up."""
        ...

    def shut_down(self) -> Steps:
        """End the work in order."""
        ...


class Drivers(NamedTuple):
    """The drivers of a guest.

    Attributes:
        vdevs: Of its vdevs.
        devices: Of passed-through devices.
        back_ends: Of back ends that have guest memory mapped.
    """

    vdevs: list[VdevDriver]
    devices: list[DeviceDriver[Any]]
    back_ends: list[UserBackEndDriver]


class Guest(Component):
    """The guest operating system; the model has its drivers and its PCI server.

    Args:
        pci: Its PCI server; `None` if it has no PCI bus.
        drivers: Its drivers.
        pic: Its interrupt controller.
        shutdown_handlers: The devices whose drivers are known to stop them, or not to, at an
            orderly shutdown.
        starts: Whether it ever runs.

    The model drops the drivers of a stopped guest, so that equal states compare equal.

    Attributes:
        is_running: Whether the guest still executes instructions.
        has_booted: Whether its drivers have been started.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        pci: PciServer | None,
        drivers: Drivers,
        pic: GuestPic,
        *,
        shutdown_handlers: tuple[ShutdownPlan, ...] = (),
        starts: bool = True,
    ) -> None:
        super().__init__(kernel, f"{vm}.guest", timing)
        self.vm = vm
        self.epoch = epoch
        self.pci = pci
        self.vdev_drivers, self.device_drivers, self.back_end_drivers = drivers
        self.pic = pic
        self.shutdown_handlers = shutdown_handlers
        self.is_running = starts
        self.has_booted = False
        self.threads: list[Process] = []
        self.vdev_threads: list[Process] = []
        self.boot_thread: Process | None = None
        if starts:
            self.boot_thread = self.start(self._boot)
            self.threads.append(self.boot_thread)

    def _boot(self) -> Steps:
        yield self.kernel.delay(self.timing.guest_boot, f"{self.name}.boot")
        self.has_booted = True
        self.vdev_threads = [self.start(driver.run) for driver in self.vdev_drivers]
        self.threads += self.vdev_threads
        self.threads += [self.start(driver.run) for driver in self.device_drivers]
        self.threads += [self.start(driver.run) for driver in self.back_end_drivers]
        if self.pci is not None:
            yield from self.pci.scan()

    def stop(self, manner: str) -> None:
        """Stop all drivers at once, each at the point that it has reached."""
        # Invariant: a stopped guest never runs again.  The process that calls this is not killed;
        # it ends with this call.
        if self.is_running:
            self.is_running = False
            for thread in self.threads:
                if thread is not self.kernel.active_process:
                    self.kernel.kill(thread)
            self._drop_state()
            self.emit(GuestEnded(self.vm, self.epoch, manner))

    def _drop_state(self) -> None:
        self.pci = None
        self.vdev_drivers, self.device_drivers, self.back_end_drivers = [], [], []
        self.threads, self.vdev_threads, self.boot_thread = [], [], None
        self.has_booted = False
        self.pic.drop_handlers()

    def stop_requests(self) -> None:
        """Stop the requests of all drivers; a driver that sets up ends its set-up first."""
        for vdev_driver in self.vdev_drivers:
            vdev_driver.stop_requests_after_set_up()
        for driver in (*self.device_drivers, *self.back_end_drivers):
            driver.stop_requests_after_set_up()

    def shut_down(self) -> Steps:
        """Let every driver end its work in order, then stop; a crash may interrupt this."""
        if self.is_running:
            thread = self.start(self._shut_down)
            self.threads.append(thread)
            yield thread

    def _shut_down(self) -> Steps:
        yield self.kernel.delay(self.timing.guest_shutdown, f"{self.name}.shutdown")
        assert self.boot_thread is not None, "a guest that runs has been started"
        self.kernel.kill(self.boot_thread)
        if self.has_booted:
            stopping = self._vdev_drivers_with_handlers()
            for vdev_driver in stopping:
                yield from vdev_driver.shut_down()
            for device_driver in self.device_drivers:
                if self._has_handler(device_driver.device.name):
                    yield from device_driver.shut_down()
            for back_end_driver in self.back_end_drivers:
                if self._has_handler(back_end_driver.device.name):
                    yield from back_end_driver.shut_down()
        self.stop("shut_down")

    def _vdev_drivers_with_handlers(self) -> list[VdevDriver]:
        """Return the drivers that stop their vdevs; these end their work, the others go on."""
        stopping = []
        for thread, driver in zip(self.vdev_threads, self.vdev_drivers, strict=True):
            vdev = driver.name.removeprefix(f"{self.vm}.").removesuffix(".driver")
            if self._has_handler(vdev):
                self.kernel.kill(thread)
                stopping.append(driver)
        return stopping

    def _has_handler(self, device: str) -> bool:
        """Return whether the driver of a device stops it at an orderly shutdown."""
        for known in self.shutdown_handlers:
            if known.device == device:
                return known.stops
        return self.kernel.choose(SHUTDOWN_HANDLER) == "stops-device"
