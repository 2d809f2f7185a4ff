"""Leads a device's message to a vector: the ITS of a GICv3, or VT-d interrupt remapping.

Software changes routes by commands in a queue, which the hardware carries out later and in order.
A message that was translated before may be on its way until a synchronising command has ended:

- ITS: SYNC, and CREADR has reached CWRITER;
- VT-d: the flush of the interrupt entry cache, and a register read after it.

The documented order for giving up a route is:

    ITS     DISCARD for each event, MAPD with V=0, SYNC, wait until CREADR equals CWRITER
    VT-d    clear the entry's present bit, flush the interrupt entry cache, read a register

Messages that an ITS has translated travel on one path to the redistributor.  DISCARD follows them
there, so it clears the pending state that they have set.  Remapping has no such command: a vector
that has become pending at a local APIC stays pending.

Source:
    Arm GICv3 (IHI 0069), ITS commands; Intel VT-d specification, interrupt remapping; Xen
    gic-v3-its.c and vtd/ for the order and the bounds.
"""

from typing import NamedTuple, Protocol

from ..plan.faults import Faults
from ..plan.interrupt_plan import InterruptPlan
from ..plan.timing import Timing
from ..sim.component import Component
from ..sim.kernel import Kernel, Mailbox, Signal, Steps
from ..trace.events import IrqMessageRefused, IrqRouteMapped, IrqRouteRemoved, IrqRouteSynced
from .message_routes import Route, RouteTable


class Vectors(Protocol):
    """The interrupt controller behind the routes."""

    def latch(self, intid: int, device: str, epoch: int) -> None:
        """Make a vector pending."""

    def clear_latch(self, intid: int, device: str = "") -> None:
        """Make a vector not pending, if it is so because of the device."""


class Command(NamedTuple):
    """A command of software to the hardware; `kind` is `map`, `unmap` or `sync`."""

    kind: str
    route: Route
    epoch: int


class Passing(NamedTuple):
    """What is on its way to a vector: a message of an epoch, or the order to clear the latch."""

    route: Route
    epoch: int
    clears: bool


class MessageRouter(Component):
    """The routes of a system, and the path of messages along them.

    Args:
        plan: Whether it is an ITS or a remapping unit.
        vectors: Where the path ends.
        faults: What software or hardware neglects.

    Attributes:
        table: The routes.
        executing: A command is being carried out.
        passing: Something is between the router and its vector.
        accepts: Whether LPIs are enabled; without LPIs always.
    """

    def __init__(
        self, kernel: Kernel, timing: Timing, plan: InterruptPlan, vectors: Vectors, faults: Faults
    ) -> None:
        super().__init__(kernel, "its" if plan.has_lpis else "irte", timing)
        self.vectors = vectors
        self.faults = faults
        self.discards = plan.has_lpis and not faults.pending_not_discarded
        self.table = RouteTable()
        self.accepts = True
        self.executing = False
        self.passing = False
        self.commands: Mailbox[Command] = Mailbox(kernel)
        self.path: Mailbox[Passing] = Mailbox(kernel)
        self.settled = Signal(kernel)
        self.start(self._execute)
        self.start(self._pass_on)

    # The devices' side.

    def message(self, intid: int, device: str, epoch: int) -> None:
        """Translate a message that has arrived, or refuse it."""
        # A cached copy is used even where the table has no route and where LPIs are disabled.
        route = Route(device, intid)
        uses_copy = self.faults.route_cache_kept and route in self.table.cached
        if not self.accepts and not uses_copy:
            self.emit(IrqMessageRefused(intid, device, epoch, "lpis_disabled"))
        elif self.table.translate(route):
            self.path.put(Passing(route, epoch, clears=False))
        else:
            self.emit(IrqMessageRefused(intid, device, epoch, "unmapped"))

    # Software's side.

    def map(self, route: Route, epoch: int) -> None:
        """Enter a route for an epoch; ITS: MAPD, MAPTI and SYNC, without a wait for its end."""
        self.commands.put(Command("map", route, epoch))

    def unmap(self, route: Route, epoch: int) -> None:
        """Ask for the end of a route, and for the synchronisation after it."""
        self.commands.put(Command("unmap", route, epoch))
        self.commands.put(Command("sync", route, epoch))

    def synced(self) -> Steps:
        """Wait until every command has been carried out."""
        while self.commands or self.executing:
            yield self.settled.wait()

    # Processes.

    def _execute(self) -> Steps:
        while True:
            while not self.commands:
                yield self.commands.wait()
            command = self.commands.take()
            self.executing = True
            # Invariant: commands are carried out one at a time, in the order of the queue.
            is_sync = command.kind == "sync"
            span = self.timing.its_sync if is_sync else self.timing.route_command
            yield self.kernel.delay(span, f"{self.name}.{command.kind}")
            # Invariant: when a sync ends, no message translated before it is on the path.
            while is_sync and (self.path or self.passing):
                yield self.settled.wait()
            self._carry_out(command)
            self.executing = False
            self.settled.notify()

    def _carry_out(self, command: Command) -> None:
        route, epoch = command.route, command.epoch
        device, intid = route
        match command.kind:
            case "map":
                self.table.map(route)
                self.emit(IrqRouteMapped(intid, device, epoch))
            case "unmap":
                self.table.unmap(route)
                if not self.faults.route_cache_kept:
                    self.table.invalidate(route)
                if self.discards:
                    # DISCARD takes the path of the messages and so arrives after each of them.
                    self.path.put(Passing(route, epoch, clears=True))
                self.emit(IrqRouteRemoved(intid, device, epoch))
            case _ if self.faults.route_cache_kept and route in self.table.cached:
                pass  # The command ends, but the copy is still in use: no event says "synced".
            case _:
                self.emit(IrqRouteSynced(intid, device, epoch))

    def _pass_on(self) -> Steps:
        while True:
            while not self.path:
                yield self.path.wait()
            # Invariant: one item passes at a time, so the path keeps its order.
            passing = self.path.take()
            self.passing = True
            yield self.kernel.delay(self.timing.route_delivery, f"{self.name}.delivery")
            self.passing = False
            if passing.clears:
                self.vectors.clear_latch(passing.route.intid, passing.route.device)
            else:
                self.vectors.latch(passing.route.intid, passing.route.device, passing.epoch)
            self.settled.notify()
