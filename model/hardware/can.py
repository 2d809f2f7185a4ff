"""A CAN controller with a receive buffer of its own, of the Bosch M_CAN kind: no DMA at all.

Frames from the bus are unsolicited; they fill the controller's own memory and raise its line.  So
it can do two things to the next owner: interrupt it, and give it frames that were meant for the
former owner.

It is no PCIe function and writes no memory: gates and reset policies for data have no effect on it.
A UART with a receive buffer behaves the same.

Registers (Bosch M_CAN user's manual): CCCR.INIT (software initialisation: the bus is left, and the
bit reads 1 only when the frame under way is over), IE, ILE (interrupt enable, line enable), IR
(cause), RXF0A (acknowledges a frame), and SOC.RESET, the reset line of the SoC.
"""

from ..interrupts.interrupt_controller import EDGE
from ..plan.device_plans import CanPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel, Mailbox, Steps
from ..sim.outside import Withheld
from ..trace.events import FrameArrived
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring


class Can(PhysicalDevice):
    """The controller and the bus that it is connected to.

    Attributes:
        wants_initialization: CCCR.INIT as written.
        on_bus: Whether it takes part in the bus; CCCR.INIT reads as the opposite.
        fifo: For each received frame inside, the epoch that it was received for.
    """

    is_pcie = False

    def __init__(self, kernel: Kernel, timing: Timing, plan: CanPlan, wiring: Wiring) -> None:
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.wants_initialization = True
        self.on_bus = False
        self.fifo: Mailbox[int] = Mailbox(kernel)
        bus = self.start(self._bus)
        kernel.outside.add(bus, f"{self.name}.rx_gap", self._withheld)

    # Registers.

    @property
    def is_initialized(self) -> bool:
        """CCCR.INIT reads 1."""
        if self.traits.says_stopped_early:
            return self.wants_initialization
        return not self.on_bus

    @property
    def is_idle(self) -> bool:
        """Whether it has left the bus."""
        return self.is_initialized and super().is_idle

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the controller's own registers."""
        match register:
            case "CCCR.INIT":
                self.wants_initialization = bool(value)
                if not value:
                    self.on_bus, self.epoch = True, epoch
                elif self.on_bus:
                    self.start(self._leave_bus)
            case "IE" | "ILE":
                self.irq_enabled = bool(value)
                self.drive_interrupt()
            case "IR":
                self.read_cause()
            case "RXF0A":
                self.take_frame()
            case "SOC.RESET":
                self.reset()
            case _:
                raise AssertionError(f"{self.name} has no register {register}")

    def take_frame(self) -> int | None:
        """Read a frame and acknowledge it; returns its epoch, or None if there is none."""
        return self.fifo.take() if self.fifo else None

    def on_reset(self) -> None:
        """The reset line: the bus is left at once."""
        self.wants_initialization = True
        self.on_bus = False
        if not self.traits.keeps_input:
            self.fifo.clear()

    # Processes.

    def _withheld(self) -> Withheld | None:
        """Return the epoch that the next frame would interrupt; None if there would be none."""
        is_heard = self.irq_enabled and (self.cause is None or self.wiring.trigger == EDGE)
        if not (self.on_bus and is_heard and len(self.fifo) < self.plan.fifo_size):
            return None
        return Withheld(self.name, self.epoch, "interrupt", "frames from the bus")

    def _bus(self) -> Steps:
        frames = 0
        while (self.plan.frames == 0 or frames < self.plan.frames) and not self.is_alone:
            yield self.kernel.delay(self.plan.gap, f"{self.name}.rx_gap")
            if self.plan.frames:
                frames += 1
            if self.on_bus and len(self.fifo) < self.plan.fifo_size:
                self.kernel.begin_story()
                self.emit(FrameArrived(self.name, self.plan.frame_length))
                self.fifo.put(self.epoch)
                yield from self.perform(Operation(self.epoch, ()))

    def _leave_bus(self) -> Steps:
        yield self.kernel.delay(self.timing.can_init_sync, f"{self.name}.init")
        if self.wants_initialization:
            self.on_bus = False
            self.changed.notify()
