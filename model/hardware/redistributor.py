"""The redistributor as a bus master: it writes its LPI pending table into memory.

Teardown code that quiesces devices easily misses it.  It is no device of any VM, and no IOMMU
translates its writes.  On many implementations software that has enabled LPIs can never disable
them again.  Then the memory of its table is lost for every other use until the machine is reset.

Registers (Arm GICv3, IHI 0069): GICR_PENDBASER (where the table lies), GICR_CTLR.EnableLPIs, and
GICR_CTLR.RWP, which reads 1 until a change has taken effect.

Source:
    Linux irq-gic-v3-its.c, "Booted with LPIs enabled, memory probably corrupted"; FreeBSD D40902
    and D44038.
"""

from ..bus.dma_engine import DmaEngine
from ..bus.fabric import Port
from ..interrupts.message_router import MessageRouter
from ..interrupts.pending_table import PendingTable
from ..plan.open_questions import ENABLE_LPIS
from ..plan.procedures import DocumentedProcedure, Order
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..sim.outside import Withheld
from ..trace.events import DmaRequested
from .procedure import Procedure, confirm_idle

NAME = "gicr"
"""Its name in traces, scenarios and pictures."""

TABLE_LENGTH = 8192
"""Bytes of a pending table for 65536 interrupt numbers, two frames."""

_WHOLE = b"\xff" * 8


class Redistributor(Component):
    """The redistributor of the CPU that takes the LPIs.

    Args:
        port: Its way to memory, past every IOMMU.
        router: The ITS, which accepts no message while LPIs are disabled; None without an ITS.
        writes_continuously: It writes its table all the time, even without a change.
        accepts_while_disabled: Messages that come through a cached translation become pending
            although LPIs are disabled.

    Attributes:
        table: The pending table.
        writing: A byte of it is on its way out.
        changed: Fires when the table or a register has changed.
    """

    def __init__(
        self,
        kernel: Kernel,
        timing: Timing,
        port: Port,
        router: MessageRouter | None = None,
        *,
        writes_continuously: bool = False,
        accepts_while_disabled: bool = False,
    ) -> None:
        super().__init__(kernel, NAME, timing)
        self.port = port
        port.registers = self
        self.engine = DmaEngine(kernel, timing, port)
        self.router = router
        self.writes_continuously = writes_continuously
        self.accepts_while_disabled = accepts_while_disabled
        self.table = PendingTable()
        self.writing = False
        self.changed = Signal(kernel)
        writer = self.start(self._write_back)
        if writes_continuously:
            kernel.outside.add(writer, f"{self.name}.write_back", self._withheld)
        kernel.outside.add_afterwards(self._withheld_note)

    # Software's side.

    def use_table(self, epoch: int, addr: int) -> None:
        """Write GICR_PENDBASER and enable LPIs; has no effect while LPIs are enabled."""
        if self.table.program(epoch, addr):
            if self.router is not None:
                self.router.accepts = True
            self.emit(DmaRequested(self.name, epoch, addr, TABLE_LENGTH))
            self.changed.notify()

    def write_register(self, register: str, value: int, epoch: int) -> None:  # noqa: ARG002
        """Carry out the write of 0 to EnableLPIs; whether it clears the bit is an open question."""
        assert (register, value) == ("GICR_CTLR.EnableLPIs", 0), (register, value)
        if self.table.enabled and self.kernel.choose(ENABLE_LPIS) == "clears":
            self.table.disable()
            if self.router is not None:
                self.router.accepts = False
            self.changed.notify()

    @property
    def is_idle(self) -> bool:
        """Whether EnableLPIs and RWP read 0: LPIs are off and all of the table is written back."""
        return not (self.table.enabled or self.table.dirty or self.writing)

    def power_off(self) -> bool:
        """Take the reset of the whole board, the only stop that always works; gives True."""
        self.table.reset()
        self.engine.bus_master = False
        self.port.cut_off()
        return True

    # The distributor's side.

    def note(self, intid: int, *, is_pending: bool) -> None:
        """Record that an LPI has become pending or was taken; ignored while LPIs are disabled."""
        if self.table.enabled or (self.accepts_while_disabled and self.table.addr is not None):
            self.table.note(intid, is_pending=is_pending)
            self.changed.notify()

    # The process.

    @property
    def _has_to_write(self) -> bool:
        return bool(self.table.dirty) or (self.writes_continuously and self.table.enabled)

    def _withheld(self) -> Withheld | None:
        """Return the epoch whose memory the next copy of the table goes to; None for none."""
        if not self.table.enabled:
            return None
        return Withheld(self.name, self.table.epoch, "write", "copies of its pending table")

    def _withheld_note(self) -> Withheld | None:
        """Return the epoch whose memory a further message would change; None for none."""
        if not (
            self.table.enabled or (self.accepts_while_disabled and self.table.addr is not None)
        ):
            return None
        return Withheld(self.name, self.table.epoch, "write", "copies of what becomes pending")

    def _write_back(self) -> Steps:
        while not (self.writes_continuously and self.is_alone):
            while not self._has_to_write:
                yield self.changed.wait()
            span = (
                self.timing.agent_period if self.writes_continuously else self.timing.lpi_write_back
            )
            yield self.kernel.delay(span, f"{self.name}.write_back")
            if not self._has_to_write:
                continue
            self.writing = True
            epoch, addr = self.table.epoch, self.table.addr
            assert addr is not None, "a table to be written has an address"
            where, data = self.table.write_back() if self.table.dirty else (addr, _WHOLE)
            yield from self.engine.write(epoch, where, data, "completion")
            self.writing = False
            self.changed.notify()


STEPS: dict[str, str] = {
    "disable-lpis": "GICR_CTLR.EnableLPIs=0",
    "confirm": "until EnableLPIs and RWP read 0 and the table is written back, at most the bound",
}
"""Every step by name, with the register access that it is."""

DOCUMENTED: Order = (("disable-lpis", 0), ("confirm", 2_000_000))
"""The procedure: step and bound in nanoseconds; the bound is that of seL4's `gicv3_wait_for_rwp`.
There is no fallback: if it times out, the table's memory must not be released."""


def carry_out(
    kernel: Kernel, redistributor: Redistributor, epoch: int, step: str, bound_ns: int
) -> Steps:
    """Do one step; gives whether it was done, as opposed to timed out."""
    if step == "disable-lpis":
        redistributor.port.post("GICR_CTLR.EnableLPIs", 0, epoch)
        return True
    assert step == "confirm", f"no step {step} for {redistributor.name}"
    return (
        yield from confirm_idle(
            kernel, redistributor, epoch, lambda: redistributor.is_idle, bound_ns
        )
    )


PROCEDURE = Procedure(
    DocumentedProcedure(STEPS, DOCUMENTED, "Arm GICv3 (IHI 0069), GICR_CTLR; FreeBSD D44038"),
    carry_out,
)
