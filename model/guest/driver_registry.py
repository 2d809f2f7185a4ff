"""The guest's driver for each kind of physical device.

A driver is made with `(site, device)`: its surroundings in the guest, and the device that is passed
through to the guest.
"""

from functools import cache
from typing import Any

from ..plan import device_plans
from ..plan.system_plan import NicPlan
from .ahci_driver import AhciDriver
from .can_driver import CanDriver
from .edu_driver import EduDriver
from .generic_driver import GenericDriver
from .net_driver import NetDriver
from .nvme_driver import NvmeDriver
from .pl330_driver import Pl330Driver
from .xhci_driver import XhciDriver

__all__ = ["driver_of_plan"]


@cache
def _drivers() -> dict[type[Any], type[Any]]:
    return {
        NicPlan: NetDriver,
        device_plans.AhciPlan: AhciDriver,
        device_plans.NvmePlan: NvmeDriver,
        device_plans.XhciPlan: XhciDriver,
        device_plans.Pl330Plan: Pl330Driver,
        device_plans.CanPlan: CanDriver,
        device_plans.EduPlan: EduDriver,
        device_plans.GenericPlan: GenericDriver,
    }


def driver_of_plan(plan: type[Any]) -> type[Any]:
    """Return the class of the guest's driver for the device that a plan class describes."""
    return _drivers()[plan]
