"""A DMA controller of the SoC, of the Arm PL330 kind, with one channel.

A channel executes a program that lies in memory.  The controller reads it through an instruction
cache, so a program that was read goes on when its memory has another owner.  A store goes into a
write buffer and drains from there.  Killing a channel ends its program.  The write buffer still
drains, and the channel reads as Killing until it has, unless the device reports Stopped too early.

Passed through to a guest, the channel serves a peripheral that requests bursts without end, as a
sound card or a UART does: after one start its bursts are unsolicited.  Owned by a host driver it
serves an SD controller (`sdmmc.HostPl330`).

It is no PCIe function: there is no bus-master bit, no function level reset and no message.  DMAKILL
stops it, and the reset line from the SoC's reset controller (`SOC.RESET`).

Registers (Arm PL330 technical reference manual, DDI 0424): DBGSTATUS, DBGCMD, DBGINST0, DBGINST1,
CSR0, INTEN, INTCLR.  A write of DBGCMD while DBGSTATUS reads busy does nothing.

Left out: more channels, security, faults, and in CCR everything but the length of a burst, which
the plan gives where a program does not.
"""

from enum import Enum

from ..bus.memory import DATA
from ..plan.device_plans import Pl330Plan
from ..plan.timing import Timing
from ..plan.traits import CANCEL, DROP, POST
from ..sim.kernel import Kernel, Mailbox, Steps
from ..sim.outside import Withheld
from ..trace.events import DmaFetched
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring

CACHE_LINE = 64
_BURST_BYTE = b"\x5a"

DMAEND = 0x00
DMAKILL = 0x01
DMALD = 0x04
DMAST = 0x08
DMAWMB = 0x13
DMALP = 0x20
DMALDPB = 0x27
DMALPFE = 0x28
DMASTPB = 0x2B
DMAWFP = 0x30
DMAWFPB = 0x32
DMASEV = 0x34
DMALPEND = 0x38
DMAGO = 0xA0
DMAMOV = 0xBC
SAR, CCR, DAR = 0, 1, 2
"""Opcodes, with loop counter 0 where there is one; and the numbers of the registers that DMAMOV
sets: source, control, destination."""

_LENGTHS = {
    DMAEND: 1,
    DMALD: 1,
    DMAST: 1,
    DMAWMB: 1,
    DMALP: 2,
    DMALDPB: 2,
    DMALPFE: 2,
    DMASTPB: 2,
    DMAWFP: 2,
    DMAWFPB: 2,
    DMASEV: 2,
    DMALPEND: 2,
    DMAMOV: 2,
}
"""Bytes of each instruction, the value of a DMAMOV not counted."""

_LOOPS = {DMALP, DMALPEND, DMALPFE}


class ChannelState(Enum):
    """The values of the channel status (CSR0) that the model distinguishes."""

    STOPPED = 0
    EXECUTING = 1
    WAITING_FOR_PERIPHERAL = 7
    KILLING = 8


class ChannelThread:
    """A program under way.

    Attributes:
        epoch: The epoch that started it.
        data_epoch: The epoch that its data belongs to.
        pc: The address of the next instruction.
        sar: The source address of the next load; 0 for a source that is left out.
        dar: The destination address of the next store.
        burst_length: Bytes of a burst.
        held: The bytes that were loaded and not yet stored.
        loops: How many rounds loop counter 0 has left.
        lines: The instruction cache.
    """

    def __init__(self, epoch: int, data_epoch: int, pc: int, burst_length: int) -> None:
        self.epoch = epoch
        self.data_epoch = data_epoch
        self.pc = pc
        self.sar = self.dar = 0
        self.burst_length = burst_length
        self.held = b""
        self.loops = 0
        self.lines: dict[int, bytes] = {}

    def move(self, register: int, value: int) -> None:
        """Carry out DMAMOV; of CCR only src_burst_size and src_burst_len count."""
        if register == SAR:
            self.sar = value
        elif register == DAR:
            self.dar = value
        else:
            self.burst_length = (value >> 4 & 0xF) + 1 << (value >> 1 & 7)

    def loop(self, instruction: bytes) -> None:
        """Carry out one of the loop instructions; `pc` is behind it already."""
        opcode, operand = instruction
        if opcode == DMALP:
            self.loops = operand + 1
            return
        if opcode == DMALPEND:
            self.loops -= 1
        if opcode == DMALPFE or self.loops > 0:
            self.pc -= operand + len(instruction)


class DebugInstruction:
    """The contents of DBGINST0 and DBGINST1 when DBGCMD was written.

    Attributes:
        opcode: DMAGO or DMAKILL.
        argument: Address of the program.
        epoch: The epoch that has written it.
    """

    def __init__(self, opcode: int, argument: int, epoch: int) -> None:
        self.opcode = opcode
        self.argument = argument
        self.epoch = epoch


class Pl330(PhysicalDevice):
    """The controller.

    Attributes:
        value_length: Bytes of the value in a DMAMOV.
        state: Of the channel.
        thread: Its program, or None.
        buffer: Bursts that have been stored and wait.
        is_draining: A burst is on its way out of the buffer.
        debugging: The instruction that the debug interface carries out, or None.
        debug_instruction, debug_argument: DBGINST0 and DBGINST1.
    """

    is_pcie = False
    value_length: int = 4

    def __init__(self, kernel: Kernel, timing: Timing, plan: Pl330Plan, wiring: Wiring) -> None:
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.state = ChannelState.STOPPED
        self.thread: ChannelThread | None = None
        self.buffer: Mailbox[Operation] = Mailbox(kernel)
        self.is_draining = False
        self.debugging: DebugInstruction | None = None
        self.debug_instruction = self.debug_argument = 0
        self.start(self._drain)

    # The peripheral of the channel.

    def await_request(self, thread: ChannelThread) -> Steps:
        """Wait until the peripheral requests the next burst; it requests none when it is alone."""
        if self.is_alone:
            yield self.kernel.event()
        yield self.kernel.delay(self.plan.pace, f"{self.name}.pace")
        if self.thread is thread:
            self.kernel.begin_story()

    def _withheld(self, thread: ChannelThread) -> Withheld | None:
        """Return the epoch that the next burst of a program would be moved for."""
        if self.thread is not thread or self.state is not ChannelState.WAITING_FOR_PERIPHERAL:
            return None
        return Withheld(self.name, thread.data_epoch, "both", "requests of its peripheral")

    def take_from_peripheral(self, length: int) -> bytes:
        """Return the next bytes that the peripheral has."""
        return _BURST_BYTE * length

    def give_to_peripheral(self, data: bytes) -> None:
        """Give the peripheral a burst."""

    def data_epoch(self, epoch: int) -> int:
        """Return the epoch that a program moves data for, given the epoch that started it."""
        return epoch

    # Registers.

    @property
    def is_stopped(self) -> bool:
        """CSR0 reads Stopped."""
        if self.traits.says_stopped_early and self.thread is None:
            return True
        return self.state is ChannelState.STOPPED

    @property
    def debug_busy(self) -> bool:
        """DBGSTATUS: the debug interface carries out an instruction."""
        return self.debugging is not None

    @property
    def is_idle(self) -> bool:
        """Whether the channel is stopped and the write buffer is empty."""
        if self.traits.says_stopped_early:
            return self.is_stopped
        return self.is_stopped and not self.buffer and super().is_idle

    @property
    def keeps_work(self) -> bool:
        """Whether its write buffer still holds bursts."""
        return bool(self.buffer)

    @property
    def is_reset_done(self) -> bool:
        """Whether the reset is over; a device that drains its write buffer first delays that."""
        return super().is_reset_done and not (self.buffer and self.traits.reset.data == POST)

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the controller's own registers."""
        match register:
            case "DBGINST0":
                self.debug_instruction = value
            case "DBGINST1":
                self.debug_argument = value
            case "DBGCMD":
                if not self.debug_busy:
                    self._begin_debugging(epoch)
            case "INTEN":
                self.irq_enabled = bool(value)
                self.drive_interrupt()
            case "INTCLR":
                self.read_cause()
            case "SOC.RESET":
                self.reset()
            case _:
                raise AssertionError(f"{self.name} has no register {register}")

    def on_reset(self) -> None:
        """The reset line: the channel stops; the policy for data decides about the buffer."""
        self.state = ChannelState.STOPPED
        self.thread = self.debugging = None
        self.debug_instruction = self.debug_argument = 0
        if self.traits.reset.data in {CANCEL, DROP}:
            self.buffer.clear()

    # The channel.

    def _begin_debugging(self, epoch: int) -> None:
        opcode = self.debug_instruction >> 16 & 0xFF
        instruction = DebugInstruction(opcode, self.debug_argument, epoch)
        self.debugging = instruction
        self.start(lambda: self._debug(instruction))

    def _debug(self, instruction: DebugInstruction) -> Steps:
        """Carry out the instruction of DBGINST0 and DBGINST1, unless a reset comes first."""
        yield self.kernel.delay(self.timing.pl330_kill, f"{self.name}.debug")
        if self.debugging is not instruction:
            return
        self.debugging = None
        if instruction.opcode == DMAGO and self.state is ChannelState.STOPPED:
            self.state = ChannelState.EXECUTING
            self.epoch = epoch = instruction.epoch
            self.thread = thread = ChannelThread(
                epoch, self.data_epoch(epoch), instruction.argument, self.plan.burst_length
            )
            executing = self.start(lambda: self._execute(thread))
            self.kernel.outside.add(executing, f"{self.name}.pace", lambda: self._withheld(thread))
        elif instruction.opcode == DMAKILL and self.plan.killable:
            yield from self._kill()
        self.changed.notify()

    def _kill(self) -> Steps:
        if self.thread is None:
            return
        self.thread = None
        self.state = ChannelState.KILLING
        self.changed.notify()
        while self.buffer or self.is_draining:
            yield self.changed.wait()
        if self.state is ChannelState.KILLING:
            self.state = ChannelState.STOPPED

    def _execute(self, thread: ChannelThread) -> Steps:
        while self.thread is thread:
            instruction = yield from self._instruction(thread)
            if self.thread is not thread:
                return
            if instruction is None or instruction[0] == DMAEND:
                self.thread, self.state = None, ChannelState.STOPPED
                self.changed.notify()
                return
            thread.pc += len(instruction)
            yield from self._carry_out(thread, instruction)

    def _carry_out(self, thread: ChannelThread, instruction: bytes) -> Steps:
        opcode = instruction[0]
        if opcode == DMAMOV:
            thread.move(instruction[1], int.from_bytes(instruction[2:], "little"))
        elif opcode in _LOOPS:
            thread.loop(instruction)
        elif opcode in {DMAWFP, DMAWFPB}:
            yield from self._wait_for_peripheral(thread)
        elif opcode in {DMALD, DMALDPB}:
            yield from self._load(thread, opcode)
        elif opcode == DMASTPB:
            self.give_to_peripheral(thread.held)
        elif opcode == DMAST:
            yield from self._store(thread)
        elif opcode == DMAWMB:
            while self.buffer or self.is_draining:
                yield self.changed.wait()
            yield from self.port.wait_until_landed()
        elif opcode == DMASEV:
            yield from self.perform(Operation(thread.epoch, ()))

    def _wait_for_peripheral(self, thread: ChannelThread) -> Steps:
        self.state = ChannelState.WAITING_FOR_PERIPHERAL
        yield from self.await_request(thread)
        if self.thread is thread:
            self.state = ChannelState.EXECUTING

    def _instruction(self, thread: ChannelThread) -> Steps:
        """Read the next instruction through the cache; gives None if it cannot be read."""
        first = yield from self._byte(thread, thread.pc)
        if first is None:
            return None
        assert first in _LENGTHS, f"{self.name}: no instruction {first:#04x}"
        instruction = bytes([first])
        length = _LENGTHS[first] + (self.value_length if first == DMAMOV else 0)
        for offset in range(1, length):
            following = yield from self._byte(thread, thread.pc + offset)
            if following is None:
                return None
            instruction += bytes([following])
        return instruction

    def _byte(self, thread: ChannelThread, addr: int) -> Steps:
        start = addr - addr % CACHE_LINE
        if start not in thread.lines:
            line = yield from self.fetch(thread.epoch, start, CACHE_LINE)
            if line is None:
                return None
            thread.lines[start] = line
        return thread.lines[start][addr - start]

    def _load(self, thread: ChannelThread, opcode: int) -> Steps:
        length = thread.burst_length
        if opcode == DMALDPB or not thread.sar:
            thread.held = self.take_from_peripheral(length)
            return
        data = yield from self.fetch(thread.data_epoch, thread.sar, length, DATA)
        thread.held = data or bytes(length)
        thread.sar += length

    def _store(self, thread: ChannelThread) -> Steps:
        while len(self.buffer) >= self.plan.buffer_bursts:
            yield self.changed.wait()
            if self.thread is not thread:
                return
        length = len(thread.held)
        self.emit(DmaFetched(self.name, thread.data_epoch, thread.dar, length))
        self.buffer.put(
            Operation(
                thread.data_epoch,
                ((thread.dar, thread.held),),
                service=self.timing.pl330_write_buffer,
                interrupts=False,
            )
        )
        thread.dar += length

    # Processes.

    def _drain(self) -> Steps:
        while True:
            while not self.buffer:
                yield self.buffer.wait()
            operation = self.buffer.take()
            self.is_draining = True
            yield from self.perform(operation)
            self.is_draining = False
            self.changed.notify()
