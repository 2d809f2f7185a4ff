"""The interrupt controller: lines with level or edge trigger, messages, mask bits.

A level line is pending while some device asserts it.  An edge or a message is latched and stays
pending, masked or not, until a CPU takes it (Arm GIC architecture, IHI 0069).  A CPU takes no
masked interrupt.  It takes a deliverable interrupt after a delay, unless the interrupt has become
masked or has gone away by then.

An interrupt that was taken is *active* until software ends it, and is not delivered again before.
Usually the kernel ends it where it takes it, and then the mask keeps it away.  Where the owner ends
it (`InterruptPlan.deactivated_by`), an owner that dies leaves it active.  A GIC has this state
for all but LPIs.  An I/O APIC has it for level lines only: the remote IRR bit of the redirection
entry.  Neither a mask nor the wire clears that bit.

A disable takes effect at some instant until GICD_CTLR.RWP reads 0, or until a redirection entry
reads back as masked.  For software that waits for that, the instant makes no difference; here it
is the first one.  For software that does not wait it is the last one (`detach_before_masked`).
"""

from typing import Protocol

from ..plan.interrupt_plan import PLAIN_CONTROLLER, InterruptPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..trace.events import IrqActivated, IrqAsserted, IrqDeactivated, IrqDeasserted, IrqTaken
from .message_router import MessageRouter

LEVEL = "level"
EDGE = "edge"
MESSAGE = "message"


class Taker(Protocol):
    """The part of the host kernel that a taken interrupt enters."""

    def dispatch(self, intid: int, requested_epoch: int, source: str) -> None:
        """Handle an interrupt that a CPU has taken."""


class PendingKeeper(Protocol):
    """What keeps the pending state of LPIs: the redistributor."""

    def note(self, intid: int, *, is_pending: bool) -> None:
        """Note that an LPI has become pending or has been taken."""


class Line:
    """One interrupt number.

    Attributes:
        asserted_by: Devices that hold the level, each with the epoch for which it works.
        latched: Source and epoch of a latched edge or message.
        is_message: Whether the last latch is from a message and not from an edge.
        masked: Whether the distributor keeps it from the CPUs.
        active: Whether a CPU has taken it and software has not ended it yet.
        changed: Fires with each change after which the line may be deliverable.
    """

    def __init__(self, kernel: Kernel, intid: int) -> None:
        self.intid = intid
        self.asserted_by: dict[str, int] = {}
        self.latched: tuple[str, int] | None = None
        self.is_message = False
        self.masked = True
        self.active = False
        self.changed = Signal(kernel)

    @property
    def is_deliverable(self) -> bool:
        """Whether a CPU would take it now."""
        # Invariant: a mask hides what is pending and never clears it; the same holds for the
        # active state.  Both latch and level are still there after an unmask.
        return not (self.masked or self.active) and bool(
            self.asserted_by or self.latched is not None
        )

    def take(self) -> tuple[str, int]:
        """Return source and epoch of what is pending; a latch is cleared by this."""
        if self.latched is not None:
            # Taking clears a latch, so one edge is taken once however often it was latched.
            taken, self.latched = self.latched, None
            return taken
        # Taking leaves a level as it is: only the devices lower it.
        return next(iter(self.asserted_by.items()))


class InterruptController(Component):
    """All lines of the system.

    Args:
        plan: Which controller it is.

    Attributes:
        router: Leads messages to their vectors; None if they carry the vector themselves.
        redistributor: Keeps the pending state of LPIs in memory; None if there are no LPIs.
        silenced: Devices whose levels and edges no longer reach it.
    """

    def __init__(
        self, kernel: Kernel, timing: Timing, plan: InterruptPlan = PLAIN_CONTROLLER
    ) -> None:
        super().__init__(kernel, plan.name, timing)
        self.plan = plan
        self.lines: dict[int, Line] = {}
        self.taker: Taker | None = None
        self.router: MessageRouter | None = None
        self.redistributor: PendingKeeper | None = None
        self.silenced: tuple[str, ...] = ()

    # The devices' side.

    def assert_level(self, intid: int, device: str, epoch: int) -> None:
        """Let a device raise its level line; raising it again changes nothing."""
        line = self._line(intid)
        if device not in line.asserted_by and device not in self.silenced:
            line.asserted_by[device] = epoch
            self.emit(IrqAsserted(intid, device, epoch, LEVEL))
            line.changed.notify()

    def is_asserted_by(self, intid: int, device: str) -> bool:
        """Return whether a device holds a level line."""
        return device in self._line(intid).asserted_by

    def deassert_level(self, intid: int, device: str) -> None:
        """Let a device lower its level line, if it holds it."""
        line = self._line(intid)
        if device in line.asserted_by:
            epoch = line.asserted_by.pop(device)
            self.emit(IrqDeasserted(intid, device, epoch))

    def message(self, intid: int, device: str, epoch: int) -> None:
        """Latch a message that has arrived, or send it on its way to its vector."""
        if self.router is not None:
            self.router.message(intid, device, epoch)
        else:
            self.latch(intid, device, epoch)

    def latch(self, intid: int, device: str, epoch: int) -> None:
        """Make a vector pending: a message has come to the end of its way."""
        self._latch(intid, device, epoch, MESSAGE)
        if self.redistributor is not None:
            self.redistributor.note(intid, is_pending=True)

    def pulse(self, intid: int, device: str, epoch: int) -> None:
        """Latch an edge; the device cannot take it back."""
        if device not in self.silenced:
            self._latch(intid, device, epoch, EDGE)

    def _latch(self, intid: int, device: str, epoch: int, kind: str) -> None:
        # A latch is one bit: an edge that comes while it is set is merged with it (IHI 0069).
        # The last source and epoch then stand for all of them.
        line = self._line(intid)
        line.latched = (device, epoch)
        line.is_message = kind == MESSAGE
        self.emit(IrqAsserted(intid, device, epoch, kind))
        line.changed.notify()

    def silence(self, device: str) -> None:
        """Let a device raise no level and no edge from here on (an intervention)."""
        self.silenced = (*self.silenced, device)

    # The kernel's side.

    def set_masked(self, intid: int, masked: bool) -> None:
        """Write the enable bit of a line."""
        # The new mask counts at once, also for an interrupt on its way to the CPU: `_deliver`
        # looks again after its delay.
        line = self._line(intid)
        line.masked = masked
        line.changed.notify()

    def holds_latch(self, intid: int, device: str = "") -> bool:
        """Return whether an edge or message waits to be taken: any one, or that of a device."""
        latched = self._line(intid).latched
        return latched is not None and device in ("", latched[0])

    def clear_latch(self, intid: int, device: str = "") -> None:
        """Clear the pending state of an edge or message; a level stays as the wire is.

        Args:
            intid: The line or vector.
            device: Clear only what this device has latched; empty for any device.
        """
        # No `notify`: clearing a latch makes no line deliverable.
        line = self._line(intid)
        if device and (line.latched is None or line.latched[0] != device):
            return
        line.latched = None
        if self.redistributor is not None:
            self.redistributor.note(intid, is_pending=False)

    def is_active(self, intid: int) -> bool:
        """Return whether a CPU has taken an interrupt and software has not ended it."""
        return self._line(intid).active

    def deactivate(self, intid: int, by: str) -> None:
        """End an interrupt: deactivate it, or write the EOI that clears remote IRR."""
        line = self._line(intid)
        # A level that is still asserted is deliverable again from here on.
        if line.active:
            line.active = False
            self.emit(IrqDeactivated(intid, by))
            line.changed.notify()

    def _line(self, intid: int) -> Line:
        line = self.lines.get(intid)
        if line is None:
            # Invariant: each line has one delivering process, for as long as the system runs.
            line = self.lines[intid] = Line(self.kernel, intid)
            self.start(lambda: self._deliver(line))
        return line

    def _deliver(self, line: Line) -> Steps:
        while True:
            while not line.is_deliverable:
                yield line.changed.wait()
            yield self.kernel.delay(self.timing.gic_to_cpu, f"{self.name}.to_cpu")
            # The line may have been masked, cleared or lowered in the meantime.  If it has come
            # back since, this delay counts for it as well: the CPU sees the line and not its past.
            if line.is_deliverable:
                is_latched = line.latched is not None
                source, epoch = line.take()
                self.emit(IrqTaken(line.intid, epoch))
                if is_latched and self.redistributor is not None:
                    self.redistributor.note(line.intid, is_pending=False)
                if self.plan.deactivated_by != "kernel" and self._stays_active(
                    is_latched, line.is_message
                ):
                    line.active = True
                    self.emit(IrqActivated(line.intid, epoch))
                # Invariant: the line is active before the kernel learns of the interrupt, so the
                # kernel can end it at this same instant.
                assert self.taker is not None, "the host kernel connects itself"
                self.taker.dispatch(line.intid, epoch, source)

    def _stays_active(self, is_latched: bool, is_message: bool) -> bool:
        """Return whether the controller has an active state for what was taken."""
        if not is_latched:
            return True
        return self.plan.is_gic and not (self.plan.has_lpis and is_message)
