"""An SD or eMMC controller that moves no data itself: a channel of the SoC's PL330 does.

    card -> controller's buffer -- request --> channel -> write buffer -> memory

The controller requests one burst after the other from the channel, as many as its command has.  A
read begins with the access time of the card.  A write ends with the card busy until it has
programmed its data.  A read ends with the channel's event, which comes after the data has left the
write buffer.  Every other command ends with the controller's own interrupt.  Both drive the same
line.

Software must stop both the controller (STOP_TRANSMISSION, CMD12) and the channel (DMAKILL).  A card
that is programming cannot be stopped; its end raises no interrupt.

Left out: several blocks of CMD23, tuning, command queueing of eMMC 5.1, and that the address
registers of a PL330 have 32 bits: here the value in a DMAMOV is as wide as a host address.

Source:
    Arm DDI 0424, 2.7 and 3.7 (peripheral requests, DMAWFP, DMALDP, DMASTP); SD physical layer
    simplified specification, 4.3.3 and 4.3.4 (read, write, busy).
"""

from ..base.addresses import HOST_EPOCH
from ..bus.fabric import Port
from ..interrupts.interrupt_controller import LEVEL, InterruptController
from ..plan.device_plans import Pl330Plan
from ..plan.system_plan import DiskPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..sim.outside import Withheld
from .disk import DiskCommand
from .physical_device import Wiring
from .pl330 import ChannelThread, Pl330


class SdController(Component):
    """The controller with its card.

    Args:
        disk: Its plan.
        wiring: Line and interrupt controller.
        changed: The signal that it notifies when it has data or room for the channel.

    Attributes:
        command: The command that it works on; None for none.
        buffer: The bytes that the channel has yet to take, or has given already.
        has_data_phase: Whether it requests bursts now.
        is_programming: Whether the card can no longer be stopped.
        ends_silently: Whether the end of the command raises no interrupt.
        is_done: Its own cause bit.
    """

    def __init__(
        self, kernel: Kernel, timing: Timing, disk: DiskPlan, wiring: Wiring, changed: Signal
    ) -> None:
        super().__init__(kernel, f"{disk.name}.card", timing)
        self.disk = disk
        self.wiring = wiring
        self.changed = changed
        self.command: DiskCommand | None = None
        self.buffer = b""
        self.has_data_phase = self.is_programming = self.ends_silently = self.is_done = False

    def begin(self, command: DiskCommand) -> None:
        """Take a command; a busy card gets it when it is ready."""
        self.start(lambda: self._work(command))

    def stop(self) -> None:
        """Abort the command, or let it end without an interrupt if the card is programming."""
        self.ends_silently = True
        if not self.is_programming:
            self._finish()

    def take(self, length: int) -> bytes:
        """Return the next bytes of a read."""
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        if not self.buffer:
            self._finish()
        return data

    def give(self, data: bytes) -> None:
        """Take the next bytes of a write; with the last the card begins to program."""
        command = self.command
        if command is None or not self.has_data_phase:
            return
        self.buffer += data
        if len(self.buffer) == sum(length for _, length in command.pieces):
            self.has_data_phase, self.is_programming = False, True
            self.start(lambda: self._program(command))

    def acknowledge(self) -> bool:
        """Clear the cause bit and lower the line; returns whether it was set."""
        was_done, self.is_done = self.is_done, False
        self.wiring.interrupts.deassert_level(self.wiring.intid, self.name)
        return was_done

    def _work(self, command: DiskCommand) -> Steps:
        while self.command is not None:
            yield self.changed.wait()
        self.command, self.ends_silently = command, False
        if command.operation == "write":
            self.has_data_phase = True
            self.changed.notify()
        elif command.operation == "read":
            yield self.kernel.delay(self.disk.service, f"{self.name}.access")
            if self.command is command:
                length = sum(size for _, size in command.pieces)
                self.buffer = self._execute(command).ljust(length, b"\0")
                self.has_data_phase = True
                self.changed.notify()
        else:
            self.is_programming = True
            yield from self._program(command)

    def _program(self, command: DiskCommand) -> Steps:
        yield self.kernel.delay(self.disk.service, f"{self.name}.busy")
        self._execute(command)
        if not self.ends_silently:
            self.is_done = True
            self.wiring.interrupts.assert_level(self.wiring.intid, self.name, HOST_EPOCH)
        self._finish()

    def _execute(self, command: DiskCommand) -> bytes:
        assert command.work is not None, f"{self.name} has a card with content"
        return command.work.execute(self.buffer)

    def _finish(self) -> None:
        self.command, self.buffer = None, b""
        self.has_data_phase = self.is_programming = False
        self.changed.notify()


class HostPl330(Pl330):
    """The DMA controller as a host driver owns it, with the SD controller at its channel.

    The driver's registers of both are reached through one port: `SD.CMD` (number of a command),
    `SD.STOP` and `SD.CLEAR` are the SD controller's.

    Attributes:
        card: The SD controller.
        commands: Number to command, as the driver has put it into its own memory.
        current: The command that the controller got last.
    """

    value_length = 8

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        disk: DiskPlan,
        port: Port,
        interrupts: InterruptController,
    ) -> None:
        plan = Pl330Plan(disk.name, disk.intid)
        wiring = Wiring(port, interrupts, disk.intid, LEVEL)
        super().__init__(kernel, timing, plan, wiring)
        self.card = SdController(kernel, timing, disk, wiring, self.changed)
        self.commands: dict[int, DiskCommand] = {}
        self.current: DiskCommand | None = None

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of a register of either controller."""
        match register:
            case "SD.CMD":
                self.current = self.commands[value]
                self.card.begin(self.current)
            case "SD.STOP":
                self.card.stop()
            case "SD.CLEAR":
                self.card.acknowledge()
            case _:
                super().on_register(register, value, epoch)

    def power_off(self) -> bool:
        """Take the reset of the whole board, as the SD controller does."""
        self.card.stop()
        self.card.acknowledge()
        return super().power_off()

    def await_request(self, thread: ChannelThread) -> Steps:
        """Wait until the controller has, or has room for, the next burst."""
        while self.thread is thread and not self.card.has_data_phase:
            yield self.changed.wait()
        yield self.kernel.delay(self.timing.sdmmc_burst, f"{self.name}.burst")

    def _withheld(self, thread: ChannelThread) -> Withheld | None:  # noqa: ARG002
        """Return None: the card acts only on commands, which come from inside the system."""
        return None

    def take_from_peripheral(self, length: int) -> bytes:
        """Return the next bytes that the card has read."""
        return self.card.take(length)

    def give_to_peripheral(self, data: bytes) -> None:
        """Give the controller a burst for the card."""
        self.card.give(data)

    def data_epoch(self, epoch: int) -> int:
        """Return the epoch that the command is carried out for."""
        return epoch if self.current is None else self.current.epoch
