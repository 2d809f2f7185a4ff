"""Parts that a system has only if a fault is switched on: agents nobody thought of at teardown."""

from ..component import Component
from ..dma_engine import DmaEngine
from ..fabric import Port
from ..hardware.nic import Nic
from ..kernel import Kernel, Mailbox, Steps
from ..timing import Timing
from ..trace import DmaRequested

PENDING_TABLE_LENGTH = 64
_PENDING = b"\xff" * 8


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


class PendingTableWriter(Component):
    """The interrupt controller as a bus master: it keeps its pending table in guest RAM.

    Once its tables are enabled a redistributor writes them until the machine is reset (Linux
    "Booted with LPIs enabled, memory probably corrupted"; FreeBSD D40902).
    """

    def __init__(self, kernel: Kernel, timing: Timing, port: Port) -> None:
        super().__init__(kernel, "gicr", timing)
        self.engine = DmaEngine(kernel, timing, port)
        self.tables: Mailbox[tuple[int, int]] = Mailbox(kernel)
        self.start(self._write)

    def use_table(self, epoch: int, addr: int) -> None:
        """Write this table from now on; only the first one is taken, as in hardware."""
        self.emit(DmaRequested(self.name, epoch, addr, PENDING_TABLE_LENGTH))
        self.tables.put((epoch, addr))

    def _write(self) -> Steps:
        while not self.tables:
            yield self.tables.wait()
        epoch, addr = self.tables.take()
        while True:
            yield self.kernel.delay(self.timing.agent_period, f"{self.name}.period")
            yield from self.engine.write(epoch, addr, _PENDING, "completion")
