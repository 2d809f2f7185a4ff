"""The assumptions that devices and host work as documented, unless the scenario says otherwise."""

from ..trace.events import Assumption
from .faults import NO_FAULTS
from .system_plan import SystemPlan
from .traits import Traits

_DEVICE = (
    "assumed: bus master off and a reset stop it, what it says of being idle is true, and nothing "
    "survives its reset; traits of the device say otherwise"
)
_HOST = (
    "assumed: procnto, smmuman and qvm do what their pages say; [faults] of the scenario say "
    "otherwise"
)
BY_THE_BOOK = "by the book"
"""The value of such an assumption."""


def good_behaviour(plan: SystemPlan) -> tuple[Assumption, ...]:
    """Return one assumption for each device without traits, and one for a host without faults."""
    rows = [
        Assumption(f"{device.name}.traits", BY_THE_BOOK, _DEVICE)
        for device in plan.passable
        if getattr(device, "traits", None) == Traits()
    ]
    if plan.faults == NO_FAULTS:
        rows.append(Assumption("host.faults", BY_THE_BOOK, _HOST))
    return tuple(rows)
