"""`devb-sdmmc`: the host driver of an SD controller whose data moves through the SoC's PL330.

For each command the driver writes a program for the channel into its own memory and starts it.  A
read ends with the channel's event, every other command with the SD controller's interrupt.

When a client cancels, the driver *terminates* its transfer.  As in Linux's dmaengine this has two
halves: the driver stops the channel, and it waits until the channel has stopped.  The client may
get its memory back after the second half.  `terminate = "async"` gives it back after the first,
while the write buffer still drains.  In both forms the driver uses the channel again only after it
has stopped.

Source:
    Linux Documentation/driver-api/dmaengine/client.rst, dmaengine_terminate_async and
    dmaengine_synchronize; Arm DDI 0424, 3.3 and 4.3.
"""

from typing import NamedTuple

from ..bus.fabric import Port
from ..hardware.disk import DiskCommand
from ..hardware.pl330 import (
    CCR,
    DAR,
    DMAEND,
    DMAGO,
    DMALD,
    DMALDPB,
    DMALP,
    DMALPEND,
    DMAMOV,
    DMASEV,
    DMAST,
    DMASTPB,
    DMAWFPB,
    DMAWMB,
    SAR,
)
from ..hardware.pl330_procedure import carry_out
from ..hardware.procedure import wait_until
from ..hardware.sdmmc import HostPl330
from ..interrupts.interrupt_controller import InterruptController
from ..plan.procedures import PL330_SYNCHRONIZE, PL330_TERMINATE_ASYNC
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel, Mailbox, Steps
from ..trace.events import BackendRequestEnded
from .block_server import (
    HOST_EPOCH,
    BackendAnswer,
    BackendClient,
    BackendRequest,
    BlockServer,
    ServerSite,
)

PROGRAM_OFFSET = 32 << 20
"""Where in the driver's memory the program of the channel lies, behind every bounce buffer."""

_SLOT = 0
_BEATS = 16
_WIDE = 4
_POLL_NS_MAX = 100_000_000


class ChannelTask(NamedTuple):
    """A task of the channel's thread: to start a command, or to stop the transfer of a request.

    Attributes:
        command: The command to start; None to stop.
        request: The request that the command or the transfer belongs to.
    """

    command: DiskCommand | None
    request: BackendRequest


class DevbSdmmc(BlockServer):
    """The driver process: one command at a time.

    Attributes:
        channel_tasks: What the channel's thread has yet to do.
        is_terminating: The driver has stopped a transfer, and the channel has not stopped yet.
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
        assert disk.slots == 1, "an SD controller has one command at a time"
        self.pl330 = pl330 = HostPl330(kernel, timing, disk, port, interrupts)
        super().__init__(kernel, timing, disk, pl330, site)
        self.channel_tasks: Mailbox[ChannelTask] = Mailbox(kernel)
        self.is_terminating = False
        self.begin()
        self.threads.append(self.start(self._drive_channel))

    # What the base asks.

    def issue(self, slot: int, command: DiskCommand) -> None:
        """Have the channel's thread start the command."""
        self.channel_tasks.put(ChannelTask(command, self.in_slots[slot]))

    def acknowledge_completed(self) -> list[int]:
        """Clear the causes of channel and SD controller; returns the slot if it is done."""
        is_done = [self.pl330.read_cause(), self.pl330.card.acknowledge()]
        if self.is_terminating or _SLOT not in self.in_slots:
            return []
        return [_SLOT] if any(is_done) else []

    def cancel_waiting(self, client: BackendClient) -> list[int]:
        """Drop what waits, and terminate the client's transfer if the hardware has one."""
        dropped = super().cancel_waiting(client)
        request = self.in_slots.get(_SLOT)
        is_running = request is not None and _SLOT not in self.abandoned
        if request is not None and is_running and request.client is client and not self.is_stalled:
            self.channel_tasks.put(ChannelTask(None, request))
        return dropped

    # The thread that owns the channel.

    def _drive_channel(self) -> Steps:
        while True:
            while not self.channel_tasks:
                yield self.channel_tasks.wait()
            task = self.channel_tasks.take()
            if task.command is not None:
                yield from self._start(task.command)
            elif self.in_slots.get(_SLOT) is task.request:
                yield from self._terminate(task.request)

    def _start(self, command: DiskCommand) -> Steps:
        pl330 = self.pl330
        # After its event a program has an instruction left, and DMAGO needs a stopped channel.
        yield from wait_until(
            self.kernel, pl330, lambda: pl330.is_stopped and not pl330.debug_busy, _POLL_NS_MAX
        )
        pl330.commands[_SLOT] = command
        self._post("INTEN", 1)
        self._post("SD.CMD", _SLOT)
        if command.operation in {"read", "write"}:
            place = self.base + PROGRAM_OFFSET
            self.memory.write(place, program_of(command, pl330.value_length))
            self._post("DBGINST0", DMAGO << 16)
            self._post("DBGINST1", place)
            self._post("DBGCMD", 0)

    def _terminate(self, request: BackendRequest) -> Steps:
        self.is_terminating = True
        request.job.give_up()
        yield from self._follow(PL330_TERMINATE_ASYNC)
        if self.disk.terminate == "async":
            self.abandoned = [_SLOT]
            self._cancelled(request)
        has_stopped = yield from self._follow(PL330_SYNCHRONIZE[:-1])
        if not has_stopped:
            # Invariant: a slot whose channel has not stopped stays taken.  A client that waits
            # for its answer gives up at its own bound.
            return
        self._post("SD.STOP", 1)
        self._post("SD.CLEAR", 1)
        yield from self.pl330.port.flush()
        self.is_terminating = False
        del self.in_slots[_SLOT]
        if self.abandoned:
            self.abandoned = []
            self.settled.notify()
        else:
            self._cancelled(request)
        self._fill_slots()

    def _follow(self, steps: tuple[tuple[str, int], ...]) -> Steps:
        """Take steps of the documented procedure; gives whether none of them timed out."""
        for step, bound_ns in steps:
            done = yield from carry_out(self.kernel, self.pl330, HOST_EPOCH, step, bound_ns)
            if not done:
                return False
        return True

    def _cancelled(self, request: BackendRequest) -> None:
        """Answer a request whose transfer was terminated."""
        operation = request.job.operation
        self.emit(BackendRequestEnded(self.name, request.epoch, operation, "cancelled"))
        request.client.take_answer(BackendAnswer(request.tag, b""))
        self.settled.notify()

    def _post(self, register: str, value: int) -> None:
        self.pl330.port.post(register, value, HOST_EPOCH)


def program_of(command: DiskCommand, value_length: int) -> bytes:
    """Return the channel's program for a command that moves data.

    For each piece and each length of burst in it: wait for the controller, load, store, as often as
    there are bursts.  A read ends with a barrier and an event.

    Args:
        command: A read or a write.
        value_length: Bytes of the value in a DMAMOV.
    """
    is_read = command.operation == "read"
    load_store = (DMALDPB, 0, DMAST) if is_read else (DMALD, DMASTPB, 0)
    body = bytes([DMAWFPB, 0, *load_store])
    program = b""
    for addr, length in command.pieces:
        program += _move(DAR if is_read else SAR, addr, value_length)
        for control, count in _bursts_of(length):
            program += _move(CCR, control, value_length)
            program += bytes([DMALP, count - 1]) + body + bytes([DMALPEND, len(body)])
    return program + (bytes([DMAWMB, DMASEV, 0, DMAEND]) if is_read else bytes([DMAEND]))


def _move(register: int, value: int, value_length: int) -> bytes:
    return bytes([DMAMOV, register]) + value.to_bytes(value_length, "little")


def _bursts_of(length: int) -> list[tuple[int, int]]:
    """Return what CCR must hold, and how many bursts of that make up a piece of a page at most."""
    longest = _BEATS << _WIDE
    count, rest = divmod(length, longest)
    beats, odd = divmod(rest, 1 << _WIDE)
    found = [(_control(_BEATS, _WIDE), count)] if count else []
    found += [(_control(beats, _WIDE), 1)] if beats else []
    return found + ([(_control(odd, 0), 1)] if odd else [])


def _control(beats: int, size: int) -> int:
    """Return CCR for bursts of so many beats of 2 to the power of `size` bytes, on both sides."""
    return size << 1 | beats - 1 << 4 | size << 15 | beats - 1 << 18
