"""The guest's driver for a passed-through NVMe controller.

Admin queues, one I/O queue pair, PRP lists and buffers lie in guest memory; if the plan says so,
also the two shadow doorbell pages, and a request for asynchronous events is outstanding.
"""

from collections.abc import Callable

from ..hardware import nvme_queues as queues
from ..hardware.nvme import Nvme
from ..hardware.nvme_procedure import PROCEDURE
from ..hardware.nvme_queues import COMPLETION, COMPLETION_SIZE, SUBMISSION_SIZE, NvmeCommand
from ..hardware.procedure import wait_until
from ..sim.kernel import Steps
from .device_driver import DeviceDriver, GuestSite
from .layout import GuestAllocator

PAGE = 4096
ADMIN_SIZE = 16
_POLL_NS_MAX = 60_000_000_000
_EVENT_IDENTIFIER = 0xAE0


class QueuePair:
    """The driver's view of a submission queue and its completion queue."""

    def __init__(self, number: int, size: int, allocator: GuestAllocator) -> None:
        self.number = number
        self.size = size
        self.submissions = allocator.allocate(size * SUBMISSION_SIZE, PAGE)
        self.completions = allocator.allocate(size * COMPLETION_SIZE, PAGE)
        self.tail = self.head = 0
        self.phase = 1


class NvmeDriver(DeviceDriver[Nvme]):
    """The driver.

    Attributes:
        admin, io: Its queues.
        buffers, lists: Data and PRP list of each request in flight.
        remaining: Requests that the driver has yet to submit; 0 at the start means without end.
    """

    procedure = PROCEDURE

    def __init__(self, site: GuestSite, device: Nvme) -> None:
        super().__init__(site, device)
        allocator = site.allocator
        plan = device.plan
        self.admin = QueuePair(0, ADMIN_SIZE, allocator)
        self.io = QueuePair(1, plan.queue_size, allocator)
        self.shadow_addr = self.event_addr = 0
        if plan.shadow_doorbells:
            self.shadow_addr = allocator.allocate(PAGE, PAGE)
            self.event_addr = allocator.allocate(PAGE, PAGE)
        slots = range(plan.in_flight)
        self.buffers = [allocator.allocate(plan.length, PAGE) for _ in slots]
        self.prp_lists = [
            allocator.allocate(PAGE, PAGE) if plan.length > 2 * PAGE else 0 for _ in slots
        ]
        self.remaining = plan.requests

    # Setting up.

    def set_up(self) -> Steps:
        """Disable the controller, give it its queues, enable it, and submit the first requests."""
        self.post("CC.EN", 0)
        yield from self._until(lambda: not self.device.is_ready)
        self._announce_completions(self.admin)
        self.post("AQA", ADMIN_SIZE)
        self.post("ASQ", self.admin.submissions)
        self.post("ACQ", self.admin.completions)
        self.post("PCI.BME", 1)
        self.post("MSIX.ENABLE", 1)
        self.post("MSIX.MASKALL", 0)
        self.post("INTMC", 1)
        self.post("CC.EN", 1)
        yield from self._until(lambda: self.device.is_ready)
        size = (self.io.size - 1) << 16 | self.io.number
        place = self.device.registers_at
        if not self.device.plan.completes_on_registers:
            place = self.io.completions
            self._announce_completions(self.io)
        yield from self._administer(NvmeCommand(queues.ADMIN_CREATE_CQ, 1, place, 0, size, 0b11))
        yield from self._administer(
            NvmeCommand(
                queues.ADMIN_CREATE_SQ, 2, self.io.submissions, 0, size, self.io.number << 16 | 1
            )
        )
        if self.shadow_addr:
            self.emit_dma_requested(self.event_addr, PAGE)
            yield from self._administer(
                NvmeCommand(queues.ADMIN_DOORBELL_BUFFER, 3, self.shadow_addr, self.event_addr)
            )
        self._submit(self.admin, NvmeCommand(queues.ADMIN_ASYNC_EVENT, _EVENT_IDENTIFIER))
        for slot in range(self.device.plan.in_flight):
            self._request(slot)

    def _until(self, is_so: Callable[[], bool]) -> Steps:
        yield from wait_until(self.kernel, self.device, is_so, _POLL_NS_MAX)

    def _administer(self, command: NvmeCommand) -> Steps:
        self._submit(self.admin, command)
        yield from self._until(lambda: self.device.is_admin_idle)

    def _announce_completions(self, pair: QueuePair) -> None:
        """Emit that the controller may write the completion entries of a queue."""
        self.emit_dma_requested(pair.completions, pair.size * COMPLETION_SIZE)

    # Working.

    def serve(self) -> None:
        """Take all completions, and submit a further request for each."""
        for identifier in self._completions(self.admin):
            if identifier == _EVENT_IDENTIFIER and not self.is_stopping:
                self._submit(self.admin, NvmeCommand(queues.ADMIN_ASYNC_EVENT, identifier))
        for identifier in self._completions(self.io):
            self._request(identifier)

    def _completions(self, pair: QueuePair) -> list[int]:
        found: list[int] = []
        while len(found) < pair.size:
            addr = pair.completions + COMPLETION_SIZE * pair.head
            *_, identifier, status = COMPLETION.unpack(self.ram.read(addr, COMPLETION_SIZE))
            if status & 1 != pair.phase:
                break
            found.append(identifier)
            pair.head = (pair.head + 1) % pair.size
            if pair.head == 0:
                pair.phase ^= 1
        if found:
            self.post(f"CQ{pair.number}HDBL", pair.head)
        return found

    def _submit(self, pair: QueuePair, command: NvmeCommand) -> None:
        addr = pair.submissions + SUBMISSION_SIZE * pair.tail
        self.ram.write(addr, command.to_bytes())
        pair.tail = (pair.tail + 1) % pair.size
        if self.shadow_addr:
            self.ram.write(self.shadow_addr + 8 * pair.number, pair.tail.to_bytes(4, "little"))
        self.post(f"SQ{pair.number}TDBL", pair.tail)

    def _request(self, slot: int) -> None:
        plan = self.device.plan
        if self.is_stopping or (plan.requests and not self.remaining):
            return
        self.remaining = max(0, self.remaining - 1)
        buffer = self.buffers[slot]
        second = buffer + PAGE if plan.length > PAGE else 0
        if self.prp_lists[slot]:
            pages = range(buffer + PAGE, buffer + plan.length, PAGE)
            listed = b"".join(page.to_bytes(8, "little") for page in pages)
            self.ram.write(self.prp_lists[slot], listed)
            second = self.prp_lists[slot]
        is_read = plan.operation == "read"
        if is_read:
            self.emit_dma_requested(buffer, plan.length)
        opcode = queues.IO_READ if is_read else queues.IO_WRITE
        blocks = plan.length // queues.BLOCK_SIZE - 1
        self._submit(self.io, NvmeCommand(opcode, slot, buffer, second, dword12=blocks))
