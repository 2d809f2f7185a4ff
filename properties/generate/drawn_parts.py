"""What a drawn device is, and what it must know of its system."""

from collections.abc import Callable
from typing import NamedTuple

from ...model.plan.device_plans import AnyDevicePlan
from ...model.plan.system_plan import DiskPlan, NicPlan, QuiescePlan
from ...model.plan.virtio_plan import AnyVdevPlan, BlockPlan, ConsolePlan, EntropyPlan, NetPlan
from .byte_draws import ByteDraws

__all__ = ["DeviceKind", "Drawn", "Surroundings"]


class Drawn(NamedTuple):
    """A drawn device, with everything that belongs to it.

    Attributes:
        nics: What it adds to the system.
        devices: What it adds to the system.
        disks: What it adds to the system.
        blocks: What it adds to the VM.
        nets: What it adds to the VM.
        consoles: What it adds to the VM.
        entropies: What it adds to the VM.
        quiesce: How its VM quiesces it.
    """

    nics: tuple[NicPlan, ...] = ()
    devices: tuple[AnyDevicePlan, ...] = ()
    disks: tuple[DiskPlan, ...] = ()
    blocks: tuple[BlockPlan, ...] = ()
    nets: tuple[NetPlan, ...] = ()
    consoles: tuple[ConsolePlan, ...] = ()
    entropies: tuple[EntropyPlan, ...] = ()
    quiesce: tuple[QuiescePlan, ...] = ()

    @property
    def plan(self) -> NicPlan | AnyDevicePlan | AnyVdevPlan:
        """The device itself, with its workload."""
        if self.nics or self.devices:
            return (self.nics or self.devices)[0]
        return (self.blocks or self.nets or self.consoles or self.entropies)[0]


class Surroundings(NamedTuple):
    """What a device must know of the system that it is drawn for.

    Attributes:
        number: Its own number, counted through the system.
        is_confined: Whether the IOMMU alone contains it and no procedure runs.
        has_heir: Whether a next instance of its VM receives it.
    """

    number: int
    is_confined: bool = False
    has_heir: bool = False


Draw = Callable[[ByteDraws, Surroundings], Drawn]


class DeviceKind(NamedTuple):
    """A kind of device that a drawn system may have.

    Attributes:
        name: Name of the kind.
        draw: Makes a device from draws.
        needs_no_procedure: Whether an IOMMU suffices, because nothing of the device outlives its
            owner.
        events: Names of trace events that show it at work, for the instants of ends.
        is_hardware: Whether part of it belongs to the platform.
    """

    name: str
    draw: Draw
    needs_no_procedure: bool
    events: tuple[str, ...]
    is_hardware: bool = True
