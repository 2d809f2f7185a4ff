"""The interrupt controller of a scenario: what the platform says, and what follows without it."""

from ...model.plan.interrupt_plan import InterruptPlan
from ..format.diagnostics import Diagnostics
from ..format.schema import Scenario
from .guests import GuestEntry, pics_of
from .hardware import Hardware
from .pass_entries import used_line

_ASSUMED_END = (
    "not documented: QNX's qvmirqs page says that the kernel masks what it takes, not who "
    "deactivates it; the mask alone keeps it away then"
)


def interrupts_of(
    scenario: Scenario, guests: tuple[GuestEntry, ...], hardware: Hardware, diagnostics: Diagnostics
) -> InterruptPlan:
    """Return the plan of the interrupt controller; what does not fit becomes a problem."""
    platform = scenario.platform
    controller = platform.interrupt_controller or _usual(guests)
    deactivated_by = platform.deactivated_by or "kernel"
    routes, table = platform.message_routes, platform.pending_table
    if any(guest.config.passes for guest in guests) and platform.deactivated_by is None:
        diagnostics.assume("platform.deactivated_by", deactivated_by, _ASSUMED_END)
    wanted = {"its": "gicv3", "remapping": "apic"}.get(routes, controller)
    if wanted != controller:
        diagnostics.problem(
            ("platform", "message_routes"),
            f"{routes!r} goes with {wanted!r}, and the interrupt controller is {controller!r}",
            word=routes,
            remedy=f'write interrupt_controller = "{wanted}", or message_routes = "none"',
        )
        routes = "none"
    if table == "guest" and routes != "its":
        diagnostics.problem(
            ("platform", "pending_table"),
            "only the LPIs of an ITS have a pending table",
            word=table,
            remedy='write message_routes = "its", or remove it',
        )
        table = "host"
    at_once = _unmasked_at_once(hardware, diagnostics)
    return InterruptPlan(controller, routes, deactivated_by, table, at_once)


def _unmasked_at_once(hardware: Hardware, diagnostics: Diagnostics) -> tuple[str, ...]:
    """Return the devices whose line the configuration marks `u`; a level cannot be one of them."""
    names = []
    for name, passed in hardware.passes.items():
        line = used_line(passed)
        if line is None or "u" not in line.flags:
            continue
        if hardware.plan_of(name).trigger == "level":
            message = f"u unmasks the line at once, and that of {name!r} is level-triggered"
            remedy = f'remove u, or say trigger = "edge" for {name!r} in the scenario'
            diagnostics.problem_at(line.place, message, word=line.flags, remedy=remedy)
        names.append(name)
    return tuple(names)


def _usual(guests: tuple[GuestEntry, ...]) -> str:
    """Return the controller of the architecture that the configurations are for."""
    return "apic" if any("apic" in pics_of(guest.config) for guest in guests) else "gicv3"
