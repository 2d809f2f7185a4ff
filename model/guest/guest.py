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
        has_booted: Whether its drivers have been started.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        vm: str,
        epoch: int,
        block_drivers: list[BlockDriver],
        net_drivers: list[NetDriver],
        *,
        starts: bool = True,
    ) -> None:
        super().__init__(kernel, f"{vm}.guest", timing)
        self.vm = vm
        self.epoch = epoch
        self.block_drivers = block_drivers
        self.net_drivers = net_drivers
        self.is_running = starts
        self.has_booted = False
        self.threads: list[Process] = []
        self.block_threads: list[Process] = []
        if starts:
            self.boot_thread = self.start(self._boot)
            self.threads.append(self.boot_thread)

    def _boot(self) -> Steps:
        yield self.kernel.delay(self.timing.guest_boot, f"{self.name}.boot")
        self.has_booted = True
        self.block_threads = [self.start(driver.run) for driver in self.block_drivers]
        self.threads += self.block_threads
        self.threads += [self.start(driver.run) for driver in self.net_drivers]

    def stop(self, manner: str) -> None:
        """Execute no further instruction, wherever each driver stands."""
        if self.is_running:
            self.is_running = False
            for thread in self.threads:
                if thread is not self.kernel.active_process:
                    self.kernel.kill(thread)
            self.emit(GuestEnded(self.vm, self.epoch, manner))

    def shut_down(self) -> Steps:
        """Let every driver end its work in order, then stop; a crash may come in between."""
        if self.is_running:
            thread = self.start(self._shut_down)
            self.threads.append(thread)
            yield thread

    def _shut_down(self) -> Steps:
        yield self.kernel.delay(self.timing.guest_shutdown, f"{self.name}.shutdown")
        if self.has_booted:
            for thread in self.block_threads:
                self.kernel.kill(thread)
            for block_driver in self.block_drivers:
                yield from block_driver.shut_down()
            for net_driver in self.net_drivers:
                yield from net_driver.shut_down()
        else:
            self.kernel.kill(self.boot_thread)
        self.stop("shut_down")
