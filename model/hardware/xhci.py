"""An xHCI controller with one USB device that reports through one interrupt endpoint.

The driver fills the transfer ring once.  Reports come as long as the ring has blocks, also after
the end of the driver.  Each report writes its data, then a transfer event, then interrupts.  Port
status changes write unsolicited events.  Stop Endpoint and Configure Endpoint write the endpoint
context in memory besides their command completion event.

After USBCMD.RS=0 the controller finishes its pipelined transfers before USBSTS.HCH reads 1.
USBCMD.HCRST ends transactions at once.

Registers (eXtensible Host Controller Interface 1.2, 5.4 and 5.5): USBCMD.RS with USBSTS.HCH,
USBCMD.HCRST, USBCMD.INTE, CRCR, DCBAAP, ERSTBA and ERSTSZ (one segment, given directly), DB0
(command ring), DB1 (the endpoint).

Left out: slots, streams, isochronous transfers, ERDP and a full event ring, scratchpad buffers.
"""

from collections import deque
from typing import NamedTuple

from ..plan.device_plans import XhciPlan
from ..plan.timing import Timing
from ..sim.kernel import Kernel, Steps
from ..sim.outside import Withheld
from ..trace.events import DmaFetched
from . import xhci_rings as rings
from .operation import Operation
from .physical_device import PhysicalDevice, Wiring
from .xhci_rings import EventRing, RingCursor, Trb

_REPORT_BYTE = b"\xc3"


class PipelinedTransfer(NamedTuple):
    """A block of the transfer ring that the controller has read, with the epoch that gave it."""

    epoch: int
    trb_addr: int
    trb: Trb


class XhciOperation(Operation):
    """An operation that ends with an event in the event ring."""

    __slots__ = ("event", "ring")

    def __init__(
        self,
        epoch: int,
        data: tuple[tuple[int, bytes], ...],
        ring: EventRing | None,
        event: tuple[int, int, int],
    ) -> None:
        owner = epoch if ring is None else ring.epoch
        super().__init__(epoch, data, owner_epoch=owner)
        self.ring = ring
        self.event = event


class Xhci(PhysicalDevice):
    """The controller.

    Attributes:
        running: see `PhysicalDevice`; the operations under way.
        run_stop: USBCMD.RS.
        halted: USBSTS.HCH.
        in_controller_reset: USBCMD.HCRST, and USBSTS.CNR, read 1.
        command_ring, transfer_ring: Where it reads on, or None.
        events: The event ring, or None.
        event_base: ERSTBA.
        contexts_addr: DCBAAP.
        endpoint_running: State of the endpoint.
        endpoint_stopped: A Stop Endpoint command has been answered since.
        pipelined: Transfers read ahead.
        is_transferring: The controller reads or carries out a transfer.
    """

    def __init__(self, kernel: Kernel, timing: Timing, plan: XhciPlan, wiring: Wiring) -> None:
        super().__init__(kernel, plan.name, timing, wiring, plan.traits)
        self.plan = plan
        self.run_stop = False
        self.halted = True
        self.in_controller_reset = False
        self.command_ring: RingCursor | None = None
        self.transfer_ring: RingCursor | None = None
        self.events: EventRing | None = None
        self.event_base = self.contexts_addr = 0
        self.command_rung = False
        self.endpoint_running = self.endpoint_stopped = False
        self.pipelined: deque[PipelinedTransfer] = deque()
        self.is_transferring = False
        name = self.name
        outside = kernel.outside
        outside.add(self.start(self._report), f"{name}.interval", self._withheld_report)
        self.start(self._take_commands)
        if plan.port_events is not None:
            ports = self.start(self._change_ports)
            outside.add(ports, f"{name}.port_change", self._withheld_port_event)

    # Registers.

    @property
    def is_halted(self) -> bool:
        """USBSTS.HCH, as it reads."""
        return self.halted or (self.traits.says_stopped_early and not self.run_stop)

    @property
    def is_idle(self) -> bool:
        """Whether it is halted and nothing is under way."""
        return self.is_halted and not self.in_controller_reset and super().is_idle

    @property
    def is_reset_done(self) -> bool:
        """USBCMD.HCRST and USBSTS.CNR read 0."""
        return not self.in_controller_reset and super().is_reset_done

    def on_register(self, register: str, value: int, epoch: int) -> None:
        """Carry out a write of one of the controller's own registers."""
        if self.in_controller_reset:
            return
        match register:
            case "USBCMD.RS":
                self._set_running(bool(value))
            case "USBCMD.HCRST":
                self.in_controller_reset = True
                self.reset()
                self.start(self._controller_reset)
            case "USBCMD.INTE":
                self.irq_enabled = bool(value)
                self.drive_interrupt()
            case "CRCR":
                self.command_ring, self.epoch = RingCursor(value, epoch), epoch
            case "DCBAAP":
                self.contexts_addr = value
            case "ERSTBA":
                self.event_base = value
            case "ERSTSZ":
                self.events = EventRing(self.event_base, value, epoch)
            case "DB0" | "DB1":  # the controller reads the transfer ring at every interval
                self.command_rung |= register == "DB0"
            case _:
                raise AssertionError(f"{self.name} has no register {register}")

    def on_reset(self) -> None:
        """HCRST or FLR: registers to their defaults, the controller is halted."""
        self.run_stop = False
        self.halted = True
        self.command_ring = self.transfer_ring = None
        self.events = None
        self.event_base = self.contexts_addr = 0
        self.command_rung = self.endpoint_running = self.endpoint_stopped = False
        self.pipelined.clear()

    def _set_running(self, run: bool) -> None:
        was_running, self.run_stop = self.run_stop, run
        if run:
            self.halted = False
        elif was_running:
            self.start(self._halt)

    # Transfers.

    @property
    def _may_fetch(self) -> bool:
        is_deaf = not self.plan.halts and not self.halted
        return (self.run_stop or is_deaf) and self.endpoint_running

    def _withheld_report(self) -> Withheld | None:
        """Return the epoch that the next report would be stored for; None for none."""
        if self.halted or not self.engine.is_open or not (self._may_fetch or self.pipelined):
            return None
        ring = self.transfer_ring
        assert self.pipelined or ring is not None, "a running endpoint has a ring"
        epoch = self.pipelined[0].epoch if self.pipelined else ring.epoch  # type: ignore[union-attr]
        return Withheld(self.name, epoch, "both", "reports of the USB device")

    def _report(self) -> Steps:
        while not self.is_alone:
            yield self.kernel.delay(self.plan.interval, f"{self.name}.interval")
            if not self.halted and (self._may_fetch or self.pipelined):
                self.kernel.begin_story()
                self.is_transferring = True
                yield from self._transfer()
                self.is_transferring = False
                self.changed.notify()

    def _transfer(self) -> Steps:
        while self._may_fetch and len(self.pipelined) < self.plan.prefetch:
            if not (yield from self._fetch_transfer()):
                break
        if not self.pipelined:
            return
        epoch, trb_addr, trb = self.pipelined.popleft()
        length = trb.status & 0x1FFFF
        report = _REPORT_BYTE * min(length, self.plan.report_length)
        event = (
            trb_addr,
            rings.SUCCESS << 24 | (length - len(report)),
            rings.control_of(rings.TRANSFER_EVENT, rings.TARGET),
        )
        yield from self.perform(
            XhciOperation(epoch, ((trb.parameter, report),), self.events, event)
        )

    def _fetch_transfer(self) -> Steps:
        ring = self.transfer_ring
        assert ring is not None, "a running endpoint has a ring"
        addr = ring.addr
        trb = yield from self._next_trb(ring)
        if trb is None or self.transfer_ring is not ring:
            return False
        self.pipelined.append(PipelinedTransfer(ring.epoch, addr, trb))
        self.emit(DmaFetched(self.name, ring.epoch, trb.parameter, trb.status & 0x1FFFF))
        return True

    def _next_trb(self, ring: RingCursor) -> Steps:
        """Read the next block, following a link; gives None if there is none."""
        for _ in range(2):
            addr = ring.addr
            entry = yield from self.fetch(ring.epoch, addr, rings.TRB_SIZE)
            if entry is None:
                return None
            trb = Trb(*rings.TRB.unpack(entry))
            if ring.accept(trb):
                return trb
            if ring.addr == addr:
                return None
        return None

    def completions_of(self, operation: Operation) -> tuple[tuple[int, bytes], ...]:
        """Return the event, at the next place of the event ring."""
        assert isinstance(operation, XhciOperation)
        return () if operation.ring is None else (operation.ring.place(*operation.event),)

    # Commands.

    def _take_commands(self) -> Steps:
        while True:
            while not (self.command_rung and self.run_stop and self.command_ring):
                yield self.changed.wait()
            self.command_rung = False
            ring = self.command_ring
            while self.run_stop and self.command_ring is ring:
                addr = ring.addr
                trb = yield from self._next_trb(ring)
                if trb is None or self.command_ring is not ring:
                    break
                yield from self._carry_out(ring, addr, trb)

    def _carry_out(self, ring: RingCursor, addr: int, trb: Trb) -> Steps:
        """Carry out a command; after each wait go on only if no reset has removed the ring."""
        epoch = ring.epoch
        if trb.kind == rings.CONFIGURE_ENDPOINT:
            entry = yield from self.fetch(
                epoch,
                trb.parameter + rings.ENDPOINT_INPUT_OFFSET,
                rings.ENDPOINT_CONTEXT.size,
            )
            if entry is None or self.events is None or self.command_ring is not ring:
                return
            _, _, pointer = rings.ENDPOINT_CONTEXT.unpack(entry)
            self.transfer_ring = RingCursor(pointer, epoch)
            self.endpoint_running, self.endpoint_stopped = True, False
            yield from self._answer(ring, addr, rings.SUCCESS, rings.ENDPOINT_RUNNING)
        elif trb.kind == rings.STOP_ENDPOINT and self.endpoint_running:
            self.endpoint_running = False
            if not self.plan.stops_early:
                self.pipelined.clear()
                while self.is_transferring:
                    yield self.changed.wait()
            yield from self._answer(ring, addr, rings.SUCCESS, rings.ENDPOINT_STOPPED)
            if self.command_ring is ring:
                self.endpoint_stopped = True
                self.changed.notify()
        else:
            yield from self._answer(ring, addr, rings.CONTEXT_STATE_ERROR, None)

    def _answer(self, ring: RingCursor, addr: int, code: int, state: int | None) -> Steps:
        """Write the endpoint context if its state changes, then the command completion event."""
        data: tuple[tuple[int, bytes], ...] = ()
        transfer_ring = self.transfer_ring
        if state is not None and transfer_ring is not None:
            pointer_addr = self.contexts_addr + 8 * rings.SLOT
            context = yield from self.fetch(ring.epoch, pointer_addr, 8)
            if context is not None:
                place = int.from_bytes(context, "little") + rings.ENDPOINT_OUTPUT_OFFSET
                entry = rings.ENDPOINT_CONTEXT.pack(state, 0, transfer_ring.pointer)
                data = ((place, entry),)
        if self.command_ring is not ring:
            return  # a reset came while the context was fetched, and the command is lost
        event = (addr, code << 24, rings.control_of(rings.COMMAND_EVENT, rings.SLOT << 24))
        yield from self.perform(XhciOperation(ring.epoch, data, self.events, event))

    # Unsolicited events, and changes that take time.

    def _withheld_port_event(self) -> Withheld | None:
        """Return the epoch that the next port status change would be written for; None for none."""
        if self.halted or self.events is None or not self.engine.is_open:
            return None
        return Withheld(self.name, self.events.epoch, "both", "port status changes")

    def _change_ports(self) -> Steps:
        assert self.plan.port_events is not None
        while not self.is_alone:
            yield self.kernel.delay(self.plan.port_events, f"{self.name}.port_change")
            if not self.halted:
                self.kernel.begin_story()
                event = (1 << 24, rings.SUCCESS << 24, rings.control_of(rings.PORT_EVENT))
                yield from self.perform(XhciOperation(self.epoch, (), self.events, event))

    def _halt(self) -> Steps:
        yield self.kernel.delay(self.timing.xhci_halt, f"{self.name}.halt")
        while self.running or self.is_transferring:
            yield self.changed.wait()
        if not self.run_stop and self.plan.halts:
            self.pipelined.clear()
            self.halted = True
            self.changed.notify()

    def _controller_reset(self) -> Steps:
        yield self.kernel.delay(self.timing.xhci_reset, f"{self.name}.reset")
        while not super().is_reset_done:
            yield self.changed.wait()
        self.in_controller_reset = False
        self.changed.notify()
