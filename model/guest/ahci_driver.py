"""The guest's driver for a passed-through AHCI controller with one disk.

Command list, FIS receive area, command tables and buffers lie in guest memory.  As many requests
as the plan's depth are in flight, each in a slot of its own.  When a request has ended, the driver
issues the next.
"""

from ..hardware.ahci import (
    FIS_AREA_SIZE,
    HEADER,
    HEADER_SIZE,
    PRD,
    TABLE_PRDT_OFFSET,
    WRITE_FLAG,
    AhciController,
)
from ..hardware.ahci_procedure import PROCEDURE
from ..hardware.procedure import wait_until
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite

SLOTS = 32
PIECE_LENGTH = 4096
_READ_DMA_EXT = 0x25
_WRITE_DMA_EXT = 0x35
_COMMAND_FIS = bytes([0x27, 0x80])
_FIS_DWORDS = 5
_RESET_NS_MAX = 1_000_000_000
_LINK_NS_MAX = 10_000_000_000


class AhciDriver(DeviceDriver[AhciController]):
    """The driver.

    Attributes:
        list_addr, fis_addr: Guest addresses of the two areas of the port.
        tables, buffers: One of each for every slot in use.
        in_flight: Slots that the driver has issued.
        remaining: Requests that the driver has yet to issue; 0 at the start means without end.
        until_own_registers: Requests up to the one into the controller's registers; 0 for none.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: AhciController) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        plan = device.plan
        self.list_addr = allocator.allocate(SLOTS * HEADER_SIZE, 1024)
        self.fis_addr = allocator.allocate(FIS_AREA_SIZE, FIS_AREA_SIZE)
        pieces = -(-plan.length // PIECE_LENGTH)
        table_length = TABLE_PRDT_OFFSET + PRD.size * pieces
        self.tables = [allocator.allocate(table_length, 128) for _ in range(plan.depth)]
        self.buffers = [allocator.allocate(plan.length, PIECE_LENGTH) for _ in range(plan.depth)]
        self.in_flight: list[int] = []
        self.remaining = plan.requests
        self.until_own_registers = plan.own_registers_at

    def set_up(self) -> Steps:
        """Reset the controller, program its areas, start it and issue the first requests.

        The driver starts the engine when a disk is there (AHCI 1.3.1, 10.3.1).
        """
        self.post("PCI.BME", 1)
        self.post("GHC.HR", 1)
        yield from self.device.port.flush()
        yield from wait_until(
            self.kernel, self.device, lambda: self.device.is_reset_done, _RESET_NS_MAX
        )
        self.emit_dma_requested(self.list_addr, SLOTS * HEADER_SIZE)
        self.emit_dma_requested(self.fis_addr, FIS_AREA_SIZE)
        self.post("PxCLB", self.list_addr)
        self.post("PxFB", self.fis_addr)
        self.post("PxCMD.FRE", 1)
        self.post("PxIE", 1)
        yield from wait_until(self.kernel, self.device, lambda: self.device.link_up, _LINK_NS_MAX)
        self.post("PxCMD.ST", 1)
        yield from self.device.port.flush()
        for slot in range(self.device.plan.depth):
            self._issue(slot)

    def serve(self) -> None:
        """Take the finished slots and use them again."""
        for slot in self.device.acknowledge():
            if slot in self.in_flight:
                self.in_flight.remove(slot)
                self._issue(slot)

    def _issue(self, slot: int) -> None:
        plan = self.device.plan
        if self.is_stopping or (plan.requests and not self.remaining):
            return
        self.remaining = max(0, self.remaining - 1)
        pieces = [
            (self.buffers[slot] + start, min(PIECE_LENGTH, plan.length - start))
            for start in range(0, plan.length, PIECE_LENGTH)
        ]
        if self._targets_own_registers():
            pieces[0] = (self.device.registers_at, pieces[0][1])
        is_write = plan.operation == "write"
        command = _WRITE_DMA_EXT if is_write else _READ_DMA_EXT
        self.ram.write(self.tables[slot], _COMMAND_FIS + bytes([command]))
        table = b"".join(PRD.pack(addr, 0, length - 1) for addr, length in pieces)
        self.ram.write(self.tables[slot] + TABLE_PRDT_OFFSET, table)
        flags = _FIS_DWORDS | (WRITE_FLAG if is_write else 0) | len(pieces) << 16
        header = HEADER.pack(flags, 0, self.tables[slot])
        self.ram.write(self.list_addr + HEADER_SIZE * slot, header)
        if not is_write:
            for addr, length in pieces:
                self.emit_dma_requested(addr, length)
        self.in_flight.append(slot)
        self.post("PxCI", slot)

    def _targets_own_registers(self) -> bool:
        """Return whether this is the request into the controller's own registers."""
        if not self.until_own_registers:
            return False
        self.until_own_registers -= 1
        return not self.until_own_registers
