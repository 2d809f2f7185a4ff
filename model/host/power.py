"""The end of the whole host: kernel shutdown, then the board's reboot callout.

- No VM gets a message, no callback runs, and no resource is released in order.
- Until the callout other processors may go on, guests included.
- At the callout all VMs lose their memory at once.  Only the devices can still act.
- Whether the callout resets the devices depends on the board, and what a reset does depends on the
  device.  A device that ignores its reset goes on, and the trace has no confirmed stop of it.

Source:
    QNX 8.0 and 7.1 hypervisor user's guides, dss.
"""

from typing import Protocol

from ..plan.open_questions import OTHER_CPUS, REBOOT_CALLOUT
from ..plan.termination import TerminationCause
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Steps
from ..trace.events import HostReset, HostShutdownBegun


class Powered(Protocol):
    """A VM instance as the power sees it."""

    def begin_host_shutdown(self, cause: TerminationCause) -> None:
        """Record that its end has begun."""

    def stop_executing(self) -> None:
        """Execute no further instruction."""

    def release_at_host_reset(self, stopped: list[str]) -> None:
        """Release all that it owns; `stopped` are the devices that write no more."""


class Stoppable(Protocol):
    """A process of the host that has threads."""

    def stop_threads(self) -> None:
        """Stop its threads."""


class Resettable(Protocol):
    """Hardware that a reset of the board reaches.

    Attributes:
        name: Of the bus master.
    """

    name: str

    def power_off(self) -> bool:
        """Take the reset; gives whether it writes no memory from here on."""


class Power(Component):
    """The shutdown of the host kernel and the reset of the board.

    Attributes:
        vms: The VM instances that run.
        processes: The host's processes that go down with it.
        devices: The hardware.
        is_down: Whether the reboot callout has been reached.
    """

    def __init__(self, kernel: Kernel, timing: Timing) -> None:
        super().__init__(kernel, "bsp", timing)
        self.vms: list[Powered] = []
        self.processes: list[Stoppable] = []
        self.devices: list[Resettable] = []
        self.is_down = False
        self.is_going_down = False

    def connect(self, vm: Powered) -> None:
        """Add a VM instance that begins."""
        self.vms.append(vm)

    def disconnect(self, vm: Powered) -> None:
        """Remove a VM instance that has ended."""
        self.vms.remove(vm)

    def shut_down(self, cause: TerminationCause) -> Steps:
        """Bring the host down; a second cause changes nothing."""
        if self.is_going_down:
            return
        self.is_going_down = True
        self.emit(HostShutdownBegun(cause.name))
        for vm in self.vms:
            vm.begin_host_shutdown(cause)
        if self.kernel.choose(OTHER_CPUS) == "stop-at-once":
            self._stop_processors()
        yield self.kernel.delay(self.timing.host_shutdown, f"{self.name}.shutdown")
        # Invariant: no processor executes an instruction after the callout, so devices are the only
        # writers from here on.
        self._stop_processors()
        resets = self.kernel.choose(REBOOT_CALLOUT) == "resets-peripherals"
        self.emit(HostReset(resets))
        stopped = [one.name for one in self.devices if one.power_off()] if resets else []
        # Invariant: the devices are reset before the VMs lose their memory, both at this instant.
        self.is_down = True
        for vm in list(self.vms):
            vm.release_at_host_reset(stopped)
        self.vms.clear()

    def _stop_processors(self) -> None:
        for vm in self.vms:
            vm.stop_executing()
        for process in self.processes:
            process.stop_threads()
