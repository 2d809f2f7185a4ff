"""Finds what a step of a TERMINATE callback acts on, and what carries the step out."""

from collections.abc import Callable
from typing import Any

from ..hardware import redistributor
from ..hardware.registry import kind_of_plan
from ..host import user_back_end_procedure
from ..host.host import Host
from ..plan.system_plan import VmPlan
from ..sim.kernel import Kernel, Steps

CarryOut = Callable[[Kernel, Any, int, str, int], Steps]
"""Does one step, given kernel, target, epoch, step and bound; gives whether it was done."""


def quiesce_target(host: Host, plan: VmPlan, name: str) -> tuple[Any, CarryOut] | None:
    """Return a physical device, the redistributor or a back end, with what carries its steps out.

    Gives None for the name of a vdev, which carries its own steps out.
    """
    device = host.devices.get(name)
    if device is not None:
        return device, kind_of_plan(type(device.plan)).procedure.carry_out
    if host.redistributor is not None and name == host.redistributor.name:
        return host.redistributor, redistributor.carry_out
    if name in plan.back_ends:
        return host.back_ends[name], user_back_end_procedure.carry_out
    return None
