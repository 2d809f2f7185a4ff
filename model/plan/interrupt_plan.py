"""How interrupts reach CPUs and guests on a platform: the plan of the interrupt controller."""

import msgspec

CONTROLLERS = ("gicv3", "gicv2", "apic")
ROUTES = ("none", "its", "remapping")
DEACTIVATORS = ("kernel", "owner")
TABLES = ("host", "guest")


class InterruptPlan(msgspec.Struct, frozen=True):
    """The interrupt controller, and the unit that leads a device's messages to it.

    Attributes:
        controller: `gicv3`, `gicv2` or `apic` (I/O APIC and local APICs).
        routes: The unit that leads a message to its vector: `its` (GICv3 Interrupt Translation
            Service, to an LPI), `remapping` (VT-d interrupt remapping), or `none`, where the number
            in the message is the vector.
        deactivated_by: Which software ends an interrupt at the controller: the `kernel`, before the
            owner runs, or the `owner`, when it has served it.  A guest does that itself through a
            list register that is linked to the physical interrupt, or a write to its virtual EOI.
        pending_table: Where the redistributor keeps its LPI pending table: in memory of the `host`
            or in RAM of a `guest`.
        unmasked_at_once: Devices whose line qvm unmasks as soon as it has taken their interrupt,
            not when the guest has handled it: the attribute `u` of `intr`.
    """

    controller: str = "gicv3"
    routes: str = "none"
    deactivated_by: str = "kernel"
    pending_table: str = "host"
    unmasked_at_once: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.controller in CONTROLLERS, self.controller
        assert self.routes in ROUTES, self.routes
        assert self.deactivated_by in DEACTIVATORS, self.deactivated_by
        assert self.pending_table in TABLES, self.pending_table
        assert self.routes == "none" or self.is_gic == (self.routes == "its"), self.routes
        assert self.has_lpis or self.pending_table == "host", "only LPIs have a pending table"

    @property
    def is_gic(self) -> bool:
        """Whether it is a GIC, with list registers for virtual interrupts."""
        return self.controller != "apic"

    @property
    def has_lpis(self) -> bool:
        """Whether messages become LPIs, whose pending state lies in memory."""
        return self.routes == "its"

    @property
    def name(self) -> str:
        """The name of the controller in traces."""
        return "gic" if self.is_gic else "ioapic"


PLAIN_CONTROLLER = InterruptPlan()
"""A GICv3 whose messages carry their vector, and whose kernel ends what it takes."""
