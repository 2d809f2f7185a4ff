"""The guest's driver for a passed-through PL330: one channel that fills a block again and again.

The driver writes the program into guest memory in the controller's own instructions.  For each
burst of the block it waits for the peripheral, loads and stores.  A barrier and an event end the
block, and the program starts again, without end.
"""

from ..hardware.pl330 import (
    DAR,
    DMAGO,
    DMAKILL,
    DMALD,
    DMALP,
    DMALPEND,
    DMALPFE,
    DMAMOV,
    DMASEV,
    DMAST,
    DMAWFP,
    DMAWMB,
    Pl330,
)
from ..hardware.pl330_procedure import PROCEDURE
from ..hardware.procedure import wait_until
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite

PROGRAM_LENGTH = 64
_POLL_NS_MAX = 100_000_000


class Pl330Driver(DeviceDriver[Pl330]):
    """The driver.

    Attributes:
        program_addr, block_addr: Where program and data lie, as the device sees it.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: Pl330) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        plan = device.plan
        self.program_addr = allocator.allocate(PROGRAM_LENGTH, PROGRAM_LENGTH)
        self.block_addr = allocator.allocate(plan.burst_length * plan.bursts, 4096)

    def set_up(self) -> Steps:
        """Kill the program that runs in the channel, then start the own program."""
        device = self.device
        self.post("DBGINST0", DMAKILL << 16 | 1)
        self.post("DBGCMD", 0)
        yield from self._until_stopped()
        self.post("INTCLR", 1)
        self.post("INTEN", 1)
        self.ram.write(self.program_addr, self._program())
        self.emit_dma_requested(self.block_addr, device.plan.burst_length * device.plan.bursts)
        self.post("DBGINST0", DMAGO << 16)
        self.post("DBGINST1", self.program_addr)
        self.post("DBGCMD", 0)
        yield from device.port.flush()

    def serve(self) -> None:
        """Take the block; reading the event has cleared it, and the channel works on the next."""

    def _until_stopped(self) -> Steps:
        device = self.device
        yield from wait_until(
            self.kernel,
            device,
            lambda: device.is_stopped and not device.debug_busy,
            _POLL_NS_MAX,
        )

    def _program(self) -> bytes:
        bursts = self.device.plan.bursts
        body = bytes([DMAWFP, 0, DMALD, DMAST])
        block = (
            bytes([DMAMOV, DAR])
            + self.block_addr.to_bytes(4, "little")
            + bytes([DMALP, bursts - 1])
            + body
            + bytes([DMALPEND, len(body)])
            + bytes([DMAWMB, DMASEV, 0])
        )
        return block + bytes([DMALPFE, len(block)])
