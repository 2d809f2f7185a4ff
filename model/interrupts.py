"""The interrupt controller: lines with level or edge trigger, messages, mask bits.

A level line is pending while some device asserts it; an edge or a message is latched and stays
pending, masked or not, until it is taken (Arm GIC architecture, IHI 0069).  A masked interrupt is
not taken.  Between an interrupt becoming deliverable and the CPU taking it there is a delay, and
what has become masked or has gone away by then is not taken.
"""

from typing import Protocol

from .component import Component
from .kernel import Kernel, Signal, Steps
from .timing import Timing
from .trace import IrqAsserted, IrqDeasserted, IrqTaken

LEVEL = "level"
MESSAGE = "message"


class Taker(Protocol):
    """The part of the host kernel that a taken interrupt enters."""

    def dispatch(self, intid: int, requested_epoch: int, source: str) -> None:
        """Handle an interrupt that a CPU has taken."""


class Line:
    """One interrupt number.

    Attributes:
        asserted_by: Devices that hold the level, each with the epoch for which it works.
        latched: Source and epoch of a latched edge or message.
        masked: Whether the distributor keeps it from the CPUs.
    """

    def __init__(self, kernel: Kernel, intid: int) -> None:
        self.intid = intid
        self.asserted_by: dict[str, int] = {}
        self.latched: tuple[str, int] | None = None
        self.masked = True
        self.changed = Signal(kernel)

    @property
    def is_deliverable(self) -> bool:
        """Whether a CPU would take it now."""
        return not self.masked and bool(self.asserted_by or self.latched is not None)

    def take(self) -> tuple[str, int]:
        """Return source and epoch of what is pending; a latch is cleared by this."""
        if self.latched is not None:
            taken, self.latched = self.latched, None
            return taken
        return next(iter(self.asserted_by.items()))


class InterruptController(Component):
    """All lines of the system."""

    def __init__(self, kernel: Kernel, timing: Timing) -> None:
        super().__init__(kernel, "gic", timing)
        self.lines: dict[int, Line] = {}
        self.taker: Taker | None = None

    # The devices' side.

    def assert_level(self, intid: int, device: str, epoch: int) -> None:
        """Let a device raise its level line; raising it again changes nothing."""
        line = self._line(intid)
        if device not in line.asserted_by:
            line.asserted_by[device] = epoch
            self.emit(IrqAsserted(intid, device, epoch, LEVEL))
            line.changed.notify()

    def deassert_level(self, intid: int, device: str) -> None:
        """Let a device lower its level line, if it holds it."""
        line = self._line(intid)
        if device in line.asserted_by:
            epoch = line.asserted_by.pop(device)
            self.emit(IrqDeasserted(intid, device, epoch))

    def message(self, intid: int, device: str, epoch: int) -> None:
        """Latch a message that has arrived."""
        line = self._line(intid)
        line.latched = (device, epoch)
        self.emit(IrqAsserted(intid, device, epoch, MESSAGE))
        line.changed.notify()

    # The kernel's side.

    def set_masked(self, intid: int, masked: bool) -> None:
        """Write the enable bit of a line."""
        line = self._line(intid)
        line.masked = masked
        line.changed.notify()

    def holds_latch(self, intid: int) -> bool:
        """Return whether an edge or message of this number waits to be taken."""
        return self._line(intid).latched is not None

    def clear_latch(self, intid: int) -> None:
        """Clear the pending state of an edge or message; a level stays as the wire is."""
        self._line(intid).latched = None

    def _line(self, intid: int) -> Line:
        line = self.lines.get(intid)
        if line is None:
            line = self.lines[intid] = Line(self.kernel, intid)
            self.start(lambda: self._deliver(line))
        return line

    def _deliver(self, line: Line) -> Steps:
        while True:
            while not line.is_deliverable:
                yield line.changed.wait()
            yield self.kernel.delay(self.timing.gic_to_cpu, f"{self.name}.to_cpu")
            if line.is_deliverable:
                source, epoch = line.take()
                self.emit(IrqTaken(line.intid, epoch))
                assert self.taker is not None, "the host kernel connects itself"
                self.taker.dispatch(line.intid, epoch, source)
