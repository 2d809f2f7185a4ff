"""A generic device: its rules are parameters of its plan.

The plan says all that matters for the end of its owner:

- whether it works when asked or by itself;
- what an operation writes, and whether it interrupts;
- what stop and reset do to operations under way;
- which state survives for the next owner.

A new device of this kind needs a plan and no code.

Registers, named by what they do: AREA and AREA.STRIDE (buffers), RING and RING.SIZE (completion
entries), ENABLE, GO (asks for an operation into the buffer of that number), IRQ.ENABLE, RESET (the
first word of all).
"""

from collections import deque

from ..bus.register_window import RegisterBits
from ..plan.device_plans import GenericPlan
from ..plan.timing import Timing
from ..plan.traits import CANCEL, DROP
from ..sim.kernel import Kernel, Steps
from ..sim.outside import Withheld
from ..trace.events import DmaFetched
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring

_DATA_BYTE = b"\x77"
_ENTRY_BYTE = b"\x78"


class CompletionRing:
    """The ring of completion entries.

    Attributes:
        index: The next place.
    """

    def __init__(self, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self.index = 0

    def place(self, length: int) -> int:
        """Return the address of the next entry, and go on to the one after it."""
        addr = self.base + length * self.index
        self.index = (self.index + 1) % self.size
        return addr


class GenericOperation(Operation):
    """An operation into one buffer."""

    __slots__ = ("number", "ring")

    def __init__(
        self, epoch: int, number: int, addr: int, plan: GenericPlan, ring: CompletionRing | None
    ) -> None:
        data: list[tuple[int, bytes]] = []
        position = addr
        for length in plan.lengths:
            data.append((position, _DATA_BYTE * length))
            position += length
        reads = ((addr, plan.reads),) if plan.reads else ()
        super().__init__(
            epoch, tuple(data), service=plan.service, interrupts=plan.interrupts, reads=reads
        )
        self.number = number
        self.ring = ring


class GenericDevice(PhysicalDevice):
    """The device.

    Attributes:
        enabled: Whether it accepts and begins operations.
        is_stopping: It finishes the operations that it has accepted and accepts no more.
        area, stride, ring: Where it writes; the addresses are the device's.
        accepted: Buffer and epoch of each operation that has not begun.
        finished: Buffers of the operations that are done and not acknowledged.
        next_number: The buffer of the next unsolicited operation.
    """

    register_bits = (RegisterBits(0x00, "RESET", 1),)
    restart_writes = (("ENABLE", 1),)

    def __init__(self, kernel: Kernel, timing: Timing, plan: GenericPlan, wiring: Wiring) -> None:
        self.is_pcie = plan.is_pcie
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.enabled = self.is_stopping = False
        self.area = self.stride = self.ring_addr = 0
        self.ring: CompletionRing | None = None
        self.accepted: deque[tuple[int, int]] = deque()
        self.finished: list[int] = []
        self.next_number = 0
        if plan.period is not None:
            worker = self.start(self._work_unsolicited)
            kernel.outside.add(worker, f"{self.name}.period", self._withheld)

    # Registers.

    @property
    def is_idle(self) -> bool:
        """Whether it is disabled and nothing is under way."""
        if self.traits.says_stopped_early:
            return not self.enabled or self.is_stopping
        return not self.enabled and not self.accepted and super().is_idle

    @property
    def looks_stuck(self) -> bool:
        """Whether it has buffers and is disabled."""
        return bool(self.area) and not self.enabled

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the device's own registers."""
        match register:
            case "AREA":
                self.area, self.epoch = value, epoch
            case "AREA.STRIDE":
                self.stride = value
            case "RING":
                self.ring_addr = value
            case "RING.SIZE":
                self.ring = CompletionRing(self.ring_addr, value)
            case "ENABLE":
                self._set_enabled(bool(value))
            case "GO":
                self._accept(value, epoch)
            case "IRQ.ENABLE":
                self.irq_enabled = bool(value)
                self.drive_interrupt()
            case "RESET":
                self.reset()
            case _:
                raise AssertionError(f"{self.name} has no register {register}")

    def acknowledge(self) -> list[int]:
        """Clear the cause, and return the buffers that are done."""
        done, self.finished = self.finished, []
        self.read_cause()
        return done

    def on_reset(self) -> None:
        """Accepted operations are forgotten; those under way go by the policy."""
        self.enabled = self.is_stopping = False
        self.area = self.stride = self.ring_addr = 0
        self.ring = None
        if not self.traits.keeps_input:
            self.accepted.clear()
        if not self.traits.keeps_interrupt:
            self.finished.clear()

    def _set_enabled(self, enabled: bool) -> None:
        if enabled:
            self.enabled, self.is_stopping = True, False
        elif self.enabled:
            self._stop()

    def _accept(self, number: int, epoch: int) -> None:
        if self.enabled and not self.is_stopping:
            self.accepted.append((number, epoch))
            self._begin()

    def _stop(self) -> None:
        if self.plan.stop == "after-queued" and (self.accepted or self.running):
            self.is_stopping = True
            return
        self.enabled = False
        self.accepted.clear()
        if self.plan.stop == "at-once":
            self.apply_reset_policy()

    # Operations.

    def _begin(self) -> None:
        while self.enabled and self.accepted and len(self.running) < self.plan.depth:
            number, epoch = self.accepted.popleft()
            addr = self.area + self.stride * number
            operation = GenericOperation(epoch, number, addr, self.plan, self.ring)
            if self.plan.lengths:
                self.emit(DmaFetched(self.name, epoch, addr, sum(self.plan.lengths)))
            # Invariant: the operation counts as under way at once, although its process begins only
            # after this process waits; so `depth` holds.
            self.running.append(operation)
            self.start(lambda operation=operation: self._run(operation))  # type: ignore[misc]

    def _run(self, operation: GenericOperation) -> Steps:
        self.running.remove(operation)
        yield from self.perform(operation)
        self._begin()
        if self.is_stopping and not self.accepted and not self.running:
            self.enabled = self.is_stopping = False
        self.changed.notify()

    def completions_of(self, operation: Operation) -> tuple[tuple[int, bytes], ...]:
        """Return the completion entry, at the next place of the ring."""
        assert isinstance(operation, GenericOperation)
        length = self.plan.completion_length
        if operation.ring is None or not length:
            return ()
        return ((operation.ring.place(length), _ENTRY_BYTE * length),)

    def on_complete(self, operation: Operation) -> None:
        """Record which buffer is done."""
        assert isinstance(operation, GenericOperation)
        is_lost = operation.was_reset and self.traits.reset.interrupt in {DROP, CANCEL}
        if operation.interrupts and self.plan.period is None and not is_lost:
            self.finished.append(operation.number)

    # Processes.

    def _withheld(self) -> Withheld | None:
        """Return the epoch and the effect of the next unsolicited operation; None for none."""
        plan = self.plan
        writes = bool(plan.lengths or plan.completion_length) and self.engine.is_open
        if not self.enabled or self.is_stopping or not (writes or plan.interrupts):
            return None
        effect = "both" if writes and plan.interrupts else "write" if writes else "interrupt"
        return Withheld(self.name, self.epoch, effect, "unsolicited operations")

    def _work_unsolicited(self) -> Steps:
        assert self.plan.period is not None
        while True:
            yield self.kernel.delay(self.plan.period, f"{self.name}.period")
            if self.enabled and not self.is_stopping and len(self.running) < self.plan.depth:
                self.kernel.begin_story()
                self.accepted.append((self.next_number, self.epoch))
                self.next_number = (self.next_number + 1) % self.plan.in_flight
                self._begin()
