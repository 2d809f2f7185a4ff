"""Parts that a system has only with a fault: agents that the teardown does not stop."""

from ..hardware.physical_device import PhysicalDevice
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Steps
from ..sim.outside import Withheld


class HealthMonitor(Component):
    """A timer of the host that finds a stopped device and starts it again.

    Seen in drivers whose recovery work was not cancelled before the device was torn down (Linux
    CVE-2024-43866, CVE-2022-48790).
    """

    def __init__(self, kernel: Kernel, timing: Timing, devices: list[PhysicalDevice]) -> None:
        super().__init__(kernel, "health-monitor", timing)
        self.devices = devices
        self.thread = self.start(self._look_after)
        kernel.outside.add(self.thread, f"{self.name}.period", self._withheld)

    def stop_threads(self) -> None:
        """Stop the timer, as at the end of the host."""
        self.kernel.kill(self.thread)

    def _withheld(self) -> Withheld | None:
        """Return for which epoch the next check would restart a device; None for no device."""
        stuck = next((device for device in self.devices if device.looks_stuck), None)
        if stuck is None:
            return None
        return Withheld(stuck.name, stuck.epoch, "both", f"the next look of {self.name}")

    def _look_after(self) -> Steps:
        while not self.is_alone:
            yield self.kernel.delay(self.timing.agent_period, f"{self.name}.period")
            for device in self.devices:
                if device.looks_stuck:
                    for register, value in device.restart_writes:
                        device.port.post(register, value, device.epoch)
            self.kernel.begin_story()
