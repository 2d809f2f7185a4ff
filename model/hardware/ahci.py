"""An AHCI controller with one port and one disk, as the host's `devb-ahci` owns it.

Commands are taken from the slots that PxCI names while PxCMD.ST is set, several at a time.  A
command that runs is finished whatever becomes of ST: data, then the D2H register FIS in the FIS
receive area, then the interrupt; PxCMD.CR falls when none is left (AHCI 1.3.1, 10.1.2; Linux
libahci.c, ahci_stop_engine).  Addresses in commands are host-physical: the owner is the host.

Reads and writes of the disk itself happen at one instant: a read when the service time is over,
a write when its last byte has come from memory.
"""

from typing import NamedTuple, Protocol

from ..component import Component
from ..dma_engine import DmaEngine
from ..fabric import Port
from ..interrupts import InterruptController
from ..kernel import Kernel, Signal, Steps
from ..plan import DiskPlan
from ..timing import Timing

FIS_LENGTH = 20
_FIS = bytes([0x34]) + bytes(FIS_LENGTH - 1)


class DiskWork(Protocol):
    """What the disk does in the course of a command."""

    def execute(self, data: bytes) -> bytes:
        """Take what was read from memory; return what is to be written there."""
        ...


class AhciCommand(NamedTuple):
    """A command in a slot.

    Attributes:
        epoch: On whose behalf; 0 for the host's own.
        reads_memory: Whether the data goes from memory to the disk.
        pieces: Host-physical (address, length) of the data, in memory.
        work: What the disk does with it.
    """

    epoch: int
    reads_memory: bool
    pieces: tuple[tuple[int, int], ...]
    work: DiskWork


class Ahci(Component):
    """The controller.

    Attributes:
        command_list: Slot to command: what the driver has put into memory.
        start: PxCMD.ST.
        running: Slots that are being worked on.
        finished: Slots that are done and not yet acknowledged.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        plan: DiskPlan,
        port: Port,
        interrupts: InterruptController,
    ) -> None:
        super().__init__(kernel, plan.name, timing)
        self.plan = plan
        self.port = port
        self.interrupts = interrupts
        self.engine = DmaEngine(kernel, timing, port)
        self.fis_addr = 0
        self.command_list: dict[int, AhciCommand] = {}
        self.started = False
        self.running: list[int] = []
        self.finished: list[int] = []
        self.changed = Signal(kernel)
        port.registers = self

    @property
    def is_engine_running(self) -> bool:
        """PxCMD.CR."""
        return self.started or bool(self.running)

    def write_register(self, register: str, value: int, epoch: int) -> None:  # noqa: ARG002
        """Carry out a register write that has arrived."""
        match register:
            case "PxFB":
                self.fis_addr = value
            case "PxCMD.ST":
                self.started = bool(value)
            case "PxCI":
                if self.started:
                    self.running.append(value)
                    self.start(lambda: self._run(value))
            case _:
                raise AssertionError(f"{self.name} has no register {register}")
        self.changed.notify()

    def acknowledge(self) -> list[int]:
        """Clear PxIS, lower the line, and return the slots that are done."""
        done, self.finished = self.finished, []
        self.interrupts.deassert_level(self.plan.intid, self.name)
        return done

    def _run(self, slot: int) -> Steps:
        command = self.command_list[slot]
        yield self.kernel.delay(self.plan.service, f"{self.name}.service")
        data = b""
        if command.reads_memory:
            for addr, length in command.pieces:
                data += (yield from self.port.read_memory(command.epoch, addr, length)) or b""
            command.work.execute(data)
        else:
            data = command.work.execute(data)
            start = 0
            for addr, length in command.pieces:
                piece = data[start : start + length]
                yield from self.engine.write(command.epoch, addr, piece, "data")
                start += length
        yield from self.engine.write(0, self.fis_addr, _FIS, "completion")
        yield from self.port.landed()
        self.running.remove(slot)
        self.finished.append(slot)
        self.interrupts.assert_level(self.plan.intid, self.name, 0)
        self.changed.notify()
