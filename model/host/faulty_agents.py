"""Parts that a system has only if a fault is switched on: agents nobody thought of at teardown."""

from ..component import Component
from ..hardware.nic import Nic
from ..kernel import Kernel, Steps
from ..timing import Timing


class HealthMonitor(Component):
    """A timer of the host that finds a stopped controller and starts it again.

    Seen in drivers whose recovery work was not cancelled before the device was torn down (Linux
    CVE-2024-43866, CVE-2022-48790).
    """

    def __init__(self, kernel: Kernel, timing: Timing, nics: list[Nic]) -> None:
        super().__init__(kernel, "health-monitor", timing)
        self.nics = nics
        self.start(self._look_after)

    def _look_after(self) -> Steps:
        while True:
            yield self.kernel.delay(self.timing.agent_period, f"{self.name}.period")
            for nic in self.nics:
                if nic.ring_size and not nic.receive_enabled:
                    nic.port.post("CTRL.GIO_MASTER_DISABLE", 0, nic.epoch)
                    nic.port.post("PCI.BME", 1, nic.epoch)
                    nic.port.post("RCTL.EN", 1, nic.epoch)
            self.kernel.begin_story()
