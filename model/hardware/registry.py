"""The kinds of physical devices: what belongs together for each.

A kind has three parts:

- a device class, made with `(kernel, timing, plan, wiring)`;
- a plan class whose first two fields are name and interrupt number;
- the procedure that quiesces the device.

The guest's driver for each kind is in `guest/driver_registry`.
"""

from functools import cache
from typing import Any, NamedTuple

from ..plan import device_plans
from ..plan.system_plan import NicPlan
from . import (
    ahci_procedure,
    can_procedure,
    edu_procedure,
    generic_procedure,
    nic_procedure,
    nvme_procedure,
    pl330_procedure,
    xhci_procedure,
)
from .ahci import AhciController
from .can import Can
from .edu import EduFunction
from .generic_device import GenericDevice
from .nic import Nic
from .nvme import Nvme
from .pl330 import Pl330
from .procedure import Procedure
from .xhci import Xhci


class DeviceKind(NamedTuple):
    """What belongs to one kind of device.

    Attributes:
        device: The class of the hardware, a `PhysicalDevice` or a class with the same interface.
        plan: The class of its plan.
        procedure: How software quiesces it.
        summary: What it is, in half a line.
    """

    device: type[Any]
    plan: type[Any]
    procedure: Procedure
    summary: str


@cache
def kinds() -> dict[str, DeviceKind]:
    """Return all kinds by name."""
    return {
        "nic": DeviceKind(
            Nic,
            NicPlan,
            nic_procedure.PROCEDURE,
            "network controller of the e1000 class",
        ),
        "ahci": DeviceKind(
            AhciController,
            device_plans.AhciPlan,
            ahci_procedure.PROCEDURE,
            "SATA host adapter with one disk",
        ),
        "nvme": DeviceKind(
            Nvme,
            device_plans.NvmePlan,
            nvme_procedure.PROCEDURE,
            "NVMe disk with one I/O queue pair",
        ),
        "xhci": DeviceKind(
            Xhci,
            device_plans.XhciPlan,
            xhci_procedure.PROCEDURE,
            "USB host controller with one reporting device",
        ),
        "pl330": DeviceKind(
            Pl330,
            device_plans.Pl330Plan,
            pl330_procedure.PROCEDURE,
            "DMA controller of the SoC, one channel",
        ),
        "can": DeviceKind(
            Can,
            device_plans.CanPlan,
            can_procedure.PROCEDURE,
            "CAN controller: interrupts, no DMA",
        ),
        "edu": DeviceKind(
            EduFunction,
            device_plans.EduPlan,
            edu_procedure.PROCEDURE,
            "teaching device: one transfer, 100 ms after it was asked for",
        ),
        "policy": DeviceKind(
            GenericDevice,
            device_plans.GenericPlan,
            generic_procedure.PROCEDURE,
            "generic device, described by its plan",
        ),
    }


def kind_of_plan(plan: type[Any]) -> DeviceKind:
    """Return the kind to which a plan class belongs."""
    return next(kind for kind in kinds().values() if kind.plan is plan)


def procedures() -> dict[str, Procedure]:
    """Return the procedure of every kind by its name."""
    return {name: kind.procedure for name, kind in kinds().items()}
