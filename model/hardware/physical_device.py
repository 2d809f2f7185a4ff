"""The base of all physical devices: operations, their three effects, and PCIe mechanics.

A device works on *operations*.  Each reads what it needs from memory, takes its time, writes its
data, then its completion entry, then raises the interrupt.  A reset, according to the device's
policy, or a closed gate can stop an operation between any two of these.  The device outlives its
driver; every operation carries the epoch in which it was requested.

A device is written once and used in two ways: a host driver owns it and serves vdevs, or it is
passed through to a guest.  The device works the same way in both.

Registers every PCIe function has (PCI Express base specification; Linux pci_regs.h): `PCI.BME`
(bus master enable), `PCI.INTX_DISABLE`, `PCI.FLR` (function level reset), `MSIX.ENABLE`,
`MSIX.MASKALL`.  A function that is in a function level reset does not answer: configuration writes
are lost until it is ready.

A device on the interconnect of the SoC (`is_pcie` false) has none of these: no bus master enable,
no function level reset, no message.  Its own registers stop it, and the reset line that the SoC's
reset controller drives.

A device's registers have an address on the bus (`registers_at`). A correct device refuses writes of
bus masters there.  A device that takes them can be re-entered from inside its own request.  A reset
on that way removes the request's state: the device then knows of no work under way, and the request
goes on.
"""

from typing import Any, ClassVar, NamedTuple

from ..base.addresses import pages_of
from ..bus.device_cache import DeviceCache
from ..bus.dma_engine import DmaEngine
from ..bus.fabric import Port
from ..bus.memory import DATA, DESCRIPTOR
from ..bus.register_window import RegisterBits, writes_of
from ..interrupts.interrupt_controller import EDGE, LEVEL, MESSAGE, InterruptController
from ..plan.timing import Timing
from ..plan.traits import CANCEL, DROP, NOTHING, POST, Traits
from ..sim.component import Component
from ..sim.kernel import Kernel, Signal, Steps
from ..trace.events import DmaDropped
from .operation import Operation, OperationEffect

PCIE_REGISTERS = frozenset(
    {"PCI.BME", "PCI.INTX_DISABLE", "PCI.FLR", "MSIX.ENABLE", "MSIX.MASKALL"}
)
"""The registers that every PCIe function has and no device of the SoC."""


class Wiring(NamedTuple):
    """What connects a device to the system.

    Attributes:
        port: Its way to memory, and the way to its registers.
        interrupts: The interrupt controller.
        intid: Its line or vector number.
        trigger: `level`, `edge` or `message`.
    """

    port: Port
    interrupts: InterruptController
    intid: int
    trigger: str = LEVEL

    @property
    def is_wire(self) -> bool:
        """Whether an interrupt goes by a wire, and not by a message."""
        return self.trigger != MESSAGE


class PhysicalDevice(Component):
    """A bus master with registers, operations and an interrupt.

    Attributes:
        is_pcie: Whether it is a PCIe function, or a device of the SoC.
        running: Operations under way.
        irq_enabled: The device's own interrupt mask.
        cause: The device's own cause bit, as the epoch that it is set for; None if clear.
        message_due: The epoch of a message or an edge that has not been sent yet, or None.
        message_enabled, message_masked: MSI-X as a whole.
        line_disabled: INTX_DISABLE.
        in_reset: A function level reset is going on.
        epoch: The epoch that programmed the device last.
        registers_at: The bus address of its registers.
        is_reentered: The device carries out a write of its own registers by itself.
    """

    is_pcie: bool = True

    register_bits: ClassVar[tuple[RegisterBits, ...]] = ()
    """The register bits that matter when bus masters write the registers."""

    restart_writes: ClassVar[tuple[tuple[str, int], ...]] = ()
    """The writes by which a recovery agent restarts a device: register and value."""

    plan: Any
    """The plan of the device's kind; `registry.kind_of_plan` says which kind that is."""

    def __init__(
        self, kernel: Kernel, name: str, timing: Timing, wiring: Wiring, traits: Traits
    ) -> None:
        super().__init__(kernel, name, timing)
        assert self.is_pcie or wiring.is_wire, f"{name} has no messages"
        self.wiring = wiring
        self.port = wiring.port
        self.interrupts = wiring.interrupts
        self.traits = traits
        self.engine = DmaEngine(
            kernel, timing, wiring.port, gate_effective=traits.bus_master_gate_effective
        )
        if traits.ats:
            self.port.cache, self.port.cache_answer = DeviceCache(), traits.atc_answer
        self.running: list[Operation] = []
        self.irq_enabled = False
        self.cause: int | None = None
        self.message_due: int | None = None
        self.message_enabled = not wiring.is_wire
        self.message_masked = False
        self.line_disabled = False
        self.in_reset = False
        self.epoch = 0
        self.changed = Signal(kernel)
        self.is_reentered = False
        wiring.port.registers = wiring.port.line_driver = self
        self.registers_at = wiring.port.fabric.open_window(self)

    # What a device of a kind supplies.

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the kind's own registers."""
        raise NotImplementedError

    def on_reset(self) -> None:
        """Set the kind's own registers to their defaults; no new operation begins."""
        raise NotImplementedError

    @property
    def keeps_work(self) -> bool:
        """Whether a reset has left work that the device will begin by itself."""
        return False

    @property
    def looks_stuck(self) -> bool:
        """Whether a recovery agent of the host sees the device set up and not running."""
        return False

    def completions_of(self, operation: Operation) -> tuple[tuple[int, bytes], ...]:
        """Return the writes after the data of an operation, in order: address and bytes."""
        return () if operation.completion is None else (operation.completion,)

    def on_complete(self, operation: Operation) -> None:
        """Record that an operation has ended; its interrupt comes next."""

    # Registers.

    def write_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a register write that has arrived; a write during a reset is lost."""
        # Invariant: a function in a function level reset takes no write (PCI Express 6.6.2).
        if self.in_reset:
            return
        if register in PCIE_REGISTERS:
            assert self.is_pcie, f"{self.name} is no PCIe function and has no {register}"
            self._write_pcie(register, value)
        else:
            self.on_register(register, value, epoch)
        self.changed.notify()

    @property
    def takes_bus_writes(self) -> bool:
        """Whether bus masters can write its registers."""
        return self.traits.takes_bus_writes

    def take_bus_write(self, master: str, epoch: int, offset: int, data: bytes) -> None:
        """Carry out a write of registers by a bus master, which may be the device itself."""
        # Invariant: `is_reentered` is true only inside this call, in which no time passes.
        self.is_reentered = master == self.name
        for register, value in writes_of(self.register_bits, offset, data):
            self.write_register(register, value, epoch)
        self.is_reentered = False

    def _write_pcie(self, register: str, value: int) -> None:
        match register:
            case "PCI.BME":
                self.engine.bus_master = bool(value)
            case "PCI.FLR":
                self.in_reset = True
                self.start(self._function_level_reset)
            case "PCI.INTX_DISABLE":
                self.line_disabled = bool(value)
            case "MSIX.ENABLE":
                self.message_enabled = bool(value)
            case _:
                self.message_masked = bool(value)
        self.drive_interrupt()

    @property
    def transactions_pending(self) -> bool:
        """PCIe Transactions Pending: reads of the function that wait for their completion.

        The bit covers neither posted writes nor work without a read: it reads 0 while a disk seeks
        (PCI Express 7.5.3.5).
        """
        return self.port.reads_pending > 0

    @property
    def has_unfinished(self) -> bool:
        """Whether an operation is under way, as far as the device knows."""
        return any(not self._is_cancelled(operation) for operation in self.running)

    @property
    def is_idle(self) -> bool:
        """Whether the device shows no work under way; a device that lies shows it too early."""
        # Invariant: the traits decide first, for they say what the device shows, not what it does.
        if self.traits.never_idle:
            return False
        if self.traits.says_stopped_early:
            return True
        if self.transactions_pending and not self.traits.forgets_running:
            return False
        return not self.has_unfinished and self.port.outstanding == 0

    @property
    def is_reset_done(self) -> bool:
        """Whether a reset that was requested reads as done."""
        # Invariant: only effects that the policy posts or drops delay the end of a reset; cancelled
        # effects end at once, and `nothing` waits for none.
        if self.in_reset:
            return False
        policy = self.traits.reset
        waits = {POST, DROP} & {policy.data, policy.completion, policy.interrupt}
        return not (waits and any(operation.was_reset for operation in self.running))

    def reset(self) -> None:
        """Do what a reset by register does; writes that have left the device still land."""
        if self.traits.ignores_reset:
            return
        # Invariant: operations under way get the reset policy before they are dropped from
        # `running`.  A device that re-enters itself drops them without it, and they go on.
        if not self.is_reentered:
            self.apply_reset_policy()
        if self.is_reentered or self.traits.forgets_running:
            self.running.clear()
        if self.traits.reset_clears_gate:
            self.engine.gate_effective = False
        self.irq_enabled = False
        if not self.traits.keeps_interrupt:
            self.clear_interrupt()
        self.on_reset()
        self.changed.notify()

    def power_off(self) -> bool:
        """Take the reset of the whole board; gives whether it writes no memory from here on.

        A device that ignores its reset ignores this reset too.  For any other device it is the
        device's own reset and the loss of its configuration space.  Operations that the reset
        policy lets go on can write only through an open bus-master gate.
        """
        # Invariant: register writes on their way are lost, for the processor that sent them is
        # reset.
        self.port.lose_posted()
        if self.traits.ignores_reset:
            return False
        had_running = bool(self.running)
        self.in_reset = True
        self.reset()
        self._clear_configuration()
        gate_holds = self.is_pcie and self.engine.gate_effective
        policy = self.traits.reset
        goes_on = had_running and bool({policy.data, policy.completion} & {POST, NOTHING})
        if not gate_holds and (goes_on or self.keeps_work):
            self.in_reset = False
            return False
        self.port.cut_off()
        return True

    # Operations.

    def perform(self, operation: Operation) -> Steps:
        """Do an operation from its begin to its interrupt."""
        # Invariant: `was_reset` is read before each effect, since a reset may come in any delay.
        # Data is issued before the completion, and both before the interrupt.
        self.running.append(operation)
        translations = (
            self._translate_all_bursts(operation) if self.traits.translates_at_start else None
        )
        fetched = (yield from self._fetch_all(operation)) if operation.reads else b""
        if operation.service is not None:
            yield self.kernel.delay(operation.service, f"{self.name}.service")
        operation.serve(fetched)
        for addr, data in operation.data:
            if not operation.was_reset or self._survives_reset(
                operation, OperationEffect.DATA, len(data)
            ):
                yield from self.engine.write(operation.epoch, addr, data, "data", translations)
        for addr, data in self.completions_of(operation):
            if not operation.was_reset or self._survives_reset(
                operation, OperationEffect.COMPLETION, len(data)
            ):
                known = translations if (addr, data) in operation.known_completions else None
                yield from self.engine.write(operation.owner_epoch, addr, data, "completion", known)
        if operation.interrupts and self.wiring.is_wire:
            # Invariant: a wire is not ordered with writes, so the device itself waits until its
            # writes have landed.  A message is a write and stays behind them.
            yield from self.port.wait_until_landed()
        # Invariant: a device that has forgotten its operations (`reset`) no longer holds this one.
        if operation in self.running:
            self.running.remove(operation)
        self.on_complete(operation)
        if operation.interrupts and (
            not operation.was_reset or self._survives_reset(operation, OperationEffect.INTERRUPT, 0)
        ):
            self.raise_interrupt(operation.owner_epoch)
        self.changed.notify()

    def _fetch_all(self, operation: Operation) -> Steps:
        """Read from memory what an operation reads; gives the bytes."""
        fetched = b""
        for addr, length in operation.reads:
            if not operation.was_reset or self._survives_reset(operation, OperationEffect.DATA, 0):
                fetched += (yield from self.fetch(operation.epoch, addr, length, DATA)) or b""
        return fetched

    def fetch(self, epoch: int, addr: int, length: int, content: str = DESCRIPTOR) -> Steps:
        """Read memory, frame by frame; gives the bytes, or None if a read gets no data."""
        pieces = []
        for piece in pages_of(addr, length):
            data = yield from self.engine.read(epoch, *piece, content)
            if data is None:
                return None
            pieces.append(data)
        return b"".join(pieces)

    def apply_reset_policy(self) -> None:
        """Mark the operations under way as reset: the reset policy decides their effects."""
        for operation in self.running:
            operation.was_reset = True

    def _is_cancelled(self, operation: Operation) -> bool:
        policy = self.traits.reset
        fates = {policy.data, policy.completion, policy.interrupt}
        return operation.was_reset and fates == {CANCEL}

    def _translate_all_bursts(self, operation: Operation) -> dict[int, int | None]:
        """Return the host address of every burst of an operation, as the IOMMU translates now."""
        return {
            burst: self.port.translate(operation.epoch, burst, length)
            for addr, data in (*operation.data, *operation.known_completions)
            for burst, length in pages_of(addr, len(data))
        }

    def _survives_reset(self, operation: Operation, effect: OperationEffect, length: int) -> bool:
        """Return whether the reset policy lets an effect happen; a dropped write is an event."""
        fate: str = getattr(self.traits.reset, effect.value)
        if fate in {POST, NOTHING}:
            return True
        assert fate in {DROP, CANCEL}
        if length:
            self.emit(DmaDropped(self.name, operation.epoch, length, "reset"))
        return False

    # Interrupts.

    @property
    def uses_line(self) -> bool:
        """Whether an interrupt goes by the line, as it does when messages are disabled."""
        if self.wiring.is_wire:
            return True
        return not self.message_enabled and self.traits.falls_back_to_line

    @property
    def sends_messages(self) -> bool:
        """Whether a message is sent and not kept as pending (MSI-X pending bit)."""
        return self.irq_enabled and self.message_enabled and not self.message_masked

    def raise_interrupt(self, epoch: int) -> None:
        """Set the cause bit, and drive the line or send the message."""
        # Invariant: one cause bit and one due message.  A further interrupt before the driver reads
        # the cause overwrites their epoch and makes no second one.
        self.cause = epoch
        if not self.uses_line or self.wiring.trigger == EDGE:
            self.message_due = epoch
        self.drive_interrupt()

    def drive_interrupt(self) -> None:
        """Drive the line as cause and masks say, or send the message that is due."""
        intid = self.wiring.intid
        if self.wiring.trigger == EDGE:
            self._pulse_edge()
            return
        if self.uses_line and self.cause is not None:
            if self.irq_enabled and not self.line_disabled:
                # Invariant: Assert_INTx never overtakes writes of the function.  If some are on
                # their way, the line follows them as a message, once.
                if self.wiring.is_wire or self.port.is_clear:
                    self.drive_line()
                elif not self.interrupts.is_asserted_by(intid, self.name):
                    self.engine.send_line(self.cause, intid)
                return
        elif self.message_due is not None and self.sends_messages:
            # Invariant: a due message is sent once; a mask only delays it.
            epoch, self.message_due = self.message_due, None
            self.engine.send_message(epoch, intid)
        self.interrupts.deassert_level(intid, self.name)

    def drive_line(self) -> None:
        """Assert the line if cause and masks say so; the data is in memory by now.

        A device on a wire has waited for its own writes.  A function that falls back from
        messages to its line sends Assert_INTx, a message that stays behind its writes.
        """
        is_visible = self.irq_enabled and not self.line_disabled
        if self.uses_line and is_visible and self.cause is not None:
            self.interrupts.assert_level(self.wiring.intid, self.name, self.cause)

    def _pulse_edge(self) -> None:
        """Pulse the line once for a cause that has had no pulse yet."""
        if self.message_due is not None and self.irq_enabled and not self.line_disabled:
            epoch, self.message_due = self.message_due, None
            self.interrupts.pulse(self.wiring.intid, self.name, epoch)

    def read_cause(self) -> bool:
        """Read the cause register, which clears it and lowers the line."""
        was_set = self.cause is not None
        self.cause = None
        self.interrupts.deassert_level(self.wiring.intid, self.name)
        return was_set

    def clear_interrupt(self) -> None:
        """Clear cause and due message, and lower the line."""
        self.message_due = None
        self.read_cause()

    # Processes.

    def _clear_configuration(self) -> None:
        """Set the registers of PCIe to their defaults: no bus mastering, no mask."""
        if self.port.cache is not None:
            self.port.cache.clear()
        if self.is_pcie:
            self.engine.bus_master = False
        self.message_enabled = not self.wiring.is_wire
        self.message_masked = self.line_disabled = False

    def _function_level_reset(self) -> Steps:
        # Invariant: `in_reset` is set before this process begins, so no register write comes first.
        self.reset()
        self._clear_configuration()
        yield self.kernel.delay(self.timing.flr, f"{self.name}.flr")
        self.in_reset = False
        self.changed.notify()
