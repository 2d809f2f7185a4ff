"""An NVMe controller with admin queues, one I/O queue pair and one namespace.

It is passed through to a guest (`Nvme`, whose queues lie in guest memory) or owned by a host driver
(`HostNvme`, behind `devb-nvme`).

Queues lie in memory.  A doorbell makes the controller fetch entries; a command ends with its data,
then its completion entry with the phase bit, then the interrupt.  Two further writes are easily
missed:

- After each fetch the controller writes the event index page of shadow doorbells.
- At an asynchronous event it completes an event request that was submitted long ago.

Reads and writes are solicited.  Asynchronous events are unsolicited; they come while a request for
events is outstanding.

Deleting a submission queue lets the commands that were fetched from it end first, which the
standard leaves to the controller (it may abort them).  Setting CC.EN while CSTS.RDY has not
followed its last change is undefined; here the write is lost.

Registers (NVM Express base specification 2.0, 3.1.3): CC.EN with CSTS.RDY, CC.SHN with CSTS.SHST,
AQA, ASQ, ACQ, INTMS, INTMC, SQyTDBL, CQyHDBL.

Left out: fused commands, several namespaces, subsystem reset, the cost of parsing PRP lists.
"""

from ..base.clock import Span
from ..bus.fabric import Port
from ..bus.register_window import RegisterBits
from ..interrupts.interrupt_controller import MESSAGE, InterruptController
from ..plan.device_plans import NvmePlan
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel, Steps
from ..sim.outside import Withheld
from ..trace.events import DmaFetched
from . import nvme_queues as queues
from .disk import DiskCommand, DiskOperation
from .nvme_queues import CompletionQueue, NvmeCommand, ShadowDoorbells, SubmissionQueue
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring

SHUTDOWN_NONE = 0
SHUTDOWN_OCCURRING = 1
SHUTDOWN_COMPLETE = 2
NORMAL_SHUTDOWN = 1
ABRUPT_SHUTDOWN = 2

HOST_QUEUE_SIZE = 64
"""Entries of the I/O queues of a host driver; more than it ever has in flight."""

_PAGE = 4096
_DOORBELL_STRIDE = 8
_DISK_BYTE = b"\xa5"
_EVENT_RESULT = 0x0002_0001


class ActiveCommand:
    """A command that the controller works on.

    Attributes:
        epoch: The epoch that it was submitted for.
        is_aborted: A reset has aborted it.
    """

    def __init__(self, queue: SubmissionQueue, command: NvmeCommand, epoch: int) -> None:
        self.queue = queue
        self.command = command
        self.epoch = epoch
        self.is_aborted = False


class NvmeOperation(DiskOperation):
    """The transfer of one command; the address of its completion is known only at the end."""

    __slots__ = ("active", "result", "status")

    def __init__(
        self,
        active: ActiveCommand,
        command: DiskCommand | None = None,
        service: Span | None = None,
        *,
        status: int = queues.STATUS_SUCCESS,
        result: int = 0,
    ) -> None:
        super().__init__(
            command or DiskCommand(active.epoch, "none", ()),
            _DISK_BYTE,
            service,
            owner_epoch=active.epoch,
            interrupts=active.queue.completions.interrupts,
        )
        self.active = active
        self.status = status
        self.result = result


class Nvme(PhysicalDevice):
    """The controller.

    Attributes:
        enabled: CC.EN.
        ready: CSTS.RDY.
        is_working: It fetches commands and reports events.
        shutdown: CSTS.SHST.
        admin_size, admin_submission, admin_completion: AQA, ASQ, ACQ.
        submission, completion: The queues by their number; 0 is the admin queue.
        commands: The commands that the controller works on.
        event_requests: Outstanding asynchronous event requests.
        has_event: An event has happened that has not been reported for lack of a request.
        shadow: The shadow doorbells, if the driver has set them up.
        last_status: The status of the admin command that ended last.
    """

    register_bits = (RegisterBits(0x14, "CC.EN", 1),)

    def __init__(self, kernel: Kernel, timing: Timing, plan: NvmePlan, wiring: Wiring) -> None:
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.enabled = self.ready = self.is_working = False
        self.shutdown = SHUTDOWN_NONE
        self.admin_size = self.admin_submission = self.admin_completion = 0
        self.submission: dict[int, SubmissionQueue] = {}
        self.completion: dict[int, CompletionQueue] = {}
        self.commands: list[ActiveCommand] = []
        self.event_requests: list[ActiveCommand] = []
        self.has_event = False
        self.shadow: ShadowDoorbells | None = None
        self.last_status = queues.STATUS_SUCCESS
        self.commands_until_hang = plan.hangs_at
        self.irq_enabled = True
        self.start(self._serve)
        if plan.events is not None:
            reporter = self.start(self._report_events)
            kernel.outside.add(reporter, f"{self.name}.event", self._withheld)

    # Registers.

    @property
    def is_ready(self) -> bool:
        """CSTS.RDY, as it reads."""
        if self.traits.says_stopped_early and not self.enabled:
            return False
        return self.ready

    @property
    def is_admin_idle(self) -> bool:
        """Whether every admin command has been answered, except event requests."""
        admin = self.submission.get(0)
        if admin is None:
            return True
        return admin.head == admin.tail and not self._commands_of(admin)

    @property
    def is_idle(self) -> bool:
        """Whether it works on no command and will begin none by itself."""
        if self.traits.says_stopped_early:
            return True
        return super().is_idle and not self.is_working and not self._has_commands

    @property
    def is_reset_done(self) -> bool:
        """Whether a reset by CC.EN or by the function has ended."""
        return super().is_reset_done and not (self.is_ready and not self.enabled)

    @property
    def keeps_work(self) -> bool:
        """Whether a reset has left event requests, and the device has events to report."""
        return bool(self.event_requests) and self.plan.events is not None

    @property
    def _has_commands(self) -> bool:
        return any(not active.is_aborted for active in self.commands)

    def _commands_of(self, queue: SubmissionQueue) -> list[ActiveCommand]:
        return [one for one in self.commands if one.queue is queue and not one.is_aborted]

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the controller's own registers."""
        match register:
            case "CC.EN":
                self._set_enabled(bool(value))
            case "CC.SHN":
                if value and self.is_working:
                    self.shutdown = SHUTDOWN_OCCURRING
                    self.start(lambda: self._shut_down(value))
            case "AQA":
                self.admin_size = value
            case "ASQ":
                self.admin_submission, self.epoch = value, epoch
            case "ACQ":
                self.admin_completion = value
            case "INTMS" | "INTMC":
                self.irq_enabled = register == "INTMC"
                self.drive_interrupt()
            case _:
                assert register.endswith("DBL"), f"{self.name} has no register {register}"
                self._ring(register[:2], int(register[2:-4]), value, epoch)

    def _ring(self, kind: str, number: int, value: int, epoch: int) -> None:
        queue = self.submission.get(number)
        if kind == "SQ" and queue is not None:
            queue.tail, queue.epoch = value % queue.size, epoch

    def _set_enabled(self, enabled: bool) -> None:
        if enabled == self.enabled or self.enabled != self.ready:
            return
        self.enabled = enabled
        if enabled:
            self.start(self._enable)
        else:
            self.reset()
            self.start(self._disable)

    def on_reset(self) -> None:
        """CC.EN=0 or FLR: the queues are deleted; ASQ, ACQ and AQA stay (3.7.2)."""
        self.is_working = False
        self.irq_enabled = True  # INTMS masks no vector
        self.submission = {}
        self.completion = {}
        for active in self.commands:
            active.is_aborted = True
        if not self.plan.keeps_event_requests:
            self.event_requests = []
            self.has_event = False
        if not self.plan.keeps_shadow:
            self.shadow = None
        if self.in_reset:
            self.enabled = self.ready = False
            self.shutdown = SHUTDOWN_NONE

    # Commands.

    def _serve(self) -> Steps:
        while True:
            queue = self._next_queue()
            if queue is None:
                yield self.changed.wait()
            else:
                yield from self._fetch_command(queue)

    def _next_queue(self) -> SubmissionQueue | None:
        if self.is_working:
            for number, queue in self.submission.items():
                has_room = number == 0 or len(self.commands) < self.plan.depth
                if queue.head != queue.tail and has_room:
                    return queue
        return None

    def _fetch_command(self, queue: SubmissionQueue) -> Steps:
        epoch = queue.epoch
        entry = yield from self.fetch(epoch, queue.next_addr, queues.SUBMISSION_SIZE)
        # Invariant: an entry that was fetched over a reset, or over the deletion of its queue, is
        # no command.
        if not self.is_working or self.submission.get(queue.identifier) is not queue:
            return
        if entry is None:
            queue.head = queue.tail  # a queue that cannot be read holds no command
            return
        queue.head = (queue.head + 1) % queue.size
        active = ActiveCommand(queue, NvmeCommand.from_bytes(entry), epoch)
        self.commands.append(active)
        if self.shadow is not None:
            yield from self._write_event_index(queue, self.shadow)
        self.start(lambda: self._run(active) if queue.identifier else self._administer(active))

    def _write_event_index(self, queue: SubmissionQueue, shadow: ShadowDoorbells) -> Steps:
        """Write how far the doorbells have been read (2.0, 5.8, Doorbell Buffer Config)."""
        addr = shadow.event_addr + _DOORBELL_STRIDE * queue.identifier
        index = queue.tail.to_bytes(4, "little")
        yield from self.engine.write(shadow.epoch, addr, index, "completion")

    def _run(self, active: ActiveCommand) -> Steps:
        command = yield from self.find_command(active)
        if self._hangs():
            while not active.is_aborted:
                yield self.changed.wait()
        if command is not None and not active.is_aborted:
            if command.operation == "read":
                for addr, length in command.pieces:
                    self.emit(DmaFetched(self.name, command.epoch, addr, length))
            yield from self.perform(NvmeOperation(active, command, self.plan.service))
        self._finish(active)

    def find_command(self, active: ActiveCommand) -> Steps:
        """Follow the PRPs; gives the command for the disk, or None if the list cannot be read."""
        command = active.command
        operation = "read" if command.opcode == queues.IO_READ else "write"
        remaining = ((command.dword12 & 0xFFFF) + 1) * queues.BLOCK_SIZE
        first = min(remaining, _PAGE - command.prp1 % _PAGE)
        pieces = [(command.prp1, first)]
        remaining -= first
        if remaining > _PAGE:
            count = -(-remaining // _PAGE)
            listed = yield from self.fetch(active.epoch, command.prp2, 8 * count)
            if listed is None:
                return None
            pages = [int.from_bytes(listed[8 * n : 8 * n + 8], "little") for n in range(count)]
        else:
            pages = [command.prp2] if remaining else []
        for page in pages:
            pieces.append((page, min(remaining, _PAGE)))
            remaining -= _PAGE
        return DiskCommand(active.epoch, operation, tuple(pieces))

    def completions_of(self, operation: Operation) -> tuple[tuple[int, bytes], ...]:
        """Return the entry, at the tail of the command's completion queue."""
        assert isinstance(operation, NvmeOperation)
        queue, command = operation.active.queue, operation.active.command
        status, result = operation.status, operation.result
        return (queue.completions.place(queue, command.identifier, status, result),)

    def _finish(self, active: ActiveCommand) -> None:
        self.commands.remove(active)
        self.changed.notify()

    def _hangs(self) -> bool:
        if not self.commands_until_hang:
            return False
        self.commands_until_hang -= 1
        return not self.commands_until_hang

    # Admin commands.

    def _administer(self, active: ActiveCommand) -> Steps:
        if active.is_aborted:  # by a reset, while the event index was written
            self._finish(active)
            return
        command = active.command
        if command.opcode == queues.ADMIN_ASYNC_EVENT:
            self.commands.remove(active)
            self.event_requests.append(active)
            if self.has_event:
                self.has_event = False
                yield from self._report()
            return
        status = queues.STATUS_SUCCESS
        if command.opcode == queues.ADMIN_DELETE_SQ:
            status = yield from self._delete_submission(active)
        else:
            status = self._configure(active)
        if not active.is_aborted:
            self.last_status = status
            yield from self.perform(NvmeOperation(active, status=status))
        self._finish(active)

    def _delete_submission(self, active: ActiveCommand) -> Steps:
        queue = self.submission.get(active.command.dword10 & 0xFFFF)
        if queue is None or queue.identifier == 0:
            return queues.STATUS_INVALID_QUEUE_ID
        del self.submission[queue.identifier]
        # Invariant: the queue is deleted first, so no further command of it is fetched while those
        # that were fetched end.
        while self._commands_of(queue) and not active.is_aborted:
            yield self.changed.wait()
        return queues.STATUS_SUCCESS

    def _configure(self, active: ActiveCommand) -> int:
        """Carry out an admin command that takes no time."""
        command, epoch = active.command, active.epoch
        number, size = command.dword10 & 0xFFFF, (command.dword10 >> 16) + 1
        if command.opcode == queues.ADMIN_CREATE_CQ:
            interrupts = bool(command.dword11 & queues.INTERRUPTS_ENABLED)
            self.completion[number] = CompletionQueue(
                number, command.prp1, size, epoch, interrupts=interrupts
            )
        elif command.opcode == queues.ADMIN_CREATE_SQ:
            completions = self.completion.get(command.dword11 >> 16)
            if completions is None:
                return queues.STATUS_INVALID_QUEUE_ID
            self.submission[number] = SubmissionQueue(number, command.prp1, size, completions)
        elif command.opcode == queues.ADMIN_DELETE_CQ:
            if number == 0 or number not in self.completion:
                return queues.STATUS_INVALID_QUEUE_ID
            used = [queue.completions.identifier for queue in self.submission.values()]
            if number in used:
                return queues.STATUS_INVALID_QUEUE_DELETION
            del self.completion[number]
        elif command.opcode == queues.ADMIN_DOORBELL_BUFFER:
            self.shadow = ShadowDoorbells(epoch, command.prp1, command.prp2)
        else:
            return queues.STATUS_INVALID_OPCODE
        return queues.STATUS_SUCCESS

    # Events.

    def _withheld(self) -> Withheld | None:
        """Return the epoch that the next asynchronous event would be reported to; None for none."""
        if self.in_reset or not self.event_requests or not self.engine.is_open:
            return None
        return Withheld(self.name, self.event_requests[0].epoch, "both", "asynchronous events")

    def _report_events(self) -> Steps:
        assert self.plan.events is not None
        while not self.is_alone:
            yield self.kernel.delay(self.plan.events, f"{self.name}.event")
            self.kernel.begin_story()
            if self.event_requests and not self.in_reset:
                yield from self._report()
            elif self.is_working:
                self.has_event = True

    def _report(self) -> Steps:
        request = self.event_requests.pop(0)
        yield from self.perform(NvmeOperation(request, result=_EVENT_RESULT))

    # Changes that take time.

    def _enable(self) -> Steps:
        yield self.kernel.delay(self.timing.nvme_rdy_set, f"{self.name}.rdy_set")
        if not self.enabled:
            return
        completions = CompletionQueue(
            0, self.admin_completion, self.admin_size, self.epoch, interrupts=True
        )
        self.completion = {0: completions}
        self.submission = {
            0: SubmissionQueue(0, self.admin_submission, self.admin_size, completions)
        }
        self.ready = self.is_working = True
        self.shutdown = SHUTDOWN_NONE
        self.changed.notify()

    def _disable(self) -> Steps:
        yield self.kernel.delay(self.timing.nvme_rdy_clear, f"{self.name}.rdy_clear")
        while not super().is_reset_done:
            yield self.changed.wait()
        self.ready = False
        self.shutdown = SHUTDOWN_NONE
        self.changed.notify()

    def _shut_down(self, manner: int) -> Steps:
        """Finish the fetched commands, or abort them if abrupt; then write caches back."""
        self.is_working = False
        self.event_requests = []
        if manner == ABRUPT_SHUTDOWN:
            self.apply_reset_policy()
            for active in self.commands:
                active.is_aborted = True
        while self._has_commands or not super().is_reset_done:
            yield self.changed.wait()
        yield self.kernel.delay(self.timing.nvme_shutdown, f"{self.name}.shutdown")
        self.shutdown = SHUTDOWN_COMPLETE
        self.changed.notify()


class HostNvme(Nvme):
    """The controller as a host driver owns it, set up before the first VM starts.

    Its queue entries lie in the driver's memory and are fetched from there; the list of a command's
    pieces is the driver's own, which no guest can reach.

    Args:
        queue_base: Host memory of the driver: submission entries, and a page further completions.

    Attributes:
        command_table: Command identifier to the command that the driver has submitted.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        port: Port,
        interrupts: InterruptController,
        queue_base: int,
    ) -> None:
        plan = NvmePlan(
            disk.name,
            disk.intid,
            MESSAGE,
            service=disk.service,
            queue_size=HOST_QUEUE_SIZE,
            depth=disk.slots,
        )
        super().__init__(kernel, timing, plan, Wiring(port, interrupts, disk.intid, MESSAGE))
        self.command_table: dict[int, DiskCommand] = {}
        completions = CompletionQueue(1, queue_base + _PAGE, HOST_QUEUE_SIZE, 0, interrupts=True)
        self.completion = {1: completions}
        self.submission = {1: SubmissionQueue(1, queue_base, HOST_QUEUE_SIZE, completions)}
        self.enabled = self.ready = self.is_working = True

    def find_command(self, active: ActiveCommand) -> Steps:
        """Take a command from the driver's table."""
        yield from ()
        return self.command_table[active.command.identifier]
