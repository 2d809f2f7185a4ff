"""`devb-nvme`: the host driver that owns an NVMe controller.

Its queues lie in its own memory; the identifier of a command is its slot.
"""

from ..bus.fabric import Port
from ..hardware import nvme_queues as queues
from ..hardware.disk import DiskCommand
from ..hardware.nvme import HOST_QUEUE_SIZE, HostNvme
from ..hardware.nvme_queues import COMPLETION, COMPLETION_SIZE, SUBMISSION_SIZE, NvmeCommand
from ..interrupts.interrupt_controller import InterruptController
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel
from .block_server import HOST_EPOCH, BlockServer, ServerSite

_OPCODES = {"read": queues.IO_READ, "write": queues.IO_WRITE, "flush": queues.IO_FLUSH}


class DevbNvme(BlockServer):
    """The driver process.

    Attributes:
        tail, head, phase: Where it writes submissions and reads completions.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        port: Port,
        interrupts: InterruptController,
        site: ServerSite,
    ) -> None:
        assert disk.slots < HOST_QUEUE_SIZE, disk.slots
        self.nvme = nvme = HostNvme(kernel, timing, disk, port, interrupts, site.base)
        super().__init__(kernel, timing, disk, nvme, site)
        self.tail = self.head = 0
        self.phase = 1
        self.begin()

    def issue(self, slot: int, command: DiskCommand) -> None:
        """Write a submission entry and ring the doorbell."""
        self.nvme.command_table[slot] = command
        opcode = _OPCODES.get(command.operation, queues.IO_DATASET_MANAGEMENT)
        entry = NvmeCommand(opcode, slot).to_bytes()
        self.memory.write(self.nvme.submission[1].base + SUBMISSION_SIZE * self.tail, entry)
        self.tail = (self.tail + 1) % HOST_QUEUE_SIZE
        self.nvme.port.post("SQ1TDBL", self.tail, HOST_EPOCH)

    def acknowledge_completed(self) -> list[int]:
        """Read the completion entries of this round; returns the slots that are done."""
        found: list[int] = []
        while len(found) < HOST_QUEUE_SIZE:
            addr = self.nvme.completion[1].base + COMPLETION_SIZE * self.head
            *_, identifier, status = COMPLETION.unpack(self.memory.read(addr, COMPLETION_SIZE))
            if status & 1 != self.phase:
                break
            found.append(identifier)
            self.head = (self.head + 1) % HOST_QUEUE_SIZE
            if self.head == 0:
                self.phase ^= 1
        if found:
            self.nvme.port.post("CQ1HDBL", self.head, HOST_EPOCH)
        return found
