"""The guest of a VM: its drivers, and the ways in which it stops."""

from simpy.events import Process

from ..component import Component
from ..kernel import Kernel, Steps
from ..timing import Timing
from ..trace import GuestEnded
from .block_driver import BlockDriver
from .net_driver import NetDriver


class Guest(Component):
    """The guest operating system as far as it matters here: the sum of its drivers.

    Attributes:
        is_running: Whether any instruction of it is still executed.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        block_drivers: list[BlockDriver],
        net_drivers: list[NetDriver],
    ) -> None:
        super().__init__(kernel, f"{vm}.guest", timing)
        self.vm = vm
        self.epoch = epoch
        self.block_drivers = block_drivers
        self.net_drivers = net_drivers
        self.is_running = True
        self.threads: list[Process] = []
        self.boot_thread = self.start(self._boot)

    def _boot(self) -> Steps:
        yield self.kernel.delay(self.timing.guest_boot, f"{self.name}.boot")
        for block_driver in self.block_drivers:
            self.threads.append(self.start(block_driver.run))
        for net_driver in self.net_drivers:
            self.threads.append(self.start(net_driver.run))

    def stop(self, manner: str) -> None:
        """Execute no further instruction, wherever each driver stands."""
        if self.is_running:
            self.is_running = False
            for thread in (self.boot_thread, *self.threads):
                self.kernel.kill(thread)
            self.emit(GuestEnded(self.vm, self.epoch, manner))

    def shut_down(self) -> Steps:
        """Let every driver end its work in order, then stop."""
        yield self.kernel.delay(self.timing.guest_shutdown, f"{self.name}.shutdown")
        self.kernel.kill(self.boot_thread)
        if self.threads:
            for thread in self.threads[: len(self.block_drivers)]:
                self.kernel.kill(thread)
            for driver in self.block_drivers:
                yield from driver.shut_down()
            for net_driver in self.net_drivers:
                yield from net_driver.shut_down()
        self.stop("shut_down")
